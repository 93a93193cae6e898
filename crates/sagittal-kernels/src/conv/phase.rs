//! Forward and backward-input passes as one kind of work: a grid of outputs, each a sum over some taps of an input.
//!
//! A forward convolution is one such grid. The gradient of a strided convolution's input falls apart into as many grids
//! as the stride has phases (8 for stride 2 in 3-D): input voxels of equal remainder see the same taps, and each is a
//! plain stride-1 convolution of the output's gradient with a part of the kernel.

use super::ConvShape;

/// One axis of a grid: output `out_first + j * out_step`, for `j < n`, sums inputs `in_first + j * in_step + t` times
/// kernel tap `taps[t]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Axis {
    pub(super) n: usize,
    pub(super) out_first: usize,
    pub(super) out_step: usize,
    pub(super) in_first: isize,
    pub(super) in_step: usize,
    pub(super) taps: Vec<usize>,
}

/// A grid of outputs and the taps that reach it, axes `[Z, Y, X]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Phase {
    pub(super) axes: [Axis; 3],
}

impl Phase {
    /// The forward pass.
    pub(super) fn forward(shape: &ConvShape) -> Self {
        let size_out = shape.size_out();
        Self {
            axes: std::array::from_fn(|a| Axis {
                n: size_out[a],
                out_first: 0,
                out_step: 1,
                in_first: -(shape.padding[a] as isize),
                in_step: shape.stride[a],
                taps: (0..shape.kernel[a]).collect(),
            }),
        }
    }

    /// The phases of the backward-input pass: its input is the output's gradient. Phases without taps give zeros.
    pub(super) fn backward(shape: &ConvShape) -> Vec<Self> {
        let axes: [Vec<Axis>; 3] =
            std::array::from_fn(|a| (0..shape.stride[a].min(shape.size[a])).map(|first| backward_axis(shape, a, first)).collect());
        let mut phases = vec![];
        for z in &axes[0] {
            for y in &axes[1] {
                for x in &axes[2] {
                    phases.push(Self { axes: [z.clone(), y.clone(), x.clone()] });
                }
            }
        }
        phases
    }

    /// Kernel taps, as indices into `[KZ, KY, KX]`, in the order in which weights are packed.
    pub(super) fn taps(&self, kernel: [usize; 3]) -> Vec<usize> {
        let mut taps = vec![];
        for z in &self.axes[0].taps {
            for y in &self.axes[1].taps {
                for x in &self.axes[2].taps {
                    taps.push((z * kernel[1] + y) * kernel[2] + x);
                }
            }
        }
        taps
    }
}

/// Forward: output `o` reads input `i = o * stride + k - padding`. So input `i = first + j * stride` gets from output
/// `j + (first + padding - k) / stride` through every tap `k` that makes the division exact.
fn backward_axis(shape: &ConvShape, a: usize, first: usize) -> Axis {
    let (stride, padding, kernel) = (shape.stride[a], shape.padding[a], shape.kernel[a]);
    // Falling taps are rising outputs.
    let taps: Vec<usize> = (0..kernel).rev().filter(|k| (first + padding) % stride == k % stride).collect();
    let in_first = taps.first().map_or(0, |&k| (first + padding) as isize - k as isize) / stride as isize;
    Axis { n: (shape.size[a] - first).div_ceil(stride), out_first: first, out_step: stride, in_first, in_step: 1, taps }
}
