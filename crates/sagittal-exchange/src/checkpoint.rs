//! Files of `torch.save`: a pickle and the numbers beside it.
//!
//! Since PyTorch 1.6 the file is a zip of stored entries: `STEM/data.pkl`, `STEM/byteorder`, and the numbers of each storage
//! in `STEM/data/KEY`. Before, it was a row of pickles followed by the storages. Both are read; numbers only when they are
//! asked for. Nothing in the file is run (see [`crate::pickle`]).

mod legacy;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use write::{StorageToWrite, write};

use crate::{
    ExchangeError,
    pickle::{Heap, Object, PickleError, StorageReference, TensorReference, Value, unpickle},
};
use legacy::Legacy;
use std::io::{Read, Seek, SeekFrom};
use zip::{CompressionMethod, ZipArchive};

/// What a checkpoint is read from.
pub(crate) trait Source: Read + Seek {}
impl<T: Read + Seek> Source for T {}

/// Bytes of a pickle beyond which no checkpoint goes; the same bound as the unpickler's own, and a little more so that it says so.
const MOST_PICKLE_BYTES: u64 = (16 << 20) + 1;
const CURE: &str = "copy the file again if the copy broke off, or save it again with torch.save";

/// A file of `torch.save`, opened.
pub(crate) struct Checkpoint {
    place: String,
    heap: Heap,
    root: Value,
    storages: Storages,
    /// Bytes of the whole file.
    n_bytes: u64,
}

enum Storages {
    Zip { archive: ZipArchive<Box<dyn Source>>, stem: String },
    Legacy(Legacy),
}

/// An array of numbers with its shape.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Array {
    pub(crate) shape: Vec<usize>,
    pub(crate) numbers: Vec<f32>,
}

impl Checkpoint {
    /// Reads everything but the numbers; `place` names the file in errors.
    pub(crate) fn open(mut source: Box<dyn Source>, place: &str) -> Result<Self, ExchangeError> {
        let failed = |source| ExchangeError::File { act: "read", place: place.to_owned(), source };
        let n_bytes = source.seek(SeekFrom::End(0)).map_err(failed)?;
        source.rewind().map_err(failed)?;
        let mut start = Vec::new();
        source.by_ref().take(legacy::MAGIC.len() as u64).read_to_end(&mut start).map_err(failed)?;
        source.rewind().map_err(failed)?;
        if start == legacy::MAGIC {
            let (heap, root, legacy) = Legacy::open(source, place)?;
            return Ok(Self { place: place.to_owned(), heap, root, storages: Storages::Legacy(legacy), n_bytes });
        }
        let malformed = |finding: String| ExchangeError::malformed(place, finding, CURE);
        let is_zip = start.starts_with(b"PK\x03\x04");
        let mut archive = ZipArchive::new(source).map_err(|error| match is_zip {
            true => malformed(format!("it breaks off after {n_bytes} bytes, or its end is damaged ({error})")),
            false => malformed(format!("not a file of torch.save ({error})")),
        })?;
        let names = names(&archive, place)?;
        let stem = names.iter().filter_map(|name| name.strip_suffix("/data.pkl")).min_by_key(|stem| stem.len());
        let stem = stem.ok_or_else(|| malformed("not a file of torch.save (it holds no data.pkl)".into()))?.to_owned();
        if archive.index_for_name(&format!("{stem}/byteorder")).is_some() {
            let order = entry(&mut archive, &format!("{stem}/byteorder"), 16, place)?;
            if order != b"little" {
                let found = String::from_utf8_lossy(&order).into_owned();
                let supported = "little; save it again on an ordinary machine";
                return Err(ExchangeError::Unsupported { place: place.to_owned(), field: "its order of bytes".into(), found, supported });
            }
        }
        let bytes = entry(&mut archive, &format!("{stem}/data.pkl"), MOST_PICKLE_BYTES, place)?;
        let (heap, root, _) = unpickle(&bytes).map_err(|error| pickle_error(place, error))?;
        Ok(Self { place: place.to_owned(), heap, root, storages: Storages::Zip { archive, stem }, n_bytes })
    }

    /// Bytes of the whole file: it cannot hold more numbers.
    pub(crate) fn n_bytes(&self) -> u64 {
        self.n_bytes
    }

    /// Plain data under `key` as JSON; null where there is none.
    pub(crate) fn json(&self, key: &str) -> serde_json::Value {
        const DEEPEST: usize = 32;
        let mut budget = 200_000;
        self.heap.entry(self.root, key).and_then(|value| self.heap.json(value, DEEPEST, &mut budget)).unwrap_or_default()
    }

    /// Names and arrays of the dictionary under `key`.
    pub(crate) fn arrays(&self, key: &str) -> Result<Vec<(String, TensorReference)>, ExchangeError> {
        let malformed = |finding: String| ExchangeError::malformed(&self.place, finding, "choose a checkpoint that nnU-Net wrote");
        let dictionary = self.heap.entry(self.root, key).ok_or_else(|| malformed(format!("it has no {key}")))?;
        let entries = self.heap.entries(dictionary).ok_or_else(|| malformed(format!("its {key} are no dictionary")))?;
        let array = |(name, value): &(Value, Value)| match (self.heap.text(*name), self.heap.object(*value)) {
            (Some(name), Some(Object::Tensor(tensor))) => Ok((name.to_owned(), tensor.clone())),
            _ => Err(malformed(format!("its {key} hold something that is no array"))),
        };
        entries.iter().map(array).collect()
    }

    /// The numbers of an array, in order.
    pub(crate) fn numbers(&mut self, name: &str, tensor: &TensorReference) -> Result<Array, ExchangeError> {
        let place = format!("{}: array {name}", self.place);
        let malformed = |finding: String| ExchangeError::malformed(&place, finding, CURE);
        let storage = &tensor.storage;
        let extent = Extent::of(tensor).ok_or_else(|| malformed(format!("shape {:?} reaches beyond its numbers", tensor.shape)))?;
        let n_bytes = storage.n_numbers.checked_mul(storage.number_type.n_bytes() as u64);
        let n_bytes = n_bytes
            .filter(|n| *n <= self.n_bytes)
            .ok_or_else(|| malformed(format!("expected {} numbers, but the whole file has {} bytes", storage.n_numbers, self.n_bytes)))?;
        let bytes = match &mut self.storages {
            Storages::Zip { archive, stem } => entry(archive, &format!("{stem}/data/{}", storage.key), n_bytes, &place)?,
            Storages::Legacy(legacy) => legacy.bytes(storage, n_bytes, &place)?,
        };
        if bytes.len() as u64 != n_bytes {
            return Err(malformed(format!("expected {n_bytes} bytes, found {}", bytes.len())));
        }
        Ok(extent.array(storage, &bytes))
    }
}

impl std::fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checkpoint").field("place", &self.place).field("n_bytes", &self.n_bytes).finish_non_exhaustive()
    }
}

/// Where an array lies in its storage, checked.
struct Extent {
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
    n: usize,
}

impl Extent {
    /// `None` if the array reaches beyond its storage or shows numbers more than once.
    fn of(tensor: &TensorReference) -> Option<Self> {
        let index = |numbers: &[u64]| numbers.iter().map(|n| usize::try_from(*n).ok()).collect::<Option<Vec<_>>>();
        let (shape, strides) = (index(&tensor.shape)?, index(&tensor.strides)?);
        let n = shape.iter().try_fold(1u64, |product, size| product.checked_mul(*size as u64))?;
        let last = tensor
            .shape
            .iter()
            .zip(&tensor.strides)
            .try_fold(tensor.offset, |last, (size, stride)| last.checked_add(size.saturating_sub(1).checked_mul(*stride)?))?;
        let within = n == 0 || (last < tensor.storage.n_numbers && n <= tensor.storage.n_numbers);
        within.then_some(Self { offset: usize::try_from(tensor.offset).ok()?, shape, strides, n: usize::try_from(n).ok()? })
    }

    fn array(self, storage: &StorageReference, bytes: &[u8]) -> Array {
        let size = storage.number_type.n_bytes();
        let at = |index: usize| storage.number_type.number(&bytes[index * size..(index + 1) * size]);
        let mut numbers = Vec::with_capacity(self.n);
        let mut position = vec![0usize; self.shape.len()];
        let mut index = self.offset;
        for _ in 0..self.n {
            numbers.push(at(index));
            // The next position in order, last axis first.
            for axis in (0..position.len()).rev() {
                position[axis] += 1;
                index += self.strides[axis];
                if position[axis] < self.shape[axis] {
                    break;
                }
                index -= position[axis] * self.strides[axis];
                position[axis] = 0;
            }
        }
        Array { shape: self.shape, numbers }
    }
}

/// An entry of the zip, which must be stored and at most `most` bytes long.
fn entry(archive: &mut ZipArchive<Box<dyn Source>>, name: &str, most: u64, place: &str) -> Result<Vec<u8>, ExchangeError> {
    let malformed = |finding: String| ExchangeError::malformed(place, finding, CURE);
    let file = archive.by_name(name).map_err(|error| malformed(format!("cannot read its entry {name} ({error})")))?;
    if file.compression() != CompressionMethod::Stored {
        return Err(malformed(format!("its entry {name} is compressed, which torch.save never does")));
    }
    if file.size() > most {
        return Err(malformed(format!("its entry {name} has {} bytes, expected at most {most}", file.size())));
    }
    // The declared size is no reason to allocate: the buffer grows with what is there.
    let mut bytes = Vec::new();
    let read = file.take(most).read_to_end(&mut bytes);
    read.map_err(|error| malformed(format!("cannot read its entry {name} ({error})")))?;
    Ok(bytes)
}

/// The names in an archive, refused where one leads out of the folder into which somebody might unpack it. Nothing is unpacked
/// here, but such a file was made to do harm.
pub(crate) fn names(archive: &ZipArchive<Box<dyn Source>>, place: &str) -> Result<Vec<String>, ExchangeError> {
    let mut names = Vec::new();
    for name in archive.file_names() {
        let name = name.map_err(|error| ExchangeError::malformed(place, format!("not a sound archive ({error})"), CURE))?;
        let leads_out = name.starts_with(['/', '\\']) || name.contains(':') || name.split(['/', '\\']).any(|part| part == "..");
        if leads_out {
            let finding = format!("its entry {name:?} leads out of the archive, as no honest one does; nothing was read");
            return Err(ExchangeError::malformed(place, finding, "get the file from a source that you trust"));
        }
        names.push(name.into_owned());
    }
    Ok(names)
}

fn pickle_error(place: &str, error: PickleError) -> ExchangeError {
    match error {
        PickleError::Forbidden(name) => ExchangeError::Forbidden { place: place.to_owned(), name },
        PickleError::Malformed { finding, at } => ExchangeError::malformed(place, format!("byte {at} of its pickle: {finding}"), CURE),
    }
}
