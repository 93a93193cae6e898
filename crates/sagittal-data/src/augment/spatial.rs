//! Rotation and scaling about the middle of the patch, read straight from the case.
//!
//! Output voxel `o` looks at `M (o - (patch - 1) / 2) + lower + (size - 1) / 2`, where `size` is that of the box drawn
//! by the sampler and `M = Rz Ry Rx S`. Images are interpolated linearly, 0 outside the box and the case; of the labels
//! around a point the one with the largest weight wins, where [`OUTSIDE`] stands for all that lies beyond box and case; of
//! equals it is that of the nearest voxel, else the lowest. Weights are compared in half precision.
//! Source: batchgeneratorsv2, `SpatialTransform`.

mod rows;

use super::draw;
use crate::{
    plan::{AugmentationPlan, Plan},
    preprocess::OUTSIDE,
    training_set::Window,
};
use rand::{Rng, RngExt};
use rows::{Bilinear, Row, Trilinear};

/// The smallest scale the enlarged box is made for; a smaller one sees 0 at its border, as in nnU-Net.
const SMALLEST_SCALE: f64 = 0.85;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Params {
    /// Output offsets from the middle => source offsets.
    matrix: [[f64; 3]; 3],
    /// Whether slices are mapped to themselves.
    within_slices: bool,
}

/// The box a patch may need when it is rotated and scaled (nnU-Net's `get_patch_size`).
pub fn source_size(plan: &Plan) -> [usize; 3] {
    let rotation = &plan.training.augmentation.rotation;
    let patch = plan.input_size();
    // Around a whole picture there is nothing.
    if plan.network.whole_image().is_some() {
        return patch;
    }
    let flat = patch[0] == 1 || rotation.within_slices;
    let size = patch.map(|size| size as f64);
    let mut largest = size;
    for axis in 0..3 {
        if flat && axis > 0 {
            continue;
        }
        let (sin, cos) = rotation.degrees[axis].min(90.0).to_radians().sin_cos();
        // The corner turned by the largest angle, as a row vector times the rotation about `axis`.
        let [p, q] = match axis {
            0 => [1, 2],
            1 => [2, 0],
            _ => [0, 1],
        };
        largest[p] = largest[p].max((size[p] * cos + size[q] * sin).abs());
        largest[q] = largest[q].max((size[q] * cos - size[p] * sin).abs());
    }
    std::array::from_fn(|axis| if flat && axis == 0 { patch[0] } else { (largest[axis] / SMALLEST_SCALE) as usize })
}

pub(super) fn sample(plan: &AugmentationPlan, patch: [usize; 3], rng: &mut impl Rng) -> Option<Params> {
    let rotated = rng.random_bool(plan.rotation.probability);
    let scaled = rng.random_bool(plan.scaling.probability);
    if !rotated && !scaled {
        return None;
    }
    let within_slices = patch[0] == 1 || plan.rotation.within_slices;
    let angle = |axis: usize, rng: &mut _| {
        if rotated && !(within_slices && axis > 0) {
            draw::uniform([-plan.rotation.degrees[axis], plan.rotation.degrees[axis]], rng)
        } else {
            0.0
        }
    };
    let angles: [f64; 3] = std::array::from_fn(|axis| angle(axis, rng).to_radians());
    let scale = if scaled { draw::uniform(plan.scaling.range, rng) } else { 1.0 };
    Some(Params::new(angles, scale, within_slices))
}

impl Params {
    /// Turned by angles about every axis, in radians, and scaled.
    pub(super) fn new(angles: [f64; 3], scale: f64, within_slices: bool) -> Self {
        Self { matrix: matrix(angles, if within_slices { [1.0, scale, scale] } else { [scale; 3] }), within_slices }
    }
}

/// `R2 R1 R0 S`, where `Ra` turns about axis `a`.
fn matrix(angles: [f64; 3], scale: [f64; 3]) -> [[f64; 3]; 3] {
    let mut matrix = [[scale[0], 0.0, 0.0], [0.0, scale[1], 0.0], [0.0, 0.0, scale[2]]];
    for (axis, angle) in angles.into_iter().enumerate() {
        let (sin, cos) = angle.sin_cos();
        let rotation = match axis {
            0 => [[1.0, 0.0, 0.0], [0.0, cos, -sin], [0.0, sin, cos]],
            1 => [[cos, 0.0, sin], [0.0, 1.0, 0.0], [-sin, 0.0, cos]],
            _ => [[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]],
        };
        matrix = std::array::from_fn(|i| std::array::from_fn(|j| (0..3).map(|k| rotation[i][k] * matrix[k][j]).sum()));
    }
    matrix
}

/// Makes a rotated or scaled patch: its image, its labels, and what the previous stage of a cascade found (else empty).
pub(super) fn transform(
    params: &Params,
    window: &Window<'_>,
    lower: [i64; 3],
    size: [usize; 3],
    patch: [usize; 3],
    image: &mut [f32],
    [labels, previous]: [&mut [i16]; 2],
) {
    let [n_z, n_y, n_x] = patch;
    let n_voxels = n_z * n_y * n_x;
    // Positions are taken from the first voxel of the buffer, so that they are small and exact enough in f32.
    let centre: [f64; 3] = std::array::from_fn(|axis| lower[axis] as f64 + (size[axis] as f64 - 1.0) / 2.0 - window.origin[axis] as f64);
    let half: [f64; 3] = patch.map(|size| (size as f64 - 1.0) / 2.0);
    let matrix = &params.matrix;
    let (mut trilinear, mut bilinear) = (Trilinear::new(window, n_x), Bilinear::new(window, n_x));
    for z in 0..n_z {
        for y in 0..n_y {
            let from = [z as f64 - half[0], y as f64 - half[1], -half[2]];
            let start: [f64; 3] = std::array::from_fn(|axis| centre[axis] + (0..3).map(|k| matrix[axis][k] * from[k]).sum::<f64>());
            let step: [f64; 3] = std::array::from_fn(|axis| matrix[axis][2]);
            let row: &mut dyn Row = if params.within_slices { &mut bilinear } else { &mut trilinear };
            row.place(start, step);
            let at = (z * n_y + y) * n_x;
            for (channel, source) in window.data.chunks_exact(window.n_voxels().max(1)).enumerate() {
                row.image(source, &mut image[channel * n_voxels + at..][..n_x]);
            }
            row.labels(&window.labels, &mut labels[at..][..n_x]);
            if !previous.is_empty() {
                row.labels(&window.previous, &mut previous[at..][..n_x]);
            }
        }
    }
    if window.n_voxels() == 0 {
        image.fill(0.0);
    }
}

/// Copies the middle of the box as it is; 0 and [`OUTSIDE`] beyond the case.
pub(super) fn cut_out(
    window: &Window<'_>,
    lower: [i64; 3],
    size: [usize; 3],
    patch: [usize; 3],
    image: &mut [f32],
    [labels, previous]: [&mut [i16]; 2],
) {
    image.fill(0.0);
    labels.fill(OUTSIDE);
    previous.fill(OUTSIDE);
    let first: [i64; 3] = std::array::from_fn(|axis| lower[axis] + (size[axis] / 2) as i64 - (patch[axis] / 2) as i64);
    let range = |axis: usize| {
        let from = first[axis].max(window.lower[axis] as i64);
        let to = (first[axis] + patch[axis] as i64).min(window.upper[axis] as i64);
        from..to.max(from)
    };
    let [n_z, n_y, n_x] = patch;
    let n_voxels = n_z * n_y * n_x;
    let xs = range(2);
    let width = (xs.end - xs.start) as usize;
    for z in range(0) {
        for y in range(1) {
            let source = [z, y, xs.start];
            let from =
                (0..3).fold(0, |index, axis| index * window.shape[axis] + (source[axis] as usize).saturating_sub(window.origin[axis]));
            let to = (0..3).fold(0, |index, axis| index * patch[axis] + (source[axis] - first[axis]) as usize);
            if width == 0 {
                continue;
            }
            for (channel, voxels) in window.data.chunks_exact(window.n_voxels()).enumerate() {
                image[channel * n_voxels + to..][..width].copy_from_slice(&voxels[from..][..width]);
            }
            labels[to..][..width].copy_from_slice(&window.labels[from..][..width]);
            if !previous.is_empty() {
                previous[to..][..width].copy_from_slice(&window.previous[from..][..width]);
            }
        }
    }
}

#[cfg(test)]
mod tests;
