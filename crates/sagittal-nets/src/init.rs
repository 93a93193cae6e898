//! First values of parameters.

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};
use sagittal_data::plan::ActivationKind;

/// Normal numbers that keep the spread of what goes through layers with this activation.
pub(crate) fn first_weights(n: usize, fan_in: usize, activation: ActivationKind, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let normal = Normal::new(0.0f32, deviation(fan_in, activation)).expect("the deviation is a positive number");
    (0..n).map(|_| normal.sample(rng)).collect()
}

/// Normal numbers of variance `1 / fan_in` (LeCun et al. 1998).
pub(crate) fn lecun_normal(n: usize, fan_in: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    first_weights(n, fan_in, ActivationKind::Sigmoid, rng)
}

/// Of the weights of a layer.
///
/// - leaky ReLU: `2 / ((1 + slope²) fan_in)` is the variance, with a slope of 0.01 (He et al. 2015; PyTorch's
///   `kaiming_normal_(a=0.01)`)
/// - ReLU and its smooth relatives: `2 / fan_in` (He et al. 2015); the sine too, whose square is a half on average (Sitzmann et
///   al. 2020)
/// - tanh: `(5 / 3)² / fan_in` (PyTorch's gain)
/// - sigmoid: `1 / fan_in` (LeCun et al. 1998)
fn deviation(fan_in: usize, activation: ActivationKind) -> f32 {
    const SLOPE: f32 = 0.01;
    let fan_in = fan_in as f32;
    match activation {
        ActivationKind::LeakyRelu => (2.0 / ((1.0 + SLOPE * SLOPE) * fan_in)).sqrt(),
        ActivationKind::Relu
        | ActivationKind::Softplus
        | ActivationKind::Elu
        | ActivationKind::Gelu
        | ActivationKind::Silu
        | ActivationKind::Sine => (2.0 / fan_in).sqrt(),
        ActivationKind::Tanh => 5.0 / 3.0 / fan_in.sqrt(),
        ActivationKind::Sigmoid => 1.0 / fan_in.sqrt(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn first_weights_have_the_spread_of_their_activation() {
        for (activation, gain) in [
            (ActivationKind::LeakyRelu, (2.0f64 / 1.0001).sqrt()),
            (ActivationKind::Relu, 2.0f64.sqrt()),
            (ActivationKind::Sine, 2.0f64.sqrt()),
            (ActivationKind::Tanh, 5.0 / 3.0),
            (ActivationKind::Sigmoid, 1.0),
        ] {
            let weights = first_weights(100_000, 50, activation, &mut ChaCha8Rng::seed_from_u64(1));
            let variance = weights.iter().map(|w| f64::from(*w).powi(2)).sum::<f64>() / weights.len() as f64;
            // The variance of 100 000 squares of normal numbers is known to within 0.45 %: four of that.
            assert!((variance * 50.0 / (gain * gain) - 1.0).abs() < 0.02, "{activation:?}: {variance}");
        }
    }
}
