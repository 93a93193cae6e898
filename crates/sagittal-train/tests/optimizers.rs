//! Steps of the optimisers against PyTorch's (`tests/reference/optimizers.py` wrote them): a quadratic with curvatures from
//! 0.01 to 100, and a small network on all of its points at once.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use sagittal_data::{Seed, plan::OptimizerKind};
use sagittal_nets::Parameters;
use sagittal_tensor::{Device, Tensor, TensorData};
use sagittal_testing::{largest_difference, read_npz};
use sagittal_train::{Objective, Optimizer, TrainerOptions};
use std::path::PathBuf;

const QUADRATIC_STEPS: usize = 60;
const NETWORK_STEPS: usize = 30;
/// Float32 rounds each of some sixty steps of numbers around 1; momentum passes it on.
const TOLERANCE: f64 = 2e-5;

struct Rule {
    name: &'static str,
    optimizer: OptimizerKind,
    learning_rate: f64,
    momentum: f64,
    weight_decay: f64,
}

const RULES: [Rule; 4] = [
    Rule { name: "sgd_plain", optimizer: OptimizerKind::Sgd, learning_rate: 0.005, momentum: 0.0, weight_decay: 0.0 },
    Rule { name: "sgd_momentum", optimizer: OptimizerKind::Sgd, learning_rate: 0.001, momentum: 0.9, weight_decay: 0.0 },
    Rule { name: "rmsprop", optimizer: OptimizerKind::Rmsprop, learning_rate: 0.01, momentum: 0.9, weight_decay: 0.01 },
    Rule { name: "rprop", optimizer: OptimizerKind::Rprop, learning_rate: 0.1, momentum: 0.0, weight_decay: 0.0 },
];

fn golden(key: &str) -> Vec<f32> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/optimizers.npz");
    read_npz(&path, key).unwrap().values
}

fn optimizer(rule: &Rule, parameters: &Parameters) -> Optimizer {
    let &Rule { optimizer, learning_rate, momentum, weight_decay, .. } = rule;
    let options = TrainerOptions {
        optimizer,
        learning_rate,
        momentum,
        nesterov: false,
        weight_decay,
        gradient_clip: f64::MAX,
        objective: Objective::classes(false),
        ema_decay: None,
        seed: Seed(0),
        record_gradients: false,
    };
    Optimizer::new(&options, parameters, &Device::cpu())
}

fn numbers(tensor: Tensor<1>) -> Vec<f32> {
    tensor.into_data().as_slice::<f32>().unwrap().to_vec()
}

fn flat(values: Vec<f32>) -> Tensor<1> {
    let n = values.len();
    Tensor::from_data(TensorData::new(values, [n]), Device::cpu().plain())
}

#[test]
fn steps_on_a_quadratic_are_those_of_pytorch() {
    for rule in &RULES {
        let mut parameters = Parameters::default();
        let start = golden("start");
        parameters.add("w".to_owned(), vec![start.len()], start.clone(), &Device::cpu());
        let (curvature, centre) = (flat(golden("curvature")), flat(golden("centre")));
        let mut optimizer = optimizer(rule, &parameters);
        let mut path = Vec::new();
        for _ in 0..QUADRATIC_STEPS {
            let gradient = curvature.clone() * (parameters.value(0) - centre.clone());
            optimizer.step(&mut parameters, vec![Some(gradient)], rule.learning_rate);
            path.extend(numbers(parameters.value(0)));
        }
        let expected = golden(&format!("quadratic_{}", rule.name));
        for (step, (found, expected)) in path.chunks(start.len()).zip(expected.chunks(start.len())).enumerate() {
            let worst = largest_difference(found, expected);
            assert!(worst < TOLERANCE, "{} differs by {worst:e} after step {}", rule.name, step + 1);
        }
    }
}

#[test]
fn steps_of_a_small_network_are_those_of_pytorch() {
    const SHAPES: [&[usize]; 4] = [&[2, 8], &[8], &[8, 1], &[1]];
    let points = flat(golden("points")).reshape([24, 2]).autodiff();
    let targets = flat(golden("targets")).reshape([24, 1]).autodiff();
    for rule in &RULES {
        let mut parameters = Parameters::default();
        for (i, shape) in SHAPES.iter().enumerate() {
            parameters.add(format!("p{i}"), shape.to_vec(), golden(&format!("weights_{i}")), &Device::cpu());
        }
        let mut optimizer = optimizer(rule, &parameters);
        let mut losses = Vec::new();
        for _ in 0..NETWORK_STEPS {
            let p = parameters.tracked();
            let hidden = (points.clone().matmul(p.value(0).reshape([2, 8])) + p.value(1).reshape([1, 8])).tanh();
            let output = hidden.matmul(p.value(2).reshape([8, 1])) + p.value(3).reshape([1, 1]);
            let loss = (output - targets.clone()).square().mean();
            losses.push(loss.clone().into_scalar::<f32>());
            let mut all = loss.backward();
            let gradients = p.iter().map(|p| p.value.grad_remove(&mut all)).collect();
            optimizer.step(&mut parameters, gradients, rule.learning_rate);
        }
        let weights: Vec<f32> = parameters.iter().flat_map(|p| numbers(p.value.clone())).collect();
        for (what, found, expected) in [("loss", losses, ""), ("weights", weights, "_weights")]
            .map(|(what, found, suffix)| (what, found, golden(&format!("network_{}{suffix}", rule.name))))
        {
            let worst = largest_difference(&found, &expected);
            assert!(worst < TOLERANCE, "{}: {what} differs by {worst:e}", rule.name);
        }
    }
}
