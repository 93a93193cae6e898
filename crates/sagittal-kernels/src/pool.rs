//! Maximum and average pooling whose kernel equals its stride; what does not fill a window at the end is left out.

use rayon::prelude::*;

/// What a pooling maps to what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PoolShape {
    /// `N`.
    pub batch: usize,
    /// Input size `[Z, Y, X]`.
    pub size: [usize; 3],
    /// `C`.
    pub channels: usize,
    /// Window and step `[Z, Y, X]`, at least 1.
    pub kernel: [usize; 3],
}

impl PoolShape {
    /// Output size `[Z, Y, X]`.
    pub fn size_out(&self) -> [usize; 3] {
        std::array::from_fn(|axis| self.size[axis] / self.kernel[axis])
    }

    fn check(&self, input: usize, output: usize) {
        assert_eq!(input, self.batch * self.size.iter().product::<usize>() * self.channels, "the input does not fit {self:?}");
        assert_eq!(output, self.batch * self.size_out().iter().product::<usize>() * self.channels, "the output does not fit {self:?}");
    }

    /// Offsets in the input of the windows of output row `row` (`N Z Y` as one index): one per voxel and tap.
    fn window(&self, row: usize, x_out: usize) -> impl Iterator<Item = usize> + use<> {
        let ([sz, sy, sx], [kz, ky, kx], c) = (self.size, self.kernel, self.channels);
        let [oz, oy, _] = self.size_out();
        let (n, z, y) = (row / (oz * oy), row / oy % oz, row % oy);
        (0..kz * ky * kx).map(move |tap| {
            let (z, y, x) = (z * kz + tap / (ky * kx), y * ky + tap / kx % ky, x_out * kx + tap % kx);
            (((n * sz + z) * sy + y) * sx + x) * c
        })
    }

    /// Clears `d_input` and calls `work(first output row, its and the following rows' gradients, first input number, the
    /// input gradients that these rows reach)` for every output slice, in parallel: windows do not overlap.
    fn for_each_slab(&self, d_output: &[f32], d_input: &mut [f32], work: impl Fn(usize, &[f32], usize, &mut [f32]) + Sync) {
        self.check(d_input.len(), d_output.len());
        d_input.fill(0.0);
        let ([oz, oy, _], [sz, sy, sx]) = (self.size_out(), self.size);
        let (slice, slice_out) = (sy * sx * self.channels, oy * self.row_out());
        if d_output.is_empty() {
            return;
        }
        d_input.par_chunks_mut(sz * slice).zip(d_output.par_chunks(oz * slice_out)).enumerate().for_each(|(n, (d_input, d_output))| {
            let slabs = d_input.par_chunks_mut(self.kernel[0] * slice).zip(d_output.par_chunks(slice_out)).enumerate();
            slabs.for_each(|(z, (d_input, d_output))| {
                work((n * oz + z) * oy, d_output, (n * sz + z * self.kernel[0]) * slice, d_input);
            });
        });
    }

    /// Length of one output row in numbers; 1 where the output is empty, so that it can be a chunk size.
    fn row_out(&self) -> usize {
        (self.size_out()[2] * self.channels).max(1)
    }
}

/// Largest value of each window.
///
/// # Shapes
/// - `input`: `[N, Z, Y, X, C]`
/// - `output`: `[N, Z / KZ, Y / KY, X / KX, C]`, overwritten
///
/// # Panics
/// If a slice does not fit `shape`.
pub fn pool_max(shape: &PoolShape, input: &[f32], output: &mut [f32]) {
    shape.check(input.len(), output.len());
    let c = shape.channels;
    output.par_chunks_mut(shape.row_out()).enumerate().for_each(|(row, output)| {
        for (x, y) in output.chunks_exact_mut(c).enumerate() {
            y.fill(f32::NEG_INFINITY);
            for at in shape.window(row, x) {
                for (y, &x) in y.iter_mut().zip(&input[at..at + c]) {
                    *y = if x > *y { x } else { *y };
                }
            }
        }
    });
}

/// Gradient of [`pool_max`]: each output's gradient goes to the first of its window's largest values.
///
/// # Panics
/// If a slice does not fit `shape`.
pub fn pool_max_backward(shape: &PoolShape, input: &[f32], d_output: &[f32], d_input: &mut [f32]) {
    shape.check(input.len(), d_output.len());
    let c = shape.channels;
    shape.for_each_slab(d_output, d_input, |first_row, d_output, first, d_input| {
        let mut largest = vec![(f32::NEG_INFINITY, 0); c]; // value and where it is
        for (v, d_y) in d_output.chunks_exact(c).enumerate() {
            let (row, x) = (first_row + v / shape.size_out()[2], v % shape.size_out()[2]);
            for (tap, at) in shape.window(row, x).enumerate() {
                for (i, best) in largest.iter_mut().enumerate() {
                    if tap == 0 || input[at + i] > best.0 {
                        *best = (input[at + i], at + i);
                    }
                }
            }
            for (d, best) in d_y.iter().zip(&largest) {
                d_input[best.1 - first] = *d;
            }
        }
    });
}

/// Mean of each window.
///
/// # Shapes
/// - `input`: `[N, Z, Y, X, C]`
/// - `output`: `[N, Z / KZ, Y / KY, X / KX, C]`, overwritten
///
/// # Panics
/// If a slice does not fit `shape`.
pub fn pool_average(shape: &PoolShape, input: &[f32], output: &mut [f32]) {
    shape.check(input.len(), output.len());
    let c = shape.channels;
    let share = 1.0 / shape.kernel.iter().product::<usize>() as f32;
    output.par_chunks_mut(shape.row_out()).enumerate().for_each(|(row, output)| {
        for (x, y) in output.chunks_exact_mut(c).enumerate() {
            y.fill(0.0);
            for at in shape.window(row, x) {
                for (y, &x) in y.iter_mut().zip(&input[at..at + c]) {
                    *y += x;
                }
            }
            for y in y {
                *y *= share;
            }
        }
    });
}

/// Gradient of [`pool_average`].
///
/// # Panics
/// If a slice does not fit `shape`.
pub fn pool_average_backward(shape: &PoolShape, d_output: &[f32], d_input: &mut [f32]) {
    let c = shape.channels;
    let share = 1.0 / shape.kernel.iter().product::<usize>() as f32;
    shape.for_each_slab(d_output, d_input, |first_row, d_output, first, d_input| {
        for (v, d_y) in d_output.chunks_exact(c).enumerate() {
            let (row, x) = (first_row + v / shape.size_out()[2], v % shape.size_out()[2]);
            for at in shape.window(row, x) {
                for (d_x, &d_y) in d_input[at - first..][..c].iter_mut().zip(d_y) {
                    *d_x = d_y * share;
                }
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Random, noise};

    /// The windows' values, from the definition.
    fn window(shape: &PoolShape, n: usize, out: [usize; 3], c: usize) -> Vec<usize> {
        let [kz, ky, kx] = shape.kernel;
        let mut places = vec![];
        for z in out[0] * kz..(out[0] + 1) * kz {
            for y in out[1] * ky..(out[1] + 1) * ky {
                for x in out[2] * kx..(out[2] + 1) * kx {
                    places.push((((n * shape.size[0] + z) * shape.size[1] + y) * shape.size[2] + x) * shape.channels + c);
                }
            }
        }
        places
    }

    #[test]
    fn random_shapes_agree_with_the_definition() {
        let mut random = Random(11);
        for seed in 0..60 {
            let shape = PoolShape {
                batch: random.between(1, 3),
                size: [random.between(1, 5), random.between(2, 9), random.between(2, 9)],
                channels: random.one_of(&[1, 3, 8, 17]),
                kernel: random.one_of(&[[1, 2, 2], [2, 2, 2], [1, 1, 1], [1, 3, 2]]),
            };
            let ([oz, oy, ox], c) = (shape.size_out(), shape.channels);
            let x = noise(shape.batch * shape.size.iter().product::<usize>() * c, seed);
            let d_y = noise(shape.batch * oz * oy * ox * c, seed + 1);
            let (mut highest, mut mean, mut d_highest, mut d_mean) =
                (vec![f32::NAN; d_y.len()], vec![f32::NAN; d_y.len()], vec![f32::NAN; x.len()], vec![f32::NAN; x.len()]);
            pool_max(&shape, &x, &mut highest);
            pool_average(&shape, &x, &mut mean);
            pool_max_backward(&shape, &x, &d_y, &mut d_highest);
            pool_average_backward(&shape, &d_y, &mut d_mean);
            let (mut expected_d_highest, mut expected_d_mean) = (vec![0.0; x.len()], vec![0.0; x.len()]);
            for o in 0..d_y.len() {
                let (v, i) = (o / c, o % c);
                let places = window(&shape, v / (ox * oy * oz), [v / (ox * oy) % oz, v / ox % oy, v % ox], i);
                let best = places.iter().copied().reduce(|a, b| if x[b] > x[a] { b } else { a }).expect("a window");
                assert_eq!(highest[o], x[best], "{shape:?}");
                let average = places.iter().map(|&p| x[p]).sum::<f32>() / places.len() as f32;
                assert!((mean[o] - average).abs() < 1e-5, "{shape:?}");
                expected_d_highest[best] = d_y[o];
                for &p in &places {
                    expected_d_mean[p] = d_y[o] / places.len() as f32;
                }
            }
            assert_eq!(d_highest, expected_d_highest, "{shape:?}");
            assert!(d_mean.iter().zip(&expected_d_mean).all(|(a, b)| (a - b).abs() < 1e-6), "{shape:?}");
        }
    }

    #[test]
    fn equal_values_give_the_gradient_to_the_first() {
        let shape = PoolShape { batch: 1, size: [1, 2, 2], channels: 1, kernel: [1, 2, 2] };
        let mut d_x = [f32::NAN; 4];
        pool_max_backward(&shape, &[1.0; 4], &[5.0], &mut d_x);
        assert_eq!(d_x, [5.0, 0.0, 0.0, 0.0]);
    }
}
