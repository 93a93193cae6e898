//! Random changes of training patches, so that a network does not learn the few images it has by heart: nnU-Net's, in
//! nnU-Net's order (Isensee et al. 2021).
//!
//! Every transform is sampled first ([`Augmenter::sample`]) and applied second ([`Augmenter::apply`]); what is applied
//! is a pure function of what was sampled. Rotation and scaling read straight from the case, so that no enlarged patch
//! is ever made. Loops run along rows in `f32`, one channel after the other.

mod blur;
mod contrast;
mod draw;
mod gamma;
mod low_resolution;
mod mirror;
mod noise;
mod previous_stage;
mod spatial;

pub use spatial::source_size;

use crate::{
    patch_sampler::Place,
    plan::{AugmentationPlan, Normalization, Plan},
    preprocess::OUTSIDE,
    training_set::{StoredCase, Window},
};
use rand::Rng;

/// Draws and applies the random changes of one plan.
#[derive(Clone, Debug)]
pub struct Augmenter {
    plan: AugmentationPlan,
    mirror_axes: Vec<usize>,
    /// Channels that are 0 outside the nonzero part of the image, and stay so.
    masked: Vec<bool>,
    /// In a cascade one mask per foreground label is shown after the channels; else 0.
    n_masks: usize,
    /// Whether those masks are changed, too.
    changes_masks: bool,
    /// Size of what is made: all that the network sees.
    patch: [usize; 3],
    source_size: [usize; 3],
}

/// What happens to one patch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Params {
    spatial: Option<spatial::Params>,
    noise: Option<noise::Params>,
    blur: Option<blur::Params>,
    brightness: Option<Vec<f32>>,
    contrast: Option<Vec<f32>>,
    low_resolution: Option<low_resolution::Params>,
    gamma_inverted: Option<Vec<f32>>,
    gamma: Option<Vec<f32>>,
    mirrored: [bool; 3],
    previous_stage: previous_stage::Params,
}

/// Buffers of one thread, kept from patch to patch.
#[derive(Debug, Default)]
pub struct Scratch {
    volume: Vec<f32>,
    row: Vec<f32>,
    previous: Vec<i16>,
}

impl Augmenter {
    /// For training with a plan.
    pub fn new(plan: &Plan) -> Self {
        let augmentation = plan.training.augmentation.clone();
        Self {
            plan: if augmentation.enabled { augmentation } else { augmentation.without() },
            mirror_axes: plan.training.mirror_axes.clone(),
            masked: plan.channels.iter().map(|channel| channel.normalization == Normalization::Zscore { masked: true }).collect(),
            n_masks: plan.n_inputs() - plan.channels.len(),
            changes_masks: true,
            patch: plan.input_size(),
            source_size: source_size(plan),
        }
    }

    /// For validation with a plan: patches are taken as they are.
    pub fn none(plan: &Plan) -> Self {
        Self { plan: plan.training.augmentation.clone().without(), source_size: plan.input_size(), changes_masks: false, ..Self::new(plan) }
    }

    /// Draws what happens to a patch.
    pub fn sample(&self, rng: &mut impl Rng) -> Params {
        let (plan, n_channels) = (&self.plan, self.masked.len());
        Params {
            spatial: spatial::sample(plan, self.patch, rng),
            noise: noise::sample(&plan.noise, rng),
            blur: blur::sample(&plan.blur, self.patch, n_channels, rng),
            brightness: draw::factors(&plan.brightness, n_channels, rng),
            contrast: draw::factors(&plan.contrast, n_channels, rng),
            low_resolution: low_resolution::sample(&plan.low_resolution, n_channels, rng),
            gamma_inverted: draw::factors(&plan.gamma_inverted, n_channels, rng),
            gamma: draw::factors(&plan.gamma, n_channels, rng),
            mirrored: mirror::sample(&self.mirror_axes, plan.mirror_probability, rng),
            previous_stage: if self.n_masks > 0 && self.changes_masks {
                previous_stage::sample(self.n_masks, rng)
            } else {
                previous_stage::Params::default()
            },
        }
    }

    /// Makes the patch.
    ///
    /// # Shapes
    /// - `window`: the case, or at least the box of [`source_size`] at `place`
    /// - `image`: `[C, Z, Y, X]`, written; in a cascade the masks of the previous stage come after the image's channels
    /// - `labels`: `[Z, Y, X]`, written; background outside the image is 0
    ///
    /// # Panics
    /// If a buffer has another size than the patch.
    pub fn apply(&self, params: &Params, window: &Window<'_>, place: Place, image: &mut [f32], labels: &mut [i16], scratch: &mut Scratch) {
        let n_voxels: usize = self.patch.iter().product();
        assert_eq!(image.len(), (self.masked.len() + self.n_masks) * n_voxels, "the image buffer does not fit the patch");
        assert_eq!(labels.len(), n_voxels, "the label buffer does not fit the patch");
        let (image, masks) = image.split_at_mut(self.masked.len() * n_voxels);
        let mut previous = std::mem::take(&mut scratch.previous);
        previous.resize(if self.n_masks > 0 { n_voxels } else { 0 }, 0);
        let (from, size) = (place.lower, self.source_size);
        match &params.spatial {
            Some(spatial) => spatial::transform(spatial, window, from, size, self.patch, image, [labels, &mut previous]),
            None => spatial::cut_out(window, from, size, self.patch, image, [labels, &mut previous]),
        }
        if let Some(noise) = &params.noise {
            noise::apply(noise, image);
        }
        for (channel, voxels) in image.chunks_exact_mut(n_voxels).enumerate() {
            if let Some(blur) = &params.blur {
                blur::apply(blur, channel, voxels, self.patch, scratch);
            }
            if let Some(factors) = &params.brightness {
                voxels.iter_mut().for_each(|voxel| *voxel *= factors[channel]);
            }
            if let Some(factors) = &params.contrast {
                contrast::apply(factors[channel], voxels);
            }
            if let Some(low_resolution) = &params.low_resolution {
                low_resolution::apply(low_resolution, channel, voxels, self.patch, self.plan.rotation.within_slices, scratch);
            }
            if let Some(exponents) = &params.gamma_inverted {
                gamma::apply(exponents[channel], gamma::Side::Inverted, voxels);
            }
            if let Some(exponents) = &params.gamma {
                gamma::apply(exponents[channel], gamma::Side::Upright, voxels);
            }
            mirror::apply(params.mirrored, voxels, self.patch);
        }
        mirror::apply(params.mirrored, labels, self.patch);
        for (_, voxels) in image.chunks_exact_mut(n_voxels).enumerate().filter(|(channel, _)| self.masked[*channel]) {
            for (voxel, _) in voxels.iter_mut().zip(labels.iter()).filter(|(_, label)| **label == OUTSIDE) {
                *voxel = 0.0;
            }
        }
        labels.iter_mut().for_each(|label| *label = (*label).max(0));
        if self.n_masks > 0 {
            mirror::apply(params.mirrored, &mut previous, self.patch);
            for (mask, class) in masks.chunks_exact_mut(n_voxels).zip(1i16..) {
                mask.iter_mut().zip(&previous).for_each(|(voxel, found)| *voxel = f32::from(u8::from(*found == class)));
            }
            previous_stage::apply(&params.previous_stage, masks, self.patch);
        }
        scratch.previous = previous;
    }
}

/// The voxels of a patch as they are, such as what a teacher says of a case that it sees as a whole.
///
/// # Shapes
/// - `first`: the patch's first voxel, `[z, y, x]`; negative where it hangs over the case's border
/// - `data`: `[C, Z, Y, X]`, written; 0 outside the case
/// - `inside`: `[Z, Y, X]`, written; whether a voxel lies inside
///
/// # Errors
/// If a cached case can no longer be read.
///
/// # Panics
/// If a buffer has another size than the patch.
pub fn cut_patch(
    case: &StoredCase,
    first: [i64; 3],
    patch: [usize; 3],
    data: &mut [f32],
    inside: &mut [bool],
) -> Result<(), crate::DataError> {
    let n_voxels: usize = patch.iter().product();
    assert_eq!((data.len(), inside.len()), (case.shape()[0] * n_voxels, n_voxels), "the buffers do not fit the patch");
    let window = case.window(first, std::array::from_fn(|axis| first[axis] + patch[axis] as i64))?;
    let mut labels = vec![OUTSIDE; n_voxels];
    spatial::cut_out(&window, first, patch, patch, data, [&mut labels, &mut []]);
    inside.iter_mut().zip(labels).for_each(|(inside, label)| *inside = label != OUTSIDE);
    Ok(())
}

#[cfg(test)]
mod tests;
