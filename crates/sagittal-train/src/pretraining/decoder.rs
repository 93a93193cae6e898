//! The decoder of one layer, for as long as the layer learns.

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};
use sagittal_nets::{GreedyLayer, GreedyShape, Parameters};
use sagittal_tensor::{ConvSpec, Device, Padding, Tensor, TransposeSpec, conv, conv_transpose};

/// From a layer's output back to its input, linear: inputs may have any value.
#[derive(Debug)]
pub(super) struct Decoder {
    shape: Shape,
    parameters: Parameters,
}

#[derive(Clone, Copy, Debug)]
enum Shape {
    /// Of a layer that does not step; with so many zeros on both sides of the code along `Z Y X`, where the layer left the
    /// border of its input out.
    Convolution(ConvSpec, [usize; 3]),
    /// Of one that steps.
    Transposed(TransposeSpec),
    /// Of one that sees everything: units in and out.
    Dense([usize; 2]),
}

impl Decoder {
    pub(super) fn new(layer: &GreedyLayer, rng: &mut ChaCha8Rng, device: &Device) -> Self {
        let GreedyLayer { c_in, c_out, .. } = *layer;
        let (shape, n_weights, fan_in, dims) = match layer.shape {
            GreedyShape::Convolution { kernel, stride, padding } if stride == [1; 3] => {
                let around = if padding == Padding::Valid { kernel.map(|taps| taps - 1) } else { [0; 3] };
                let spec = ConvSpec { c_in: c_out, c_out: c_in, kernel, stride, padding };
                let dims = vec![c_in, c_out, kernel[0], kernel[1], kernel[2]];
                (Shape::Convolution(spec, around), spec.n_weights(), c_out * kernel.iter().product::<usize>(), dims)
            }
            GreedyShape::Convolution { stride, .. } => {
                let spec = TransposeSpec { c_in: c_out, c_out: c_in, stride };
                (Shape::Transposed(spec), spec.n_weights(), c_out, vec![c_out, c_in, stride[0], stride[1], stride[2]])
            }
            GreedyShape::Dense => (Shape::Dense([c_out, c_in]), c_out * c_in, c_out, vec![c_in, c_out]),
        };
        // What keeps the spread of numbers through a linear layer.
        let normal = Normal::new(0.0f32, (1.0 / fan_in as f32).sqrt()).expect("the deviation is a positive number");
        let mut parameters = Parameters::default();
        parameters.add("decoder.weight".to_owned(), dims, normal.sample_iter(rng).take(n_weights).collect(), device);
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
            Shape::Convolution(spec, around) => conv(with_zeros_around(code, around), weight, bias, spec),
            Shape::Transposed(spec) => conv_transpose(code, weight, bias, spec),
            Shape::Dense([n_in, n_out]) => {
                let n = code.dims()[0];
                // As the networks' own dense layers: the gradient of the weights comes out in their order.
                let rows: Tensor<2> = weight.reshape([n_out, n_in]);
                let values = rows.matmul(code.reshape([n, n_in]).transpose()).transpose() + bias.reshape([1, n_out]);
                values.reshape([n, 1, 1, 1, n_out])
            }
        }
    }
}

/// So many zeros before and behind along `Z Y X`.
fn with_zeros_around(x: Tensor<5>, around: [usize; 3]) -> Tensor<5> {
    around.into_iter().enumerate().filter(|(_, zeros)| *zeros > 0).fold(x, |x, (axis, zeros)| {
        let mut dims = x.dims();
        dims[axis + 1] = zeros;
        let zeros = Tensor::zeros(dims, &x.device());
        Tensor::cat(vec![zeros.clone(), x, zeros], axis + 1)
    })
}
