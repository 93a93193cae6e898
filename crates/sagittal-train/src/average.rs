//! A running mean of a network's parameters, which is often better than the last of them.
//!
//! Source: Polyak and Juditsky 1992 (averaging); with exponential weights as Tarvainen and Valpola 2017 use it, and as they do
//! with a smaller decay in the first steps, so that the mean soon forgets the weights that were drawn at random.

use sagittal_nets::{Network, Parameters};
use sagittal_tensor::Tensor;

/// Exponential moving average of all parameters.
#[derive(Clone, Debug)]
pub(crate) struct Average {
    decay: f64,
    /// In the order of the parameters; none before the first step.
    values: Vec<Tensor<1>>,
}

impl Average {
    /// Of nothing yet; `decay` is below 1, such as 0.999.
    pub(crate) fn new(decay: f64) -> Self {
        Self { decay, values: Vec::new() }
    }

    /// Takes in the parameters after step `step`, counted from 1.
    pub(crate) fn add(&mut self, parameters: &Parameters, step: u64) {
        let decay = self.decay.min(step as f64 / (step as f64 + 10.0));
        if self.values.is_empty() {
            self.values = parameters.iter().map(|parameter| parameter.value.clone()).collect();
            return;
        }
        for (mean, parameter) in self.values.iter_mut().zip(parameters.iter()) {
            *mean = mean.clone() * decay + parameter.value.clone() * (1.0 - decay);
        }
    }

    /// The network with the mean of its parameters; with its own before the first step.
    pub(crate) fn network(&self, own: &Network) -> Network {
        let mut network = own.clone();
        for (parameter, mean) in network.parameters_mut().iter_mut().zip(&self.values) {
            parameter.value = mean.clone();
        }
        network
    }

    /// What a checkpoint keeps.
    pub(crate) fn values(&self) -> &[Tensor<1>] {
        &self.values
    }

    /// Takes up where a checkpoint left off.
    pub(crate) fn restore(&mut self, values: Vec<Tensor<1>>) {
        self.values = values;
    }
}
