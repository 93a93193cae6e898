//! The tensor: burn, device choice, and our own operations registered under it.
//!
//! The unit is a whole block (convolution, instance norm, leaky ReLU), because small eager operations and fresh buffers
//! cost more than the arithmetic. Activations are channels-last, `[N, Z, Y, X, C]`: the kernels of the CPU are fastest
//! there, and a network crosses from and to `N C Z Y X` only at its two ends. A 2-D network has `Z = 1` and kernels and
//! strides of 1 along it. Parameters are flat: their shape belongs to the operation that uses them.
//!
//! On the CPU the operations are kernels of our own; on GPUs (features `gpu` and `cuda`) they are composed of burn's.
//!
//! Networks above call [`conv_norm_act`], [`conv`], [`conv_transpose`] and [`segmentation_loss`] and see no backend.
#![forbid(unsafe_code)]

mod backward;
#[cfg(any(test, feature = "cube"))]
mod composed;
#[cfg(feature = "cube")]
mod cube;
mod device;
mod distillation;
mod elementwise;
mod flex;
mod functions;
mod ops;
mod optim;
mod prepared;
mod residual;
mod spec;
mod wide;

pub use burn::tensor::{Gradients, Tensor, TensorData};
pub use device::{Device, DeviceError, DeviceName};
pub use distillation::{TeacherTarget, distillation_loss};
pub use elementwise::{activate, scale_channels};
pub use functions::{conv, conv_norm_act, conv_transpose, segmentation_loss};
pub use optim::{adamw_step, norm_of_gradients, rmsprop_step, rprop_step, sgd_step};
pub use prepared::Prepared;
pub use residual::{add_leaky, average_pool};
pub use sagittal_kernels::{
    Activation, AdamwOptions, KeepingAllocator, Lesson, OutputKind, RegionTable, RmspropOptions, RpropOptions, SgdOptions,
    measured_peak_gflops,
};
pub use spec::{ConvSpec, LossTarget, NormActivation, Padding, TransposeSpec};
pub use wide::{WideParameters, wide_dense, wide_dense_bytes};
