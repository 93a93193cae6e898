//! A U-Net, stage by stage.

use super::{ActivationKind, activation::is_zero};
use crate::{DataError, plan::validate::require};
use serde::{Deserialize, Serialize};

/// The largest network: what the program can build, and far beyond what anybody trains.
const MOST_STAGES: usize = 16;
const MOST_FEATURES: usize = 4096;
const MOST_CONVS: usize = 16;

/// A U-Net, stage by stage from full resolution (stage 0) to the bottleneck.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnetPlan {
    /// Channels of the input: those of the image and, in a cascade, one per label of the previous stage's result.
    pub input_channels: usize,
    /// Channels of the output: background and every label, or one per region.
    pub classes: usize,
    /// Channels of every stage.
    pub features: Vec<usize>,
    /// Convolution kernel of every stage, `[Z, Y, X]`, each 1, 3, 5 or 7.
    pub kernels: Vec<[usize; 3]>,
    /// Stride with which every stage is entered, `[Z, Y, X]`, each 1 or 2; the first is all 1.
    pub strides: Vec<[usize; 3]>,
    /// Convolutions of every encoder stage; of a residual encoder its residual blocks.
    pub encoder_convs: Vec<usize>,
    /// Convolutions of every decoder stage, the deepest first; one fewer than the encoder's.
    pub decoder_convs: Vec<usize>,
    /// Whether lower resolutions get a loss of their own.
    pub deep_supervision: bool,
    /// Whether convolutions before a norm, and transposed ones, add a bias.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub conv_bias: bool,
    /// Added to the variance where a normalisation divides by its root.
    #[serde(default = "UnetPlan::norm_epsilon", skip_serializing_if = "UnetPlan::is_norm_epsilon")]
    pub norm_epsilon: f64,
    /// Slope of the leaky ReLU below 0.
    #[serde(default = "UnetPlan::leaky_slope", skip_serializing_if = "UnetPlan::is_leaky_slope")]
    pub leaky_slope: f64,
    /// What follows every normalisation.
    #[serde(default, skip_serializing_if = "ActivationKind::is_default")]
    pub activation: ActivationKind,
    /// Probability with which a whole channel of a block's output is left out of a training step (spatial dropout; Tompson et
    /// al. 2015).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dropout: f64,
}

fn yes() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
fn is_yes(value: &bool) -> bool {
    *value
}

impl UnetPlan {
    /// What PyTorch and nnU-Net add to the variance.
    pub const NORM_EPSILON: f64 = 1e-5;

    /// The slope of nnU-Net's activation below 0.
    pub const LEAKY_SLOPE: f64 = 0.01;

    fn norm_epsilon() -> f64 {
        Self::NORM_EPSILON
    }

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
    fn is_norm_epsilon(value: &f64) -> bool {
        *value == Self::NORM_EPSILON
    }

    fn leaky_slope() -> f64 {
        Self::LEAKY_SLOPE
    }

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
    fn is_leaky_slope(value: &f64) -> bool {
        *value == Self::LEAKY_SLOPE
    }

    /// Number of stages, the bottleneck included.
    pub fn n_stages(&self) -> usize {
        self.features.len()
    }

    /// Resolutions that have a head.
    pub fn n_scales(&self) -> usize {
        if self.deep_supervision { self.n_stages() - 1 } else { 1 }
    }

    /// The product of all strides: a patch must be a multiple of it along every axis.
    pub fn total_stride(&self) -> [usize; 3] {
        self.strides.iter().fold([1; 3], |product, stride| std::array::from_fn(|axis| product[axis] * stride[axis]))
    }

    /// Checks that the parts fit each other.
    ///
    /// # Errors
    /// [`DataError::Plan`] for the first field that does not fit.
    pub(super) fn validate(&self) -> Result<(), DataError> {
        let within = |field: &str, value: f64, lowest: f64, highest: f64| {
            require((lowest..=highest).contains(&value), field, value, || format!("{lowest} to {highest}"))
        };
        within("network.norm_epsilon", self.norm_epsilon, 1e-12, 1.0)?;
        within("network.leaky_slope", self.leaky_slope, 0.0, 1.0)?;
        require((0.0..1.0).contains(&self.dropout), "network.dropout", self.dropout, || "0 to less than 1".into())?;
        let stages = self.n_stages();
        require((2..=MOST_STAGES).contains(&stages), "network.features", &self.features, || format!("2 to {MOST_STAGES} stages"))?;
        for (stage, &features) in self.features.iter().enumerate() {
            let field = format!("network.features[{stage}]");
            require((1..=MOST_FEATURES).contains(&features), &field, features, || format!("1 to {MOST_FEATURES}"))?;
        }
        let per_stage = || format!("{stages} entries, one per stage of network.features");
        require(self.strides.len() == stages, "network.strides", self.strides.len(), per_stage)?;
        require(self.kernels.len() == stages, "network.kernels", self.kernels.len(), per_stage)?;
        require(self.encoder_convs.len() == stages, "network.encoder_convs", self.encoder_convs.len(), per_stage)?;
        require(self.decoder_convs.len() + 1 == stages, "network.decoder_convs", self.decoder_convs.len(), || {
            format!("{} entries, one fewer than the stages", stages - 1)
        })?;
        for (stage, stride) in self.strides.iter().enumerate() {
            for (axis, &step) in stride.iter().enumerate() {
                let first = stage == 0;
                require(
                    if first { step == 1 } else { [1, 2].contains(&step) },
                    &format!("network.strides[{stage}][{axis}]"),
                    step,
                    || {
                        if first { "1 in the first stage".into() } else { "1 or 2".into() }
                    },
                )?;
            }
        }
        for (stage, kernel) in self.kernels.iter().enumerate() {
            for (axis, &size) in kernel.iter().enumerate() {
                let field = format!("network.kernels[{stage}][{axis}]");
                require([1, 3, 5, 7].contains(&size), &field, size, || "1, 3, 5 or 7".into())?;
            }
        }
        let convs = self.encoder_convs.iter().map(|n| ("encoder", n)).chain(self.decoder_convs.iter().map(|n| ("decoder", n)));
        for (part, &n) in convs {
            require((1..=MOST_CONVS).contains(&n), &format!("network.{part}_convs"), n, || format!("1 to {MOST_CONVS} in every stage"))?;
        }
        Ok(())
    }
}
