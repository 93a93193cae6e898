//! What a network learns from besides labels: from a trained network (distillation), and from images without labels
//! (layer-wise pre-training).

use super::validate::require;
use crate::DataError;
use serde::{Deserialize, Serialize};

/// The longest pre-training by time, in seconds: ten years, beyond which a mistyped number is likelier than a wish.
const LONGEST_S: f64 = 3650.0 * 86_400.0;

/// How a network learns from a teacher (`sagittal train --teacher MODEL`).
///
/// The loss is `weight` times that of the teacher plus `1 - weight` times that of the labels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DistillationPlan {
    /// What of the teacher is learned.
    pub kind: DistillationKind,
    /// What logits of teacher and student are divided by before the soft-max (or the sigmoid, of regions); soft targets only.
    pub temperature: f64,
    /// What the teacher counts for, 0 to 1; at 1 no label is looked at.
    pub weight: f64,
    /// Whether the teacher is asked once, about whole cases before the training (as Ba and Caruana did), even where it could look
    /// at every batch. Steps then cost nothing more than without it; patches must lie where it looked.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub beforehand: bool,
}

/// What of the teacher is learned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DistillationKind {
    /// Its logits, by regression: half the squared distance, summed over the classes (Ba and Caruana 2014). Logits of classes
    /// are centred first, their mean over the classes taken off every voxel, because a soft-max does not see it; those of
    /// regions are taken as they are.
    #[default]
    Logits,
    /// Its probabilities at a temperature: the Kullback-Leibler divergence times the temperature squared (Hinton et al. 2015).
    SoftTargets,
}

impl Default for DistillationPlan {
    fn default() -> Self {
        Self { kind: DistillationKind::Logits, temperature: 2.0, weight: 0.5, beforehand: false }
    }
}

impl DistillationPlan {
    pub(super) fn validate(&self) -> Result<(), DataError> {
        let (temperature, weight) = (self.temperature, self.weight);
        require((0.1..=100.0).contains(&temperature), "training.distillation.temperature", temperature, || "0.1 to 100".into())?;
        require((0.0..=1.0).contains(&weight), "training.distillation.weight", weight, || {
            "0 (the labels alone) to 1 (the teacher alone)".into()
        })
    }

    /// In words: "the teacher's logits count for 0.5, the labels for 0.5".
    pub(super) fn in_words(&self) -> String {
        let Self { kind, temperature, weight, beforehand } = self;
        let what = match kind {
            DistillationKind::Logits => "the teacher's logits (half the squared distance)".to_owned(),
            DistillationKind::SoftTargets => format!("the teacher's probabilities at temperature {temperature} (divergence)"),
        };
        let when = if *beforehand { "; the teacher is asked once, about whole cases" } else { "" };
        format!("{what} count for {weight}, the labels for {}{when}", 1.0 - weight)
    }
}

/// How layers are trained one after the other without labels, before the training itself: each as a denoising auto-encoder
/// of what the layers before it give (Bengio et al. 2007; Vincent et al. 2010).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PretrainingPlan {
    /// How long, all layers together; each gets the same share.
    pub length: PretrainingLength,
    /// What is done to a layer's input, which it learns to undo.
    pub noise: Corruption,
    /// Learning rate of AdamW.
    pub learning_rate: f64,
    /// Which images are looked at.
    pub images: PretrainingImages,
}

/// How long layers are trained without labels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PretrainingLength {
    /// This part of the training's time; of a training by epochs as many steps, which come before its own.
    Part(f64),
    /// A time in seconds, which is taken from that of the training.
    TimeS(f64),
    /// Epochs, of as many steps as the training's, which come before its own.
    Epochs(usize),
}

/// What is done to a layer's input.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Corruption {
    /// Normal noise is added, of so many standard deviations of the input.
    Gaussian(f64),
    /// This part of the numbers, drawn anew in every step, becomes 0.
    Masking(f64),
}

/// Which images are looked at without their labels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PretrainingImages {
    /// The training cases of the fold.
    #[default]
    Training,
    /// The data set's test images, too (`imagesTs`).
    TrainingAndTest,
}

impl Default for PretrainingPlan {
    fn default() -> Self {
        Self {
            length: PretrainingLength::Part(0.2),
            noise: Corruption::Gaussian(0.5),
            learning_rate: 1e-3,
            images: PretrainingImages::Training,
        }
    }
}

impl PretrainingPlan {
    pub(super) fn validate(&self) -> Result<(), DataError> {
        let field = |name: &str| format!("training.pretraining.{name}");
        match self.length {
            PretrainingLength::Part(part) => require(part > 0.0 && part < 1.0, &field("length.part"), part, || {
                "more than 0 and less than 1: the rest is left for the training itself".into()
            })?,
            PretrainingLength::TimeS(seconds) => {
                require(seconds > 0.0 && seconds <= LONGEST_S, &field("length.time_s"), seconds, || "a positive number of seconds".into())?;
            }
            PretrainingLength::Epochs(epochs) => {
                require((1..=1_000_000).contains(&epochs), &field("length.epochs"), epochs, || "1 to 1000000".into())?;
            }
        }
        match self.noise {
            Corruption::Gaussian(deviations) => {
                require((0.0..=10.0).contains(&deviations), &field("noise.gaussian"), deviations, || "0 to 10 standard deviations".into())?;
            }
            Corruption::Masking(part) => {
                require((0.0..1.0).contains(&part), &field("noise.masking"), part, || "0 to less than 1".into())?;
            }
        }
        require((1e-12..=10.0).contains(&self.learning_rate), &field("learning_rate"), self.learning_rate, || "1e-12 to 10".into())
    }

    /// In words: "layer by layer without labels for 20 % of the time, ...".
    pub(super) fn in_words(&self) -> String {
        let length = match self.length {
            PretrainingLength::Part(part) => format!("for {:.0} % of the training's length", 100.0 * part),
            PretrainingLength::TimeS(seconds) => format!("for {seconds:.0} seconds"),
            PretrainingLength::Epochs(epochs) => format!("for {epochs} epochs"),
        };
        let noise = match self.noise {
            Corruption::Gaussian(deviations) => format!("normal noise of {deviations} standard deviations is added"),
            Corruption::Masking(part) => format!("{:.0} % of the numbers are set to 0", 100.0 * part),
        };
        let images = match self.images {
            PretrainingImages::Training => "",
            PretrainingImages::TrainingAndTest => ", on the test images too",
        };
        format!("first layer by layer without labels {length}{images}: each layer learns to restore its own input, to which {noise}")
    }
}
