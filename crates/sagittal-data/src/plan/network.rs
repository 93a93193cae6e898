//! The network of a plan, by family. The same description stands in the header of a model's file.

mod activation;
mod image_to_mask;
mod patch;
mod unet;

pub use activation::ActivationKind;
pub use image_to_mask::{ImageToMaskPlan, MaskHead, MaskLogits, MaskOutput};
pub use patch::{PatchPlan, PatchView, Tower};
pub use unet::UnetPlan;

use super::validate::{MOST_CLASSES, require};
use crate::{DataError, planner::cost};
use serde::{Deserialize, Serialize};

/// Channels of an image beyond which a mistyped number is likelier than a wish.
const MOST_INPUT_CHANNELS: usize = 4096;

/// A network: its family and everything that fixes its shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum NetworkPlan {
    /// The plain U-Net of nnU-Net (Ronneberger et al. 2015, Isensee et al. 2021): two convolutions a stage, instance
    /// normalisation, leaky ReLU.
    Unet(UnetPlan),
    /// nnU-Net's U-Net with a residual encoder (Isensee et al. 2024): a stem, then stages of residual blocks; the decoder is
    /// the plain one.
    ResidualUnet(UnetPlan),
    /// The voxel classifiers of Lai's thesis (2015): the class of one voxel from the patches around it.
    Patch(PatchPlan),
    /// The network of Seo's post (2018): a whole picture in, the whole mask out.
    ImageToMask(ImageToMaskPlan),
}

impl NetworkPlan {
    /// The U-Net, where it is one, plain or residual.
    pub fn unet(&self) -> Option<&UnetPlan> {
        match self {
            Self::Unet(unet) | Self::ResidualUnet(unet) => Some(unet),
            Self::Patch(_) | Self::ImageToMask(_) => None,
        }
    }

    /// The U-Net, to be changed.
    pub fn unet_mut(&mut self) -> Option<&mut UnetPlan> {
        match self {
            Self::Unet(unet) | Self::ResidualUnet(unet) => Some(unet),
            Self::Patch(_) | Self::ImageToMask(_) => None,
        }
    }

    /// The name of the family, as the plan's file spells it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unet(_) => "unet",
            Self::ResidualUnet(_) => "residual_unet",
            Self::Patch(_) => "patch",
            Self::ImageToMask(_) => "image_to_mask",
        }
    }

    /// Channels of the input: those of the image and, in a cascade, one per label of the previous stage's result.
    pub fn input_channels(&self) -> usize {
        match self {
            Self::Unet(unet) | Self::ResidualUnet(unet) => unet.input_channels,
            Self::Patch(patch) => patch.input_channels,
            Self::ImageToMask(mask) => mask.input_channels,
        }
    }

    /// Channels of the output: background and every label, or one per region.
    pub fn classes(&self) -> usize {
        match self {
            Self::Unet(unet) | Self::ResidualUnet(unet) => unet.classes,
            Self::Patch(patch) => patch.classes,
            Self::ImageToMask(mask) => mask.classes,
        }
    }

    /// The same network for other images and labels.
    pub fn set_channels(&mut self, input_channels: usize, classes: usize) {
        match self {
            Self::Unet(unet) | Self::ResidualUnet(unet) => (unet.input_channels, unet.classes) = (input_channels, classes),
            Self::Patch(patch) => (patch.input_channels, patch.classes) = (input_channels, classes),
            Self::ImageToMask(mask) => (mask.input_channels, mask.classes) = (input_channels, classes),
        }
    }

    /// Resolutions at which training compares logits with the truth.
    pub fn n_scales(&self) -> usize {
        match self {
            Self::Unet(unet) | Self::ResidualUnet(unet) => unet.n_scales(),
            Self::Patch(_) | Self::ImageToMask(_) => 1,
        }
    }

    /// What the size of a patch must be divisible by, `[Z, Y, X]`.
    pub fn total_stride(&self) -> [usize; 3] {
        match self {
            Self::Unet(unet) | Self::ResidualUnet(unet) => unet.total_stride(),
            Self::Patch(_) => [1; 3],
            Self::ImageToMask(mask) => [1, mask.size[0], mask.size[1]],
        }
    }

    /// Voxels that the network must see before and after those it labels, `[Z, Y, X]` each; none of a U-Net, which takes zeros
    /// beyond the border of a patch.
    pub fn context(&self) -> [[usize; 2]; 3] {
        match self {
            Self::Patch(patch) => patch.context(),
            Self::Unet(_) | Self::ResidualUnet(_) | Self::ImageToMask(_) => [[0; 2]; 3],
        }
    }

    /// Probability with which a channel, or a unit of a dense layer, is left out of a training step; 0 of networks without dropout.
    pub fn dropout(&self) -> f64 {
        match self {
            Self::Unet(unet) | Self::ResidualUnet(unet) => unet.dropout,
            Self::Patch(patch) => patch.dropout,
            Self::ImageToMask(_) => 0.0,
        }
    }

    /// The size `[Y, X]` to which whole pictures are brought, whatever their spacing; `None` of networks that look at patches.
    pub fn whole_image(&self) -> Option<[usize; 2]> {
        match self {
            Self::ImageToMask(mask) => Some(mask.size),
            Self::Unet(_) | Self::ResidualUnet(_) | Self::Patch(_) => None,
        }
    }

    /// Number of learned numbers of a description that is valid.
    pub fn n_parameters(&self) -> u64 {
        cost::parameters(self)
    }

    /// Checks that the parts fit each other.
    ///
    /// # Errors
    /// [`DataError::Plan`] for the first field that does not fit, naming field, value and range.
    pub fn validate(&self) -> Result<(), DataError> {
        let (input_channels, classes) = (self.input_channels(), self.classes());
        let channels = 1..=MOST_INPUT_CHANNELS;
        require(channels.contains(&input_channels), "network.input_channels", input_channels, || format!("1 to {MOST_INPUT_CHANNELS}"))?;
        // One alone where the outputs are regions.
        require((1..=MOST_CLASSES).contains(&classes), "network.classes", classes, || format!("1 to {MOST_CLASSES}"))?;
        match self {
            Self::Unet(unet) | Self::ResidualUnet(unet) => unet.validate(),
            Self::Patch(patch) => patch.validate(),
            Self::ImageToMask(mask) => mask.validate(),
        }
    }
}
