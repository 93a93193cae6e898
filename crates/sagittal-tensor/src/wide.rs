//! The first dense layer of a voxel classifier for all voxels of a region at once, on the CPU. It is not differentiated: training
//! looks at single voxels, for which a matrix product is better.

use crate::Tensor;
use burn::backend::{Flex, flex::FlexTensor};
use burn::tensor::TensorData;
pub use sagittal_kernels::wide_dense_bytes;
use sagittal_kernels::{Activation, WideLayer, WideTower, activation_in_place, wide_dense_pays};

/// Parameters of the layer and of the one after it, all flat.
#[derive(Clone, Debug)]
pub struct WideParameters {
    /// `[U, W]`, where a row holds `[C, KZ, KY, KX]` of every tower.
    pub weight: Tensor<1>,
    /// `[U]`.
    pub bias: Tensor<1>,
    /// `[K, U]`.
    pub next_weight: Tensor<1>,
    /// `[K]`.
    pub next_bias: Tensor<1>,
}

/// A dense layer that sees `kernel` of each tower's features around every voxel, its activation, and what the next layer makes of
/// it; `None` on other devices than the CPU, and where there are so few voxels that a product for each is quicker.
///
/// # Shapes
/// - `towers`: features `[1, Z, Y, X, C]` and kernel `[KZ, KY, KX]`; `[Z - KZ + 1, ..]` is the same for all
/// - result: `[1, Z - KZ + 1, Y - KY + 1, X - KX + 1, K]`
///
/// # Panics
/// If shapes do not fit each other.
pub fn wide_dense(towers: &[(Tensor<5>, [usize; 3])], parameters: &WideParameters, activation: Activation) -> Option<Tensor<5>> {
    let features = towers.iter().map(|(features, _)| on_cpu(features.clone())).collect::<Option<Vec<_>>>()?;
    let sized = features.iter().zip(towers);
    let towers: Vec<WideTower<'_>> = sized
        .map(|(numbers, (tensor, kernel))| {
            let [n, z, y, x, channels] = tensor.dims();
            assert_eq!(n, 1, "one region at a time");
            WideTower { features: slice(numbers), size: [z, y, x], channels, kernel: *kernel }
        })
        .collect();
    if !wide_dense_pays(&towers) {
        return None;
    }
    let WideParameters { weight, bias, next_weight, next_bias } = parameters.clone();
    let (weight, bias) = (on_cpu(weight)?, on_cpu(bias)?);
    let (next_weight, next_bias) = (on_cpu(next_weight)?, on_cpu(next_bias)?);
    let layer = WideLayer {
        weight: slice(&weight),
        bias: slice(&bias),
        activation: &|units| activation_in_place(activation, units),
        next_weight: slice(&next_weight),
        next_bias: slice(&next_bias),
    };
    let [z, y, x] = towers[0].size_out();
    let shape = [1, z, y, x, layer.next_bias.len()];
    let mut output = vec![0.0; shape.iter().product()];
    sagittal_kernels::wide_dense(&towers, &layer, &mut output);
    Some(Tensor::from_data(TensorData::new(output, shape), &parameters.bias.device()))
}

/// The numbers of a tensor that lies on the CPU.
fn on_cpu<const D: usize>(tensor: Tensor<D>) -> Option<FlexTensor> {
    tensor.try_into_primitive::<Flex>().ok().map(|tensor| tensor.to_contiguous())
}

fn slice(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().expect("parameters and features are f32")
}
