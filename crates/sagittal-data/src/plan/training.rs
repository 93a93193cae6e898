//! How a plan trains: optimiser, length, sampling, augmentation.

use super::{DistillationPlan, PretrainingPlan};
use serde::{Deserialize, Serialize};

/// The rule by which gradients change weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OptimizerKind {
    /// Stochastic gradient descent; with momentum, Nesterov's unless the plan says otherwise (nnU-Net's).
    Sgd,
    /// Adam with decoupled weight decay.
    Adamw,
    /// RMSprop (Tieleman and Hinton 2012): gradients divided by the root of their mean square, with momentum.
    Rmsprop,
    /// Rprop (Riedmiller and Braun 1993), which uses only the sign of each gradient: every number has a step size of its
    /// own, 1.2 times as large after each step whose gradient kept its sign, half as large after one that changed it, from
    /// 1e-6 to 50, the learning rate at first. After a change the number stays where it is (Igel and Huesken's iRprop-, as in
    /// PyTorch). Made for gradients of all cases at once, which [`TrainingPlan::full_batch`] gives it: of small batches the
    /// sign of a gradient says as much about the batch as about the number, so that steps are halved by chance and the
    /// training comes to rest before it has arrived.
    Rprop,
    /// The same with the weight backtracking of the original paper: after a change the last step is taken back.
    RpropBacktracking,
}

/// What a training makes small.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossKind {
    /// Cross entropy minus soft Dice (nnU-Net's).
    #[default]
    DiceCrossEntropy,
    /// Cross entropy alone. Of networks that see whole pictures through dense layers it is the sum over a picture, as in Seo's
    /// post: where its pixels compete (`softmax_over_pixels`) that of the mask as it is, so that it mostly measures the mask's area.
    CrossEntropy,
    /// The same with every mask divided by its area, so that it has the sum 1 that the soft-max has. Only where the pixels
    /// of a picture compete.
    NormalizedCrossEntropy,
}

/// How the learning rate goes on from the first step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RateSchedule {
    /// It falls to 0 as `(1 - progress)^0.9` (nnU-Net's).
    #[default]
    Polynomial,
    /// It falls to 0 along half a cosine, slowly at first and at the end (Loshchilov and Hutter 2017, without restarts).
    Cosine,
    /// It stays.
    Constant,
}

impl RateSchedule {
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl LossKind {
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// How long a training lasts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Length {
    /// A number of epochs.
    Epochs(usize),
    /// A time; how many steps fit into it is seen then.
    Time(std::time::Duration),
}

/// How a network is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingPlan {
    /// The optimiser.
    pub optimizer: OptimizerKind,
    /// Learning rate at the first step. Of Rprop the first step size, which then follows the gradients' signs alone.
    pub learning_rate: f64,
    /// How it goes on.
    #[serde(default, skip_serializing_if = "RateSchedule::is_default")]
    pub schedule: RateSchedule,
    /// Momentum (SGD, RMSprop) or first-moment decay (AdamW); Rprop has none.
    pub momentum: f64,
    /// Whether momentum looks one step ahead (SGD).
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub nesterov: bool,
    /// Weight decay.
    pub weight_decay: f64,
    /// Largest norm of the whole gradient; longer ones are scaled down to it.
    pub gradient_clip: f64,
    /// Training steps per epoch.
    pub iterations_per_epoch: usize,
    /// Validation batches after every epoch.
    pub validation_iterations: usize,
    /// Number of epochs.
    pub epochs: usize,
    /// Seconds to train for instead of a number of epochs, where the plan was made for a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_s: Option<f64>,
    /// Part of every batch whose patches are centred on a labelled voxel.
    pub foreground_fraction: f64,
    /// Axes along which the anatomy may be mirrored, in training and, if it is done there, in prediction; 0 is Z.
    pub mirror_axes: Vec<usize>,
    /// Whether the Dice loss pools all patches of a batch instead of taking each by itself; where nothing is said, 2-D
    /// networks pool, whose slices often lack a class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_dice: Option<bool>,
    /// What is made small.
    #[serde(default, skip_serializing_if = "LossKind::is_default")]
    pub loss: LossKind,
    /// Decay of the running mean of the weights from step to step, such as 0.999; the mean is then what is validated and written.
    /// Without it the weights themselves are, as in nnU-Net.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ema_decay: Option<f64>,
    /// Whether a voxel classifier's answers are corrected, after the training, for how frequent classes are in images, which
    /// they are not among its samples. Of other networks nothing is.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub correct_frequencies: bool,
    /// Batches that are drawn once, with their augmentation, and whose gradients are averaged for every step: the whole batch
    /// that Rprop is made for, as far as it fits the memory. Without it every step sees a batch of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_batch: Option<usize>,
    /// How the network learns from a teacher, which `--teacher` names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distillation: Option<DistillationPlan>,
    /// How its layers are trained without labels first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pretraining: Option<PretrainingPlan>,
    /// Random changes of every training patch.
    pub augmentation: AugmentationPlan,
}

/// Random changes of training patches, each with its probability per patch (0 switches it off) and range. They are
/// applied in the order of the fields, then come mirroring and the masks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AugmentationPlan {
    /// Whether there are any: the one switch for all of them.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub enabled: bool,
    /// Rotation.
    pub rotation: RotationPlan,
    /// Scaling, one factor for all axes; above 1 objects become smaller.
    pub scaling: ChanceRange,
    /// Additive Gaussian noise; the range is that of the standard deviation.
    pub noise: NoisePlan,
    /// Gaussian blur.
    pub blur: BlurPlan,
    /// Brightness, a factor per channel.
    pub brightness: ContrastPlan,
    /// Contrast about the mean, a factor per channel.
    pub contrast: ContrastPlan,
    /// Loss of resolution.
    pub low_resolution: LowResolutionPlan,
    /// Gamma of the inverted intensities, an exponent per channel; mean and deviation are kept.
    pub gamma_inverted: ContrastPlan,
    /// Gamma, an exponent per channel; mean and deviation are kept.
    pub gamma: ContrastPlan,
    /// Probability of mirroring for every axis of `mirror_axes`.
    pub mirror_probability: f64,
}

/// Rotation about every axis.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotationPlan {
    /// Probability per patch.
    pub probability: f64,
    /// Largest angle about each axis `[Z, Y, X]`, in degrees, either way. A 2-D patch turns about Z only.
    pub degrees: [f64; 3],
    /// Whether slices are only rotated, scaled and degraded within themselves, because they are far apart.
    pub within_slices: bool,
}

/// A change with a probability and a uniform range.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChanceRange {
    /// Probability per patch.
    pub probability: f64,
    /// Lowest and highest value.
    pub range: [f64; 2],
}

/// Additive noise.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoisePlan {
    /// Probability per patch.
    pub probability: f64,
    /// Lowest and highest standard deviation, after normalisation.
    pub sigma: [f64; 2],
}

/// Gaussian blur.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlurPlan {
    /// Probability per patch.
    pub probability: f64,
    /// Probability per channel of a patch that was drawn.
    pub channel_probability: f64,
    /// Lowest and highest standard deviation, in voxels, drawn for every axis.
    pub sigma_voxels: [f64; 2],
}

/// A factor or exponent about 1: below or above 1 with probability ½ each, then uniform.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContrastPlan {
    /// Probability per patch.
    pub probability: f64,
    /// Lowest (at most 1) and highest (at least 1) value.
    pub range: [f64; 2],
}

/// Loss of resolution: down to a part of the size and back up.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LowResolutionPlan {
    /// Probability per patch.
    pub probability: f64,
    /// Probability per channel of a patch that was drawn.
    pub channel_probability: f64,
    /// Lowest and highest part of the size that is kept.
    pub scale: [f64; 2],
}

fn yes() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
fn is_yes(value: &bool) -> bool {
    *value
}

impl OptimizerKind {
    /// Whether steps follow the signs of gradients alone, so that learning rate, clipping and weight decay mean nothing.
    pub fn is_rprop(self) -> bool {
        matches!(self, Self::Rprop | Self::RpropBacktracking)
    }
}

impl TrainingPlan {
    /// How long the plan trains.
    pub fn length(&self) -> Length {
        // A plan that was read is validated; one that was not is no reason to panic.
        let time = self.time_s.and_then(|seconds| std::time::Duration::try_from_secs_f64(seconds).ok());
        time.map_or(Length::Epochs(self.epochs), Length::Time)
    }

    /// Axes along which patches are mirrored in training, and images therefore in prediction: none where augmentation never
    /// mirrors, because the network has not seen mirrored patches then.
    pub fn mirrored_axes(&self) -> &[usize] {
        let mirrors = self.augmentation.enabled && self.augmentation.mirror_probability > 0.0;
        if mirrors { &self.mirror_axes } else { &[] }
    }
}

impl AugmentationPlan {
    /// nnU-Net's augmentation for a patch `[Z, Y, X]` (`Z = 1`: a 2-D network).
    pub fn nnunet(patch: [usize; 3]) -> Self {
        let [z, y, x] = patch;
        let largest = z.max(y).max(x) as f64;
        // Slices far apart: a rotation out of the slice would mix what the scanner never mixed.
        let within_slices = z > 1 && largest / z as f64 > 3.0;
        let flat = z == 1 || within_slices;
        let aspect = y.max(x) as f64 / y.min(x) as f64;
        let degrees = match (flat, z == 1 && aspect > 1.5) {
            (true, true) => [15.0, 0.0, 0.0],
            (true, false) => [180.0, 0.0, 0.0],
            (false, _) => [30.0; 3],
        };
        Self {
            enabled: true,
            rotation: RotationPlan { probability: 0.2, degrees, within_slices },
            scaling: ChanceRange { probability: 0.2, range: [0.7, 1.4] },
            noise: NoisePlan { probability: 0.1, sigma: [0.0, 0.1] },
            blur: BlurPlan { probability: 0.2, channel_probability: 0.5, sigma_voxels: [0.5, 1.0] },
            brightness: ContrastPlan { probability: 0.15, range: [0.75, 1.25] },
            contrast: ContrastPlan { probability: 0.15, range: [0.75, 1.25] },
            low_resolution: LowResolutionPlan { probability: 0.25, channel_probability: 0.5, scale: [0.5, 1.0] },
            gamma_inverted: ContrastPlan { probability: 0.1, range: [0.7, 1.5] },
            gamma: ContrastPlan { probability: 0.3, range: [0.7, 1.5] },
            mirror_probability: 0.5,
        }
    }

    /// The same ranges with every probability 0.
    pub fn without(mut self) -> Self {
        for probability in self.probabilities_mut() {
            *probability.1 = 0.0;
        }
        self
    }

    /// Every probability with its field's name.
    pub(crate) fn probabilities_mut(&mut self) -> [(&'static str, &mut f64); 12] {
        [
            ("rotation.probability", &mut self.rotation.probability),
            ("scaling.probability", &mut self.scaling.probability),
            ("noise.probability", &mut self.noise.probability),
            ("blur.probability", &mut self.blur.probability),
            ("blur.channel_probability", &mut self.blur.channel_probability),
            ("brightness.probability", &mut self.brightness.probability),
            ("contrast.probability", &mut self.contrast.probability),
            ("low_resolution.probability", &mut self.low_resolution.probability),
            ("low_resolution.channel_probability", &mut self.low_resolution.channel_probability),
            ("gamma_inverted.probability", &mut self.gamma_inverted.probability),
            ("gamma.probability", &mut self.gamma.probability),
            ("mirror_probability", &mut self.mirror_probability),
        ]
    }
}
