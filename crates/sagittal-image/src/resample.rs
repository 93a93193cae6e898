//! Changing the number of voxels, as nnU-Net does it.
//!
//! A grid of `new` voxels spans the same edges as the old one: output voxel `o` looks at `(o + 0.5) * old / new - 0.5`.
//! Equal to `skimage.transform.resize(mode="edge", anti_aliasing=False, clip=True)`, which is
//! `scipy.ndimage.zoom(grid_mode=True, mode="nearest")` clipped to the input's range. The interpolation is separable:
//! it runs line by line in `f64`; between the pass within slices and the pass across them voxels are kept as `f32`.
//!
//! Anisotropic images are interpolated within their slices only, and take the nearest slice across them
//! ([`separate_axis`]). Source: nnU-Net 2.8, `resample_data_or_seg_to_shape`; batchgenerators, `resize_segmentation`.

use rayon::prelude::*;

use crate::{Volume, orientation::turn};

mod labels;
mod line;
mod taps;

pub use labels::{Label, resample_labels, resize_labels};
use line::{Column, LANES, Line};
pub use taps::{Tap, probability_taps};

/// What is assumed between voxels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Interpolation {
    /// The nearest voxel (spline order 0).
    Nearest,
    /// Straight lines (spline order 1).
    Linear,
    /// Cubic B-splines through the voxels (spline order 3).
    Cubic,
}

/// A spacing this many times another one makes an image anisotropic.
const ANISOTROPY: f64 = 3.0;
/// Columns of a slice that one task carries across the slices.
const COLUMNS: usize = 1024;

/// The volume with `new_shape` voxels over the same extent, within the range of its values.
///
/// # Panics
/// If either shape has an axis of no voxels.
pub fn resize(volume: &Volume<f32>, new_shape: [usize; 3], interpolation: Interpolation) -> Volume<f32> {
    let shape = volume.shape();
    if shape == new_shape {
        return volume.clone();
    }
    assert!(shape.iter().chain(&new_shape).all(|n| *n > 0), "cannot resize {shape:?} to {new_shape:?}");
    let range = range(volume.voxels());
    let within = [shape[0], new_shape[1], new_shape[2]];
    let slices = (within != shape).then(|| {
        let clip = if within == new_shape { Some(range) } else { None };
        resize_slices(volume, [new_shape[1], new_shape[2]], interpolation, |_| clip)
    });
    if within == new_shape {
        return slices.unwrap_or_else(|| volume.clone());
    }
    resize_across(slices.as_ref().unwrap_or(volume), new_shape[0], interpolation, range)
}

/// The memory axis whose spacing is so much larger that nothing is interpolated along it, if there is one.
///
/// The old spacing decides, then the new one; where two axes share the largest spacing there is none.
pub fn separate_axis(old_spacing_mm: [f64; 3], new_spacing_mm: [f64; 3]) -> Option<usize> {
    let spacing_mm = [old_spacing_mm, new_spacing_mm].into_iter().find(|spacing_mm| {
        let (low, high) = spacing_mm.iter().fold((f64::INFINITY, 0.0_f64), |(low, high), mm| (low.min(*mm), high.max(*mm)));
        high / low > ANISOTROPY
    })?;
    let high = spacing_mm.iter().fold(0.0_f64, |high, mm| high.max(*mm));
    // As numpy compares them: by the ratio, which is exactly 1 for equal numbers.
    let mut largest = (0..3).filter(|axis| high / spacing_mm[*axis] == 1.0);
    largest.next().filter(|_| largest.next().is_none())
}

/// Intensities on a new grid: cubic, or cubic within slices and nearest across them for anisotropic images.
///
/// # Panics
/// If either shape has an axis of no voxels.
pub fn resample_image(volume: &Volume<f32>, old_spacing_mm: [f64; 3], new_spacing_mm: [f64; 3], new_shape: [usize; 3]) -> Volume<f32> {
    resample(volume, separate_axis(old_spacing_mm, new_spacing_mm), new_shape, Interpolation::Cubic)
}

/// Probabilities or logits of one class on a new grid: linear, or linear within slices and nearest across them.
///
/// # Panics
/// If either shape has an axis of no voxels.
pub fn resample_probabilities(
    volume: &Volume<f32>,
    old_spacing_mm: [f64; 3],
    new_spacing_mm: [f64; 3],
    new_shape: [usize; 3],
) -> Volume<f32> {
    resample(volume, separate_axis(old_spacing_mm, new_spacing_mm), new_shape, Interpolation::Linear)
}

fn resample(volume: &Volume<f32>, separate: Option<usize>, new_shape: [usize; 3], interpolation: Interpolation) -> Volume<f32> {
    match separate {
        _ if volume.shape() == new_shape => volume.clone(),
        None => resize(volume, new_shape, interpolation),
        Some(axis) => along_first(volume, axis, new_shape, |volume, [n_slices, y, x]| {
            // Each slice is an image of its own: it is clipped to its own range.
            let slices = resize_slices(volume, [y, x], interpolation, |slice| Some(range(slice)));
            nearest_slices(&slices, n_slices)
        }),
    }
}

/// Does `f` with `axis` turned to be the first one.
fn along_first<T: Copy>(
    volume: &Volume<T>,
    axis: usize,
    new_shape: [usize; 3],
    f: impl FnOnce(&Volume<T>, [usize; 3]) -> Volume<T>,
) -> Volume<T> {
    let (there, back) = match axis {
        0 => return f(volume, new_shape),
        1 => ([1, 0, 2], [1, 0, 2]),
        _ => ([2, 0, 1], [1, 2, 0]),
    };
    let turned = f(&turn(volume, there, [false; 3]), there.map(|a| new_shape[a]));
    turn(&turned, back, [false; 3])
}

/// Takes for each of `n` slices the nearest one of the volume.
fn nearest_slices<T: Copy>(volume: &Volume<T>, n: usize) -> Volume<T> {
    let [z, y, x] = volume.shape();
    let line = Line::new(z, n, Interpolation::Nearest);
    let mut voxels = Vec::with_capacity(n * y * x);
    for o in 0..n {
        voxels.extend_from_slice(&volume.voxels()[line.first(o) * y * x..][..y * x]);
    }
    Volume::new([n, y, x], voxels)
}

/// The smallest and the largest value; what is not a number has no part in it.
fn range(values: &[f32]) -> [f32; 2] {
    values.iter().fold([f32::INFINITY, f32::NEG_INFINITY], |[low, high], v| [low.min(*v), high.max(*v)])
}

fn clipped(value: f64, [low, high]: [f32; 2]) -> f32 {
    // Not `clamp`, which panics where a slice holds no number at all; what is not a number stays so.
    let value = value as f32;
    if value < low {
        low
    } else if value > high {
        high
    } else {
        value
    }
}

/// Resizes every slice to `[Y, X]` and clips it to what `clip` says of it.
fn resize_slices(
    volume: &Volume<f32>,
    [my, mx]: [usize; 2],
    interpolation: Interpolation,
    clip: impl Fn(&[f32]) -> Option<[f32; 2]> + Sync,
) -> Volume<f32> {
    let [nz, ny, nx] = volume.shape();
    let (along_y, along_x) = (Line::new(ny, my, interpolation), Line::new(nx, mx, interpolation));
    let mut voxels = vec![0.0; nz * my * mx];
    let slices = voxels.par_chunks_mut(my * mx).zip(volume.voxels().par_chunks(ny * nx));
    slices.for_each_init(
        || (along_y.column(), along_x.column(), vec![0.0_f64; my * nx]),
        |(column_y, column_x, between), (out, slice)| {
            let clip = clip(slice);
            for x in (0..nx).step_by(LANES) {
                let lanes = LANES.min(nx - x);
                column_y.fill(|y, line| line.iter_mut().zip(&slice[y * nx + x..][..lanes]).for_each(|(to, from)| *to = f64::from(*from)));
                for (o, line) in column_y.interpolate(&along_y).iter().enumerate() {
                    between[o * nx + x..][..lanes].copy_from_slice(&line[..lanes]);
                }
            }
            for y in (0..my).step_by(LANES) {
                let lanes = LANES.min(my - y);
                column_x.fill(|x, line| (0..lanes).for_each(|lane| line[lane] = between[(y + lane) * nx + x]));
                for (o, line) in column_x.interpolate(&along_x).iter().enumerate() {
                    for (lane, value) in line[..lanes].iter().enumerate() {
                        out[(y + lane) * mx + o] = clip.map_or(*value as f32, |range| clipped(*value, range));
                    }
                }
            }
        },
    );
    Volume::new([nz, my, mx], voxels)
}

/// Resizes across slices to `mz` of them.
fn resize_across(volume: &Volume<f32>, mz: usize, interpolation: Interpolation, clip: [f32; 2]) -> Volume<f32> {
    let [nz, ny, nx] = volume.shape();
    let plane = ny * nx;
    let along_z = Line::new(nz, mz, interpolation);
    let mut voxels = vec![0.0; mz * plane];
    // Parts of all output slices over the same columns go to one task.
    let mut tasks: Vec<Vec<&mut [f32]>> = (0..plane.div_ceil(COLUMNS)).map(|_| Vec::with_capacity(mz)).collect();
    for slice in voxels.chunks_mut(plane) {
        tasks.iter_mut().zip(slice.chunks_mut(COLUMNS)).for_each(|(task, part)| task.push(part));
    }
    tasks.par_iter_mut().enumerate().for_each_init(
        || along_z.column(),
        |column: &mut Column, (task_idx, parts)| {
            let width = parts[0].len();
            for i in (0..width).step_by(LANES) {
                let (from, lanes) = (task_idx * COLUMNS + i, LANES.min(width - i));
                let source = volume.voxels();
                column.fill(|z, line| {
                    line.iter_mut().zip(&source[z * plane + from..][..lanes]).for_each(|(to, from)| *to = f64::from(*from))
                });
                for (part, line) in parts.iter_mut().zip(column.interpolate(&along_z)) {
                    part[i..i + lanes].iter_mut().zip(line).for_each(|(to, value)| *to = clipped(*value, clip));
                }
            }
        },
    );
    Volume::new([mz, ny, nx], voxels)
}
