//! Slices through a volume, turned the way readers of medical images expect.
//!
//! Radiological convention: the viewer faces the patient, so the patient's right is on the left of axial and coronal
//! pictures; superior (axial: anterior) is up; sagittal pictures face left. Volumes must be canonical (`Z` to superior, `Y` to anterior, `X` to right).
//! 2-D images are shown as they lie in memory.

use sagittal_image::{BoundingBox, Geometry, Rank};

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

    /// The memory axes along which rows follow each other, and columns.
    pub(crate) fn axes(self) -> [usize; 2] {
        match self {
            Self::Axial => [1, 2],
            Self::Coronal => [0, 2],
            Self::Sagittal => [0, 1],
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
        Self::within(geometry, &BoundingBox::whole(geometry.shape), plane, position)
    }

    /// Cuts the part of a volume that lies in `field`; where `position` lies outside of `field` its rows and columns still count.
    ///
    /// # Panics
    /// If `position` or `field` is outside the volume.
    pub fn within(geometry: &Geometry, field: &BoundingBox, plane: Plane, position: usize) -> Self {
        let shape = geometry.shape;
        assert!(position < shape[plane.axis()], "slice {position} is outside {shape:?}");
        assert!(
            (0..3).all(|axis| field.lower[axis] <= field.upper[axis] && field.upper[axis] <= shape[axis]),
            "{field:?} outside {shape:?}"
        );
        let spacing = geometry.spacing_or_one();
        let axes = plane.axes();
        let size = axes.map(|axis| field.upper[axis] - field.lower[axis]);
        let upright = geometry.rank == Rank::Two;
        let voxel = |row: usize, column: usize| {
            let mut at = [0; 3];
            at[plane.axis()] = position;
            for (axis, i) in axes.into_iter().zip([row, column]) {
                at[axis] = if upright { field.lower[axis] + i } else { field.upper[axis] - 1 - i };
            }
            (at[0] * shape[1] + at[1]) * shape[2] + at[2]
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
    fn a_part_of_a_slice_is_the_same_part_of_the_whole() {
        let geometry = Geometry::volume([10, 10, 10], [3.0, 2.0, 1.0]);
        let field = BoundingBox { lower: [1, 2, 3], upper: [9, 8, 7] };
        // Row 0 is the highest Z or Y of the field, column 0 its highest X or Y.
        for (plane, size, top_left) in [(Plane::Axial, [6, 4], 476), (Plane::Coronal, [8, 4], 846), (Plane::Sagittal, [8, 6], 874)] {
            let slice = Slice::within(&geometry, &field, plane, 4);
            assert_eq!((slice.size, slice.voxels[0], slice.voxels.len()), (size, top_left, size[0] * size[1]), "{plane:?}");
        }
    }

    #[test]
    fn pictures_are_shown_as_they_lie() {
        let slice = Slice::cut(&Geometry::picture([2, 3]), Plane::Axial, 0);
        assert_eq!(slice.voxels, [0, 1, 2, 3, 4, 5]);
        assert_eq!(slice.picture_size(10.0), [20, 30]);
    }
}
