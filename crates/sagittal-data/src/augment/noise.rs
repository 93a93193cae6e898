//! Additive Gaussian noise, one strength for all channels.

use super::draw;
use crate::plan::NoisePlan;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Params {
    sigma: f32,
    /// The voxels' own randomness: a patch of noise is too large to be sampled beforehand.
    seed: u64,
}

pub(super) fn sample(plan: &NoisePlan, rng: &mut impl Rng) -> Option<Params> {
    rng.random_bool(plan.probability).then(|| Params { sigma: draw::uniform(plan.sigma, rng) as f32, seed: rng.random() })
}

pub(super) fn apply(params: &Params, image: &mut [f32]) {
    let mut rng = ChaCha8Rng::seed_from_u64(params.seed);
    for voxel in image {
        *voxel += params.sigma * rng.sample::<f32, _>(StandardNormal);
    }
}
