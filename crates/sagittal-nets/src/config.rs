//! What a network looks like: the `network` part of a plan and of a model file.

use crate::NetError;
use serde::{Deserialize, Serialize};

/// The families of networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NetworkKind {
    /// Plain U-Net as nnU-Net plans it (Ronneberger et al. 2015, Isensee et al. 2021).
    Unet,
    /// The same decoder on a residual encoder (Isensee et al. 2024).
    ResidualUnet,
}

/// Everything that fixes a network's shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkConfig {
    /// The family.
    pub kind: NetworkKind,
    /// Channels of the input image.
    pub input_channels: usize,
    /// Classes, background included; or regions, which have no background.
    pub classes: usize,
    /// Channels of each stage, finest first.
    pub features: Vec<usize>,
    /// Taps of each stage's convolutions along `Z Y X`.
    pub kernels: Vec<[usize; 3]>,
    /// Step into each stage along `Z Y X`; the first is 1.
    pub strides: Vec<[usize; 3]>,
    /// Convolutions of each encoder stage; of a residual encoder its residual blocks.
    pub encoder_convs: Vec<usize>,
    /// Convolutions of each decoder stage, deepest first: one fewer than stages.
    pub decoder_convs: Vec<usize>,
    /// Whether coarser decoder stages have heads too.
    pub deep_supervision: bool,
    /// Whether convolutions before a norm, and transposed ones, have a bias.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub conv_bias: bool,
    /// Added to the variance by the norms.
    #[serde(default = "NetworkConfig::norm_epsilon", skip_serializing_if = "NetworkConfig::is_norm_epsilon")]
    pub norm_epsilon: f64,
    /// Slope of the leaky ReLUs below zero.
    #[serde(default = "NetworkConfig::leaky_slope", skip_serializing_if = "NetworkConfig::is_leaky_slope")]
    pub leaky_slope: f64,
}

fn yes() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
fn is_yes(value: &bool) -> bool {
    *value
}

impl NetworkConfig {
    /// What PyTorch and nnU-Net add to the variance.
    pub const NORM_EPSILON: f64 = 1e-5;

    /// Slope of nnU-Net's leaky ReLUs.
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

    /// Checks that the parts fit each other.
    ///
    /// # Errors
    /// [`NetError::Config`] names the first field that does not fit.
    pub fn validate(&self) -> Result<(), NetError> {
        let wrong = |field, expected: &str, found: String| Err(NetError::Config { field, expected: expected.to_owned(), found });
        let n = self.features.len();
        if n < 2 {
            return wrong("features", "at least two stages", format!("{n}"));
        }
        let lengths = [
            ("kernels", self.kernels.len(), n),
            ("strides", self.strides.len(), n),
            ("encoder_convs", self.encoder_convs.len(), n),
            ("decoder_convs", self.decoder_convs.len(), n - 1),
        ];
        for (field, found, expected) in lengths {
            if found != expected {
                return wrong(field, &format!("{expected} entries for {n} stages"), format!("{found}"));
            }
        }
        if !(1..=4096).contains(&self.input_channels) {
            return wrong("input_channels", "1 to 4096", self.input_channels.to_string());
        }
        // One alone where the outputs are regions.
        if !(1..=255).contains(&self.classes) {
            return wrong("classes", "1 to 255", self.classes.to_string());
        }
        if !(1e-12..=1.0).contains(&self.norm_epsilon) {
            return wrong("norm_epsilon", "1e-12 to 1", self.norm_epsilon.to_string());
        }
        if !(0.0..=1.0).contains(&self.leaky_slope) {
            return wrong("leaky_slope", "0 to 1", self.leaky_slope.to_string());
        }
        if let Some(f) = self.features.iter().find(|f| !(1..=4096).contains(*f)) {
            return wrong("features", "1 to 4096 channels a stage", f.to_string());
        }
        if let Some(k) = self.kernels.iter().find(|k| k.iter().any(|k| k % 2 == 0 || *k > 7)) {
            return wrong("kernels", "1, 3, 5 or 7 along each axis", format!("{k:?}"));
        }
        if let Some(s) = self.strides.iter().find(|s| s.iter().any(|s| !(1..=2).contains(s))) {
            return wrong("strides", "1 or 2 along each axis", format!("{s:?}"));
        }
        if self.strides[0] != [1; 3] {
            return wrong("strides", "1 along every axis into the first stage", format!("{:?}", self.strides[0]));
        }
        if self.encoder_convs.iter().chain(&self.decoder_convs).any(|n| !(1..=16).contains(n)) {
            return wrong(
                "encoder_convs and decoder_convs",
                "1 to 16 a stage",
                format!("{:?} {:?}", self.encoder_convs, self.decoder_convs),
            );
        }
        Ok(())
    }

    /// Number of learned numbers of a description that is valid.
    pub fn n_parameters(&self) -> u64 {
        let taps = |kernel: [usize; 3]| kernel.iter().product::<usize>() as u64;
        let bias = u64::from(self.conv_bias);
        // Weights, bias, and the norm's two.
        let block = |c_in: u64, c_out: u64, kernel| c_out * (c_in * taps(kernel) + bias + 2);
        let features: Vec<u64> = self.features.iter().map(|&f| f as u64).collect();
        let is_residual = self.kind == NetworkKind::ResidualUnet;
        // A stem gives the first stage its channels.
        let mut total = if is_residual { block(self.input_channels as u64, features[0], self.kernels[0]) } else { 0 };
        for (stage, &c_out) in features.iter().enumerate() {
            let first = if is_residual { features[0] } else { self.input_channels as u64 };
            let c_in = if stage == 0 { first } else { features[stage - 1] };
            let (kernel, n) = (self.kernels[stage], self.encoder_convs[stage] as u64);
            total += block(c_in, c_out, kernel) + (n - 1) * block(c_out, c_out, kernel);
            if is_residual {
                let projection = if c_in == c_out { 0 } else { c_out * (c_in + 2) };
                total += n * block(c_out, c_out, kernel) + projection;
            }
        }
        for (step, fine) in (0..features.len() - 1).rev().enumerate() {
            let (coarse, c) = (features[fine + 1], features[fine]);
            let others = self.decoder_convs[step] as u64 - 1;
            total += coarse * c * taps(self.strides[fine + 1]) + bias * c;
            total += block(2 * c, c, self.kernels[fine]) + others * block(c, c, self.kernels[fine]);
            if fine == 0 || self.deep_supervision {
                total += self.classes as u64 * (c + 1);
            }
        }
        total
    }

    /// What the size of a patch must be divisible by, along `Z Y X`.
    pub fn divisor(&self) -> [usize; 3] {
        std::array::from_fn(|a| self.strides.iter().map(|s| s[a]).product())
    }
}
