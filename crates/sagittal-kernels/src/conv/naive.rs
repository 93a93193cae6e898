//! Convolution as its definition says it, in f64: the reference that the fast kernels are tested against.

use super::ConvShape;
use rayon::prelude::*;

/// Calls `visit(voxel_in, voxel_out, tap)` for every pair of voxels that a tap joins.
fn for_each_tap(shape: &ConvShape, voxel_out: usize, mut visit: impl FnMut(usize, usize)) {
    let [_, oy, ox] = shape.size_out();
    let out = [voxel_out / (ox * oy) % shape.size_out()[0], voxel_out / ox % oy, voxel_out % ox];
    let sample = voxel_out / shape.size_out().iter().product::<usize>();
    let [kz, ky, kx] = shape.kernel;
    for tap in 0..kz * ky * kx {
        let k = [tap / (ky * kx), tap / kx % ky, tap % kx];
        let place =
            |axis: usize| (out[axis] * shape.stride[axis] + k[axis]).checked_sub(shape.padding[axis]).filter(|&i| i < shape.size[axis]);
        if let (Some(z), Some(y), Some(x)) = (place(0), place(1), place(2)) {
            visit(((sample * shape.size[0] + z) * shape.size[1] + y) * shape.size[2] + x, tap);
        }
    }
}

/// See [`super::conv`].
pub fn conv(shape: &ConvShape, input: &[f64], weight: &[f64], bias: Option<&[f64]>) -> Vec<f64> {
    let (c_in, c_out, taps) = (shape.c_in, shape.c_out, shape.taps());
    let mut output = vec![0.0; shape.voxels_out() * c_out];
    output.par_chunks_mut(c_out).enumerate().for_each(|(voxel_out, y)| {
        if let Some(bias) = bias {
            y.copy_from_slice(bias);
        }
        for_each_tap(shape, voxel_out, |voxel_in, tap| {
            for o in 0..c_out {
                y[o] += (0..c_in).map(|i| input[voxel_in * c_in + i] * weight[(o * c_in + i) * taps + tap]).sum::<f64>();
            }
        });
    });
    output
}

/// See [`super::conv_backward_input`].
pub fn conv_backward_input(shape: &ConvShape, d_output: &[f64], weight: &[f64]) -> Vec<f64> {
    let (c_in, c_out, taps) = (shape.c_in, shape.c_out, shape.taps());
    let mut d_input = vec![0.0; shape.voxels_in() * c_in];
    for voxel_out in 0..shape.voxels_out() {
        for_each_tap(shape, voxel_out, |voxel_in, tap| {
            for i in 0..c_in {
                d_input[voxel_in * c_in + i] +=
                    (0..c_out).map(|o| d_output[voxel_out * c_out + o] * weight[(o * c_in + i) * taps + tap]).sum::<f64>();
            }
        });
    }
    d_input
}

/// See [`super::conv_backward_weight`]; gives the gradients of the weight and of the bias.
pub fn conv_backward_weight(shape: &ConvShape, input: &[f64], d_output: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let (c_in, c_out, taps) = (shape.c_in, shape.c_out, shape.taps());
    let mut d_weight = vec![0.0; shape.n_weights()];
    let mut d_bias = vec![0.0; c_out];
    d_weight.par_chunks_mut(c_in * taps).zip(&mut d_bias).enumerate().for_each(|(o, (d_w, d_b))| {
        for voxel_out in 0..shape.voxels_out() {
            let d_y = d_output[voxel_out * c_out + o];
            *d_b += d_y;
            for_each_tap(shape, voxel_out, |voxel_in, tap| {
                for i in 0..c_in {
                    d_w[i * taps + tap] += d_y * input[voxel_in * c_in + i];
                }
            });
        }
    });
    (d_weight, d_bias)
}
