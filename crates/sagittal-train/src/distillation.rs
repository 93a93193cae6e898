//! Learning from a trained network, the teacher ("deep to shallow").
//!
//! A teacher whose strides divide the student's patch looks at the very batch that the student sees, augmented and all. One
//! that needs more around a voxel than the batch holds looks at the whole cases once, before the training, and what it says is
//! cut out of that; the augmentation must then move no voxel.
//!
//! Heads of lower resolution learn from the mean of what the teacher asks for over the voxels that each of theirs stands for,
//! weighted as the labels' loss weights them. Sources: Ba and Caruana 2014; Hinton, Vinyals and Dean 2015.

use crate::{DeepSupervision, TrainError};
use sagittal_data::{
    Batch, DataError, TrainingSet,
    augment::cut_patch,
    loader::Places,
    plan::{DistillationKind, DistillationPlan},
};
use sagittal_nets::{Network, Outputs};
use sagittal_tensor::{Lesson, OutputKind, TeacherTarget, Tensor, distillation_loss};
use std::sync::Arc;

/// Who says what the student shall learn.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "a training has one")]
pub enum Teacher {
    /// A network that looks at every batch.
    OfBatches(Network),
    /// What a network said of whole cases.
    OfCases {
        /// Its logits in place of the channels, `[K, Z, Y, X]`, of the cases that batches are cut from, in their order.
        logits: Arc<TrainingSet>,
        /// Where the patches of a batch lie.
        places: Places,
    },
}

/// A teacher, and what is learned from it.
#[derive(Clone, Debug)]
pub struct Distillation {
    teacher: Teacher,
    lesson: Lesson,
    kind: OutputKind,
    /// What the teacher counts for; the labels count for the rest.
    weight: f32,
}

impl Distillation {
    /// Learning from `teacher` as a plan says; `kind` is what its outputs and the student's are.
    pub fn new(teacher: Teacher, plan: DistillationPlan, kind: OutputKind) -> Self {
        let lesson = match plan.kind {
            DistillationKind::Logits => Lesson::Logits,
            DistillationKind::SoftTargets => Lesson::SoftTargets { temperature: plan.temperature as f32 },
        };
        let teacher = match teacher {
            // It never changes.
            Teacher::OfBatches(network) => Teacher::OfBatches(network.for_prediction()),
            of_cases => of_cases,
        };
        Self { teacher, lesson, kind, weight: plan.weight as f32 }
    }

    /// What the labels count for.
    pub(crate) fn label_weight(&self) -> f32 {
        1.0 - self.weight
    }

    /// What the teacher asks for of a batch, on the grid of its labels. `input` is the batch as the student sees it, without a
    /// graph, `[N, Z, Y, X, C]`.
    pub(crate) fn target(&self, batch: &Batch, input: Tensor<5>) -> Result<TeacherTarget, TrainError> {
        match &self.teacher {
            Teacher::OfBatches(network) => {
                let logits = network.forward(input, Outputs::Finest).swap_remove(0);
                let shape = logits.dims();
                let numbers = logits.into_data().convert::<f32>();
                let numbers = numbers.as_slice::<f32>().expect("they were just made f32");
                Ok(TeacherTarget::new(numbers, shape, None, self.lesson, self.kind))
            }
            Teacher::OfCases { logits, places } => {
                let (numbers, shape, inside) = cut(logits, places, batch)?;
                Ok(TeacherTarget::new(&numbers, shape, Some(inside), self.lesson, self.kind))
            }
        }
    }

    /// The teacher's part of the loss, over all scales.
    pub(crate) fn loss(&self, logits: &[Tensor<5>], target: &TeacherTarget, supervision: &DeepSupervision) -> Tensor<1> {
        let scales = logits.iter().zip(supervision.weights()).filter(|(_, weight)| **weight > 0.0);
        let losses = scales.map(|(logits, weight)| {
            let [_, z, y, x, _] = logits.dims();
            distillation_loss(logits.clone(), &target.on([z, y, x]), self.weight * weight)
        });
        losses.reduce(|sum, loss| sum + loss).expect("the finest scale always counts")
    }
}

/// The teacher's logits of a batch's patches, `[N, Z, Y, X, K]`, and which voxels lie inside their cases.
#[allow(clippy::type_complexity, reason = "numbers, their shape and a mask")]
fn cut(logits: &TrainingSet, places: &Places, batch: &Batch) -> Result<(Vec<f32>, [usize; 5], Vec<bool>), DataError> {
    let patch = places.patch();
    let n_voxels: usize = patch.iter().product();
    let places = places.of(batch.step);
    let k = logits.cases()[0].shape()[0];
    let (mut numbers, mut inside) = (vec![0.0; places.len() * n_voxels * k], vec![false; places.len() * n_voxels]);
    let mut channels_first = vec![0.0; n_voxels * k];
    for (i, place) in places.iter().enumerate() {
        let inside = &mut inside[i * n_voxels..][..n_voxels];
        cut_patch(&logits.cases()[place.case], place.lower, patch, &mut channels_first, inside)?;
        let numbers = &mut numbers[i * n_voxels * k..][..n_voxels * k];
        for (channel, values) in channels_first.chunks_exact(n_voxels).enumerate() {
            values.iter().enumerate().for_each(|(voxel, value)| numbers[voxel * k + channel] = *value);
        }
    }
    let [z, y, x] = patch;
    Ok((numbers, [places.len(), z, y, x, k], inside))
}
