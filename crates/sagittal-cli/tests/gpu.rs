//! A small network on the GPUs of this build against the same network on the processor. Run on a machine that has one:
//! `cargo test --release -p sagittal-cli --features gpu --test gpu -- --ignored --nocapture`
#![cfg(any(feature = "gpu", feature = "cuda"))]
#![allow(clippy::unwrap_used, reason = "tests")]

use sagittal_data::{
    Batch, Seed,
    plan::{ActivationKind, NetworkPlan, OptimizerKind, UnetPlan},
};
use sagittal_nets::{Network, Outputs, Parameters};
use sagittal_tensor::{Device, DeviceName, Tensor, TensorData};
use sagittal_train::{Objective, Trainer, TrainerOptions};

/// Of the largest logit. Both sides compute in f32; a GPU sums in another order.
const FORWARD_TOLERANCE: f32 = 1e-4;
/// Of the largest change of a parameter: an activation at the kink of its ReLU may change sign by rounding, and a voxel is one of
/// a few hundred in the coarsest layer.
const STEP_TOLERANCE: f32 = 2e-2;

/// In three dimensions with odd pooled sizes, and in two with anisotropic ones.
const PATCHES: [[usize; 3]; 2] = [[8, 12, 20], [1, 24, 28]];

/// Every device of this build but the processor.
fn gpus() -> Vec<(DeviceName, Device)> {
    let names = ["gpu", "cuda:0"].iter().filter_map(|name| name.parse().ok());
    names.map(|name| (name, Device::open(name).unwrap_or_else(|error| panic!("{error}")))).collect()
}

/// The same numbers on every device.
fn network(patch: [usize; 3], device: &Device) -> Network {
    let (kernel, stride) = if patch[0] == 1 { ([1, 3, 3], [1, 2, 2]) } else { ([3; 3], [2; 3]) };
    let plan = NetworkPlan::Unet(UnetPlan {
        input_channels: 2,
        classes: 3,
        features: vec![8, 16, 24],
        kernels: vec![kernel; 3],
        strides: vec![[1; 3], stride, stride],
        encoder_convs: vec![2; 3],
        decoder_convs: vec![2; 2],
        deep_supervision: true,
        conv_bias: true,
        norm_epsilon: UnetPlan::NORM_EPSILON,
        leaky_slope: UnetPlan::LEAKY_SLOPE,
        activation: ActivationKind::LeakyRelu,
        dropout: 0.0,
    });
    Network::new(&plan, &mut Seed(7).stream(&[]), device).unwrap()
}

fn batch([z, y, x]: [usize; 3]) -> Batch {
    let n = 2 * z * y * x;
    let images = (0..2 * n).map(|i| ((i * 7919) % 1013) as f32 / 506.0 - 1.0).collect();
    let labels = (0..n).map(|i| [0, 0, 1, 2, 255][i / 3 % 5]).collect();
    Batch { step: 0, images, labels, shape: [2, 2, z, y, x] }
}

fn largest(values: impl Iterator<Item = f32>) -> f32 {
    values.fold(0.0, |most, value| if value.is_nan() { f32::INFINITY } else { most.max(value.abs()) })
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

#[test]
#[ignore = "needs a GPU"]
fn logits_of_a_gpu_equal_the_processors() {
    for (name, gpu) in gpus() {
        for patch @ [z, y, x] in PATCHES {
            let values: Vec<f32> = batch(patch).images;
            let logits = |device: &Device| {
                let input = Tensor::<5>::from_data(TensorData::new(values.clone(), [2, z, y, x, 2]), device.plain());
                network(patch, device).forward(input, Outputs::EveryScale).into_iter().map(numbers).collect::<Vec<_>>()
            };
            for (scale, (found, expected)) in logits(&gpu).into_iter().zip(logits(&Device::cpu())).enumerate() {
                assert_eq!(found.len(), expected.len());
                let error = largest(found.iter().zip(&expected).map(|(a, b)| a - b)) / largest(expected.iter().copied());
                println!("{name} ({}), patch {patch:?}, scale {scale}: relative error {error:.1e}", gpu.part().unwrap_or_default());
                assert!(error < FORWARD_TOLERANCE, "{name}, patch {patch:?}, scale {scale}: relative error {error}");
            }
        }
    }
}

#[test]
#[ignore = "needs a GPU"]
fn training_steps_of_a_gpu_equal_the_processors() {
    let options = TrainerOptions {
        optimizer: OptimizerKind::Sgd,
        learning_rate: 0.01,
        momentum: 0.9,
        nesterov: true,
        weight_decay: 1e-4,
        gradient_clip: 12.0,
        objective: Objective::classes(false),
        ema_decay: None,
        seed: Seed(0),
        record_gradients: false,
    };
    for (name, gpu) in gpus() {
        for patch in PATCHES {
            for (optimizer, n_steps) in [(OptimizerKind::Sgd, 1), (OptimizerKind::Adamw, 1), (OptimizerKind::Sgd, 3)] {
                let train = |device: &Device| {
                    let options = TrainerOptions { optimizer, ..options.clone() };
                    let mut trainer = Trainer::new(network(patch, device), options, device.clone());
                    let losses: Vec<f32> = (0..n_steps).map(|_| trainer.step(&batch(patch), 0.01).unwrap()).collect();
                    (losses, trainer.network)
                };
                let ((found, gpu_network), (expected, cpu_network)) = (train(&gpu), train(&Device::cpu()));
                let loss_error = largest(found.iter().zip(&expected).map(|(a, b)| (a - b) / b));
                assert!(loss_error < FORWARD_TOLERANCE, "{name}, patch {patch:?}: losses {found:?}, expected {expected:?}");
                // A first step of AdamW moves every parameter by the learning rate, whatever its gradient: only the loss counts.
                if optimizer == OptimizerKind::Sgd {
                    let error = step_error(&network(patch, &Device::cpu()), gpu_network.parameters(), cpu_network.parameters());
                    println!("{name}, patch {patch:?}, {n_steps} step(s): relative error of losses {loss_error:.1e}, of steps {error:.1e}");
                    assert!(error < STEP_TOLERANCE, "{name}, patch {patch:?}: relative error of steps {error}");
                }
            }
        }
    }
}

/// The largest difference between two ways from `start`, as a part of the way, over all parameters that moved.
fn step_error(start: &Network, found: &Parameters, expected: &Parameters) -> f32 {
    let ways = start.parameters().iter().zip(found.iter()).zip(expected.iter()).map(|((start, found), expected)| {
        let [start, found, expected] = [start, found, expected].map(|parameter| numbers(parameter.value.clone()));
        let way = largest(expected.iter().zip(&start).map(|(a, b)| a - b));
        (way, largest(found.iter().zip(&expected).map(|(a, b)| a - b)))
    });
    let ways: Vec<(f32, f32)> = ways.collect();
    let longest = largest(ways.iter().map(|(way, _)| *way));
    // Biases before a norm have no gradient but rounding.
    largest(ways.iter().filter(|(way, _)| *way > 1e-3 * longest).map(|(way, error)| error / way))
}
