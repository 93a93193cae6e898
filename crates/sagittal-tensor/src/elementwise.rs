//! Activation functions and dropout, which stand alone where they are not fused into a block: forward, backward, and how they
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
use sagittal_kernels::{self as kernels, Activation, NormShape};
use std::sync::Arc;

/// An activation function of every number.
///
/// # Shapes
/// - `x`, result: `[N, .., C]`
pub fn activate<const D: usize>(x: Tensor<D>, activation: Activation) -> Tensor<D> {
    // The operations see all numbers of a sample and channel as voxels, whatever their axes.
    let dims = x.dims();
    let x = in_five_axes(x);
    Tensor::<5>::from_dispatch(<Dispatch as ElementOps>::activate(x.into_dispatch(), activation)).reshape(dims)
}

/// Every channel of every sample times a factor of its own, as dropout wants it.
///
/// # Shapes
/// - `x`, result: `[N, .., C]`, at least two axes; `factors`: `[N, C]`
///
/// # Panics
/// If there is not one factor for every sample and channel.
pub fn scale_channels<const D: usize>(x: Tensor<D>, factors: Vec<f32>) -> Tensor<D> {
    let dims = x.dims();
    assert_eq!(factors.len(), dims[0] * dims[D - 1], "one factor for every sample and channel of {dims:?}");
    let x = in_five_axes(x);
    Tensor::<5>::from_dispatch(<Dispatch as ElementOps>::scale_channels(x.into_dispatch(), Arc::new(factors))).reshape(dims)
}

/// `[N, .., C]` => `[N, 1, 1, voxels, C]`, unless there are five axes already.
fn in_five_axes<const D: usize>(x: Tensor<D>) -> Tensor<5> {
    let dims = x.dims();
    let voxels = if D > 2 { dims[1..D - 1].iter().product() } else { 1 };
    let five = if D == 5 { std::array::from_fn(|axis| dims[axis]) } else { [dims[0], 1, 1, voxels, dims[D - 1]] };
    x.reshape(five)
}

/// What tensors dispatch to.
#[backend_extension(Flex, Cube: cfg(feature = "cube"), Autodiff)]
pub(crate) trait ElementOps: Backend {
    fn activate(x: FloatTensor<Self>, activation: Activation) -> FloatTensor<Self>;

    fn scale_channels(x: FloatTensor<Self>, factors: Arc<Vec<f32>>) -> FloatTensor<Self>;
}

/// Backward passes; a scaling is its own.
pub(crate) trait ElementKernels: ElementOps {
    fn activate_backward(x: FloatTensor<Self>, d_y: FloatTensor<Self>, activation: Activation) -> FloatTensor<Self>;
}

impl ElementOps for Flex {
    fn activate(x: FlexTensor, activation: Activation) -> FlexTensor {
        let mut x = x.to_contiguous();
        kernels::activation_in_place(activation, x.storage_mut());
        x
    }

    fn scale_channels(x: FlexTensor, factors: Arc<Vec<f32>>) -> FlexTensor {
        let mut x = x.to_contiguous();
        let shape = x.shape();
        let [n, z, y, w, c] = std::array::from_fn(|axis| shape[axis]);
        kernels::scale_channels_in_place(&NormShape { batch: n, voxels: z * y * w, channels: c }, x.storage_mut(), &factors);
        x
    }
}

impl ElementKernels for Flex {
    fn activate_backward(x: FlexTensor, d_y: FlexTensor, activation: Activation) -> FlexTensor {
        let (x, mut d_y) = (x.to_contiguous(), d_y.to_contiguous());
        let numbers = x.as_slice().expect("activations are contiguous f32");
        kernels::activation_backward_in_place(activation, numbers, d_y.storage_mut());
        d_y
    }
}

#[derive(Debug)]
struct ActivateStep;

impl<B: ElementKernels> Backward<B, 1> for ActivateStep {
    /// The input and the function.
    type State = (FloatTensor<B>, Activation);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let d_y = grads.consume::<B>(&ops.node);
        let (x, activation) = ops.state;
        if let [Some(parent)] = &ops.parents {
            grads.register::<B>(parent.id, B::activate_backward(x, d_y, activation));
        }
    }
}

#[derive(Debug)]
struct ScaleChannelsStep;

impl<B: ElementKernels> Backward<B, 1> for ScaleChannelsStep {
    /// The factors.
    type State = Arc<Vec<f32>>;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let d_y = grads.consume::<B>(&ops.node);
        if let [Some(parent)] = &ops.parents {
            grads.register::<B>(parent.id, B::scale_channels(d_y, ops.state));
        }
    }
}

impl<B: ElementKernels, C: CheckpointStrategy> ElementOps for Autodiff<B, C> {
    fn activate(x: FloatTensor<Self>, activation: Activation) -> FloatTensor<Self> {
        let (x, node) = x.into_parts();
        match ActivateStep.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish((x.clone(), activation), B::activate(x, activation)),
            OpsKind::UnTracked(prepared) => prepared.finish(B::activate(x, activation)),
        }
    }

    fn scale_channels(x: FloatTensor<Self>, factors: Arc<Vec<f32>>) -> FloatTensor<Self> {
        let (x, node) = x.into_parts();
        match ScaleChannelsStep.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(Arc::clone(&factors), B::scale_channels(x, factors)),
            OpsKind::UnTracked(prepared) => prepared.finish(B::scale_channels(x, factors)),
        }
    }
}
