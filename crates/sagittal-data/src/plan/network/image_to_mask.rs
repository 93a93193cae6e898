//! The network of Seo's post (2018): a whole picture in, the whole mask out, through dense layers; and what repairs it.

use super::ActivationKind;
use crate::{DataError, plan::validate::require};
use serde::{Deserialize, Serialize};

/// The largest network: far beyond what anybody trains.
const LARGEST_SIDE: usize = 1024;
const MOST_FILTERS: usize = 4096;
const MOST_LAYERS: usize = 8;
const MOST_UNITS: usize = 65_536;

/// A network from a picture of fixed size to its mask, layer by layer. Convolutions keep the size; no pooling.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageToMaskPlan {
    /// Channels of the picture.
    pub input_channels: usize,
    /// Background and every label.
    pub classes: usize,
    /// Size to which every picture is brought, `[Y, X]`.
    pub size: [usize; 2],
    /// Edge of every convolution's kernel, odd.
    pub kernel: usize,
    /// Kernels of every convolution.
    pub filters: Vec<usize>,
    /// What follows convolutions.
    pub activation: ActivationKind,
    /// What comes after the convolutions.
    pub head: MaskHead,
    /// What comes of the last layer before it is read as logits.
    pub logits: MaskLogits,
    /// What the logits mean.
    pub output: MaskOutput,
}

/// How a mask is made of the convolutions' output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaskHead {
    /// Dense layers: so many hidden units with tanh, then one number for every pixel of the mask.
    Dense {
        /// Hidden units.
        units: usize,
    },
    /// A convolution of one tap: every pixel is decided by what lies around it.
    Convolution,
}

/// What becomes of the last layer's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaskLogits {
    /// Their tanh, between -1 and 1, is the logit.
    Tanh,
    /// They are the logits.
    Linear,
}

/// What the logits mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaskOutput {
    /// A soft-max over all pixels of the picture, for each label by itself: pixels compete for a total of 1.
    SoftmaxOverPixels,
    /// A soft-max over the classes of each pixel.
    ClassesOfPixels,
}

impl ImageToMaskPlan {
    /// The network of the post: pictures of 64 x 64, 10 and 25 kernels of 5, 1000 hidden units, tanh, a soft-max over pixels.
    pub fn post(input_channels: usize, classes: usize) -> Self {
        Self {
            input_channels,
            classes,
            size: [64; 2],
            kernel: 5,
            filters: vec![10, 25],
            activation: ActivationKind::Relu,
            head: MaskHead::Dense { units: 1000 },
            logits: MaskLogits::Tanh,
            output: MaskOutput::SoftmaxOverPixels,
        }
    }

    /// Maps that the last layer makes: one a label where pixels compete, else one a class.
    pub fn n_maps(&self) -> usize {
        match self.output {
            MaskOutput::SoftmaxOverPixels => self.classes - 1,
            MaskOutput::ClassesOfPixels => self.classes,
        }
    }

    /// Checks that the parts fit each other.
    ///
    /// # Errors
    /// [`DataError::Plan`] for the first field that does not fit.
    pub(super) fn validate(&self) -> Result<(), DataError> {
        require(self.classes >= 2, "network.classes", self.classes, || "at least 2: background and a label".into())?;
        for (axis, &size) in self.size.iter().enumerate() {
            require((1..=LARGEST_SIDE).contains(&size), &format!("network.size[{axis}]"), size, || format!("1 to {LARGEST_SIDE}"))?;
        }
        require([1, 3, 5, 7].contains(&self.kernel), "network.kernel", self.kernel, || "1, 3, 5 or 7".into())?;
        let layers = (1..=MOST_LAYERS).contains(&self.filters.len());
        require(layers, "network.filters", &self.filters, || format!("1 to {MOST_LAYERS} convolutions"))?;
        for (index, &filters) in self.filters.iter().enumerate() {
            let fine = (1..=MOST_FILTERS).contains(&filters);
            require(fine, &format!("network.filters[{index}]"), filters, || format!("1 to {MOST_FILTERS}"))?;
        }
        if let MaskHead::Dense { units } = self.head {
            require((1..=MOST_UNITS).contains(&units), "network.head.dense.units", units, || format!("1 to {MOST_UNITS}"))?;
        }
        Ok(())
    }
}
