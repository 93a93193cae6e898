//! The fast transposed convolution against its naive twin.

use super::*;
use crate::testing::{Random, check_gradient, instruction_sets, noise, relative_error, wide};
use crate::with_simd;

/// Largest error over the root mean square of the result: single precision over sums of up to a few thousand products.
const TOLERANCE: f64 = 2e-5;

#[test]
fn random_shapes_agree_with_the_naive_twin() {
    let mut random = Random(3);
    for seed in 0..40 {
        let shape = TransposeShape {
            batch: random.between(1, 3),
            size: [random.between(1, 5), random.between(1, 9), random.between(1, 9)],
            c_in: random.one_of(&[1, 3, 8, 17, 40]),
            c_out: random.one_of(&[1, 2, 8, 19, 32]),
            stride: random.one_of(&[[2; 3], [1, 2, 2], [1; 3], [2, 1, 3]]),
        };
        let (x, w, b) = (noise(shape.voxels_in() * shape.c_in, seed), noise(shape.n_weights(), seed + 1), noise(shape.c_out, seed + 2));
        let d_y = noise(shape.voxels_out() * shape.c_out, seed + 3);
        let (d_w64, d_b64) = naive::conv_transpose_backward_weight(&shape, &wide(&x), &wide(&d_y));
        for simd in instruction_sets() {
            with_simd(simd, || {
                let close = |what: &str, found: &[f32], expected: &[f64]| {
                    let error = relative_error(found, expected);
                    assert!(error < TOLERANCE, "{what} of {shape:?} is off by {error:.1e} with {simd:?}");
                };
                let (mut y, mut d_x) = (vec![f32::NAN; d_y.len()], vec![f32::NAN; x.len()]);
                let (mut d_w, mut d_b) = (vec![f32::NAN; w.len()], vec![f32::NAN; b.len()]);
                conv_transpose(&shape, &x, &w, Some(&b), &mut y);
                close("output", &y, &naive::conv_transpose(&shape, &wide(&x), &wide(&w), Some(&wide(&b))));
                conv_transpose_backward_input(&shape, &d_y, &w, &mut d_x);
                close("input gradient", &d_x, &naive::conv_transpose_backward_input(&shape, &wide(&d_y), &wide(&w)));
                conv_transpose_backward_weight(&shape, &x, &d_y, &mut d_w, Some(&mut d_b));
                close("weight gradient", &d_w, &d_w64);
                close("bias gradient", &d_b, &d_b64);
            });
        }
    }
}

#[test]
fn naive_gradients_equal_differences_of_the_naive_output() {
    /// Central differences in f64 of a bilinear function are exact up to rounding.
    const TOLERANCE: f64 = 1e-7;
    let shape = TransposeShape { batch: 2, size: [2, 3, 2], c_in: 2, c_out: 3, stride: [1, 2, 2] };
    let (x, w, b) = (wide(&noise(shape.voxels_in() * 2, 1)), wide(&noise(shape.n_weights(), 2)), wide(&noise(3, 3)));
    let d_y = wide(&noise(shape.voxels_out() * 3, 4));
    let value =
        |x: &[f64], w: &[f64], b: &[f64]| naive::conv_transpose(&shape, x, w, Some(b)).iter().zip(&d_y).map(|(y, d)| y * d).sum::<f64>();
    let (d_w, d_b) = naive::conv_transpose_backward_weight(&shape, &x, &d_y);
    check_gradient(&x, &naive::conv_transpose_backward_input(&shape, &d_y, &w), TOLERANCE, |x| value(x, &w, &b));
    check_gradient(&w, &d_w, TOLERANCE, |w| value(&x, w, &b));
    check_gradient(&b, &d_b, TOLERANCE, |b| value(&x, &w, b));
}
