//! nnU-Net's own plans, number by number: version 2.8.1, `ExperimentPlanner` and the residual encoder presets (Isensee et
//! al. 2021, 2024).
//!
//! The memory rule counts the elements of all feature maps of a network and compares them with those of a network that
//! filled a known graphics card. It says nothing about memory on this machine; [`crate::plan::Estimate`] does.
//!
//! Two things differ, both where nnU-Net itself cannot go on. Images so small that nothing could be halved get a network
//! of two stages, because nnU-Net's of one has no output; and no axis of a patch is cut down to nothing.

use super::{normalization, spacing, topology::Topology};
use crate::{
    DataError, Fingerprint,
    plan::{
        ActivationKind, AugmentationPlan, Estimate, LogitPrecision, LossKind, NetworkPlan, OptimizerKind, OrientationRule, Plan,
        RateSchedule, TrainingPlan, UnetPlan,
    },
};
use sagittal_image::Rank;

/// One of nnU-Net's ways to look at a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Configuration {
    /// Slice by slice.
    TwoD,
    /// Volumes at the full resolution.
    Fullres,
    /// Volumes at a lower resolution, so that a patch shows more of them.
    Lowres,
    /// Volumes at the full resolution, with what the lower one found.
    Cascade,
}

/// nnU-Net's networks and what they are planned for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// Plain U-Net, 8 GB.
    Plain,
    /// Residual encoder, 8 GB.
    ResEncM,
    /// Residual encoder, 24 GB.
    ResEncL,
    /// Residual encoder, 40 GB.
    ResEncXl,
}

/// Which of nnU-Net's plans to make.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NnunetOptions {
    /// The network.
    pub preset: Preset,
    /// Memory of the graphics card that nnU-Net's rule is for, in units of 1024^3 bytes; the preset's own where nothing
    /// is said.
    pub memory_gb: Option<f64>,
    /// How the fingerprint saw the images; nnU-Net itself takes them as the files have them.
    pub orientation: OrientationRule,
}

impl Default for NnunetOptions {
    fn default() -> Self {
        Self { preset: Preset::Plain, memory_gb: None, orientation: OrientationRule::File }
    }
}

impl Configuration {
    /// nnU-Net's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::TwoD => "2d",
            Self::Fullres => "3d_fullres",
            Self::Lowres => "3d_lowres",
            Self::Cascade => "3d_cascade_fullres",
        }
    }
}

/// Features of the first stage.
const BASE_FEATURES: usize = 32;
/// Residual blocks by stage.
const RESIDUAL_BLOCKS: [usize; 4] = [1, 3, 4, 6];
/// The smallest batch.
const SMALLEST_BATCH: f64 = 2.0;
/// The largest batch that a plan may hold; nnU-Net has no limit, but pictures of a few pixels would exceed any.
const LARGEST_BATCH: f64 = 65_536.0;
/// Below this part of the median image a patch shows too little, and a lower resolution is planned as well.
const SMALLEST_PART_OF_IMAGE: f64 = 0.25;
/// Step by which the lower resolution's spacing is enlarged.
const SPACING_STEP: f64 = 1.03;
/// The lower resolution must save at least this factor of voxels.
const LEAST_SAVING: f64 = 2.0;

/// The numbers of a preset.
struct Rules {
    preset: Preset,
    /// Elements of all feature maps in 3-D and 2-D with the reference batch.
    references: [f64; 2],
    /// Memory those stand for.
    reference_gb: f64,
    memory_gb: f64,
    /// Part of the data set that a batch may hold.
    most_of_dataset: f64,
}

/// Patches in a batch that the references are for.
fn reference_batch(rank: Rank) -> f64 {
    if rank == Rank::Two { 12.0 } else { 2.0 }
}

impl Rules {
    fn new(options: &NnunetOptions) -> Self {
        let (references, reference_gb, most_of_dataset) = match options.preset {
            Preset::Plain => ([560e6, 85e6], 8.0, 0.05),
            Preset::ResEncM => ([680e6, 135e6], 8.0, 1.0),
            Preset::ResEncL => ([2100e6, 380e6], 24.0, 1.0),
            Preset::ResEncXl => ([3600e6, 560e6], 40.0, 1.0),
        };
        let memory_gb = options.memory_gb.unwrap_or(reference_gb);
        Self { preset: options.preset, references, reference_gb, memory_gb, most_of_dataset }
    }

    /// Elements that the memory holds.
    fn reference(&self, rank: Rank) -> f64 {
        self.references[usize::from(rank == Rank::Two)] * (self.memory_gb / self.reference_gb)
    }

    /// Whether the smallest batch is too large for the memory.
    fn exceeds(&self, elements: u64, rank: Rank) -> bool {
        let elements = elements as f64;
        // The residual planners compare a single patch: so nnU-Net does.
        let compared = if self.preset == Preset::Plain { elements / reference_batch(rank) * 2.0 } else { elements };
        compared > self.reference(rank)
    }

    fn network(&self, topology: &Topology, rank: Rank, input_channels: usize, classes: usize) -> NetworkPlan {
        let stages = topology.strides.len();
        let most_features = if rank == Rank::Two { 512 } else { 320 };
        let (family, encoder_convs, decoder_convs): (fn(UnetPlan) -> NetworkPlan, _, _) = match self.preset {
            Preset::Plain => (NetworkPlan::Unet, vec![2; stages], vec![2; stages - 1]),
            _ => {
                let blocks = |stage: usize| RESIDUAL_BLOCKS[stage.min(RESIDUAL_BLOCKS.len() - 1)];
                (NetworkPlan::ResidualUnet, (0..stages).map(blocks).collect(), vec![1; stages - 1])
            }
        };
        let unet = UnetPlan {
            input_channels,
            classes,
            features: (0..stages).map(|stage| (BASE_FEATURES << stage.min(16)).min(most_features)).collect(),
            kernels: topology.kernels.clone(),
            strides: topology.strides.clone(),
            encoder_convs,
            decoder_convs,
            deep_supervision: true,
            conv_bias: true,
            norm_epsilon: UnetPlan::NORM_EPSILON,
            leaky_slope: UnetPlan::LEAKY_SLOPE,
            activation: ActivationKind::LeakyRelu,
            dropout: 0.0,
        };
        family(unet)
    }
}

/// Elements of all feature maps of a network over one patch (`compute_conv_feature_map_size`); `classes` counts every
/// entry of the data set's labels, whatever the network puts out.
fn feature_map_elements(network: &NetworkPlan, patch: [usize; 3], classes: u64) -> u64 {
    let is_residual = matches!(network, NetworkPlan::ResidualUnet(_));
    let network = network.unet().expect("nnU-Net plans U-Nets");
    let mut size = patch;
    let mut total = 0;
    for stage in 0..network.n_stages() {
        size = std::array::from_fn(|axis| size[axis] / network.strides[stage][axis]);
        let voxels = size.iter().product::<usize>() as u64;
        let map = network.features[stage] as u64 * voxels;
        let convs = network.encoder_convs[stage] as u64;
        // Two convolutions a block, and one more: the stem in the first stage, the way past the first block in others.
        total += map * if is_residual { 2 * convs + 1 } else { convs };
        if let Some(step) = (network.n_stages() - 1).checked_sub(stage + 1) {
            total += map * (network.decoder_convs[step] as u64 + 1);
        }
        if stage == 0 {
            total += classes * voxels;
        }
    }
    total
}

/// What one configuration comes to.
struct Fitted {
    topology: Topology,
    batch_size: usize,
}

/// A grid to plan for: spacing and median shape in the plan's axes.
#[derive(Clone, Copy)]
struct Grid {
    spacing: [f64; 3],
    median_shape: [f64; 3],
    /// Voxels of all cases together.
    dataset_voxels: f64,
}

impl Rules {
    /// Patch, topology and batch: a cube in millimetres no larger than the median image, cut down along the axis that is
    /// largest in proportion until the feature maps fit; what is left goes into the batch.
    fn fit(&self, grid: &Grid, rank: Rank, fingerprint: &Fingerprint) -> Result<Fitted, DataError> {
        let channels = fingerprint.channels.len();
        let entries = declared_labels(fingerprint);
        let elements = |topology: &Topology| feature_map_elements(&self.network(topology, rank, channels, 1), topology.patch, entries);
        let axes = if rank == Rank::Two { 1..3 } else { 0..3 };
        let mut topology = Topology::of(grid.spacing, spacing::first_patch(grid.spacing, grid.median_shape, rank), rank);
        while self.exceeds(elements(&topology), rank) {
            let mut patch = topology.patch;
            // How much is taken depends on the network of the smaller patch, which may be less deep.
            let step = |axis: usize| {
                let smaller: [f64; 3] = std::array::from_fn(|a| patch[a] as f64 - if a == axis { topology.divisor[a] as f64 } else { 0.0 });
                Topology::of(grid.spacing, smaller, rank).divisor[axis]
            };
            let proportion = |axis: usize| patch[axis] as f64 / grid.median_shape[axis];
            // The last axis of the largest proportion, as numpy's argsort ends.
            let widest = axes.clone().filter(|&axis| patch[axis] > step(axis)).max_by(|&a, &b| proportion(a).total_cmp(&proportion(b)));
            let Some(axis) = widest else {
                return Err(DataError::Plan {
                    field: "memory".into(),
                    found: format!("{:.2} GB", self.memory_gb),
                    expected: "more: by nnU-Net's rule not even the smallest patch fits".into(),
                });
            };
            patch[axis] -= step(axis);
            topology = Topology::of(grid.spacing, patch.map(|size| size as f64), rank);
        }
        let room = (self.reference(rank) / elements(&topology) as f64 * reference_batch(rank)).round_ties_even();
        let voxels = topology.patch.iter().product::<usize>() as f64;
        let covering = (grid.dataset_voxels * self.most_of_dataset / voxels).round_ties_even();
        let batch_size = room.min(covering).clamp(SMALLEST_BATCH, LARGEST_BATCH) as usize;
        Ok(Fitted { topology, batch_size })
    }

    /// The grid of the lower resolution with its plan, if one is needed and saves enough.
    fn lowres(&self, full: &Grid, fullres: &Fitted, fingerprint: &Fingerprint) -> Result<Option<(Grid, Fitted)>, DataError> {
        let n_cases = fingerprint.cases.len() as f64;
        let voxels_of = |fitted: &Fitted| fitted.topology.patch.iter().product::<usize>() as f64;
        let full_voxels: f64 = full.median_shape.iter().product();
        let (mut patch_voxels, mut image_voxels) = (voxels_of(fullres), full_voxels);
        let mut spacing = full.spacing;
        let mut found = None;
        while patch_voxels / image_voxels < SMALLEST_PART_OF_IMAGE {
            let coarsest = spacing.iter().copied().fold(0.0, f64::max);
            // Fine axes first, until all are within a factor of 2.
            let is_fine = spacing.map(|mm| coarsest / mm > 2.0);
            let any_fine = is_fine.contains(&true);
            for (mm, is_fine) in spacing.iter_mut().zip(is_fine) {
                if is_fine || !any_fine {
                    *mm *= SPACING_STEP;
                }
            }
            let size: [f64; 3] = std::array::from_fn(|axis| full.spacing[axis] / spacing[axis] * full.median_shape[axis]);
            image_voxels = size.iter().product();
            // An image that is one voxel along an axis stays so.
            let median_shape = size.map(|size| size.round_ties_even().max(1.0));
            let grid = Grid { spacing, median_shape, dataset_voxels: image_voxels * n_cases };
            let fitted = self.fit(&grid, Rank::Three, fingerprint)?;
            patch_voxels = voxels_of(&fitted);
            found = Some((grid, fitted));
        }
        Ok(found.filter(|_| full_voxels / image_voxels >= LEAST_SAVING))
    }
}

/// Entries of nnU-Net's `labels`: background, labels or regions, and the ignore label.
fn declared_labels(fingerprint: &Fingerprint) -> u64 {
    let structures = if fingerprint.regions.is_empty() { fingerprint.labels.len() - 1 } else { fingerprint.regions.len() };
    (1 + structures + usize::from(fingerprint.ignore_label.is_some())) as u64
}

impl Plan {
    /// nnU-Net's plans of a data set: 2-D, and of volumes at full resolution; where a patch shows less than a quarter of
    /// the images also at a lower resolution and as a cascade of the two.
    ///
    /// # Errors
    /// If the images have no common rank or physical size, or if not even the smallest patch fits the memory.
    pub fn like_nnunet(fingerprint: &Fingerprint, options: &NnunetOptions) -> Result<Vec<(Configuration, Self)>, DataError> {
        let working = spacing::working_grid(fingerprint)?;
        let rules = Rules::new(options);
        let n_cases = fingerprint.cases.len() as f64;
        let spacing = working.spacing_mm.unwrap_or([1.0; 3]);
        let dataset_voxels = working.median_shape.iter().product::<f64>() * n_cases;
        let full = Grid { spacing, median_shape: working.median_shape, dataset_voxels };
        let draft = Draft { fingerprint, options, working: &working, rules: &rules };
        let flat = rules.fit(&full, Rank::Two, fingerprint)?;
        let mut plans = vec![(Configuration::TwoD, draft.plan(&full, flat, Rank::Two, true)?)];
        // A single slice has no third dimension to plan for.
        if working.image_rank == Rank::Three && working.median_shape[0] != 1.0 {
            let fullres = rules.fit(&full, Rank::Three, fingerprint)?;
            let lowres = rules.lowres(&full, &fullres, fingerprint)?;
            let batch_dice = lowres.is_some();
            let fullres = draft.plan(&full, fullres, Rank::Three, batch_dice)?;
            if let Some((grid, fitted)) = lowres {
                plans.push((Configuration::Lowres, draft.plan(&grid, fitted, Rank::Three, false)?));
                let mut cascade = Self { previous_stage: Some(Configuration::Lowres.name().into()), ..fullres.clone() };
                let (n_inputs, n_outputs) = (cascade.n_inputs(), cascade.n_outputs());
                cascade.network.set_channels(n_inputs, n_outputs);
                cascade.estimate = cascade.estimated();
                cascade.validate()?;
                plans.push((Configuration::Cascade, cascade));
            }
            plans.insert(1, (Configuration::Fullres, fullres));
        }
        Ok(plans)
    }
}

/// What all configurations of a data set share.
struct Draft<'a> {
    fingerprint: &'a Fingerprint,
    options: &'a NnunetOptions,
    working: &'a spacing::WorkingGrid,
    rules: &'a Rules,
}

impl Draft<'_> {
    fn plan(&self, grid: &Grid, Fitted { topology, batch_size }: Fitted, rank: Rank, batch_dice: bool) -> Result<Plan, DataError> {
        let Fingerprint { dataset, channels, labels, regions, ignore_label, .. } = self.fingerprint;
        let n_outputs = if regions.is_empty() { labels.len() } else { regions.len() };
        let network = self.rules.network(&topology, rank, channels.len(), n_outputs);
        let patch = topology.patch;
        let plan = Plan {
            format_version: Plan::FORMAT_VERSION,
            dataset: dataset.clone(),
            image_rank: self.working.image_rank,
            orientation: self.options.orientation,
            axis_order: self.working.axis_order,
            channels: normalization::channels(self.fingerprint),
            labels: labels.clone(),
            regions: regions.clone(),
            ignore_label: *ignore_label,
            previous_stage: None,
            spacing_mm: self.working.spacing_mm.map(|_| grid.spacing),
            median_shape: spacing::whole_shape(grid.median_shape),
            patch,
            batch_size,
            estimate: Estimate::of(&network, patch, batch_size),
            network,
            region_of_interest: None,
            training: TrainingPlan {
                optimizer: OptimizerKind::Sgd,
                learning_rate: 0.01,
                schedule: RateSchedule::Polynomial,
                momentum: 0.99,
                nesterov: true,
                weight_decay: 3e-5,
                gradient_clip: 12.0,
                iterations_per_epoch: 250,
                validation_iterations: 50,
                epochs: 1000,
                time_s: None,
                foreground_fraction: 0.33,
                mirror_axes: if rank == Rank::Two { vec![1, 2] } else { vec![0, 1, 2] },
                batch_dice: Some(batch_dice),
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

#[cfg(test)]
mod tests;
