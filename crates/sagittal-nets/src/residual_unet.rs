//! nnU-Net's U-Net with a residual encoder (Isensee et al. 2024, "nnU-Net Revisited"): a stem, then stages of residual
//! blocks; the decoder is the plain one.
//!
//! A block is the one of He et al. 2019 ("Bag of Tricks", ResNet-D): two convolutions, of which the first may step, beside a
//! shortcut that pools where the block steps and projects where it changes the channels. Parameters carry nnU-Net's names.

use crate::{
    Dropout, GreedyLayer, Outputs, Parameters,
    conv_block::{Block, Builder, End, Join},
    decoder::Decoder,
};
use sagittal_data::plan::UnetPlan;
use sagittal_tensor::{ConvSpec, Padding, Tensor, average_pool};

/// Two convolutions and a shortcut.
#[derive(Clone, Debug)]
struct ResidualBlock {
    first: Block,
    second: Block,
    /// Where the block steps.
    pool: Option<[usize; 3]>,
    /// Where it changes the channels.
    projection: Option<Block>,
    join: Join,
}

impl ResidualBlock {
    fn new(name: &str, spec: ConvSpec, plan: &UnetPlan, build: &mut Builder<'_>) -> Self {
        let first = build.block_of(&format!("{name}.conv1"), spec, End::Activated, plan.conv_bias, 1.0);
        let inner = ConvSpec { c_in: spec.c_out, stride: [1; 3], ..spec };
        // Norm weights of 0: at first a block gives what comes through its shortcut.
        let second = build.block_of(&format!("{name}.conv2"), inner, End::Linear, plan.conv_bias, 0.0);
        let pool = (spec.stride != [1; 3]).then_some(spec.stride);
        let projection = (spec.c_in != spec.c_out).then(|| {
            let flat = ConvSpec { kernel: [1; 3], stride: [1; 3], ..spec };
            let place = usize::from(pool.is_some());
            build.block_of(&format!("{name}.skip.{place}"), flat, End::Linear, false, 1.0)
        });
        Self { first, second, pool, projection, join: build.join() }
    }

    fn forward(&self, parameters: &Parameters, x: Tensor<5>, dropout: Dropout) -> Tensor<5> {
        let y = self.first.forward(parameters, x.clone(), None, dropout);
        let y = self.second.forward(parameters, y, None, dropout);
        let mut shortcut = x;
        if let Some(window) = self.pool {
            shortcut = average_pool(shortcut, window);
        }
        if let Some(projection) = &self.projection {
            shortcut = projection.forward(parameters, shortcut, None, dropout);
        }
        self.join.forward(y, shortcut, dropout)
    }
}

/// Stem, residual encoder, plain decoder, heads.
#[derive(Clone, Debug)]
pub struct ResidualUNet {
    stem: Block,
    encoder: Vec<Vec<ResidualBlock>>,
    decoder: Decoder,
}

impl ResidualUNet {
    /// Lays a valid description out.
    pub(crate) fn new(plan: &UnetPlan, build: &mut Builder<'_>) -> Self {
        let mut c_in = plan.features[0];
        let stem = ConvSpec { c_in: plan.input_channels, c_out: c_in, kernel: plan.kernels[0], stride: [1; 3], padding: Padding::Same };
        let stem = build.block("encoder.stem.convs.0", stem);
        let mut encoder = Vec::with_capacity(plan.features.len());
        for (stage, &c_out) in plan.features.iter().enumerate() {
            let mut blocks = Vec::with_capacity(plan.encoder_convs[stage]);
            for i in 0..plan.encoder_convs[stage] {
                let stride = if i == 0 { plan.strides[stage] } else { [1; 3] };
                let spec = ConvSpec { c_in, c_out, kernel: plan.kernels[stage], stride, padding: Padding::Same };
                blocks.push(ResidualBlock::new(&format!("encoder.stages.{stage}.blocks.{i}"), spec, plan, build));
                c_in = c_out;
            }
            encoder.push(blocks);
        }
        Self { stem, encoder, decoder: Decoder::new(plan, build) }
    }

    /// The stem and the encoder's blocks, in order.
    pub(crate) fn greedy_layers(&self) -> Vec<GreedyLayer> {
        let of_stage = |(stage, blocks): (usize, &Vec<ResidualBlock>)| {
            let of_block = |(i, block): (usize, &ResidualBlock)| {
                let ConvSpec { stride, .. } = block.first.spec();
                // The second convolution decides what comes out, the first by how much it is coarser.
                let spec = ConvSpec { c_in: block.first.spec().c_in, stride, ..block.second.spec() };
                GreedyLayer::of_convolution(format!("encoder.stages.{stage}.blocks.{i}"), spec)
            };
            blocks.iter().enumerate().map(of_block).collect::<Vec<_>>()
        };
        let stem = GreedyLayer::of_convolution("encoder.stem.convs.0".to_owned(), self.stem.spec());
        std::iter::once(stem).chain(self.encoder.iter().enumerate().flat_map(of_stage)).collect()
    }

    /// The output of one of them.
    pub(crate) fn greedy_output(&self, layer: usize, parameters: &Parameters, input: Tensor<5>) -> Tensor<5> {
        match layer.checked_sub(1) {
            None => self.stem.forward(parameters, input, None, Dropout::Off),
            Some(block) => {
                self.encoder.iter().flatten().nth(block).expect("a block of the encoder").forward(parameters, input, Dropout::Off)
            }
        }
    }

    /// Logits, as [`crate::UNet::forward`].
    ///
    /// # Panics
    /// If the shape does not fit the network.
    pub fn forward(&self, parameters: &Parameters, x: Tensor<5>, outputs: Outputs, dropout: Dropout) -> Vec<Tensor<5>> {
        let mut x = self.stem.forward(parameters, x, None, dropout);
        let mut skips = Vec::with_capacity(self.encoder.len());
        for (stage, blocks) in self.encoder.iter().enumerate() {
            for block in blocks {
                x = block.forward(parameters, x, dropout);
            }
            if stage + 1 < self.encoder.len() {
                skips.push(x.clone());
            }
        }
        self.decoder.forward(parameters, x, skips, outputs, dropout)
    }
}
