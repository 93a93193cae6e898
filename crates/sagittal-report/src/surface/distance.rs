//! The signed distance of every voxel to the border of a label, in mm.

use rayon::prelude::*;
use sagittal_image::{NearestSet, Volume};

/// Larger than any distance in mm, and finite so that differences of it are numbers.
const FAR_MM: f64 = 1e10;

/// Positive inside of `mask`, negative outside: the distance to the nearest voxel of the other side, whose border lies half way. Voxels across
/// `apart`, if it is given, do not count; a slice without any of the other side is [`FAR_MM`] from it.
///
/// # Shapes
/// - `mask`, and the result: `shape`, `[Z, Y, X]`
///
/// # Panics
/// If the mask does not fill its shape (a programming error).
pub(super) fn signed_mm(mask: &[bool], shape: [usize; 3], spacing_mm: [f64; 3], apart: Option<usize>) -> Vec<f32> {
    let mask = Volume::new(shape, mask.to_vec());
    let spacing_mm = [0, 1, 2].map(|axis| if Some(axis) == apart { FAR_MM } else { spacing_mm[axis] });
    let [to_outside, to_inside] = [false, true].map(|side| NearestSet::of(&mask, spacing_mm, |&inside| inside == side));
    let signed = |(idx, &inside): (usize, &bool)| {
        let at = [idx / (shape[1] * shape[2]), idx / shape[2] % shape[1], idx % shape[2]];
        let other = if inside { &to_outside } else { &to_inside };
        let distance = other.distance(at).unwrap_or(FAR_MM).min(FAR_MM) as f32;
        if inside { distance } else { -distance }
    };
    mask.voxels().par_iter().enumerate().map(signed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same, by looking at every pair.
    fn naive(mask: &[bool], shape: [usize; 3], spacing_mm: [f64; 3], apart: Option<usize>) -> Vec<f32> {
        let place = |i: usize| [i / (shape[1] * shape[2]), i / shape[2] % shape[1], i % shape[2]];
        let distance =
            |a: [usize; 3], b: [usize; 3]| (0..3).map(|k| ((a[k] as f64 - b[k] as f64) * spacing_mm[k]).powi(2)).sum::<f64>().sqrt() as f32;
        let nearest = |i: usize| {
            let others = (0..mask.len()).filter(|&j| mask[j] != mask[i] && apart.is_none_or(|axis| place(i)[axis] == place(j)[axis]));
            others.map(|j| distance(place(i), place(j))).fold(f32::INFINITY, f32::min)
        };
        (0..mask.len()).map(|i| if mask[i] { nearest(i) } else { -nearest(i) }).collect()
    }

    #[test]
    fn distances_are_those_of_every_pair() {
        for (case, (shape, spacing_mm)) in
            [([3, 4, 5], [5.0, 0.5, 0.7]), ([1, 7, 6], [1.0; 3]), ([6, 1, 1], [2.0, 1.0, 1.0]), ([4, 4, 4], [0.3, 2.0, 1.0])]
                .into_iter()
                .enumerate()
        {
            let n = shape.iter().product::<usize>();
            let mask: Vec<bool> = (0..n).map(|i| (i * 7919 + case * 31) % 11 < 4).collect();
            for apart in [None, Some(0), Some(2)] {
                for (found, expected) in signed_mm(&mask, shape, spacing_mm, apart).iter().zip(naive(&mask, shape, spacing_mm, apart)) {
                    let is_far = expected.is_infinite() && found.abs() > 1e9 && found.signum() == expected.signum();
                    assert!(
                        is_far || (found - expected).abs() < 1e-4 * expected.abs(),
                        "{shape:?}, {apart:?}: {found} instead of {expected}"
                    );
                }
            }
        }
    }
}
