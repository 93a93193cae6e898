use super::*;

/// Every set voxel is looked at.
fn naive(mask: &Volume<bool>, spacing_mm: [f64; 3], at: [usize; 3]) -> Option<f64> {
    let [_, ny, nx] = mask.shape();
    let set = (0..mask.voxels().len()).filter(|&i| mask.voxels()[i]).map(|i| [i / (ny * nx), i / nx % ny, i % nx]);
    let squared = set.map(|other| (0..3).map(|a| (other[a].abs_diff(at[a]) as f64 * spacing_mm[a]).powi(2)).sum::<f64>());
    squared.reduce(f64::min).map(f64::sqrt)
}

/// A mask in which about one voxel of `one_in` is set, always the same (a linear congruential generator).
fn scattered(shape: [usize; 3], one_in: u64, mut state: u64) -> Volume<bool> {
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33).is_multiple_of(one_in)
    };
    Volume::new(shape, (0..shape.iter().product()).map(|_| next()).collect())
}

#[test]
fn distances_are_those_of_the_naive_twin() {
    let spacings = [[1.0; 3], [3.0, 0.7, 0.7], [0.5, 2.0, 0.31], [1e-3, 1.0, 40.0]];
    for (i, shape) in [[1, 1, 1], [1, 1, 9], [1, 9, 1], [9, 1, 1], [1, 12, 17], [7, 8, 9], [20, 3, 5], [2, 15, 31]].into_iter().enumerate()
    {
        for one_in in [1, 2, 9, 60, u64::MAX] {
            let mask = scattered(shape, one_in, (i as u64 + 7) * one_in.wrapping_add(1));
            for spacing_mm in spacings {
                let nearest = NearestSet::of(&mask, spacing_mm, |set| *set);
                for index in 0..mask.voxels().len() {
                    let at = [index / (shape[1] * shape[2]), index / shape[2] % shape[1], index % shape[2]];
                    let (found, expected) = (nearest.distance(at), naive(&mask, spacing_mm, at));
                    // The same sum of squares, or that of a voxel as near but for rounding.
                    let close = found.zip(expected).map_or(found == expected, |(f, e)| (f - e).abs() <= 1e-14 * e);
                    assert!(close, "{shape:?} {spacing_mm:?} one in {one_in} at {at:?}: {found:?} instead of {expected:?}");
                }
            }
        }
    }
}

#[test]
fn a_grid_without_voxels_has_no_distances() {
    let nearest = NearestSet::of(&Volume::new([0, 4, 4], Vec::<bool>::new()), [1.0; 3], |set| *set);
    assert!(nearest.nearest.is_empty());
}
