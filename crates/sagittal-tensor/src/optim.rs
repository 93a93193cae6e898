//! One step of an optimiser on one parameter.
//!
//! On the CPU in one pass over its numbers: parameters and their buffers are changed in place where nobody else holds
//! them, which is so once the gradients have been taken. On other devices composed of burn's operations.

use crate::device::is_cpu;
use crate::{AdamwOptions, RmspropOptions, RpropOptions, SgdOptions, Tensor};
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

/// One step of stochastic gradient descent; returns the parameter and its momentum buffer, which is empty where there is no
/// momentum.
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

/// One step of RMSprop (Tieleman and Hinton 2012); returns the parameter, its mean of squares and its momentum.
///
/// # Panics
/// If the tensors differ in length or device.
pub fn rmsprop_step(
    value: Tensor<1>,
    gradient: Tensor<1>,
    [mean_square, momentum]: [Tensor<1>; 2],
    options: &RmspropOptions,
) -> (Tensor<1>, [Tensor<1>; 2]) {
    if !is_cpu(&value.device()) {
        return composed::rmsprop_step(value, gradient, [mean_square, momentum], options);
    }
    let (mut value, gradient) = (primitive(value), primitive(gradient));
    let (mut mean_square, mut momentum) = (primitive(mean_square), primitive(momentum));
    let buffers = (mean_square.storage_mut(), momentum.storage_mut());
    sagittal_kernels::rmsprop_step(value.storage_mut(), numbers(&gradient), buffers.0, buffers.1, *options);
    (tensor(value), [tensor(mean_square), tensor(momentum)])
}

/// One step of Rprop (Riedmiller and Braun 1993); returns the parameter, the gradient for the next step and the step sizes.
///
/// # Panics
/// If the tensors differ in length or device.
pub fn rprop_step(
    value: Tensor<1>,
    gradient: Tensor<1>,
    [previous, step_size]: [Tensor<1>; 2],
    options: &RpropOptions,
) -> (Tensor<1>, [Tensor<1>; 2]) {
    if !is_cpu(&value.device()) {
        return composed::rprop_step(value, gradient, [previous, step_size], options);
    }
    let (mut value, gradient) = (primitive(value), primitive(gradient));
    let (mut previous, mut step_size) = (primitive(previous), primitive(step_size));
    sagittal_kernels::rprop_step(value.storage_mut(), numbers(&gradient), previous.storage_mut(), step_size.storage_mut(), *options);
    (tensor(value), [tensor(previous), tensor(step_size)])
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
    use super::{AdamwOptions, RmspropOptions, RpropOptions, SgdOptions, Tensor};

    /// Waits for the device once, not once per gradient.
    pub(super) fn norm(gradients: Vec<Tensor<1>>) -> f64 {
        let sums = gradients.into_iter().map(|gradient| gradient.square().sum()).collect();
        let sums = Tensor::cat(sums, 0).into_data();
        sums.iter::<f64>().sum::<f64>().sqrt()
    }

    pub(super) fn sgd_step(value: Tensor<1>, gradient: Tensor<1>, momentum: Tensor<1>, options: &SgdOptions) -> (Tensor<1>, Tensor<1>) {
        let SgdOptions { lr, momentum: kept, nesterov, weight_decay, grad_scale } = *options;
        let gradient = gradient * grad_scale + value.clone() * weight_decay;
        if kept == 0.0 && momentum.dims() == [0] {
            return (value - gradient * lr, momentum);
        }
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

    pub(super) fn rmsprop_step(
        value: Tensor<1>,
        gradient: Tensor<1>,
        [mean_square, momentum]: [Tensor<1>; 2],
        options: &RmspropOptions,
    ) -> (Tensor<1>, [Tensor<1>; 2]) {
        let RmspropOptions { lr, decay, eps, momentum: kept, weight_decay, grad_scale } = *options;
        let gradient = gradient * grad_scale + value.clone() * weight_decay;
        let mean_square = mean_square * decay + gradient.clone().square() * (1.0 - decay);
        let momentum = momentum * kept + gradient / (mean_square.clone().sqrt() + eps);
        (value - momentum.clone() * lr, [mean_square, momentum])
    }

    pub(super) fn rprop_step(
        value: Tensor<1>,
        gradient: Tensor<1>,
        [previous, step_size]: [Tensor<1>; 2],
        options: &RpropOptions,
    ) -> (Tensor<1>, [Tensor<1>; 2]) {
        let RpropOptions { shrink, grow, bounds: [smallest, largest], backtracking } = *options;
        let sign_before = previous.sign();
        let agreement = gradient.clone().sign() * sign_before.clone();
        let (kept, turned) = (agreement.clone().greater_elem(0), agreement.lower_elem(0));
        let taken_back = if backtracking { sign_before * step_size.clone() } else { step_size.zeros_like() };
        let grown = (step_size.clone() * grow).clamp_max(largest);
        let shrunk = (step_size.clone() * shrink).clamp_min(smallest);
        let step_size = step_size.mask_where(kept, grown).mask_where(turned.clone(), shrunk);
        let change = (gradient.clone().sign() * step_size.clone() * -1.0).mask_where(turned.clone(), taken_back);
        (value + change, [gradient.mask_fill(turned, 0), step_size])
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
    fn composed_rmsprop_equals_the_kernel() {
        let start = random(1001);
        let zeros = || [start.zeros_like(), start.zeros_like()];
        let (mut found, mut expected) = ((start.clone(), zeros()), (start.clone(), zeros()));
        let options = RmspropOptions { lr: 0.01, decay: 0.99, eps: 1e-8, momentum: 0.9, weight_decay: 0.1, grad_scale: 0.5 };
        for _ in 0..5 {
            let gradient = random(1001);
            found = composed::rmsprop_step(found.0, gradient.clone(), found.1, &options);
            expected = rmsprop_step(expected.0, gradient, expected.1, &options);
        }
        assert_close(found.0, expected.0);
    }

    #[test]
    fn composed_rprop_equals_the_kernel() {
        for backtracking in [false, true] {
            let start = random(1001);
            let buffers = || [start.zeros_like(), start.zeros_like() + 0.1];
            let (mut found, mut expected) = ((start.clone(), buffers()), (start.clone(), buffers()));
            let options = RpropOptions { shrink: 0.5, grow: 1.2, bounds: [1e-6, 50.0], backtracking };
            for _ in 0..7 {
                let gradient = random(1001);
                found = composed::rprop_step(found.0, gradient.clone(), found.1, &options);
                expected = rprop_step(expected.0, gradient, expected.1, &options);
            }
            assert_close(found.0, expected.0);
            for (found, expected) in found.1.into_iter().zip(expected.1) {
                assert_close(found, expected);
            }
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
