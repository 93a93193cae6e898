//! How often each axis is halved and which kernels each stage gets (nnU-Net's `get_pool_and_conv_props`).
//!
//! An axis is halved as long as at least 4 voxels are left and its spacing is within a factor of 2 of the finest, so
//! that thick slices wait until the others have caught up; a kernel spans an axis from the stage where that holds. Where
//! this halves nothing, because the images are tiny, there is still one halving: a U-Net has two stages at least.

use sagittal_image::Rank;

/// Fewest voxels an axis is halved to.
const SMALLEST_FEATURE_MAP: f64 = 4.0;

/// Stages of a U-Net for one patch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Topology {
    /// Convolution kernel of every stage.
    pub(super) kernels: Vec<[usize; 3]>,
    /// Stride of every stage.
    pub(super) strides: Vec<[usize; 3]>,
    /// The patch, enlarged to a multiple of the divisor.
    pub(super) patch: [usize; 3],
    /// Product of the strides.
    pub(super) divisor: [usize; 3],
}

impl Topology {
    /// The topology for a patch of the given spacing; in 2-D the first axis stays out. A patch that is a median of sizes
    /// may end in a half.
    pub(super) fn of(mut spacing: [f64; 3], patch: [f64; 3], rank: Rank) -> Self {
        let axes = if rank == Rank::Two { 1..3 } else { 0..3 };
        let mut size = patch;
        let mut kernel = [1; 3];
        let mut divisor = [1; 3];
        let (mut kernels, mut strides) = (Vec::new(), vec![[1; 3]]);
        loop {
            let large: Vec<usize> = axes.clone().filter(|&axis| size[axis] >= 2.0 * SMALLEST_FEATURE_MAP).collect();
            let finest = |axes: &mut dyn Iterator<Item = usize>| axes.map(|axis| spacing[axis]).fold(f64::INFINITY, f64::min);
            let finest_large = finest(&mut large.iter().copied());
            let mut halved: Vec<usize> = large.into_iter().filter(|&axis| spacing[axis] / finest_large < 2.0).collect();
            let finest_all = finest(&mut axes.clone());
            let is_over = match halved[..] {
                [] => true,
                [only] => size[only] < 3.0 * SMALLEST_FEATURE_MAP,
                _ => false,
            };
            match (is_over, strides.len()) {
                (false, _) => {}
                (true, 1) => halved = axes.clone().filter(|&axis| spacing[axis] / finest_all < 2.0).collect(),
                (true, _) => break,
            }
            for axis in axes.clone() {
                if spacing[axis] / finest_all < 2.0 {
                    kernel[axis] = 3;
                }
            }
            let mut stride = [1; 3];
            for axis in halved {
                stride[axis] = 2;
                divisor[axis] *= 2;
                spacing[axis] *= 2.0;
                size[axis] = (size[axis] / 2.0).ceil();
            }
            kernels.push(kernel);
            strides.push(stride);
        }
        // The bottleneck always looks along every axis.
        kernels.push(std::array::from_fn(|axis| if axes.contains(&axis) { 3 } else { 1 }));
        let patch = std::array::from_fn(|axis| (patch[axis].ceil() as usize).next_multiple_of(divisor[axis]));
        Self { kernels, strides, patch, divisor }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topologies_are_nnu_nets() {
        struct Case {
            spacing: [f64; 3],
            patch: [usize; 3],
            rank: Rank,
            strides: &'static [[usize; 3]],
            kernels: &'static [[usize; 3]],
            enlarged: [usize; 3],
        }
        let cases = [
            // Hippocampus 3-D: its plans.
            Case {
                spacing: [1.0; 3],
                patch: [36, 50, 35],
                rank: Rank::Three,
                strides: &[[1; 3], [2; 3], [2; 3], [2; 3]],
                kernels: &[[3; 3], [3; 3], [3; 3], [3; 3]],
                enlarged: [40, 56, 40],
            },
            // Hippocampus 2-D.
            Case {
                spacing: [1.0; 3],
                patch: [1, 50, 35],
                rank: Rank::Two,
                strides: &[[1; 3], [1, 2, 2], [1, 2, 2], [1, 2, 2]],
                kernels: &[[1, 3, 3]; 4],
                enlarged: [1, 56, 40],
            },
            // Thick slices: the first axis is convolved and halved later (prostate, spacing 3.6 x 0.62 x 0.62).
            Case {
                spacing: [3.6, 0.625, 0.625],
                patch: [20, 320, 256],
                rank: Rank::Three,
                strides: &[[1; 3], [1, 2, 2], [1, 2, 2], [2, 2, 2], [2, 2, 2], [1, 2, 2], [1, 2, 2]],
                kernels: &[[1, 3, 3], [1, 3, 3], [3; 3], [3; 3], [3; 3], [3; 3], [3; 3]],
                enlarged: [20, 320, 256],
            },
            // Too small to halve: halved once all the same.
            Case {
                spacing: [1.0; 3],
                patch: [5, 6, 7],
                rank: Rank::Three,
                strides: &[[1; 3], [2; 3]],
                kernels: &[[3; 3]; 2],
                enlarged: [6, 6, 8],
            },
            // One axis alone needs 12.
            Case {
                spacing: [1.0; 3],
                patch: [5, 6, 11],
                rank: Rank::Three,
                strides: &[[1; 3], [2; 3]],
                kernels: &[[3; 3]; 2],
                enlarged: [6, 6, 12],
            },
            // One voxel.
            Case {
                spacing: [1.0; 3],
                patch: [1, 1, 1],
                rank: Rank::Two,
                strides: &[[1; 3], [1, 2, 2]],
                kernels: &[[1, 3, 3]; 2],
                enlarged: [1, 2, 2],
            },
        ];
        for case in cases {
            let found = Topology::of(case.spacing, case.patch.map(|size| size as f64), case.rank);
            assert_eq!(found.strides, case.strides, "{:?}", case.patch);
            assert_eq!(found.kernels, case.kernels, "{:?}", case.patch);
            assert_eq!(found.patch, case.enlarged);
        }
    }
}
