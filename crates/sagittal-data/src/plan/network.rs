//! The network of a plan: a U-Net stage by stage, with what it costs.

use serde::{Deserialize, Serialize};

/// The kind of network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NetworkKind {
    /// The plain U-Net of nnU-Net: two convolutions a stage, instance normalisation, leaky ReLU.
    Unet,
}

/// A network, stage by stage from full resolution (stage 0) to the bottleneck.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkPlan {
    /// The kind.
    pub kind: NetworkKind,
    /// Channels of the input.
    pub input_channels: usize,
    /// Channels of the output: background and every label.
    pub classes: usize,
    /// Channels of every stage.
    pub features: Vec<usize>,
    /// Convolution kernel of every stage, `[Z, Y, X]`, each 1, 3, 5 or 7.
    pub kernels: Vec<[usize; 3]>,
    /// Stride with which every stage is entered, `[Z, Y, X]`, each 1 or 2; the first is all 1.
    pub strides: Vec<[usize; 3]>,
    /// Convolutions of every encoder stage.
    pub encoder_convs: Vec<usize>,
    /// Convolutions of every decoder stage, the deepest first; one fewer than the encoder's.
    pub decoder_convs: Vec<usize>,
    /// Whether lower resolutions get a loss of their own.
    pub deep_supervision: bool,
}

impl NetworkPlan {
    /// Number of stages, the bottleneck included.
    pub fn n_stages(&self) -> usize {
        self.features.len()
    }

    /// The product of all strides: a patch must be a multiple of it along every axis.
    pub fn total_stride(&self) -> [usize; 3] {
        self.strides.iter().fold([1; 3], |product, stride| std::array::from_fn(|axis| product[axis] * stride[axis]))
    }
}
