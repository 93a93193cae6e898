//! The smooth field whose zero a label's surface is: its signed distance, and slices between slices that lie far apart.
//!
//! Where slices lie far apart, distances are taken within each slice and joined by straight lines (shape-based interpolation: Raya and Udupa
//! 1990), where the mask itself would give stairs. So many slices are put in between that the field's cells are about as long as wide.

use super::{distance::signed_mm, net::Mask};

/// Voxels so many times longer along one axis than along the others are a stack of slices.
const LONGER: f64 = 1.5;
/// Slices between two slices, at most; and values of the field.
const MOST_BETWEEN: usize = 12;
const MOST_VALUES: usize = 64 << 20;

/// Values on a grid, positive inside.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Field {
    /// `[Z, Y, X]`.
    pub(super) values: Vec<f32>,
    pub(super) shape: [usize; 3],
    pub(super) spacing_mm: [f64; 3],
}

impl Field {
    /// The field around a mask; its first voxel is that of the mask.
    pub(super) fn around(mask: &Mask) -> Self {
        let apart = slices_apart(mask.spacing_mm);
        let values = signed_mm(&mask.inside, mask.shape, mask.spacing_mm, apart);
        let field = Self { values, shape: mask.shape, spacing_mm: mask.spacing_mm };
        match apart {
            None => field,
            Some(axis) => {
                let within = (0..3).filter(|other| *other != axis).map(|other| mask.spacing_mm[other]).fold(f64::MAX, f64::min);
                let room = (MOST_VALUES / field.values.len().max(1)).max(1);
                let n = ((mask.spacing_mm[axis] / within).round() as usize).clamp(1, MOST_BETWEEN.min(room));
                field.with_slices_between(axis, n)
            }
        }
    }

    /// The same field with `n` steps in the place of one along `axis`.
    fn with_slices_between(&self, axis: usize, n: usize) -> Self {
        let step_mm = self.spacing_mm[axis] as f32;
        let stride = [self.shape[1] * self.shape[2], self.shape[2], 1][axis];
        let (mut shape, mut spacing_mm) = (self.shape, self.spacing_mm);
        shape[axis] = (self.shape[axis] - 1) * n + 1;
        spacing_mm[axis] /= n as f64;
        let value = |idx: usize| {
            let at = [idx / (shape[1] * shape[2]), idx / shape[2] % shape[1], idx % shape[2]];
            let mut below = at;
            below[axis] /= n;
            let share = (at[axis] % n) as f32 / n as f32;
            let first = (below[0] * self.shape[1] + below[1]) * self.shape[2] + below[2];
            if share == 0.0 { self.values[first] } else { between(self.values[first], self.values[first + stride], share, step_mm) }
        };
        Self { values: (0..shape.iter().product()).map(value).collect(), shape, spacing_mm }
    }
}

/// The axis along which voxels are so much longer than along the others that the mask is a stack of slices.
fn slices_apart(spacing_mm: [f64; 3]) -> Option<usize> {
    (0..3).find(|&axis| (0..3).all(|other| other == axis || spacing_mm[axis] > LONGER * spacing_mm[other]))
}

/// The value at `share` of the way from one slice to the next. Where the border lies between them neither side counts for more than the other
/// one allows: the body ends half way even where the next slice is empty, with a rounded end.
fn between(a: f32, b: f32, share: f32, step_mm: f32) -> f32 {
    let limited = |inside: f32, outside: f32| (inside.min(2.0 * step_mm.max(-outside)), outside.max(-step_mm.max(inside)));
    let (a, b) = match (a > 0.0, b > 0.0) {
        (true, false) => limited(a, b),
        (false, true) => {
            let (b, a) = limited(b, a);
            (a, b)
        }
        _ => (a, b),
    };
    a + share * (b - a)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacks_of_slices_are_known_by_their_spacing() {
        let found = [[5.0, 0.5, 0.5], [1.0, 1.2, 1.0], [0.7, 3.0, 0.7], [5.0, 5.0, 1.0]].map(slices_apart);
        assert_eq!(found, [Some(0), None, Some(1), None]);
    }

    #[test]
    fn bodies_end_between_slices_and_contours_are_joined_by_straight_lines() {
        // From 10 mm inside of one slice to 5 mm outside of the next one the border is at two thirds of the way, from either side.
        assert!(between(10.0, -5.0, 2.0 / 3.0, 5.0).abs() < 1e-5 && between(-5.0, 10.0, 1.0 / 3.0, 5.0).abs() < 1e-5);
        // The next slice is empty: half way in the middle of the body, and less towards its border.
        assert!(between(8.0, -1e10, 0.5, 5.0).abs() < 1e-5);
        assert!(between(1.0, -1e10, 1.0 / 6.0, 5.0).abs() < 1e-5);
        // Far away on both sides stays far.
        assert!(between(-1e10, -1e10, 0.3, 5.0) < -1e9);
    }

    #[test]
    fn slices_between_keep_those_that_were_there() {
        let values: Vec<f32> = (0..24).map(|i| ((i * 7) % 11) as f32 - 5.5).collect();
        let field = Field { values, shape: [2, 3, 4], spacing_mm: [3.0, 1.0, 1.0] };
        for axis in 0..3 {
            let finer = field.with_slices_between(axis, 3);
            assert_eq!(finer.shape[axis], (field.shape[axis] - 1) * 3 + 1);
            let every = [0, 1, 2].map(|a| if a == axis { 3 } else { 1 });
            let [_, height, width] = field.shape;
            for (idx, value) in field.values.iter().enumerate() {
                let at = [idx / (height * width), idx / width % height, idx % width];
                let there = [0, 1, 2].map(|a| at[a] * every[a]);
                assert_eq!(finer.values[(there[0] * finer.shape[1] + there[1]) * finer.shape[2] + there[2]], *value, "axis {axis}, {at:?}");
            }
        }
    }
}
