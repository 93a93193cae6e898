//! Preprocessed cases on disk.
//!
//! One file a case: 16 bytes of magic, the length of a JSON header as `u64`, the header, then little-endian and without
//! gaps the intensities (`f32`, `[C, Z, Y, X]`), the labels (`i16`, `[Z, Y, X]`), in a cascade what the previous stage found
//! (`i16`, `[Z, Y, X]`), the voxels of every class and those that somebody labelled (`u32` triples). The name holds a digest of everything the content depends on, so that an entry is either right or never
//! looked for; it is written as a whole or not at all, and one whose checksum does not fit is made anew.

use super::{StoredCase, stored::StoredFile};
use crate::{Case, DataError, Dataset, Plan, TrainingCase, dataset::read::hex, json};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Mutex,
    time::{Duration, UNIX_EPOCH},
};

const MAGIC: &[u8; 16] = b"SAGITTAL-CASE-2\n";

/// A folder of preprocessed cases.
pub(super) struct Cache {
    folder: PathBuf,
}

/// Everything an entry depends on, as a file name.
pub(super) struct CacheKey {
    file_name: String,
}

#[derive(Serialize, Deserialize)]
struct Header {
    id: String,
    shape: [usize; 4],
    class_sizes: Vec<u64>,
    class_counts: Vec<usize>,
    labelled_count: usize,
    /// Whether there is something of a previous stage.
    #[serde(default)]
    has_previous: bool,
    /// SHA-256 of all that follows the header.
    payload: String,
}

impl CacheKey {
    /// The case's files by path, length and time of change, those `besides` too, and the plan's preprocessing.
    pub(super) fn of<'a>(dataset: &Dataset, case: &'a Case, besides: impl Iterator<Item = &'a PathBuf>, plan: &Plan) -> Self {
        let mut digest = Sha256::new();
        digest.update(MAGIC);
        digest.update(plan.preprocessing_key());
        digest.update(format!("{:?}", (&case.id, &dataset.mask_values)));
        for path in case.images.iter().chain(&case.labels).chain(besides) {
            let state = fs::metadata(path)
                .ok()
                .map(|data| (data.len(), data.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok())));
            digest.update(format!("{:?}", (path.canonicalize().ok(), state)));
        }
        Self::new(&case.id, digest)
    }

    /// What is made of a case's numbers, and of that which `purpose` names.
    pub(super) fn derived(id: &str, purpose: &str, data: &[f32]) -> Self {
        let mut digest = Sha256::new();
        digest.update(MAGIC);
        digest.update(format!("{:?}", (id, purpose, data.len())));
        data.iter().for_each(|value| digest.update(value.to_le_bytes()));
        Self::new(id, digest)
    }

    fn new(id: &str, digest: Sha256) -> Self {
        let id: String = id.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' }).take(80).collect();
        Self { file_name: format!("{id}-{}.case", &hex(&digest.finalize())[..24]) }
    }
}

impl Cache {
    pub(super) fn open(folder: &Path) -> Result<Self, DataError> {
        fs::create_dir_all(folder).map_err(|source| DataError::File { act: "create", path: folder.into(), source })?;
        remove_unfinished(folder);
        Ok(Self { folder: folder.into() })
    }

    fn path(&self, key: &CacheKey) -> PathBuf {
        self.folder.join(&key.file_name)
    }

    /// The entry, if there is a sound one.
    pub(super) fn read(&self, key: &CacheKey) -> Option<TrainingCase> {
        let bytes = fs::read(self.path(key)).ok()?;
        let (header, payload) = split(&bytes)?;
        (hex(&Sha256::digest(payload)) == header.payload).then_some(())?;
        let n_voxels: usize = header.shape[1..].iter().product();
        let (data, rest) = payload.split_at_checked(4 * header.shape[0] * n_voxels)?;
        let (labels, rest) = rest.split_at_checked(2 * n_voxels)?;
        let (previous, locations) = rest.split_at_checked(if header.has_previous { 2 * n_voxels } else { 0 })?;
        let n_locations = header.class_counts.iter().sum::<usize>() + header.labelled_count;
        (locations.len() == 12 * n_locations).then_some(())?;
        let u32_at = |b: &[u8]| u32::from_le_bytes([b[0], b[1], b[2], b[3]]);
        let classes = |bytes: &[u8]| bytes.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect();
        let mut triples = locations.chunks_exact(12).map(|b| [u32_at(b), u32_at(&b[4..]), u32_at(&b[8..])]);
        Some(TrainingCase {
            id: header.id,
            data: data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
            labels: classes(labels),
            previous: classes(previous),
            shape: header.shape,
            class_sizes: header.class_sizes,
            class_locations: header.class_counts.iter().map(|&n| triples.by_ref().take(n).collect()).collect(),
            labelled_locations: triples.collect(),
        })
    }

    pub(super) fn write(&self, key: &CacheKey, case: &TrainingCase) -> Result<(), DataError> {
        let path = self.path(key);
        let mut payload = Vec::with_capacity(4 * case.data.len() + 2 * (case.labels.len() + case.previous.len()));
        payload.extend(case.data.iter().flat_map(|value| value.to_le_bytes()));
        payload.extend(case.labels.iter().chain(&case.previous).flat_map(|value| value.to_le_bytes()));
        payload
            .extend(case.class_locations.iter().flatten().chain(&case.labelled_locations).flatten().flat_map(|value| value.to_le_bytes()));
        let header = Header {
            id: case.id.clone(),
            shape: case.shape,
            class_sizes: case.class_sizes.clone(),
            class_counts: case.class_locations.iter().map(Vec::len).collect(),
            labelled_count: case.labelled_locations.len(),
            has_previous: !case.previous.is_empty(),
            payload: hex(&Sha256::digest(&payload)),
        };
        let header = serde_json::to_vec(&header).map_err(|source| DataError::Json { path: path.clone(), source })?;
        json::write_bytes(&path, &[MAGIC, &(header.len() as u64).to_le_bytes(), &header, &payload])
    }

    /// Leaves the voxels of a case that was read or written on disk.
    pub(super) fn stored(&self, key: &CacheKey, case: TrainingCase) -> Result<StoredCase, DataError> {
        let path = self.path(key);
        let error = |source| DataError::File { act: "read", path: path.clone(), source };
        let mut file = fs::File::open(&path).map_err(error)?;
        let mut start = [0; 24];
        std::io::Read::read_exact(&mut file, &mut start).map_err(error)?;
        let length = start[16..].iter().rev().fold(0, |length, &byte| length << 8 | u64::from(byte));
        let data_offset = 24 + length;
        let labels_offset = data_offset + 4 * case.data.len() as u64;
        let previous_offset = (!case.previous.is_empty()).then(|| labels_offset + 2 * case.labels.len() as u64);
        let file = StoredFile { path, file: Mutex::new(file), data_offset, labels_offset, previous_offset };
        Ok(StoredCase::on_disk(case, file))
    }
}

/// An entry is written in seconds: what is this old and still unfinished was left by a program that was killed.
const UNFINISHED_AFTER: Duration = Duration::from_secs(3600);

/// Removes what killed programs left. What cannot be removed does no harm but to the disk's free space.
fn remove_unfinished(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let is_unfinished = name.to_str().is_some_and(|name| name.contains(".case.") && name.ends_with(".tmp"));
        let age = entry.metadata().and_then(|data| data.modified()).ok().and_then(|time| time.elapsed().ok());
        if is_unfinished && age.is_some_and(|age| age >= UNFINISHED_AFTER) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Header and payload of an entry.
fn split(bytes: &[u8]) -> Option<(Header, &[u8])> {
    let rest = bytes.strip_prefix(MAGIC)?;
    let (length, rest) = rest.split_first_chunk::<8>()?;
    let (header, payload) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    Some((serde_json::from_slice(header).ok()?, payload))
}
