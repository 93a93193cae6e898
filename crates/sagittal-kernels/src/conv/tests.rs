//! Fast convolutions against their naive twin, over random shapes.

#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::testing::{Random, instruction_sets, noise, relative_error, wide, with_threads};
use crate::with_simd;

/// Largest error over the root mean square of the result. Single precision rounds to 6e-8; sums of up to a few thousand
/// products reach some 1e-6 in the direct kernels, and Winograd's F(4x4) multiplies the rounding by about ten.
const TOLERANCE: f64 = 1e-4;

fn random_shape(random: &mut Random) -> ConvShape {
    loop {
        let flat = random.between(0, 3) == 0;
        let axis = |random: &mut Random| random.between(1, 17);
        let size = [if flat { 1 } else { random.between(1, 9) }, axis(random), axis(random)];
        let k = random.one_of(&[1, 3, 3, 3, 5, 7]);
        let kernel = match random.between(0, 5) {
            0 => [1, k, k],
            1 => [k, 1, 3],
            _ => [if flat { 1 } else { k }, k, k],
        };
        let strides = [[1; 3], [1; 3], [2; 3], [1, 2, 2], [2, 1, 1], [1, 1, 2]];
        let shape = ConvShape {
            batch: random.between(1, 3),
            size,
            c_in: random.one_of(&[1, 2, 3, 5, 8, 9, 16, 17, 24, 33]),
            c_out: random.one_of(&[1, 2, 3, 7, 8, 13, 16, 19, 32, 40]),
            kernel,
            stride: random.one_of(&strides),
            padding: if random.between(0, 2) > 0 { kernel.map(|k| k / 2) } else { [random.between(0, 2), random.between(0, 2), 1] },
        };
        if (0..3).all(|a| shape.size[a] + 2 * shape.padding[a] >= shape.kernel[a]) && shape.multiply_adds() < 20_000_000 {
            return shape;
        }
    }
}

/// Winograd's shapes: 3x3 in plane, stride 1.
fn winograd_shape(random: &mut Random) -> ConvShape {
    let mut shape = random_shape(random);
    shape.kernel = [random.one_of(&[1, 3]), 3, 3];
    shape.stride = [1; 3];
    shape.padding = if random.between(0, 2) > 0 { [shape.kernel[0] / 2, 1, 1] } else { [shape.kernel[0] / 2, 2, random.between(1, 2)] };
    shape
}

fn split(x: &[f32], channels: usize, first: usize) -> (Vec<f32>, Vec<f32>) {
    let part = |range: std::ops::Range<usize>| x.chunks(channels).flat_map(|v| v[range.clone()].to_vec()).collect();
    (part(0..first), part(first..channels))
}

fn check(shape: &ConvShape, seed: u64) {
    let (n_in, n_out) = (shape.voxels_in() * shape.c_in, shape.voxels_out() * shape.c_out);
    let (x, w, b, d_y) = (noise(n_in, seed), noise(shape.n_weights(), seed + 1), noise(shape.c_out, seed + 2), noise(n_out, seed + 3));
    let (x64, w64, d_y64) = (wide(&x), wide(&w), wide(&d_y));
    let y64 = naive::conv(shape, &x64, &w64, Some(&wide(&b)));
    let d_x64 = naive::conv_backward_input(shape, &d_y64, &w64);
    let (d_w64, d_b64) = naive::conv_backward_weight(shape, &x64, &d_y64);
    let close = |what: &str, found: &[f32], expected: &[f64]| {
        let error = relative_error(found, expected);
        assert!(error < TOLERANCE, "{what} of {shape:?} is off by {error:.1e}");
    };
    let (mut y, mut d_x, mut d_w, mut d_b) =
        (vec![f32::NAN; n_out], vec![f32::NAN; n_in], vec![f32::NAN; w.len()], vec![f32::NAN; b.len()]);
    conv(shape, Parts::one(&x), &w, Some(&b), &mut y);
    close("output", &y, &y64);
    conv_backward_input(shape, &d_y, &w, PartsMut::one(&mut d_x));
    close("input gradient", &d_x, &d_x64);
    conv_backward_weight(shape, Parts::one(&x), &d_y, &mut d_w, Some(&mut d_b));
    close("weight gradient", &d_w, &d_w64);
    close("bias gradient", &d_b, &d_b64);

    let mut packed = vec![f32::NAN; n_out];
    PackedConv::new(shape, &w).run(shape, Parts::one(&x), Some(&b), &mut packed);
    close("packed output", &packed, &y64);

    if shape.c_in > 1 {
        let c0 = 1 + seed as usize % (shape.c_in - 1);
        let c1 = shape.c_in - c0;
        let (first, second) = split(&x, shape.c_in, c0);
        conv(shape, Parts::two(&first, c0, &second, c1), &w, Some(&b), &mut y);
        close("output of two parts", &y, &y64);
        conv_backward_weight(shape, Parts::two(&first, c0, &second, c1), &d_y, &mut d_w, None);
        close("weight gradient of two parts", &d_w, &d_w64);
        let (mut d_first, mut d_second) = (vec![f32::NAN; first.len()], vec![f32::NAN; second.len()]);
        conv_backward_input(shape, &d_y, &w, PartsMut::two(&mut d_first, c0, &mut d_second, c1));
        let d_x: Vec<f32> = d_first.chunks(c0).zip(d_second.chunks(c1)).flat_map(|(a, b)| [a, b].concat()).collect();
        close("input gradient of two parts", &d_x, &d_x64);
    }
}

#[test]
fn random_shapes_agree_with_the_naive_twin() {
    let mut random = Random(7);
    for round in 0..120 {
        let shape = if round % 3 == 0 { winograd_shape(&mut random) } else { random_shape(&mut random) };
        for simd in instruction_sets() {
            with_simd(simd, || check(&shape, round));
        }
    }
}

#[test]
fn every_pass_is_bit_identical_whatever_the_threads() {
    let kernels = [([3; 3], [1; 3]), ([3; 3], [2; 3]), ([1, 3, 3], [1; 3]), ([1; 3], [1; 3])];
    for (kernel, stride) in kernels {
        let padding = kernel.map(|k| k / 2);
        let shape = ConvShape { batch: 2, size: [6, 13, 11], c_in: 20, c_out: 24, kernel, stride, padding };
        let (x, w) = (noise(shape.voxels_in() * shape.c_in, 1), noise(shape.n_weights(), 2));
        let d_y = noise(shape.voxels_out() * shape.c_out, 3);
        let run = || {
            let (mut y, mut d_x, mut d_w, mut d_b) = (vec![0.0; d_y.len()], vec![0.0; x.len()], vec![0.0; w.len()], vec![0.0; shape.c_out]);
            conv(&shape, Parts::one(&x), &w, None, &mut y);
            conv_backward_input(&shape, &d_y, &w, PartsMut::one(&mut d_x));
            conv_backward_weight(&shape, Parts::one(&x), &d_y, &mut d_w, Some(&mut d_b));
            [y, d_x, d_w, d_b].concat().iter().map(|v| v.to_bits()).collect::<Vec<_>>()
        };
        let one = with_threads(1, run);
        assert_eq!(one, with_threads(2, run), "{shape:?}");
        assert_eq!(one, with_threads(5, run), "{shape:?}");
    }
}

#[test]
fn naive_gradients_equal_differences_of_the_naive_output() {
    /// Central differences in f64 of a bilinear function are exact up to rounding.
    const TOLERANCE: f64 = 1e-7;
    let shape = ConvShape { batch: 2, size: [2, 4, 5], c_in: 2, c_out: 3, kernel: [1, 3, 3], stride: [1, 2, 1], padding: [0, 1, 1] };
    let (x, w, b) = (wide(&noise(shape.voxels_in() * 2, 1)), wide(&noise(shape.n_weights(), 2)), wide(&noise(3, 3)));
    let d_y = wide(&noise(shape.voxels_out() * 3, 4));
    let value = |x: &[f64], w: &[f64], b: &[f64]| naive::conv(&shape, x, w, Some(b)).iter().zip(&d_y).map(|(y, d)| y * d).sum::<f64>();
    let d_x = naive::conv_backward_input(&shape, &d_y, &w);
    let (d_w, d_b) = naive::conv_backward_weight(&shape, &x, &d_y);
    crate::testing::check_gradient(&x, &d_x, TOLERANCE, |x| value(x, &w, &b));
    crate::testing::check_gradient(&w, &d_w, TOLERANCE, |w| value(&x, w, &b));
    crate::testing::check_gradient(&b, &d_b, TOLERANCE, |b| value(&x, &w, b));
}
