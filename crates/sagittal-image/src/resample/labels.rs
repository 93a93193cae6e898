//! Label maps on new grids.

use rayon::prelude::*;

use super::{Interpolation, along_first, line::Line, nearest_slices, separate_axis};
use crate::Volume;

/// A type of label values: `u8`, `u16`, or `i16` where -1 marks what lies outside.
pub trait Label: Copy + Ord + Default + Send + Sync {}
impl Label for u8 {}
impl Label for u16 {}
impl Label for i16 {}

/// The label map with `new_shape` voxels over the same extent.
///
/// Each label is interpolated linearly as a mask of its own and set where it makes up half or more; of two labels with
/// exactly half, the larger value wins, and where none has half it is 0. Only the eight surrounding voxels matter, so
/// that no mask is made, and their weights are summed in scipy's order, so that ties fall as there.
///
/// # Panics
/// If either shape has an axis of no voxels.
pub fn resize_labels<T: Label>(volume: &Volume<T>, new_shape: [usize; 3]) -> Volume<T> {
    let shape = volume.shape();
    if shape == new_shape {
        return volume.clone();
    }
    assert!(shape.iter().chain(&new_shape).all(|n| *n > 0), "cannot resize {shape:?} to {new_shape:?}");
    let lines: [Line; 3] = std::array::from_fn(|axis| Line::new(shape[axis], new_shape[axis], Interpolation::Linear));
    let [_, ny, nx] = shape;
    let [mz, my, mx] = new_shape;
    let from = volume.voxels();
    let mut voxels = vec![T::default(); mz * my * mx];
    voxels.par_chunks_mut(my * mx).enumerate().for_each(|(z, out)| {
        let (iz, wz) = lines[0].pair(z);
        for y in 0..my {
            let (iy, wy) = lines[1].pair(y);
            let rows = [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(a, b)| &from[(iz[a] * ny + iy[b]) * nx..][..nx]);
            for x in 0..mx {
                let (ix, wx) = lines[2].pair(x);
                let labels: [T; 8] = std::array::from_fn(|i| rows[i / 2][ix[i % 2]]);
                out[y * mx + x] = if labels.iter().all(|label| *label == labels[0]) {
                    labels[0]
                } else {
                    majority(&labels, &std::array::from_fn(|i| wz[i / 4] * wy[i / 2 % 2] * wx[i % 2]))
                };
            }
        }
    });
    Volume::new(new_shape, voxels)
}

/// The largest label whose weights sum to half or more, else 0.
fn majority<T: Label>(labels: &[T; 8], weights: &[f64; 8]) -> T {
    let mut winner: Option<T> = None;
    for &label in labels {
        if winner.is_none_or(|best| label > best) {
            let sum = labels.iter().zip(weights).fold(0.0, |sum, (other, weight)| if *other == label { sum + weight } else { sum });
            if sum >= 0.5 {
                winner = Some(label);
            }
        }
    }
    winner.unwrap_or_default()
}

/// Labels on a new grid, or within slices and by the nearest slice across them for anisotropic images.
///
/// # Panics
/// If either shape has an axis of no voxels.
pub fn resample_labels<T: Label>(
    volume: &Volume<T>,
    old_spacing_mm: [f64; 3],
    new_spacing_mm: [f64; 3],
    new_shape: [usize; 3],
) -> Volume<T> {
    match separate_axis(old_spacing_mm, new_spacing_mm) {
        _ if volume.shape() == new_shape => volume.clone(),
        None => resize_labels(volume, new_shape),
        Some(axis) => along_first(volume, axis, new_shape, |volume, [n_slices, y, x]| {
            let slices = resize_labels(volume, [volume.shape()[0], y, x]);
            nearest_slices(&slices, n_slices)
        }),
    }
}
