//! The plain U-Net that nnU-Net plans (Isensee et al. 2021): strided convolutions down, transposed ones up, a skip
//! connection at every resolution, heads at every decoder stage for deep supervision.
//!
//! Parameters carry nnU-Net's names, so that its weights can be read and written.

use crate::{
    Dropout, GreedyLayer, Outputs, Parameters,
    conv_block::{Block, Builder},
    decoder::Decoder,
};
use sagittal_data::plan::UnetPlan;
use sagittal_tensor::{ConvSpec, Padding, Tensor};

/// Encoder, decoder, heads.
#[derive(Clone, Debug)]
pub struct UNet {
    encoder: Vec<Vec<Block>>,
    decoder: Decoder,
}

impl UNet {
    /// Lays a valid description out.
    pub(crate) fn new(plan: &UnetPlan, build: &mut Builder<'_>) -> Self {
        let mut c_in = plan.input_channels;
        let mut encoder = Vec::with_capacity(plan.features.len());
        for (stage, &c_out) in plan.features.iter().enumerate() {
            let blocks = (0..plan.encoder_convs[stage]).map(|i| {
                let stride = if i == 0 { plan.strides[stage] } else { [1; 3] };
                let spec = ConvSpec {
                    c_in: if i == 0 { c_in } else { c_out },
                    c_out,
                    kernel: plan.kernels[stage],
                    stride,
                    padding: Padding::Same,
                };
                build.block(&format!("encoder.stages.{stage}.0.convs.{i}"), spec)
            });
            encoder.push(blocks.collect());
            c_in = c_out;
        }
        Self { encoder, decoder: Decoder::new(plan, build) }
    }

    /// The encoder's blocks, in order.
    pub(crate) fn greedy_layers(&self) -> Vec<GreedyLayer> {
        let of_stage = |(stage, blocks): (usize, &Vec<Block>)| {
            let layer =
                |(i, block): (usize, &Block)| GreedyLayer::of_convolution(format!("encoder.stages.{stage}.0.convs.{i}"), block.spec());
            blocks.iter().enumerate().map(layer).collect::<Vec<_>>()
        };
        self.encoder.iter().enumerate().flat_map(of_stage).collect()
    }

    /// The output of one of them.
    pub(crate) fn greedy_output(&self, layer: usize, parameters: &Parameters, input: Tensor<5>) -> Tensor<5> {
        let block = self.encoder.iter().flatten().nth(layer).expect("a layer of the encoder");
        block.forward(parameters, input, None, Dropout::Off)
    }

    /// Logits, finest first: of the full resolution alone or of every decoder stage that has a head.
    ///
    /// # Shapes
    /// - `x`: `[N, Z, Y, X, C]`, each axis divisible by the product of the strides along it
    /// - results: `[N, Z / s, Y / s, X / s, K]` with the stage's total stride `s`
    ///
    /// # Panics
    /// If the shape does not fit the network.
    pub fn forward(&self, parameters: &Parameters, mut x: Tensor<5>, outputs: Outputs, dropout: Dropout) -> Vec<Tensor<5>> {
        let mut skips = Vec::with_capacity(self.encoder.len());
        for (stage, blocks) in self.encoder.iter().enumerate() {
            for block in blocks {
                x = block.forward(parameters, x, None, dropout);
            }
            if stage + 1 < self.encoder.len() {
                skips.push(x.clone());
            }
        }
        self.decoder.forward(parameters, x, skips, outputs, dropout)
    }
}
