//! The operations as networks call them: one function each, whatever the device.

use crate::ops::BlockOps;
use crate::{ConvSpec, LossTarget, NormActivation, Prepared, Tensor, TransposeSpec};
use burn::backend::Dispatch;

/// Convolution, instance norm and leaky ReLU in one.
///
/// With `skip`, the input is `x` and `skip` joined along the channels, `x` first; they are never copied together.
///
/// # Shapes
/// - `x`: `[N, Z, Y, X, C]`, `skip`: `[N, Z, Y, X, C']` with `C + C' = spec.c_in`
/// - `weight`: `c_out * c_in * KZ * KY * KX` numbers in that order; `bias`, `gamma`, `beta`: `[c_out]`
/// - result: `[N, Z', Y', X', c_out]`
///
/// `prepared` is used where no gradients are wanted.
///
/// # Panics
/// If a shape does not fit `spec`.
#[allow(clippy::too_many_arguments, reason = "a block's tensors, then its facts")]
pub fn conv_norm_act(
    x: Tensor<5>,
    skip: Option<Tensor<5>>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    [gamma, beta]: [Tensor<1>; 2],
    spec: ConvSpec,
    norm: NormActivation,
    prepared: Prepared,
) -> Tensor<5> {
    let c_skip = skip.as_ref().map_or(0, |s| s.dims()[4]);
    assert_eq!(x.dims()[4] + c_skip, spec.c_in, "input channels of a block");
    assert_eq!(weight.dims(), [spec.n_weights()], "weights of a block");
    for vector in [&bias, &gamma, &beta] {
        assert_eq!(vector.dims(), [spec.c_out], "bias and norm of a block");
    }
    if let Some(skip) = &skip {
        assert_eq!(skip.dims()[..4], x.dims()[..4], "a skip connection joins equal grids");
    }
    let (x, weight, bias) = (x.into_dispatch(), weight.into_dispatch(), bias.into_dispatch());
    let (gamma, beta) = (gamma.into_dispatch(), beta.into_dispatch());
    Tensor::from_dispatch(match skip {
        None => <Dispatch as BlockOps>::conv_norm_act(x, weight, bias, gamma, beta, spec, norm, prepared),
        Some(skip) => {
            <Dispatch as BlockOps>::conv_norm_act_joined(x, skip.into_dispatch(), weight, bias, gamma, beta, spec, norm, prepared)
        }
    })
}

/// Convolution with bias and nothing after it: the heads of a network.
///
/// # Shapes
/// As [`conv_norm_act`], without `skip`.
///
/// # Panics
/// If a shape does not fit `spec`.
pub fn conv(x: Tensor<5>, weight: Tensor<1>, bias: Tensor<1>, spec: ConvSpec) -> Tensor<5> {
    assert_eq!(x.dims()[4], spec.c_in, "input channels of a convolution");
    assert_eq!((weight.dims(), bias.dims()), ([spec.n_weights()], [spec.c_out]), "weights and bias of a convolution");
    Tensor::from_dispatch(<Dispatch as BlockOps>::conv_bias(x.into_dispatch(), weight.into_dispatch(), bias.into_dispatch(), spec))
}

/// Transposed convolution with bias whose kernel is its stride: each voxel becomes a block of voxels.
///
/// # Shapes
/// - `x`: `[N, Z, Y, X, c_in]`; `weight`: `c_in * c_out * SZ * SY * SX` numbers in that order; `bias`: `[c_out]`
/// - result: `[N, Z SZ, Y SY, X SX, c_out]`
///
/// # Panics
/// If a shape does not fit `spec`.
pub fn conv_transpose(x: Tensor<5>, weight: Tensor<1>, bias: Tensor<1>, spec: TransposeSpec) -> Tensor<5> {
    assert_eq!(x.dims()[4], spec.c_in, "input channels of a transposed convolution");
    assert_eq!((weight.dims(), bias.dims()), ([spec.n_weights()], [spec.c_out]), "weights and bias of a transposed convolution");
    Tensor::from_dispatch(<Dispatch as BlockOps>::conv_transpose_bias(
        x.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
        spec,
    ))
}

/// Mean cross entropy over the scored voxels minus the mean soft Dice of the foreground classes, or of the regions.
///
/// As nnU-Net trains (Isensee et al. 2021): Dice on the soft-max without background, per sample unless
/// `target.batch_dice`, smoothed by 1e-5. Of regions (`target.regions`) the sigmoid of each takes the place of the soft-max,
/// the binary cross entropy of each, averaged over them too, that of the cross entropy, and all take part in the Dice.
///
/// # Shapes
/// - `logits`: `[N, Z, Y, X, K]`; result: one number
///
/// # Panics
/// If the target has another number of voxels than the logits, or its table another number of regions.
pub fn segmentation_loss(logits: Tensor<5>, target: LossTarget) -> Tensor<1> {
    let [n, z, y, x, k] = logits.dims();
    assert_eq!(target.classes.len(), n * z * y * x, "one class per voxel of the logits");
    if let Some(table) = &target.regions {
        assert_eq!(table.n_regions(), k, "one logit per region");
    }
    Tensor::from_dispatch(<Dispatch as BlockOps>::segmentation_loss(logits.into_dispatch(), target))
}
