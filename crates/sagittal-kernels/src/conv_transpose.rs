//! Transposed convolution whose kernel equals its stride: the up-sampling of U-Nets. Outputs never overlap.

pub mod naive;
#[cfg(test)]
mod tests;

use crate::conv::{ConvShape, Parts, PartsMut, conv, conv_backward_input_plus, conv_backward_weight};
use rayon::prelude::*;

/// What a transposed convolution maps to what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TransposeShape {
    /// `N`.
    pub batch: usize,
    /// Input size `[Z, Y, X]`.
    pub size: [usize; 3],
    /// Channels of the input.
    pub c_in: usize,
    /// Channels of the output.
    pub c_out: usize,
    /// Kernel and stride `[Z, Y, X]`, each at least 1.
    pub stride: [usize; 3],
}

impl TransposeShape {
    /// Output size `[Z, Y, X]`.
    pub fn size_out(&self) -> [usize; 3] {
        std::array::from_fn(|axis| self.size[axis] * self.stride[axis])
    }

    /// Voxels of the input, batch included.
    pub fn voxels_in(&self) -> usize {
        self.batch * self.size.iter().product::<usize>()
    }

    /// Voxels of the output, batch included.
    pub fn voxels_out(&self) -> usize {
        self.voxels_in() * self.taps()
    }

    /// Taps of the kernel.
    pub fn taps(&self) -> usize {
        self.stride.iter().product()
    }

    /// Numbers in the weight tensor.
    pub fn n_weights(&self) -> usize {
        self.c_in * self.c_out * self.taps()
    }

    /// The convolution of which this is the backward-input pass: it maps this one's output to its input, with the weights
    /// in the same order, so each pass of one is a pass of the other.
    fn mirrored(&self) -> ConvShape {
        ConvShape {
            batch: self.batch,
            size: self.size_out(),
            c_in: self.c_out,
            c_out: self.c_in,
            kernel: self.stride,
            stride: self.stride,
            padding: [0; 3],
        }
    }

    fn check(&self, input: usize, weight: usize, output: usize) {
        assert_eq!(input, self.voxels_in() * self.c_in, "the input does not fit {self:?}");
        assert_eq!(weight, self.n_weights(), "weights do not fit {self:?}");
        assert_eq!(output, self.voxels_out() * self.c_out, "the output does not fit {self:?}");
    }
}

/// Transposed convolution with kernel = stride.
///
/// # Shapes
/// - `input`: `[N, Z, Y, X, C_in]`
/// - `weight`: `[C_in, C_out, KZ, KY, KX]`
/// - `bias`: `[C_out]`
/// - `output`: `[N, Z * KZ, Y * KY, X * KX, C_out]`, overwritten
///
/// # Panics
/// If a slice does not fit `shape`.
pub fn conv_transpose(shape: &TransposeShape, input: &[f32], weight: &[f32], bias: Option<&[f32]>, output: &mut [f32]) {
    shape.check(input.len(), weight.len(), output.len());
    conv_backward_input_plus(&shape.mirrored(), input, weight, bias, PartsMut::one(output));
}

/// Gradient of the loss with respect to the input of [`conv_transpose`].
///
/// # Shapes
/// - `d_output`: `[N, Z * KZ, Y * KY, X * KX, C_out]`
/// - `weight`: `[C_in, C_out, KZ, KY, KX]`
/// - `d_input`: `[N, Z, Y, X, C_in]`, overwritten
///
/// # Panics
/// If a slice does not fit `shape`.
pub fn conv_transpose_backward_input(shape: &TransposeShape, d_output: &[f32], weight: &[f32], d_input: &mut [f32]) {
    shape.check(d_input.len(), weight.len(), d_output.len());
    conv(&shape.mirrored(), Parts::one(d_output), weight, None, d_input);
}

/// Gradient of the loss with respect to the weights and the bias of [`conv_transpose`].
///
/// # Shapes
/// - `input`: `[N, Z, Y, X, C_in]`
/// - `d_output`: `[N, Z * KZ, Y * KY, X * KX, C_out]`
/// - `d_weight`: `[C_in, C_out, KZ, KY, KX]`, overwritten
/// - `d_bias`: `[C_out]`, overwritten
///
/// # Panics
/// If a slice does not fit `shape`.
pub fn conv_transpose_backward_weight(
    shape: &TransposeShape,
    input: &[f32],
    d_output: &[f32],
    d_weight: &mut [f32],
    d_bias: Option<&mut [f32]>,
) {
    shape.check(input.len(), d_weight.len(), d_output.len());
    conv_backward_weight(&shape.mirrored(), Parts::one(d_output), input, d_weight, None);
    if let Some(d_bias) = d_bias {
        assert_eq!(d_bias.len(), shape.c_out, "the gradient of the bias does not fit {shape:?}");
        sum_voxels(d_output, d_bias);
    }
}

/// Sum over all voxels of each channel, in stretches of fixed length added in a fixed order.
fn sum_voxels(d_output: &[f32], d_bias: &mut [f32]) {
    const VOXELS: usize = 4096;
    let channels = d_bias.len();
    let sums: Vec<Vec<f32>> = d_output
        .par_chunks(VOXELS * channels)
        .map(|voxels| {
            let mut sums = vec![0.0; channels];
            for voxel in voxels.chunks_exact(channels) {
                for (sum, d) in sums.iter_mut().zip(voxel) {
                    *sum += d;
                }
            }
            sums
        })
        .collect();
    for (c, d_bias) in d_bias.iter_mut().enumerate() {
        *d_bias = sums.iter().map(|s| f64::from(s[c])).sum::<f64>() as f32;
    }
}
