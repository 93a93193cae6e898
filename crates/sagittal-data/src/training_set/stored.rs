//! One preprocessed case, in memory or on disk, read window by window.

use crate::{DataError, TrainingCase};
use std::{
    borrow::Cow,
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

/// A preprocessed case.
#[derive(Debug)]
pub struct StoredCase {
    pub(crate) id: String,
    /// `[C, Z, Y, X]`.
    pub(crate) shape: [usize; 4],
    /// How many voxels of every class there are.
    pub(crate) class_sizes: Vec<u64>,
    /// Voxels of every class.
    pub(crate) class_locations: Vec<Vec<[u32; 3]>>,
    /// Voxels that somebody labelled, where the plan has an ignore label.
    pub(crate) labelled_locations: Vec<[u32; 3]>,
    voxels: Voxels,
}

#[derive(Debug)]
enum Voxels {
    Memory { data: Vec<f32>, labels: Vec<i16>, previous: Vec<i16> },
    File(StoredFile),
}

/// Where a case lies in a cache file: intensities, then labels, then those of the previous stage.
#[derive(Debug)]
pub(super) struct StoredFile {
    pub(super) path: PathBuf,
    pub(super) file: Mutex<File>,
    pub(super) data_offset: u64,
    pub(super) labels_offset: u64,
    /// In a cascade what the previous stage found.
    pub(super) previous_offset: Option<u64>,
}

/// Part of a case: a box of its voxels, in a buffer that may be larger. Positions are those of the case.
#[derive(Debug)]
pub struct Window<'a> {
    /// Intensities of the buffer, `[C, Z, Y, X]`.
    pub(crate) data: Cow<'a, [f32]>,
    /// Labels of the buffer, `[Z, Y, X]`.
    pub(crate) labels: Cow<'a, [i16]>,
    /// In a cascade the classes that the previous stage found in the buffer, `[Z, Y, X]`; else empty.
    pub(crate) previous: Cow<'a, [i16]>,
    /// Spatial shape of the buffer.
    pub(crate) shape: [usize; 3],
    /// Position of the buffer's first voxel.
    pub(crate) origin: [usize; 3],
    /// The box: first position inside.
    pub(crate) lower: [usize; 3],
    /// The box: first position beyond.
    pub(crate) upper: [usize; 3],
}

impl Window<'_> {
    /// Voxels of one channel of the buffer.
    pub(crate) fn n_voxels(&self) -> usize {
        self.shape.iter().product()
    }
}

impl StoredCase {
    /// Keeps a case in memory.
    pub fn in_memory(case: TrainingCase) -> Self {
        let TrainingCase { id, data, labels, previous, shape, class_sizes, class_locations, labelled_locations } = case;
        Self { id, shape, class_sizes, class_locations, labelled_locations, voxels: Voxels::Memory { data, labels, previous } }
    }

    pub(super) fn on_disk(case: TrainingCase, file: StoredFile) -> Self {
        let TrainingCase { id, shape, class_sizes, class_locations, labelled_locations, .. } = case;
        Self { id, shape, class_sizes, class_locations, labelled_locations, voxels: Voxels::File(file) }
    }

    /// The case's name.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// `[C, Z, Y, X]`.
    pub fn shape(&self) -> [usize; 4] {
        self.shape
    }

    /// Whether there is what the previous stage of a cascade found.
    pub(crate) fn has_previous(&self) -> bool {
        match &self.voxels {
            Voxels::Memory { previous, .. } => !previous.is_empty(),
            Voxels::File(file) => file.previous_offset.is_some(),
        }
    }

    /// The part of the case inside a box, which may hang over its border.
    ///
    /// # Errors
    /// If the cache file cannot be read any more.
    pub fn window(&self, lower: [i64; 3], upper: [i64; 3]) -> Result<Window<'_>, DataError> {
        let [_, z, y, x] = self.shape;
        let shape = [z, y, x];
        let clamp = |position: [i64; 3]| -> [usize; 3] { std::array::from_fn(|axis| position[axis].clamp(0, shape[axis] as i64) as usize) };
        let (lower, upper) = (clamp(lower), clamp(upper));
        match &self.voxels {
            Voxels::Memory { data, labels, previous } => {
                let (data, labels, previous) = (Cow::Borrowed(&data[..]), Cow::Borrowed(&labels[..]), Cow::Borrowed(&previous[..]));
                Ok(Window { data, labels, previous, shape, origin: [0; 3], lower, upper })
            }
            Voxels::File(file) => {
                let error = |source| DataError::File { act: "read", path: file.path.clone(), source };
                let [data, labels, previous] = file.read_box(self.shape, lower, upper).map_err(error)?;
                let floats = data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
                let classes = |bytes: Vec<u8>| Cow::Owned(bytes.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect());
                let shape = std::array::from_fn(|axis| upper[axis].saturating_sub(lower[axis]));
                let (labels, previous) = (classes(labels), classes(previous));
                Ok(Window { data: Cow::Owned(floats), labels, previous, shape, origin: lower, lower, upper })
            }
        }
    }
}

impl StoredFile {
    /// Reads a box of all channels, of the labels and of those of the previous stage, as bytes. A run of rows of one slice is
    /// read at once and trimmed here, because a call per row costs more than the bytes left and right of the box.
    fn read_box(&self, [c, n_z, n_y, n_x]: [usize; 4], lower: [usize; 3], upper: [usize; 3]) -> std::io::Result<[Vec<u8>; 3]> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rows = Vec::new();
        let mut read = |offset: u64, size: usize, n_channels: usize| -> std::io::Result<Vec<u8>> {
            let mut bytes = Vec::new();
            for slice in (0..n_channels).flat_map(|channel| (lower[0]..upper[0]).map(move |z| channel * n_z + z)) {
                read_rows(&mut file, offset, size, (slice * n_y + lower[1]) * n_x, (upper[1] - lower[1]) * n_x, &mut rows)?;
                rows.chunks(size * n_x).for_each(|row| bytes.extend_from_slice(&row[size * lower[2]..size * upper[2]]));
            }
            Ok(bytes)
        };
        let previous = self.previous_offset.map(|offset| read(offset, 2, 1)).transpose()?.unwrap_or_default();
        Ok([read(self.data_offset, 4, c)?, read(self.labels_offset, 2, 1)?, previous])
    }
}

/// Reads `length` elements of `size` bytes from element `first` after `offset`.
fn read_rows(file: &mut File, offset: u64, size: usize, first: usize, length: usize, bytes: &mut Vec<u8>) -> std::io::Result<()> {
    bytes.resize(length * size, 0);
    file.seek(SeekFrom::Start(offset + (first * size) as u64))?;
    file.read_exact(bytes)
}
