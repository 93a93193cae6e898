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
    let mut slot_of = vec![None; usize::from(u16::MAX) + 1];
    for (slot, &label) in labels.iter().enumerate() {
        slot_of[usize::from(label)] = Some(slot);
    }
    let mut counts = vec![Overlap::default(); labels.len()];
    let mut n_inside = 0;
    for (idx, (&p, &r)) in prediction.voxels().iter().zip(reference.voxels()).enumerate() {
        if region.is_some_and(|region| !region.voxels()[idx]) {
            continue;
        }
        n_inside += 1;
        match (slot_of[usize::from(p)], slot_of[usize::from(r)]) {
            (Some(slot), _) if p == r => counts[slot].true_positive += 1,
            (predicted, referred) => {
                if let Some(slot) = predicted {
                    counts[slot].false_positive += 1;
                }
                if let Some(slot) = referred {
                    counts[slot].false_negative += 1;
                }
            }
        }
    }
    // A label asked for twice is counted in its last slot; the others are copies of it.
    for slot in 0..labels.len() {
        counts[slot] = slot_of[usize::from(labels[slot])].map_or(counts[slot], |last| counts[last]);
    }
    for overlap in &mut counts {
        overlap.true_negative = n_inside - overlap.true_positive - overlap.false_positive - overlap.false_negative;
    }
    counts
}

#[cfg(test)]
mod tests;
