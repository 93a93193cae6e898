//! Cross entropy plus soft Dice, with the gradient of the logits, as nnU-Net combines them: here what is common to classes
//! that exclude each other (`classes.rs`) and to regions that may overlap (`regions.rs`).
//!
//! Source: Isensee et al. 2021 (nnU-Net), `DC_and_CE_loss` and `DC_and_BCE_loss` with `MemoryEfficientSoftDiceLoss`.

mod classes;
pub mod naive;
mod regions;
#[cfg(test)]
mod tests;

pub use classes::dice_cross_entropy;
pub use regions::{RegionTable, dice_binary_cross_entropy};

use rayon::prelude::*;

/// A target voxel with this label takes no part in the loss.
pub const IGNORED: u8 = 255;

/// Voxels that one task handles: fixed, so that sums do not depend on the threads.
const CHUNK: usize = 4096;

/// What is scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LossShape {
    /// `N`.
    pub batch: usize,
    /// Voxels of one sample.
    pub voxels: usize,
    /// `K`: classes, background included, or regions.
    pub classes: usize,
}

/// How the loss is put together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LossOptions {
    /// Dice over the whole batch as if it were one sample, instead of the mean over samples.
    pub batch_dice: bool,
    /// Weight of the (negative) soft Dice.
    pub dice_weight: f32,
    /// Weight of the cross entropy.
    pub ce_weight: f32,
    /// Added to numerator and denominator of the Dice.
    pub smooth: f32,
    /// Whether class 0 takes part in the Dice; regions have no background, and all of them do.
    pub do_background: bool,
    /// Loss and gradient are multiplied by this: the weight of a scale in deep supervision.
    pub scale: f32,
}

impl Default for LossOptions {
    fn default() -> Self {
        Self { batch_dice: false, dice_weight: 1.0, ce_weight: 1.0, smooth: 1e-5, do_background: false, scale: 1.0 }
    }
}

/// Voxels of one class or region, counted over the batch: the class of the highest logit is predicted, and every region whose
/// logit is positive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassCounts {
    /// Predicted and true.
    pub intersection: u64,
    /// Predicted.
    pub predicted: u64,
    /// True.
    pub reference: u64,
}

/// The loss and what it was made of.
#[derive(Clone, Debug, PartialEq)]
pub struct LossValue {
    /// `scale * (ce_weight * cross_entropy - dice_weight * dice)`.
    pub loss: f64,
    /// Mean cross entropy over the voxels that are not ignored, and over the regions.
    pub cross_entropy: f64,
    /// Mean soft Dice over classes or regions (and samples).
    pub dice: f64,
    /// Per class or region.
    pub counts: Vec<ClassCounts>,
}

/// How the logits of a stretch of voxels are compared with its target. Slices are `[V, K]` and `[V]`.
trait Rule: Sync {
    /// The first class that takes part in the Dice.
    fn first_class(&self) -> usize;

    /// Terms of the cross entropy at one voxel.
    fn terms_per_voxel(&self) -> usize;

    /// Adds the voxels up.
    fn add(&self, logits: &[f32], target: &[u8], sums: &mut Sums);

    /// The gradient of the logits; `slopes[k]` holds what a class's probability adds to the loss everywhere, and at its own
    /// voxels in addition.
    fn gradient(&self, logits: &[f32], target: &[u8], ce_factor: f32, slopes: &[[f32; 2]], d_logits: &mut [f32]);
}

/// The loss by a rule, and its gradient where `d_logits` is given.
fn loss_by(
    rule: &impl Rule,
    shape: &LossShape,
    logits: &[f32],
    target: &[u8],
    options: LossOptions,
    d_logits: Option<&mut [f32]>,
) -> LossValue {
    let &LossShape { batch, voxels, classes } = shape;
    assert_eq!(logits.len(), batch * voxels * classes, "logits do not fit {shape:?}");
    assert_eq!(target.len(), batch * voxels, "the target does not fit {shape:?}");

    let per_sample: Vec<Sums> = (0..batch)
        .map(|n| {
            let (logits, target) = (&logits[n * voxels * classes..][..voxels * classes], &target[n * voxels..][..voxels]);
            let sums_of = |(logits, target): (&[f32], &[u8])| {
                let mut sums = Sums::none(classes);
                rule.add(logits, target, &mut sums);
                sums
            };
            let chunks: Vec<Sums> = logits.par_chunks(CHUNK * classes).zip(target.par_chunks(CHUNK)).map(sums_of).collect();
            chunks.iter().fold(Sums::none(classes), Sums::plus)
        })
        .collect();
    let whole = per_sample.iter().fold(Sums::none(classes), Sums::plus);

    // Each group (the batch, or one sample) gives one Dice per class: dice = (2 I + s) / max(R + P + s, 1e-8).
    let groups: Vec<&Sums> = if options.batch_dice { vec![&whole] } else { per_sample.iter().collect() };
    let first_class = rule.first_class();
    let n_dice = (groups.len() * (classes - first_class.min(classes))).max(1) as f64;
    let smooth = f64::from(options.smooth);
    let dice: f64 = groups.iter().flat_map(|g| (first_class..classes).map(move |k| g.dice(k, smooth).value)).sum::<f64>() / n_dice;
    let n_terms = (whole.n_scored.max(1) as usize * rule.terms_per_voxel()) as f64;
    let cross_entropy = whole.cross_entropy / n_terms;
    let (ce_weight, dice_weight, scale) = (f64::from(options.ce_weight), f64::from(options.dice_weight), f64::from(options.scale));

    if let Some(d_logits) = d_logits {
        assert_eq!(d_logits.len(), logits.len(), "d_logits does not fit {shape:?}");
        let ce_factor = (scale * ce_weight / n_terms) as f32;
        for n in 0..batch {
            let group = groups[if options.batch_dice { 0 } else { n }];
            let mut slopes = vec![[0.0_f32; 2]; classes];
            for k in first_class..classes {
                let Dice { d_probability, d_intersection, .. } = group.dice(k, smooth);
                let factor = -scale * dice_weight / n_dice;
                slopes[k] = [(factor * d_probability) as f32, (factor * d_intersection) as f32];
            }
            let at = n * voxels * classes..(n + 1) * voxels * classes;
            d_logits[at.clone()]
                .par_chunks_mut(CHUNK * classes)
                .zip(logits[at].par_chunks(CHUNK * classes))
                .zip(target[n * voxels..(n + 1) * voxels].par_chunks(CHUNK))
                .for_each(|((d_logits, logits), target)| rule.gradient(logits, target, ce_factor, &slopes, d_logits));
        }
    }
    LossValue { loss: scale * (ce_weight * cross_entropy - dice_weight * dice), cross_entropy, dice, counts: whole.counts }
}

/// What a stretch of voxels adds up to.
#[derive(Clone, Debug)]
struct Sums {
    n_scored: u64,
    cross_entropy: f64,
    probability: Vec<f64>,    // [K], all scored voxels
    intersection: Vec<f64>,   // [K], probability at the class's own voxels
    counts: Vec<ClassCounts>, // [K]
}

/// Soft Dice of one class, and its slope in the probability of a voxel outside and (additionally) inside the class.
struct Dice {
    value: f64,
    d_probability: f64,
    d_intersection: f64,
}

impl Sums {
    fn none(classes: usize) -> Self {
        Self {
            n_scored: 0,
            cross_entropy: 0.0,
            probability: vec![0.0; classes],
            intersection: vec![0.0; classes],
            counts: vec![ClassCounts::default(); classes],
        }
    }

    fn plus(mut self, other: &Self) -> Self {
        self.n_scored += other.n_scored;
        self.cross_entropy += other.cross_entropy;
        for k in 0..self.counts.len() {
            self.probability[k] += other.probability[k];
            self.intersection[k] += other.intersection[k];
            self.counts[k].intersection += other.counts[k].intersection;
            self.counts[k].predicted += other.counts[k].predicted;
            self.counts[k].reference += other.counts[k].reference;
        }
        self
    }

    fn dice(&self, k: usize, smooth: f64) -> Dice {
        /// Keeps the division defined where a class is empty and `smooth` is 0.
        const LEAST: f64 = 1e-8;
        let numerator = 2.0 * self.intersection[k] + smooth;
        let sum = self.counts[k].reference as f64 + self.probability[k] + smooth;
        let denominator = sum.max(LEAST);
        let d_probability = if sum > LEAST { -numerator / (denominator * denominator) } else { 0.0 };
        Dice { value: numerator / denominator, d_probability, d_intersection: 2.0 / denominator }
    }
}
