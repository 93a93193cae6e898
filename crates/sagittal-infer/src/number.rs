//! The numbers in which sums of weighted tiles are kept.
//!
//! With `f32` nothing is lost. With [`f16`] every sum is rounded after each addition, and every mean once more, as in nnU-Net, whose
//! PyTorch computes such steps in float32 and rounds once: of networks imported from there the last bit decides between classes
//! that are close to each other.

use half::{f16, slice::HalfFloatSliceExt};

/// A row of a tile's voxels, and what they count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row<'a> {
    /// Of all voxels of the tile's row, `[X, V]`.
    pub(crate) values: &'a [f32],
    /// `V`.
    pub(crate) n_values: usize,
    /// The voxel of the tile to begin with.
    pub(crate) first: usize,
    /// Whether `values` are to be read from their end.
    pub(crate) is_mirrored: bool,
    /// Of the voxels from there on, `[X]`.
    pub(crate) weights: &'a [f32],
    /// What all weights are multiplied by.
    pub(crate) share: f32,
}

/// A number that sums are kept in. `room` is for work in between.
pub(crate) trait Number: Copy + Default + Send + Sync {
    /// The number next to another one.
    fn of(value: f32) -> Self;

    /// Adds the values of a row, each times its weight, to `sums`, of which each voxel has `n_own`.
    fn add_row(sums: &mut [Self], n_own: usize, row: Row<'_>, room: &mut Vec<f32>);

    /// Adds weights to their totals.
    fn add_weights(totals: &mut [Self], weights: &[f32], share: f32, room: &mut Vec<f32>);

    /// Divides the `n_own` sums of each voxel of a row by its total.
    fn divide_row(sums: &mut [Self], n_own: usize, totals: &[Self], room: &mut Vec<f32>);
}

impl Number for f32 {
    fn of(value: f32) -> Self {
        value
    }

    fn add_row(sums: &mut [Self], n_own: usize, row: Row<'_>, _room: &mut Vec<f32>) {
        let Row { values, n_values, first, is_mirrored, weights, share } = row;
        let n_x = values.len() / n_values;
        for ((x, sums), weight) in (first..).zip(sums.chunks_exact_mut(n_own)).zip(weights) {
            let weight = share * weight;
            let voxel = &values[if is_mirrored { n_x - 1 - x } else { x } * n_values..][..n_values];
            sums.iter_mut().zip(voxel).for_each(|(sum, value)| *sum += weight * value);
        }
    }

    fn add_weights(totals: &mut [Self], weights: &[f32], share: f32, _room: &mut Vec<f32>) {
        totals.iter_mut().zip(weights).for_each(|(total, weight)| *total += share * weight);
    }

    fn divide_row(sums: &mut [Self], n_own: usize, totals: &[Self], _room: &mut Vec<f32>) {
        for (voxel, total) in sums.chunks_exact_mut(n_own).zip(totals) {
            voxel.iter_mut().for_each(|value| *value /= total);
        }
    }
}

impl Number for f16 {
    fn of(value: f32) -> Self {
        Self::from_f32(value)
    }

    fn add_row(sums: &mut [Self], n_own: usize, row: Row<'_>, room: &mut Vec<f32>) {
        rounded_after(sums, room, |sums| f32::add_row(sums, n_own, row, &mut Vec::new()));
    }

    fn add_weights(totals: &mut [Self], weights: &[f32], share: f32, room: &mut Vec<f32>) {
        rounded_after(totals, room, |totals| f32::add_weights(totals, weights, share, &mut Vec::new()));
    }

    fn divide_row(sums: &mut [Self], n_own: usize, totals: &[Self], room: &mut Vec<f32>) {
        rounded_after(sums, room, |sums| {
            for (voxel, total) in sums.chunks_exact_mut(n_own).zip(totals) {
                voxel.iter_mut().for_each(|value| *value /= total.to_f32());
            }
        });
    }
}

/// Does in float32 what changes each number once, and rounds.
fn rounded_after(numbers: &mut [f16], room: &mut Vec<f32>, change: impl FnOnce(&mut [f32])) {
    // Whole at once: the processor converts eight numbers as fast as one.
    room.resize(numbers.len(), 0.0);
    numbers.convert_to_f32_slice(room);
    change(room);
    numbers.convert_from_f32_slice(room);
}

/// The number of float16 next to a number of float64, the even one of two: rounded once. (`f16::from_f64` goes through float32
/// on some processors and rounds twice.) Numbers beyond those of float16 are not looked after.
pub(crate) fn nearest_half(value: f64) -> f32 {
    // From here on numbers of float16 are this far apart.
    const SMALLEST_NORMAL: f64 = 1.0 / 16384.0;
    /// Adding it leaves no room for bits below 2^-24.
    const SHIFT: f64 = 1.5 * (1u64 << 28) as f64;
    // Bits of a float64 that float16 has no room for.
    const DROPPED: u32 = 52 - 10;
    let bits = value.to_bits();
    let half_step = (1u64 << (DROPPED - 1)) - 1 + (bits >> DROPPED & 1);
    let normal = f64::from_bits((bits + half_step) >> DROPPED << DROPPED);
    let small = (value + SHIFT) - SHIFT;
    (if value.abs() < SMALLEST_NORMAL { small } else { normal }) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_halves_are_those_of_numpy() {
        // numpy 2: s = np.float16(0); for v, w in ...: s = np.float16(np.float32(s) + np.float32(v) * np.float32(w))
        let mut sums = [f16::ZERO; 2];
        let mut totals = [f16::ZERO; 1];
        let room = &mut Vec::new();
        let weights = [10.0f32, 0.003_355_026_2, 1.132_488_3e-6];
        let values = [[1.234_567_9f32, -7.654_321], [123.456, 0.1], [4000.0, -60000.0]];
        for (weight, values) in weights.iter().zip(&values) {
            let row = Row { values, n_values: 2, first: 0, is_mirrored: false, weights: &[*weight], share: 1.0 };
            f16::add_row(&mut sums, 2, row, room);
            f16::add_weights(&mut totals, &[*weight], 1.0, room);
        }
        assert_eq!(sums.map(f16::to_f32), [12.765_625, -76.625]);
        assert_eq!(totals[0].to_f32(), 10.0);
        f16::divide_row(&mut sums, 2, &totals, room);
        assert_eq!(sums.map(f16::to_f32), [1.276_367_2, -7.664_062_5]);
    }

    #[test]
    fn halves_are_rounded_once_and_to_even() {
        struct Case {
            value: f64,
            expected: f32,
        }
        let step = 1.0 / 1024.0;
        let cases = [
            Case { value: 1.0 + step / 2.0, expected: 1.0 },
            Case { value: 1.0 + 1.5 * step, expected: 1.0 + 2.0 * step as f32 },
            // Float32 would have made a tie of these.
            Case { value: 1.0 + step / 2.0 + 1e-12, expected: 1.0 + step as f32 },
            Case { value: -(1.0 + 1.5 * step) + 1e-12, expected: -(1.0 + step as f32) },
            Case { value: 2047.5, expected: 2048.0 },
            Case { value: 65504.0, expected: 65504.0 },
            Case { value: 0.0, expected: 0.0 },
            Case { value: 2.0_f64.powi(-25), expected: 0.0 },
            Case { value: 1.000_000_1 * 2.0_f64.powi(-25), expected: 2.0_f32.powi(-24) },
            Case { value: -3.0 * 2.0_f64.powi(-25), expected: -2.0 * 2.0_f32.powi(-24) },
            Case { value: 0.1, expected: 0.099_975_586 },
        ];
        for Case { value, expected } in cases {
            assert_eq!(nearest_half(value), expected, "{value:e}");
        }
        for bits in 0..=0x7bffu16 {
            let half = f16::from_bits(bits);
            assert_eq!(nearest_half(half.to_f64()), half.to_f32());
            assert_eq!(nearest_half(-half.to_f64()), -half.to_f32());
        }
    }
}
