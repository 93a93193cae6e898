//! How good a network is on the patches that were set aside.

use crate::{DeepSupervision, TrainerOptions};
use sagittal_data::Batch;
use sagittal_nets::{Network, Outputs};
use std::sync::Arc;

/// Scores over all validation patches together.
///
/// Dice is that of all patches pooled, a quick estimate; whole images are scored when the training is over.
#[derive(Clone, Debug, PartialEq)]
pub struct Validation {
    /// Mean loss at full resolution.
    pub loss: f64,
    /// Per foreground class; `None` where neither truth nor prediction has the class.
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
        let n_classes = network.config().classes;
        let mut loss = 0.0;
        let (mut both, mut either) = (vec![0u64; n_classes], vec![0u64; n_classes]);
        let finest_only = DeepSupervision::new(1);
        for batch in batches {
            let logits = network.forward(input(batch), Outputs::Finest);
            let scores = logits[0].clone().into_data();
            let value = finest_only.loss(logits, Arc::new(batch.labels.clone()), options.batch_dice);
            loss += f64::from(value.into_scalar::<f32>());
            let scores = scores.as_slice::<f32>().expect("logits are f32");
            for (voxel, &label) in scores.chunks_exact(n_classes).zip(&batch.labels) {
                if label == Batch::IGNORE {
                    continue;
                }
                let mut best = 0;
                for class in 1..n_classes {
                    if voxel[class] > voxel[best] {
                        best = class;
                    }
                }
                either[best] += 1;
                either[usize::from(label)] += 1;
                both[best] += u64::from(best == usize::from(label));
            }
        }
        let dice = (1..n_classes).map(|class| (either[class] > 0).then(|| 2.0 * both[class] as f64 / either[class] as f64)).collect();
        Self { loss: loss / batches.len().max(1) as f64, dice }
    }

    /// Mean over the foreground classes that occur.
    pub fn mean_dice(&self) -> Option<f64> {
        let known: Vec<f64> = self.dice.iter().flatten().copied().collect();
        (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
    }
}
