//! Every channel of every sample times a number of its own: dropout, whose factors are 0 and `1 / (1 - p)` (Srivastava et
//! al. 2014; of whole channels Tompson et al. 2015). It is its own backward pass.

use crate::NormShape;
use rayon::prelude::*;

/// Numbers of a piece of work, about.
const PIECE: usize = 16_384;

/// `x = factor x`.
///
/// # Shapes
/// - `x`: `[N, voxels, C]`; `factors`: `[N, C]`
///
/// # Panics
/// If a slice does not fit `shape`.
pub fn scale_channels_in_place(shape: &NormShape, x: &mut [f32], factors: &[f32]) {
    let (c, sample) = (shape.channels, shape.voxels * shape.channels);
    assert_eq!(x.len(), shape.batch * sample, "x does not fit {shape:?}");
    assert_eq!(factors.len(), shape.batch * c, "the factors do not fit {shape:?}");
    if x.is_empty() {
        return;
    }
    let piece = (PIECE / c).max(1) * c;
    x.par_chunks_mut(sample).zip(factors.par_chunks(c)).for_each(|(x, factors)| {
        x.par_chunks_mut(piece).for_each(|x| {
            for voxel in x.chunks_exact_mut(c) {
                voxel.iter_mut().zip(factors).for_each(|(x, factor)| *x *= factor);
            }
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::noise;

    #[test]
    fn each_channel_of_each_sample_gets_its_own_factor() {
        for (batch, voxels, channels) in [(0, 3, 2), (1, 1, 1), (2, 5, 3), (3, 7, 1), (2, PIECE + 3, 2), (4, 1, 1000)] {
            let shape = NormShape { batch, voxels, channels };
            let (x, factors) = (noise(batch * voxels * channels, 1), noise(batch * channels, 2));
            let mut scaled = x.clone();
            scale_channels_in_place(&shape, &mut scaled, &factors);
            for i in 0..x.len() {
                let (n, c) = (i / (voxels * channels), i % channels);
                assert_eq!(scaled[i], x[i] * factors[n * channels + c], "{shape:?} at {i}");
            }
        }
    }
}
