//! The composed blocks against our kernels: both run here on the CPU, the kernels through burn's differentiation.

use super::*;
use crate::{Device, Padding, Prepared};
use burn::tensor::TensorData;
use sagittal_kernels::Activation;
use std::{cell::Cell, sync::Arc};

/// Both sides compute in f32 and sum in different orders; the largest sums have some thousand terms.
const TOLERANCE: f32 = 1e-4;

thread_local! {
    /// Every test has a thread of its own, so each draws the same numbers in every run.
    static DRAWN: Cell<u64> = const { Cell::new(0) };
}

/// SplitMix64, 0 to 1.
fn uniform() -> f64 {
    let state = DRAWN.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
    DRAWN.set(state);
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

/// Normal numbers (Box and Muller).
fn random<const D: usize>(shape: [usize; D], deviation: f64) -> Tensor<D> {
    let normal = |_| ((-2.0 * (1.0 - uniform()).ln()).sqrt() * (std::f64::consts::TAU * uniform()).cos() * deviation) as f32;
    let numbers: Vec<f32> = (0..shape.iter().product::<usize>()).map(normal).collect();
    Tensor::from_data(TensorData::new(numbers, shape), Device::cpu().plain())
}

fn leaf<const D: usize>(tensor: &Tensor<D>) -> Tensor<D> {
    tensor.clone().autodiff().require_grad()
}

fn assert_close<const D: usize>(found: Tensor<D>, expected: Tensor<D>, what: &str) {
    assert_close_but_for(0.0, found, expected, what);
}

/// With an error that may come on top, however small the numbers are.
fn assert_close_but_for<const D: usize>(rounding: f32, found: Tensor<D>, expected: Tensor<D>, what: &str) {
    assert_eq!(found.dims(), expected.dims(), "{what}");
    let scale = expected.clone().abs().max().into_scalar::<f32>().max(1e-3);
    let error = (found - expected).abs().max().into_scalar::<f32>();
    assert!(error < TOLERANCE * scale + rounding, "{what}: error {error} of {scale}");
}

#[test]
fn blocks_equal_the_kernels() {
    struct Case {
        n: usize,
        size: [usize; 3],
        channels: [usize; 2],
        c_out: usize,
        kernel: [usize; 3],
        stride: [usize; 3],
    }
    let cases = [
        Case { n: 2, size: [4, 6, 8], channels: [16, 0], c_out: 16, kernel: [3; 3], stride: [1; 3] },
        // odd everywhere
        Case { n: 1, size: [5, 7, 3], channels: [3, 0], c_out: 5, kernel: [3; 3], stride: [1; 3] },
        // strides: even and odd sizes, anisotropic
        Case { n: 2, size: [8, 8, 8], channels: [8, 0], c_out: 16, kernel: [3; 3], stride: [2; 3] },
        Case { n: 1, size: [7, 9, 5], channels: [4, 0], c_out: 6, kernel: [3; 3], stride: [2; 3] },
        Case { n: 2, size: [3, 6, 8], channels: [4, 0], c_out: 8, kernel: [1, 3, 3], stride: [1, 2, 2] },
        // two dimensions
        Case { n: 1, size: [1, 9, 12], channels: [1, 0], c_out: 8, kernel: [1, 3, 3], stride: [1; 3] },
        Case { n: 2, size: [1, 10, 11], channels: [8, 0], c_out: 8, kernel: [1, 3, 3], stride: [1, 2, 2] },
        // with a skip connection
        Case { n: 2, size: [4, 4, 6], channels: [16, 16], c_out: 16, kernel: [3; 3], stride: [1; 3] },
        Case { n: 1, size: [3, 5, 4], channels: [5, 2], c_out: 7, kernel: [3, 1, 3], stride: [1; 3] },
        Case { n: 2, size: [1, 6, 5], channels: [3, 4], c_out: 4, kernel: [1, 3, 3], stride: [1; 3] },
        // other kernels
        Case { n: 1, size: [6, 7, 8], channels: [2, 0], c_out: 3, kernel: [5, 3, 7], stride: [1; 3] },
        Case { n: 2, size: [3, 3, 3], channels: [4, 0], c_out: 4, kernel: [1; 3], stride: [1; 3] },
    ];
    let paddings = [Padding::Same, Padding::Valid];
    for (i, (case, padding)) in cases.iter().flat_map(|case| paddings.map(|padding| (case, padding))).enumerate() {
        if padding == Padding::Valid && (0..3).any(|axis| case.size[axis] < case.kernel[axis]) {
            continue;
        }
        let ([z, y, x], [c_x, c_skip]) = (case.size, case.channels);
        let spec = ConvSpec { c_in: c_x + c_skip, c_out: case.c_out, kernel: case.kernel, stride: case.stride, padding };
        let norm = NormActivation::default();
        let x = random([case.n, z, y, x, c_x], 1.0);
        let skip = (c_skip > 0).then(|| random([x.dims()[0], x.dims()[1], x.dims()[2], x.dims()[3], c_skip], 1.0));
        let parameters = [random([spec.n_weights()], 0.2), random([spec.c_out], 0.5), random([spec.c_out], 1.0), random([spec.c_out], 0.5)];

        let (kernel_x, kernel_skip) = (leaf(&x), skip.as_ref().map(leaf));
        let kernel_parameters = parameters.each_ref().map(leaf);
        let [weight, bias, gamma, beta] = kernel_parameters.clone();
        let expected =
            crate::conv_norm_act(kernel_x.clone(), kernel_skip.clone(), weight, bias, [gamma, beta], spec, norm, Prepared::nothing());
        let BlockForward { y: found, pre_norm, mean, inv_std } = block_forward(x.clone(), skip.clone(), parameters.clone(), spec, norm);
        assert_close(found.clone(), expected.clone().inner(), &format!("case {i}: output"));

        // At the kink of the leaky ReLU the two sides may differ in sign by rounding, and then much in the gradient.
        let d_y = random(found.dims(), 1.0).mask_fill(found.abs().lower_scalar(1e-4), 0.0);
        let gradients = (expected * d_y.clone().autodiff()).sum().backward();
        let [weight, _, gamma, beta] = parameters;
        let saved = BlockSaved { x, skip, weight, gamma, beta, pre_norm, mean, inv_std, spec, norm };
        let backward = block_backward(saved, d_y, true);
        let check = |what: &str, found: Tensor<1>, parameter: &Tensor<1>| {
            assert_close(found, parameter.grad(&gradients).expect("a gradient"), &format!("case {i}: gradient of {what}"));
        };
        check("weight", backward.d_weight, &kernel_parameters[0]);
        check("gamma", backward.d_gamma, &kernel_parameters[2]);
        check("beta", backward.d_beta, &kernel_parameters[3]);
        // Nothing is left of it but rounding.
        let scale = kernel_parameters[3].grad(&gradients).expect("a gradient").abs().max().into_scalar::<f32>();
        let bias = kernel_parameters[1].grad(&gradients).expect("a gradient");
        assert!((bias - backward.d_bias).abs().max().into_scalar::<f32>() < TOLERANCE * scale.max(1.0), "case {i}: gradient of bias");
        assert_close(backward.d_x.expect("asked for"), kernel_x.grad(&gradients).expect("a gradient"), &format!("case {i}: gradient of x"));
        assert_eq!(backward.d_skip.is_some(), kernel_skip.is_some());
        if let (Some(found), Some(skip)) = (backward.d_skip, kernel_skip) {
            assert_close(found, skip.grad(&gradients).expect("a gradient"), &format!("case {i}: gradient of skip"));
        }
    }
}

#[test]
fn heads_and_transposed_convolutions_equal_the_kernels() {
    for (n, [z, y, x]) in [(2, [3, 4, 5]), (1, [1, 7, 3])] {
        let x = random([n, z, y, x, 6], 1.0);
        for stride in [[1; 3], [2; 3]] {
            let spec = ConvSpec { c_in: 6, c_out: 3, kernel: [1; 3], stride, padding: Padding::Same };
            let (weight, bias) = (random([spec.n_weights()], 1.0), random([3], 1.0));
            let found = conv(x.clone(), weight.clone(), bias.clone(), spec);
            let backward = |d_y| conv_backward(x.clone(), weight.clone(), d_y, spec, true);
            let leaves = (leaf(&x), leaf(&weight), leaf(&bias));
            let expected = crate::conv(leaves.0.clone(), leaves.1.clone(), leaves.2.clone(), spec);
            compare(found, backward, expected, &leaves, "head");
        }
        for stride in [[2; 3], [1, 2, 2], [1, 2, 1], [3, 1, 2]] {
            let spec = TransposeSpec { c_in: 6, c_out: 4, stride };
            let (weight, bias) = (random([spec.n_weights()], 1.0), random([4], 1.0));
            let found = conv_transpose(x.clone(), weight.clone(), bias.clone(), spec);
            let backward = |d_y| transpose_backward(x.clone(), weight.clone(), d_y, spec, true);
            let leaves = (leaf(&x), leaf(&weight), leaf(&bias));
            let expected = crate::conv_transpose(leaves.0.clone(), leaves.1.clone(), leaves.2.clone(), spec);
            compare(found, backward, expected, &leaves, &format!("transposed convolution {stride:?}"));
        }
    }
}

fn compare(
    found: Tensor<5>,
    backward: impl Fn(Tensor<5>) -> ConvBackward<Tensor<5>, Tensor<1>>,
    expected: Tensor<5>,
    (x, weight, bias): &(Tensor<5>, Tensor<1>, Tensor<1>),
    what: &str,
) {
    assert_close(found, expected.clone().inner(), what);
    let d_y = random(expected.dims(), 1.0);
    let found = backward(d_y.clone());
    let expected = (expected * d_y.autodiff()).sum().backward();
    assert_close(found.d_x.expect("asked for"), x.grad(&expected).expect("a gradient"), &format!("{what}: gradient of x"));
    assert_close(found.d_weight, weight.grad(&expected).expect("a gradient"), &format!("{what}: gradient of weight"));
    assert_close(found.d_bias, bias.grad(&expected).expect("a gradient"), &format!("{what}: gradient of bias"));
}

#[test]
fn gradients_nobody_wants_are_not_computed() {
    let spec = ConvSpec { c_in: 2, c_out: 2, kernel: [3; 3], stride: [1; 3], padding: Padding::Same };
    let x = random([1, 3, 3, 3, 2], 1.0);
    assert!(conv_backward(x.clone(), random([spec.n_weights()], 1.0), x.clone(), spec, false).d_x.is_none());
    let up = TransposeSpec { c_in: 2, c_out: 2, stride: [1; 3] };
    assert!(transpose_backward(x.clone(), random([up.n_weights()], 1.0), x, up, false).d_x.is_none());
}

#[test]
fn the_loss_equals_the_kernel() {
    struct Case {
        n: usize,
        size: [usize; 3],
        k: usize,
        /// Classes in turn; 255 is not scored.
        classes: Vec<u8>,
    }
    let cases = [
        Case { n: 2, size: [3, 4, 5], k: 3, classes: vec![0, 1, 2, 0, 255] },
        Case { n: 1, size: [1, 7, 9], k: 2, classes: vec![0, 0, 1] },
        // a class that is nowhere
        Case { n: 2, size: [2, 2, 3], k: 4, classes: vec![0, 3, 0, 255, 1] },
        // nothing scored, in one sample of two and in the only one
        Case { n: 2, size: [1, 1, 2], k: 2, classes: vec![255, 255, 0, 1] },
        Case { n: 1, size: [1, 2, 2], k: 3, classes: vec![255] },
    ];
    for (i, case) in cases.iter().enumerate() {
        let (n, [z, y, x], k) = (case.n, case.size, case.k);
        let classes: Vec<u8> = case.classes.iter().copied().cycle().take(n * z * y * x).collect();
        // Large logits too: their exponentials overflow unless they are taken relative to the largest.
        for deviation in [1.0, 100.0] {
            for (batch_dice, dice_weight) in [(false, 1.0), (true, 0.7), (false, 0.0)] {
                // Of regions there are two, whatever the classes: all but the background, and the last.
                let regions: Vec<Vec<usize>> =
                    (0..k).map(|class| (0..2).filter(|&r| if r == 0 { class > 0 } else { class == k - 1 }).collect()).collect();
                for (n_logits, regions) in [(k, None), (2, Some(Arc::new(RegionTable::new(2, &regions))))] {
                    let what = format!("case {i}, deviation {deviation}, batch Dice {batch_dice} times {dice_weight}, {regions:?}");
                    let classes = Arc::new(classes.clone());
                    let target = LossTarget { classes, regions, entropy_weight: 1.5, dice_weight, batch_dice, weight: 0.6 };
                    let logits = random([n, z, y, x, n_logits], deviation);
                    let (loss, gradient) = loss_and_gradient(logits.clone(), &target);
                    let kernel_logits = leaf(&logits);
                    let expected = crate::segmentation_loss(kernel_logits.clone(), target);
                    assert_close(loss, expected.clone().inner(), &what);
                    assert_close(gradient, kernel_logits.grad(&expected.backward()).expect("a gradient"), &format!("{what}: gradient"));
                }
            }
        }
    }
}

#[test]
#[should_panic(expected = "target 3 is neither one of the 3 classes nor 255")]
fn a_class_without_logits_is_refused() {
    let classes = Arc::new(vec![0, 3]);
    let target = LossTarget { classes, regions: None, entropy_weight: 1.0, dice_weight: 1.0, batch_dice: false, weight: 1.0 };
    loss_and_gradient(random([1, 1, 1, 2, 3], 1.0), &target);
}

#[test]
fn residual_operations_equal_the_kernels() {
    for (shape, window) in [([2, 4, 6, 8, 5], [2, 2, 2]), ([1, 3, 5, 7, 3], [1, 2, 2]), ([2, 1, 9, 4, 2], [1, 2, 2])] {
        let (x, shortcut) = (random(shape, 1.0), random(shape, 1.0));
        let (kernel_x, kernel_shortcut) = (leaf(&x), leaf(&shortcut));
        let expected = crate::add_leaky(kernel_x.clone(), kernel_shortcut, 0.01);
        let found = add_leaky(x.clone(), shortcut, 0.01);
        assert_close(found.clone(), expected.clone().inner(), "sum");
        // At the kink of the leaky ReLU the two sides may differ in sign by rounding.
        let d_y = random(shape, 1.0).mask_fill(found.clone().abs().lower_scalar(1e-4), 0.0);
        let gradients = (expected * d_y.clone().autodiff()).sum().backward();
        assert_close(add_leaky_backward(found, d_y, 0.01), kernel_x.grad(&gradients).expect("a gradient"), "gradient of a sum");

        let kernel_x = leaf(&x);
        let expected = crate::average_pool(kernel_x.clone(), window);
        let found = average_pool(x, window);
        assert_close(found.clone(), expected.clone().inner(), "pooled");
        let d_y = random(found.dims(), 1.0);
        let gradients = (expected * d_y.clone().autodiff()).sum().backward();
        let size = [shape[1], shape[2], shape[3]];
        assert_close(average_pool_backward(d_y, size, window), kernel_x.grad(&gradients).expect("a gradient"), "gradient of pooling");
    }
}

#[test]
fn activations_and_scaled_channels_equal_the_kernels() {
    let all = [
        Activation::LeakyRelu { slope: 0.01 },
        Activation::RELU,
        Activation::Tanh,
        Activation::Sigmoid,
        Activation::Softplus,
        Activation::Elu,
        Activation::Gelu,
        Activation::Silu,
        Activation::Sine,
    ];
    for (shape, deviation) in [([2, 3, 4, 5, 6], 1.0), ([1, 1, 3, 7, 5], 4.0), ([1, 1, 1, 2, 3], 60.0)] {
        let (x, d_y) = (random(shape, deviation), random(shape, 1.0));
        for kind in all {
            let kernel_x = leaf(&x);
            let expected = crate::activate(kernel_x.clone(), kind);
            assert_close(activate(x.clone(), kind), expected.clone().inner(), &format!("{kind:?}"));
            let gradients = (expected * d_y.clone().autodiff()).sum().backward();
            let expected = kernel_x.grad(&gradients).expect("a gradient");
            // A slope is 1 less a square where it saturates, so it is right to a few roundings of 1, however small it is.
            let rounding = 4.0 * f32::EPSILON * d_y.clone().abs().max().into_scalar::<f32>();
            assert_close_but_for(rounding, activate_backward(x.clone(), d_y.clone(), kind), expected, &format!("gradient of {kind:?}"));
        }
        let factors: Vec<f32> = (0..shape[0] * shape[4]).map(|i| (i % 3) as f32 * 0.75).collect();
        let kernel_x = leaf(&x);
        let expected = crate::scale_channels(kernel_x.clone(), factors.clone());
        assert_close(scale_channels(x.clone(), &factors), expected.clone().inner(), "scaled channels");
        let gradients = (expected * d_y.clone().autodiff()).sum().backward();
        let expected = kernel_x.grad(&gradients).expect("a gradient");
        assert_close(scale_channels(d_y.clone(), &factors), expected, "gradient of scaled channels");
    }
}
