#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::{Seed, TrainingCase, planner::example_plan, training_set::StoredCase};
use rand::RngExt;

fn case([c, z, y, x]: [usize; 4]) -> StoredCase {
    let mut rng = Seed(3).stream(&[]);
    let n = z * y * x;
    let data = (0..c * n).map(|_| rng.random_range(-1.0..1.0)).collect();
    // Blocks of labels, the outside among them.
    let labels: Vec<i16> = (0..n).map(|index| [0, 1, 2, OUTSIDE][(index / 3 + index / x / 2 + index / (x * y)) % 4]).collect();
    StoredCase::in_memory(TrainingCase {
        id: "x".into(),
        data,
        // As the labels, so that they must be treated as those.
        previous: labels.clone(),
        labels,
        shape: [c, z, y, x],
        class_sizes: vec![],
        class_locations: vec![],
        labelled_locations: vec![],
    })
}

/// Voxel by voxel in f64, as the head of the module says.
fn transform_naive(
    params: &Params,
    window: &Window<'_>,
    lower: [i64; 3],
    size: [usize; 3],
    patch: [usize; 3],
    n_channels: usize,
) -> (Vec<f32>, Vec<Vec<(i16, f64)>>) {
    let n = patch.iter().product::<usize>();
    let (mut image, mut weights) = (vec![0.0; n_channels * n], Vec::new());
    for index in 0..n {
        let output = [index / (patch[1] * patch[2]), index / patch[2] % patch[1], index % patch[2]];
        let offset: [f64; 3] = std::array::from_fn(|axis| output[axis] as f64 - (patch[axis] as f64 - 1.0) / 2.0);
        let position: [f64; 3] = std::array::from_fn(|axis| {
            (0..3).map(|k| params.matrix[axis][k] * offset[k]).sum::<f64>() + lower[axis] as f64 + (size[axis] as f64 - 1.0) / 2.0
        });
        let mut sums: Vec<(i16, f64)> = Vec::new();
        for corner in 0..8 {
            let at: [i64; 3] = std::array::from_fn(|axis| position[axis].floor() as i64 + (corner >> axis & 1));
            let weight: f64 = (0..3).map(|axis| 1.0 - (position[axis] - at[axis] as f64).abs()).product();
            let inside = (0..3).all(|axis| at[axis] >= window.lower[axis] as i64 && at[axis] < window.upper[axis] as i64);
            if weight <= 0.0 {
                continue;
            }
            let mut label = OUTSIDE;
            if inside {
                let from = (0..3).fold(0, |index, axis| index * window.shape[axis] + at[axis] as usize - window.origin[axis]);
                for channel in 0..n_channels {
                    image[channel * n + index] += (weight * f64::from(window.data[channel * window.n_voxels() + from])) as f32;
                }
                label = window.labels[from];
            }
            match sums.iter_mut().find(|(other, _)| *other == label) {
                Some((_, sum)) => *sum += weight,
                None => sums.push((label, weight)),
            }
        }
        weights.push(sums);
    }
    (image, weights)
}

#[test]
fn rotated_and_scaled_patches_are_the_naive_ones() {
    struct Case {
        shape: [usize; 4],
        patch: [usize; 3],
        lower: [i64; 3],
        degrees: [f64; 3],
        scale: [f64; 3],
    }
    let cases = [
        // Inside, three axes, two channels.
        Case { shape: [2, 20, 22, 24], patch: [8, 10, 12], lower: [4, 5, 6], degrees: [20.0, -30.0, 11.0], scale: [1.2; 3] },
        // Hanging over two borders.
        Case { shape: [1, 9, 10, 11], patch: [8, 12, 10], lower: [-6, 4, -2], degrees: [-30.0, 5.0, 30.0], scale: [0.7; 3] },
        // Scaled only, odd sizes.
        Case { shape: [1, 9, 9, 9], patch: [7, 9, 5], lower: [0, -3, 2], degrees: [0.0; 3], scale: [1.4; 3] },
        // Within slices.
        Case { shape: [1, 5, 20, 20], patch: [4, 12, 16], lower: [0, 1, -4], degrees: [170.0, 0.0, 0.0], scale: [1.0, 0.8, 0.8] },
        // A picture.
        Case { shape: [3, 1, 30, 20], patch: [1, 16, 16], lower: [0, 3, 1], degrees: [-77.0, 0.0, 0.0], scale: [1.0, 1.3, 1.3] },
        // Wholly outside.
        Case { shape: [1, 4, 4, 4], patch: [4, 4, 4], lower: [90, 0, 0], degrees: [10.0; 3], scale: [1.0; 3] },
    ];
    for Case { shape, patch, lower, degrees, scale } in cases {
        let case = case(shape);
        let size = patch.map(|size| if size == 1 { 1 } else { size + 5 });
        let within_slices = degrees[1] == 0.0 && degrees[0] != 0.0;
        let size = if within_slices { [patch[0], size[1], size[2]] } else { size };
        let params = Params { matrix: matrix(degrees.map(f64::to_radians), scale), within_slices };
        let upper = std::array::from_fn(|axis| lower[axis] + size[axis] as i64);
        let window = case.window(lower, upper).unwrap();
        let n: usize = patch.iter().product();
        let (mut image, mut labels, mut previous) = (vec![9.0; shape[0] * n], vec![9; n], vec![7; n]);
        transform(&params, &window, lower, size, patch, &mut image, [&mut labels, &mut previous]);
        assert_eq!(labels, previous);
        let (expected, weights) = transform_naive(&params, &window, lower, size, patch, shape[0]);
        for (found, expected) in image.iter().zip(&expected) {
            assert!((found - expected).abs() < 2e-4, "{patch:?}: {found} for {expected}");
        }
        for (index, (label, sums)) in labels.iter().zip(&weights).enumerate() {
            let largest = sums.iter().map(|(_, sum)| *sum).fold(0.0, f64::max);
            let own = sums.iter().find(|(other, _)| other == label).map_or(0.0, |(_, sum)| *sum);
            // Ties may fall either way in half precision.
            assert!(largest - own < 1e-3, "{patch:?} voxel {index}: {label} of {sums:?}");
        }
    }
}

#[test]
fn no_rotation_is_a_cut_out() {
    let case = case([2, 12, 14, 16]);
    let (patch, size, lower) = ([6, 8, 10], [8, 10, 12], [-3, 2, 5]);
    let window = case.window(lower, [5, 12, 17]).unwrap();
    let (mut turned, mut cut) = ((vec![0.0; 960], vec![0; 480]), (vec![7.0; 960], vec![7; 480]));
    transform(
        &Params { matrix: matrix([0.0; 3], [1.0; 3]), within_slices: false },
        &window,
        lower,
        size,
        patch,
        &mut turned.0,
        [&mut turned.1, &mut []],
    );
    let mut previous = vec![7; 480];
    cut_out(&window, lower, size, patch, &mut cut.0, [&mut cut.1, &mut previous]);
    assert_eq!(cut.1, previous);
    assert!(turned.0.iter().zip(&cut.0).all(|(a, b)| (a - b).abs() < 1e-6));
    assert_eq!(turned.1, cut.1);
}

#[test]
fn source_sizes_are_nnu_nets() {
    // nnU-Net's get_patch_size: the corner turned by the largest angle, divided by 0.85, truncated.
    let mut plan = example_plan();
    assert_eq!(source_size(&plan), [73, 80, 64]);
    plan.patch = [1, 256, 256];
    plan.training.augmentation = AugmentationPlan::nnunet(plan.patch);
    assert_eq!(source_size(&plan), [1, 301, 301]);
    plan.patch = [16, 320, 256];
    plan.training.augmentation = AugmentationPlan::nnunet(plan.patch);
    assert_eq!(source_size(&plan), [16, 376, 376]);
}
