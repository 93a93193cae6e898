//! What residual blocks add, against burn's own operations, values and gradients.
#![allow(missing_docs, reason = "tests")]

use burn::tensor::Distribution;
use sagittal_tensor::{ConvSpec, Device, NormActivation, Padding, Prepared, Tensor, add_leaky, average_pool, conv_norm_act};

fn random<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), &Device::cpu().differentiable()).require_grad()
}

fn assert_close<const D: usize>(found: Tensor<D>, expected: Tensor<D>, what: &str) {
    assert_eq!(found.dims(), expected.dims(), "{what}");
    let error = (found - expected).abs().max().into_scalar::<f32>();
    // Single additions and means of at most eight numbers of about 1.
    assert!(error < 2e-6, "{what}: {error}");
}

/// A fixed weighting, so that no gradient is all ones.
fn weighted(y: Tensor<5>) -> Tensor<1> {
    let n = y.dims().iter().product::<usize>() as i64;
    let weights = Tensor::<1, burn::tensor::Int>::arange(0..n, &Device::cpu().differentiable()).float().sin().reshape(y.dims());
    (y * weights).sum()
}

#[test]
fn sums_with_leaky_relu_equal_their_composition() {
    for (shape, slope) in [([2, 3, 4, 5, 6], 0.01), ([1, 1, 7, 3, 17], 0.0), ([1, 2, 2, 2, 1], 0.2)] {
        let (x, shortcut) = (random(shape), random(shape));
        let ours = add_leaky(x.clone(), shortcut.clone(), slope);
        let sum = x.clone() + shortcut.clone();
        let theirs = sum.clone().clamp_min(0.0) + sum.clamp_max(0.0) * slope;
        assert_close(ours.clone().inner(), theirs.clone().inner(), "output");
        let (found, expected) = (weighted(ours).backward(), weighted(theirs).backward());
        for (what, tensor) in [("x", &x), ("shortcut", &shortcut)] {
            assert_close(tensor.grad(&found).expect("a gradient"), tensor.grad(&expected).expect("a gradient"), what);
        }
    }
}

#[test]
fn a_shortcut_that_is_the_input_itself_gets_both_gradients() {
    let x = random([1, 2, 3, 2, 4]);
    let gradients = weighted(add_leaky(x.clone(), x.clone(), 0.1)).backward();
    let expected = weighted((x.clone() * 2.0).clamp_min(0.0) + (x.clone() * 2.0).clamp_max(0.0) * 0.1).backward();
    assert_close(x.grad(&gradients).expect("a gradient"), x.grad(&expected).expect("a gradient"), "both");
    // The input is still what it was: nothing may be written over it while somebody holds it.
    let plain = x.clone().inner();
    let before = plain.clone().into_data();
    let _ = add_leaky(plain.clone(), plain.clone(), 0.1);
    assert_eq!(plain.into_data(), before);
}

#[test]
fn average_pooling_equals_its_composition() {
    for (shape, window) in [([2, 4, 6, 8, 5], [2, 2, 2]), ([1, 3, 4, 6, 3], [1, 2, 2]), ([1, 1, 4, 6, 16], [1, 2, 2])] {
        let x = random(shape);
        let ours = average_pool(x.clone(), window);
        // Every axis cut into windows, then means within.
        let ([n, z, y, w, c], [kz, ky, kx]) = (shape, window);
        let cut: Tensor<8> = x.clone().reshape([n, z / kz, kz, y / ky, ky, w / kx, kx, c]);
        let theirs: Tensor<5> = cut.mean_dim(2).mean_dim(4).mean_dim(6).reshape([n, z / kz, y / ky, w / kx, c]);
        assert_close(ours.clone().inner(), theirs.clone().inner(), "output");
        let (found, expected) = (weighted(ours).backward(), weighted(theirs).backward());
        assert_close(x.grad(&found).expect("a gradient"), x.grad(&expected).expect("a gradient"), "x");
    }
}

#[test]
fn a_slope_of_one_leaves_the_norm_as_it_is() {
    let spec = ConvSpec { c_in: 3, c_out: 4, kernel: [1; 3], stride: [1; 3], padding: Padding::Same };
    let x = random([1, 2, 3, 4, 3]);
    let parameters = [random([spec.n_weights()]), random([4]), random([4]), random([4])];
    let run = |slope| {
        let [weight, bias, gamma, beta] = parameters.clone();
        conv_norm_act(
            x.clone(),
            None,
            weight,
            bias,
            [gamma, beta],
            spec,
            NormActivation { slope, ..NormActivation::default() },
            Prepared::nothing(),
        )
    };
    let (plain, folded) = (run(1.0), run(0.25));
    let expected = plain.clone().clamp_min(0.0) + plain.clone().clamp_max(0.0) * 0.25;
    assert_close(folded.clone().inner(), expected.clone().inner(), "output");
    let (found, expected) = (weighted(folded).backward(), weighted(expected).backward());
    // Norms divide by deviations of about 0.5.
    let (found, expected) = (x.grad(&found).expect("a gradient"), x.grad(&expected).expect("a gradient"));
    assert!((found - expected).abs().max().into_scalar::<f32>() < 2e-5);
}
