//! How much each voxel of a tile counts: a Gaussian about its centre, because predictions are worse near its border.

use half::f16;

/// The weight of the centre. nnU-Net keeps weights in float16, which has no numbers below 6e-8; this makes more of them fit.
const HIGHEST: f64 = 10.0;

/// How much the voxels of a tile count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weighting {
    /// More in its middle: a U-Net sees zeros beyond its border.
    Gaussian,
    /// All the same: a voxel classifier sees as much around each.
    Equal,
}

impl Weighting {
    /// The weights of a tile's voxels, `[Z, Y, X]`.
    pub(crate) fn of(self, tile: [usize; 3]) -> Vec<f32> {
        match self {
            Self::Gaussian => weights(tile),
            Self::Equal => vec![1.0; tile.iter().product()],
        }
    }
}

/// The weights of a tile's voxels, `[Z, Y, X]`.
///
/// A Gaussian of a standard deviation of an eighth of the tile, cut off at four deviations, in float16; where nothing is left of
/// it, the smallest weight takes over (nnU-Net's `compute_gaussian`). Near the edges of an image, where all tiles have small
/// weights, this rounding is seen in the labels: so it is done here, too.
pub(crate) fn weights(tile: [usize; 3]) -> Vec<f32> {
    let [along_z, along_y, along_x] = tile.map(gaussian);
    let mut weights = Vec::with_capacity(tile.iter().product());
    for z in &along_z {
        for y in &along_y {
            weights.extend(along_x.iter().map(|x| f16::from_f64(z * y * x * HIGHEST).to_f32()));
        }
    }
    let smallest = weights.iter().copied().filter(|weight| *weight > 0.0).fold(f32::INFINITY, f32::min);
    weights.iter_mut().filter(|weight| **weight == 0.0).for_each(|weight| *weight = smallest);
    weights
}

/// The Gaussian along one axis, 1 at its centre.
fn gaussian(tile: usize) -> Vec<f64> {
    let sigma = tile as f64 / 8.0;
    let radius = (4.0 * sigma + 0.5).floor();
    let distance = |i: usize| (i as f64 - (tile / 2) as f64).abs();
    (0..tile).map(|i| if distance(i) > radius { 0.0 } else { (-0.5 * (distance(i) / sigma).powi(2)).exp() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_those_of_nnunet() {
        struct Case {
            tile: [usize; 3],
            at: [usize; 3],
            expected: f32,
        }
        // From nnU-Net 2.8.1's compute_gaussian(tile, 1. / 8, 10).
        let cases = [
            Case { tile: [40, 56, 40], at: [20, 28, 20], expected: 10.0 },
            Case { tile: [40, 56, 40], at: [0, 28, 20], expected: 0.003_355_026_2 },
            Case { tile: [40, 56, 40], at: [0, 0, 20], expected: 1.1324883e-6 },
            Case { tile: [40, 56, 40], at: [0, 0, 0], expected: 5.9604645e-8 },
            Case { tile: [40, 56, 40], at: [3, 5, 7], expected: 4.7683716e-6 },
            Case { tile: [40, 56, 40], at: [39, 55, 39], expected: 5.9604645e-8 },
            Case { tile: [12, 56, 40], at: [6, 28, 20], expected: 10.0 },
            Case { tile: [12, 56, 40], at: [0, 0, 10], expected: 1.7881393e-7 },
            Case { tile: [12, 56, 40], at: [0, 3, 3], expected: 5.9604645e-8 },
            Case { tile: [12, 56, 40], at: [11, 1, 0], expected: 5.9604645e-8 },
            Case { tile: [1, 5, 6], at: [0, 2, 3], expected: 10.0 },
            Case { tile: [1, 5, 6], at: [0, 0, 0], expected: 2.002716e-5 },
            Case { tile: [1, 5, 6], at: [0, 4, 1], expected: 0.001_707_077 },
            Case { tile: [1, 1, 1], at: [0, 0, 0], expected: 10.0 },
            Case { tile: [1, 128, 96], at: [0, 0, 0], expected: 1.1324883e-6 },
            Case { tile: [1, 128, 96], at: [0, 127, 95], expected: 2.026558e-6 },
            Case { tile: [1, 128, 96], at: [0, 64, 0], expected: 0.003_355_026_2 },
        ];
        for Case { tile, at: [z, y, x], expected } in cases {
            let found = weights(tile);
            assert_eq!(found.len(), tile.iter().product::<usize>());
            assert!(found.iter().all(|weight| *weight > 0.0 && *weight <= 10.0));
            assert_eq!(found[(z * tile[1] + y) * tile[2] + x], expected, "{tile:?} at {:?}", [z, y, x]);
        }
    }
}
