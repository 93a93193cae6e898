//! The blocks composed of burn's own operations, for devices without kernels of ours: forward, and backward by hand.
//!
//! Convolutions want the channels first; they get a view, which costs nothing on GPUs, whose convolutions turn it back.
//! Means and sums run axis by axis: few terms each in single precision, and many of them side by side.

mod elementwise;
#[cfg(test)]
mod tests;

pub(crate) use elementwise::{activate, activate_backward, scale_channels};

use crate::ops::{BlockBackward, BlockForward, BlockSaved, ConvBackward};
use crate::{ConvSpec, LossTarget, NormActivation, RegionTable, Tensor, TransposeSpec};
use burn::backend::{Dispatch, ops::ModuleOps};
use burn::tensor::{Int, TensorData, activation, module, ops::ConvOptions};

/// The sum of both through a leaky ReLU.
pub(crate) fn add_leaky(x: Tensor<5>, shortcut: Tensor<5>, slope: f32) -> Tensor<5> {
    activation::leaky_relu(x + shortcut, slope.into())
}

/// Gradient of [`add_leaky`] with respect to either summand, from the result `y`.
pub(crate) fn add_leaky_backward(y: Tensor<5>, d_y: Tensor<5>, slope: f32) -> Tensor<5> {
    let below = y.lower_equal_scalar(0.0);
    d_y.clone().mask_where(below, d_y * slope)
}

/// The mean of each window, axis by axis; what is left behind the last window does not count.
pub(crate) fn average_pool(mut x: Tensor<5>, window: [usize; 3]) -> Tensor<5> {
    for (axis, &width) in (1..).zip(&window) {
        let mut dims = x.dims();
        dims[axis] /= width;
        let (before, behind) = (dims[..axis].iter().product::<usize>(), dims[axis + 1..].iter().product::<usize>());
        x = x.narrow(axis, 0, dims[axis] * width).reshape([before * dims[axis], width, behind]).mean_dim(1).reshape(dims);
    }
    x
}

/// Gradient of [`average_pool`] of an image of `size`.
pub(crate) fn average_pool_backward(d_y: Tensor<5>, size: [usize; 3], window: [usize; 3]) -> Tensor<5> {
    let mut d_x = d_y / window.iter().product::<usize>() as f32;
    for ((axis, &width), &n) in (1..).zip(&window).zip(&size) {
        let mut dims = d_x.dims();
        let (before, behind) = (dims[..=axis].iter().product::<usize>(), dims[axis + 1..].iter().product::<usize>());
        d_x = d_x.reshape([before, 1, behind]).repeat_dim(1, width).reshape({
            dims[axis] *= width;
            dims
        });
        dims[axis] = n - dims[axis];
        if dims[axis] > 0 {
            d_x = Tensor::cat(vec![d_x.clone(), Tensor::zeros(dims, &d_x.device())], axis);
        }
    }
    d_x
}

/// Added to numerator and denominator of the Dice, as on the CPU.
const SMOOTH: f64 = 1e-5;
/// The class of a voxel that is not scored.
const IGNORED: u8 = 255;

/// A block and what its backward pass needs.
pub(crate) fn block_forward(
    x: Tensor<5>,
    skip: Option<Tensor<5>>,
    [weight, bias, gamma, beta]: [Tensor<1>; 4],
    spec: ConvSpec,
    norm: NormActivation,
) -> BlockForward<Tensor<5>> {
    let pre_norm = conv(joined(x, skip), weight, bias, spec);
    let mean = voxel_mean(pre_norm.clone());
    let centred = pre_norm.clone() - mean.clone();
    let inv_std = (voxel_mean(centred.clone().square()) + norm.epsilon).sqrt().recip();
    let y = activation::leaky_relu(centred * (inv_std.clone() * per_channel(gamma)) + per_channel(beta), norm.slope.into());
    BlockForward { y, pre_norm, mean, inv_std }
}

/// The gradients of a block; parameters come as flat tensors, activations as `[N, Z, Y, X, C]`.
pub(crate) fn block_backward(
    saved: BlockSaved<Tensor<5>, Tensor<1>>,
    d_y: Tensor<5>,
    want_d_x: bool,
) -> BlockBackward<Tensor<5>, Tensor<1>> {
    let BlockSaved { x, skip, weight, gamma, beta, pre_norm, mean, inv_std, spec, norm } = saved;
    let (gamma, beta) = (per_channel(gamma), per_channel(beta));
    let [_, z, y, w, _] = pre_norm.dims();
    // normal = (pre_norm - mean) * inv_std
    let normal = (pre_norm - mean) * inv_std.clone();
    // y = leaky(normal * gamma + beta)
    let below = (normal.clone() * gamma.clone() + beta).lower_equal_scalar(0.0);
    let d_affine = d_y.clone().mask_where(below, d_y * norm.slope);
    let mean_d = voxel_mean(d_affine.clone());
    let mean_d_normal = voxel_mean(d_affine.clone() * normal.clone());
    let total = |mean: Tensor<5>| (mean.sum_dim(0) * (z * y * w) as f32).reshape([spec.c_out]);
    let (d_gamma, d_beta) = (total(mean_d_normal.clone()), total(mean_d.clone()));
    let d_pre_norm = (d_affine - mean_d - normal * mean_d_normal) * (inv_std * gamma);

    let c_x = x.dims()[4];
    let has_skip = skip.is_some();
    let ConvBackward { d_x, d_weight, .. } = conv_backward(joined(x, skip), weight, d_pre_norm, spec, want_d_x);
    // The norm takes away whatever is added to a whole channel.
    let d_bias = d_beta.zeros_like();
    let (d_x, d_skip) = match d_x {
        Some(both) if has_skip => (Some(both.clone().narrow(4, 0, c_x)), Some(both.narrow(4, c_x, spec.c_in - c_x))),
        d_x => (d_x, None),
    };
    BlockBackward { d_x, d_skip, d_weight, d_bias, d_gamma, d_beta }
}

/// Convolution with bias, `[N, Z, Y, X, C]`.
pub(crate) fn conv(x: Tensor<5>, weight: Tensor<1>, bias: Tensor<1>, spec: ConvSpec) -> Tensor<5> {
    channels_last(module::conv3d(channels_first(x), shaped(weight, spec), Some(bias), options(spec)))
}

/// The gradients of [`conv`] but for the bias, whose is the sum of `d_y`.
pub(crate) fn conv_backward(
    x: Tensor<5>,
    weight: Tensor<1>,
    d_y: Tensor<5>,
    spec: ConvSpec,
    want_d_x: bool,
) -> ConvBackward<Tensor<5>, Tensor<1>> {
    let d_bias = channel_sum(d_y.clone());
    let (x, weight, d_y) = (channels_first(x), shaped(weight, spec), channels_first(d_y));
    let d_x = want_d_x.then(|| {
        channels_last(if spec.stride == [1; 3] {
            // The same convolution with mirrored weights: burn's transposed convolution is slow on GPUs (burn #5792).
            let padding: [usize; 3] = std::array::from_fn(|a| spec.kernel[a] - 1 - spec.zeros()[a]);
            let mirrored = ConvOptions::new([1; 3], padding, [1; 3], 1);
            module::conv3d(d_y.clone(), weight.clone().flip([2, 3, 4]).swap_dims(0, 1), None, mirrored)
        } else {
            let [x, weight, d_y] = [x.clone(), weight.clone(), d_y.clone()].map(Tensor::into_dispatch);
            Tensor::from_dispatch(Dispatch::conv3d_x_backward(x, weight, d_y, options(spec)))
        })
    });
    let [x, weight, d_y] = [x, weight, d_y].map(Tensor::into_dispatch);
    let d_weight = Tensor::<5>::from_dispatch(Dispatch::conv3d_weight_backward(x, weight, d_y, options(spec)));
    ConvBackward { d_x, d_weight: d_weight.reshape([spec.n_weights()]), d_bias }
}

/// Transposed convolution as a matrix product: each voxel gives its block of voxels, `[N Z, SZ, Y, SY, X, SX, C]`.
pub(crate) fn conv_transpose(x: Tensor<5>, weight: Tensor<1>, bias: Tensor<1>, spec: TransposeSpec) -> Tensor<5> {
    let ([n, z, y, w, c_in], [sz, sy, sx]) = (x.dims(), spec.stride);
    let blocks = x.reshape([n * z * y * w, c_in]).matmul(taps_before_channels(weight, spec));
    let blocks = blocks.reshape([n * z, y, w, sz, sy, sx, spec.c_out]).permute([0, 3, 1, 4, 2, 5, 6]);
    blocks.reshape([n, z * sz, y * sy, w * sx, spec.c_out]) + per_channel(bias)
}

/// The gradients of [`conv_transpose`].
pub(crate) fn transpose_backward(
    x: Tensor<5>,
    weight: Tensor<1>,
    d_y: Tensor<5>,
    spec: TransposeSpec,
    want_d_x: bool,
) -> ConvBackward<Tensor<5>, Tensor<1>> {
    let ([n, z, y, w, c_in], [sz, sy, sx]) = (x.dims(), spec.stride);
    let d_bias = channel_sum(d_y.clone());
    // blocks = x weight
    let d_blocks = d_y.reshape([n * z, sz, y, sy, w, sx, spec.c_out]).permute([0, 2, 4, 1, 3, 5, 6]);
    let d_blocks: Tensor<2> = d_blocks.reshape([n * z * y * w, sz * sy * sx * spec.c_out]);
    let d_x = want_d_x.then(|| d_blocks.clone().matmul(taps_before_channels(weight, spec).transpose()).reshape([n, z, y, w, c_in]));
    let d_weight = x.reshape([n * z * y * w, c_in]).transpose().matmul(d_blocks);
    let d_weight: Tensor<3> = d_weight.reshape([c_in, sz * sy * sx, spec.c_out]);
    ConvBackward { d_x, d_weight: d_weight.swap_dims(1, 2).reshape([spec.n_weights()]), d_bias }
}

/// Cross entropy minus soft Dice, one number, and its gradient with respect to the logits.
///
/// # Panics
/// If the target holds a class that the logits, or the table of regions, have not.
pub(crate) fn loss_and_gradient(logits: Tensor<5>, target: &LossTarget) -> (Tensor<1>, Tensor<5>) {
    match &target.regions {
        None => loss_of_classes(logits, target),
        Some(table) => loss_of_regions(logits, target, table),
    }
}

fn loss_of_classes(logits: Tensor<5>, target: &LossTarget) -> (Tensor<1>, Tensor<5>) {
    let shape @ [n, .., k] = logits.dims();
    let device = logits.device();
    let counts = class_counts(&target.classes, n, k);
    let (one_hot, scored) = one_hot(&target.classes, shape, &device);
    let n_scored = counts.iter().sum::<f32>().max(1.0);
    let reference = Tensor::<5>::from_data(TensorData::new(counts, [n, 1, 1, 1, k]), &device);

    let log_probability = activation::log_softmax(logits, 4);
    let probability = log_probability.clone().exp();
    let cross_entropy = channel_sum(one_hot.clone() * log_probability).sum() / -n_scored;
    // Of each class but the background.
    let n_groups = if target.batch_dice { 1 } else { n };
    let share: Vec<f32> = (0..k).map(|class| if class == 0 { 0.0 } else { 1.0 / (n_groups * (k - 1)) as f32 }).collect();
    let share = Tensor::<5>::from_data(TensorData::new(share, [1, 1, 1, 1, k]), &device);
    let (dice, d_probability) = dice_and_slope(&probability, &one_hot, &scored, reference, share, target.batch_dice);

    let loss = (cross_entropy * target.entropy_weight - dice * target.dice_weight) * target.weight;
    let mean = (d_probability.clone() * probability.clone()).sum_dim(4);
    let d_dice = probability.clone() * (d_probability - mean);
    let d_cross_entropy = (probability - one_hot) * (target.entropy_weight / n_scored);
    (loss, (d_dice * target.dice_weight + d_cross_entropy) * (scored * target.weight))
}

fn loss_of_regions(logits: Tensor<5>, target: &LossTarget, table: &RegionTable) -> (Tensor<1>, Tensor<5>) {
    let [n, z, y, x, k] = logits.dims();
    let device = logits.device();
    let counts = class_counts(&target.classes, n, table.n_classes());
    let n_terms = counts.iter().sum::<f32>().max(1.0) * k as f32;
    let (members, scored) = members(&target.classes, table, [n, z, y, x], &device);
    let reference = voxel_sum(members.clone());

    let probability = activation::sigmoid(logits.clone());
    // -t ln p - (1 - t) ln (1 - p) = max(z, 0) - z t + ln(1 + exp(-|z|))
    let softplus = logits.clone().abs().neg().exp().log1p();
    let entropies = logits.clone().clamp_min(0.0) - logits * members.clone() + softplus;
    let cross_entropy = channel_sum(entropies * scored.clone()).sum() / n_terms;
    let n_groups = if target.batch_dice { 1 } else { n };
    let share = Tensor::<5>::full([1, 1, 1, 1, k], 1.0 / (n_groups * k) as f32, &device);
    let (dice, d_probability) = dice_and_slope(&probability, &members, &scored, reference, share, target.batch_dice);

    let loss = (cross_entropy * target.entropy_weight - dice * target.dice_weight) * target.weight;
    let d_dice = probability.clone() * (probability.clone().neg() + 1.0) * d_probability;
    let d_cross_entropy = (probability - members) * (target.entropy_weight / n_terms);
    (loss, (d_dice * target.dice_weight + d_cross_entropy) * (scored * target.weight))
}

/// The mean soft Dice, each class or region counting for its `share`, and the gradient of its negative with respect to the
/// probabilities.
fn dice_and_slope(
    probability: &Tensor<5>,
    is_member: &Tensor<5>,
    scored: &Tensor<5>,
    reference: Tensor<5>,
    share: Tensor<5>,
    batch_dice: bool,
) -> (Tensor<1>, Tensor<5>) {
    // dice = (2 intersection + smooth) / (reference + predicted + smooth)
    let group = |sum: Tensor<5>| if batch_dice { sum.sum_dim(0) } else { sum };
    let intersection = group(voxel_sum(is_member.clone() * probability.clone()));
    let denominator = group(reference + voxel_sum(scored.clone() * probability.clone())) + SMOOTH;
    let dice = (intersection * 2.0 + SMOOTH) / denominator.clone();
    let mean = (dice.clone() * share.clone()).sum();
    // d_dice = (2 [its own voxel] - dice) / denominator
    let factor = share / denominator;
    (mean, factor.clone() * dice - is_member.clone() * (factor * 2.0))
}

/// Voxels of each class, `[N, K]`, ignored ones left out.
fn class_counts(classes: &[u8], n: usize, k: usize) -> Vec<f32> {
    let mut counts = vec![0_u32; n * k];
    for (sample, counts) in classes.chunks(classes.len() / n).zip(counts.chunks_exact_mut(k)) {
        for &class in sample {
            if class != IGNORED {
                let count = counts.get_mut(usize::from(class));
                *count.unwrap_or_else(|| panic!("target {class} is neither one of the {k} classes nor {IGNORED}")) += 1;
            }
        }
    }
    counts.into_iter().map(|count| count as f32).collect()
}

/// Whether a voxel belongs to a region, `[N, Z, Y, X, K]`, and whether it is scored, `[N, Z, Y, X, 1]`; 1 or 0.
fn members(classes: &[u8], table: &RegionTable, [n, z, y, x]: [usize; 4], device: &burn::tensor::Device) -> (Tensor<5>, Tensor<5>) {
    let k = table.n_regions();
    let scored: Vec<f32> = classes.iter().map(|&class| f32::from(u8::from(class != IGNORED))).collect();
    // What is not scored is looked up as the first class and taken out again.
    let rows: Vec<i32> = classes.iter().map(|&class| if class == IGNORED { 0 } else { i32::from(class) }).collect();
    let rows = Tensor::<1, Int>::from_data(TensorData::new(rows, [classes.len()]), device);
    let table = Tensor::<2>::from_data(TensorData::new(table.members().to_vec(), [table.n_classes(), k]), device);
    let scored = Tensor::<5>::from_data(TensorData::new(scored, [n, z, y, x, 1]), device);
    (table.select(0, rows).reshape([n, z, y, x, k]) * scored.clone(), scored)
}

/// Whether a voxel is of a class, `[N, Z, Y, X, K]`, and whether it is scored, `[N, Z, Y, X, 1]`; 1 or 0.
fn one_hot(classes: &[u8], [n, z, y, x, k]: [usize; 5], device: &burn::tensor::Device) -> (Tensor<5>, Tensor<5>) {
    let classes: Vec<i32> = classes.iter().map(|&class| i32::from(class)).collect();
    let classes = Tensor::<5, Int>::from_data(TensorData::new(classes, [n, z, y, x, 1]), device);
    let scored = classes.clone().not_equal_scalar(i32::from(IGNORED)).float();
    let every = Tensor::<1, Int>::arange(0..k as i64, device).reshape([1, 1, 1, 1, k]).expand([n, z, y, x, k]);
    (classes.expand([n, z, y, x, k]).equal(every).float(), scored)
}

fn joined(x: Tensor<5>, skip: Option<Tensor<5>>) -> Tensor<5> {
    match skip {
        None => x,
        Some(skip) => Tensor::cat(vec![x, skip], 4),
    }
}

fn options(spec: ConvSpec) -> ConvOptions<3> {
    ConvOptions::new(spec.stride, spec.zeros(), [1; 3], 1)
}

/// `[C_out, C_in, KZ, KY, KX]`.
fn shaped(weight: Tensor<1>, spec: ConvSpec) -> Tensor<5> {
    let [kz, ky, kx] = spec.kernel;
    weight.reshape([spec.c_out, spec.c_in, kz, ky, kx])
}

/// `[C_in, C_out, taps]` => `[C_in, taps C_out]`.
fn taps_before_channels(weight: Tensor<1>, spec: TransposeSpec) -> Tensor<2> {
    let taps = spec.stride.iter().product::<usize>();
    let weight: Tensor<3> = weight.reshape([spec.c_in, spec.c_out, taps]);
    weight.swap_dims(1, 2).reshape([spec.c_in, taps * spec.c_out])
}

fn per_channel(vector: Tensor<1>) -> Tensor<5> {
    let [c] = vector.dims();
    vector.reshape([1, 1, 1, 1, c])
}

/// `N Z Y X C` => `N C Z Y X`.
fn channels_first(x: Tensor<5>) -> Tensor<5> {
    x.permute([0, 4, 1, 2, 3])
}

/// `N C Z Y X` => `N Z Y X C`.
fn channels_last(x: Tensor<5>) -> Tensor<5> {
    x.permute([0, 2, 3, 4, 1])
}

/// Mean over the voxels of each sample and channel, `[N, 1, 1, 1, C]`.
fn voxel_mean(x: Tensor<5>) -> Tensor<5> {
    x.mean_dim(3).mean_dim(2).mean_dim(1)
}

fn voxel_sum(x: Tensor<5>) -> Tensor<5> {
    x.sum_dim(3).sum_dim(2).sum_dim(1)
}

/// Sum over everything but the channels, `[C]`.
fn channel_sum(x: Tensor<5>) -> Tensor<1> {
    let c = x.dims()[4];
    voxel_sum(x).sum_dim(0).reshape([c])
}
