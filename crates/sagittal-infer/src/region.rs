//! The part of a preprocessed image in which something is to be found.

use sagittal_image::Volume;
use std::ops::Range;

/// A mask and the box around it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Region {
    /// `[Z, Y, X]`.
    pub(crate) inside: Volume<bool>,
    /// First voxel inside and first beyond; empty where nothing is inside.
    pub(crate) bounds: [Range<usize>; 3],
}

impl Region {
    pub(crate) fn of(inside: Volume<bool>) -> Self {
        let [_, n_y, n_x] = inside.shape();
        // Nothing is inside yet.
        let mut ends = [(usize::MAX, 0); 3];
        for voxel in inside.voxels().iter().enumerate().filter(|(_, inside)| **inside).map(|(voxel, _)| voxel) {
            for ((first, end), at) in ends.iter_mut().zip([voxel / (n_y * n_x), voxel / n_x % n_y, voxel % n_x]) {
                (*first, *end) = ((*first).min(at), (*end).max(at + 1));
            }
        }
        Self { inside, bounds: ends.map(|(first, end)| first.min(end)..end) }
    }

    /// Voxels along each axis of the box.
    pub(crate) fn size(&self) -> [usize; 3] {
        std::array::from_fn(|axis| self.bounds[axis].len())
    }
}

/// The largest tile of at most so many voxels: a box cut along its longest axes into equal parts.
pub(crate) fn dense_tile(size: [usize; 3], most_voxels: usize) -> [usize; 3] {
    let mut parts = [1; 3];
    loop {
        let tile: [usize; 3] = std::array::from_fn(|axis| size[axis].div_ceil(parts[axis]).max(1));
        let longest = (0..3).max_by_key(|&axis| tile[axis]).unwrap_or(0);
        if tile.iter().product::<usize>() <= most_voxels || tile[longest] == 1 {
            return tile;
        }
        parts[longest] += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_box_is_around_all_that_is_inside() {
        let mut inside = Volume::filled([3, 4, 5], false);
        assert_eq!(Region::of(inside.clone()).size(), [0; 3]);
        inside.voxels_mut()[5 + 2] = true;
        inside.voxels_mut()[2 * 20 + 3 * 5] = true;
        assert_eq!(Region::of(inside).bounds, [0..3, 1..4, 0..3]);
    }

    #[test]
    fn tiles_are_equal_parts_within_the_limit() {
        for (size, most, expected) in [
            ([10, 20, 30], 6000, [10, 20, 30]),
            ([10, 20, 30], 3000, [10, 20, 15]),
            ([10, 20, 30], 2000, [10, 10, 15]),
            ([1, 1, 7], 3, [1, 1, 3]),
            ([1, 1, 1], 0, [1; 3]),
        ] {
            assert_eq!(dense_tile(size, most), expected, "{size:?} by {most}");
        }
    }
}
