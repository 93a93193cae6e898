//! How much each voxel of a tile counts: a Gaussian about its centre, because predictions are worse near its border.

/// The weights of a tile along one axis; a voxel's weight is the product over the axes.
///
/// A Gaussian of a standard deviation of an eighth of the tile, cut off at four deviations, where the smallest weight
/// takes over so that none is zero (nnU-Net's `compute_gaussian`, which cuts off the product instead of each axis).
pub(crate) fn axis_weights(tile: usize) -> Vec<f32> {
    let sigma = tile as f64 / 8.0;
    let radius = (4.0 * sigma + 0.5).floor();
    let centre = (tile / 2) as f64;
    let weights = (0..tile).map(|i| {
        let distance = (i as f64 - centre).abs().min(radius);
        (-0.5 * (distance / sigma).powi(2)).exp() as f32
    });
    weights.collect()
}

/// The sum of the weights of all tiles that cover each voxel of an axis.
pub(crate) fn axis_totals(size: usize, starts: &[usize], weights: &[f32]) -> Vec<f32> {
    let mut totals = vec![0.0; size];
    for &start in starts {
        for (total, weight) in totals[start..].iter_mut().zip(weights) {
            *total += weight;
        }
    }
    totals
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_positive_and_highest_at_the_centre() {
        for tile in [1, 2, 5, 40, 56, 128] {
            let weights = axis_weights(tile);
            assert_eq!(weights.len(), tile);
            assert!(weights.iter().all(|w| *w > 0.0 && *w <= 1.0));
            assert_eq!(weights[tile / 2], 1.0);
        }
    }

    #[test]
    fn totals_add_up_where_tiles_overlap() {
        assert_eq!(axis_totals(4, &[0, 1], &[1.0, 2.0, 1.0]), [1.0, 3.0, 3.0, 1.0]);
    }
}
