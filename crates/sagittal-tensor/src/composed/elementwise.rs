//! Activation functions and the scaling of channels, composed of burn's operations.

use crate::Tensor;
use burn::tensor::{TensorData, activation};
use sagittal_kernels::Activation;
use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// An activation function of every number.
pub(crate) fn activate(x: Tensor<5>, activation: Activation) -> Tensor<5> {
    match activation {
        Activation::LeakyRelu { slope } => activation::leaky_relu(x, slope.into()),
        Activation::Tanh => x.tanh(),
        Activation::Sigmoid => activation::sigmoid(x),
        // max(x, 0) + ln(1 + exp(-|x|)), which no x makes overflow
        Activation::Softplus => x.clone().clamp_min(0.0) + x.abs().neg().exp().log1p(),
        Activation::Elu => {
            let below = x.clone().clamp_max(0.0).exp() - 1.0;
            x.clamp_min(0.0) + below
        }
        Activation::Gelu => x.clone() * normal_distribution(x),
        Activation::Silu => x.clone() * activation::sigmoid(x),
        Activation::Sine => x.sin(),
    }
}

/// Gradient of [`activate`] with respect to its input `x`.
pub(crate) fn activate_backward(x: Tensor<5>, d_y: Tensor<5>, activation: Activation) -> Tensor<5> {
    let slope = match activation {
        Activation::LeakyRelu { slope } => {
            let below = x.lower_equal_scalar(0.0);
            return d_y.clone().mask_where(below, d_y * slope);
        }
        Activation::Tanh => x.tanh().square().neg() + 1.0,
        Activation::Sigmoid => activation::sigmoid(x.clone()) * activation::sigmoid(x.neg()),
        Activation::Softplus => activation::sigmoid(x),
        Activation::Elu => x.clamp_max(0.0).exp(),
        Activation::Gelu => normal_distribution(x.clone()) + x.clone() * (x.square() * -0.5).exp() * (1.0 / (2.0 * PI).sqrt()),
        Activation::Silu => {
            let s = activation::sigmoid(x.clone());
            s * (x.clone() * activation::sigmoid(x.neg()) + 1.0)
        }
        Activation::Sine => x.cos(),
    };
    d_y * slope
}

/// Every channel of every sample times its factor, `[N, C]`.
pub(crate) fn scale_channels(x: Tensor<5>, factors: &[f32]) -> Tensor<5> {
    let [n, .., c] = x.dims();
    let factors = Tensor::<5>::from_data(TensorData::new(factors.to_vec(), [n, 1, 1, 1, c]), &x.device());
    x * factors
}

fn normal_distribution(x: Tensor<5>) -> Tensor<5> {
    ((x * FRAC_1_SQRT_2).erf() + 1.0) * 0.5
}
