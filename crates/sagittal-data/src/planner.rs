//! Makes a [`Plan`] from a [`Fingerprint`]: nnU-Net's rules (Isensee et al. 2021) where they are about the data, rules of
//! our own where they are about the machine.
//!
//! nnU-Net's: working spacing, order of axes, normalisation, topology of the network, how a patch is cut down. Ours:
//! features start at 16 instead of 32, and the patch is limited by our estimate of memory *and* of arithmetic
//! ([`cost`]), because on two CPU cores it is time that runs out first: half the features are a quarter of the
//! multiplications, and many small steps beat few large ones in the same minutes. With `base_features: 32` the network
//! is nnU-Net's.

pub mod cost;
pub use net_name::NetName;
pub use nnunet::{Configuration, NnunetOptions, Preset};
pub(crate) use spacing::resampled_shape;
pub use within_time::TimedPlan;
mod adapted;
mod image_to_mask;
mod net_name;
mod nnunet;
mod normalization;
mod patch;
mod spacing;
mod topology;
mod within_time;

use crate::{
    DataError, Fingerprint,
    plan::{
        ActivationKind, AugmentationPlan, Estimate, LogitPrecision, LossKind, NetworkPlan, OptimizerKind, OrientationRule, Plan,
        RateSchedule, TrainingPlan, UnetPlan,
    },
};
use sagittal_image::Rank;
use topology::Topology;

/// What a plan may cost, and what is decided by hand.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanOptions {
    /// The network.
    pub net: NetName,
    /// Memory that training may take.
    pub memory_bytes: u64,
    /// Multiplications with addition of one forward pass over one patch, at most: the patch shrinks until it fits.
    pub multiply_adds_per_patch: u64,
    /// Multiplications with addition of one forward pass over a batch: the batch grows as long as it fits, from 2.
    pub multiply_adds_per_step: u64,
    /// Features of the first stage; 16 where nothing is said.
    pub base_features: Option<usize>,
    /// Which orientation the network sees.
    pub orientation: OrientationRule,
    /// Length of training in epochs.
    pub epochs: usize,
    /// Whether the region in which a voxel classifier learns and labels is given by a mask of every image; else it is the box
    /// in which the training cases have labels.
    pub region_masks: bool,
}

impl Default for PlanOptions {
    /// For two CPU cores and 8 GiB: about a second a step, up to three where large images ask for a large patch.
    fn default() -> Self {
        Self {
            net: NetName::Unet,
            memory_bytes: 8 << 30,
            multiply_adds_per_patch: 24_000_000_000,
            multiply_adds_per_step: 12_000_000_000,
            base_features: None,
            orientation: OrientationRule::Canonical,
            epochs: 100,
            region_masks: false,
        }
    }
}

/// Features of the first stage on a CPU.
const BASE_FEATURES: usize = 16;
/// AdamW at this rate, because a CPU does hundreds of steps where nnU-Net's SGD (0.01, momentum 0.99) is made for a quarter
/// of a million. Hippocampus (MSD Task04), fold 1, 150 s on two cores: mean Dice 0.44 with SGD (320 steps), 0.79 with AdamW
/// at 0.001 (320 steps), 0.79 at 0.003 (301 steps); 0.002 lies between them and was not compared.
const LEARNING_RATE: f64 = 0.002;
/// The smallest batch: with one patch a step the gradient is too noisy.
const SMALLEST_BATCH: usize = 2;
/// No axis of a patch is cut down below this.
const SHORTEST_AXIS: usize = 4;
/// A batch holds at most this part of all voxels of the data set (nnU-Net's).
const LARGEST_PART_OF_DATASET: f64 = 0.05;

impl Plan {
    /// Plans for a data set.
    ///
    /// # Errors
    /// If the images have no common rank or physical size, or if not even the smallest patch fits the memory.
    pub fn make(fingerprint: &Fingerprint, options: &PlanOptions) -> Result<Self, DataError> {
        match options.net {
            NetName::Unet | NetName::Unet2d => {}
            NetName::Patch(view) => return Self::of_patches(view, fingerprint, options),
            NetName::ImageToMask => return image_to_mask::plan(fingerprint, options),
        }
        let grid = spacing::working_grid(fingerprint)?;
        let slices = grid.image_rank == Rank::Two || options.net == NetName::Unet2d || grid.median_shape[0] <= 1.0;
        let network_rank = if slices { Rank::Two } else { Rank::Three };
        let limits = Limits::new(fingerprint, options, network_rank);
        let (patch, topology) = fit_patch(&grid, network_rank, &limits)?;
        let network = limits.network(&topology);

        let per_patch = cost::multiply_adds(&network, patch);
        let wanted = (options.multiply_adds_per_step / per_patch.max(1)) as usize;
        let dataset_voxels = grid.median_shape.iter().product::<f64>() * fingerprint.cases.len() as f64;
        let covering = (dataset_voxels * LARGEST_PART_OF_DATASET / patch.iter().product::<usize>() as f64).round() as usize;
        let mut batch_size = wanted.min(covering).max(SMALLEST_BATCH);
        while batch_size > SMALLEST_BATCH && cost::training_memory(&network, patch, batch_size) > options.memory_bytes {
            batch_size -= 1;
        }

        let plan = Self {
            format_version: Self::FORMAT_VERSION,
            dataset: fingerprint.dataset.clone(),
            image_rank: grid.image_rank,
            orientation: options.orientation,
            axis_order: grid.axis_order,
            channels: normalization::channels(fingerprint),
            labels: fingerprint.labels.clone(),
            regions: fingerprint.regions.clone(),
            ignore_label: fingerprint.ignore_label,
            previous_stage: None,
            spacing_mm: grid.spacing_mm,
            median_shape: spacing::whole_shape(grid.median_shape),
            patch,
            batch_size,
            estimate: Estimate::of(&network, patch, batch_size),
            network,
            region_of_interest: None,
            training: TrainingPlan {
                optimizer: OptimizerKind::Adamw,
                learning_rate: LEARNING_RATE,
                schedule: RateSchedule::Polynomial,
                momentum: 0.9,
                nesterov: true,
                weight_decay: 3e-5,
                gradient_clip: 12.0,
                iterations_per_epoch: 50,
                validation_iterations: 10,
                epochs: options.epochs,
                time_s: None,
                foreground_fraction: 0.33,
                mirror_axes: if slices { vec![1, 2] } else { vec![0, 1, 2] },
                batch_dice: None,
                loss: LossKind::DiceCrossEntropy,
                ema_decay: None,
                correct_frequencies: true,
                full_batch: None,
                distillation: None,
                pretraining: None,
                augmentation: AugmentationPlan::nnunet(patch),
            },
            logits: LogitPrecision::Single,
            postprocessing: Vec::new(),
        };
        plan.validate()?;
        Ok(plan)
    }
}

/// What a patch must fit, and the network it is for.
struct Limits {
    memory_bytes: u64,
    multiply_adds: u64,
    base_features: usize,
    most_features: usize,
    input_channels: usize,
    classes: usize,
}

impl Limits {
    fn new(fingerprint: &Fingerprint, options: &PlanOptions, rank: Rank) -> Self {
        let base_features = options.base_features.unwrap_or(BASE_FEATURES);
        // nnU-Net's largest, 320 in 3-D and 512 in 2-D, in proportion to its 32 at the first stage.
        let nnunet_most = if rank == Rank::Three { 320 } else { 512 };
        Self {
            memory_bytes: options.memory_bytes,
            multiply_adds: options.multiply_adds_per_patch,
            base_features,
            most_features: nnunet_most.min(base_features * 16).max(base_features),
            input_channels: fingerprint.channels.len(),
            classes: if fingerprint.regions.is_empty() { fingerprint.labels.len() } else { fingerprint.regions.len() },
        }
    }

    fn network(&self, topology: &Topology) -> NetworkPlan {
        let stages = topology.strides.len();
        NetworkPlan::Unet(UnetPlan {
            input_channels: self.input_channels,
            classes: self.classes,
            features: (0..stages).map(|stage| (self.base_features << stage.min(16)).min(self.most_features)).collect(),
            kernels: topology.kernels.clone(),
            strides: topology.strides.clone(),
            encoder_convs: vec![2; stages],
            decoder_convs: vec![2; stages - 1],
            deep_supervision: true,
            conv_bias: true,
            norm_epsilon: UnetPlan::NORM_EPSILON,
            leaky_slope: UnetPlan::LEAKY_SLOPE,
            activation: ActivationKind::LeakyRelu,
            dropout: 0.0,
        })
    }

    fn fits(&self, topology: &Topology) -> bool {
        let network = self.network(topology);
        cost::training_memory(&network, topology.patch, SMALLEST_BATCH) <= self.memory_bytes
            && cost::multiply_adds(&network, topology.patch) <= self.multiply_adds
    }
}

/// The largest patch that fits, and its topology: start from a cube in millimetres, never larger than the median image,
/// and take from the axis that is largest in proportion to the images until the cost fits. An axis that is as short as it
/// may be is passed over, or a few thin slices would leave no plan at all.
fn fit_patch(grid: &spacing::WorkingGrid, rank: Rank, limits: &Limits) -> Result<([usize; 3], Topology), DataError> {
    let spacing = grid.spacing_mm.unwrap_or([1.0; 3]);
    let axes = if rank == Rank::Two { 1..3 } else { 0..3 };
    let mut topology = Topology::of(spacing, spacing::first_patch(spacing, grid.median_shape, rank), rank);
    while !limits.fits(&topology) {
        let mut patch = topology.patch;
        let proportion = |axis: usize| patch[axis] as f64 / grid.median_shape[axis];
        let can_shrink = |axis: &usize| {
            let step = topology.divisor[*axis];
            patch[*axis].saturating_sub(step) >= step.max(SHORTEST_AXIS)
        };
        // The last axis of the largest proportion, as numpy's argsort ends.
        let Some(axis) = axes.clone().filter(can_shrink).max_by(|&a, &b| proportion(a).total_cmp(&proportion(b))) else {
            let needed = cost::training_memory(&limits.network(&topology), patch, SMALLEST_BATCH);
            return Err(DataError::Plan {
                field: "memory".into(),
                found: format!("{} MB", limits.memory_bytes >> 20),
                expected: format!(
                    "at least {} MB, for the smallest patch ({patch:?}) of a network with {} features",
                    (needed >> 20) + 1,
                    limits.base_features
                ),
            });
        };
        // How much is taken depends on the network of the smaller patch, which may be less deep.
        let mut smaller = patch;
        smaller[axis] -= topology.divisor[axis];
        patch[axis] -= Topology::of(spacing, smaller.map(|size| size as f64), rank).divisor[axis];
        topology = Topology::of(spacing, patch.map(|size| size as f64), rank);
    }
    Ok((topology.patch, topology))
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::example_plan;
