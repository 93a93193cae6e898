//! The gradients of a first step and the losses of ten, against PyTorch in float64 with the same weights and batches
//! (`tests/reference/tensor_blocks.py` wrote them).
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use sagittal_data::{
    Batch, Seed,
    plan::{ActivationKind, NetworkPlan, OptimizerKind, UnetPlan},
};
use sagittal_nets::{Dropout, Network, Outputs};
use sagittal_tensor::{Device, RegionTable, Tensor, TensorData};
use sagittal_testing::{read_npz, relative_difference};
use sagittal_train::{DeepSupervision, Objective, Trainer, TrainerOptions};
use std::{path::PathBuf, sync::Arc};

const STEPS: usize = 10;
/// Largest difference of a loss. Float32 adds up a few thousand terms to about 1e-6 a step, and each step starts from the
/// weights that the steps before left.
const LOSS_TOLERANCE: f64 = 2e-5;
/// Largest difference of a gradient, as a part of the parameter's largest; the least that counts as its largest, because
/// the gradient of a bias before a norm is 0 but for rounding.
const GRADIENT_TOLERANCE: f64 = 5e-5;
const LEAST_GRADIENT: f32 = 1e-2;

struct Case {
    name: &'static str,
    plan: NetworkPlan,
    options: TrainerOptions,
}

fn cases() -> [Case; 2] {
    let unet = |input_channels, classes, features: [usize; 3], kernels: [[usize; 3]; 3], strides: [[usize; 3]; 3]| {
        NetworkPlan::Unet(UnetPlan {
            input_channels,
            classes,
            features: features.to_vec(),
            kernels: kernels.to_vec(),
            strides: strides.to_vec(),
            encoder_convs: vec![2; 3],
            decoder_convs: vec![1; 2],
            deep_supervision: true,
            conv_bias: true,
            norm_epsilon: UnetPlan::NORM_EPSILON,
            leaky_slope: UnetPlan::LEAKY_SLOPE,
            activation: ActivationKind::LeakyRelu,
            dropout: 0.0,
        })
    };
    let options = |optimizer, momentum, gradient_clip, batch_dice| TrainerOptions {
        optimizer,
        learning_rate: 0.01,
        momentum,
        nesterov: true,
        weight_decay: 3e-2,
        gradient_clip,
        objective: Objective::classes(batch_dice),
        ema_decay: None,
        seed: Seed(0),
        record_gradients: false,
    };
    [
        Case {
            name: "unet3d_sgd",
            plan: unet(1, 3, [4, 6, 9], [[1, 3, 3], [3; 3], [3; 3]], [[1; 3], [1, 2, 2], [2; 3]]),
            options: options(OptimizerKind::Sgd, 0.99, 0.65, false),
        },
        Case {
            name: "unet2d_adamw",
            plan: unet(3, 2, [5, 8, 12], [[1, 3, 3]; 3], [[1; 3], [1, 2, 2], [1, 2, 2]]),
            options: options(OptimizerKind::Adamw, 0.9, 12.0, true),
        },
    ]
}

/// An array of the case's golden file.
fn golden(case: &Case, key: &str) -> sagittal_testing::Array {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/{}.npz", case.name));
    read_npz(&path, key).unwrap()
}

/// The network with PyTorch's weights.
fn network(case: &Case) -> Network {
    let mut network = Network::new(&case.plan, &mut ChaCha8Rng::seed_from_u64(0), &Device::cpu()).unwrap();
    for parameter in network.parameters_mut().iter_mut() {
        let values = golden(case, &format!("weight/{}", parameter.name)).values;
        assert_eq!(values.len(), parameter.shape.iter().product::<usize>(), "{}: {}", case.name, parameter.name);
        let n = values.len();
        parameter.value = Tensor::from_data(TensorData::new(values, [n]), Device::cpu().plain());
    }
    network
}

fn batches(case: &Case) -> Vec<Batch> {
    let (images, labels) = (golden(case, "images"), golden(case, "labels"));
    // [step, N, C, (Z,) Y, X]
    let shape = match images.shape[1..] {
        [n, c, z, y, x] => [n, c, z, y, x],
        [n, c, y, x] => [n, c, 1, y, x],
        _ => panic!("images of {}: {:?}", case.name, images.shape),
    };
    let (n_images, n_labels) = (images.values.len() / STEPS, labels.values.len() / STEPS);
    let batch = |step: usize| Batch {
        step: step as u64,
        images: images.values[step * n_images..][..n_images].to_vec(),
        labels: labels.values[step * n_labels..][..n_labels].iter().map(|label| *label as u8).collect(),
        shape,
    };
    (0..STEPS).map(batch).collect()
}

#[test]
fn ten_losses_are_those_of_pytorch() {
    for case in cases() {
        let (rates, expected) = (golden(&case, "rates").values, golden(&case, "losses").values);
        let mut trainer = Trainer::new(network(&case), case.options.clone(), Device::cpu());
        let step = |(batch, rate): (Batch, f32)| trainer.step(&batch, f64::from(rate)).unwrap();
        let losses: Vec<f32> = batches(&case).into_iter().zip(rates).map(step).collect();
        let worst = sagittal_testing::largest_difference(&losses, &expected);
        assert!(worst < LOSS_TOLERANCE, "{}: differs by {worst:e}\nfound    {losses:?}\nexpected {expected:?}", case.name);
    }
}

/// The loss of regions at three scales, against nnU-Net's own classes (`tests/reference/region_loss.py`).
#[test]
fn the_loss_of_regions_is_that_of_nnunet() {
    for (name, has_ignore, batch_dice) in [("regions3d", false, false), ("regions2d_ignore", true, true)] {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/{name}.npz"));
        let read = |key: &str| read_npz(&path, key).unwrap();
        let logits: Vec<Tensor<5>> = (0..3)
            .map(|i| {
                let array = read(&format!("logits/{i}"));
                let [n, k, z, y, x] = array.shape[..] else { panic!("logits of {name}: {:?}", array.shape) };
                let tensor = Tensor::<5>::from_data(TensorData::new(array.values, [n, k, z, y, x]), Device::cpu().plain());
                tensor.permute([0, 2, 3, 4, 1]).autodiff().require_grad()
            })
            .collect();
        let unlabelled = if has_ignore { 4.0 } else { f32::NAN };
        let labels = read("labels").values.iter().map(|label| if *label == unlabelled { Batch::IGNORE } else { *label as u8 }).collect();
        let table = RegionTable::new(3, &[vec![], vec![0], vec![0, 1], vec![2]]);
        let entropy_weight = if has_ignore { 3.0 } else { 1.0 };
        let objective = Objective { regions: Some(Arc::new(table)), entropy_weight, ..Objective::classes(batch_dice) };
        let loss = DeepSupervision::new(3).loss(logits.clone(), Arc::new(labels), &objective);
        let (found, expected) = (f64::from(loss.clone().into_scalar::<f32>()), f64::from(read("loss").values[0]));
        assert!((found - expected).abs() < LOSS_TOLERANCE, "{name}: loss {found}, nnU-Net's {expected}");
        let gradients = loss.backward();
        for (i, logits) in logits.iter().enumerate().take(2) {
            let found = logits.grad(&gradients).unwrap().permute([0, 4, 1, 2, 3]).into_data();
            let worst = relative_difference(found.as_slice::<f32>().unwrap(), &read(&format!("gradient/{i}")).values);
            assert!(worst < GRADIENT_TOLERANCE, "{name}: the gradient at scale {i} differs by {worst:e}");
        }
        assert!(logits[2].grad(&gradients).is_none(), "{name}: the coarsest scale takes no part in the loss");
    }
}

#[test]
fn gradients_are_those_of_pytorch() {
    for case in cases() {
        let tracked = network(&case).parameters().tracked();
        let batch = batches(&case).swap_remove(0);
        let [n, c, z, y, x] = batch.shape;
        let images = Tensor::<5>::from_data(TensorData::new(batch.images, [n, c, z, y, x]), Device::cpu().plain());
        let logits = network(&case).forward_with(&tracked, images.permute([0, 2, 3, 4, 1]).autodiff(), Outputs::EveryScale, Dropout::Off);
        let supervision = DeepSupervision::new(logits.len());
        let mut all = supervision.loss(logits, Arc::new(batch.labels), &case.options.objective).backward();
        for parameter in tracked.iter() {
            let is_coarsest_head = parameter.name.starts_with("decoder.seg_layers.0.");
            let Some(found) = parameter.value.grad_remove(&mut all) else {
                assert!(is_coarsest_head, "{}: no gradient of {}", case.name, parameter.name);
                continue;
            };
            assert!(!is_coarsest_head, "{}: the coarsest head takes no part in the loss", case.name);
            let found = found.into_data();
            let mut expected = golden(&case, &format!("gradient/{}", parameter.name)).values;
            let mut found = found.as_slice::<f32>().unwrap().to_vec();
            found.push(LEAST_GRADIENT);
            expected.push(LEAST_GRADIENT);
            let worst = relative_difference(&found, &expected);
            assert!(worst < GRADIENT_TOLERANCE, "{}: {} differs by {worst:e}", case.name, parameter.name);
        }
    }
}
