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
fn an_empty_batch_gives_nothing_and_zero_gradients() {
    for kernel in [[1, 3, 3], [1; 3]] {
        let shape = ConvShape { batch: 0, size: [1, 4, 4], c_in: 8, c_out: 8, kernel, stride: [1; 3], padding: kernel.map(|k| k / 2) };
        let w = noise(shape.n_weights(), 1);
        let (mut d_w, mut d_b) = (w.clone(), [1.0; 8]);
        conv(&shape, Parts::one(&[]), &w, None, &mut []);
        PackedConv::new(&shape, &w).run(&shape, Parts::one(&[]), None, &mut []);
        conv_backward_input(&shape, &[], &w, PartsMut::one(&mut []));
        conv_backward_weight(&shape, Parts::one(&[]), &[], &mut d_w, Some(&mut d_b));
        assert!(d_w.iter().chain(&d_b).all(|&d| d == 0.0));
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

/// Winograd's rounding, per shape, against f64: printed (`cargo test winograd_error -- --nocapture`) and bounded. For unit
/// noise it is about 2e-6 of the output's root mean square for F(4x4), 5e-7 for F(2x2) and for the direct kernel.
#[test]
fn winograd_error_stays_within_its_bound() {
    const BOUNDS: [(&str, f64); 3] = [("direct", 3e-6), ("F(2x2)", 3e-6), ("F(4x4)", 2e-5)];
    let root_mean_square = |found: &[f32], expected: &[f64]| {
        let squares: f64 = found.iter().zip(expected).map(|(&f, e)| (f64::from(f) - e).powi(2)).sum();
        (squares / expected.iter().map(|e| e * e).sum::<f64>()).sqrt()
    };
    for (size, c, kernel) in [([6, 16, 12], 32, [3; 3]), ([1, 32, 32], 32, [1, 3, 3]), ([5, 7, 5], 64, [3; 3]), ([4, 8, 8], 128, [3; 3])] {
        let shape = ConvShape { batch: 1, size, c_in: c, c_out: c, kernel, stride: [1; 3], padding: kernel.map(|k| k / 2) };
        let (x, w) = (noise(shape.voxels_in() * c, 1), noise(shape.n_weights(), 2));
        let d_y = noise(shape.voxels_out() * c, 3);
        let expected = naive::conv(&shape, &wide(&x), &wide(&w), None);
        let (expected_d_w, _) = naive::conv_backward_weight(&shape, &wide(&x), &wide(&d_y));
        let (grid, phase, simd) = (Grid::forward(&shape), Phase::forward(&shape), simd());
        let weights = Weights::forward(&w, c, shape.taps());
        for (name, bound) in BOUNDS {
            let (mut y, mut d_w) = (vec![f32::NAN; d_y.len()], vec![f32::NAN; w.len()]);
            let source = Parts::one(&x).source(shape.voxels_in(), c);
            let sink = PartsMut::one(&mut y).sink(shape.voxels_out(), c);
            let tile = if name == "F(2x2)" { winograd::Tile::Two } else { winograd::Tile::Four };
            if name == "direct" {
                direct::run(simd, &grid, &phase, source, weights, None, sink);
                direct_weight::run(simd, &shape, source, &d_y, &mut d_w, None);
            } else {
                winograd::run(simd, tile, &grid, &phase, source, weights, None, sink);
                winograd::weight::run(simd, tile, &shape, source, &d_y, &mut d_w, None);
            }
            let (error, d_error) = (root_mean_square(&y, &expected), root_mean_square(&d_w, &expected_d_w));
            println!("{size:?} {c} channels, kernel {kernel:?}, {name}: output {error:.1e}, weight gradient {d_error:.1e}");
            assert!(error < bound && d_error < bound, "{name} of {shape:?}: {error:.1e}, {d_error:.1e}");
        }
    }
}

/// Shapes that the choice would give to another algorithm are tested with every algorithm that can compute them.
#[test]
fn both_winograd_tiles_agree_with_the_naive_twin_on_every_size() {
    let mut random = Random(21);
    for seed in 0..60 {
        let shape = winograd_shape(&mut random);
        let (x, w) = (noise(shape.voxels_in() * shape.c_in, seed), noise(shape.n_weights(), seed + 1));
        let (b, d_y) = (noise(shape.c_out, seed + 2), noise(shape.voxels_out() * shape.c_out, seed + 3));
        let expected = naive::conv(&shape, &wide(&x), &wide(&w), Some(&wide(&b)));
        let expected_d_x = naive::conv_backward_input(&shape, &wide(&d_y), &wide(&w));
        let (expected_d_w, expected_d_b) = naive::conv_backward_weight(&shape, &wide(&x), &wide(&d_y));
        for simd in instruction_sets() {
            for tile in [winograd::Tile::Two, winograd::Tile::Four] {
                let (mut y, mut d_x) = (vec![f32::NAN; d_y.len()], vec![f32::NAN; x.len()]);
                let (mut d_w, mut d_b) = (vec![f32::NAN; w.len()], vec![f32::NAN; b.len()]);
                let source = Parts::one(&x).source(shape.voxels_in(), shape.c_in);
                let sink = PartsMut::one(&mut y).sink(shape.voxels_out(), shape.c_out);
                let weights = Weights::forward(&w, shape.c_in, shape.taps());
                winograd::run(simd, tile, &Grid::forward(&shape), &Phase::forward(&shape), source, weights, Some(&b), sink);
                winograd::weight::run(simd, tile, &shape, source, &d_y, &mut d_w, Some(&mut d_b));
                let source = Parts::one(&d_y).source(shape.voxels_out(), shape.c_out);
                let sink = PartsMut::one(&mut d_x).sink(shape.voxels_in(), shape.c_in);
                let weights = Weights::backward(&w, shape.c_in, shape.c_out, shape.taps());
                winograd::run(simd, tile, &Grid::backward(&shape), &Phase::backward(&shape)[0], source, weights, None, sink);
                for (what, found, expected) in
                    [("output", &y, &expected), ("d_x", &d_x, &expected_d_x), ("d_w", &d_w, &expected_d_w), ("d_b", &d_b, &expected_d_b)]
                {
                    let error = relative_error(found, expected);
                    assert!(error < TOLERANCE, "{what} of {shape:?} with {tile:?}, {simd:?} is off by {error:.1e}");
                }
            }
        }
    }
}
