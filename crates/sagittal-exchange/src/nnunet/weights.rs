//! A checkpoint's state dictionary, taken over into a network.

use crate::{ExchangeError, checkpoint::Checkpoint, pickle::TensorReference};
use sagittal_data::plan::NetworkPlan;
use sagittal_nets::{NetError, Network};
use sagittal_tensor::{Device, Tensor, TensorData};
use std::collections::HashMap;

/// Prefixes that compiling a model and training it on several devices add.
const WRAPPERS: [&str; 2] = ["module.", "_orig_mod."];

/// The network that a plan describes, with the weights of a checkpoint.
///
/// nnU-Net's modules list every layer twice and the encoder once more below the decoder; those names are left out. Every other
/// array must belong to a layer and have its shape.
pub(super) fn network(checkpoint: &mut Checkpoint, plan: &NetworkPlan, place: &str, device: &Device) -> Result<Network, ExchangeError> {
    plan.validate().map_err(NetError::from)?;
    let malformed =
        |finding: String| ExchangeError::malformed(place, finding, "take plans.json, dataset.json and checkpoint from the same training");
    // A plan alone must not make a network of any size.
    if plan.n_parameters() > checkpoint.n_bytes() {
        let finding = format!("a network of {} parameters, but the file has {} bytes", plan.n_parameters(), checkpoint.n_bytes());
        return Err(malformed(finding));
    }
    let mut arrays: HashMap<String, TensorReference> = HashMap::new();
    for (name, tensor) in checkpoint.arrays("network_weights")? {
        let name = unwrapped(&name);
        if !(name.contains(".all_modules.") || name.starts_with("decoder.encoder.")) {
            arrays.insert(name.to_owned(), tensor);
        }
    }
    let mut network = Network::zeros(plan, device)?;
    for parameter in network.parameters_mut().iter_mut() {
        let tensor = arrays.remove(&parameter.name).ok_or_else(|| malformed(format!("array {} is missing", parameter.name)))?;
        let mut shape: Vec<u64> = tensor.shape.clone();
        if shape.len() == 4 {
            // Kernels of 2-D networks: one slice thick.
            shape.insert(2, 1);
        }
        let expected: Vec<u64> = parameter.shape.iter().map(|size| *size as u64).collect();
        if shape != expected {
            return Err(malformed(format!("array {}: expected shape {expected:?}, found {:?}", parameter.name, tensor.shape)));
        }
        let numbers = checkpoint.numbers(&parameter.name, &tensor)?.numbers;
        if numbers.iter().any(|number| !number.is_finite()) {
            let finding = format!("array {} holds numbers that are not finite: its training failed", parameter.name);
            return Err(ExchangeError::malformed(place, finding, "choose another fold or state of the training, or train it again"));
        }
        let n = numbers.len();
        parameter.value = Tensor::from_data(TensorData::new(numbers, [n]), device.plain());
    }
    match arrays.keys().min() {
        Some(name) => Err(malformed(format!("array {name} belongs to no layer of the network that its plans describe"))),
        None => Ok(network),
    }
}

fn unwrapped(mut name: &str) -> &str {
    while let Some(rest) = WRAPPERS.iter().find_map(|wrapper| name.strip_prefix(wrapper)) {
        name = rest;
    }
    name
}
