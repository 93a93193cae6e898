//! Instance norm with affine parameters, fused with leaky ReLU: forward and backward.
//!
//! Each direction reads its tensors twice: once for the sums over the voxels, once for the result; a sample at a time, so
//! that the second reading finds much of it in the cache. Sums are taken over stretches of fixed length in f32, relative
//! to the channel's first value (a mean far from zero must not swallow the variance), and added up in f64.

pub mod naive;
mod stretch;
#[cfg(test)]
mod tests;

use crate::scratch::with_buffer;
use crate::shared::Shared;
use crate::simd::simd;
use rayon::prelude::*;
use stretch::{Apply, Backward, BackwardSums, Sums};

/// Numbers of a stretch: 32 KiB, so that a stretch stays in the second cache while its channels are worked through.
const STRETCH: usize = 8192;
/// Voxels of a stretch at most: single precision adds no more than these.
const STRETCH_VOXELS: usize = 512;

/// What is normalised: each channel of each sample over its voxels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NormShape {
    /// `N`.
    pub batch: usize,
    /// Voxels of one sample.
    pub voxels: usize,
    /// `C`.
    pub channels: usize,
}

impl NormShape {
    /// Numbers in the activation tensor.
    pub fn n_values(&self) -> usize {
        self.batch * self.voxels * self.channels
    }

    /// Voxels of a stretch, the number of stretches of a sample.
    fn stretches(&self) -> (usize, usize) {
        let voxels = (STRETCH / self.channels.max(1)).clamp(1, STRETCH_VOXELS);
        (voxels, self.voxels.div_ceil(voxels))
    }
}

/// `y = leaky(gamma * (x - mean) / sqrt(var + eps) + beta)` with the biased variance over the voxels of one sample.
///
/// # Shapes
/// - `x`, `y`: `[N, V, C]`
/// - `gamma`, `beta`: `[C]`
/// - `mean`, `inv_std`: `[N, C]`, written; the backward pass needs them
///
/// # Panics
/// If a slice does not fit `shape`.
pub fn norm_activation(
    shape: &NormShape,
    x: &[f32],
    gamma: &[f32],
    beta: &[f32],
    eps: f32,
    slope: f32,
    y: &mut [f32],
    mean: &mut [f32],
    inv_std: &mut [f32],
) {
    assert_eq!(x.len(), shape.n_values(), "x does not fit {shape:?}");
    assert_eq!(y.len(), shape.n_values(), "y does not fit {shape:?}");
    forward(shape, x.as_ptr(), Shared::of(y), gamma, beta, eps, slope, mean, inv_std);
}

/// [`norm_activation`] with `y` written over `x`, for inference.
///
/// # Panics
/// If a slice does not fit `shape`.
pub fn norm_activation_in_place(
    shape: &NormShape,
    x: &mut [f32],
    gamma: &[f32],
    beta: &[f32],
    eps: f32,
    slope: f32,
    mean: &mut [f32],
    inv_std: &mut [f32],
) {
    assert_eq!(x.len(), shape.n_values(), "x does not fit {shape:?}");
    let x = Shared::of(x);
    forward(shape, x.get(), x, gamma, beta, eps, slope, mean, inv_std);
}

/// `x` and `y` are valid for `shape.n_values()` numbers; they may be the same.
fn forward(
    shape: &NormShape,
    x: *const f32,
    y: Shared,
    gamma: &[f32],
    beta: &[f32],
    eps: f32,
    slope: f32,
    mean: &mut [f32],
    inv_std: &mut [f32],
) {
    let &NormShape { batch, voxels, channels } = shape;
    assert_eq!((gamma.len(), beta.len()), (channels, channels), "gamma or beta do not fit {shape:?}");
    assert_eq!((mean.len(), inv_std.len()), (batch * channels, batch * channels), "mean or inv_std do not fit {shape:?}");
    if shape.n_values() == 0 {
        return;
    }
    let simd = simd();
    let (per_stretch, stretches) = shape.stretches();
    let x = Shared::from_ptr(x.cast_mut());
    for n in 0..batch {
        let range = |i: usize| (n * voxels + i * per_stretch) * channels..(n * voxels + voxels.min((i + 1) * per_stretch)) * channels;
        let (mean, inv_std) = (&mut mean[n * channels..][..channels], &mut inv_std[n * channels..][..channels]);
        with_buffer((stretches * 2 + 1) * channels, |sums| {
            let (first, sums) = sums.split_at_mut(channels);
            // SAFETY: the first voxel of the sample; nobody writes before the sums are done.
            first.copy_from_slice(unsafe { std::slice::from_raw_parts(x.get().add(n * voxels * channels), channels) });
            sums.par_chunks_exact_mut(2 * channels).enumerate().for_each(|(i, sums)| {
                // SAFETY: the stretch lies inside x.
                let x = unsafe { std::slice::from_raw_parts(x.get().add(range(i).start), range(i).len()) };
                simd.run(Sums { channels, x, first, sums });
            });
            for c in 0..channels {
                let [sum, squares] = added(sums, channels, c);
                let (shift, variance) = (sum / voxels as f64, (squares - sum * sum / voxels as f64) / voxels as f64);
                mean[c] = (f64::from(first[c]) + shift) as f32;
                inv_std[c] = (1.0 / (variance.max(0.0) + f64::from(eps)).sqrt()) as f32;
            }
        });
        with_buffer(2 * channels, |line| {
            let (factor, addend) = line.split_at_mut(channels);
            affine(mean, inv_std, gamma, beta, factor, addend);
            (0..stretches).into_par_iter().for_each(|i| {
                // SAFETY: stretches do not overlap and lie inside x and y.
                let (x, y) = unsafe { (x.get().add(range(i).start).cast_const(), y.get().add(range(i).start)) };
                simd.run(Apply { channels, x, y, len: range(i).len(), factor, addend, slope });
            });
        });
    }
}

/// The affine map that norm and parameters make: `pre = factor * x + addend`.
fn affine(mean: &[f32], inv_std: &[f32], gamma: &[f32], beta: &[f32], factor: &mut [f32], addend: &mut [f32]) {
    for c in 0..factor.len() {
        factor[c] = gamma[c] * inv_std[c];
        addend[c] = beta[c] - mean[c] * factor[c];
    }
}

/// The two sums of a channel, added over the stretches in their order.
fn added(sums: &[f32], channels: usize, c: usize) -> [f64; 2] {
    let of = |which: usize| sums.chunks_exact(2 * channels).map(|s| f64::from(s[which * channels + c])).sum();
    [of(0), of(1)]
}

/// Gradients of [`norm_activation`] with respect to `x`, `gamma` and `beta`.
///
/// # Shapes
/// - `x`: `[N, V, C]`, the input of the forward pass; `mean`, `inv_std`: `[N, C]`, what it wrote
/// - `d_y`, `d_x`: `[N, V, C]`
/// - `d_gamma`, `d_beta`: `[C]`, overwritten
///
/// # Panics
/// If a slice does not fit `shape`.
pub fn norm_activation_backward(
    shape: &NormShape,
    x: &[f32],
    mean: &[f32],
    inv_std: &[f32],
    gamma: &[f32],
    beta: &[f32],
    slope: f32,
    d_y: &[f32],
    d_x: &mut [f32],
    d_gamma: &mut [f32],
    d_beta: &mut [f32],
) {
    assert_eq!(d_y.len(), shape.n_values(), "d_y does not fit {shape:?}");
    assert_eq!(d_x.len(), shape.n_values(), "d_x does not fit {shape:?}");
    backward(shape, x, mean, inv_std, gamma, beta, slope, d_y.as_ptr(), Shared::of(d_x), d_gamma, d_beta);
}

/// [`norm_activation_backward`] with `d_x` written over `d_y`.
///
/// # Panics
/// If a slice does not fit `shape`.
pub fn norm_activation_backward_in_place(
    shape: &NormShape,
    x: &[f32],
    mean: &[f32],
    inv_std: &[f32],
    gamma: &[f32],
    beta: &[f32],
    slope: f32,
    d_y: &mut [f32],
    d_gamma: &mut [f32],
    d_beta: &mut [f32],
) {
    assert_eq!(d_y.len(), shape.n_values(), "d_y does not fit {shape:?}");
    let d_y = Shared::of(d_y);
    backward(shape, x, mean, inv_std, gamma, beta, slope, d_y.get(), d_y, d_gamma, d_beta);
}

/// `d_y` and `d_x` are valid for `shape.n_values()` numbers; they may be the same.
fn backward(
    shape: &NormShape,
    x: &[f32],
    mean: &[f32],
    inv_std: &[f32],
    gamma: &[f32],
    beta: &[f32],
    slope: f32,
    d_y: *const f32,
    d_x: Shared,
    d_gamma: &mut [f32],
    d_beta: &mut [f32],
) {
    let &NormShape { batch, voxels, channels } = shape;
    assert_eq!(x.len(), shape.n_values(), "x does not fit {shape:?}");
    assert_eq!((gamma.len(), beta.len()), (channels, channels), "gamma or beta do not fit {shape:?}");
    assert_eq!((d_gamma.len(), d_beta.len()), (channels, channels), "d_gamma or d_beta do not fit {shape:?}");
    assert_eq!((mean.len(), inv_std.len()), (batch * channels, batch * channels), "mean or inv_std do not fit {shape:?}");
    d_gamma.fill(0.0);
    d_beta.fill(0.0);
    if shape.n_values() == 0 {
        return;
    }
    let simd = simd();
    let (per_stretch, stretches) = shape.stretches();
    let d_y = Shared::from_ptr(d_y.cast_mut());
    for n in 0..batch {
        let range = |i: usize| (n * voxels + i * per_stretch) * channels..(n * voxels + voxels.min((i + 1) * per_stretch)) * channels;
        let (mean, inv_std) = (&mean[n * channels..][..channels], &inv_std[n * channels..][..channels]);
        with_buffer((stretches * 2 + 5) * channels, |buffer| {
            let (line, sums) = buffer.split_at_mut(5 * channels);
            let mut lines = line.chunks_exact_mut(channels);
            let [factor, addend, d_factor, x_factor, d_addend] = std::array::from_fn(|_| lines.next().expect("five lines of channels"));
            affine(mean, inv_std, gamma, beta, factor, addend);
            let (factor, addend) = (&*factor, &*addend);
            // With d_pre = d_y where pre > 0, else slope * d_y: the sums of d_pre and of d_pre * (x - mean).
            sums.par_chunks_exact_mut(2 * channels).enumerate().for_each(|(i, sums)| {
                // SAFETY: the stretch lies inside d_y.
                let d_y = unsafe { d_y.get().add(range(i).start).cast_const() };
                simd.run(BackwardSums { channels, x: &x[range(i)], d_y, factor, addend, mean, slope, sums });
            });
            // d_x = gamma * inv_std * (d_pre - average(d_pre) - hat * average(d_pre * hat)), hat = (x - mean) * inv_std
            for c in 0..channels {
                let [sum, with_x] = added(sums, channels, c);
                let (std, centre) = (f64::from(inv_std[c]), f64::from(mean[c]));
                let with_hat = with_x * std;
                d_beta[c] += sum as f32;
                d_gamma[c] += with_hat as f32;
                let scale = f64::from(gamma[c]) * std;
                let slope_x = -scale * std * with_hat / voxels as f64;
                d_factor[c] = scale as f32;
                x_factor[c] = slope_x as f32;
                d_addend[c] = (-scale * sum / voxels as f64 - slope_x * centre) as f32;
            }
            let (d_factor, x_factor, d_addend) = (&*d_factor, &*x_factor, &*d_addend);
            (0..stretches).into_par_iter().for_each(|i| {
                // SAFETY: stretches do not overlap and lie inside d_y and d_x.
                let (d_y, d_x) = unsafe { (d_y.get().add(range(i).start).cast_const(), d_x.get().add(range(i).start)) };
                simd.run(Backward { channels, x: &x[range(i)], d_y, d_x, factor, addend, d_factor, x_factor, d_addend, slope });
            });
        });
    }
}
