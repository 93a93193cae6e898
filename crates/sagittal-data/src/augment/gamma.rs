//! Gamma correction: intensities, brought to 0…1, to a power; mean and deviation are kept, so that only the shape of the
//! distribution changes.

use std::f32::consts::{LN_2, LOG2_E};

/// On which end the correction acts most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// As it is.
    Upright,
    /// On the negative of the image.
    Inverted,
}

/// Range a constant channel is taken to have.
const SMALLEST_RANGE: f32 = 1e-7;

pub(super) fn apply(exponent: f32, side: Side, voxels: &mut [f32]) {
    let sign = if side == Side::Inverted { -1.0 } else { 1.0 };
    let before = Moments::of(voxels);
    let (low, high) = if side == Side::Inverted { (-before.high, -before.low) } else { (before.low, before.high) };
    let range = high - low;
    let scale = 1.0 / range.max(SMALLEST_RANGE);
    for voxel in voxels.iter_mut() {
        *voxel = power((sign * *voxel - low) * scale, exponent) * range + low;
    }
    let after = Moments::of(voxels);
    let gain = sign * before.std / after.std.max(SMALLEST_RANGE);
    let offset = before.mean - gain * after.mean;
    voxels.iter_mut().for_each(|voxel| *voxel = *voxel * gain + offset);
}

/// Mean, deviation (unbiased, as PyTorch's) and range of a channel.
pub(super) struct Moments {
    pub(super) mean: f32,
    pub(super) std: f32,
    pub(super) low: f32,
    pub(super) high: f32,
}

/// Sums run in this many columns, so that they vectorise and round little.
const COLUMNS: usize = 16;

impl Moments {
    pub(super) fn of(voxels: &[f32]) -> Self {
        let n = voxels.len() as f64;
        let mean = sum(voxels, |value| value) / n;
        let centre = mean as f32;
        let squares = sum(voxels, |value| (value - centre) * (value - centre));
        let mut low = [f32::INFINITY; COLUMNS];
        let mut high = [f32::NEG_INFINITY; COLUMNS];
        let chunks = voxels.chunks_exact(COLUMNS);
        let rest = chunks.remainder();
        for chunk in chunks {
            for column in 0..COLUMNS {
                low[column] = if chunk[column] < low[column] { chunk[column] } else { low[column] };
                high[column] = if chunk[column] > high[column] { chunk[column] } else { high[column] };
            }
        }
        Self {
            mean: centre,
            std: (squares / (n - 1.0).max(1.0)).sqrt() as f32,
            low: low.iter().chain(rest).copied().fold(f32::INFINITY, f32::min),
            high: high.iter().chain(rest).copied().fold(f32::NEG_INFINITY, f32::max),
        }
    }
}

/// Values per block that is summed in `f32`; blocks are summed in `f64`.
const BLOCK: usize = 4096;

fn sum(voxels: &[f32], f: impl Fn(f32) -> f32) -> f64 {
    let block_sum = |block: &[f32]| {
        let mut sums = [0f32; COLUMNS];
        let chunks = block.chunks_exact(COLUMNS);
        let rest: f32 = chunks.remainder().iter().map(|&value| f(value)).sum();
        for chunk in chunks {
            (0..COLUMNS).for_each(|column| sums[column] += f(chunk[column]));
        }
        sums.iter().map(|&sum| f64::from(sum)).sum::<f64>() + f64::from(rest)
    };
    voxels.chunks(BLOCK).map(block_sum).sum()
}

/// `base^exponent` for `base` in 0…1, to a relative error of about 1e-6; 0 stays 0.
///
/// Written without branches and calls, so that it vectorises: `powf` takes most of the time of the whole augmentation.
/// `log2` of the mantissa by the series of `atanh`, `exp2` of the fraction by its Taylor polynomial.
#[inline]
fn power(base: f32, exponent: f32) -> f32 {
    // Smallest normal number: what is below becomes 0 for every exponent that is drawn.
    let bits = base.max(f32::MIN_POSITIVE).to_bits();
    // Mantissa in √½…√2, so that the series is short on both sides of 1.
    let shifted = bits.wrapping_sub(0x3f35_04f3);
    let power_of_two = (shifted as i32) >> 23;
    let mantissa = f32::from_bits(bits.wrapping_sub((power_of_two as u32) << 23));
    let t = (mantissa - 1.0) / (mantissa + 1.0);
    let t2 = t * t;
    let series = t * (2.0 * LOG2_E + t2 * (0.961_796_7 + t2 * (0.577_078 + t2 * (0.412_198_6 + t2 * 0.320_598_9))));
    let log = exponent * (power_of_two as f32 + series);
    let log = log.max(-126.0);
    // Adding and taking away 1.5 * 2^23 rounds to the nearest integer.
    let whole = (log + 12_582_912.0) - 12_582_912.0;
    let f = log - whole;
    let fraction = 1.0 + f * (LN_2 + f * (0.240_226_5 + f * (0.055_504_11 + f * (0.009_618_13 + f * (0.001_333_355 + f * 0.000_154_035)))));
    let scale = f32::from_bits(((whole as i32 + 127) as u32) << 23);
    if base <= 0.0 { 0.0 } else { fraction * scale }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fast_power_is_a_power() {
        for exponent in [0.7, 0.99, 1.0, 1.31, 1.5] {
            for step in 0..=10_000 {
                let base = step as f32 / 10_000.0;
                let (found, expected) = (power(base, exponent), base.powf(exponent));
                assert!((found - expected).abs() <= 2e-6 * expected.max(1e-3), "{base}^{exponent}: {found} for {expected}");
            }
        }
        assert_eq!(power(0.0, 0.7), 0.0);
    }

    #[test]
    fn moments_are_torchs() {
        let moments = Moments::of(&[1.0, 2.0, 3.0, 6.0]);
        assert_eq!((moments.mean, moments.low, moments.high), (3.0, 1.0, 6.0));
        assert!((moments.std - (14.0f32 / 3.0).sqrt()).abs() < 1e-6);
        let many: Vec<f32> = (0..10_007).map(|value| value as f32).collect();
        let moments = Moments::of(&many);
        assert!((moments.mean - 5003.0).abs() < 0.01 && moments.low == 0.0 && moments.high == 10_006.0);
    }

    #[test]
    fn mean_and_deviation_are_kept_and_a_constant_stays() {
        for side in [Side::Upright, Side::Inverted] {
            let mut voxels: Vec<f32> = (0..1000).map(|value| (value as f32 * 0.37).sin() * 2.0 + 1.0).collect();
            let before = voxels.clone();
            apply(1.4, side, &mut voxels);
            let (was, is) = (Moments::of(&before), Moments::of(&voxels));
            assert!((was.mean - is.mean).abs() < 1e-4 && (was.std - is.std).abs() < 1e-4);
            // The order of intensities stays.
            assert!(before.windows(2).zip(voxels.windows(2)).all(|(a, b)| (a[0] < a[1]) == (b[0] < b[1]) || (b[0] - b[1]).abs() < 1e-5));
            let mut constant = vec![3.0; 20];
            apply(0.8, side, &mut constant);
            assert!(constant.iter().all(|value| (value - 3.0).abs() < 1e-5), "{constant:?}");
        }
    }
}
