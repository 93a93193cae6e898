//! Mirror images of a tile.

use rayon::prelude::*;

/// Every combination of `axes`, smaller ones first: nnU-Net's order, on which the last bit of a sum depends.
pub(crate) fn combinations(axes: &[usize]) -> Vec<Vec<usize>> {
    let of_bits = |bits: usize| axes.iter().enumerate().filter(|(i, _)| bits >> i & 1 == 1).map(|(_, &axis)| axis).collect();
    let mut all: Vec<Vec<usize>> = (0..1usize << axes.len()).map(of_bits).collect();
    all.sort_by_key(Vec::len);
    all
}

/// Adds to `sums` the array mirrored along some of its axes `Z Y X` (0, 1, 2).
///
/// # Shapes
/// - `sums`, `values`: `[Z, Y, X, C]`
pub(crate) fn add_flipped(sums: &mut [f32], values: &[f32], [z, y, x]: [usize; 3], c: usize, axes: &[usize]) {
    debug_assert_eq!((sums.len(), values.len()), (z * y * x * c, z * y * x * c));
    let flip = |axis: usize, i: usize, n: usize| if axes.contains(&axis) { n - 1 - i } else { i };
    sums.par_chunks_exact_mut(x * c).enumerate().with_min_len(16).for_each(|(i, sums)| {
        let row = &values[(flip(0, i / y, z) * y + flip(1, i % y, y)) * x * c..][..x * c];
        if axes.contains(&2) {
            let voxels = sums.chunks_exact_mut(c).zip(row.chunks_exact(c).rev());
            voxels.for_each(|(sums, voxel)| sums.iter_mut().zip(voxel).for_each(|(sum, value)| *sum += value));
        } else {
            sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
    });
}

/// The array mirrored along some of its axes `Z Y X` (0, 1, 2).
///
/// # Shapes
/// - `values`: `[Z, Y, X, C]`
pub(crate) fn flipped(values: &[f32], [z, y, x]: [usize; 3], c: usize, axes: &[usize]) -> Vec<f32> {
    debug_assert_eq!(values.len(), z * y * x * c);
    if axes.is_empty() {
        return values.to_vec();
    }
    let flip = |axis: usize, i: usize, n: usize| if axes.contains(&axis) { n - 1 - i } else { i };
    let mut result = Vec::with_capacity(values.len());
    for zi in 0..z {
        for yi in 0..y {
            let row = &values[(flip(0, zi, z) * y + flip(1, yi, y)) * x * c..][..x * c];
            if axes.contains(&2) {
                row.chunks_exact(c).rev().for_each(|voxel| result.extend_from_slice(voxel));
            } else {
                result.extend_from_slice(row);
            }
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_combinations_are_there_once() {
        assert_eq!(combinations(&[]), [Vec::<usize>::new()]);
        assert_eq!(combinations(&[1, 2]), [vec![], vec![1], vec![2], vec![1, 2]]);
        let all = combinations(&[0, 1, 2]);
        assert_eq!(all, [&[][..], &[0], &[1], &[2], &[0, 1], &[0, 2], &[1, 2], &[0, 1, 2]]);
    }

    #[test]
    fn mirroring_twice_changes_nothing_and_once_the_right_axis() {
        let values: Vec<f32> = (0..2 * 3 * 2 * 2).map(|v| v as f32).collect();
        for axes in combinations(&[0, 1, 2]) {
            let once = flipped(&values, [2, 3, 2], 2, &axes);
            assert_eq!(flipped(&once, [2, 3, 2], 2, &axes), values, "{axes:?}");
            let mut sums = values.clone();
            add_flipped(&mut sums, &once, [2, 3, 2], 2, &axes);
            assert!(sums.iter().zip(&values).all(|(sum, value)| *sum == 2.0 * value), "{axes:?}");
        }
        assert_eq!(flipped(&[1., 2., 3., 4.], [1, 1, 2], 2, &[2]), [3., 4., 1., 2.]);
        assert_eq!(flipped(&[1., 2., 3., 4.], [1, 2, 2], 1, &[1]), [3., 4., 1., 2.]);
        assert_eq!(flipped(&[1., 2., 3., 4.], [2, 1, 2], 1, &[0]), [3., 4., 1., 2.]);
    }
}
