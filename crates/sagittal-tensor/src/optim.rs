//! One step of an optimiser on one parameter.
//!
//! On the CPU in one pass over its numbers: parameters and their buffers are changed in place where nobody else holds
//! them, which is so once the gradients have been taken. On other devices composed of burn's operations.

use crate::device::is_cpu;
use crate::{AdamwOptions, SgdOptions, Tensor};
use burn::backend::{Flex, flex::FlexTensor};

/// The square root of the sum of all squared gradients, which lie on one device.
pub fn norm_of_gradients<'a>(gradients: impl Iterator<Item = &'a Tensor<1>>) -> f64 {
    let gradients: Vec<Tensor<1>> = gradients.cloned().collect();
    match gradients.first() {
        None => 0.0,
        Some(first) if is_cpu(&first.device()) => {
            gradients.into_iter().map(|gradient| sagittal_kernels::sum_of_squares(numbers(&primitive(gradient)))).sum::<f64>().sqrt()
        }
        Some(_) => composed::norm(gradients),
    }
}

/// One step of stochastic gradient descent; returns the parameter and its momentum buffer.
///
/// # Panics
/// If the tensors differ in length or device.
pub fn sgd_step(value: Tensor<1>, gradient: Tensor<1>, momentum: Tensor<1>, options: &SgdOptions) -> (Tensor<1>, Tensor<1>) {
    if !is_cpu(&value.device()) {
        return composed::sgd_step(value, gradient, momentum, options);
    }
    let (mut value, gradient, mut momentum) = (primitive(value), primitive(gradient), primitive(momentum));
    sagittal_kernels::sgd_step(value.storage_mut(), numbers(&gradient), momentum.storage_mut(), *options);
    (tensor(value), tensor(momentum))
}

/// One step of AdamW (Loshchilov and Hutter 2019); returns the parameter and its two moments.
///
/// # Panics
/// If the tensors differ in length or device, or `options.step` is 0.
pub fn adamw_step(
    value: Tensor<1>,
    gradient: Tensor<1>,
    [first, second]: [Tensor<1>; 2],
    options: &AdamwOptions,
) -> (Tensor<1>, [Tensor<1>; 2]) {
    if !is_cpu(&value.device()) {
        return composed::adamw_step(value, gradient, [first, second], options);
    }
    let (mut value, gradient) = (primitive(value), primitive(gradient));
    let (mut first, mut second) = (primitive(first), primitive(second));
    sagittal_kernels::adamw_step(value.storage_mut(), numbers(&gradient), first.storage_mut(), second.storage_mut(), *options);
    (tensor(value), [tensor(first), tensor(second)])
}

fn primitive(tensor: Tensor<1>) -> FlexTensor {
    // The parameters come in without their graph, and their device was asked before.
    let primitive = tensor
        .try_into_primitive::<Flex>()
        .unwrap_or_else(|error| panic!("an optimiser step wants plain tensors of one device: {error:?}"));
    if primitive.is_contiguous() { primitive } else { primitive.to_contiguous() }
}

fn tensor(primitive: FlexTensor) -> Tensor<1> {
    Tensor::from_primitive::<Flex>(primitive)
}

fn numbers(tensor: &FlexTensor) -> &[f32] {
    tensor.storage()
}

/// The steps as `sagittal-kernels` defines them, on any device.
mod composed {
    use super::{AdamwOptions, SgdOptions, Tensor};

    /// Waits for the device once, not once per gradient.
    pub(super) fn norm(gradients: Vec<Tensor<1>>) -> f64 {
        let sums = gradients.into_iter().map(|gradient| gradient.square().sum()).collect();
        let sums = Tensor::cat(sums, 0).into_data();
        sums.iter::<f64>().sum::<f64>().sqrt()
    }

    pub(super) fn sgd_step(value: Tensor<1>, gradient: Tensor<1>, momentum: Tensor<1>, options: &SgdOptions) -> (Tensor<1>, Tensor<1>) {
        let SgdOptions { lr, momentum: kept, nesterov, weight_decay, grad_scale } = *options;
        let gradient = gradient * grad_scale + value.clone() * weight_decay;
        let momentum = momentum * kept + gradient.clone();
        let step = if nesterov { gradient + momentum.clone() * kept } else { momentum.clone() };
        (value - step * lr, momentum)
    }

    pub(super) fn adamw_step(
        value: Tensor<1>,
        gradient: Tensor<1>,
        [first, second]: [Tensor<1>; 2],
        options: &AdamwOptions,
    ) -> (Tensor<1>, [Tensor<1>; 2]) {
        let AdamwOptions { lr, betas: [b1, b2], eps, weight_decay, grad_scale, step } = *options;
        assert!(step > 0, "steps are counted from 1");
        let step = step.min(i32::MAX as u64) as i32;
        let rate = f64::from(lr) / (1.0 - f64::from(b1).powi(step));
        let inv_root = 1.0 / (1.0 - f64::from(b2).powi(step)).sqrt();
        let gradient = gradient * grad_scale;
        let first = first * b1 + gradient.clone() * (1.0 - b1);
        let second = second * b2 + gradient.square() * (1.0 - b2);
        let value = value.clone() - value * (lr * weight_decay);
        (value - first.clone() * rate / (second.clone().sqrt() * inv_root + eps), [first, second])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Device;
    use burn::tensor::Distribution;

    /// Both sides round each of a handful of operations in f32.
    const TOLERANCE: f32 = 1e-6;

    fn random(n: usize) -> Tensor<1> {
        Tensor::random([n], Distribution::Normal(0.0, 1.0), Device::cpu().plain())
    }

    fn assert_close(found: Tensor<1>, expected: Tensor<1>) {
        let scale = expected.clone().abs().max().into_scalar::<f32>();
        let error = (found - expected).abs().max().into_scalar::<f32>();
        assert!(error <= TOLERANCE * scale, "error {error} at a scale of {scale}");
    }

    #[test]
    fn composed_sgd_equals_the_kernel() {
        for nesterov in [false, true] {
            let options = SgdOptions { lr: 0.1, momentum: 0.9, nesterov, weight_decay: 0.01, grad_scale: 0.7 };
            let start = (random(1001), random(1001));
            let (mut found, mut expected) = (start.clone(), start);
            for _ in 0..5 {
                let gradient = random(1001);
                found = composed::sgd_step(found.0, gradient.clone(), found.1, &options);
                expected = sgd_step(expected.0, gradient, expected.1, &options);
            }
            assert_close(found.0, expected.0);
            assert_close(found.1, expected.1);
        }
    }

    #[test]
    fn composed_adamw_equals_the_kernel() {
        let start = random(1001);
        let zeros = || [start.zeros_like(), start.zeros_like()];
        let (mut found, mut expected) = ((start.clone(), zeros()), (start.clone(), zeros()));
        for step in 1..=5 {
            let options = AdamwOptions { lr: 0.01, betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0.1, grad_scale: 0.5, step };
            let gradient = random(1001);
            found = composed::adamw_step(found.0, gradient.clone(), found.1, &options);
            expected = adamw_step(expected.0, gradient, expected.1, &options);
        }
        assert_close(found.0, expected.0);
        for (found, expected) in found.1.into_iter().zip(expected.1) {
            assert_close(found, expected);
        }
    }

    #[test]
    fn composed_norm_equals_the_kernel() {
        let gradients = [random(1), random(1001), random(37)];
        let (found, expected) = (composed::norm(gradients.to_vec()), norm_of_gradients(gradients.iter()));
        assert!((found / expected - 1.0).abs() < 1e-6, "{found}, expected {expected}");
        assert_eq!(norm_of_gradients([].iter()), 0.0);
    }
}
