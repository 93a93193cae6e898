//! CPU kernels on plain slices: convolutions, norm, losses, pooling, resizing, optimiser steps.
//!
//! Axes: `N` batch, `C` channels, `K` classes, `Z Y X` spatial, slowest first. Activations are channels-last
//! `[N, Z, Y, X, C]`; a 2-D image has `Z = 1` and a kernel of one tap along Z. Weights keep PyTorch's order
//! `[C_out, C_in, KZ, KY, KX]`, transposed convolutions `[C_in, C_out, KZ, KY, KX]`.
//!
//! **Invariants.** This is the only crate with `unsafe`. It knows no tensor type, no network and no file. Every fast
//! kernel has a naive twin in f64 (`naive` modules) and is tested against it. Work runs in rayon's current pool; the
//! split of every sum is fixed by the shape, never by the threads, so results are bit-identical whatever their number.

#![allow(clippy::needless_range_loop, reason = "kernels index several arrays by one counter; iterators hide which")]
#![allow(clippy::too_many_arguments, reason = "plain slices in, plain slices out: a kernel's arguments are its tensors")]

pub mod activation;
pub mod buffer;
pub mod channel_scale;
pub mod conv;
pub mod conv_transpose;
pub mod distillation;
pub mod interpolate;
pub mod loss;
pub mod memory;
pub mod norm;
pub mod optim;
mod peak;
pub mod pool;
pub mod residual;
mod scratch;
mod shared;
pub mod simd;
pub mod softmax;
#[cfg(test)]
mod testing;
pub mod wide_dense;

pub use activation::{Activation, activation_backward_in_place, activation_in_place};
pub use channel_scale::scale_channels_in_place;
pub use conv::{ConvShape, PackedConv, Parts, PartsMut, conv, conv_backward_input, conv_backward_weight};
pub use conv_transpose::{TransposeShape, conv_transpose, conv_transpose_backward_input, conv_transpose_backward_weight};
pub use distillation::{Lesson, OutputKind, distillation, lesson_targets, pool_targets};
pub use interpolate::{ResizeShape, resize_linear, resize_linear_backward, resize_nearest};
pub use loss::{ClassCounts, LossOptions, LossShape, LossValue, RegionTable, dice_binary_cross_entropy, dice_cross_entropy};
pub use memory::KeepingAllocator;
pub use norm::{NormShape, norm_activation, norm_activation_backward, norm_activation_backward_in_place, norm_activation_in_place};
pub use optim::{AdamwOptions, RmspropOptions, RpropOptions, SgdOptions, adamw_step, rmsprop_step, rprop_step, sgd_step, sum_of_squares};
pub use peak::measured_peak_gflops;
pub use pool::{PoolShape, pool_average, pool_average_backward, pool_max, pool_max_backward};
pub use residual::{add_leaky_backward_in_place, add_leaky_in_place};
pub use simd::{Simd, simd, with_simd};
pub use softmax::softmax_channels;
pub use wide_dense::{WideLayer, WideTower, wide_dense, wide_dense_bytes, wide_dense_pays};
