//! The decoder of one layer, for as long as the layer learns.

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};
use sagittal_nets::{GreedyLayer, Parameters};
use sagittal_tensor::{ConvSpec, Device, Padding, Tensor, TransposeSpec, conv, conv_transpose};

/// From a layer's output back to its input, linear: inputs may have any value.
#[derive(Debug)]
pub(super) struct Decoder {
    shape: Shape,
    parameters: Parameters,
}

#[derive(Clone, Copy, Debug)]
enum Shape {
    /// Of a layer that keeps the grid.
    Convolution(ConvSpec),
    /// Of one that steps.
    Transposed(TransposeSpec),
}

impl Decoder {
    pub(super) fn new(layer: &GreedyLayer, rng: &mut ChaCha8Rng, device: &Device) -> Self {
        let GreedyLayer { c_in, c_out, kernel, stride, .. } = *layer;
        let (shape, n_weights, fan_in, dims) = if stride == [1; 3] {
            let spec = ConvSpec { c_in: c_out, c_out: c_in, kernel, stride, padding: Padding::Same };
            (
                Shape::Convolution(spec),
                spec.n_weights(),
                c_out * kernel.iter().product::<usize>(),
                [c_in, c_out, kernel[0], kernel[1], kernel[2]],
            )
        } else {
            let spec = TransposeSpec { c_in: c_out, c_out: c_in, stride };
            (Shape::Transposed(spec), spec.n_weights(), c_out, [c_out, c_in, stride[0], stride[1], stride[2]])
        };
        // What keeps the spread of numbers through a linear layer.
        let normal = Normal::new(0.0f32, (1.0 / fan_in as f32).sqrt()).expect("the deviation is a positive number");
        let mut parameters = Parameters::default();
        parameters.add("decoder.weight".to_owned(), dims.to_vec(), normal.sample_iter(rng).take(n_weights).collect(), device);
        parameters.add("decoder.bias".to_owned(), vec![c_in], vec![0.0; c_in], device);
        Self { shape, parameters }
    }

    pub(super) fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    pub(super) fn parameters_mut(&mut self) -> &mut Parameters {
        &mut self.parameters
    }

    /// What it makes of the layer's output.
    pub(super) fn forward(&self, parameters: &Parameters, code: Tensor<5>) -> Tensor<5> {
        let (weight, bias) = (parameters.value(0), parameters.value(1));
        match self.shape {
            Shape::Convolution(spec) => conv(code, weight, bias, spec),
            Shape::Transposed(spec) => conv_transpose(code, weight, bias, spec),
        }
    }
}
