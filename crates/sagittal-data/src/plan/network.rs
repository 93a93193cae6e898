//! The network of a plan: a U-Net stage by stage, with what it costs.

use serde::{Deserialize, Serialize};

/// The kind of network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NetworkKind {
    /// The plain U-Net of nnU-Net: two convolutions a stage, instance normalisation, leaky ReLU.
    Unet,
    /// nnU-Net's U-Net with a residual encoder: a stem, then stages of residual blocks; the decoder is the plain one.
    ResidualUnet,
}

/// A network, stage by stage from full resolution (stage 0) to the bottleneck.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkPlan {
    /// The kind.
    pub kind: NetworkKind,
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
    /// Whether convolutions add a bias.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub conv_bias: bool,
    /// Added to the variance where a normalisation divides by its root.
    #[serde(default = "NetworkPlan::norm_epsilon", skip_serializing_if = "NetworkPlan::is_norm_epsilon")]
    pub norm_epsilon: f64,
    /// Slope of the activation below 0.
    #[serde(default = "NetworkPlan::leaky_slope", skip_serializing_if = "NetworkPlan::is_leaky_slope")]
    pub leaky_slope: f64,
}

fn yes() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
fn is_yes(value: &bool) -> bool {
    *value
}

impl NetworkPlan {
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

    /// The product of all strides: a patch must be a multiple of it along every axis.
    pub fn total_stride(&self) -> [usize; 3] {
        self.strides.iter().fold([1; 3], |product, stride| std::array::from_fn(|axis| product[axis] * stride[axis]))
    }
}
