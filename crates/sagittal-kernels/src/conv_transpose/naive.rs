//! Transposed convolution as its definition says it, in f64: the reference of the fast kernels.

use super::TransposeShape;

/// The output voxel that `tap` makes of an input voxel.
fn voxel_out(shape: &TransposeShape, voxel_in: usize, tap: usize) -> usize {
    let ([_, y, x], [_, ky, kx]) = (shape.size, shape.stride);
    // Sample and slice are one index: samples lie behind one another and so do their slices.
    let (z_in, y_in, x_in) = (voxel_in / (y * x), voxel_in / x % y, voxel_in % x);
    let z_out = z_in * shape.stride[0] + tap / (ky * kx);
    (z_out * y * ky + y_in * ky + tap / kx % ky) * x * kx + x_in * kx + tap % kx
}

/// See [`super::conv_transpose`].
pub fn conv_transpose(shape: &TransposeShape, input: &[f64], weight: &[f64], bias: Option<&[f64]>) -> Vec<f64> {
    let (c_in, c_out, taps) = (shape.c_in, shape.c_out, shape.taps());
    let mut output = vec![0.0; shape.voxels_out() * c_out];
    for v in 0..shape.voxels_in() {
        for tap in 0..taps {
            let y = &mut output[voxel_out(shape, v, tap) * c_out..][..c_out];
            for o in 0..c_out {
                y[o] =
                    bias.map_or(0.0, |b| b[o]) + (0..c_in).map(|i| input[v * c_in + i] * weight[(i * c_out + o) * taps + tap]).sum::<f64>();
            }
        }
    }
    output
}

/// See [`super::conv_transpose_backward_input`].
pub fn conv_transpose_backward_input(shape: &TransposeShape, d_output: &[f64], weight: &[f64]) -> Vec<f64> {
    let (c_in, c_out, taps) = (shape.c_in, shape.c_out, shape.taps());
    let mut d_input = vec![0.0; shape.voxels_in() * c_in];
    for v in 0..shape.voxels_in() {
        for tap in 0..taps {
            let d_y = &d_output[voxel_out(shape, v, tap) * c_out..][..c_out];
            for i in 0..c_in {
                d_input[v * c_in + i] += (0..c_out).map(|o| d_y[o] * weight[(i * c_out + o) * taps + tap]).sum::<f64>();
            }
        }
    }
    d_input
}

/// See [`super::conv_transpose_backward_weight`]; gives the gradients of the weight and of the bias.
pub fn conv_transpose_backward_weight(shape: &TransposeShape, input: &[f64], d_output: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let (c_in, c_out, taps) = (shape.c_in, shape.c_out, shape.taps());
    let mut d_weight = vec![0.0; shape.n_weights()];
    let mut d_bias = vec![0.0; c_out];
    for v in 0..shape.voxels_in() {
        for tap in 0..taps {
            let d_y = &d_output[voxel_out(shape, v, tap) * c_out..][..c_out];
            for o in 0..c_out {
                d_bias[o] += d_y[o];
                for i in 0..c_in {
                    d_weight[(i * c_out + o) * taps + tap] += input[v * c_in + i] * d_y[o];
                }
            }
        }
    }
    (d_weight, d_bias)
}
