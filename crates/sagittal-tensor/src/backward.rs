//! How the blocks are differentiated: each records what its handwritten backward pass needs.

use crate::ops::{BlockForward, BlockKernels, BlockOps, BlockSaved};
use crate::{ConvSpec, LossTarget, NormActivation, Prepared, TransposeSpec};
use burn::backend::{
    Autodiff,
    autodiff::{
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, NodeGuard, Ops, OpsKind},
    },
    tensor::FloatTensor,
};

#[derive(Debug)]
struct BlockStep;

/// Parents: x, weight, bias, gamma, beta, and skip if there are six.
impl<B: BlockKernels, const N: usize> Backward<B, N> for BlockStep {
    type State = BlockSaved<FloatTensor<B>>;

    fn backward(self, ops: Ops<Self::State, N>, grads: &mut Gradients, _: &mut Checkpointer) {
        let d_y = grads.consume::<B>(&ops.node);
        let wanted = |i: usize| ops.parents.get(i).and_then(Option::as_ref);
        let backward = B::block_backward(ops.state, d_y, wanted(0).is_some() || wanted(5).is_some());
        let gradients =
            [backward.d_x, Some(backward.d_weight), Some(backward.d_bias), Some(backward.d_gamma), Some(backward.d_beta), backward.d_skip];
        for (i, gradient) in gradients.into_iter().enumerate() {
            if let (Some(parent), Some(gradient)) = (wanted(i), gradient) {
                grads.register::<B>(parent.id, gradient);
            }
        }
    }
}

/// A block's forward pass with what its backward pass needs.
fn forward<B: BlockKernels>(
    x: FloatTensor<B>,
    skip: Option<FloatTensor<B>>,
    [weight, bias, gamma, beta]: [FloatTensor<B>; 4],
    spec: ConvSpec,
    norm: NormActivation,
) -> (BlockSaved<FloatTensor<B>>, FloatTensor<B>) {
    let BlockForward { y, pre_norm, mean, inv_std } = B::block_forward(&x, skip.as_ref(), &weight, &bias, &gamma, &beta, spec, norm);
    (BlockSaved { x, skip, weight, gamma, beta, pre_norm, mean, inv_std, spec, norm }, y)
}

/// The parameters of a block and the guards of their nodes, apart.
#[allow(clippy::type_complexity, reason = "two arrays, one entry per parameter")]
fn parts<B: BlockKernels, C: CheckpointStrategy>(
    [weight, bias, gamma, beta]: [FloatTensor<Autodiff<B, C>>; 4],
) -> ([FloatTensor<B>; 4], [NodeGuard; 4]) {
    let ((weight, weight_node), (bias, bias_node)) = (weight.into_parts(), bias.into_parts());
    let ((gamma, gamma_node), (beta, beta_node)) = (gamma.into_parts(), beta.into_parts());
    ([weight, bias, gamma, beta], [weight_node, bias_node, gamma_node, beta_node])
}

#[derive(Debug)]
struct ConvStep;

impl<B: BlockKernels> Backward<B, 3> for ConvStep {
    type State = (FloatTensor<B>, FloatTensor<B>, ConvSpec);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let d_y = grads.consume::<B>(&ops.node);
        let (x, weight, spec) = ops.state;
        let backward = B::conv_backward(x, weight, d_y, spec, ops.parents[0].is_some());
        for (parent, gradient) in ops.parents.iter().zip([backward.d_x, Some(backward.d_weight), Some(backward.d_bias)]) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                grads.register::<B>(parent.id, gradient);
            }
        }
    }
}

#[derive(Debug)]
struct TransposeStep;

impl<B: BlockKernels> Backward<B, 3> for TransposeStep {
    type State = (FloatTensor<B>, FloatTensor<B>, TransposeSpec);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let d_y = grads.consume::<B>(&ops.node);
        let (x, weight, spec) = ops.state;
        let backward = B::transpose_backward(x, weight, d_y, spec, ops.parents[0].is_some());
        for (parent, gradient) in ops.parents.iter().zip([backward.d_x, Some(backward.d_weight), Some(backward.d_bias)]) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                grads.register::<B>(parent.id, gradient);
            }
        }
    }
}

#[derive(Debug)]
struct LossStep;

impl<B: BlockKernels> Backward<B, 1> for LossStep {
    type State = FloatTensor<B>;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let d_loss = grads.consume::<B>(&ops.node);
        if let [Some(parent)] = &ops.parents {
            grads.register::<B>(parent.id, B::scaled(ops.state, d_loss));
        }
    }
}

impl<B: BlockKernels, C: CheckpointStrategy> BlockOps for Autodiff<B, C> {
    fn conv_norm_act(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        spec: ConvSpec,
        norm: NormActivation,
        prepared: Prepared,
    ) -> FloatTensor<Self> {
        let (x, x_node) = x.into_parts();
        let (parameters, [weight_node, bias_node, gamma_node, beta_node]) = parts::<B, C>([weight, bias, gamma, beta]);
        let nodes = [x_node, weight_node, bias_node, gamma_node, beta_node];
        match BlockStep.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(step) => {
                let (saved, y) = forward::<B>(x, None, parameters, spec, norm);
                step.finish(saved, y)
            }
            OpsKind::UnTracked(step) => {
                let [weight, bias, gamma, beta] = parameters;
                step.finish(B::conv_norm_act(x, weight, bias, gamma, beta, spec, norm, prepared))
            }
        }
    }

    fn conv_norm_act_joined(
        x: FloatTensor<Self>,
        skip: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        spec: ConvSpec,
        norm: NormActivation,
        prepared: Prepared,
    ) -> FloatTensor<Self> {
        let (x, x_node) = x.into_parts();
        let (skip, skip_node) = skip.into_parts();
        let (parameters, [weight_node, bias_node, gamma_node, beta_node]) = parts::<B, C>([weight, bias, gamma, beta]);
        let nodes = [x_node, weight_node, bias_node, gamma_node, beta_node, skip_node];
        match BlockStep.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(step) => {
                let (saved, y) = forward::<B>(x, Some(skip), parameters, spec, norm);
                step.finish(saved, y)
            }
            OpsKind::UnTracked(step) => {
                let [weight, bias, gamma, beta] = parameters;
                step.finish(B::conv_norm_act_joined(x, skip, weight, bias, gamma, beta, spec, norm, prepared))
            }
        }
    }

    fn conv_bias(x: FloatTensor<Self>, weight: FloatTensor<Self>, bias: FloatTensor<Self>, spec: ConvSpec) -> FloatTensor<Self> {
        let ((x, x_node), (weight, weight_node), (bias, bias_node)) = (x.into_parts(), weight.into_parts(), bias.into_parts());
        match ConvStep.prepare::<C>([x_node, weight_node, bias_node]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                let y = B::conv_bias(x.clone(), weight.clone(), bias, spec);
                prepared.finish((x, weight, spec), y)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(B::conv_bias(x, weight, bias, spec)),
        }
    }

    fn conv_transpose_bias(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        spec: TransposeSpec,
    ) -> FloatTensor<Self> {
        let ((x, x_node), (weight, weight_node), (bias, bias_node)) = (x.into_parts(), weight.into_parts(), bias.into_parts());
        match TransposeStep.prepare::<C>([x_node, weight_node, bias_node]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                let y = B::conv_transpose_bias(x.clone(), weight.clone(), bias, spec);
                prepared.finish((x, weight, spec), y)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(B::conv_transpose_bias(x, weight, bias, spec)),
        }
    }

    fn segmentation_loss(logits: FloatTensor<Self>, target: LossTarget) -> FloatTensor<Self> {
        let (logits, node) = logits.into_parts();
        match LossStep.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                let (loss, gradient) = B::loss_and_gradient(logits, &target);
                prepared.finish(gradient, loss)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(B::segmentation_loss(logits, target)),
        }
    }
}
