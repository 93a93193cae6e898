//! The convolutions that all networks are made of, and how their parameters are named, counted in and first drawn.

use crate::{Parameters, init::kaiming_normal};
use rand_chacha::ChaCha8Rng;
use sagittal_data::plan::UnetPlan;
use sagittal_tensor::{ConvSpec, Device, NormActivation, Tensor, TransposeSpec, conv, conv_norm_act, conv_transpose};

/// Where the parameters of a convolution are.
#[derive(Clone, Copy, Debug)]
struct Weights {
    weight: usize,
    /// `None` where a network's convolutions have no bias.
    bias: Option<usize>,
    c_out: usize,
}

impl Weights {
    /// Weight and bias; 0 where there is none.
    fn values(&self, parameters: &Parameters) -> (Tensor<1>, Tensor<1>) {
        let weight = parameters.value(self.weight);
        let bias = self.bias.map_or_else(|| Tensor::zeros([self.c_out], &weight.device()), |bias| parameters.value(bias));
        (weight, bias)
    }
}

/// Convolution, instance norm, leaky ReLU.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block {
    spec: ConvSpec,
    weights: Weights,
    gamma: usize,
    beta: usize,
    norm: NormActivation,
}

impl Block {
    /// Of `x`, or of `x` and `skip` joined.
    pub(crate) fn forward(&self, parameters: &Parameters, x: Tensor<5>, skip: Option<Tensor<5>>) -> Tensor<5> {
        let norm = [parameters.value(self.gamma), parameters.value(self.beta)];
        let (weight, bias) = self.weights.values(parameters);
        conv_norm_act(x, skip, weight, bias, norm, self.spec, self.norm, parameters.prepared(self.weights.weight))
    }
}

/// A transposed convolution to the next finer grid.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transposed {
    spec: TransposeSpec,
    weights: Weights,
}

impl Transposed {
    pub(crate) fn forward(&self, parameters: &Parameters, x: Tensor<5>) -> Tensor<5> {
        let (weight, bias) = self.weights.values(parameters);
        conv_transpose(x, weight, bias, self.spec)
    }
}

/// A convolution of one tap to the logits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    spec: ConvSpec,
    weights: Weights,
}

impl Head {
    pub(crate) fn forward(&self, parameters: &Parameters, x: Tensor<5>) -> Tensor<5> {
        let (weight, bias) = self.weights.values(parameters);
        conv(x, weight, bias, self.spec)
    }
}

/// What follows a block's norm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activation {
    /// The network's leaky ReLU.
    Leaky,
    /// Nothing.
    Identity,
}

/// Adds parameters one after the other.
pub(crate) struct Builder<'a> {
    parameters: Parameters,
    /// `None` where the values are about to be replaced: drawing millions of numbers takes seconds.
    rng: Option<&'a mut ChaCha8Rng>,
    device: &'a Device,
    conv_bias: bool,
    norm: NormActivation,
}

impl<'a> Builder<'a> {
    pub(crate) fn new(plan: &UnetPlan, rng: Option<&'a mut ChaCha8Rng>, device: &'a Device) -> Self {
        let norm = NormActivation { epsilon: plan.norm_epsilon as f32, slope: plan.leaky_slope as f32 };
        Self { parameters: Parameters::default(), rng, device, conv_bias: plan.conv_bias, norm }
    }

    pub(crate) fn finish(self) -> Parameters {
        self.parameters
    }

    /// `NAME.conv` and `NAME.norm`.
    pub(crate) fn block(&mut self, name: &str, spec: ConvSpec) -> Block {
        self.block_of(name, spec, Activation::Leaky, self.conv_bias, 1.0)
    }

    /// A block with another end: `gamma` is the first value of the norm's weights.
    pub(crate) fn block_of(&mut self, name: &str, spec: ConvSpec, activation: Activation, has_bias: bool, gamma: f32) -> Block {
        let weights = self.conv(&format!("{name}.conv"), spec, has_bias);
        let mut vector = |name: String, value: f32| self.parameters.add(name, vec![spec.c_out], vec![value; spec.c_out], self.device);
        let gamma = vector(format!("{name}.norm.weight"), gamma);
        let beta = vector(format!("{name}.norm.bias"), 0.0);
        let slope = if activation == Activation::Leaky { self.norm.slope } else { 1.0 };
        Block { spec, weights, gamma, beta, norm: NormActivation { slope, ..self.norm } }
    }

    /// `NAME`.
    pub(crate) fn transposed(&mut self, name: &str, spec: TransposeSpec) -> Transposed {
        let [sz, sy, sx] = spec.stride;
        // PyTorch takes the fan-in of a transposed convolution from its output channels.
        let weights = self.drawn(spec.n_weights(), spec.c_out * sz * sy * sx);
        Transposed { spec, weights: self.add(name, vec![spec.c_in, spec.c_out, sz, sy, sx], weights, spec.c_out, self.conv_bias) }
    }

    /// `NAME`, always with bias.
    pub(crate) fn head(&mut self, name: &str, c_in: usize, classes: usize) -> Head {
        let spec = ConvSpec { c_in, c_out: classes, kernel: [1; 3], stride: [1; 3] };
        Head { spec, weights: self.conv(name, spec, true) }
    }

    fn conv(&mut self, name: &str, spec: ConvSpec, has_bias: bool) -> Weights {
        let [kz, ky, kx] = spec.kernel;
        let weights = self.drawn(spec.n_weights(), spec.c_in * kz * ky * kx);
        self.add(name, vec![spec.c_out, spec.c_in, kz, ky, kx], weights, spec.c_out, has_bias)
    }

    fn drawn(&mut self, n: usize, fan_in: usize) -> Vec<f32> {
        self.rng.as_deref_mut().map_or_else(|| vec![0.0; n], |rng| kaiming_normal(n, fan_in, rng))
    }

    fn add(&mut self, name: &str, shape: Vec<usize>, weights: Vec<f32>, c_out: usize, has_bias: bool) -> Weights {
        let weight = self.parameters.add(format!("{name}.weight"), shape, weights, self.device);
        let mut bias = || self.parameters.add(format!("{name}.bias"), vec![c_out], vec![0.0; c_out], self.device);
        Weights { weight, bias: has_bias.then(&mut bias), c_out }
    }
}
