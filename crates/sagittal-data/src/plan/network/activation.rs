//! What follows the convolutions and dense layers of a network.

use serde::{Deserialize, Serialize};

/// A function of one number, applied to every output of a layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActivationKind {
    /// `max(x, 0)`.
    Relu,
    /// `x` above 0, a small part of it below (nnU-Net's).
    #[default]
    LeakyRelu,
    /// The hyperbolic tangent.
    Tanh,
    /// The logistic function `1 / (1 + exp(-x))`.
    Sigmoid,
    /// `ln(1 + exp(x))`.
    Softplus,
    /// `x` above 0, `exp(x) - 1` below (Clevert et al. 2016).
    Elu,
    /// `x` times the normal distribution function of `x` (Hendrycks and Gimpel 2016).
    Gelu,
    /// `x` times its logistic function (Elfwing et al. 2018).
    Silu,
    /// The sine, which is not monotonic.
    Sine,
}

impl ActivationKind {
    /// Every kind, in the order in which they are shown.
    pub const ALL: [Self; 9] =
        [Self::Relu, Self::LeakyRelu, Self::Tanh, Self::Sigmoid, Self::Softplus, Self::Elu, Self::Gelu, Self::Silu, Self::Sine];

    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Relu => "ReLU",
            Self::LeakyRelu => "leaky ReLU",
            Self::Tanh => "tanh",
            Self::Sigmoid => "sigmoid",
            Self::Softplus => "softplus",
            Self::Elu => "ELU",
            Self::Gelu => "GELU",
            Self::Silu => "SiLU",
            Self::Sine => "sine",
        }
    }

    /// Whether a U-Net does it in one pass with the normalisation before it; others cost a pass, and memory, of their own.
    pub fn is_fused(self) -> bool {
        matches!(self, Self::Relu | Self::LeakyRelu)
    }

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Whether a field that is 0 unless somebody asks for more is left out of the file.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
pub(super) fn is_zero(value: &f64) -> bool {
    *value == 0.0
}
