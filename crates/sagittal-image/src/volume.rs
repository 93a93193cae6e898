//! Voxel arrays, and images and label maps that know where their voxels lie.

use crate::{Geometry, io::SourceHeader};

/// A dense array of voxels `[Z, Y, X]`, without a place in the world.
#[derive(Clone, Debug, PartialEq)]
pub struct Volume<T> {
    shape: [usize; 3],
    voxels: Vec<T>,
}

impl<T> Volume<T> {
    /// Takes `voxels` as an array of `shape`, `[Z, Y, X]`.
    ///
    /// # Panics
    /// If the number of voxels is not the product of `shape`.
    pub fn new(shape: [usize; 3], voxels: Vec<T>) -> Self {
        assert_eq!(voxels.len(), shape.iter().product::<usize>(), "voxels do not fill shape {shape:?}");
        Self { shape, voxels }
    }

    /// A volume with every voxel equal to `value`.
    pub fn filled(shape: [usize; 3], value: T) -> Self
    where
        T: Clone,
    {
        Self { shape, voxels: vec![value; shape.iter().product()] }
    }

    /// `[Z, Y, X]`.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// The voxels in memory order.
    pub fn voxels(&self) -> &[T] {
        &self.voxels
    }

    /// The voxels in memory order, to be changed.
    pub fn voxels_mut(&mut self) -> &mut [T] {
        &mut self.voxels
    }

    /// The voxels in memory order, taken out.
    pub fn into_voxels(self) -> Vec<T> {
        self.voxels
    }

    /// Where voxel `[z, y, x]` lies in memory.
    pub fn index(&self, [z, y, x]: [usize; 3]) -> usize {
        debug_assert!(z < self.shape[0] && y < self.shape[1] && x < self.shape[2]);
        (z * self.shape[1] + y) * self.shape[2] + x
    }

    /// The voxel at `[z, y, x]`.
    pub fn at(&self, position: [usize; 3]) -> &T {
        &self.voxels[self.index(position)]
    }

    /// The same array with every voxel changed by `f`.
    pub fn map<U>(&self, f: impl FnMut(&T) -> U) -> Volume<U> {
        Volume { shape: self.shape, voxels: self.voxels.iter().map(f).collect() }
    }
}

/// One case as it was read: a volume per channel, all on one grid.
#[derive(Clone, Debug)]
pub struct Image {
    /// One volume per channel, each of the geometry's shape.
    pub channels: Vec<Volume<f32>>,
    /// Where the voxels lie.
    pub geometry: Geometry,
    /// What the file said besides, kept for writing results with the same header.
    pub header: SourceHeader,
}

/// A label for every voxel of a grid.
#[derive(Clone, Debug)]
pub struct LabelMap {
    /// Label values, 0 = background.
    pub labels: Volume<u16>,
    /// Where the voxels lie.
    pub geometry: Geometry,
    /// What the file said besides.
    pub header: SourceHeader,
}
