//! The operations that are registered under burn.
//!
//! [`BlockOps`] is what tensors dispatch to. [`BlockKernels`] is what its differentiated form needs of the backend
//! below: forward passes that keep what the backward passes want, and those backward passes, all written by hand.
//!
//! A new operation is declared here, differentiated in `backward.rs`, computed by a kernel in `flex.rs`, composed in
//! `composed.rs` (with a test against the kernel) and handed to it in `cube.rs`, and called from `functions.rs`.

#![allow(clippy::too_many_arguments, reason = "a block's tensors one by one, as the registration wants them")]

use crate::{ConvSpec, LossTarget, NormActivation, Prepared, TransposeSpec};
use burn::backend::{Backend, backend_extension, tensor::FloatTensor};

/// Whole blocks of a network. Activations are `[N, Z, Y, X, C]`, parameters flat.
#[backend_extension(Flex, Cube: cfg(feature = "cube"), Autodiff)]
pub(crate) trait BlockOps: Backend {
    /// Convolution, instance norm, leaky ReLU.
    fn conv_norm_act(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        spec: ConvSpec,
        norm: NormActivation,
        prepared: Prepared,
    ) -> FloatTensor<Self>;

    /// The same of `x` and `skip` together, whose channels follow those of `x`.
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
    ) -> FloatTensor<Self>;

    /// Convolution with bias.
    fn conv_bias(x: FloatTensor<Self>, weight: FloatTensor<Self>, bias: FloatTensor<Self>, spec: ConvSpec) -> FloatTensor<Self>;

    /// Transposed convolution with bias, kernel = stride.
    fn conv_transpose_bias(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        spec: TransposeSpec,
    ) -> FloatTensor<Self>;

    /// Cross entropy minus soft Dice, of classes or of regions, one number.
    fn segmentation_loss(logits: FloatTensor<Self>, target: LossTarget) -> FloatTensor<Self>;
}

/// Output of a block and what its backward pass needs.
pub(crate) struct BlockForward<T> {
    pub(crate) y: T,
    /// What came out of the convolution, before the norm.
    pub(crate) pre_norm: T,
    pub(crate) mean: T,
    pub(crate) inv_std: T,
}

/// Gradients of a block; `None` where nobody asked. `P` is what parameters are.
pub(crate) struct BlockBackward<T, P = T> {
    pub(crate) d_x: Option<T>,
    pub(crate) d_skip: Option<T>,
    pub(crate) d_weight: P,
    pub(crate) d_bias: P,
    pub(crate) d_gamma: P,
    pub(crate) d_beta: P,
}

/// Gradients of a convolution or a transposed one.
pub(crate) struct ConvBackward<T, P = T> {
    pub(crate) d_x: Option<T>,
    pub(crate) d_weight: P,
    pub(crate) d_bias: P,
}

/// What a block's backward pass starts from.
#[derive(Clone, Debug)]
pub(crate) struct BlockSaved<T, P = T> {
    pub(crate) x: T,
    pub(crate) skip: Option<T>,
    pub(crate) weight: P,
    pub(crate) gamma: P,
    pub(crate) beta: P,
    pub(crate) pre_norm: T,
    pub(crate) mean: T,
    pub(crate) inv_std: T,
    pub(crate) spec: ConvSpec,
    pub(crate) norm: NormActivation,
}

/// Forward passes that keep their intermediate results, and backward passes.
pub(crate) trait BlockKernels: BlockOps {
    fn block_forward(
        x: &FloatTensor<Self>,
        skip: Option<&FloatTensor<Self>>,
        weight: &FloatTensor<Self>,
        bias: &FloatTensor<Self>,
        gamma: &FloatTensor<Self>,
        beta: &FloatTensor<Self>,
        spec: ConvSpec,
        norm: NormActivation,
    ) -> BlockForward<FloatTensor<Self>>;

    fn block_backward(saved: BlockSaved<FloatTensor<Self>>, d_y: FloatTensor<Self>, want_d_x: bool) -> BlockBackward<FloatTensor<Self>>;

    fn conv_backward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        d_y: FloatTensor<Self>,
        spec: ConvSpec,
        want_d_x: bool,
    ) -> ConvBackward<FloatTensor<Self>>;

    fn transpose_backward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        d_y: FloatTensor<Self>,
        spec: TransposeSpec,
        want_d_x: bool,
    ) -> ConvBackward<FloatTensor<Self>>;

    /// The loss and its gradient with respect to the logits.
    fn loss_and_gradient(logits: FloatTensor<Self>, target: &LossTarget) -> (FloatTensor<Self>, FloatTensor<Self>);

    /// `gradient * factor`, where `factor` holds one number.
    fn scaled(gradient: FloatTensor<Self>, factor: FloatTensor<Self>) -> FloatTensor<Self>;
}
