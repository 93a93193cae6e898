//! First values of parameters.

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};

/// Normal numbers of variance `2 / ((1 + slope²) fan_in)`, which keep the spread of activations through leaky ReLUs of
/// slope 0.01 (He et al. 2015; PyTorch's `kaiming_normal_(a=0.01)`).
pub(crate) fn kaiming_normal(n: usize, fan_in: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    const SLOPE: f32 = 0.01;
    let deviation = (2.0 / ((1.0 + SLOPE * SLOPE) * fan_in as f32)).sqrt();
    let normal = Normal::new(0.0f32, deviation).expect("the deviation is a positive number");
    (0..n).map(|_| normal.sample(rng)).collect()
}
