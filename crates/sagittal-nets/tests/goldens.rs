//! Logits and gradients against nnU-Net's own network classes in float64 with the same weights
//! (`tests/reference/networks.py` wrote them).
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use sagittal_data::plan::{ActivationKind, NetworkPlan, UnetPlan};
use sagittal_nets::{Dropout, Network, Outputs, Parameters};
use sagittal_tensor::{Device, Tensor, TensorData};
use sagittal_testing::read_npz;
use std::path::PathBuf;

/// Largest difference as a part of the largest value. Float32 through some twenty layers.
const LOGIT_TOLERANCE: f32 = 1e-5;
/// Gradients pass through twice as many, and through norms over as few as 8 voxels.
const GRADIENT_TOLERANCE: f32 = 1e-4;

struct Case {
    name: &'static str,
    plan: NetworkPlan,
}

fn cases() -> [Case; 5] {
    let plain = |features: &[usize], kernels: Vec<[usize; 3]>, strides: Vec<[usize; 3]>| UnetPlan {
        input_channels: 1,
        classes: 2,
        features: features.to_vec(),
        kernels,
        strides,
        encoder_convs: vec![2, 1],
        decoder_convs: vec![2],
        deep_supervision: true,
        conv_bias: false,
        norm_epsilon: 1e-3,
        leaky_slope: 0.2,
        activation: ActivationKind::LeakyRelu,
        dropout: 0.0,
    };
    [
        Case {
            name: "residual_3d",
            plan: NetworkPlan::ResidualUnet(UnetPlan {
                input_channels: 2,
                classes: 3,
                encoder_convs: vec![1, 2, 2, 1],
                decoder_convs: vec![1; 3],
                conv_bias: true,
                norm_epsilon: UnetPlan::NORM_EPSILON,
                leaky_slope: UnetPlan::LEAKY_SLOPE,
                activation: ActivationKind::LeakyRelu,
                dropout: 0.0,
                ..plain(&[4, 4, 6, 6], vec![[1, 3, 3], [3; 3], [3; 3], [3; 3]], vec![[1; 3], [1, 2, 2], [2; 3], [1, 2, 2]])
            }),
        },
        Case {
            name: "residual_2d",
            plan: NetworkPlan::ResidualUnet(UnetPlan {
                input_channels: 3,
                encoder_convs: vec![1, 1, 2],
                decoder_convs: vec![1; 2],
                norm_epsilon: UnetPlan::NORM_EPSILON,
                leaky_slope: UnetPlan::LEAKY_SLOPE,
                activation: ActivationKind::LeakyRelu,
                dropout: 0.0,
                ..plain(&[5, 8, 8], vec![[1, 3, 3]; 3], vec![[1; 3], [1, 2, 2], [1, 2, 2]])
            }),
        },
        Case { name: "plain_other", plan: NetworkPlan::Unet(plain(&[4, 6], vec![[3; 3]; 2], vec![[1; 3], [2; 3]])) },
        Case {
            name: "plain_tanh",
            plan: NetworkPlan::Unet(UnetPlan {
                decoder_convs: vec![1],
                conv_bias: true,
                norm_epsilon: UnetPlan::NORM_EPSILON,
                activation: ActivationKind::Tanh,
                ..plain(&[3, 4], vec![[3; 3]; 2], vec![[1; 3], [2; 3]])
            }),
        },
        Case {
            name: "residual_gelu",
            plan: NetworkPlan::ResidualUnet(UnetPlan {
                encoder_convs: vec![1, 1],
                decoder_convs: vec![1],
                conv_bias: true,
                norm_epsilon: UnetPlan::NORM_EPSILON,
                activation: ActivationKind::Gelu,
                ..plain(&[3, 4], vec![[1, 3, 3]; 2], vec![[1; 3], [1, 2, 2]])
            }),
        },
    ]
}

fn golden(case: &Case, key: &str) -> sagittal_testing::Array {
    read_npz(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/{}.npz", case.name)), key).unwrap()
}

/// `N C Z Y X`, or `N C Y X` of a 2-D network, => `N Z Y X C`.
fn channels_last(array: &sagittal_testing::Array, device: &sagittal_tensor::Device) -> Tensor<5> {
    let shape = match array.shape[..] {
        [n, c, y, x] => [n, c, 1, y, x],
        [n, c, z, y, x] => [n, c, z, y, x],
        _ => panic!("shape {:?}", array.shape),
    };
    Tensor::<5>::from_data(TensorData::new(array.values.clone(), shape), device.plain()).permute([0, 2, 3, 4, 1])
}

fn network(case: &Case) -> Network {
    let mut network = Network::zeros(&case.plan, &Device::cpu()).unwrap();
    for parameter in network.parameters_mut().iter_mut() {
        let values = golden(case, &format!("weight/{}", parameter.name)).values;
        assert_eq!(values.len(), parameter.shape.iter().product::<usize>(), "{}: {}", case.name, parameter.name);
        let n = values.len();
        parameter.value = Tensor::from_data(TensorData::new(values, [n]), Device::cpu().plain());
    }
    network
}

fn relative_difference<const D: usize>(found: Tensor<D>, expected: Tensor<D>) -> f32 {
    assert_eq!(found.dims(), expected.dims());
    // The gradient of a bias before a norm is 0 but for what rounding leaves of sums of some hundred terms of about 1.
    let scale = expected.clone().abs().max().into_scalar::<f32>().max(0.5);
    (found - expected).abs().max().into_scalar::<f32>() / scale
}

#[test]
fn logits_of_every_scale_are_those_of_nnunet() {
    for case in cases() {
        let network = network(&case);
        let logits = network.forward(channels_last(&golden(&case, "image"), &Device::cpu()), Outputs::EveryScale);
        assert_eq!(logits.len(), case.plan.n_scales());
        for (i, found) in logits.into_iter().enumerate() {
            let expected = channels_last(&golden(&case, &format!("logits/{i}")), &Device::cpu());
            let difference = relative_difference(found, expected);
            assert!(difference < LOGIT_TOLERANCE, "{}, scale {i}: {difference}", case.name);
        }
    }
}

#[test]
fn gradients_are_those_of_nnunet() {
    for case in cases() {
        let network = network(&case);
        let tracked = network.parameters().tracked();
        let image = channels_last(&golden(&case, "image"), &Device::cpu()).autodiff();
        let logits = network.forward_with(&tracked, image, Outputs::EveryScale, Dropout::Off);
        let weighted = logits.into_iter().enumerate().map(|(i, logits)| {
            let d_logits = channels_last(&golden(&case, &format!("d_logits/{i}")), &Device::cpu()).autodiff();
            (logits * d_logits).sum()
        });
        let gradients = weighted.reduce(|a, b| a + b).unwrap().backward();
        for parameter in tracked.iter() {
            let expected = golden(&case, &format!("gradient/{}", parameter.name)).values;
            let n = expected.len();
            let expected = Tensor::<1>::from_data(TensorData::new(expected, [n]), Device::cpu().plain());
            let found = parameter.value.grad(&gradients).unwrap_or_else(|| panic!("{}: no gradient", parameter.name));
            let difference = relative_difference(found, expected);
            assert!(difference < GRADIENT_TOLERANCE, "{}, {}: {difference}", case.name, parameter.name);
        }
    }
}

#[test]
fn descriptions_count_the_parameters_and_drawn_blocks_begin_as_their_shortcut() {
    for case in cases() {
        let network = Network::new(&case.plan, &mut ChaCha8Rng::seed_from_u64(0), &Device::cpu()).unwrap();
        assert_eq!(network.parameters().count() as u64, case.plan.n_parameters(), "{}", case.name);
        let of = |parameters: &Parameters, name: &str| {
            parameters.iter().find(|p| p.name == name).map(|p| p.value.clone().into_data().iter::<f32>().collect::<Vec<_>>())
        };
        if matches!(case.plan, NetworkPlan::ResidualUnet(_)) {
            let gamma = of(network.parameters(), "encoder.stages.1.blocks.0.conv2.norm.weight").unwrap();
            assert!(gamma.iter().all(|gamma| *gamma == 0.0));
            let gamma = of(network.parameters(), "encoder.stages.1.blocks.0.conv1.norm.weight").unwrap();
            assert!(gamma.iter().all(|gamma| *gamma == 1.0));
        }
    }
}
