//! Draws that several transforms share.

use crate::plan::ContrastPlan;
use rand::{Rng, RngExt};

/// Uniform between two bounds.
pub(super) fn uniform([low, high]: [f64; 2], rng: &mut impl Rng) -> f64 {
    low + (high - low) * rng.random::<f64>()
}

/// With the plan's probability a factor for every channel (nnU-Net's `BGContrast`): below or above 1 with probability
/// ½ each, then uniform up to the bound.
pub(super) fn factors(plan: &ContrastPlan, n_channels: usize, rng: &mut impl Rng) -> Option<Vec<f32>> {
    let [low, high] = plan.range;
    rng.random_bool(plan.probability).then(|| {
        let factor = |_| {
            let below = rng.random_bool(0.5) && low < 1.0;
            uniform(if below { [low, 1.0] } else { [low.max(1.0), high] }, rng) as f32
        };
        (0..n_channels).map(factor).collect()
    })
}

/// With the plan's probability a value for each channel that is drawn; `None` for the channels that stay.
pub(super) fn per_channel<T, R: Rng>(
    probability: f64,
    channel_probability: f64,
    n_channels: usize,
    rng: &mut R,
    mut draw: impl FnMut(&mut R) -> T,
) -> Option<Vec<Option<T>>> {
    rng.random_bool(probability).then(|| (0..n_channels).map(|_| rng.random_bool(channel_probability).then(|| draw(rng))).collect())
}
