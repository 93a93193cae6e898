//! The way up, the same for every encoder: a transposed convolution, the encoder's activations beside it, convolutions, and
//! heads at every stage for deep supervision.

use crate::{
    Dropout, Outputs, Parameters,
    conv_block::{Block, Builder, Head, Transposed},
};
use sagittal_data::plan::UnetPlan;
use sagittal_tensor::{ConvSpec, Padding, Tensor, TransposeSpec};

/// From one stage to the next finer one.
#[derive(Clone, Debug)]
struct Step {
    up: Transposed,
    blocks: Vec<Block>,
    head: Option<Head>,
}

/// All stages, coarsest first.
#[derive(Clone, Debug)]
pub(crate) struct Decoder(Vec<Step>);

impl Decoder {
    pub(crate) fn new(plan: &UnetPlan, build: &mut Builder<'_>) -> Self {
        let n_stages = plan.features.len();
        let step = |(step, fine): (usize, usize)| {
            let (c_coarse, c_fine) = (plan.features[fine + 1], plan.features[fine]);
            let spec = TransposeSpec { c_in: c_coarse, c_out: c_fine, stride: plan.strides[fine + 1] };
            let up = build.transposed(&format!("decoder.transpconvs.{step}"), spec);
            let blocks = (0..plan.decoder_convs[step]).map(|i| {
                let c_in = if i == 0 { 2 * c_fine } else { c_fine };
                let spec = ConvSpec { c_in, c_out: c_fine, kernel: plan.kernels[fine], stride: [1; 3], padding: Padding::Same };
                build.block(&format!("decoder.stages.{step}.convs.{i}"), spec)
            });
            let blocks = blocks.collect();
            let has_head = fine == 0 || plan.deep_supervision;
            let head = has_head.then(|| build.head(&format!("decoder.seg_layers.{step}"), c_fine, plan.classes));
            Step { up, blocks, head }
        };
        Self((0..n_stages - 1).rev().enumerate().map(step).collect())
    }

    /// Logits, finest first, from the deepest activations and those of the other stages, finest first.
    pub(crate) fn forward(
        &self,
        parameters: &Parameters,
        mut x: Tensor<5>,
        mut skips: Vec<Tensor<5>>,
        outputs: Outputs,
        dropout: Dropout,
    ) -> Vec<Tensor<5>> {
        let mut logits = Vec::with_capacity(self.0.len());
        for (i, step) in self.0.iter().enumerate() {
            x = step.up.forward(parameters, x);
            let mut skip = skips.pop();
            for block in &step.blocks {
                x = block.forward(parameters, x, skip.take(), dropout);
            }
            let is_finest = i + 1 == self.0.len();
            if let (true, Some(head)) = (is_finest || outputs == Outputs::EveryScale, step.head) {
                logits.push(head.forward(parameters, x.clone()));
            }
        }
        logits.reverse();
        logits
    }
}
