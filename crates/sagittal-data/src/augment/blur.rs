//! Gaussian blur, one width per axis and channel; the border is mirrored without repeating its voxel.

use super::{Scratch, draw};
use crate::plan::BlurPlan;
use rand::Rng;

/// The kernel is about this many standard deviations wide, both sides together.
const WIDTH: f64 = 6.0;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Params {
    /// Standard deviation per axis, per channel, in voxels.
    pub(super) sigmas: Vec<Option<[f64; 3]>>,
}

pub(super) fn sample(plan: &BlurPlan, patch: [usize; 3], n_channels: usize, rng: &mut impl Rng) -> Option<Params> {
    let sigmas = draw::per_channel(plan.probability, plan.channel_probability, n_channels, rng, |rng| {
        std::array::from_fn(|axis| if patch[axis] > 1 { draw::uniform(plan.sigma_voxels, rng) } else { 0.0 })
    });
    sigmas.map(|sigmas| Params { sigmas })
}

pub(super) fn apply(params: &Params, channel: usize, voxels: &mut [f32], patch: [usize; 3], scratch: &mut Scratch) {
    let Some(sigmas) = params.sigmas[channel] else { return };
    let [n_z, n_y, n_x] = patch;
    let kernels = sigmas.map(half_kernel);
    if n_x > 1 {
        voxels.chunks_exact_mut(n_x).for_each(|row| blur_row(row, &kernels[2], &mut scratch.row));
    }
    if n_y > 1 {
        voxels.chunks_exact_mut(n_y * n_x).for_each(|slice| blur_blocks(slice, n_x, &kernels[1], &mut scratch.volume));
    }
    if n_z > 1 {
        blur_blocks(voxels, n_y * n_x, &kernels[0], &mut scratch.volume);
    }
}

/// Voxels of the kernel on either side of its middle (batchgeneratorsv2's `_compute_kernel_size`: the odd number nearest to
/// the width).
fn radius(sigma: f64) -> usize {
    let width = sigma * WIDTH + 0.5;
    let rounded = width.round_ties_even();
    let odd = match rounded % 2.0 == 1.0 {
        true => rounded,
        false => rounded + if width >= rounded { 1.0 } else { -1.0 },
    };
    ((odd - 1.0) / 2.0).max(0.0) as usize
}

/// The Gaussian at 0, 1, 2, … voxels, of sum 1 over both sides.
fn half_kernel(sigma: f64) -> Vec<f32> {
    if sigma <= 0.0 {
        return vec![1.0];
    }
    let radius = radius(sigma);
    let value = |at: usize| (-0.5 * (at as f64 / sigma).powi(2)).exp();
    let sum = value(0) + 2.0 * (1..=radius).map(value).sum::<f64>();
    (0..=radius).map(|at| (value(at) / sum) as f32).collect()
}

/// Mirrors a position into `0..n` about the first and the last voxel.
fn reflect(position: isize, n: usize) -> usize {
    if n == 1 {
        return 0;
    }
    let period = 2 * (n as isize - 1);
    let position = position.rem_euclid(period);
    position.min(period - position) as usize
}

/// Blurs one row.
fn blur_row(row: &mut [f32], kernel: &[f32], padded: &mut Vec<f32>) {
    let radius = kernel.len() - 1;
    let n = row.len();
    padded.clear();
    padded.extend((-(radius as isize)..0).map(|position| row[reflect(position, n)]));
    padded.extend_from_slice(row);
    padded.extend((n..n + radius).map(|position| row[reflect(position as isize, n)]));
    row.iter_mut().zip(&padded[radius..]).for_each(|(out, voxel)| *out = kernel[0] * voxel);
    for (distance, &tap) in kernel.iter().enumerate().skip(1) {
        let (left, right) = (&padded[radius - distance..][..n], &padded[radius + distance..][..n]);
        for ((out, a), b) in row.iter_mut().zip(left).zip(right) {
            *out += tap * (a + b);
        }
    }
}

/// Blurs across blocks of `size` voxels: rows of a slice, or slices of a volume.
fn blur_blocks(voxels: &mut [f32], size: usize, kernel: &[f32], source: &mut Vec<f32>) {
    source.clear();
    source.extend_from_slice(voxels);
    let n = voxels.len() / size;
    for (block, out) in voxels.chunks_exact_mut(size).enumerate() {
        out.iter_mut().for_each(|voxel| *voxel *= kernel[0]);
        for (distance, &tap) in kernel.iter().enumerate().skip(1) {
            let (before, after) = (reflect(block as isize - distance as isize, n), reflect((block + distance) as isize, n));
            let (before, after) = (&source[before * size..][..size], &source[after * size..][..size]);
            for ((out, a), b) in out.iter_mut().zip(before).zip(after) {
                *out += tap * (a + b);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One axis at a time, voxel by voxel.
    fn blur_naive(voxels: &[f32], patch: [usize; 3], sigmas: [f64; 3]) -> Vec<f32> {
        let [_, n_y, n_x] = patch;
        let strides = [n_y * n_x, n_x, 1];
        let mut volume = voxels.to_vec();
        for axis in [2, 1, 0] {
            let radius = radius(sigmas[axis]) as isize;
            let taps: Vec<f64> = (-radius..=radius).map(|at| (-0.5 * (at as f64 / sigmas[axis]).powi(2)).exp()).collect();
            let sum: f64 = taps.iter().sum();
            let source = volume.clone();
            for (index, out) in volume.iter_mut().enumerate() {
                let at = index / strides[axis] % patch[axis];
                let origin = index - at * strides[axis];
                let tap = |(tap, offset): (&f64, isize)| {
                    tap / sum * f64::from(source[origin + reflect(at as isize + offset, patch[axis]) * strides[axis]])
                };
                *out = taps.iter().zip(-radius..).map(tap).sum::<f64>() as f32;
            }
        }
        volume
    }

    #[test]
    fn blur_is_the_naive_one() {
        for patch in [[1, 9, 30], [5, 6, 7], [2, 3, 20], [8, 1, 5]] {
            let voxels: Vec<f32> = (0..patch.iter().product::<usize>()).map(|index| (index as f32 * 1.7).sin()).collect();
            let sigmas = [0.9, 0.5, 0.7];
            let mut blurred = voxels.clone();
            apply(&Params { sigmas: vec![Some(sigmas)] }, 0, &mut blurred, patch, &mut Scratch::default());
            let expected = blur_naive(&voxels, patch, sigmas);
            assert!(blurred.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-5), "{patch:?}");
        }
    }
}
