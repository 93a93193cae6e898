//! Slices through a volume, turned the way readers of medical images expect.
//!
//! Radiological convention: the viewer faces the patient, so the patient's right is on the left of axial and coronal
//! pictures; superior (axial: anterior) is up; sagittal pictures face left. Volumes must be canonical (`Z` to superior, `Y` to anterior, `X` to right).
//! 2-D images are shown as they lie in memory.

use sagittal_image::{Geometry, Rank};

/// A direction of slicing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plane {
    /// Seen from the feet: across Z.
    Axial,
    /// Seen from the front: across Y.
    Coronal,
    /// Seen from the patient's left: across X.
    Sagittal,
}

impl Plane {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Axial, Self::Coronal, Self::Sagittal];

    /// The memory axis of `[Z, Y, X]` that is fixed in a slice.
    pub fn axis(self) -> usize {
        match self {
            Self::Axial => 0,
            Self::Coronal => 1,
            Self::Sagittal => 2,
        }
    }

    /// Name for titles.
    pub fn name(self) -> &'static str {
        match self {
            Self::Axial => "axial",
            Self::Coronal => "coronal",
            Self::Sagittal => "sagittal",
        }
    }

    /// Letters at the left, right, top and bottom border.
    pub fn letters(self) -> [char; 4] {
        match self {
            Self::Axial => ['R', 'L', 'A', 'P'],
            Self::Coronal => ['R', 'L', 'S', 'I'],
            Self::Sagittal => ['A', 'P', 'S', 'I'],
        }
    }
}

/// One slice: which voxel each of its pixels is, and how large the pixels are.
#[derive(Clone, Debug, PartialEq)]
pub struct Slice {
    /// Pixels down and across.
    pub size: [usize; 2],
    /// Size of a pixel down and across, in mm or, where that is unknown, in voxels.
    pub pixel: [f64; 2],
    /// The voxel of each pixel in memory order, row by row from the top left.
    pub voxels: Vec<usize>,
}

impl Slice {
    /// Cuts a volume at `position` along the plane's axis.
    ///
    /// # Panics
    /// If `position` is outside the volume.
    pub fn cut(geometry: &Geometry, plane: Plane, position: usize) -> Self {
        assert!(position < geometry.shape[plane.axis()], "slice {position} is outside {:?}", geometry.shape);
        let [depth, height, width] = geometry.shape;
        let spacing = geometry.spacing_or_one();
        let index = |z: usize, y: usize, x: usize| (z * height + y) * width + x;
        let (size, axes): ([usize; 2], [usize; 2]) = match plane {
            Plane::Axial => ([height, width], [1, 2]),
            Plane::Coronal => ([depth, width], [0, 2]),
            Plane::Sagittal => ([depth, height], [0, 1]),
        };
        let upright = geometry.rank == Rank::Two;
        let voxel = |row: usize, column: usize| {
            let (row, column) = if upright { (row, column) } else { (size[0] - 1 - row, size[1] - 1 - column) };
            match plane {
                Plane::Axial => index(position, row, column),
                Plane::Coronal => index(row, position, column),
                Plane::Sagittal => index(row, column, position),
            }
        };
        let voxels = (0..size[0] * size[1]).map(|pixel| voxel(pixel / size[1].max(1), pixel % size[1].max(1))).collect();
        Self { size, pixel: axes.map(|axis| spacing[axis]), voxels }
    }

    /// Pixels down and across of a picture of this slice with square pixels, `height` pixels high at the least.
    pub(crate) fn picture_size(&self, scale: f64) -> [usize; 2] {
        [0, 1].map(|i| ((self.size[i] as f64 * self.pixel[i] * scale).round() as usize).max(1))
    }

    /// Height and width in the unit of the pixels.
    pub(crate) fn extent(&self) -> [f64; 2] {
        [0, 1].map(|i| self.size[i] as f64 * self.pixel[i])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_face_the_way_readers_expect() {
        // Voxel index is 100 z + 10 y + x.
        let geometry = Geometry::volume([10, 10, 10], [3.0, 2.0, 1.0]);
        for (plane, top_left, bottom_right, pixel) in [
            // axial: top left is anterior right
            (Plane::Axial, 499, 400, [2.0, 1.0]),
            // coronal: top left is superior right
            (Plane::Coronal, 949, 40, [3.0, 1.0]),
            // sagittal: top left is superior anterior
            (Plane::Sagittal, 994, 4, [3.0, 2.0]),
        ] {
            let slice = Slice::cut(&geometry, plane, 4);
            assert_eq!((slice.voxels[0], slice.voxels[99], slice.pixel), (top_left, bottom_right, pixel), "{plane:?}");
        }
    }

    #[test]
    fn pictures_are_shown_as_they_lie() {
        let slice = Slice::cut(&Geometry::picture([2, 3]), Plane::Axial, 0);
        assert_eq!(slice.voxels, [0, 1, 2, 3, 4, 5]);
        assert_eq!(slice.picture_size(10.0), [20, 30]);
    }
}
