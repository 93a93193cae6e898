//! The loss of a network with heads at several scales.

mod over_pixels;

pub use over_pixels::softmax_over_pixels;

use sagittal_data::{
    Plan,
    plan::{LossKind, MaskHead, MaskOutput, NetworkPlan},
};
use sagittal_tensor::{LossTarget, RegionTable, Tensor, segmentation_loss};
use std::sync::Arc;

/// What the network is asked of every voxel, and how its answers are scored.
#[derive(Clone, Debug, PartialEq)]
pub struct Objective {
    /// Which regions the classes belong to, where the network tells regions that may overlap; `None` where it tells classes.
    pub regions: Option<Arc<RegionTable>>,
    /// What the cross entropy counts for.
    pub entropy_weight: f32,
    /// What the Dice counts for.
    pub dice_weight: f32,
    /// Dice sums run over the batch instead of each sample.
    pub batch_dice: bool,
    /// What the soft-max over the pixels of a picture is compared with, where they compete: nothing else of this counts then.
    pub over_pixels: Option<MaskTarget>,
}

/// What a soft-max over the pixels of a picture is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaskTarget {
    /// The mask as it is.
    AsItIs,
    /// The mask divided by its area.
    Normalized,
}

impl Objective {
    /// Classes that exclude each other.
    pub const fn classes(batch_dice: bool) -> Self {
        Self { regions: None, entropy_weight: 1.0, dice_weight: 1.0, batch_dice, over_pixels: None }
    }

    /// What a plan asks for.
    pub fn of(plan: &Plan) -> Self {
        // nnU-Net pools the batch for 2-D networks, whose slices often lack a class.
        let batch_dice = plan.training.batch_dice.unwrap_or(plan.patch[0] == 1);
        let loss = plan.training.loss;
        if let NetworkPlan::ImageToMask(mask) = &plan.network
            && mask.output == MaskOutput::SoftmaxOverPixels
        {
            let target = if loss == LossKind::NormalizedCrossEntropy { MaskTarget::Normalized } else { MaskTarget::AsItIs };
            return Self { over_pixels: Some(target), ..Self::classes(batch_dice) };
        }
        let pixels = if loss == LossKind::CrossEntropy { pixels_with_own_weights(&plan.network) } else { 1.0 };
        if plan.regions.is_empty() {
            return Self { entropy_weight: pixels, dice_weight: dice_weight(loss), ..Self::classes(batch_dice) };
        }
        let n_regions = plan.regions.len();
        // Where voxels may be unlabelled, nnU-Net's `DC_and_BCE_loss` divides the sum over all regions by the number of voxels
        // alone; elsewhere it takes the mean over regions, too.
        let entropy_weight = if plan.ignore_label.is_some() { n_regions as f32 } else { 1.0 } * pixels;
        Self {
            regions: Some(Arc::new(RegionTable::new(n_regions, &plan.regions_of_classes()))),
            entropy_weight,
            dice_weight: dice_weight(loss),
            batch_dice,
            over_pixels: None,
        }
    }
}

/// How many times the mean over pixels the cross entropy of a picture counts.
///
/// With dense layers every pixel has weights of its own, which see its share of the loss alone: it is summed over the pixels, as the post's
/// is, so that the post's learning rate keeps its meaning. A convolution's weights see all pixels together: their mean, as in every other network; by
/// the sum they are thrown so far in the first steps that the ReLUs die.
fn pixels_with_own_weights(network: &NetworkPlan) -> f32 {
    match network {
        NetworkPlan::ImageToMask(mask) if matches!(mask.head, MaskHead::Dense { .. }) => mask.size.iter().product::<usize>() as f32,
        _ => 1.0,
    }
}

/// What the Dice counts for beside the cross entropy.
fn dice_weight(loss: LossKind) -> f32 {
    match loss {
        LossKind::DiceCrossEntropy => 1.0,
        LossKind::CrossEntropy | LossKind::NormalizedCrossEntropy => 0.0,
    }
}

/// How much each scale counts.
#[derive(Clone, Debug, PartialEq)]
pub struct DeepSupervision {
    weights: Vec<f32>,
}

impl DeepSupervision {
    /// nnU-Net's weights for `n_scales` heads, finest first: halved from scale to scale, none for the coarsest if there
    /// are more than one, 1 in all.
    pub fn new(n_scales: usize) -> Self {
        let mut weights: Vec<f32> = (0..n_scales).map(|i| 0.5f32.powi(i as i32)).collect();
        if n_scales > 1 {
            weights[n_scales - 1] = 0.0;
        }
        let total: f32 = weights.iter().sum();
        Self { weights: weights.iter().map(|w| w / total).collect() }
    }

    /// What each scale counts for, finest first.
    pub(crate) fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// The weighted loss of all scales.
    ///
    /// # Shapes
    /// - `logits`: `[N, Z / s, Y / s, X / s, K]` for each scale, finest first
    /// - `labels`: classes `[N, Z, Y, X]`, 255 = not scored
    ///
    /// # Panics
    /// If the number of scales is another, or a shape does not divide.
    pub fn loss(&self, logits: Vec<Tensor<5>>, labels: Arc<Vec<u8>>, objective: &Objective) -> Tensor<1> {
        assert_eq!(logits.len(), self.weights.len(), "one weight per scale");
        if let (Some(target), [maps]) = (objective.over_pixels, &logits[..]) {
            return softmax_over_pixels(maps.clone(), &labels, target);
        }
        let [n, z, y, x, _] = logits[0].dims();
        let losses = logits.into_iter().zip(&self.weights).filter(|(_, weight)| **weight > 0.0).map(|(logits, weight)| {
            let [_, sz, sy, sx, _] = logits.dims();
            let classes =
                if [sz, sy, sx] == [z, y, x] { labels.clone() } else { Arc::new(downsample_labels(&labels, n, [z, y, x], [sz, sy, sx])) };
            let Objective { regions, entropy_weight, dice_weight, batch_dice, .. } = objective.clone();
            segmentation_loss(logits, LossTarget { classes, regions, entropy_weight, dice_weight, batch_dice, weight: *weight })
        });
        losses.reduce(|sum, loss| sum + loss).expect("the finest scale always counts")
    }
}

/// Labels on a coarser grid: of each coarse voxel, the fine voxel nearest to its centre (PyTorch's `nearest-exact`).
///
/// # Shapes
/// - `labels`: `[N, Z, Y, X]` of `size`; result: `[N, Z', Y', X']` of `coarse`
pub fn downsample_labels(labels: &[u8], n: usize, size: [usize; 3], coarse: [usize; 3]) -> Vec<u8> {
    let nearest: [Vec<usize>; 3] = std::array::from_fn(|a| {
        let scale = size[a] as f64 / coarse[a] as f64;
        (0..coarse[a]).map(|i| (((i as f64 + 0.5) * scale) as usize).min(size[a] - 1)).collect()
    });
    let mut result = Vec::with_capacity(n * coarse.iter().product::<usize>());
    for sample in labels.chunks_exact(size.iter().product()).take(n) {
        for &z in &nearest[0] {
            for &y in &nearest[1] {
                let row = &sample[(z * size[1] + y) * size[2]..][..size[2]];
                result.extend(nearest[2].iter().map(|&x| row[x]));
            }
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use sagittal_data::plan::ImageToMaskPlan;

    #[test]
    fn pixels_with_weights_of_their_own_are_summed_and_those_that_share_them_averaged() {
        let post = ImageToMaskPlan::post(1, 2);
        assert_eq!(pixels_with_own_weights(&NetworkPlan::ImageToMask(post.clone())), 4096.0);
        assert_eq!(pixels_with_own_weights(&NetworkPlan::ImageToMask(ImageToMaskPlan { head: MaskHead::Convolution, ..post })), 1.0);
    }

    #[test]
    fn weights_are_halved_and_the_coarsest_is_left_out() {
        assert_eq!(DeepSupervision::new(1).weights, [1.0]);
        assert_eq!(DeepSupervision::new(2).weights, [1.0, 0.0]);
        let three = DeepSupervision::new(3).weights;
        assert!((three[0] - 2.0 / 3.0).abs() < 1e-6 && (three[1] - 1.0 / 3.0).abs() < 1e-6 && three[2] == 0.0);
    }

    #[test]
    fn down_sampling_takes_the_voxel_nearest_to_the_centre() {
        // torch.nn.functional.interpolate(torch.arange(6.).view(1, 1, 6), 3, mode='nearest-exact') gives 1 3 5
        assert_eq!(downsample_labels(&[0, 1, 2, 3, 4, 5], 1, [1, 1, 6], [1, 1, 3]), [1, 3, 5]);
        assert_eq!(downsample_labels(&[1, 2, 3, 4, 5, 6, 7, 8], 2, [1, 2, 2], [1, 1, 1]), [4, 8]);
    }
}
