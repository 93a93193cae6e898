//! Every registered block against the same block composed of burn's own operations, values and gradients.
#![allow(missing_docs, reason = "tests")]

use burn::tensor::{Distribution, module, ops::ConvOptions, ops::ConvTransposeOptions};
use sagittal_tensor::{
    ConvSpec, Device, LossTarget, NormActivation, Padding, Prepared, Tensor, TransposeSpec, conv, conv_norm_act, conv_transpose,
    segmentation_loss,
};
use std::sync::Arc;

/// Both sides compute in f32 and sum in different orders; the largest sums have some thousand terms.
const TOLERANCE: f32 = 2e-4;

fn random<const D: usize>(shape: [usize; D], deviation: f64) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, deviation), &Device::cpu().differentiable()).require_grad()
}

fn assert_close<const D: usize>(found: Tensor<D>, expected: Tensor<D>, what: &str) {
    assert_eq!(found.dims(), expected.dims(), "{what}");
    let scale = expected.clone().abs().max().into_scalar::<f32>().max(1e-3);
    let error = (found - expected).abs().max().into_scalar::<f32>() / scale;
    assert!(error < TOLERANCE, "{what}: relative error {error}");
}

/// `N Z Y X C` => `N C Z Y X`.
fn channels_first(x: Tensor<5>) -> Tensor<5> {
    x.permute([0, 4, 1, 2, 3])
}

fn channels_last(x: Tensor<5>) -> Tensor<5> {
    x.permute([0, 2, 3, 4, 1])
}

fn composed_block(x: Tensor<5>, skip: Option<Tensor<5>>, parameters: [Tensor<1>; 4], spec: ConvSpec, norm: NormActivation) -> Tensor<5> {
    let [weight, bias, gamma, beta] = parameters;
    let x = match skip {
        Some(skip) => Tensor::cat(vec![x, skip], 4),
        None => x,
    };
    let [kz, ky, kx] = spec.kernel;
    let weight = weight.reshape([spec.c_out, spec.c_in, kz, ky, kx]);
    let options = ConvOptions::new(spec.stride, spec.kernel.map(|k| (k - 1) / 2), [1; 3], 1);
    let y = module::conv3d(channels_first(x), weight, Some(bias), options);
    let [n, c, z, h, w] = y.dims();
    let flat = y.reshape([n, c, z * h * w]);
    let mean = flat.clone().mean_dim(2);
    let centred = flat - mean;
    let variance = (centred.clone() * centred.clone()).mean_dim(2);
    let normal = centred / (variance + norm.epsilon).sqrt();
    let y = normal * gamma.reshape([1, c, 1]) + beta.reshape([1, c, 1]);
    let y = y.clone().clamp_min(0.0) + y.clamp_max(0.0) * norm.slope;
    channels_last(y.reshape([n, c, z, h, w]))
}

#[test]
fn blocks_equal_their_composition() {
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
        Case { n: 1, size: [5, 7, 3], channels: [3, 0], c_out: 5, kernel: [3; 3], stride: [1; 3] },
        Case { n: 2, size: [8, 8, 8], channels: [8, 0], c_out: 16, kernel: [3; 3], stride: [2; 3] },
        Case { n: 1, size: [1, 9, 12], channels: [1, 0], c_out: 8, kernel: [1, 3, 3], stride: [1; 3] },
        Case { n: 2, size: [1, 10, 12], channels: [8, 0], c_out: 8, kernel: [1, 3, 3], stride: [1, 2, 2] },
        Case { n: 2, size: [4, 4, 6], channels: [16, 16], c_out: 16, kernel: [3; 3], stride: [1; 3] },
        Case { n: 1, size: [3, 5, 4], channels: [5, 2], c_out: 7, kernel: [3, 1, 3], stride: [1; 3] },
    ];
    for (i, case) in cases.iter().enumerate() {
        let [z, y, x] = case.size;
        let c_in = case.channels.iter().sum();
        let spec = ConvSpec { c_in, c_out: case.c_out, kernel: case.kernel, stride: case.stride, padding: Padding::Same };
        let input = random([case.n, z, y, x, case.channels[0]], 1.0);
        let skip = (case.channels[1] > 0).then(|| random([case.n, z, y, x, case.channels[1]], 1.0));
        let weight = random([spec.n_weights()], 0.2);
        let [bias, gamma, beta] = [random([case.c_out], 0.5), random([case.c_out], 1.0), random([case.c_out], 0.5)];
        let norm = NormActivation::default();
        let ours = conv_norm_act(
            input.clone(),
            skip.clone(),
            weight.clone(),
            bias.clone(),
            [gamma.clone(), beta.clone()],
            spec,
            norm,
            Prepared::nothing(),
        );
        let parameters = [weight.clone(), bias, gamma.clone(), beta.clone()];
        let theirs = composed_block(input.clone(), skip.clone(), parameters, spec, norm);
        assert_close(ours.clone().inner(), theirs.clone().inner(), &format!("case {i}: output"));
        let d_y = Tensor::<5>::random(ours.dims(), Distribution::Normal(0.0, 1.0), &Device::cpu().differentiable());
        // At the kink of the leaky ReLU the two sides may differ in sign by rounding, and then much in the gradient.
        let d_y = d_y.mask_fill(ours.clone().abs().lower_scalar(1e-4), 0.0);
        let (found, expected) = ((ours * d_y.clone()).sum().backward(), (theirs * d_y).sum().backward());
        let check = |what: &str, found: Option<Tensor<1>>, expected: Option<Tensor<1>>| {
            assert_close(found.expect("a gradient"), expected.expect("a gradient"), &format!("case {i}: gradient of {what}"));
        };
        check("weight", weight.grad(&found), weight.grad(&expected));
        check("gamma", gamma.grad(&found), gamma.grad(&expected));
        check("beta", beta.grad(&found), beta.grad(&expected));
        for (what, tensor) in [("x", Some(input)), ("skip", skip)] {
            let Some(tensor) = tensor else { continue };
            assert_close(
                tensor.grad(&found).expect("a gradient"),
                tensor.grad(&expected).expect("a gradient"),
                &format!("case {i}: gradient of {what}"),
            );
        }
    }
}

#[test]
fn inference_equals_the_forward_pass_of_training() {
    let spec = ConvSpec { c_in: 4, c_out: 8, kernel: [3; 3], stride: [1; 3], padding: Padding::Same };
    let x = random([2, 5, 6, 7, 4], 1.0);
    let parameters = [random([spec.n_weights()], 0.3), random([8], 1.0), random([8], 1.0), random([8], 1.0)];
    let run = |x: Tensor<5>, [weight, bias, gamma, beta]: [Tensor<1>; 4]| {
        conv_norm_act(x, None, weight, bias, [gamma, beta], spec, NormActivation::default(), Prepared::nothing())
    };
    let trained = run(x.clone(), parameters.clone()).inner();
    let plain = run(x.inner(), parameters.map(Tensor::inner));
    assert_close(plain, trained, "output");
}

#[test]
fn heads_and_transposed_convolutions_equal_burns_own() {
    let x = random([2, 3, 4, 5, 6], 1.0);
    let head = ConvSpec { c_in: 6, c_out: 3, kernel: [1; 3], stride: [1; 3], padding: Padding::Same };
    let (weight, bias) = (random([head.n_weights()], 1.0), random([3], 1.0));
    let ours = conv(x.clone(), weight.clone(), bias.clone(), head);
    let theirs = module::conv3d(
        channels_first(x.clone()),
        weight.clone().reshape([3, 6, 1, 1, 1]),
        Some(bias.clone()),
        ConvOptions::new([1; 3], [0; 3], [1; 3], 1),
    );
    compare(ours, channels_last(theirs), &x, &weight, &bias, "head");

    let up = TransposeSpec { c_in: 6, c_out: 4, stride: [1, 2, 2] };
    let (weight, bias) = (random([up.n_weights()], 1.0), random([4], 1.0));
    let ours = conv_transpose(x.clone(), weight.clone(), bias.clone(), up);
    let theirs = module::conv_transpose3d(
        channels_first(x.clone()),
        weight.clone().reshape([6, 4, 1, 2, 2]),
        Some(bias.clone()),
        ConvTransposeOptions::new([1, 2, 2], [0; 3], [0; 3], [1; 3], 1),
    );
    compare(ours, channels_last(theirs), &x, &weight, &bias, "transposed convolution");
}

fn compare(ours: Tensor<5>, theirs: Tensor<5>, x: &Tensor<5>, weight: &Tensor<1>, bias: &Tensor<1>, what: &str) {
    assert_close(ours.clone().inner(), theirs.clone().inner(), what);
    let d_y = Tensor::<5>::random(ours.dims(), Distribution::Normal(0.0, 1.0), &Device::cpu().differentiable());
    let (found, expected) = ((ours * d_y.clone()).sum().backward(), (theirs * d_y).sum().backward());
    assert_close(x.grad(&found).expect("d_x"), x.grad(&expected).expect("d_x"), &format!("{what}: gradient of x"));
    assert_close(weight.grad(&found).expect("d_w"), weight.grad(&expected).expect("d_w"), &format!("{what}: gradient of weight"));
    assert_close(bias.grad(&found).expect("d_b"), bias.grad(&expected).expect("d_b"), &format!("{what}: gradient of bias"));
}

#[test]
fn the_loss_passes_its_gradient_scaled_by_what_follows() {
    let logits = random([2, 2, 3, 4, 3], 1.0);
    let classes: Vec<u8> = (0..48).map(|i| [0, 1, 2, 255][i % 4]).collect();
    let target = |weight| LossTarget {
        classes: Arc::new(classes.clone()),
        regions: None,
        entropy_weight: 1.0,
        dice_weight: 1.0,
        batch_dice: false,
        weight,
    };
    let gradient = |loss: Tensor<1>| logits.grad(&loss.backward()).expect("a gradient");
    let once = gradient(segmentation_loss(logits.clone(), target(1.0)));
    let thrice = gradient(segmentation_loss(logits.clone(), target(1.0)) * 3.0);
    let weighted = gradient(segmentation_loss(logits.clone(), target(3.0)));
    assert_close(thrice, once.clone() * 3.0, "loss times 3");
    assert_close(weighted, once * 3.0, "weight 3");
}
