//! The layout before PyTorch 1.6: five pickles (a magic number, a version, facts of the machine, the data, the keys of the
//! storages), then for each key its count of numbers (8 bytes) and the numbers.

use super::{CURE, MOST_PICKLE_BYTES, Source, pickle_error};
use crate::{
    ExchangeError,
    pickle::{Heap, StorageReference, Value, unpickle},
};
use std::{
    collections::HashMap,
    io::{Read, Seek, SeekFrom},
};

/// The pickle of 0x1950a86a20f9469cfc6c with which such a file begins.
pub(super) const MAGIC: [u8; 15] = *b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

/// The storages of such a file: where the row of them begins, and their keys in order.
pub(super) struct Legacy {
    source: Box<dyn Source>,
    start: u64,
    keys: Vec<String>,
    /// Where the numbers of a key begin and how many they are, as far as the row was walked.
    found: HashMap<String, (u64, u64)>,
}

impl Legacy {
    pub(super) fn open(mut source: Box<dyn Source>, place: &str) -> Result<(Heap, Value, Self), ExchangeError> {
        let failed = |source| ExchangeError::File { act: "read", place: place.to_owned(), source };
        let mut bytes = Vec::new();
        source.by_ref().take(MOST_PICKLE_BYTES).read_to_end(&mut bytes).map_err(failed)?;
        let mut at = MAGIC.len();
        let mut next = || {
            let (heap, value, used) = unpickle(&bytes[at..]).map_err(|error| pickle_error(place, error))?;
            at += used;
            Ok::<_, ExchangeError>((heap, value))
        };
        let (_, version) = next()?;
        if version != Value::Int(1001) {
            return Err(ExchangeError::malformed(place, "a file of torch.save of an unknown version", CURE));
        }
        next()?;
        let (heap, root) = next()?;
        let (key_heap, keys) = next()?;
        let keys = key_heap.elements(keys).unwrap_or_default();
        let keys = keys.iter().filter_map(|key| key_heap.text(*key).map(str::to_owned)).collect();
        Ok((heap, root, Self { source, start: at as u64, keys, found: HashMap::new() }))
    }

    /// The bytes of a storage, at most `n_bytes` of them.
    pub(super) fn bytes(&mut self, storage: &StorageReference, n_bytes: u64, place: &str) -> Result<Vec<u8>, ExchangeError> {
        let malformed = |finding: &str| ExchangeError::malformed(place, finding, CURE);
        if self.found.is_empty() {
            self.walk(storage.number_type.n_bytes() as u64).map_err(|_| malformed("its numbers break off"))?;
        }
        let (start, n_numbers) = *self.found.get(&storage.key).ok_or_else(|| malformed("its numbers are missing"))?;
        if n_numbers != storage.n_numbers {
            return Err(malformed("its numbers are more or fewer than it says"));
        }
        let mut bytes = Vec::new();
        let read = self.source.seek(SeekFrom::Start(start)).and_then(|_| self.source.by_ref().take(n_bytes).read_to_end(&mut bytes));
        read.map_err(|source| ExchangeError::File { act: "read", place: place.to_owned(), source })?;
        Ok(bytes)
    }

    /// Finds every storage. The row does not say how long a number is; all storages of a network have the same type, and
    /// where they have not, the counts no longer fit and [`Legacy::bytes`] says so.
    fn walk(&mut self, n_bytes_of_number: u64) -> std::io::Result<()> {
        let end = self.source.seek(SeekFrom::End(0))?;
        let mut at = self.start;
        for key in &self.keys {
            self.source.seek(SeekFrom::Start(at))?;
            let mut count = [0; 8];
            self.source.read_exact(&mut count)?;
            let (count, first) = (u64::from_le_bytes(count), at + 8);
            let length = count.checked_mul(n_bytes_of_number).filter(|length| *length <= end - first.min(end));
            at = first + length.ok_or(std::io::ErrorKind::UnexpectedEof)?;
            self.found.insert(key.clone(), (first, count));
        }
        Ok(())
    }
}
