//! What every voxel of a new grid depends on, for those who resample while data still arrive.

use super::{Interpolation, line::Line, separate_axis};

/// Along one axis: the two old voxels that a new voxel lies between, and how much each counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tap {
    /// The old voxels, in order; equal beyond the ends and where the nearest one is taken.
    pub voxels: [usize; 2],
    /// Their weights, of sum 1 but for the last bit.
    pub weights: [f64; 2],
}

/// For each axis the taps with which [`super::resample_probabilities`] brings a volume of `old_shape` to `new_shape`; without
/// spacings those of [`super::resize`] with straight lines.
///
/// # Panics
/// If either shape has an axis of no voxels.
pub fn probability_taps(old_shape: [usize; 3], new_shape: [usize; 3], spacings_mm: Option<([f64; 3], [f64; 3])>) -> [Vec<Tap>; 3] {
    assert!(old_shape.iter().chain(&new_shape).all(|n| *n > 0), "cannot resample {old_shape:?} to {new_shape:?}");
    let separate = spacings_mm.and_then(|(old, new)| separate_axis(old, new));
    std::array::from_fn(|axis| {
        let interpolation = if separate == Some(axis) { Interpolation::Nearest } else { Interpolation::Linear };
        let line = Line::new(old_shape[axis], new_shape[axis], interpolation);
        let tap = |o| match interpolation {
            Interpolation::Nearest => Tap { voxels: [line.first(o); 2], weights: [1.0, 0.0] },
            _ => {
                let (voxels, weights) = line.pair(o);
                Tap { voxels, weights }
            }
        };
        (0..new_shape[axis]).map(tap).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Volume, resample_probabilities};

    #[test]
    fn taps_say_what_resampling_does() {
        let volume = Volume::new([5, 4, 7], (0..140).map(|v| ((v * 37) % 101) as f32).collect());
        for (old_mm, new_mm, shape) in [
            ([1.0; 3], [0.7, 0.8, 1.3], [7, 5, 5]),
            ([4.0, 1.0, 1.0], [3.0, 0.5, 0.9], [7, 8, 8]),
            ([1.0, 1.0, 4.0], [1.1, 0.5, 3.0], [5, 8, 9]),
            ([1.0; 3], [5.0, 1.0, 1.0], [1, 4, 7]),
        ] {
            let expected = resample_probabilities(&volume, old_mm, new_mm, shape);
            let [along_z, along_y, along_x] = probability_taps(volume.shape(), shape, Some((old_mm, new_mm)));
            let at = |z: usize, y: usize, x: usize| volume.voxels()[(z * 4 + y) * 7 + x];
            let mut values = expected.voxels().iter();
            for z in &along_z {
                for y in &along_y {
                    for x in &along_x {
                        let mut sum = 0.0f64;
                        for corner in 0..8 {
                            let [i, j, k] = [corner >> 2, corner >> 1 & 1, corner & 1];
                            let weight = z.weights[i] * y.weights[j] * x.weights[k];
                            sum += weight * f64::from(at(z.voxels[i], y.voxels[j], x.voxels[k]));
                        }
                        let expected = *values.next().expect("as many voxels");
                        assert!((sum - f64::from(expected)).abs() < 1e-4, "{sum}, expected {expected}, to {shape:?}");
                    }
                }
            }
        }
    }
}
