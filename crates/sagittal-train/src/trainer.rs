//! A network with its optimiser and its place in the training.

use crate::average::Average;
use crate::gradient_norms::GradientSums;
use crate::{DeepSupervision, Distillation, EpochRecord, Objective, Optimizer, TrainError, Validation};
use sagittal_data::{Batch, Seed, plan::OptimizerKind};
use sagittal_nets::{Dropout, Network, Outputs};
use sagittal_tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The stream of randomness that dropout draws from, so that no other purpose disturbs it.
const DROPOUT: u64 = 0xD409;

/// How parameters are changed: the `training` part of a plan, as far as single steps go.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainerOptions {
    /// The rule.
    pub optimizer: OptimizerKind,
    /// Learning rate of the first step.
    pub learning_rate: f64,
    /// Of SGD and RMSprop; of AdamW the decay of its mean of gradients.
    pub momentum: f64,
    /// Whether the momentum of SGD looks one step ahead.
    pub nesterov: bool,
    /// Pulls parameters to zero.
    pub weight_decay: f64,
    /// Bound of the norm of all gradients together.
    pub gradient_clip: f64,
    /// What the network is asked.
    pub objective: Objective,
    /// Decay of the running mean of the parameters, if that is what is validated and written.
    pub ema_decay: Option<f64>,
    /// The run's seed: what each step's dropout leaves out follows from it and the step.
    pub seed: Seed,
    /// Whether the norm of each layer's gradient is recorded.
    pub record_gradients: bool,
}

/// Where a training is. Part of every checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Steps done.
    pub step: u64,
    /// Steps of each epoch, once known.
    pub steps_per_epoch: u64,
    /// Seconds trained, interruptions left out.
    pub elapsed_s: f64,
    /// Sum of the losses of the epoch's steps so far.
    pub epoch_loss: f64,
    /// Steps of the epoch so far.
    pub epoch_steps: u64,
    /// Norms of the gradients of the epoch's steps so far, if they are recorded.
    #[serde(default, skip_serializing_if = "GradientSums::is_empty")]
    pub epoch_gradients: GradientSums,
    /// Layers that have learned without labels.
    #[serde(default)]
    pub pretrained_layers: usize,
    /// Seconds that this took; they are part of `elapsed_s`.
    #[serde(default)]
    pub pretraining_s: f64,
    /// Smoothed validation Dice, nnU-Net's `0.9 old + 0.1 new`.
    pub smoothed_dice: Option<f64>,
    /// The best smoothed Dice and the epoch that had it.
    pub best: Option<(f64, u64)>,
    /// Every epoch that is over.
    pub epochs: Vec<EpochRecord>,
}

/// A network in training.
#[derive(Debug)]
pub struct Trainer {
    /// The network with its present parameters.
    pub network: Network,
    pub(crate) optimizer: Optimizer,
    /// The running mean of the parameters, if one is wanted.
    pub(crate) average: Option<Average>,
    /// Where it is.
    pub progress: Progress,
    options: TrainerOptions,
    supervision: DeepSupervision,
    /// Who teaches it besides the labels.
    distillation: Option<Distillation>,
    /// What every step sees, where it is always the same.
    full_batch: Option<Arc<Vec<Batch>>>,
    device: Device,
}

impl Trainer {
    /// A training that has not begun.
    pub fn new(network: Network, options: TrainerOptions, device: Device) -> Self {
        let optimizer = Optimizer::new(&options, network.parameters(), &device);
        let supervision = DeepSupervision::new(network.plan().n_scales());
        let average = options.ema_decay.map(Average::new);
        let progress = Progress::default();
        Self { network, optimizer, average, progress, options, supervision, distillation: None, full_batch: None, device }
    }

    /// Lets it learn from a teacher, too.
    pub fn learn_from(&mut self, distillation: Distillation) {
        self.distillation = Some(distillation);
    }

    /// Lets every step of [`crate::run`] see all of these batches instead of one of its own.
    pub fn set_full_batch(&mut self, batches: Vec<Batch>) {
        self.full_batch = Some(Arc::new(batches));
    }

    pub(crate) fn full_batch(&self) -> Option<Arc<Vec<Batch>>> {
        self.full_batch.clone()
    }

    /// How its parameters are changed.
    pub fn options(&self) -> &TrainerOptions {
        &self.options
    }

    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    /// One step on one batch; returns the loss before it.
    ///
    /// # Errors
    /// [`TrainError::Diverged`] if the loss is no number.
    ///
    /// # Panics
    /// If the batch does not fit the network.
    pub fn step(&mut self, batch: &Batch, learning_rate: f64) -> Result<f32, TrainError> {
        self.step_on(std::slice::from_ref(batch), learning_rate)
    }

    /// One step by the mean of the gradients of several batches, as if they were one; returns their mean loss before it.
    ///
    /// # Errors
    /// As [`Trainer::step`].
    ///
    /// # Panics
    /// If there is no batch, or one does not fit the network.
    pub fn step_on(&mut self, batches: &[Batch], learning_rate: f64) -> Result<f32, TrainError> {
        let (first, others) = batches.split_first().expect("a step has a batch");
        let (mut value, mut gradients) = self.gradients(first, learning_rate)?;
        for batch in others {
            let (of_batch, more) = self.gradients(batch, learning_rate)?;
            value += of_batch;
            gradients = gradients.into_iter().zip(more).map(|pair| sum_of(pair.0, pair.1)).collect();
        }
        if !others.is_empty() {
            let share = 1.0 / batches.len() as f32;
            value *= share;
            gradients = gradients.into_iter().map(|gradient| gradient.map(|gradient| gradient * share)).collect();
        }
        if self.options.record_gradients {
            self.progress.epoch_gradients.add(self.network.parameters(), &gradients);
        }
        self.optimizer.step(self.network.parameters_mut(), gradients, learning_rate);
        self.progress.step += 1;
        if let Some(average) = &mut self.average {
            average.add(self.network.parameters(), self.progress.step);
        }
        self.progress.epoch_steps += 1;
        self.progress.epoch_loss += f64::from(value);
        Ok(value)
    }

    /// What the present step leaves out.
    fn dropout(&self) -> Dropout {
        Dropout::Seeded(self.options.seed.derived(&[DROPOUT, self.progress.step]).0)
    }

    /// The loss of a batch and its gradient for every parameter.
    fn gradients(&self, batch: &Batch, learning_rate: f64) -> Result<(f32, Vec<Option<Tensor<1>>>), TrainError> {
        let tracked = self.network.parameters().tracked();
        let input = self.input(batch);
        let target = self.distillation.as_ref().map(|distillation| distillation.target(batch, input.clone())).transpose()?;
        let logits = self.network.forward_with(&tracked, input.autodiff(), Outputs::EveryScale, self.dropout());
        let taught = self.distillation.as_ref().zip(target);
        let of_teacher = taught.map(|(distillation, target)| distillation.loss(&logits, &target, &self.supervision));
        let label_weight = self.distillation.as_ref().map_or(1.0, Distillation::label_weight);
        let of_labels = |logits| self.supervision.loss(logits, Arc::new(batch.labels.clone()), &self.options.objective);
        let loss = match of_teacher {
            None => of_labels(logits),
            Some(of_teacher) if label_weight == 0.0 => of_teacher,
            Some(of_teacher) => of_teacher + of_labels(logits) * label_weight,
        };
        let value = loss.clone().into_scalar::<f32>();
        if !value.is_finite() {
            return Err(TrainError::Diverged { loss: value, step: self.progress.step, learning_rate });
        }
        let mut all = loss.backward();
        drop(loss);
        let gradients = tracked.iter().map(|p| p.value.grad_remove(&mut all)).collect();
        // The leaves share the parameters' memory: they go, at the end of this, before the parameters are changed in place.
        Ok((value, gradients))
    }

    /// The network that is validated and written: with the mean of its parameters, where one is kept.
    pub fn result(&self) -> Network {
        self.average.as_ref().map_or_else(|| self.network.clone(), |average| average.network(&self.network))
    }

    /// Scores [`Trainer::result`].
    pub fn validate(&self, batches: &[Batch]) -> Validation {
        Validation::of(&self.result(), batches, &self.options, |batch| self.input(batch))
    }

    /// `[N, C, Z, Y, X]` of a batch => `[N, Z, Y, X, C]`.
    pub(crate) fn input(&self, batch: &Batch) -> Tensor<5> {
        let [n, c, z, y, x] = batch.shape;
        let images = Tensor::<5>::from_data(TensorData::new(batch.images.clone(), [n, c, z, y, x]), self.device.plain());
        if c == 1 { images.reshape([n, z, y, x, 1]) } else { images.permute([0, 2, 3, 4, 1]) }
    }
}

/// Of two gradients, either of which may be missing.
fn sum_of(a: Option<Tensor<1>>, b: Option<Tensor<1>>) -> Option<Tensor<1>> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a + b),
        (a, b) => a.or(b),
    }
}
