//! Resizing of channels-last tensors: nearest voxel, and linear along each axis, both with the corners of the grids (not
//! the centres of their corner voxels) aligned, as PyTorch's `align_corners=False` and `nearest-exact`.

use rayon::prelude::*;

/// What a resizing maps to what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ResizeShape {
    /// `N`.
    pub batch: usize,
    /// Input size `[Z, Y, X]`.
    pub size: [usize; 3],
    /// Output size `[Z, Y, X]`.
    pub size_out: [usize; 3],
    /// `C`.
    pub channels: usize,
}

impl ResizeShape {
    fn check(&self, input: usize, output: usize) {
        assert_eq!(input, self.batch * self.size.iter().product::<usize>() * self.channels, "the input does not fit {self:?}");
        assert_eq!(output, self.batch * self.size_out.iter().product::<usize>() * self.channels, "the output does not fit {self:?}");
    }
}

/// Two neighbouring input indices and the weight of the second.
#[derive(Clone, Copy, Debug)]
struct Between {
    low: usize,
    high: usize,
    share: f32,
}

impl Between {
    /// The input index itself.
    fn exactly(index: usize) -> Self {
        Self { low: index, high: index, share: 0.0 }
    }
}

/// For each output index of an axis, the input indices that it lies between.
fn linear_axis(size: usize, size_out: usize) -> Vec<Between> {
    let ratio = size as f64 / size_out as f64;
    (0..size_out)
        .map(|i| {
            let place = ((i as f64 + 0.5) * ratio - 0.5).max(0.0);
            let low = (place as usize).min(size - 1);
            Between { low, high: (low + 1).min(size - 1), share: (place - low as f64) as f32 }
        })
        .collect()
}

/// Calls `visit(offset_in, weight)` for the eight input voxels around an output voxel.
fn corners(shape: &ResizeShape, n: usize, [z, y, x]: [Between; 3], mut visit: impl FnMut(usize, f32)) {
    for (z, wz) in [(z.low, 1.0 - z.share), (z.high, z.share)] {
        for (y, wy) in [(y.low, 1.0 - y.share), (y.high, y.share)] {
            for (x, wx) in [(x.low, 1.0 - x.share), (x.high, x.share)] {
                if wz * wy * wx != 0.0 {
                    visit((((n * shape.size[0] + z) * shape.size[1] + y) * shape.size[2] + x) * shape.channels, wz * wy * wx);
                }
            }
        }
    }
}

/// Linear interpolation along each axis (bilinear, trilinear).
///
/// # Shapes
/// - `input`: `[N, Z, Y, X, C]`
/// - `output`: `[N, Z', Y', X', C]`, overwritten
///
/// # Panics
/// If a slice does not fit `shape`.
pub fn resize_linear(shape: &ResizeShape, input: &[f32], output: &mut [f32]) {
    shape.check(input.len(), output.len());
    if output.is_empty() {
        return;
    }
    let axes: [Vec<Between>; 3] = std::array::from_fn(|a| linear_axis(shape.size[a], shape.size_out[a]));
    let ([oz, oy, ox], c) = (shape.size_out, shape.channels);
    output.par_chunks_mut(ox * c).enumerate().for_each(|(row, output)| {
        let (n, z, y) = (row / (oz * oy), axes[0][row / oy % oz], axes[1][row % oy]);
        for (out, &x) in output.chunks_exact_mut(c).zip(&axes[2]) {
            out.fill(0.0);
            corners(shape, n, [z, y, x], |at, weight| {
                for (out, &value) in out.iter_mut().zip(&input[at..at + c]) {
                    *out += weight * value;
                }
            });
        }
    });
}

/// Gradient of [`resize_linear`].
///
/// # Panics
/// If a slice does not fit `shape`.
pub fn resize_linear_backward(shape: &ResizeShape, d_output: &[f32], d_input: &mut [f32]) {
    shape.check(d_input.len(), d_output.len());
    d_input.fill(0.0);
    if d_output.is_empty() {
        return;
    }
    let axes: [Vec<Between>; 3] = std::array::from_fn(|a| linear_axis(shape.size[a], shape.size_out[a]));
    let ([oz, oy, ox], [sz, sy, sx], c) = (shape.size_out, shape.size, shape.channels);
    // Each input slice gathers what the output slices around it give back, in their order.
    d_input.par_chunks_mut(sy * sx * c).enumerate().for_each(|(slice, d_input)| {
        let (n, z_in) = (slice / sz, slice % sz);
        for (z_out, z) in axes[0].iter().enumerate() {
            let weight_z = if z.low == z_in { 1.0 - z.share } else { 0.0 } + if z.high == z_in { z.share } else { 0.0 };
            if weight_z == 0.0 {
                continue;
            }
            let d_slice = &d_output[(n * oz + z_out) * oy * ox * c..][..oy * ox * c];
            for (d_row, &y) in d_slice.chunks_exact(ox * c).zip(&axes[1]) {
                for (d_out, &x) in d_row.chunks_exact(c).zip(&axes[2]) {
                    corners(shape, 0, [Between::exactly(0), y, x], |at, weight| {
                        for (d_in, &d_out) in d_input[at..at + c].iter_mut().zip(d_out) {
                            *d_in += weight_z * weight * d_out;
                        }
                    });
                }
            }
        }
    });
}

/// Value of the input voxel whose centre is nearest (ties towards the higher index); for images and labels alike.
///
/// # Shapes
/// - `input`: `[N, Z, Y, X, C]`
/// - `output`: `[N, Z', Y', X', C]`, overwritten
///
/// # Panics
/// If a slice does not fit `shape`.
pub fn resize_nearest<T: Copy + Send + Sync>(shape: &ResizeShape, input: &[T], output: &mut [T]) {
    shape.check(input.len(), output.len());
    if output.is_empty() {
        return;
    }
    let axes: [Vec<usize>; 3] = std::array::from_fn(|a| {
        let (size, size_out) = (shape.size[a], shape.size_out[a]);
        (0..size_out).map(|i| ((2 * i + 1) * size / (2 * size_out)).min(size - 1)).collect()
    });
    let ([oz, oy, ox], [sz, sy, sx], c) = (shape.size_out, shape.size, shape.channels);
    output.par_chunks_mut(ox * c).enumerate().for_each(|(row, output)| {
        let (n, z, y) = (row / (oz * oy), axes[0][row / oy % oz], axes[1][row % oy]);
        for (out, &x) in output.chunks_exact_mut(c).zip(&axes[2]) {
            out.copy_from_slice(&input[(((n * sz + z) * sy + y) * sx + x) * c..][..c]);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Random, noise};

    /// One number from the definition: the input is continued beyond its border by its border.
    fn linear(shape: &ResizeShape, input: &[f32], n: usize, out: [usize; 3], c: usize) -> f64 {
        let mut sum = 0.0;
        for corner in 0..8 {
            let (mut weight, mut at) = (1.0, n);
            for a in 0..3 {
                let (size, ratio) = (shape.size[a], shape.size[a] as f64 / shape.size_out[a] as f64);
                let place = ((out[a] as f64 + 0.5) * ratio - 0.5).clamp(0.0, (size - 1) as f64);
                let high = corner >> a & 1 == 1;
                weight *= if high { place.fract() } else { 1.0 - place.fract() };
                at = at * size + (place.floor() as usize + usize::from(high)).min(size - 1);
            }
            sum += weight * f64::from(input[at * shape.channels + c]);
        }
        sum
    }

    fn shapes() -> Vec<ResizeShape> {
        let mut random = Random(13);
        let size = |random: &mut Random| [random.between(1, 5), random.between(1, 9), random.between(1, 9)];
        (0..40)
            .map(|_| ResizeShape {
                batch: random.between(1, 2),
                size: size(&mut random),
                size_out: size(&mut random),
                channels: random.one_of(&[1, 3, 8]),
            })
            .collect()
    }

    #[test]
    fn linear_agrees_with_the_definition_and_its_gradient_is_its_transpose() {
        for (seed, shape) in shapes().iter().enumerate() {
            let ([oz, oy, ox], c) = (shape.size_out, shape.channels);
            let x = noise(shape.batch * shape.size.iter().product::<usize>() * c, seed as u64);
            let d_y = noise(shape.batch * oz * oy * ox * c, seed as u64 + 1);
            let (mut y, mut d_x) = (vec![f32::NAN; d_y.len()], vec![f32::NAN; x.len()]);
            resize_linear(shape, &x, &mut y);
            for (o, &found) in y.iter().enumerate() {
                let v = o / c;
                let expected = linear(shape, &x, v / (ox * oy * oz), [v / (ox * oy) % oz, v / ox % oy, v % ox], o % c);
                assert!((f64::from(found) - expected).abs() < 1e-5, "{shape:?}: {found} is not {expected}");
            }
            // <resize(x), d_y> = <x, resize_backward(d_y)>
            resize_linear_backward(shape, &d_y, &mut d_x);
            let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
            assert!((product(&y, &d_y) - product(&x, &d_x)).abs() < 1e-3, "{shape:?}");
        }
    }

    #[test]
    fn nearest_takes_the_voxel_around_the_centre() {
        let shape = |size, size_out| ResizeShape { batch: 1, size: [1, 1, size], size_out: [1, 1, size_out], channels: 1 };
        let resized = |x: &[u8], size_out| {
            let mut y = vec![0; size_out];
            resize_nearest(&shape(x.len(), size_out), x, &mut y);
            y
        };
        assert_eq!(resized(&[1, 2, 3, 4], 2), [2, 4]);
        assert_eq!(resized(&[1, 2, 3], 6), [1, 1, 2, 2, 3, 3]);
        assert_eq!(resized(&[1, 2, 3, 4, 5], 3), [1, 3, 5]);
        assert_eq!(resized(&[7], 3), [7, 7, 7]);
    }
}
