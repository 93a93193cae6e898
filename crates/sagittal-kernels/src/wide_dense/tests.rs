use super::*;
use crate::{
    simd::with_simd,
    testing::{instruction_sets, noise},
};

/// Float32 through transforms of up to 2^15 numbers, relative to the largest value.
const TOLERANCE: f64 = 2e-6;

struct Case {
    /// Kernel and channels of each tower.
    towers: &'static [([usize; 3], usize)],
    size_out: [usize; 3],
    units: usize,
    next: usize,
}

fn check(case: &Case) {
    let features: Vec<(Vec<f32>, [usize; 3])> = case
        .towers
        .iter()
        .enumerate()
        .map(|(i, (kernel, channels))| {
            let size: [usize; 3] = std::array::from_fn(|axis| case.size_out[axis] + kernel[axis] - 1);
            (noise(size.iter().product::<usize>() * channels, i as u64 + 1), size)
        })
        .collect();
    let towers: Vec<WideTower<'_>> = features
        .iter()
        .zip(case.towers)
        .map(|((features, size), (kernel, channels))| WideTower { features, size: *size, channels: *channels, kernel: *kernel })
        .collect();
    let row: usize = towers.iter().map(WideTower::n_weights).sum();
    let (weight, bias) = (noise(case.units * row, 7), noise(case.units, 8));
    let (next_weight, next_bias) = (noise(case.next * case.units, 9), noise(case.next, 10));
    let relu = |units: &mut [f32]| units.iter_mut().for_each(|unit| *unit = unit.max(0.0));
    let layer = WideLayer { weight: &weight, bias: &bias, activation: &relu, next_weight: &next_weight, next_bias: &next_bias };
    let expected = naive::wide_dense(&towers, &layer);
    let scale = expected.iter().fold(0.0, |most: f64, value| most.max(value.abs()));
    for simd in instruction_sets() {
        let mut found = vec![f32::NAN; expected.len()];
        with_simd(simd, || wide_dense(&towers, &layer, &mut found));
        let worst = found.iter().zip(&expected).map(|(found, expected)| (f64::from(*found) - expected).abs()).fold(0.0, f64::max);
        assert!(worst <= TOLERANCE * scale, "{simd:?}, {:?} to {:?}: {worst:e} of {scale}", case.towers, case.size_out);
    }
}

#[test]
fn every_voxel_gets_what_it_would_get_by_itself() {
    let cases = [
        // A slice, one tile and several, with a border that is cut off.
        Case { towers: &[([1, 4, 4], 3)], size_out: [1, 5, 5], units: 5, next: 2 },
        Case { towers: &[([1, 5, 5], 18)], size_out: [3, 21, 30], units: 33, next: 3 },
        // Volumes, odd kernels.
        Case { towers: &[([4, 4, 4], 2)], size_out: [6, 7, 9], units: 16, next: 1 },
        Case { towers: &[([3, 5, 2], 17)], size_out: [2, 3, 11], units: 4, next: 2 },
        // Three perpendicular towers.
        Case { towers: &[([1, 4, 4], 3), ([4, 1, 4], 3), ([4, 4, 1], 3)], size_out: [6, 5, 4], units: 7, next: 2 },
        // One voxel; no kernel to speak of.
        Case { towers: &[([2, 2, 2], 1)], size_out: [1, 1, 1], units: 1, next: 1 },
        Case { towers: &[([1, 1, 1], 4)], size_out: [2, 3, 4], units: 3, next: 2 },
    ];
    cases.iter().for_each(check);
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let features = noise(12 * 30 * 25 * 9, 1);
    let tower = WideTower { features: &features, size: [12, 30, 25], channels: 9, kernel: [4, 4, 4] };
    let (weight, bias, next) = (noise(20 * 9 * 64, 2), noise(20, 3), noise(40, 4));
    let layer = WideLayer { weight: &weight, bias: &bias, activation: &|_| {}, next_weight: &next, next_bias: &[0.5, 0.0] };
    let of = |threads: usize| {
        let mut output = vec![0.0; tower.size_out().iter().product::<usize>() * 2];
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        pool.install(|| wide_dense(&[tower], &layer, &mut output));
        output
    };
    assert_eq!(of(1), of(3));
}

#[test]
fn large_regions_are_worth_the_transforms_and_single_voxels_are_not() {
    let tower = |size_out: [usize; 3], kernel: [usize; 3]| WideTower {
        features: &[],
        size: std::array::from_fn(|axis| size_out[axis] + kernel[axis] - 1),
        channels: 50,
        kernel,
    };
    assert!(wide_dense_pays(&[tower([1, 40, 40], [1, 16, 16])]));
    assert!(wide_dense_pays(&[tower([30, 40, 30], [16; 3])]));
    assert!(!wide_dense_pays(&[tower([1, 1, 1], [1, 16, 16])]));
    assert!(!wide_dense_pays(&[tower([1, 1, 1], [16; 3])]));
    // No kernel: a product for every voxel is all there is to do.
    assert!(!wide_dense_pays(&[tower([30, 30, 30], [1; 3])]));
}
