//! Optimisers over all parameters of a network, with the buffers that a checkpoint must hold.

use crate::TrainerOptions;
use sagittal_data::plan::OptimizerKind;
use sagittal_nets::Parameters;
use sagittal_tensor::{
    AdamwOptions, Device, RmspropOptions, RpropOptions, SgdOptions, Tensor, adamw_step, norm_of_gradients, rmsprop_step, rprop_step,
    sgd_step,
};

/// Decay of Adam's mean of squares, as its authors recommend.
const SECOND_MOMENT_DECAY: f32 = 0.999;
/// Decay of RMSprop's mean of squares, PyTorch's.
const SQUARES_DECAY: f32 = 0.99;
/// Keeps Adam's and RMSprop's divisions defined.
const EPSILON: f32 = 1e-8;
/// What Riedmiller and Braun (1993) recommend: factors of the step size, its smallest and largest value.
const RPROP_FACTORS: [f32; 2] = [0.5, 1.2];
const RPROP_BOUNDS: [f32; 2] = [1e-6, 50.0];

/// Buffers per parameter.
fn n_buffers(kind: OptimizerKind, momentum: f64) -> usize {
    match kind {
        // Of a network with a hundred million weights a buffer of zeros is a gigabyte on the disk every few epochs.
        OptimizerKind::Sgd if momentum == 0.0 => 0,
        OptimizerKind::Sgd => 1,
        OptimizerKind::Adamw | OptimizerKind::Rmsprop | OptimizerKind::Rprop | OptimizerKind::RpropBacktracking => 2,
    }
}

/// An optimiser with its buffers.
#[derive(Clone, Debug)]
pub struct Optimizer {
    kind: OptimizerKind,
    momentum: f32,
    nesterov: bool,
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
    pub fn new(options: &TrainerOptions, parameters: &Parameters, device: &Device) -> Self {
        let kind = options.optimizer;
        let buffers =
            parameters.iter().map(|p| vec![Tensor::zeros(p.value.dims(), device.plain()); n_buffers(kind, options.momentum)]).collect();
        Self {
            kind,
            momentum: options.momentum as f32,
            nesterov: options.nesterov,
            weight_decay: options.weight_decay as f32,
            gradient_clip: options.gradient_clip,
            steps: 0,
            buffers,
        }
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
        let (lr, momentum, weight_decay) = (learning_rate as f32, self.momentum, self.weight_decay);
        for ((parameter, gradient), buffers) in parameters.iter_mut().zip(gradients).zip(&mut self.buffers) {
            let Some(gradient) = gradient else { continue };
            // Both are taken out while they are changed, so that nobody shares them and no copy is made.
            let value = std::mem::replace(&mut parameter.value, Tensor::empty([0], &gradient.device()));
            let mut old = std::mem::take(buffers).into_iter();
            let mut buffer = || old.next().expect("every parameter has the buffers of its optimiser");
            (parameter.value, *buffers) = match self.kind {
                OptimizerKind::Sgd if self.momentum == 0.0 => {
                    let options = SgdOptions { lr, momentum, nesterov: self.nesterov, weight_decay, grad_scale };
                    let nothing = Tensor::empty([0], &gradient.device());
                    (sgd_step(value, gradient, nothing, &options).0, Vec::new())
                }
                OptimizerKind::Sgd => {
                    let options = SgdOptions { lr, momentum, nesterov: self.nesterov, weight_decay, grad_scale };
                    let (value, momentum) = sgd_step(value, gradient, buffer(), &options);
                    (value, vec![momentum])
                }
                OptimizerKind::Adamw => {
                    let betas = [momentum, SECOND_MOMENT_DECAY];
                    let options = AdamwOptions { lr, betas, eps: EPSILON, weight_decay, grad_scale, step: self.steps };
                    let (value, moments) = adamw_step(value, gradient, [buffer(), buffer()], &options);
                    (value, moments.to_vec())
                }
                OptimizerKind::Rmsprop => {
                    let options = RmspropOptions { lr, decay: SQUARES_DECAY, eps: EPSILON, momentum, weight_decay, grad_scale };
                    let (value, buffers) = rmsprop_step(value, gradient, [buffer(), buffer()], &options);
                    (value, buffers.to_vec())
                }
                OptimizerKind::Rprop | OptimizerKind::RpropBacktracking => {
                    let [shrink, grow] = RPROP_FACTORS;
                    let backtracking = self.kind == OptimizerKind::RpropBacktracking;
                    let options = RpropOptions { shrink, grow, bounds: RPROP_BOUNDS, backtracking };
                    let (previous, step_size) = (buffer(), buffer());
                    let step_size = if self.steps == 1 { step_size.zeros_like() + lr } else { step_size };
                    let (value, buffers) = rprop_step(value, gradient, [previous, step_size], &options);
                    (value, buffers.to_vec())
                }
            };
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
