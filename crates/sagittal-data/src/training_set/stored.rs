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
    /// Voxels of every class.
    pub(crate) class_locations: Vec<Vec<[u32; 3]>>,
    /// Voxels that somebody labelled, where the plan has an ignore label.
    pub(crate) labelled_locations: Vec<[u32; 3]>,
    voxels: Voxels,
}

#[derive(Debug)]
enum Voxels {
    Memory { data: Vec<f32>, labels: Vec<i16> },
    File(StoredFile),
}

/// Where a case lies in a cache file: intensities, then labels.
#[derive(Debug)]
pub(super) struct StoredFile {
    pub(super) path: PathBuf,
    pub(super) file: Mutex<File>,
    pub(super) data_offset: u64,
    pub(super) labels_offset: u64,
}

/// Part of a case: a box of its voxels, in a buffer that may be larger. Positions are those of the case.
#[derive(Debug)]
pub struct Window<'a> {
    /// Intensities of the buffer, `[C, Z, Y, X]`.
    pub(crate) data: Cow<'a, [f32]>,
    /// Labels of the buffer, `[Z, Y, X]`.
    pub(crate) labels: Cow<'a, [i16]>,
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
        let TrainingCase { id, data, labels, shape, class_locations, labelled_locations } = case;
        Self { id, shape, class_locations, labelled_locations, voxels: Voxels::Memory { data, labels } }
    }

    pub(super) fn on_disk(case: TrainingCase, file: StoredFile) -> Self {
        let TrainingCase { id, shape, class_locations, labelled_locations, .. } = case;
        Self { id, shape, class_locations, labelled_locations, voxels: Voxels::File(file) }
    }

    /// The case's name.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// `[C, Z, Y, X]`.
    pub fn shape(&self) -> [usize; 4] {
        self.shape
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
            Voxels::Memory { data, labels } => {
                Ok(Window { data: Cow::Borrowed(data), labels: Cow::Borrowed(labels), shape, origin: [0; 3], lower, upper })
            }
            Voxels::File(file) => {
                let error = |source| DataError::File { act: "read", path: file.path.clone(), source };
                let (data, labels) = file.read_box(self.shape, lower, upper).map_err(error)?;
                let shape = std::array::from_fn(|axis| upper[axis].saturating_sub(lower[axis]));
                Ok(Window { data: Cow::Owned(data), labels: Cow::Owned(labels), shape, origin: lower, lower, upper })
            }
        }
    }
}

impl StoredFile {
    /// Reads a box of all channels and of the labels. A run of rows of one slice is read at once and trimmed here,
    /// because a call per row costs more than the bytes left and right of the box.
    fn read_box(&self, [c, n_z, n_y, n_x]: [usize; 4], lower: [usize; 3], upper: [usize; 3]) -> std::io::Result<(Vec<f32>, Vec<i16>)> {
        let mut data = Vec::new();
        let mut labels = Vec::new();
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rows = Vec::new();
        for slice in (0..c).flat_map(|channel| (lower[0]..upper[0]).map(move |z| channel * n_z + z)) {
            read_rows(&mut file, self.data_offset, 4, (slice * n_y + lower[1]) * n_x, (upper[1] - lower[1]) * n_x, &mut rows)?;
            for row in rows.chunks(4 * n_x) {
                data.extend(row[4 * lower[2]..4 * upper[2]].chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])));
            }
        }
        for z in lower[0]..upper[0] {
            read_rows(&mut file, self.labels_offset, 2, (z * n_y + lower[1]) * n_x, (upper[1] - lower[1]) * n_x, &mut rows)?;
            for row in rows.chunks(2 * n_x) {
                labels.extend(row[2 * lower[2]..2 * upper[2]].chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])));
            }
        }
        Ok((data, labels))
    }
}

/// Reads `length` elements of `size` bytes from element `first` after `offset`.
fn read_rows(file: &mut File, offset: u64, size: usize, first: usize, length: usize, bytes: &mut Vec<u8>) -> std::io::Result<()> {
    bytes.resize(length * size, 0);
    file.seek(SeekFrom::Start(offset + (first * size) as u64))?;
    file.read_exact(bytes)
}
