//! The fast norm against its naive twin, and the twin's gradient against differences.

use super::*;
use crate::testing::{Random, check_gradient, instruction_sets, noise, relative_error, wide, with_threads};
use crate::with_simd;

const EPS: f32 = 1e-5;
const SLOPE: f32 = 0.01;
/// Largest error over the root mean square of the result: a few roundings of single precision, and twenty times as much
/// where a mean of twenty standard deviations is taken away. (With two or three voxels the gradient is all cancellation;
/// the shapes have more.)
const TOLERANCE: f64 = 2e-4;

fn check(shape: &NormShape, offset: f32, seed: u64) {
    let c = shape.channels;
    let x: Vec<f32> = noise(shape.n_values(), seed).iter().map(|x| x + offset).collect();
    let (gamma, beta, d_y) = (noise(c, seed + 1), noise(c, seed + 2), noise(shape.n_values(), seed + 3));
    let (eps, slope) = (f64::from(EPS), f64::from(SLOPE));
    let expected = naive::norm_activation(shape, &wide(&x), &wide(&gamma), &wide(&beta), eps, slope);
    let (d_x64, d_gamma64, d_beta64) =
        naive::norm_activation_backward(shape, &wide(&x), &wide(&gamma), &wide(&beta), eps, slope, &wide(&d_y));
    let close = |what: &str, found: &[f32], expected: &[f64]| {
        let error = relative_error(found, expected);
        assert!(error < TOLERANCE, "{what} of {shape:?} + {offset} is off by {error:.1e}");
    };
    let (mut y, mut mean, mut inv_std) = (vec![f32::NAN; x.len()], vec![f32::NAN; shape.batch * c], vec![f32::NAN; shape.batch * c]);
    norm_activation(shape, &x, &gamma, &beta, EPS, SLOPE, &mut y, &mut mean, &mut inv_std);
    close("output", &y, &expected.y);
    for (i, (&found, expected_mean)) in mean.iter().zip(&expected.mean).enumerate() {
        let error = (f64::from(found) - expected_mean).abs() * expected.inv_std[i];
        assert!(error < TOLERANCE, "mean of {shape:?} + {offset} is off by {error:.1e} standard deviations");
    }
    close("deviation", &inv_std, &expected.inv_std);
    let mut in_place = x.clone();
    norm_activation_in_place(shape, &mut in_place, &gamma, &beta, EPS, SLOPE, &mut mean, &mut inv_std);
    assert_eq!(in_place, y, "in place, {shape:?}");

    let (mut d_x, mut d_gamma, mut d_beta) = (vec![f32::NAN; x.len()], vec![f32::NAN; c], vec![f32::NAN; c]);
    norm_activation_backward(shape, &x, &mean, &inv_std, &gamma, &beta, SLOPE, &d_y, &mut d_x, &mut d_gamma, &mut d_beta);
    close("input gradient", &d_x, &d_x64);
    close("gamma gradient", &d_gamma, &d_gamma64);
    close("beta gradient", &d_beta, &d_beta64);
    let mut in_place = d_y.clone();
    norm_activation_backward_in_place(shape, &x, &mean, &inv_std, &gamma, &beta, SLOPE, &mut in_place, &mut d_gamma, &mut d_beta);
    assert_eq!(in_place, d_x, "gradient in place, {shape:?}");
}

#[test]
fn random_shapes_agree_with_the_naive_twin() {
    let mut random = Random(5);
    for seed in 0..60 {
        let shape = NormShape {
            batch: random.between(1, 3),
            voxels: random.one_of(&[5, 16, 17, 100, 1000, 3001]),
            channels: random.one_of(&[1, 2, 3, 8, 15, 16, 20, 32, 33]),
        };
        for simd in instruction_sets() {
            with_simd(simd, || check(&shape, [0.0, 3.0, -20.0][seed as usize % 3], seed));
        }
    }
}

#[test]
fn a_single_voxel_becomes_beta() {
    let shape = NormShape { batch: 1, voxels: 1, channels: 2 };
    let (mut y, mut mean, mut inv_std) = ([0.0; 2], [0.0; 2], [0.0; 2]);
    norm_activation(&shape, &[7.0, -3.0], &[1.0, 1.0], &[0.5, -2.0], EPS, SLOPE, &mut y, &mut mean, &mut inv_std);
    for (found, expected) in y.iter().zip([0.5, -0.02]) {
        assert!((found - expected).abs() < 1e-4, "{y:?}");
    }
    assert_eq!(mean, [7.0, -3.0]);
}

#[test]
fn results_do_not_depend_on_the_threads() {
    let shape = NormShape { batch: 2, voxels: 5000, channels: 20 };
    let (x, d_y, gamma) = (noise(shape.n_values(), 1), noise(shape.n_values(), 2), noise(20, 3));
    let run = || {
        let (mut y, mut mean, mut inv_std) = (x.clone(), vec![0.0; 40], vec![0.0; 40]);
        norm_activation_in_place(&shape, &mut y, &gamma, &gamma, EPS, SLOPE, &mut mean, &mut inv_std);
        let (mut d, mut d_gamma, mut d_beta) = (d_y.clone(), vec![0.0; 20], vec![0.0; 20]);
        norm_activation_backward_in_place(&shape, &x, &mean, &inv_std, &gamma, &gamma, SLOPE, &mut d, &mut d_gamma, &mut d_beta);
        [y, mean, inv_std, d, d_gamma, d_beta].concat()
    };
    assert_eq!(with_threads(1, run), with_threads(3, run));
}

#[test]
fn naive_gradients_equal_differences_of_the_naive_output() {
    /// Central differences in f64 with a step of 1e-5: the truncation is some 1e-9 of the function's curvature.
    const TOLERANCE: f64 = 1e-6;
    let shape = NormShape { batch: 2, voxels: 5, channels: 3 };
    let (x, gamma, beta) = (wide(&noise(30, 1)), wide(&noise(3, 2)), wide(&noise(3, 3)));
    let d_y = wide(&noise(30, 4));
    let value = |x: &[f64], gamma: &[f64], beta: &[f64]| {
        let y = naive::norm_activation(&shape, x, gamma, beta, 1e-5, 0.01).y;
        y.iter().zip(&d_y).map(|(y, d)| y * d).sum::<f64>()
    };
    let (d_x, d_gamma, d_beta) = naive::norm_activation_backward(&shape, &x, &gamma, &beta, 1e-5, 0.01, &d_y);
    check_gradient(&x, &d_x, TOLERANCE, |x| value(x, &gamma, &beta));
    check_gradient(&gamma, &d_gamma, TOLERANCE, |gamma| value(&x, gamma, &beta));
    check_gradient(&beta, &d_beta, TOLERANCE, |beta| value(&x, &gamma, beta));
}
