//! One step of an optimiser on one parameter, in one pass over its numbers.
//!
//! Parameters and their buffers are changed in place where nobody else holds them, which is so once the gradients have
//! been taken.

use crate::{AdamwOptions, SgdOptions, Tensor};
use burn::backend::{Flex, flex::FlexTensor};

/// The square root of the sum of all squared gradients.
///
/// # Panics
/// If a gradient is not on the CPU.
pub fn norm_of_gradients<'a>(gradients: impl Iterator<Item = &'a Tensor<1>>) -> f64 {
    gradients.map(|gradient| sagittal_kernels::sum_of_squares(numbers(&primitive(gradient.clone())))).sum::<f64>().sqrt()
}

/// One step of stochastic gradient descent; returns the parameter and its momentum buffer.
///
/// # Panics
/// If the tensors differ in length or are not on the CPU.
pub fn sgd_step(value: Tensor<1>, gradient: Tensor<1>, momentum: Tensor<1>, options: &SgdOptions) -> (Tensor<1>, Tensor<1>) {
    let (mut value, gradient, mut momentum) = (primitive(value), primitive(gradient), primitive(momentum));
    sagittal_kernels::sgd_step(value.storage_mut(), numbers(&gradient), momentum.storage_mut(), *options);
    (tensor(value), tensor(momentum))
}

/// One step of AdamW (Loshchilov and Hutter 2019); returns the parameter and its two moments.
///
/// # Panics
/// If the tensors differ in length or are not on the CPU.
pub fn adamw_step(
    value: Tensor<1>,
    gradient: Tensor<1>,
    [first, second]: [Tensor<1>; 2],
    options: &AdamwOptions,
) -> (Tensor<1>, [Tensor<1>; 2]) {
    let (mut value, gradient) = (primitive(value), primitive(gradient));
    let (mut first, mut second) = (primitive(first), primitive(second));
    sagittal_kernels::adamw_step(value.storage_mut(), numbers(&gradient), first.storage_mut(), second.storage_mut(), *options);
    (tensor(value), [tensor(first), tensor(second)])
}

fn primitive(tensor: Tensor<1>) -> FlexTensor {
    // Every device of this build is the CPU; the parameters come in without their graph.
    let primitive =
        tensor.try_into_primitive::<Flex>().unwrap_or_else(|error| panic!("an optimiser step wants a plain CPU tensor: {error:?}"));
    if primitive.is_contiguous() { primitive } else { primitive.to_contiguous() }
}

fn tensor(primitive: FlexTensor) -> Tensor<1> {
    Tensor::from_primitive::<Flex>(primitive)
}

fn numbers(tensor: &FlexTensor) -> &[f32] {
    tensor.storage()
}
