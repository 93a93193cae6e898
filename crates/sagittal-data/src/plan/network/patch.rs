//! A voxel classifier: the class of one voxel from the patches around it (Lai 2015).

use super::{ActivationKind, activation::is_zero};
use crate::{DataError, plan::validate::require};
use serde::{Deserialize, Serialize};

/// The largest network: far beyond what anybody trains.
const LARGEST_SIDE: usize = 128;
const MOST_FILTERS: usize = 4096;
const MOST_LAYERS: usize = 8;
const MOST_UNITS: usize = 65_536;

/// A voxel classifier, layer by layer. No pooling, valid convolutions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatchPlan {
    /// Channels of the image.
    pub input_channels: usize,
    /// Channels of the output: background and every label.
    pub classes: usize,
    /// Which patches are seen of a voxel's surroundings.
    pub view: PatchView,
    /// Edge of a patch in voxels; the voxel that is classified is number `side / 2`, counted from 0.
    pub side: usize,
    /// Edge of every convolution's kernel.
    pub kernel: usize,
    /// Kernels of every convolution of a tower.
    pub filters: Vec<usize>,
    /// Units of every dense layer before the last, which has one per class.
    pub dense: Vec<usize>,
    /// What follows convolutions and dense layers but the last.
    #[serde(default = "PatchPlan::activation", skip_serializing_if = "PatchPlan::is_activation")]
    pub activation: ActivationKind,
    /// Probability with which a unit of a dense layer is left out of a training step (Srivastava et al. 2014).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dropout: f64,
}

/// Which patches a voxel classifier sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PatchView {
    /// One patch of the voxel's slice.
    #[serde(rename = "2d")]
    Slice,
    /// Three patches, of the slice and its two neighbours, as channels of one tower.
    #[serde(rename = "stacked2d")]
    Stacked,
    /// Three perpendicular patches through the voxel, each with a tower of its own; joined at the dense layer.
    #[serde(rename = "triplanar")]
    Triplanar,
    /// One patch in all three directions.
    #[serde(rename = "3d")]
    Volume,
}

/// Slices that are seen together.
const STACKED: usize = 3;

/// Convolutions that look at one view of a voxel's surroundings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tower {
    /// Where what it sees begins in what the network sees, `[Z, Y, X]`.
    pub first: [usize; 3],
    /// What it sees of a single voxel's surroundings, `[Z, Y, X]`.
    pub side: [usize; 3],
    /// The kernel of each convolution, `[Z, Y, X]`. Neighbouring slices seen as channels are a first kernel as thick as they
    /// are many.
    pub kernels: Vec<[usize; 3]>,
    /// What the convolutions leave of it.
    pub left: [usize; 3],
}

impl PatchPlan {
    fn activation() -> ActivationKind {
        ActivationKind::Relu
    }

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
    fn is_activation(value: &ActivationKind) -> bool {
        *value == Self::activation()
    }

    /// The classifier of the thesis: patches of 24, 20 and 50 kernels of 5, 1000 units.
    pub fn thesis(view: PatchView, input_channels: usize, classes: usize) -> Self {
        Self {
            input_channels,
            classes,
            view,
            side: 24,
            kernel: 5,
            filters: vec![20, 50],
            dense: vec![1000],
            activation: Self::activation(),
            dropout: 0.0,
        }
    }

    /// Edge of what the convolutions leave of a patch.
    pub fn side_after_convolutions(&self) -> usize {
        self.side.saturating_sub(self.filters.len() * (self.kernel.saturating_sub(1)))
    }

    /// What looks at the voxel's surroundings: one tower, or three that are joined at the first dense layer.
    pub fn towers(&self) -> Vec<Tower> {
        let of = |flat: Option<usize>| {
            let along = |axis: usize, wide: usize| if flat == Some(axis) { 1 } else { wide };
            let shape = |wide: usize| std::array::from_fn(|axis| along(axis, wide));
            let mut side: [usize; 3] = shape(self.side);
            let mut kernels: Vec<[usize; 3]> = vec![shape(self.kernel); self.filters.len()];
            if self.view == PatchView::Stacked {
                side[0] = STACKED;
                kernels[0][0] = STACKED;
            }
            let context = self.context();
            // A flat tower looks at the voxel's own slice along that axis.
            let first = std::array::from_fn(|axis| if side[axis] == 1 { context[axis][0] } else { 0 });
            Tower { first, side, kernels, left: shape(self.side_after_convolutions()) }
        };
        match self.view {
            PatchView::Slice | PatchView::Stacked => vec![of(Some(0))],
            PatchView::Triplanar => (0..3).map(|axis| of(Some(axis))).collect(),
            PatchView::Volume => vec![of(None)],
        }
    }

    /// Voxels before and after the one that is classified which take part, `[Z, Y, X]` each.
    pub fn context(&self) -> [[usize; 2]; 3] {
        let wide = [self.side / 2, self.side - 1 - self.side / 2];
        match self.view {
            PatchView::Slice => [[0; 2], wide, wide],
            PatchView::Stacked => [[STACKED / 2; 2], wide, wide],
            PatchView::Triplanar | PatchView::Volume => [wide; 3],
        }
    }

    /// Checks that the parts fit each other.
    ///
    /// # Errors
    /// [`DataError::Plan`] for the first field that does not fit.
    pub(super) fn validate(&self) -> Result<(), DataError> {
        require((1..=LARGEST_SIDE).contains(&self.side), "network.side", self.side, || format!("1 to {LARGEST_SIDE} voxels"))?;
        require((1..=self.side).contains(&self.kernel), "network.kernel", self.kernel, || format!("1 to {}, the side", self.side))?;
        let layers = 1..=MOST_LAYERS;
        require(layers.contains(&self.filters.len()), "network.filters", &self.filters, || format!("1 to {MOST_LAYERS} convolutions"))?;
        require(layers.contains(&self.dense.len()), "network.dense", &self.dense, || format!("1 to {MOST_LAYERS} dense layers"))?;
        for (index, &filters) in self.filters.iter().enumerate() {
            let fine = (1..=MOST_FILTERS).contains(&filters);
            require(fine, &format!("network.filters[{index}]"), filters, || format!("1 to {MOST_FILTERS}"))?;
        }
        for (index, &units) in self.dense.iter().enumerate() {
            require((1..=MOST_UNITS).contains(&units), &format!("network.dense[{index}]"), units, || format!("1 to {MOST_UNITS}"))?;
        }
        let needed = self.filters.len() * (self.kernel - 1) + 1;
        require(self.side >= needed, "network.side", self.side, || {
            format!("at least {needed}: {} convolutions of {} leave nothing of less", self.filters.len(), self.kernel)
        })?;
        require((0.0..1.0).contains(&self.dropout), "network.dropout", self.dropout, || "0 to less than 1".into())
    }
}
