//! The probability of every class at every voxel: too many numbers to be held at once, so that they lie in a file without a name
//! and are read one class at a time.

use crate::{InferError, soft::Head};
use sagittal_data::preprocess::Restore;
use sagittal_image::Volume;
use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
};

/// Numbers that are turned into bytes at a time.
const CHUNK: usize = 1 << 18;
const F32: usize = size_of::<f32>();

/// The probabilities of a prediction, on the input's own grid. They lie in the system's folder for temporary files (`TMPDIR`) and
/// go with this value.
#[derive(Debug)]
pub struct Probabilities {
    numbers: OnDisk,
    /// The way to the input's grid, if the numbers lie on the part that was predicted.
    restore: Option<(Restore, Head)>,
}

impl Probabilities {
    pub(crate) fn on_crop(numbers: OnDisk, restore: Restore, head: Head) -> Self {
        Self { numbers, restore: Some((restore, head)) }
    }

    pub(crate) fn on_grid(numbers: OnDisk) -> Self {
        Self { numbers, restore: None }
    }

    /// Number of classes, or of regions.
    pub fn n_classes(&self) -> usize {
        self.numbers.n_classes
    }

    /// The probability of a class, or of a region, at every voxel.
    ///
    /// # Errors
    /// [`InferError::Scratch`] if the file cannot be read.
    ///
    /// # Panics
    /// If there is no such class.
    pub fn class(&self, class: usize) -> Result<Volume<f32>, InferError> {
        let volume = self.numbers.class(class)?;
        Ok(match &self.restore {
            // Outside of what was cut out there is background, for sure.
            Some((restore, head)) => restore.to_original(&volume, if class == 0 && *head == Head::Classes { 1.0 } else { 0.0 }),
            None => volume,
        })
    }

    /// All classes at once, `[K]`, for images that are small enough.
    ///
    /// # Errors
    /// [`InferError::Scratch`] if the file cannot be read.
    pub fn all(&self) -> Result<Vec<Volume<f32>>, InferError> {
        (0..self.n_classes()).map(|class| self.class(class)).collect()
    }
}

/// A number per class and voxel, `[K, Z, Y, X]`, in a file.
#[derive(Debug)]
pub(crate) struct OnDisk {
    file: File,
    n_classes: usize,
    shape: [usize; 3],
}

impl OnDisk {
    /// Takes the whole room at once, so that a full disk shows before the work and not after it.
    pub(crate) fn new(n_classes: usize, shape: [usize; 3]) -> Result<Self, InferError> {
        let numbers = Self { file: tempfile::tempfile().map_err(failed)?, n_classes, shape };
        match fs4::FileExt::allocate(&numbers.file, numbers.at(n_classes, 0)) {
            Err(error) if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => Err(failed(error)),
            // Some file systems cannot promise room.
            _ => Ok(numbers),
        }
    }

    /// Sets numbers of a class, from voxel `first` on.
    pub(crate) fn put(&self, class: usize, first: usize, numbers: &mut dyn Iterator<Item = f32>) -> io::Result<()> {
        debug_assert!(class < self.n_classes);
        let mut file = &self.file;
        file.seek(SeekFrom::Start(self.at(class, first)))?;
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            bytes.extend(numbers.take(CHUNK).flat_map(f32::to_le_bytes));
            if bytes.is_empty() {
                return Ok(());
            }
            file.write_all(&bytes)?;
        }
    }

    pub(crate) fn class(&self, class: usize) -> Result<Volume<f32>, InferError> {
        assert!(class < self.n_classes, "class {class} of {}", self.n_classes);
        let n = self.shape.iter().product::<usize>();
        let mut voxels = Vec::with_capacity(n);
        let mut file = &self.file;
        file.seek(SeekFrom::Start(self.at(class, 0))).map_err(failed)?;
        let mut bytes = vec![0; F32 * CHUNK.min(n)];
        while voxels.len() < n {
            let bytes = &mut bytes[..F32 * CHUNK.min(n - voxels.len())];
            file.read_exact(bytes).map_err(failed)?;
            let (numbers, _) = bytes.as_chunks::<F32>();
            voxels.extend(numbers.iter().map(|number| f32::from_le_bytes(*number)));
        }
        Ok(Volume::new(self.shape, voxels))
    }

    fn at(&self, class: usize, voxel: usize) -> u64 {
        F32 as u64 * (class as u64 * self.shape.iter().map(|n| *n as u64).product::<u64>() + voxel as u64)
    }
}

/// An error about the file.
pub(crate) fn failed(source: io::Error) -> InferError {
    InferError::Scratch { source }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_where_they_were_put() {
        let shape = [3, 2, 5];
        let on_disk = OnDisk::new(2, shape).unwrap();
        // Rows of slices, in any order of classes.
        for (first, class) in [(0, 1), (0, 0), (20, 0), (10, 0), (10, 1), (20, 1)] {
            on_disk.put(class, first, &mut (first..first + 10).map(|i| (100 * class + i) as f32)).unwrap();
        }
        let found = Probabilities::on_grid(on_disk).all().unwrap();
        for (class, volume) in found.iter().enumerate() {
            assert_eq!(volume, &Volume::new(shape, (0..30).map(|i| (100 * class + i) as f32).collect()));
        }
        // More than fits the room in which numbers become bytes.
        let n = 2 * CHUNK + 3;
        let on_disk = OnDisk::new(1, [1, 1, n]).unwrap();
        on_disk.put(0, 0, &mut (0..n).map(|i| i as f32)).unwrap();
        assert!(on_disk.class(0).unwrap().voxels().iter().enumerate().all(|(i, value)| *value == i as f32));
    }
}
