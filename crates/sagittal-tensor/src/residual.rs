//! What residual blocks add to the others: a sum with its leaky ReLU, and average pooling; forward, backward, and how they
//! are differentiated.

use crate::Tensor;
use burn::backend::{
    Autodiff, Backend, Dispatch, Flex, TensorMetadata,
    autodiff::{
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind},
    },
    backend_extension,
    flex::FlexTensor,
    tensor::FloatTensor,
};
use burn::tensor::TensorData;
use sagittal_kernels::{self as kernels, PoolShape, buffer::overwritten_vec};

/// The sum of `x` and `shortcut` through a leaky ReLU: the end of a residual block.
///
/// # Shapes
/// - `x`, `shortcut`, result: `[N, Z, Y, X, C]`
///
/// # Panics
/// If the shapes differ.
pub fn add_leaky(x: Tensor<5>, shortcut: Tensor<5>, slope: f32) -> Tensor<5> {
    assert_eq!(x.dims(), shortcut.dims(), "a sum of equal shapes");
    Tensor::from_dispatch(<Dispatch as ResidualOps>::add_leaky(x.into_dispatch(), shortcut.into_dispatch(), slope))
}

/// The mean of each window, whose size is also the step.
///
/// # Shapes
/// - `x`: `[N, Z, Y, X, C]`; result: `[N, Z / KZ, Y / KY, X / KX, C]`
///
/// # Panics
/// If a window is larger than the image.
pub fn average_pool(x: Tensor<5>, window: [usize; 3]) -> Tensor<5> {
    let dims = x.dims();
    assert!((0..3).all(|a| window[a] >= 1 && dims[a + 1] >= window[a]), "windows {window:?} of {dims:?}");
    Tensor::from_dispatch(<Dispatch as ResidualOps>::average_pool(x.into_dispatch(), window))
}

/// What tensors dispatch to.
#[backend_extension(Flex, Cube: cfg(feature = "cube"), Autodiff)]
pub(crate) trait ResidualOps: Backend {
    fn add_leaky(x: FloatTensor<Self>, shortcut: FloatTensor<Self>, slope: f32) -> FloatTensor<Self>;

    fn average_pool(x: FloatTensor<Self>, window: [usize; 3]) -> FloatTensor<Self>;
}

/// Backward passes.
pub(crate) trait ResidualKernels: ResidualOps {
    /// Gradient with respect to either summand, from the result.
    fn add_leaky_backward(y: FloatTensor<Self>, d_y: FloatTensor<Self>, slope: f32) -> FloatTensor<Self>;

    /// `size` is the input's `[Z, Y, X]`.
    fn average_pool_backward(d_y: FloatTensor<Self>, size: [usize; 3], window: [usize; 3]) -> FloatTensor<Self>;
}

impl ResidualOps for Flex {
    fn add_leaky(x: FlexTensor, shortcut: FlexTensor, slope: f32) -> FlexTensor {
        // Whichever nobody else holds is overwritten; the sum does not care which is which.
        let (mut x, shortcut) = (x.to_contiguous(), shortcut.to_contiguous());
        kernels::add_leaky_in_place(x.storage_mut(), numbers(&shortcut), slope);
        x
    }

    fn average_pool(x: FlexTensor, window: [usize; 3]) -> FlexTensor {
        let x = x.to_contiguous();
        let shape = pool_shape(dims(&x), window);
        let [z, y, w] = shape.size_out();
        let out = [shape.batch, z, y, w, shape.channels];
        let mut output = overwritten_vec(out.iter().product());
        kernels::pool::pool_average(&shape, numbers(&x), &mut output);
        made(output, out)
    }
}

impl ResidualKernels for Flex {
    fn add_leaky_backward(y: FlexTensor, d_y: FlexTensor, slope: f32) -> FlexTensor {
        let (y, mut d_y) = (y.to_contiguous(), d_y.to_contiguous());
        kernels::add_leaky_backward_in_place(numbers(&y), d_y.storage_mut(), slope);
        d_y
    }

    fn average_pool_backward(d_y: FlexTensor, size: [usize; 3], window: [usize; 3]) -> FlexTensor {
        let d_y = d_y.to_contiguous();
        let [n, _, _, _, c] = dims(&d_y);
        let input = [n, size[0], size[1], size[2], c];
        let mut gradient = overwritten_vec(input.iter().product());
        kernels::pool::pool_average_backward(&pool_shape(input, window), numbers(&d_y), &mut gradient);
        made(gradient, input)
    }
}

#[derive(Debug)]
struct AddLeakyStep;

impl<B: ResidualKernels> Backward<B, 2> for AddLeakyStep {
    /// The result and the slope.
    type State = (FloatTensor<B>, f32);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let d_y = grads.consume::<B>(&ops.node);
        let (y, slope) = ops.state;
        let gradient = B::add_leaky_backward(y, d_y, slope);
        for parent in ops.parents.iter().flatten() {
            grads.register::<B>(parent.id, gradient.clone());
        }
    }
}

#[derive(Debug)]
struct AveragePoolStep;

impl<B: ResidualKernels> Backward<B, 1> for AveragePoolStep {
    /// The input's size and the window.
    type State = [[usize; 3]; 2];

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let d_y = grads.consume::<B>(&ops.node);
        let [size, window] = ops.state;
        if let [Some(parent)] = &ops.parents {
            grads.register::<B>(parent.id, B::average_pool_backward(d_y, size, window));
        }
    }
}

impl<B: ResidualKernels, C: CheckpointStrategy> ResidualOps for Autodiff<B, C> {
    fn add_leaky(x: FloatTensor<Self>, shortcut: FloatTensor<Self>, slope: f32) -> FloatTensor<Self> {
        let ((x, x_node), (shortcut, shortcut_node)) = (x.into_parts(), shortcut.into_parts());
        match AddLeakyStep.prepare::<C>([x_node, shortcut_node]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                let y = B::add_leaky(x, shortcut, slope);
                prepared.finish((y.clone(), slope), y)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(B::add_leaky(x, shortcut, slope)),
        }
    }

    fn average_pool(x: FloatTensor<Self>, window: [usize; 3]) -> FloatTensor<Self> {
        let (x, node) = x.into_parts();
        match AveragePoolStep.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                let shape = x.shape();
                let size = std::array::from_fn(|axis| shape[axis + 1]);
                prepared.finish([size, window], B::average_pool(x, window))
            }
            OpsKind::UnTracked(prepared) => prepared.finish(B::average_pool(x, window)),
        }
    }
}

fn pool_shape([batch, z, y, x, channels]: [usize; 5], kernel: [usize; 3]) -> PoolShape {
    PoolShape { batch, size: [z, y, x], channels, kernel }
}

fn dims(tensor: &FlexTensor) -> [usize; 5] {
    let shape = tensor.shape();
    std::array::from_fn(|axis| shape[axis])
}

fn numbers(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().expect("activations are contiguous f32")
}

fn made(values: Vec<f32>, shape: [usize; 5]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}
