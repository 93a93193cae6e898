//! The plain U-Net that nnU-Net plans (Isensee et al. 2021): strided convolutions down, transposed ones up, a skip
//! connection at every resolution, heads at every decoder stage for deep supervision.
//!
//! Parameters carry nnU-Net's names, so that its weights can be read and written.

use crate::{NetError, NetworkConfig, Outputs, Parameters, init::kaiming_normal};
use rand_chacha::ChaCha8Rng;
use sagittal_tensor::{ConvSpec, Device, NormActivation, Tensor, TransposeSpec, conv, conv_norm_act, conv_transpose};

/// Where the parameters of a convolution with bias are.
#[derive(Clone, Copy, Debug)]
struct WeightAndBias {
    weight: usize,
    bias: usize,
}

/// Convolution, instance norm, leaky ReLU.
#[derive(Clone, Copy, Debug)]
struct Block {
    spec: ConvSpec,
    conv: WeightAndBias,
    gamma: usize,
    beta: usize,
}

/// From one decoder stage to the next finer one.
#[derive(Clone, Debug)]
struct Up {
    spec: TransposeSpec,
    conv: WeightAndBias,
    blocks: Vec<Block>,
    head: Option<(ConvSpec, WeightAndBias)>,
}

/// Encoder, decoder, heads.
#[derive(Clone, Debug)]
pub struct UNet {
    encoder: Vec<Vec<Block>>,
    /// Coarsest first.
    decoder: Vec<Up>,
}

impl UNet {
    /// Lays the network out and draws its first parameters.
    ///
    /// # Errors
    /// [`NetError::Config`] if the description does not make sense.
    pub fn new(config: &NetworkConfig, rng: &mut ChaCha8Rng, device: &Device) -> Result<(Self, Parameters), NetError> {
        config.validate()?;
        let mut parameters = Parameters::default();
        let mut build = Builder { parameters: &mut parameters, rng, device };
        let n_stages = config.features.len();
        let mut encoder = Vec::with_capacity(n_stages);
        let mut c_in = config.input_channels;
        for stage in 0..n_stages {
            let (kernel, c_out) = (config.kernels[stage], config.features[stage]);
            let blocks = (0..config.encoder_convs[stage]).map(|i| {
                let stride = if i == 0 { config.strides[stage] } else { [1; 3] };
                let spec = ConvSpec { c_in: if i == 0 { c_in } else { c_out }, c_out, kernel, stride };
                build.block(&format!("encoder.stages.{stage}.0.convs.{i}"), spec)
            });
            encoder.push(blocks.collect());
            c_in = c_out;
        }
        let mut decoder = Vec::with_capacity(n_stages - 1);
        for (step, fine) in (0..n_stages - 1).rev().enumerate() {
            let (c_coarse, c_fine) = (config.features[fine + 1], config.features[fine]);
            let spec = TransposeSpec { c_in: c_coarse, c_out: c_fine, stride: config.strides[fine + 1] };
            let up = build.transpose(&format!("decoder.transpconvs.{step}"), spec);
            let blocks = (0..config.decoder_convs[step]).map(|i| {
                let c_in = if i == 0 { 2 * c_fine } else { c_fine };
                let spec = ConvSpec { c_in, c_out: c_fine, kernel: config.kernels[fine], stride: [1; 3] };
                build.block(&format!("decoder.stages.{step}.convs.{i}"), spec)
            });
            let blocks = blocks.collect();
            let head = (fine == 0 || config.deep_supervision).then(|| {
                let spec = ConvSpec { c_in: c_fine, c_out: config.classes, kernel: [1; 3], stride: [1; 3] };
                (spec, build.weight_and_bias(&format!("decoder.seg_layers.{step}"), spec))
            });
            decoder.push(Up { spec, conv: up, blocks, head });
        }
        Ok((Self { encoder, decoder }, parameters))
    }

    /// Logits, finest first: of the full resolution alone or of every decoder stage that has a head.
    ///
    /// # Shapes
    /// - `x`: `[N, Z, Y, X, C]`, each axis divisible by the product of the strides along it
    /// - results: `[N, Z / s, Y / s, X / s, K]` with the stage's total stride `s`
    ///
    /// # Panics
    /// If the shape does not fit the network.
    pub fn forward(&self, parameters: &Parameters, x: Tensor<5>, outputs: Outputs) -> Vec<Tensor<5>> {
        let run = |blocks: &[Block], mut x: Tensor<5>, mut skip: Option<Tensor<5>>| {
            for block in blocks {
                x = block.forward(parameters, x, skip.take());
            }
            x
        };
        let mut skips = Vec::with_capacity(self.encoder.len());
        let mut x = x;
        for (stage, blocks) in self.encoder.iter().enumerate() {
            x = run(blocks, x, None);
            if stage + 1 < self.encoder.len() {
                skips.push(x.clone());
            }
        }
        let mut logits = Vec::with_capacity(self.decoder.len());
        for (i, up) in self.decoder.iter().enumerate() {
            let (weight, bias) = (parameters.value(up.conv.weight), parameters.value(up.conv.bias));
            x = run(&up.blocks, conv_transpose(x, weight, bias, up.spec), skips.pop());
            let is_finest = i + 1 == self.decoder.len();
            if let (true, Some((spec, head))) = (is_finest || outputs == Outputs::EveryScale, up.head) {
                logits.push(conv(x.clone(), parameters.value(head.weight), parameters.value(head.bias), spec));
            }
        }
        logits.reverse();
        logits
    }
}

impl Block {
    fn forward(&self, parameters: &Parameters, x: Tensor<5>, skip: Option<Tensor<5>>) -> Tensor<5> {
        let norm = [parameters.value(self.gamma), parameters.value(self.beta)];
        let (weight, bias) = (parameters.value(self.conv.weight), parameters.value(self.conv.bias));
        conv_norm_act(x, skip, weight, bias, norm, self.spec, NormActivation::default(), parameters.prepared(self.conv.weight))
    }
}

/// Adds parameters one after the other.
struct Builder<'a> {
    parameters: &'a mut Parameters,
    rng: &'a mut ChaCha8Rng,
    device: &'a Device,
}

impl Builder<'_> {
    fn block(&mut self, name: &str, spec: ConvSpec) -> Block {
        let conv = self.weight_and_bias(&format!("{name}.conv"), spec);
        let mut vector = |name: String, value: f32| self.parameters.add(name, vec![spec.c_out], vec![value; spec.c_out], self.device);
        let gamma = vector(format!("{name}.norm.weight"), 1.0);
        let beta = vector(format!("{name}.norm.bias"), 0.0);
        Block { spec, conv, gamma, beta }
    }

    fn weight_and_bias(&mut self, name: &str, spec: ConvSpec) -> WeightAndBias {
        let [kz, ky, kx] = spec.kernel;
        let weights = kaiming_normal(spec.n_weights(), spec.c_in * kz * ky * kx, self.rng);
        self.add(name, vec![spec.c_out, spec.c_in, kz, ky, kx], weights, spec.c_out)
    }

    fn transpose(&mut self, name: &str, spec: TransposeSpec) -> WeightAndBias {
        let [sz, sy, sx] = spec.stride;
        // PyTorch takes the fan-in of a transposed convolution from its output channels.
        let weights = kaiming_normal(spec.n_weights(), spec.c_out * sz * sy * sx, self.rng);
        self.add(name, vec![spec.c_in, spec.c_out, sz, sy, sx], weights, spec.c_out)
    }

    fn add(&mut self, name: &str, shape: Vec<usize>, weights: Vec<f32>, c_out: usize) -> WeightAndBias {
        let weight = self.parameters.add(format!("{name}.weight"), shape, weights, self.device);
        let bias = self.parameters.add(format!("{name}.bias"), vec![c_out], vec![0.0; c_out], self.device);
        WeightAndBias { weight, bias }
    }
}
