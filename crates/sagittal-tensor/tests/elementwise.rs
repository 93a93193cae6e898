//! Activations and scaled channels as networks call them: against the definition, values and gradients, on any number of axes.
#![allow(missing_docs, reason = "tests")]

use burn::tensor::Distribution;
use sagittal_tensor::{Activation, Device, Tensor, activate, scale_channels};

fn random<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, 2.0), &Device::cpu().differentiable()).require_grad()
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().expect("f32")
}

fn check_activation<const D: usize>(shape: [usize; D], activation: Activation) {
    let x = random(shape);
    let before = numbers(x.clone().inner());
    let y = activate(x.clone(), activation);
    assert_eq!(y.dims(), shape);
    // A weighting of 2, 1 of the sum of squares: d_y = 2 y.
    let gradients = (y.clone() * y.clone()).sum().backward();
    let d_x = numbers(x.grad(&gradients).expect("a gradient"));
    // Nothing may be written over the input while somebody holds it.
    assert_eq!(numbers(x.inner()), before);
    for ((x, y), d_x) in before.iter().zip(numbers(y.inner())).zip(d_x) {
        let x = f64::from(*x);
        let (value, slope) = (activation.value(x), activation.derivative(x));
        assert!((f64::from(y) - value).abs() < 1e-6 * value.abs().max(1.0), "{activation:?} of {x}: {y}");
        let expected = 2.0 * value * slope;
        assert!((f64::from(d_x) - expected).abs() < 4e-6 * expected.abs().max(1.0), "{activation:?}' of {x}: {d_x}, not {expected}");
    }
}

#[test]
fn activations_equal_their_definition_in_value_and_gradient() {
    let all = [
        Activation::RELU,
        Activation::LeakyRelu { slope: 0.2 },
        Activation::Tanh,
        Activation::Sigmoid,
        Activation::Softplus,
        Activation::Elu,
        Activation::Gelu,
        Activation::Silu,
        Activation::Sine,
    ];
    for activation in all {
        check_activation([2, 3, 4, 5, 6], activation);
        check_activation([3, 7], activation);
        check_activation([2, 5, 3], activation);
    }
}

#[test]
fn without_a_graph_activations_give_the_same() {
    let x = random([2, 3, 3, 4, 5]);
    let tracked = numbers(activate(x.clone(), Activation::Gelu).inner());
    assert_eq!(numbers(activate(x.inner(), Activation::Gelu)), tracked);
}

#[test]
fn channels_are_scaled_sample_by_sample_and_so_are_their_gradients() {
    let factors = vec![0.0, 2.0, 1.0, 0.5, 0.0, 3.0];
    let x = random([2, 2, 1, 2, 3]);
    let y = scale_channels(x.clone(), factors.clone());
    let gradients = y.clone().sum().backward();
    let d_x = numbers(x.grad(&gradients).expect("a gradient"));
    for (i, ((x, y), d_x)) in numbers(x.inner()).iter().zip(numbers(y.inner())).zip(d_x).enumerate() {
        let factor = factors[i / 12 * 3 + i % 3];
        assert_eq!((y, d_x), (x * factor, factor), "at {i}");
    }
    let flat = scale_channels(Tensor::<2>::ones([2, 3], Device::cpu().plain()), factors.clone());
    assert_eq!(numbers(flat), factors);
}
