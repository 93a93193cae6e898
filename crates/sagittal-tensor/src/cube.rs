//! The operations on GPUs: composed of burn's own, whatever runs them (Vulkan, Metal, DirectX 12, CUDA).

use crate::composed;
use crate::elementwise::{ElementKernels, ElementOps};
use crate::ops::{BlockBackward, BlockForward, BlockKernels, BlockOps, BlockSaved, ConvBackward};
use crate::residual::{ResidualKernels, ResidualOps};
use crate::{ConvSpec, LossTarget, NormActivation, Prepared, Tensor, TransposeSpec};
use burn::backend::{Cube, tensor::FloatTensor};
use sagittal_kernels::Activation;
use std::sync::Arc;

type Raw = FloatTensor<Cube>;

impl BlockOps for Cube {
    fn conv_norm_act(x: Raw, weight: Raw, bias: Raw, gamma: Raw, beta: Raw, spec: ConvSpec, norm: NormActivation, _: Prepared) -> Raw {
        raw(composed::block_forward(tensor(x), None, [weight, bias, gamma, beta].map(tensor), spec, norm).y)
    }

    fn conv_norm_act_joined(
        x: Raw,
        skip: Raw,
        weight: Raw,
        bias: Raw,
        gamma: Raw,
        beta: Raw,
        spec: ConvSpec,
        norm: NormActivation,
        _: Prepared,
    ) -> Raw {
        raw(composed::block_forward(tensor(x), Some(tensor(skip)), [weight, bias, gamma, beta].map(tensor), spec, norm).y)
    }

    fn conv_bias(x: Raw, weight: Raw, bias: Raw, spec: ConvSpec) -> Raw {
        raw(composed::conv(tensor(x), tensor(weight), tensor(bias), spec))
    }

    fn conv_transpose_bias(x: Raw, weight: Raw, bias: Raw, spec: TransposeSpec) -> Raw {
        raw(composed::conv_transpose(tensor(x), tensor(weight), tensor(bias), spec))
    }

    fn segmentation_loss(logits: Raw, target: LossTarget) -> Raw {
        raw(composed::loss_and_gradient(tensor(logits), &target).0)
    }
}

impl ResidualOps for Cube {
    fn add_leaky(x: Raw, shortcut: Raw, slope: f32) -> Raw {
        raw(composed::add_leaky(tensor(x), tensor(shortcut), slope))
    }

    fn average_pool(x: Raw, window: [usize; 3]) -> Raw {
        raw(composed::average_pool(tensor(x), window))
    }
}

impl ResidualKernels for Cube {
    fn add_leaky_backward(y: Raw, d_y: Raw, slope: f32) -> Raw {
        raw(composed::add_leaky_backward(tensor(y), tensor(d_y), slope))
    }

    fn average_pool_backward(d_y: Raw, size: [usize; 3], window: [usize; 3]) -> Raw {
        raw(composed::average_pool_backward(tensor(d_y), size, window))
    }
}

impl ElementOps for Cube {
    fn activate(x: Raw, activation: Activation) -> Raw {
        raw(composed::activate(tensor(x), activation))
    }

    fn scale_channels(x: Raw, factors: Arc<Vec<f32>>) -> Raw {
        raw(composed::scale_channels(tensor(x), &factors))
    }
}

impl ElementKernels for Cube {
    fn activate_backward(x: Raw, d_y: Raw, activation: Activation) -> Raw {
        raw(composed::activate_backward(tensor(x), tensor(d_y), activation))
    }
}

impl BlockKernels for Cube {
    fn block_forward(
        x: &Raw,
        skip: Option<&Raw>,
        weight: &Raw,
        bias: &Raw,
        gamma: &Raw,
        beta: &Raw,
        spec: ConvSpec,
        norm: NormActivation,
    ) -> BlockForward<Raw> {
        let parameters = [weight, bias, gamma, beta].map(|parameter| tensor(parameter.clone()));
        let forward = composed::block_forward(tensor(x.clone()), skip.map(|skip| tensor(skip.clone())), parameters, spec, norm);
        let BlockForward { y, pre_norm, mean, inv_std } = forward;
        BlockForward { y: raw(y), pre_norm: raw(pre_norm), mean: raw(mean), inv_std: raw(inv_std) }
    }

    fn block_backward(saved: BlockSaved<Raw>, d_y: Raw, want_d_x: bool) -> BlockBackward<Raw> {
        let BlockSaved { x, skip, weight, gamma, beta, pre_norm, mean, inv_std, spec, norm } = saved;
        let (weight, gamma, beta) = (tensor(weight), tensor(gamma), tensor(beta));
        let (pre_norm, mean, inv_std) = (tensor(pre_norm), tensor(mean), tensor(inv_std));
        let saved = BlockSaved { x: tensor(x), skip: skip.map(tensor), weight, gamma, beta, pre_norm, mean, inv_std, spec, norm };
        let BlockBackward { d_x, d_skip, d_weight, d_bias, d_gamma, d_beta } = composed::block_backward(saved, tensor(d_y), want_d_x);
        let [d_weight, d_bias, d_gamma, d_beta] = [d_weight, d_bias, d_gamma, d_beta].map(raw);
        BlockBackward { d_x: d_x.map(raw), d_skip: d_skip.map(raw), d_weight, d_bias, d_gamma, d_beta }
    }

    fn conv_backward(x: Raw, weight: Raw, d_y: Raw, spec: ConvSpec, want_d_x: bool) -> ConvBackward<Raw> {
        raw_gradients(composed::conv_backward(tensor(x), tensor(weight), tensor(d_y), spec, want_d_x))
    }

    fn transpose_backward(x: Raw, weight: Raw, d_y: Raw, spec: TransposeSpec, want_d_x: bool) -> ConvBackward<Raw> {
        raw_gradients(composed::transpose_backward(tensor(x), tensor(weight), tensor(d_y), spec, want_d_x))
    }

    fn loss_and_gradient(logits: Raw, target: &LossTarget) -> (Raw, Raw) {
        let (loss, gradient) = composed::loss_and_gradient(tensor(logits), target);
        (raw(loss), raw(gradient))
    }

    fn scaled(gradient: Raw, factor: Raw) -> Raw {
        raw(tensor::<5>(gradient) * tensor::<1>(factor).reshape([1; 5]))
    }
}

fn tensor<const D: usize>(raw: Raw) -> Tensor<D> {
    Tensor::from_primitive::<Cube>(raw)
}

fn raw<const D: usize>(tensor: Tensor<D>) -> Raw {
    tensor.try_into_primitive::<Cube>().expect("what comes of a GPU's tensors lies on the GPU")
}

fn raw_gradients(backward: ConvBackward<Tensor<5>, Tensor<1>>) -> ConvBackward<Raw> {
    let ConvBackward { d_x, d_weight, d_bias } = backward;
    ConvBackward { d_x: d_x.map(raw), d_weight: raw(d_weight), d_bias: raw(d_bias) }
}
