//! Optimisers over all parameters of a network, with the buffers that a checkpoint must hold.

use sagittal_data::plan::OptimizerKind;
use sagittal_nets::Parameters;
use sagittal_tensor::{AdamwOptions, Device, SgdOptions, Tensor, adamw_step, norm_of_gradients, sgd_step};

/// Decay of Adam's mean of squares, as its authors recommend.
const SECOND_MOMENT_DECAY: f32 = 0.999;
/// Keeps Adam's division defined.
const ADAM_EPSILON: f32 = 1e-8;

/// Buffers per parameter.
fn n_buffers(kind: OptimizerKind) -> usize {
    match kind {
        OptimizerKind::Sgd => 1,
        OptimizerKind::Adamw => 2,
    }
}

/// An optimiser with its buffers.
#[derive(Clone, Debug)]
pub struct Optimizer {
    kind: OptimizerKind,
    momentum: f32,
    weight_decay: f32,
    /// Gradients are scaled down so that their common norm is at most this.
    gradient_clip: f64,
    /// Steps done, for AdamW's correction of its young moments.
    steps: u64,
    /// `[parameter][buffer]`, each as long as its parameter.
    buffers: Vec<Vec<Tensor<1>>>,
}

impl Optimizer {
    /// An optimiser that has done nothing yet.
    pub fn new(
        kind: OptimizerKind,
        momentum: f64,
        weight_decay: f64,
        gradient_clip: f64,
        parameters: &Parameters,
        device: &Device,
    ) -> Self {
        let buffers = parameters.iter().map(|p| vec![Tensor::zeros(p.value.dims(), device.plain()); n_buffers(kind)]).collect();
        Self { kind, momentum: momentum as f32, weight_decay: weight_decay as f32, gradient_clip, steps: 0, buffers }
    }

    /// Changes the parameters by one step. Parameters without a gradient stay as they are.
    ///
    /// Returns the norm of all gradients before clipping.
    ///
    /// # Panics
    /// If there is not one gradient entry per parameter.
    pub fn step(&mut self, parameters: &mut Parameters, gradients: Vec<Option<Tensor<1>>>, learning_rate: f64) -> f64 {
        assert_eq!(gradients.len(), self.buffers.len(), "one gradient per parameter");
        let norm = norm_of_gradients(gradients.iter().flatten());
        let grad_scale = if norm > self.gradient_clip { (self.gradient_clip / (norm + 1e-6)) as f32 } else { 1.0 };
        self.steps += 1;
        for ((parameter, gradient), buffers) in parameters.iter_mut().zip(gradients).zip(&mut self.buffers) {
            let Some(gradient) = gradient else { continue };
            // Both are taken out while they are changed, so that nobody shares them and no copy is made.
            let value = std::mem::replace(&mut parameter.value, Tensor::empty([0], &gradient.device()));
            let mut old = std::mem::take(buffers).into_iter();
            let mut buffer = || old.next().expect("every parameter has the buffers of its optimiser");
            match self.kind {
                OptimizerKind::Sgd => {
                    let options = SgdOptions {
                        lr: learning_rate as f32,
                        momentum: self.momentum,
                        nesterov: true,
                        weight_decay: self.weight_decay,
                        grad_scale,
                    };
                    let (value, momentum) = sgd_step(value, gradient, buffer(), &options);
                    parameter.value = value;
                    *buffers = vec![momentum];
                }
                OptimizerKind::Adamw => {
                    let options = AdamwOptions {
                        lr: learning_rate as f32,
                        betas: [self.momentum, SECOND_MOMENT_DECAY],
                        eps: ADAM_EPSILON,
                        weight_decay: self.weight_decay,
                        grad_scale,
                        step: self.steps,
                    };
                    let (value, moments) = adamw_step(value, gradient, [buffer(), buffer()], &options);
                    parameter.value = value;
                    *buffers = moments.to_vec();
                }
            }
        }
        norm
    }

    /// Steps done and the buffers, `[parameter][buffer]`, for a checkpoint.
    pub(crate) fn state(&self) -> (u64, &[Vec<Tensor<1>>]) {
        (self.steps, &self.buffers)
    }

    /// Takes up where a checkpoint left off.
    pub(crate) fn restore(&mut self, steps: u64, buffers: Vec<Vec<Tensor<1>>>) {
        self.steps = steps;
        self.buffers = buffers;
    }
}
