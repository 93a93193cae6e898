//! Where tiles lie.

/// Lower corners of tiles along one axis of `size` voxels, each `tile` long and at most `step_fraction` of a tile from
/// the next, evenly spread from border to border (nnU-Net's `compute_steps_for_sliding_window`).
///
/// A tile of one voxel, which 2-D networks have along Z, is laid on every slice.
///
/// # Panics
/// If the axis is shorter than a tile.
pub(crate) fn tile_starts(size: usize, tile: usize, step_fraction: f64) -> Vec<usize> {
    assert!(tile >= 1 && size >= tile, "an axis of {size} voxels holds no tile of {tile}");
    if tile == 1 {
        return (0..size).collect();
    }
    let steps = ((size - tile) as f64 / (tile as f64 * step_fraction)).ceil() as usize;
    let stride = if steps == 0 { 0.0 } else { (size - tile) as f64 / steps as f64 };
    (0..=steps).map(|i| (stride * i as f64).round_ties_even() as usize).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_are_spread_from_border_to_border() {
        struct Case {
            size: usize,
            tile: usize,
            expected: &'static [usize],
        }
        // From nnU-Net 2.8.1's compute_steps_for_sliding_window((size,), (tile,), 0.5).
        let cases = [
            Case { size: 40, tile: 40, expected: &[0] },
            Case { size: 41, tile: 40, expected: &[0, 1] },
            Case { size: 60, tile: 40, expected: &[0, 20] },
            Case { size: 61, tile: 40, expected: &[0, 10, 21] },
            Case { size: 110, tile: 64, expected: &[0, 23, 46] },
            Case { size: 3, tile: 1, expected: &[0, 1, 2] },
        ];
        for case in cases {
            assert_eq!(tile_starts(case.size, case.tile, 0.5), case.expected, "{} by {}", case.size, case.tile);
        }
    }

    #[test]
    fn every_voxel_is_covered() {
        for size in 1..60 {
            for tile in 1..=size {
                let starts = tile_starts(size, tile, 0.5);
                assert!((0..size).all(|v| starts.iter().any(|&s| (s..s + tile).contains(&v))), "{size} by {tile}");
                assert!(starts.iter().all(|s| s + tile <= size));
            }
        }
    }
}
