//! Which algorithm a shape gets: a rule from measurements, never a trial at run time.

use super::ConvShape;
use super::winograd::{Tile, applies};

/// How a pass is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Algorithm {
    /// Any kernel, stride and padding.
    Direct,
    /// 3 x 3 taps in the plane, stride 1.
    Winograd(Tile),
}

/// Products that packing one weight and fetching it from a far cache cost as much time as.
///
/// Measured on two cores with AVX2 (forward and both backward passes together, ms of each thread) as direct / F(2x2) /
/// F(4x4): 256 channels at 5x7x5 (20 tiles of 4x4) 13 / 11 / 17; 512 channels at 8x8, batch 8 (32 tiles) 49 / 27 / 27;
/// 512 at 16x16, batch 8 (128 tiles) 176 / 95 / 63; 128 at 10x14x10 (120 tiles) 21 / 10.2 / 9.4; 128 -> 64 at 20x28x20
/// (700 tiles) 80 / 40 / 25. The estimate with this number puts each in its order.
const WEIGHT: f64 = 45.0;

/// Products per channel that the transform of one position of a tile costs as much time as.
///
/// Measured as above: 8 channels at 40x56x40 10.8 / 9.0 / 5.3; 16 channels 20.4 / 14.7 / 9.4; 16 channels at 256x256 in
/// 2-D 5.6 / 5.5 / 3.6.
const TRANSFORM: f64 = 10.0;

/// The algorithm with the least estimated work, counted in products per pair of channels and slice of the kernel. All
/// passes of a shape get the same one: their costs differ little.
pub(super) fn choose(shape: &ConvShape) -> Algorithm {
    if !applies(shape.kernel, shape.stride) || shape.c_in.min(shape.c_out) < 4 {
        return Algorithm::Direct;
    }
    let [z, y, x] = shape.size_out();
    let slices = shape.kernel[0] as f64;
    let transforms = TRANSFORM / (slices * shape.c_in as f64) + TRANSFORM / (slices * shape.c_out as f64);
    let direct = 9.0 * ((shape.batch * z * y * x) as f64 + WEIGHT);
    let winograd = |tile: Tile| {
        let tiles = shape.batch * z * y.div_ceil(tile.outputs()) * x.div_ceil(tile.outputs());
        tile.frequencies() as f64 * (tiles as f64 * (1.0 + transforms) + WEIGHT)
    };
    let (tile, best) = [Tile::Two, Tile::Four]
        .map(|tile| (tile, winograd(tile)))
        .into_iter()
        .fold((Tile::Two, f64::INFINITY), |best, other| if other.1 < best.1 { other } else { best });
    if best < direct { Algorithm::Winograd(tile) } else { Algorithm::Direct }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_measured_shape_gets_its_fastest_algorithm() {
        let (two, four) = (Algorithm::Winograd(Tile::Two), Algorithm::Winograd(Tile::Four));
        let cases = [
            // a full-resolution layer
            (1, [40, 56, 40], 32, [3; 3], [1; 3], four),
            // the bottom of a small 3-D network: too few tiles for the many weights of F(4x4)
            (1, [5, 7, 5], 256, [3; 3], [1; 3], two),
            // one level higher
            (1, [10, 14, 10], 128, [3; 3], [1; 3], four),
            // the bottom of a 2-D network
            (8, [1, 8, 8], 512, [1, 3, 3], [1; 3], four),
            // too small for any transform
            (1, [1, 2, 2], 64, [3; 3], [1; 3], Algorithm::Direct),
            // what Winograd cannot do
            (1, [40, 56, 40], 32, [3; 3], [2; 3], Algorithm::Direct),
            (1, [40, 56, 40], 32, [1; 3], [1; 3], Algorithm::Direct),
        ];
        for (batch, size, c, kernel, stride, expected) in cases {
            let shape = ConvShape { batch, size, c_in: c, c_out: c, kernel, stride, padding: kernel.map(|k| k / 2) };
            assert_eq!(choose(&shape), expected, "{shape:?}");
        }
    }
}
