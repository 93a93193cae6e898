//! The plan: how a data set is treated, from the file to the last training step, in one JSON file that people read and
//! edit.
//!
//! All axes are the plan's own: those of the working orientation, permuted by [`Plan::axis_order`], slowest first.
//! [`crate::planner`] makes plans; [`Plan::validate`] checks one that was edited by hand.

mod describe;
mod network;
mod region_of_interest;
mod teaching;
mod training;
mod validate;

pub use crate::dataset::Region;
pub use describe::{paragraph, time_words};
pub use network::{ActivationKind, ImageToMaskPlan, MaskHead, MaskLogits, MaskOutput, NetworkPlan, PatchPlan, PatchView, Tower, UnetPlan};
pub use region_of_interest::RegionOfInterest;
pub use teaching::{Corruption, DistillationKind, DistillationPlan, PretrainingImages, PretrainingLength, PretrainingPlan};
pub use training::{
    AugmentationPlan, BlurPlan, ChanceRange, ContrastPlan, Length, LossKind, LowResolutionPlan, NoisePlan, OptimizerKind, RateSchedule,
    RotationPlan, TrainingPlan,
};

use crate::{DataError, dataset::Label, planner::cost};
use sagittal_image::Rank;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// How a data set is treated. Serialised as `plan.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// [`Plan::FORMAT_VERSION`] of the program that wrote it.
    pub format_version: u32,
    /// Name of the data set.
    pub dataset: String,
    /// Spatial axes of the images, 2 or 3. A network may be 2-D on 3-D images: then `patch[0]` is 1.
    #[serde(with = "rank_number")]
    pub image_rank: Rank,
    /// Which orientation the network sees.
    pub orientation: OrientationRule,
    /// Axes of the oriented image in the order in which the network sees them; the coarsest comes first.
    pub axis_order: [usize; 3],
    /// Channels in order, with their normalisation.
    pub channels: Vec<Channel>,
    /// Labels, background first. A label's position is the network's class, unless there are regions.
    pub labels: Vec<Label>,
    /// What the network tells of every voxel instead of one label: whether it belongs to each of these regions, which
    /// may overlap. Empty where labels exclude each other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<Region>,
    /// Value in label maps of voxels that nobody labelled: neither trained on nor scored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignore_label: Option<u16>,
    /// In a cascade the name of the configuration whose result the network sees as well: after the image's channels one
    /// per foreground label, 1 where that label was found and 0 elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_stage: Option<String>,
    /// Spacing on which the network works, `[Z, Y, X]`; `None` for images without physical size. A 2-D network on 3-D
    /// images keeps every image's own spacing between slices: the first entry then only describes the data.
    pub spacing_mm: Option<[f64; 3]>,
    /// Median shape of the images on that spacing, `[Z, Y, X]`.
    pub median_shape: [usize; 3],
    /// What the network labels at once, `[Z, Y, X]`; `Z = 1` for 2-D networks. U-Nets see no more than that either, voxel
    /// classifiers label one voxel and see [`NetworkPlan::context`] around it.
    pub patch: [usize; 3],
    /// Patches per step.
    pub batch_size: usize,
    /// The network.
    pub network: NetworkPlan,
    /// Where a voxel classifier learns and labels; everywhere where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region_of_interest: Option<RegionOfInterest>,
    /// How it is trained.
    pub training: TrainingPlan,
    /// How exactly logits are added up, averaged and resampled in prediction.
    #[serde(default, skip_serializing_if = "LogitPrecision::is_single")]
    pub logits: LogitPrecision,
    /// What is done to predicted label maps, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub postprocessing: Vec<KeepParts>,
    /// What that is expected to cost.
    pub estimate: Estimate,
}

/// Which orientation the network sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrientationRule {
    /// Every 3-D image is first turned to superior, anterior, right (nearest axes, no interpolation).
    Canonical,
    /// The file's own axes, as nnU-Net does.
    File,
}

/// How exactly logits are added up, averaged and resampled in prediction. Networks always compute in float32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum LogitPrecision {
    /// In float32.
    #[default]
    #[serde(rename = "float32")]
    Single,
    /// In float16, rounded after every step as nnU-Net does, which then decides between classes that are close to each other.
    #[serde(rename = "float16")]
    Half,
}

impl LogitPrecision {
    fn is_single(&self) -> bool {
        *self == Self::Single
    }
}

/// Keeps connected components, over corners too, of the voxels that have one of these labels; others of them become
/// background.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeepParts {
    /// The labels.
    pub values: Vec<u16>,
    /// Size from which on components are kept, in mm³ (mm² of 2-D images; voxels where images have no physical size). Where
    /// nothing is said the largest is kept, and all that are as large.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<f64>,
}

impl KeepParts {
    /// The largest component of some labels together.
    pub fn largest(values: Vec<u16>) -> Self {
        Self { values, at_least: None }
    }
}

/// A channel and its normalisation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Channel {
    /// Its name in the data set.
    pub name: String,
    /// How its intensities are brought to a common range.
    pub normalization: Normalization,
}

/// How the intensities of a channel are brought to a common range.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Normalization {
    /// Mean 0, standard deviation 1 in every image; with `masked` only the nonzero part counts and the rest stays 0.
    Zscore {
        /// Whether only the nonzero part counts.
        masked: bool,
    },
    /// Computed tomography: clipped and scaled by the intensities of the foreground of the whole training set.
    Ct {
        /// Mean of the foreground.
        mean: f64,
        /// Standard deviation of the foreground.
        std: f64,
        /// 0.5th percentile of the foreground: lower values are clipped.
        low: f64,
        /// 99.5th percentile of the foreground: higher values are clipped.
        high: f64,
    },
    /// Divided by 255.
    Rgb,
    /// Every image's minimum to 0, its maximum to 1.
    MinMax,
    /// Untouched.
    None,
}

/// What training with a plan is expected to cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Estimate {
    /// Memory of training, in bytes.
    pub memory_bytes: u64,
    /// Trainable numbers of the network.
    pub parameters: u64,
    /// Multiplications with addition in one forward pass over one patch.
    pub multiply_adds_per_patch: u64,
}

impl Estimate {
    /// What training a network on such batches is expected to cost.
    pub fn of(network: &NetworkPlan, patch: [usize; 3], batch_size: usize) -> Self {
        Self {
            memory_bytes: cost::training_memory(network, patch, batch_size),
            parameters: cost::parameters(network),
            multiply_adds_per_patch: cost::multiply_adds(network, patch),
        }
    }
}

impl Plan {
    /// The version this program writes.
    pub const FORMAT_VERSION: u32 = 1;

    /// The name of a plan in a run folder.
    pub const FILE_NAME: &'static str = "plan.json";

    /// Reads and validates a plan.
    ///
    /// # Errors
    /// If the file cannot be read, is not a plan's JSON, or holds a value outside what is allowed.
    pub fn read(path: &Path) -> Result<Self, DataError> {
        // The version first: a newer plan's new fields would be reported as typing errors.
        let Version { format_version } = crate::json::read(path)?;
        validate::version(format_version)?;
        let plan: Self = crate::json::read(path)?;
        plan.validate()?;
        Ok(plan)
    }

    /// Writes the plan, atomically.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), DataError> {
        crate::json::write(path, self)
    }

    /// Spatial axes of the network: 2 where its patch is one slice thick. A voxel classifier has as many as it looks along;
    /// where it sees neighbouring slices as channels, these are still slices.
    pub fn network_rank(&self) -> Rank {
        match &self.network {
            NetworkPlan::Patch(patch) => match patch.view {
                PatchView::Slice | PatchView::Stacked => Rank::Two,
                PatchView::Triplanar | PatchView::Volume => Rank::Three,
            },
            _ if self.patch[0] == 1 => Rank::Two,
            _ => Rank::Three,
        }
    }

    /// What the network sees at once, `[Z, Y, X]`: the patch and the context around it.
    pub fn input_size(&self) -> [usize; 3] {
        let context = self.network.context();
        std::array::from_fn(|axis| context[axis][0] + self.patch[axis] + context[axis][1])
    }

    /// Whether every class is shown equally often, background among them, inside the region of interest.
    pub(crate) fn is_balanced(&self) -> bool {
        matches!(self.network, NetworkPlan::Patch(_))
    }

    /// The estimate of the plan as it is: whoever edits a plan does not work out what it costs.
    pub fn estimated(&self) -> Estimate {
        let mut estimate = Estimate::of(&self.network, self.patch, self.batch_size);
        if self.training.pretraining.is_some() {
            estimate.memory_bytes += cost::pretraining_memory(&self.network);
        }
        estimate
    }

    /// For the class of every label, in the order of [`Plan::labels`], the regions it belongs to, as positions in
    /// [`Plan::regions`]: what the targets of a network with regions are made from. Empty lists without regions.
    pub fn regions_of_classes(&self) -> Vec<Vec<usize>> {
        let regions_of = |label: &Label| {
            let holds = |(_, region): &(usize, &Region)| region.values.contains(&label.value);
            self.regions.iter().enumerate().filter(holds).map(|(index, _)| index).collect()
        };
        self.labels.iter().map(regions_of).collect()
    }

    /// What there is to find: the regions, or where there are none every label but the background as a region of its own.
    pub fn structures(&self) -> Vec<Region> {
        Region::all(&self.labels, &self.regions)
    }

    /// Channels of the network's output: one per region where there are regions, else one per label.
    pub fn n_outputs(&self) -> usize {
        if self.regions.is_empty() { self.labels.len() } else { self.regions.len() }
    }

    /// Channels of the network's input: the image's, and in a cascade one per foreground label.
    pub fn n_inputs(&self) -> usize {
        self.channels.len() + if self.previous_stage.is_some() { self.labels.len() - 1 } else { 0 }
    }

    /// The name of a label's value, as messages show it.
    pub(crate) fn label_name(&self, value: u16) -> String {
        self.labels.iter().find(|label| label.value == value).map_or_else(|| format!("value {value}"), |label| label.name.clone())
    }

    /// The part of the plan that decides what a preprocessed case looks like, as canonical text: equal texts, equal
    /// preprocessing. The cache is keyed by it.
    pub fn preprocessing_key(&self) -> String {
        let slices = matches!(self.network_rank(), Rank::Two);
        let channels: Vec<_> = self.channels.iter().map(|channel| channel.normalization).collect();
        let values: Vec<_> = self.labels.iter().map(|label| label.value).collect();
        let regions: Vec<_> = self.regions.iter().map(|region| &region.values).collect();
        let mut key = serde_json::json!({
            "version": PREPROCESSING_VERSION, "regions": regions, "ignore_label": self.ignore_label,
            "orientation": self.orientation, "axis_order": self.axis_order, "spacing_mm": self.spacing_mm,
            "slices": slices, "channels": channels, "labels": values,
        });
        if self.is_balanced() {
            // Voxels of the background are kept, too, those of the region.
            key["balanced_in"] = serde_json::json!(self.region_of_interest);
        }
        if let Some(size) = self.network.whole_image() {
            key["whole_image"] = serde_json::json!(size);
        }
        key.to_string()
    }
}

/// Goes up with every change of preprocessing that makes other arrays of the same files.
const PREPROCESSING_VERSION: u32 = 2;

/// The one field that plans of all versions share.
#[derive(Deserialize)]
struct Version {
    format_version: u32,
}

/// [`Rank`] as 2 or 3.
pub(crate) mod rank_number {
    use sagittal_image::Rank;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(rank: &Rank, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(match rank {
            Rank::Two => 2,
            Rank::Three => 3,
        })
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Rank, D::Error> {
        match u8::deserialize(deserializer)? {
            2 => Ok(Rank::Two),
            3 => Ok(Rank::Three),
            other => Err(D::Error::custom(format!("image_rank is {other}, expected 2 or 3"))),
        }
    }
}
