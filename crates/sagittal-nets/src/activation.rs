//! The activation functions that plans name, as the tensors below compute them.

mod criteria;

pub use criteria::Criteria;

use sagittal_data::plan::ActivationKind;
use sagittal_tensor::Activation;

/// The function of a plan's activation; `leaky_slope` is that of the leaky ReLU below 0.
pub fn activation_of(kind: ActivationKind, leaky_slope: f64) -> Activation {
    match kind {
        ActivationKind::Relu => Activation::RELU,
        ActivationKind::LeakyRelu => Activation::LeakyRelu { slope: leaky_slope as f32 },
        ActivationKind::Tanh => Activation::Tanh,
        ActivationKind::Sigmoid => Activation::Sigmoid,
        ActivationKind::Softplus => Activation::Softplus,
        ActivationKind::Elu => Activation::Elu,
        ActivationKind::Gelu => Activation::Gelu,
        ActivationKind::Silu => Activation::Silu,
        ActivationKind::Sine => Activation::Sine,
    }
}
