//! The fixed facts of each operation: everything but its tensors.

use sagittal_kernels::RegionTable;
use std::sync::Arc;

/// What a convolution sees beyond the border of its input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Padding {
    /// Zeros, `(kernel - 1) / 2` on both sides of each axis: with a stride of 1 the output is as large as the input.
    #[default]
    Same,
    /// Nothing: the kernel stays inside, and the output is smaller.
    Valid,
}

/// A convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConvSpec {
    /// Input channels, all parts together.
    pub c_in: usize,
    /// Output channels.
    pub c_out: usize,
    /// Taps along `Z Y X`, odd where the padding is [`Padding::Same`].
    pub kernel: [usize; 3],
    /// Steps along `Z Y X`.
    pub stride: [usize; 3],
    /// What lies beyond the border.
    pub padding: Padding,
}

impl ConvSpec {
    /// Number of weights, `c_out * c_in * taps`.
    pub fn n_weights(&self) -> usize {
        self.c_out * self.c_in * self.kernel.iter().product::<usize>()
    }

    /// Spatial shape of the output for an input of `size`, which holds the kernel.
    pub fn size_out(&self, size: [usize; 3]) -> [usize; 3] {
        let padding = self.zeros();
        std::array::from_fn(|a| (size[a] + 2 * padding[a] - self.kernel[a]) / self.stride[a] + 1)
    }

    /// Zeros on both sides of each axis.
    pub(crate) fn zeros(&self) -> [usize; 3] {
        match self.padding {
            Padding::Same => self.kernel.map(|k| (k - 1) / 2),
            Padding::Valid => [0; 3],
        }
    }

    pub(crate) fn shape(&self, batch: usize, size: [usize; 3]) -> sagittal_kernels::ConvShape {
        sagittal_kernels::ConvShape {
            batch,
            size,
            c_in: self.c_in,
            c_out: self.c_out,
            kernel: self.kernel,
            stride: self.stride,
            padding: self.zeros(),
        }
    }
}

/// A transposed convolution whose kernel is its stride, so that every output voxel comes from one input voxel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TransposeSpec {
    /// Input channels.
    pub c_in: usize,
    /// Output channels.
    pub c_out: usize,
    /// Kernel and stride along `Z Y X`.
    pub stride: [usize; 3],
}

impl TransposeSpec {
    /// Number of weights, `c_in * c_out * taps`.
    pub fn n_weights(&self) -> usize {
        self.c_in * self.c_out * self.stride.iter().product::<usize>()
    }

    pub(crate) fn shape(&self, batch: usize, size: [usize; 3]) -> sagittal_kernels::TransposeShape {
        sagittal_kernels::TransposeShape { batch, size, c_in: self.c_in, c_out: self.c_out, stride: self.stride }
    }
}

/// Instance norm over the voxels of each sample and channel, then leaky ReLU.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NormActivation {
    /// Added to the variance.
    pub epsilon: f32,
    /// Slope of the leaky ReLU below zero.
    pub slope: f32,
}

impl Default for NormActivation {
    /// nnU-Net's: 1e-5 and 0.01.
    fn default() -> Self {
        Self { epsilon: 1e-5, slope: 0.01 }
    }
}

/// What a loss compares logits with.
#[derive(Clone, Debug)]
pub struct LossTarget {
    /// Class of every voxel, `[N, Z, Y, X]`; 255 = not scored.
    pub classes: Arc<Vec<u8>>,
    /// Which regions the classes belong to, where the logits are those of regions; `None` where they are those of the classes.
    pub regions: Option<Arc<RegionTable>>,
    /// What the cross entropy counts for.
    pub entropy_weight: f32,
    /// What the Dice counts for.
    pub dice_weight: f32,
    /// Dice sums run over the whole batch instead of each sample.
    pub batch_dice: bool,
    /// Loss and gradient are multiplied by this.
    pub weight: f32,
}
