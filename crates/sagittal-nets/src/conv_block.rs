//! The convolutions that all networks are made of, and how their parameters are named, counted in and first drawn.

use crate::{Dropout, DropoutLayer, Parameters, activation_of, init::first_weights};
use rand_chacha::ChaCha8Rng;
use sagittal_data::plan::{ActivationKind, UnetPlan};
use sagittal_tensor::{
    Activation, ConvSpec, Device, NormActivation, Padding, Tensor, TransposeSpec, activate, add_leaky, conv, conv_norm_act, conv_transpose,
};

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

/// Convolution, instance norm, activation, dropout.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block {
    spec: ConvSpec,
    weights: Weights,
    gamma: usize,
    beta: usize,
    /// With the leaky ReLU, where that is the activation; else with a slope of 1.
    norm: NormActivation,
    /// An activation that the norm does not do in the same pass.
    activation: Option<Activation>,
    dropout: Option<DropoutLayer>,
}

impl Block {
    /// Its convolution.
    pub(crate) fn spec(&self) -> ConvSpec {
        self.spec
    }

    /// Of `x`, or of `x` and `skip` joined.
    pub(crate) fn forward(&self, parameters: &Parameters, x: Tensor<5>, skip: Option<Tensor<5>>, dropout: Dropout) -> Tensor<5> {
        let norm = [parameters.value(self.gamma), parameters.value(self.beta)];
        let (weight, bias) = self.weights.values(parameters);
        let mut y = conv_norm_act(x, skip, weight, bias, norm, self.spec, self.norm, parameters.prepared(self.weights.weight));
        if let Some(activation) = self.activation {
            y = activate(y, activation);
        }
        match self.dropout {
            Some(layer) => layer.forward(y, dropout),
            None => y,
        }
    }
}

/// The end of a residual block: the sum with the shortcut, activation, dropout.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Join {
    activation: Activation,
    dropout: Option<DropoutLayer>,
}

impl Join {
    pub(crate) fn forward(&self, y: Tensor<5>, shortcut: Tensor<5>, dropout: Dropout) -> Tensor<5> {
        let y = match self.activation {
            Activation::LeakyRelu { slope } => add_leaky(y, shortcut, slope),
            other => activate(add_leaky(y, shortcut, 1.0), other),
        };
        match self.dropout {
            Some(layer) => layer.forward(y, dropout),
            None => y,
        }
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

/// A convolution with bias and nothing behind it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    spec: ConvSpec,
    weights: Weights,
}

impl Head {
    /// Its convolution.
    pub(crate) fn spec(&self) -> ConvSpec {
        self.spec
    }

    pub(crate) fn forward(&self, parameters: &Parameters, x: Tensor<5>) -> Tensor<5> {
        let (weight, bias) = self.weights.values(parameters);
        conv(x, weight, bias, self.spec)
    }
}

/// A dense layer with bias and nothing behind it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dense {
    weights: Weights,
    pub(crate) n_in: usize,
    pub(crate) n_out: usize,
}

impl Dense {
    /// Adds `NAME.weight`, `[n_out, n_in]`, and `NAME.bias`, zeros.
    pub(crate) fn new(name: &str, [n_in, n_out]: [usize; 2], weights: Vec<f32>, parameters: &mut Parameters, device: &Device) -> Self {
        let weight = parameters.add(format!("{name}.weight"), vec![n_out, n_in], weights, device);
        let bias = parameters.add(format!("{name}.bias"), vec![n_out], vec![0.0; n_out], device);
        Self { weights: Weights { weight, bias: Some(bias), c_out: n_out }, n_in, n_out }
    }

    /// `[N, n_in]` => `[N, n_out]`.
    pub(crate) fn forward(&self, parameters: &Parameters, x: Tensor<2>) -> Tensor<2> {
        // The weights stand on the left, so that their gradient comes out in their own order: of 200 million a copy counts.
        let rows: Tensor<2> = self.weight(parameters).reshape([self.n_out, self.n_in]);
        let bias: Tensor<2> = self.bias(parameters).reshape([1, self.n_out]);
        rows.matmul(x.transpose()).transpose() + bias
    }

    /// `n_out * n_in` numbers in that order.
    pub(crate) fn weight(&self, parameters: &Parameters) -> Tensor<1> {
        parameters.value(self.weights.weight)
    }

    pub(crate) fn bias(&self, parameters: &Parameters) -> Tensor<1> {
        self.weights.values(parameters).1
    }

    /// Where its bias stands among the parameters.
    pub(crate) fn bias_index(&self) -> usize {
        self.weights.bias.expect("dense layers have a bias")
    }
}

/// What follows a block's norm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The network's activation and dropout.
    Whole,
    /// The network's activation.
    Activated,
    /// Nothing.
    Linear,
}

/// Adds parameters one after the other.
pub(crate) struct Builder<'a> {
    parameters: Parameters,
    /// `None` where the values are about to be replaced: drawing millions of numbers takes seconds.
    rng: Option<&'a mut ChaCha8Rng>,
    device: &'a Device,
    conv_bias: bool,
    epsilon: f32,
    activation: (ActivationKind, Activation),
    dropout: f64,
    n_dropout_layers: u64,
}

impl<'a> Builder<'a> {
    pub(crate) fn new(plan: &UnetPlan, rng: Option<&'a mut ChaCha8Rng>, device: &'a Device) -> Self {
        Self {
            parameters: Parameters::default(),
            rng,
            device,
            conv_bias: plan.conv_bias,
            epsilon: plan.norm_epsilon as f32,
            activation: (plan.activation, activation_of(plan.activation, plan.leaky_slope)),
            dropout: plan.dropout,
            n_dropout_layers: 0,
        }
    }

    /// For networks without norms, whose dropout is their own.
    pub(crate) fn without_norm(activation: ActivationKind, rng: Option<&'a mut ChaCha8Rng>, device: &'a Device) -> Self {
        Self {
            parameters: Parameters::default(),
            rng,
            device,
            conv_bias: true,
            epsilon: UnetPlan::NORM_EPSILON as f32,
            activation: (activation, activation_of(activation, UnetPlan::LEAKY_SLOPE)),
            dropout: 0.0,
            n_dropout_layers: 0,
        }
    }

    pub(crate) fn finish(self) -> Parameters {
        self.parameters
    }

    /// `NAME.conv` and `NAME.norm`.
    pub(crate) fn block(&mut self, name: &str, spec: ConvSpec) -> Block {
        self.block_of(name, spec, End::Whole, self.conv_bias, 1.0)
    }

    /// A block with another end: `gamma` is the first value of the norm's weights.
    pub(crate) fn block_of(&mut self, name: &str, spec: ConvSpec, end: End, has_bias: bool, gamma: f32) -> Block {
        let weights = self.conv(&format!("{name}.conv"), spec, has_bias);
        let mut vector = |name: String, value: f32| self.parameters.add(name, vec![spec.c_out], vec![value; spec.c_out], self.device);
        let gamma = vector(format!("{name}.norm.weight"), gamma);
        let beta = vector(format!("{name}.norm.bias"), 0.0);
        let (slope, activation) = match (end, self.activation.1) {
            (End::Linear, _) => (1.0, None),
            (_, Activation::LeakyRelu { slope }) => (slope, None),
            (_, other) => (1.0, Some(other)),
        };
        let dropout = if end == End::Whole { self.dropout_layer() } else { None };
        Block { spec, weights, gamma, beta, norm: NormActivation { epsilon: self.epsilon, slope }, activation, dropout }
    }

    /// The end of a residual block.
    pub(crate) fn join(&mut self) -> Join {
        Join { activation: self.activation.1, dropout: self.dropout_layer() }
    }

    fn dropout_layer(&mut self) -> Option<DropoutLayer> {
        self.n_dropout_layers += 1;
        DropoutLayer::new(self.n_dropout_layers, self.dropout)
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
        self.convolution(name, ConvSpec { c_in, c_out: classes, kernel: [1; 3], stride: [1; 3], padding: Padding::Same })
    }

    /// `NAME`, always with bias.
    pub(crate) fn convolution(&mut self, name: &str, spec: ConvSpec) -> Head {
        Head { spec, weights: self.conv(name, spec, true) }
    }

    /// `NAME`, always with bias.
    pub(crate) fn dense(&mut self, name: &str, n_in: usize, n_out: usize) -> Dense {
        let weights = self.drawn(n_in * n_out, n_in);
        Dense::new(name, [n_in, n_out], weights, &mut self.parameters, self.device)
    }

    fn conv(&mut self, name: &str, spec: ConvSpec, has_bias: bool) -> Weights {
        let [kz, ky, kx] = spec.kernel;
        let weights = self.drawn(spec.n_weights(), spec.c_in * kz * ky * kx);
        self.add(name, vec![spec.c_out, spec.c_in, kz, ky, kx], weights, spec.c_out, has_bias)
    }

    fn drawn(&mut self, n: usize, fan_in: usize) -> Vec<f32> {
        self.rng.as_deref_mut().map_or_else(|| vec![0.0; n], |rng| first_weights(n, fan_in, self.activation.0, rng))
    }

    fn add(&mut self, name: &str, shape: Vec<usize>, weights: Vec<f32>, c_out: usize, has_bias: bool) -> Weights {
        let weight = self.parameters.add(format!("{name}.weight"), shape, weights, self.device);
        let mut bias = || self.parameters.add(format!("{name}.bias"), vec![c_out], vec![0.0; c_out], self.device);
        Weights { weight, bias: has_bias.then(&mut bias), c_out }
    }
}
