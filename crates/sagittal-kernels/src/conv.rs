//! Convolution in 2-D and 3-D: forward, both backward passes, and weights packed once for inference.
//!
//! Any kernel, stride and padding; no dilation and no groups.

mod choice;
mod direct;
mod direct_weight;
pub mod naive;
mod packed;
mod packing;
mod parts;
mod phase;
#[cfg(test)]
mod tests;
mod tile;
mod winograd;

pub use packed::PackedConv;
pub use parts::{Parts, PartsMut};

use crate::simd::simd;
use choice::{Algorithm, choose};
use direct::Grid;
use packing::Weights;
use phase::Phase;

/// What a convolution maps to what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConvShape {
    /// `N`.
    pub batch: usize,
    /// Input size `[Z, Y, X]`.
    pub size: [usize; 3],
    /// Channels of the input, all parts together.
    pub c_in: usize,
    /// Channels of the output.
    pub c_out: usize,
    /// Taps `[KZ, KY, KX]`.
    pub kernel: [usize; 3],
    /// Step `[Z, Y, X]`, at least 1.
    pub stride: [usize; 3],
    /// Zeros added on both sides of each axis `[Z, Y, X]`.
    pub padding: [usize; 3],
}

impl ConvShape {
    /// Output size `[Z, Y, X]`.
    ///
    /// # Panics
    /// If the padded input is smaller than the kernel.
    pub fn size_out(&self) -> [usize; 3] {
        std::array::from_fn(|axis| {
            let padded = self.size[axis] + 2 * self.padding[axis];
            assert!(padded >= self.kernel[axis], "axis {axis}: kernel {} is larger than the padded input {padded}", self.kernel[axis]);
            (padded - self.kernel[axis]) / self.stride[axis] + 1
        })
    }

    /// Voxels of the input, batch included.
    pub fn voxels_in(&self) -> usize {
        self.batch * self.size.iter().product::<usize>()
    }

    /// Voxels of the output, batch included.
    pub fn voxels_out(&self) -> usize {
        self.batch * self.size_out().iter().product::<usize>()
    }

    /// Numbers in the weight tensor.
    pub fn n_weights(&self) -> usize {
        self.c_out * self.c_in * self.taps()
    }

    /// Taps of the kernel.
    pub fn taps(&self) -> usize {
        self.kernel.iter().product()
    }

    /// Multiply-adds of one pass with the direct algorithm.
    pub fn multiply_adds(&self) -> usize {
        self.voxels_out() * self.n_weights()
    }

    fn check(&self, weight: &[f32], output: usize) {
        assert!(self.stride.iter().all(|&s| s > 0), "a stride of 0 in {self:?}");
        assert_eq!(weight.len(), self.n_weights(), "weights do not fit {self:?}");
        assert_eq!(output, self.voxels_out() * self.c_out, "the output does not fit {self:?}");
    }
}

/// Convolution (cross-correlation, as in every deep-learning framework).
///
/// # Shapes
/// - `input`: `[N, Z, Y, X, C_in]`
/// - `weight`: `[C_out, C_in, KZ, KY, KX]`
/// - `bias`: `[C_out]`
/// - `output`: `[N, Z', Y', X', C_out]`, overwritten
///
/// # Panics
/// If a slice does not fit `shape`.
pub fn conv(shape: &ConvShape, input: Parts<'_>, weight: &[f32], bias: Option<&[f32]>, output: &mut [f32]) {
    shape.check(weight, output.len());
    assert!(bias.is_none_or(|b| b.len() == shape.c_out), "the bias does not fit {shape:?}");
    let source = input.source(shape.voxels_in(), shape.c_in);
    if output.is_empty() {
        return;
    }
    let sink = PartsMut::one(output).sink(shape.voxels_out(), shape.c_out);
    let weights = Weights::forward(weight, shape.c_in, shape.taps());
    let (grid, phase) = (Grid::forward(shape), Phase::forward(shape));
    match choose(shape) {
        Algorithm::Direct => direct::run(simd(), &grid, &phase, source, weights, bias, sink),
        Algorithm::Winograd(tile) => winograd::run(simd(), tile, &grid, &phase, source, weights, bias, sink),
    }
}

/// Gradient of the loss with respect to the input of [`conv`].
///
/// # Shapes
/// - `d_output`: `[N, Z', Y', X', C_out]`
/// - `weight`: `[C_out, C_in, KZ, KY, KX]`
/// - `d_input`: `[N, Z, Y, X, C_in]`, overwritten
///
/// # Panics
/// If a slice does not fit `shape`.
pub fn conv_backward_input(shape: &ConvShape, d_output: &[f32], weight: &[f32], d_input: PartsMut<'_>) {
    conv_backward_input_plus(shape, d_output, weight, None, d_input);
}

/// [`conv_backward_input`] plus a bias per channel: a transposed convolution.
pub(crate) fn conv_backward_input_plus(shape: &ConvShape, d_output: &[f32], weight: &[f32], bias: Option<&[f32]>, d_input: PartsMut<'_>) {
    shape.check(weight, d_output.len());
    assert!(bias.is_none_or(|b| b.len() == shape.c_in), "the bias does not fit {shape:?}");
    let source = Parts::one(d_output).source(shape.voxels_out(), shape.c_out);
    let sink = d_input.sink(shape.voxels_in(), shape.c_in);
    if shape.voxels_in() * shape.c_in == 0 {
        return;
    }
    let weights = Weights::backward(weight, shape.c_in, shape.c_out, shape.taps());
    for phase in Phase::backward(shape) {
        let grid = Grid::backward(shape);
        match choose(shape) {
            Algorithm::Direct => direct::run(simd(), &grid, &phase, source, weights, bias, sink),
            Algorithm::Winograd(tile) => winograd::run(simd(), tile, &grid, &phase, source, weights, bias, sink),
        }
    }
}

/// Gradient of the loss with respect to the weights and the bias of [`conv`].
///
/// # Shapes
/// - `input`: `[N, Z, Y, X, C_in]`
/// - `d_output`: `[N, Z', Y', X', C_out]`
/// - `d_weight`: `[C_out, C_in, KZ, KY, KX]`, overwritten
/// - `d_bias`: `[C_out]`, overwritten
///
/// # Panics
/// If a slice does not fit `shape`.
pub fn conv_backward_weight(shape: &ConvShape, input: Parts<'_>, d_output: &[f32], d_weight: &mut [f32], d_bias: Option<&mut [f32]>) {
    shape.check(d_weight, d_output.len());
    assert!(d_bias.as_ref().is_none_or(|b| b.len() == shape.c_out), "the gradient of the bias does not fit {shape:?}");
    let source = input.source(shape.voxels_in(), shape.c_in);
    if d_output.is_empty() || d_weight.is_empty() {
        d_weight.fill(0.0);
        d_bias.into_iter().for_each(|d| d.fill(0.0));
        return;
    }
    match choose(shape) {
        Algorithm::Direct => direct_weight::run(simd(), shape, source, d_output, d_weight, d_bias),
        Algorithm::Winograd(tile) => winograd::weight::run(simd(), tile, shape, source, d_output, d_weight, d_bias),
    }
}
