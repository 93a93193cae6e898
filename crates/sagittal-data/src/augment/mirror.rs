//! Mirroring.

use rand::{Rng, RngExt};

pub(super) fn sample(axes: &[usize], probability: f64, rng: &mut impl Rng) -> [bool; 3] {
    let mut mirrored = [false; 3];
    axes.iter().for_each(|&axis| mirrored[axis] = rng.random_bool(probability));
    mirrored
}

/// Reverses `[Z, Y, X]` along the given axes, in place.
pub(super) fn apply<T: Copy>([along_z, along_y, along_x]: [bool; 3], voxels: &mut [T], [n_z, n_y, n_x]: [usize; 3]) {
    if along_x {
        voxels.chunks_exact_mut(n_x).for_each(<[T]>::reverse);
    }
    if along_y {
        voxels.chunks_exact_mut(n_y * n_x).for_each(|slice| swap_blocks(slice, n_x));
    }
    if along_z {
        debug_assert_eq!(voxels.len(), n_z * n_y * n_x);
        swap_blocks(voxels, n_y * n_x);
    }
}

/// Reverses the order of blocks.
fn swap_blocks<T: Copy>(voxels: &mut [T], size: usize) {
    let n = voxels.len() / size;
    for block in 0..n / 2 {
        let (front, back) = voxels.split_at_mut((n - 1 - block) * size);
        front[block * size..][..size].swap_with_slice(&mut back[..size]);
    }
}
