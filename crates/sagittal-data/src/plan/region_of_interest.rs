//! The part of an image in which there is something to find (Lai 2015): a voxel classifier learns from voxels of it and
//! labels them; all others are background.

use super::validate::require;
use crate::DataError;
use serde::{Deserialize, Serialize};

/// Where the voxels lie that are learned from and labelled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RegionOfInterest {
    /// A box: of each axis `[Z, Y, X]` of the plan where it begins and ends, as parts of the whole image, 0 to 1.
    Box([[f64; 2]; 3]),
    /// A mask for every image: its voxels other than 0.
    Masks,
}

impl RegionOfInterest {
    /// By which part of its own size the box around all labels is enlarged on either side: other patients lie a little
    /// elsewhere.
    const MARGIN: f64 = 0.1;

    /// The box around labels, enlarged.
    pub(crate) fn around(labelled: [[f64; 2]; 3]) -> Self {
        Self::Box(labelled.map(|[from, to]| {
            let margin = Self::MARGIN * (to - from);
            // In whole thousandths, outwards but for rounding: a plan is read by people.
            let [from, to] = [(from - margin) * 1000.0, (to + margin) * 1000.0];
            let [from, to] = [(from + 1e-6).floor() / 1000.0, (to - 1e-6).ceil() / 1000.0];
            [from.max(0.0), to.min(1.0)]
        }))
    }

    /// Of the voxels along an axis the first inside and the first beyond: those whose middle is in the box, at least one.
    /// `crop` is the part of the whole image that the voxels are of, and `whole` its size; both in voxels of the image.
    pub(crate) fn voxels([from, to]: [f64; 2], n: usize, crop: [usize; 2], whole: usize) -> [usize; 2] {
        let (begin, length) = (crop[0] as f64, (crop[1] - crop[0]) as f64);
        // The middle of voxel i lies at begin + (i + 0.5) length / n.
        let index = |part: f64| ((part * whole as f64 - begin) / length * n as f64 - 0.5).ceil().clamp(0.0, n as f64) as usize;
        let first = index(from).min(n.saturating_sub(1));
        [first, index(to).max(first + 1).min(n)]
    }

    pub(super) fn validate(&self) -> Result<(), DataError> {
        let Self::Box(bounds) = self else { return Ok(()) };
        for (axis, &[from, to]) in bounds.iter().enumerate() {
            let fine = 0.0 <= from && from < to && to <= 1.0;
            require(fine, &format!("region_of_interest.box[{axis}]"), [from, to], || "[from, to] with 0 <= from < to <= 1".into())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_is_enlarged_within_the_image() {
        let RegionOfInterest::Box(bounds) = RegionOfInterest::around([[0.0, 1.0], [0.25, 0.75], [0.5, 0.501]]) else { panic!("a box") };
        assert_eq!(bounds, [[0.0, 1.0], [0.2, 0.8], [0.499, 0.502]]);
    }

    #[test]
    fn voxels_are_inside_where_their_middle_is() {
        struct Case {
            part: [f64; 2],
            n: usize,
            crop: [usize; 2],
            whole: usize,
            expected: [usize; 2],
        }
        let cases = [
            Case { part: [0.0, 1.0], n: 10, crop: [0, 10], whole: 10, expected: [0, 10] },
            Case { part: [0.25, 0.75], n: 10, crop: [0, 10], whole: 10, expected: [2, 7] },
            // Twice as many voxels on the network's grid.
            Case { part: [0.25, 0.75], n: 20, crop: [0, 10], whole: 10, expected: [5, 15] },
            // The image was cropped: its voxels 4 to 8 are left.
            Case { part: [0.5, 0.7], n: 4, crop: [4, 8], whole: 10, expected: [1, 3] },
            // Outside of what is left: one voxel, because a network must label something.
            Case { part: [0.0, 0.1], n: 4, crop: [4, 8], whole: 10, expected: [0, 1] },
            Case { part: [0.9, 1.0], n: 4, crop: [4, 8], whole: 10, expected: [3, 4] },
        ];
        for Case { part, n, crop, whole, expected } in cases {
            assert_eq!(RegionOfInterest::voxels(part, n, crop, whole), expected, "{part:?} of {n}");
        }
    }
}
