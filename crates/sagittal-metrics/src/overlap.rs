//! How much two masks overlap: counts, and the scores that follow from them.
//!
//! Source: Taha and Hanbury 2015, "Metrics for evaluating 3D medical image segmentation", section 3.1.
//!
//! What a score is when a mask is empty is a decision, not arithmetic. It is this, and tested:
//!
//! | reference | prediction | Dice | IoU | precision | sensitivity |
//! |---|---|---|---|---|---|
//! | empty | empty | `None` | `None` | `None` | `None` |
//! | empty | not empty | 0 | 0 | 0 | `None` |
//! | not empty | empty | 0 | 0 | `None` | 0 |
//! | not empty | not empty | 0 to 1 | 0 to 1 | 0 to 1 | 0 to 1 |
//!
//! `None` counts neither for nor against: it is left out of means, and the number of cases left out is reported. nnU-Net does the same
//! with NaN. (Scoring two empty masks as 1, as some challenges do, lets a label that hardly ever occurs raise the mean.)

use sagittal_image::Volume;
use serde::{Deserialize, Serialize};

use crate::extent::extents;

/// Counts of voxels of one label.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlap {
    /// In both masks.
    pub true_positive: u64,
    /// In the prediction only.
    pub false_positive: u64,
    /// In the reference only.
    pub false_negative: u64,
    /// In neither, inside the region scored.
    pub true_negative: u64,
}

impl Overlap {
    /// Voxels of the reference mask.
    pub fn n_reference(&self) -> u64 {
        self.true_positive + self.false_negative
    }

    /// Voxels of the predicted mask.
    pub fn n_prediction(&self) -> u64 {
        self.true_positive + self.false_positive
    }

    /// Dice coefficient (F1), `2 TP / (2 TP + FP + FN)`; `None` where both masks are empty.
    pub fn dice(&self) -> Option<f64> {
        share(2 * self.true_positive, self.n_reference() + self.n_prediction())
    }

    /// Intersection over union (Jaccard), `TP / (TP + FP + FN)`; `None` where both masks are empty.
    pub fn iou(&self) -> Option<f64> {
        share(self.true_positive, self.true_positive + self.false_positive + self.false_negative)
    }

    /// Share of the prediction that is right; `None` where nothing is predicted.
    pub fn precision(&self) -> Option<f64> {
        share(self.true_positive, self.n_prediction())
    }

    /// Share of the reference that is found (recall); `None` where the reference is empty.
    pub fn sensitivity(&self) -> Option<f64> {
        share(self.true_positive, self.n_reference())
    }

    /// Share of what is not in the reference that is not predicted; `None` where the reference is everything.
    pub fn specificity(&self) -> Option<f64> {
        share(self.true_negative, self.true_negative + self.false_positive)
    }

    /// Share of the voxels scored that are right; `None` where no voxel is scored.
    pub fn accuracy(&self) -> Option<f64> {
        share(self.true_positive + self.true_negative, self.n_reference() + self.false_positive + self.true_negative)
    }
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// Counts each of `labels` in one pass over the voxels inside `region` (everywhere if `None`).
///
/// # Shapes
/// - `prediction`, `reference`, `region`: one shape `[Z, Y, X]`
/// - result: one entry per entry of `labels`
///
/// # Panics
/// If the shapes differ; [`score_case`](crate::score_case) turns that into an error first.
pub fn count(prediction: &Volume<u16>, reference: &Volume<u16>, labels: &[u16], region: Option<&Volume<bool>>) -> Vec<Overlap> {
    assert_eq!(prediction.shape(), reference.shape(), "masks differ in shape");
    if let Some(region) = region {
        assert_eq!(prediction.shape(), region.shape(), "mask and region differ in shape");
    }
    extents(prediction, reference, labels, region).into_iter().map(|extent| extent.overlap).collect()
}

#[cfg(test)]
mod tests;
