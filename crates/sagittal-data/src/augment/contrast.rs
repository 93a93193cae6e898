//! Contrast about the mean, within the range the channel had.

use super::gamma::Moments;

pub(super) fn apply(factor: f32, voxels: &mut [f32]) {
    let Moments { mean, low, high, .. } = Moments::of(voxels);
    voxels.iter_mut().for_each(|voxel| *voxel = ((*voxel - mean) * factor + mean).max(low).min(high));
}
