//! What a voxel is, from what the networks say of it.

use crate::{
    assembly::OnCrop,
    soft::{Head, Promise},
};
use rayon::prelude::*;
use sagittal_data::Plan;
use std::ops::Range;

/// The rule by which values become labels.
#[derive(Clone, Debug)]
pub(crate) struct Decision {
    pub(crate) head: Head,
    /// The label of each class, or what each region is painted with.
    values: Vec<u16>,
    /// What logits are divided by before they become probabilities; labels do not depend on it.
    pub(crate) temperature: f32,
}

impl Decision {
    pub(crate) fn of(plan: &Plan) -> Self {
        if plan.regions.is_empty() {
            Self { head: Head::Classes, values: plan.labels.iter().map(|label| label.value).collect(), temperature: 1.0 }
        } else {
            Self { head: Head::Regions, values: plan.regions.iter().map(|region| region.painted).collect(), temperature: 1.0 }
        }
    }

    /// Classes with these labels.
    #[cfg(test)]
    pub(crate) fn of_labels(values: Vec<u16>) -> Self {
        Self { head: Head::Classes, values, temperature: 1.0 }
    }

    /// Number of classes or regions.
    pub(crate) fn n_classes(&self) -> usize {
        self.values.len()
    }

    /// What a class or region is called in the label map.
    pub(crate) fn value(&self, class: usize) -> u16 {
        self.values[class]
    }

    /// The label of a voxel: that of the highest value, the first of several; or that of the last region whose value lies
    /// above `threshold`, 0 for logits and one half for probabilities.
    pub(crate) fn label(&self, values: &[f32], threshold: f32) -> u16 {
        match self.head {
            Head::Classes => {
                let mut best = 0;
                for (k, value) in values.iter().enumerate().take(self.values.len()).skip(1) {
                    if *value > values[best] {
                        best = k;
                    }
                }
                self.values[best]
            }
            Head::Regions => self.values.iter().zip(values).rev().find(|(_, value)| **value > threshold).map_or(0, |(label, _)| *label),
        }
    }

    /// Decides the rows `rows` of slice `z` by their logits, `[Y, X, V]`, which become probabilities where those are
    /// asked for.
    pub(crate) fn slice(&self, values: &mut [f32], z: usize, rows: &Range<usize>, n_values: usize, result: &mut OnCrop) {
        let [_, n_y, n_x] = result.labels.shape();
        let place = (z * n_y + rows.start) * n_x..(z * n_y + rows.end) * n_x;
        let labels = &mut result.labels.voxels_mut()[place.clone()];
        labels
            .par_iter_mut()
            .zip(values.par_chunks_exact(n_values))
            .with_min_len(4096)
            .for_each(|(label, logits)| *label = self.label(logits, 0.0));
        if result.probabilities.is_none() && result.uncertainty.is_none() {
            return;
        }
        let (k, head, sharpness) = (self.n_classes(), self.head, 1.0 / self.temperature);
        values.par_chunks_exact_mut(n_values).with_min_len(4096).for_each(|voxel| {
            let logits = &mut voxel[..k];
            logits.iter_mut().for_each(|logit| *logit *= sharpness);
            head.probabilities(logits);
        });
        if let (Some(on_disk), None) = (&result.probabilities, &result.failure) {
            let put = |class| on_disk.put(class, place.start, &mut values.chunks_exact(n_values).map(|voxel: &[f32]| voxel[class]));
            result.failure = (0..k).try_for_each(put).err();
        }
        if let Some(uncertainty) = &mut result.uncertainty {
            let entropies = &mut uncertainty.entropy.voxels_mut()[place.clone()];
            let disagreements = &mut uncertainty.disagreement.voxels_mut()[place];
            let voxels = values.par_chunks_exact(n_values).zip(entropies).zip(disagreements).with_min_len(4096);
            let promise = voxels.fold(
                || Promise::new(k),
                |mut promise, ((voxel, entropy), disagreement)| {
                    *entropy = head.entropy(&voxel[..k]);
                    *disagreement = voxel[k];
                    promise.add(head, &voxel[..k]);
                    promise
                },
            );
            uncertainty.promise = promise.reduce(|| Promise::new(k), |a, b| a.plus(&b)).plus(&uncertainty.promise);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_and_regions_are_decided_as_nnunet_does() {
        let classes = Decision { head: Head::Classes, values: vec![0, 2, 5], temperature: 1.0 };
        assert_eq!(classes.label(&[1.0, 1.0, 0.5], 0.0), 0);
        assert_eq!(classes.label(&[1.0, 3.0, 3.0], 0.0), 2);
        // A further value, such as the disagreement, is no class.
        assert_eq!(classes.label(&[1.0, 3.0, 4.0, 9.0], 0.0), 5);
        // Later regions are painted over earlier ones; exactly one half is outside.
        let regions = Decision { head: Head::Regions, values: vec![1, 2], temperature: 1.0 };
        assert_eq!(regions.label(&[2.0, 0.1], 0.0), 2);
        assert_eq!(regions.label(&[2.0, 0.0], 0.0), 1);
        assert_eq!(regions.label(&[0.0, -1.0], 0.0), 0);
    }
}
