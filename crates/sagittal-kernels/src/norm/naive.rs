//! Instance norm and leaky ReLU as their definitions say, in f64: the reference of the fast kernels.

use super::NormShape;

/// What the forward pass gives.
#[derive(Clone, Debug)]
pub struct Normalised {
    /// `[N, V, C]`.
    pub y: Vec<f64>,
    /// `[N, C]`.
    pub mean: Vec<f64>,
    /// `[N, C]`.
    pub inv_std: Vec<f64>,
}

/// See [`super::norm_activation`].
pub fn norm_activation(shape: &NormShape, x: &[f64], gamma: &[f64], beta: &[f64], eps: f64, slope: f64) -> Normalised {
    let &NormShape { batch, voxels, channels } = shape;
    let mut result = Normalised { y: vec![0.0; x.len()], mean: vec![0.0; batch * channels], inv_std: vec![0.0; batch * channels] };
    for n in 0..batch {
        for c in 0..channels {
            let at = |v: usize| (n * voxels + v) * channels + c;
            let mean = (0..voxels).map(|v| x[at(v)]).sum::<f64>() / voxels as f64;
            let variance = (0..voxels).map(|v| (x[at(v)] - mean).powi(2)).sum::<f64>() / voxels as f64;
            let inv_std = 1.0 / (variance + eps).sqrt();
            for v in 0..voxels {
                let pre = gamma[c] * (x[at(v)] - mean) * inv_std + beta[c];
                result.y[at(v)] = if pre > 0.0 { pre } else { slope * pre };
            }
            result.mean[n * channels + c] = mean;
            result.inv_std[n * channels + c] = inv_std;
        }
    }
    result
}

/// See [`super::norm_activation_backward`]; gives `d_x`, `d_gamma` and `d_beta`.
pub fn norm_activation_backward(
    shape: &NormShape,
    x: &[f64],
    gamma: &[f64],
    beta: &[f64],
    eps: f64,
    slope: f64,
    d_y: &[f64],
) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let &NormShape { batch, voxels, channels } = shape;
    let forward = norm_activation(shape, x, gamma, beta, eps, slope);
    let (mut d_x, mut d_gamma, mut d_beta) = (vec![0.0; x.len()], vec![0.0; channels], vec![0.0; channels]);
    for n in 0..batch {
        for c in 0..channels {
            let (mean, inv_std) = (forward.mean[n * channels + c], forward.inv_std[n * channels + c]);
            let at = |v: usize| (n * voxels + v) * channels + c;
            let hat = |v: usize| (x[at(v)] - mean) * inv_std;
            // y = leaky(pre), pre = gamma * hat + beta
            let d_pre = |v: usize| d_y[at(v)] * if gamma[c] * hat(v) + beta[c] > 0.0 { 1.0 } else { slope };
            let (sum, sum_hat) = (0..voxels).fold((0.0, 0.0), |(s, h), v| (s + d_pre(v), h + d_pre(v) * hat(v)));
            d_beta[c] += sum;
            d_gamma[c] += sum_hat;
            for v in 0..voxels {
                d_x[at(v)] = gamma[c] * inv_std * (d_pre(v) - (sum + hat(v) * sum_hat) / voxels as f64);
            }
        }
    }
    (d_x, d_gamma, d_beta)
}
