//! Loss of resolution: the channel is sampled on a coarser grid (nearest) and brought back (linear), as if the scanner
//! had been a worse one.

use super::{Scratch, draw};
use crate::plan::LowResolutionPlan;
use rand::Rng;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Params {
    /// Part of the size that is kept, one for all axes, per channel.
    pub(super) scales: Vec<Option<f64>>,
}

pub(super) fn sample(plan: &LowResolutionPlan, n_channels: usize, rng: &mut impl Rng) -> Option<Params> {
    let scales = draw::per_channel(plan.probability, plan.channel_probability, n_channels, rng, |rng| draw::uniform(plan.scale, rng));
    scales.map(|scales| Params { scales })
}

pub(super) fn apply(params: &Params, channel: usize, voxels: &mut [f32], patch: [usize; 3], within_slices: bool, scratch: &mut Scratch) {
    let Some(scale) = params.scales[channel] else { return };
    let small: [usize; 3] = std::array::from_fn(|axis| {
        let spared = axis == 0 && within_slices;
        if spared { patch[axis] } else { ((patch[axis] as f64 * f64::from(scale as f32)).round_ties_even() as usize).max(1) }
    });
    shrink(voxels, patch, small, &mut scratch.volume);
    enlarge(&scratch.volume, small, voxels, patch, &mut scratch.row);
}

/// PyTorch's `nearest-exact`.
fn shrink(voxels: &[f32], [n_z, n_y, n_x]: [usize; 3], [m_z, m_y, m_x]: [usize; 3], small: &mut Vec<f32>) {
    let nearest = |out: usize, n: usize, m: usize| (((out as f64 + 0.5) * n as f64 / m as f64) as usize).min(n - 1);
    let columns: Vec<usize> = (0..m_x).map(|x| nearest(x, n_x, m_x)).collect();
    small.clear();
    for z in 0..m_z {
        for y in 0..m_y {
            let row = &voxels[(nearest(z, n_z, m_z) * n_y + nearest(y, n_y, m_y)) * n_x..][..n_x];
            small.extend(columns.iter().map(|&x| row[x]));
        }
    }
}

/// Position before an output voxel and the weight of the next one (PyTorch's linear, `align_corners=False`).
fn linear(m: usize, n: usize) -> Vec<(usize, usize, f32)> {
    let at = |out: usize| {
        let position = ((out as f64 + 0.5) * m as f64 / n as f64 - 0.5).max(0.0);
        let below = (position as usize).min(m - 1);
        (below, (below + 1).min(m - 1), (position - below as f64) as f32)
    };
    (0..n).map(at).collect()
}

/// Trilinear enlargement, row by row: rows are mixed across Z and Y first and then stretched.
fn enlarge(small: &[f32], [m_z, m_y, m_x]: [usize; 3], voxels: &mut [f32], [n_z, n_y, n_x]: [usize; 3], mixed: &mut Vec<f32>) {
    let (along_z, along_y, along_x) = (linear(m_z, n_z), linear(m_y, n_y), linear(m_x, n_x));
    let row = |z: usize, y: usize| &small[(z * m_y + y) * m_x..][..m_x];
    mixed.resize(m_x, 0.0);
    for (out, (&(z0, z1, wz), &(y0, y1, wy))) in
        voxels.chunks_exact_mut(n_x).zip(along_z.iter().flat_map(|z| along_y.iter().map(move |y| (z, y))))
    {
        let weights = [(1.0 - wz) * (1.0 - wy), (1.0 - wz) * wy, wz * (1.0 - wy), wz * wy];
        let rows = [row(z0, y0), row(z0, y1), row(z1, y0), row(z1, y1)];
        for (x, mixed) in mixed.iter_mut().enumerate() {
            *mixed = weights[0] * rows[0][x] + weights[1] * rows[1][x] + weights[2] * rows[2][x] + weights[3] * rows[3][x];
        }
        for (out, &(x0, x1, wx)) in out.iter_mut().zip(&along_x) {
            *out = mixed[x0] + wx * (mixed[x1] - mixed[x0]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolution_is_lost_as_pytorch_does() {
        // torch.nn.functional.interpolate of [0..8) to 4 by nearest-exact, and back by linear.
        let mut voxels: Vec<f32> = (0..8).map(|value| value as f32).collect();
        apply(&Params { scales: vec![Some(0.5)] }, 0, &mut voxels, [1, 1, 8], false, &mut Scratch::default());
        assert_eq!(voxels, [1.0, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.0]);
    }

    #[test]
    fn full_size_changes_nothing_and_slices_are_spared() {
        let voxels: Vec<f32> = (0..4 * 6 * 6).map(|value| (value as f32 * 0.7).cos()).collect();
        let mut same = voxels.clone();
        apply(&Params { scales: vec![Some(1.0)] }, 0, &mut same, [4, 6, 6], false, &mut Scratch::default());
        assert_eq!(same, voxels);
        // A volume that differs from slice to slice only is not changed within slices.
        let mut steps: Vec<f32> = (0..4 * 6 * 6).map(|index| (index / 36) as f32).collect();
        let before = steps.clone();
        apply(&Params { scales: vec![Some(0.5)] }, 0, &mut steps, [4, 6, 6], true, &mut Scratch::default());
        assert_eq!(steps, before);
    }
}
