//! Bringing intensities to a common range (nnU-Net's schemes; Isensee et al. 2021).

use crate::plan::Normalization;

/// Smallest divisor: a constant image becomes 0, not infinite.
const SMALLEST_STD: f64 = 1e-8;

/// Normalises one channel in place; `inside` says which voxels belong to the nonzero part.
pub(super) fn normalize(voxels: &mut [f32], inside: &[bool], normalization: &Normalization) {
    match *normalization {
        Normalization::Zscore { masked: false } => {
            let (mean, std) = moments(voxels.iter().copied());
            shift_and_scale(voxels, mean, std.max(SMALLEST_STD));
        }
        Normalization::Zscore { masked: true } => {
            let (mean, std) = moments(voxels.iter().zip(inside).filter(|(_, inside)| **inside).map(|(voxel, _)| *voxel));
            let scale = 1.0 / std.max(SMALLEST_STD);
            for (voxel, _) in voxels.iter_mut().zip(inside).filter(|(_, inside)| **inside) {
                *voxel = ((f64::from(*voxel) - mean) * scale) as f32;
            }
        }
        Normalization::Ct { mean, std, low, high } => {
            voxels.iter_mut().for_each(|voxel| *voxel = voxel.clamp(low as f32, high as f32));
            shift_and_scale(voxels, mean, std.max(SMALLEST_STD));
        }
        Normalization::Rgb => shift_and_scale(voxels, 0.0, 255.0),
        Normalization::MinMax => {
            let (low, high) =
                voxels.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &voxel| (low.min(voxel), high.max(voxel)));
            shift_and_scale(voxels, f64::from(low), (f64::from(high) - f64::from(low)).max(SMALLEST_STD));
        }
        Normalization::None => {}
    }
}

fn shift_and_scale(voxels: &mut [f32], mean: f64, divisor: f64) {
    let scale = 1.0 / divisor;
    voxels.iter_mut().for_each(|voxel| *voxel = ((f64::from(*voxel) - mean) * scale) as f32);
}

/// Mean and population standard deviation, in two passes; (0, 0) of nothing.
fn moments(values: impl Iterator<Item = f32> + Clone) -> (f64, f64) {
    let (n, sum) = values.clone().fold((0usize, 0.0), |(n, sum), value| (n + 1, sum + f64::from(value)));
    if n == 0 {
        return (0.0, 0.0);
    }
    let mean = sum / n as f64;
    let squares: f64 = values.map(|value| (f64::from(value) - mean).powi(2)).sum();
    (mean, (squares / n as f64).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_normalization_does_what_its_name_says() {
        struct Case {
            normalization: Normalization,
            voxels: [f32; 4],
            inside: [bool; 4],
            expected: [f32; 4],
        }
        let all = [true; 4];
        let cases = [
            Case {
                normalization: Normalization::Zscore { masked: false },
                voxels: [0.0, 0.0, 2.0, 2.0],
                inside: all,
                expected: [-1.0, -1.0, 1.0, 1.0],
            },
            // The outside stays 0.
            Case {
                normalization: Normalization::Zscore { masked: true },
                voxels: [0.0, 0.0, 2.0, 4.0],
                inside: [false, false, true, true],
                expected: [0.0, 0.0, -1.0, 1.0],
            },
            // A constant image becomes 0.
            Case { normalization: Normalization::Zscore { masked: false }, voxels: [5.0; 4], inside: all, expected: [0.0; 4] },
            // A mask of nothing changes nothing.
            Case { normalization: Normalization::Zscore { masked: true }, voxels: [0.0; 4], inside: [false; 4], expected: [0.0; 4] },
            Case {
                normalization: Normalization::Ct { mean: 10.0, std: 5.0, low: 0.0, high: 20.0 },
                voxels: [-1000.0, 10.0, 15.0, 3000.0],
                inside: all,
                expected: [-2.0, 0.0, 1.0, 2.0],
            },
            Case { normalization: Normalization::Rgb, voxels: [0.0, 51.0, 102.0, 255.0], inside: all, expected: [0.0, 0.2, 0.4, 1.0] },
            Case { normalization: Normalization::MinMax, voxels: [2.0, 4.0, 4.0, 6.0], inside: all, expected: [0.0, 0.5, 0.5, 1.0] },
            Case { normalization: Normalization::None, voxels: [2.0, 4.0, 4.0, 6.0], inside: all, expected: [2.0, 4.0, 4.0, 6.0] },
        ];
        for Case { normalization, mut voxels, inside, expected } in cases {
            normalize(&mut voxels, &inside, &normalization);
            for (found, expected) in voxels.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-6, "{normalization:?}: {voxels:?}");
            }
        }
    }
}
