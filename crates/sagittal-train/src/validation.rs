//! How good a network is on the patches that were set aside.

use crate::{DeepSupervision, TrainerOptions};
use sagittal_data::Batch;
use sagittal_nets::{Dropout, Network, Outputs};
use sagittal_tensor::RegionTable;
use std::sync::Arc;

/// Scores over all validation patches together.
///
/// Dice is that of all patches pooled, a quick estimate; whole images are scored when the training is over.
#[derive(Clone, Debug, PartialEq)]
pub struct Validation {
    /// Mean loss at full resolution.
    pub loss: f64,
    /// Per foreground class, or per region; `None` where neither truth nor prediction has it.
    pub dice: Vec<Option<f64>>,
}

impl Validation {
    /// Scores `network` on `batches`.
    pub(crate) fn of(
        network: &Network,
        batches: &[Batch],
        options: &TrainerOptions,
        input: impl Fn(&Batch) -> sagittal_tensor::Tensor<5>,
    ) -> Self {
        let mut loss = 0.0;
        let mut counts = Counts::new(network.plan().classes());
        let finest_only = DeepSupervision::new(1);
        for batch in batches {
            let logits = network.forward_with(network.parameters(), input(batch), Outputs::Finest, Dropout::Off);
            let scores = network.as_classes(logits[0].clone()).into_data();
            let value = finest_only.loss(logits, Arc::new(batch.labels.clone()), &options.objective);
            loss += f64::from(value.into_scalar::<f32>());
            counts.add(scores.as_slice::<f32>().expect("logits are f32"), &batch.labels, options.objective.regions.as_deref());
        }
        // The background is no structure that is looked for; among regions there is none.
        let first = usize::from(options.objective.regions.is_none());
        Self { loss: loss / batches.len().max(1) as f64, dice: counts.dice().split_off(first) }
    }

    /// Mean over the foreground classes, or the regions, that occur.
    pub fn mean_dice(&self) -> Option<f64> {
        let known: Vec<f64> = self.dice.iter().flatten().copied().collect();
        (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
    }
}

/// Voxels of every class or region.
struct Counts {
    /// Predicted and true.
    both: Vec<u64>,
    /// Predicted, plus true.
    either: Vec<u64>,
}

impl Counts {
    fn new(n: usize) -> Self {
        Self { both: vec![0; n], either: vec![0; n] }
    }

    /// Adds voxels: the class of the highest logit is predicted, or every region whose logit is positive.
    ///
    /// # Shapes
    /// - `logits`: `[V, K]`; `labels`: `[V]`, classes
    fn add(&mut self, logits: &[f32], labels: &[u8], regions: Option<&RegionTable>) {
        let n = self.both.len();
        for (voxel, &label) in logits.chunks_exact(n).zip(labels).filter(|(_, label)| **label != Batch::IGNORE) {
            if let Some(table) = regions {
                for ((k, logit), member) in voxel.iter().enumerate().zip(table.of(label)) {
                    let (predicted, is_member) = (u64::from(*logit > 0.0), *member as u64);
                    self.either[k] += predicted + is_member;
                    self.both[k] += predicted * is_member;
                }
                continue;
            }
            let mut best = 0;
            for class in 1..n {
                if voxel[class] > voxel[best] {
                    best = class;
                }
            }
            self.either[best] += 1;
            self.either[usize::from(label)] += 1;
            self.both[best] += u64::from(best == usize::from(label));
        }
    }

    fn dice(&self) -> Vec<Option<f64>> {
        self.both.iter().zip(&self.either).map(|(&both, &either)| (either > 0).then(|| 2.0 * both as f64 / either as f64)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_scored_as_unions_and_classes_by_the_highest_logit() {
        // Region 0 is made of the classes 1 and 2, region 1 of class 2, region 2 of none.
        let table = RegionTable::new(3, &[vec![], vec![0], vec![0, 1]]);
        let mut counts = Counts::new(3);
        counts.add(&[1.0, 1.0, -1.0, 1.0, -1.0, -1.0, -1.0, 0.0, -1.0, 9.0, 9.0, 9.0], &[2, 1, 2, Batch::IGNORE], Some(&table));
        assert_eq!(counts.dice(), [Some(0.8), Some(2.0 / 3.0), None]);
        let mut counts = Counts::new(3);
        counts.add(&[1.0, 2.0, 0.0, 3.0, 0.0, 0.0, 0.0, 0.0, 5.0], &[1, 1, Batch::IGNORE], None);
        assert_eq!(counts.dice(), [Some(0.0), Some(2.0 / 3.0), None]);
    }
}
