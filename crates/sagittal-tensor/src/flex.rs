//! The operations on the CPU: burn-flex's buffers, our kernels.

use crate::ops::{BlockBackward, BlockForward, BlockKernels, BlockOps, BlockSaved, ConvBackward};
use crate::{ConvSpec, LossTarget, NormActivation, Prepared, TransposeSpec};
use burn::backend::{Flex, TensorMetadata, flex::FlexTensor};
use burn::tensor::TensorData;
use sagittal_kernels as kernels;
use sagittal_kernels::{NormShape, Parts, PartsMut, buffer::overwritten_vec};

impl BlockOps for Flex {
    fn conv_norm_act(
        x: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        gamma: FlexTensor,
        beta: FlexTensor,
        spec: ConvSpec,
        norm: NormActivation,
        prepared: Prepared,
    ) -> FlexTensor {
        let (y, shape) = convolve(&x, None, &weight, &bias, spec, &prepared);
        drop(x);
        normalised(y, &shape, &gamma, &beta, norm)
    }

    fn conv_norm_act_joined(
        x: FlexTensor,
        skip: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        gamma: FlexTensor,
        beta: FlexTensor,
        spec: ConvSpec,
        norm: NormActivation,
        prepared: Prepared,
    ) -> FlexTensor {
        let (y, shape) = convolve(&x, Some(&skip), &weight, &bias, spec, &prepared);
        drop((x, skip));
        normalised(y, &shape, &gamma, &beta, norm)
    }

    fn conv_bias(x: FlexTensor, weight: FlexTensor, bias: FlexTensor, spec: ConvSpec) -> FlexTensor {
        let (y, shape) = convolve(&x, None, &weight, &bias, spec, &Prepared::nothing());
        made(y, &shape)
    }

    fn conv_transpose_bias(x: FlexTensor, weight: FlexTensor, bias: FlexTensor, spec: TransposeSpec) -> FlexTensor {
        let x = contiguous(x);
        let [n, z, y, w, _] = dims(&x);
        let shape = spec.shape(n, [z, y, w]);
        let out = [n, z * spec.stride[0], y * spec.stride[1], w * spec.stride[2], spec.c_out];
        let mut output = overwritten_vec(out.iter().product());
        kernels::conv_transpose(&shape, numbers(&x), numbers(&weight), Some(numbers(&bias)), &mut output);
        made(output, &out)
    }

    fn segmentation_loss(logits: FlexTensor, target: LossTarget) -> FlexTensor {
        let logits = contiguous(logits);
        flat(vec![loss(&logits, &target, None)])
    }
}

impl BlockKernels for Flex {
    fn block_forward(
        x: &FlexTensor,
        skip: Option<&FlexTensor>,
        weight: &FlexTensor,
        bias: &FlexTensor,
        gamma: &FlexTensor,
        beta: &FlexTensor,
        spec: ConvSpec,
        norm: NormActivation,
    ) -> BlockForward<FlexTensor> {
        let (pre_norm, shape) = convolve(x, skip, weight, bias, spec, &Prepared::nothing());
        let norm_shape = norm_shape(&shape);
        let mut y = overwritten_vec(pre_norm.len());
        let (mut mean, mut inv_std) = (vec![0.0; shape[0] * shape[4]], vec![0.0; shape[0] * shape[4]]);
        kernels::norm_activation(
            &norm_shape,
            &pre_norm,
            numbers(gamma),
            numbers(beta),
            norm.epsilon,
            norm.slope,
            &mut y,
            &mut mean,
            &mut inv_std,
        );
        let statistics = [shape[0], shape[4]];
        BlockForward {
            y: made(y, &shape),
            pre_norm: made(pre_norm, &shape),
            mean: made(mean, &statistics),
            inv_std: made(inv_std, &statistics),
        }
    }

    fn block_backward(saved: BlockSaved<FlexTensor>, d_y: FlexTensor, want_d_x: bool) -> BlockBackward<FlexTensor> {
        let BlockSaved { x, skip, weight, gamma, beta, pre_norm, mean, inv_std, spec, norm } = saved;
        let out = dims(&pre_norm);
        let (mut d_gamma, mut d_beta) = (vec![0.0; spec.c_out], vec![0.0; spec.c_out]);
        // The gradient of the pre-norm values takes the place of d_y, which nobody needs any more.
        let mut d_pre_norm = contiguous(d_y);
        kernels::norm_activation_backward_in_place(
            &norm_shape(&out),
            numbers(&pre_norm),
            numbers(&mean),
            numbers(&inv_std),
            numbers(&gamma),
            numbers(&beta),
            norm.slope,
            d_pre_norm.storage_mut(),
            &mut d_gamma,
            &mut d_beta,
        );
        drop(pre_norm);
        let (x, skip) = (contiguous(x), skip.map(contiguous));
        let x_dims = dims(&x);
        let shape = spec.shape(x_dims[0], [x_dims[1], x_dims[2], x_dims[3]]);
        let (mut d_weight, mut d_bias) = (overwritten_vec(spec.n_weights()), vec![0.0; spec.c_out]);
        let parts = parts(&x, skip.as_ref());
        kernels::conv_backward_weight(&shape, parts, numbers(&d_pre_norm), &mut d_weight, Some(&mut d_bias));
        let (mut d_x, mut d_skip) = (None, None);
        if want_d_x {
            let mut gradient = overwritten_vec(x_dims.iter().product());
            match &skip {
                None => {
                    kernels::conv_backward_input(&shape, numbers(&d_pre_norm), numbers(&weight), PartsMut::one(&mut gradient));
                }
                Some(skip) => {
                    let skip_dims = dims(skip);
                    let mut skip_gradient = overwritten_vec(skip_dims.iter().product());
                    let both = PartsMut::two(&mut gradient, x_dims[4], &mut skip_gradient, skip_dims[4]);
                    kernels::conv_backward_input(&shape, numbers(&d_pre_norm), numbers(&weight), both);
                    d_skip = Some(made(skip_gradient, &skip_dims));
                }
            }
            d_x = Some(made(gradient, &x_dims));
        }
        BlockBackward { d_x, d_skip, d_weight: flat(d_weight), d_bias: flat(d_bias), d_gamma: flat(d_gamma), d_beta: flat(d_beta) }
    }

    fn conv_backward(x: FlexTensor, weight: FlexTensor, d_y: FlexTensor, spec: ConvSpec, want_d_x: bool) -> ConvBackward<FlexTensor> {
        let (x, d_y) = (contiguous(x), contiguous(d_y));
        let x_dims = dims(&x);
        let shape = spec.shape(x_dims[0], [x_dims[1], x_dims[2], x_dims[3]]);
        let (mut d_weight, mut d_bias) = (overwritten_vec(spec.n_weights()), vec![0.0; spec.c_out]);
        kernels::conv_backward_weight(&shape, Parts::one(numbers(&x)), numbers(&d_y), &mut d_weight, Some(&mut d_bias));
        let d_x = want_d_x.then(|| {
            let mut gradient = overwritten_vec(x_dims.iter().product());
            kernels::conv_backward_input(&shape, numbers(&d_y), numbers(&weight), PartsMut::one(&mut gradient));
            made(gradient, &x_dims)
        });
        ConvBackward { d_x, d_weight: flat(d_weight), d_bias: flat(d_bias) }
    }

    fn transpose_backward(
        x: FlexTensor,
        weight: FlexTensor,
        d_y: FlexTensor,
        spec: TransposeSpec,
        want_d_x: bool,
    ) -> ConvBackward<FlexTensor> {
        let (x, d_y) = (contiguous(x), contiguous(d_y));
        let x_dims = dims(&x);
        let shape = spec.shape(x_dims[0], [x_dims[1], x_dims[2], x_dims[3]]);
        let (mut d_weight, mut d_bias) = (overwritten_vec(spec.n_weights()), vec![0.0; spec.c_out]);
        kernels::conv_transpose_backward_weight(&shape, numbers(&x), numbers(&d_y), &mut d_weight, Some(&mut d_bias));
        let d_x = want_d_x.then(|| {
            let mut gradient = overwritten_vec(x_dims.iter().product());
            kernels::conv_transpose_backward_input(&shape, numbers(&d_y), numbers(&weight), &mut gradient);
            made(gradient, &x_dims)
        });
        ConvBackward { d_x, d_weight: flat(d_weight), d_bias: flat(d_bias) }
    }

    fn loss_and_gradient(logits: FlexTensor, target: &LossTarget) -> (FlexTensor, FlexTensor) {
        let logits = contiguous(logits);
        let shape = dims(&logits);
        let mut gradient = overwritten_vec(shape.iter().product());
        let value = loss(&logits, target, Some(&mut gradient));
        (flat(vec![value]), made(gradient, &shape))
    }

    fn scaled(mut gradient: FlexTensor, factor: FlexTensor) -> FlexTensor {
        let factor = numbers(&factor)[0];
        if factor != 1.0 {
            gradient.storage_mut::<f32>().iter_mut().for_each(|value| *value *= factor);
        }
        gradient
    }
}

fn loss(logits: &FlexTensor, target: &LossTarget, gradient: Option<&mut [f32]>) -> f32 {
    let [n, z, y, x, k] = dims(logits);
    let shape = kernels::LossShape { batch: n, voxels: z * y * x, classes: k };
    let options = kernels::LossOptions {
        batch_dice: target.batch_dice,
        ce_weight: target.entropy_weight,
        dice_weight: target.dice_weight,
        scale: target.weight,
        ..Default::default()
    };
    let value = match &target.regions {
        None => kernels::dice_cross_entropy(&shape, numbers(logits), &target.classes, options, gradient),
        Some(table) => kernels::dice_binary_cross_entropy(&shape, numbers(logits), &target.classes, table, options, gradient),
    };
    value.loss as f32
}

/// The convolution's output and its shape `[N, Z, Y, X, C]`.
fn convolve(
    x: &FlexTensor,
    skip: Option<&FlexTensor>,
    weight: &FlexTensor,
    bias: &FlexTensor,
    spec: ConvSpec,
    prepared: &Prepared,
) -> (Vec<f32>, [usize; 5]) {
    let (x, skip) = (x.to_contiguous(), skip.map(FlexTensor::to_contiguous));
    let [n, z, y, w, _] = dims(&x);
    let size = spec.size_out([z, y, w]);
    let out = [n, size[0], size[1], size[2], spec.c_out];
    let mut output = overwritten_vec(out.iter().product());
    let (shape, input, bias) = (spec.shape(n, [z, y, w]), parts(&x, skip.as_ref()), Some(numbers(bias)));
    match prepared.of(&shape, numbers(weight)) {
        Some(kept) => kept.run(&shape, input, bias, &mut output),
        None => kernels::conv(&shape, input, numbers(weight), bias, &mut output),
    }
    (output, out)
}

/// Norm and activation in place: inference keeps nothing for a backward pass.
fn normalised(mut y: Vec<f32>, shape: &[usize; 5], gamma: &FlexTensor, beta: &FlexTensor, norm: NormActivation) -> FlexTensor {
    let (mut mean, mut inv_std) = (vec![0.0; shape[0] * shape[4]], vec![0.0; shape[0] * shape[4]]);
    let (gamma, beta) = (numbers(gamma), numbers(beta));
    kernels::norm_activation_in_place(&norm_shape(shape), &mut y, gamma, beta, norm.epsilon, norm.slope, &mut mean, &mut inv_std);
    made(y, shape)
}

fn parts<'a>(x: &'a FlexTensor, skip: Option<&'a FlexTensor>) -> Parts<'a> {
    match skip {
        None => Parts::one(numbers(x)),
        Some(skip) => Parts::two(numbers(x), dims(x)[4], numbers(skip), dims(skip)[4]),
    }
}

fn norm_shape(&[n, z, y, x, c]: &[usize; 5]) -> NormShape {
    NormShape { batch: n, voxels: z * y * x, channels: c }
}

fn dims(tensor: &FlexTensor) -> [usize; 5] {
    let shape = tensor.shape();
    std::array::from_fn(|axis| shape[axis])
}

/// A tensor whose storage is its numbers in order, and no more.
fn contiguous(tensor: FlexTensor) -> FlexTensor {
    tensor.to_contiguous()
}

/// The numbers of a tensor that is contiguous, as parameters and our own results are.
fn numbers(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().expect("parameters and block outputs are contiguous f32")
}

fn made(values: Vec<f32>, shape: &[usize]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape.to_vec()))
}

fn flat(values: Vec<f32>) -> FlexTensor {
    let n = values.len();
    made(values, &[n])
}
