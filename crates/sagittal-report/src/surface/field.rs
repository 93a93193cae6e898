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
/// No distance within a slice: there is nothing in it.
const VERY_FAR: f32 = 1e8;

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
            if share == 0.0 {
                return self.values[first];
            }
            // The outermost slices are empty, so that what would be before them is, too.
            let before = if below[axis] > 0 { self.values[first - stride] } else { -f32::MAX };
            let after = if below[axis] + 2 < self.shape[axis] { self.values[first + 2 * stride] } else { -f32::MAX };
            between([before, self.values[first], self.values[first + stride], after], share, step_mm)
        };
        Self { values: (0..shape.iter().product()).map(value).collect(), shape, spacing_mm }
    }
}

/// The axis along which voxels are so much longer than along the others that the mask is a stack of slices.
fn slices_apart(spacing_mm: [f64; 3]) -> Option<usize> {
    (0..3).find(|&axis| (0..3).all(|other| other == axis || spacing_mm[axis] > LONGER * spacing_mm[other]))
}

/// The value at `share` of the way from the second of four slices to the third.
///
/// Where the border lies between them and the far slice is empty, the body goes on as it came, narrowing as fast as between the slices before, but
/// not further than half way: that is how far its last voxels reach.
fn between([before, a, b, after]: [f32; 4], share: f32, step_mm: f32) -> f32 {
    let (a, b) = match (a > 0.0, b > 0.0) {
        (true, false) => limited(before, a, b, step_mm),
        (false, true) => {
            let (b, a) = limited(after, b, a, step_mm);
            (a, b)
        }
        _ => (a, b),
    };
    a + share * (b - a)
}

/// The values on both sides of a border, without what is far from it: `behind` is the value behind the inner one.
fn limited(behind: f32, inside: f32, outside: f32, step_mm: f32) -> (f32, f32) {
    let is_far = |value: f32| value.abs() > VERY_FAR;
    if is_far(outside) {
        let inside = if is_far(inside) { step_mm } else { inside };
        let narrowing = if is_far(behind) { step_mm } else { behind - inside };
        return (inside, -inside.max(narrowing - inside));
    }
    (inside.min(2.0 * step_mm.max(-outside)), outside.max(-2.0 * step_mm.max(inside)))
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
        const NOTHING: f32 = -1e10;
        let is_border = |values: [f32; 4], share: f32| between(values, share, 5.0).abs() < 1e-4;
        // From 10 mm inside of one slice to 5 mm outside of the next one the border is at two thirds of the way, from either side.
        assert!(is_border([12.0, 10.0, -5.0, -9.0], 2.0 / 3.0) && is_border([-9.0, -5.0, 10.0, 12.0], 1.0 / 3.0));
        // The next slice is empty. A column ends half way; a cone that narrows by 8 mm a slice goes on as it came, up to half way.
        assert!(is_border([6.0, 6.0, NOTHING, NOTHING], 0.5) && is_border([9.0, 1.0, NOTHING, NOTHING], 1.0 / 8.0));
        assert!(is_border([15.0, 7.0, NOTHING, NOTHING], 0.5) && is_border([NOTHING, NOTHING, 1.0, 9.0], 7.0 / 8.0));
        // A single slice is rounded off.
        assert!(is_border([NOTHING, 1.0, NOTHING, NOTHING], 0.2) && is_border([NOTHING, 9.0, NOTHING, NOTHING], 0.5));
        // Far away on both sides stays far.
        assert!(between([NOTHING; 4], 0.3, 5.0) < -1e9);
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
