//! From probabilities: how well they rank (ROC, precision and recall) and how far they can be believed (Brier score, calibration).
//!
//! | score | definition |
//! |---|---|
//! | ROC AUC | the chance that a voxel of the label has a higher probability than one that is not of it; ties count half |
//! | average precision | sum over falling thresholds of (rise of recall) x precision, as scikit-learn's (area under the precision-recall curve) |
//! | Brier | mean of (probability - 1 or 0)² |
//! | expected calibration error | mean over 15 bins of equal width of abs(mean probability - share of the label), weighted by voxels (Naeini et al. 2015) |
//!
//! ROC AUC and average precision are `None` where no voxel, or every voxel, has the label. All are of one label against everything else.
//!
//! Ranks are exact: a case's voxels are sorted by probability. Voxels of many cases together are kept as a list of different
//! probabilities; where there are more than [`MOST_ENTRIES`] of them, neighbours become one entry, and how much that can change the AUC
//! at most is stated beside it ([`PooledProbability::roc_auc_error_at_most`]).

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{MetricsError, Overlap};

/// Different probabilities that are kept of many cases together: 6 MB a label.
pub const MOST_ENTRIES: usize = 1 << 18;
/// Bins of the reliability diagram.
pub const N_BINS: usize = 15;
/// Points kept of a curve, about.
const CURVE_STEPS: f64 = 250.0;
/// Sums of soft-max outputs miss 0 and 1 by rounding.
const ROUNDING: f32 = 1e-3;

/// One label of one case, from its probability.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProbabilityScore {
    /// Voxels of the label, inside the region scored.
    pub n_positive: u64,
    /// Other voxels inside the region.
    pub n_negative: u64,
    /// Area under the ROC curve, 0 to 1.
    pub roc_auc: Option<f64>,
    /// Average precision, 0 to 1.
    pub average_precision: Option<f64>,
    /// Brier score, 0 (best) to 1.
    pub brier: Option<f64>,
    /// Expected calibration error, 0 (best) to 1.
    pub calibration_error: Option<f64>,
    /// The mask that a given threshold makes of the probabilities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_threshold: Option<AtThreshold>,
}

/// The mask of all voxels whose probability is at least a threshold that was chosen on other data.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AtThreshold {
    /// The threshold.
    pub threshold: f64,
    /// Dice of that mask.
    pub dice: Option<f64>,
    /// Its counts.
    pub overlap: Overlap,
}

/// One label over the voxels of all cases together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PooledProbability {
    /// The scores of all voxels together.
    #[serde(flatten)]
    pub score: ProbabilityScore,
    /// 0 where ranks are exact; else how far `roc_auc` may be off, because neighbouring probabilities were taken together.
    pub roc_auc_error_at_most: f64,
    /// The threshold with the highest Dice **on these very voxels**: to be used on other data only.
    pub best_threshold: Option<BestThreshold>,
    /// For the reliability diagram; bins without a voxel are left out.
    pub reliability: Vec<ReliabilityBin>,
    /// `[false positive rate, true positive rate]`, from `[0, 0]` to `[1, 1]`.
    pub roc: Vec<[f64; 2]>,
    /// `[recall, precision]`, by rising recall.
    pub precision_recall: Vec<[f64; 2]>,
}

/// The threshold that makes the best mask.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BestThreshold {
    /// Voxels of at least this probability get the label.
    pub threshold: f64,
    /// Dice over all voxels together at it.
    pub dice: f64,
}

/// Voxels of similar probability.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ReliabilityBin {
    /// How many.
    pub n: u64,
    /// Their mean probability.
    pub mean_probability: f64,
    /// The share of them that has the label.
    pub share_positive: f64,
}

/// Voxels by probability.
#[derive(Clone, Debug)]
pub struct Ranking {
    /// How many low bits of the keys are dropped.
    shift: u32,
    /// By rising key.
    entries: Vec<Entry>,
    /// In units of [`FIXED`], as are the sums of probabilities: whole numbers add up to the same in any order.
    squared_error: u128,
    /// Per bin: voxels, those of the label, sum of probabilities.
    bins: [(u64, u64, u128); N_BINS],
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    key: u32,
    positive: u64,
    negative: u64,
}

const HALF: u32 = 0.5_f32.to_bits();

/// A number that rises with the probability, with a float's precision near 0 as well as near 1; below 2^31.
fn key_of(probability: f32) -> u32 {
    if probability < 0.5 { probability.to_bits() } else { 2 * HALF - (1.0 - probability).to_bits() }
}

fn probability_of(key: u32) -> f64 {
    if key < HALF { f64::from(f32::from_bits(key)) } else { 1.0 - f64::from(f32::from_bits(2 * HALF - key)) }
}

/// The unit of sums.
const FIXED: f64 = (1_u64 << 60) as f64;

fn fixed(value: f64) -> u128 {
    (value * FIXED) as u128
}

fn plain(sum: u128) -> f64 {
    sum as f64 / FIXED
}

impl Ranking {
    /// Ranks the voxels of one case: `truth` says of voxel `i` whether it has the label, `None` outside the region.
    ///
    /// # Errors
    /// If a value is no probability.
    pub fn of(probabilities: &[f32], truth: impl Fn(usize) -> Option<bool> + Sync) -> Result<Self, MetricsError> {
        let mut keys = Vec::new();
        let mut bins = [(0_u64, 0_u64, 0_u128); N_BINS];
        let mut squared_error = 0_u128;
        for (i, &stored) in probabilities.iter().enumerate() {
            let Some(is_label) = truth(i) else { continue };
            // Also refuses what is not a number.
            if !(-ROUNDING..=1.0 + ROUNDING).contains(&stored) {
                return Err(MetricsError::NotProbabilities { value: stored });
            }
            // Plus zero: there is a negative one, which would have another key.
            let probability = stored.clamp(0.0, 1.0) + 0.0;
            let p = f64::from(probability);
            squared_error += fixed((p - f64::from(u8::from(is_label))).powi(2));
            let bin = &mut bins[((p * N_BINS as f64) as usize).min(N_BINS - 1)];
            *bin = (bin.0 + 1, bin.1 + u64::from(is_label), bin.2 + fixed(p));
            keys.push(key_of(probability) << 1 | u32::from(is_label));
        }
        keys.par_sort_unstable();
        let entries = keys.chunk_by(|a, b| a >> 1 == b >> 1).map(|run| {
            let positive = (run.len() - run.partition_point(|key| key & 1 == 0)) as u64;
            Entry { key: run[0] >> 1, positive, negative: run.len() as u64 - positive }
        });
        Ok(Self { shift: 0, entries: entries.collect(), squared_error, bins })
    }

    /// Nothing yet.
    pub fn empty() -> Self {
        Self { shift: 0, entries: Vec::new(), squared_error: 0, bins: [(0, 0, 0); N_BINS] }
    }

    /// Drops what is too fine to be kept; the scores must have been taken before.
    pub fn shorten(&mut self) {
        self.thin(0);
    }

    /// Adds the voxels of another case; the order of cases does not matter.
    pub fn add(&mut self, mut other: Self) {
        self.squared_error += other.squared_error;
        for (bin, new) in self.bins.iter_mut().zip(other.bins) {
            *bin = (bin.0 + new.0, bin.1 + new.1, bin.2 + new.2);
        }
        other.thin(0);
        let shift = self.shift.max(other.shift);
        self.coarsen(shift);
        other.coarsen(shift);
        self.entries.append(&mut other.entries);
        self.entries.sort_by_key(|entry| entry.key);
        self.thin(shift);
    }

    /// Drops as many bits as it takes, and `shift` at least.
    fn thin(&mut self, mut shift: u32) {
        self.coarsen(shift.max(self.shift));
        while self.entries.len() > MOST_ENTRIES {
            shift = self.shift + 1;
            self.coarsen(shift);
        }
    }

    fn coarsen(&mut self, shift: u32) {
        self.shift = shift;
        for entry in &mut self.entries {
            entry.key = entry.key >> shift << shift;
        }
        self.entries.dedup_by(|later, kept| {
            let same = later.key == kept.key;
            if same {
                kept.positive += later.positive;
                kept.negative += later.negative;
            }
            same
        });
    }

    fn totals(&self) -> (u64, u64) {
        self.entries.iter().fold((0, 0), |(p, n), entry| (p + entry.positive, n + entry.negative))
    }

    /// The scores of these voxels.
    pub fn score(&self) -> ProbabilityScore {
        let (n_positive, n_negative) = self.totals();
        let n = n_positive + n_negative;
        let mean = |sum: f64| (n > 0).then(|| sum / n as f64);
        // Of voxels in a bin, the sum of probabilities against the number that has the label.
        let gaps: f64 = self.bins.iter().map(|(_, positive, sum)| (plain(*sum) - *positive as f64).abs()).sum();
        ProbabilityScore {
            n_positive,
            n_negative,
            roc_auc: self.roc_auc(n_positive, n_negative),
            average_precision: self.average_precision(n_positive, n_negative),
            brier: mean(plain(self.squared_error)),
            calibration_error: mean(gaps),
            at_threshold: None,
        }
    }

    fn roc_auc(&self, n_positive: u64, n_negative: u64) -> Option<f64> {
        let (mut below, mut pairs) = (0_u128, 0_u128);
        for entry in &self.entries {
            // Twice the pairs in which the voxel of the label has the higher probability, ties once.
            pairs += u128::from(entry.positive) * (2 * below + u128::from(entry.negative));
            below += u128::from(entry.negative);
        }
        (n_positive > 0 && n_negative > 0).then(|| pairs as f64 / (2.0 * n_positive as f64 * n_negative as f64))
    }

    fn average_precision(&self, n_positive: u64, n_negative: u64) -> Option<f64> {
        let (mut found, mut taken, mut sum) = (0_u64, 0_u64, 0.0);
        for entry in self.entries.iter().rev() {
            found += entry.positive;
            taken += entry.positive + entry.negative;
            sum += entry.positive as f64 * (found as f64 / taken as f64);
        }
        (n_positive > 0 && n_negative > 0).then(|| sum / n_positive as f64)
    }

    /// The mask of voxels with at least `threshold`, counted; exact where no entries were taken together.
    pub fn at_threshold(&self, threshold: f64) -> AtThreshold {
        let mut overlap = Overlap::default();
        for entry in &self.entries {
            let (yes, no) = match probability_of(entry.key) >= threshold {
                true => (&mut overlap.true_positive, &mut overlap.false_positive),
                false => (&mut overlap.false_negative, &mut overlap.true_negative),
            };
            *yes += entry.positive;
            *no += entry.negative;
        }
        AtThreshold { threshold, dice: overlap.dice(), overlap }
    }

    /// Everything about these voxels together, with curves.
    pub fn pooled(&self) -> PooledProbability {
        let score = self.score();
        let (n_positive, n_negative) = (score.n_positive as f64, score.n_negative as f64);
        let unsure: f64 = self.entries.iter().map(|entry| entry.positive as f64 * entry.negative as f64).sum();
        let error = if self.shift > 0 && unsure > 0.0 { unsure / (2.0 * n_positive * n_negative) } else { 0.0 };
        let (mut roc, mut precision_recall) = (vec![[0.0, 0.0]], Vec::new());
        let mut best: Option<BestThreshold> = None;
        let (mut found, mut wrong) = (0_u64, 0_u64);
        for (i, entry) in self.entries.iter().enumerate().rev() {
            found += entry.positive;
            wrong += entry.negative;
            let (hits, misses) = (found as f64, wrong as f64);
            let dice = 2.0 * hits / (hits + misses + n_positive);
            if best.is_none_or(|best| dice > best.dice) {
                best = Some(BestThreshold { threshold: probability_of(entry.key), dice });
            }
            let far = |last: Option<&[f64; 2]>, point: [f64; 2]| {
                i == 0 || last.is_none_or(|last| (0..2).any(|axis| (last[axis] - point[axis]).abs() * CURVE_STEPS >= 1.0))
            };
            let (roc_point, pr_point) = ([misses / n_negative, hits / n_positive], [hits / n_positive, hits / (hits + misses)]);
            if far(roc.last(), roc_point) {
                roc.push(roc_point);
            }
            if far(precision_recall.last(), pr_point) {
                precision_recall.push(pr_point);
            }
        }
        if score.roc_auc.is_none() {
            (roc, precision_recall, best) = (Vec::new(), Vec::new(), None);
        }
        let bins = self.bins.iter().filter(|(n, ..)| *n > 0);
        let reliability = bins.map(|&(n, positive, sum)| ReliabilityBin {
            n,
            mean_probability: plain(sum) / n as f64,
            share_positive: positive as f64 / n as f64,
        });
        PooledProbability {
            score,
            roc_auc_error_at_most: error,
            best_threshold: best,
            reliability: reliability.collect(),
            roc,
            precision_recall,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn ranking(pairs: &[(f32, bool)]) -> Ranking {
        let probabilities: Vec<f32> = pairs.iter().map(|(p, _)| *p).collect();
        Ranking::of(&probabilities, |i| Some(pairs[i].1)).unwrap()
    }

    #[test]
    fn keys_rise_with_probabilities_and_lead_back() {
        let rising = [0.0, 1e-30, 0.1, 0.499_999_97, 0.5, 0.500_000_06, 0.9, 0.999_999_94, 1.0];
        assert!(rising.windows(2).all(|pair| key_of(pair[0]) < key_of(pair[1])));
        assert!(rising.iter().all(|&p| probability_of(key_of(p)) == f64::from(p)));
    }

    #[test]
    fn four_voxels_score_as_by_hand() {
        // scikit-learn's example: AUC 0.75, average precision 0.8333.
        let score = ranking(&[(0.1, false), (0.4, false), (0.35, true), (0.8, true)]).score();
        assert_eq!(score.roc_auc, Some(0.75));
        assert!((score.average_precision.unwrap() - 5.0 / 6.0).abs() < 1e-12);
        assert!((score.brier.unwrap() - (0.01 + 0.16 + 0.4225 + 0.04) / 4.0).abs() < 1e-7);
        let pooled = ranking(&[(0.1, false), (0.4, false), (0.35, true), (0.8, true)]).pooled();
        assert_eq!(pooled.roc.first().zip(pooled.roc.last()), Some((&[0.0, 0.0], &[1.0, 1.0])));
        // 0.35 and more: two found, one wrong.
        let best = pooled.best_threshold.unwrap();
        assert!((best.threshold - 0.35).abs() < 1e-7 && (best.dice - 0.8).abs() < 1e-12);
        assert_eq!(ranking(&[(0.2, false), (0.35, true), (0.8, true)]).at_threshold(0.5).dice, Some(2.0 / 3.0));
    }

    #[test]
    fn one_kind_alone_cannot_be_ranked() {
        let score = ranking(&[(0.2, false), (0.3, false)]).score();
        assert_eq!((score.roc_auc, score.average_precision, score.brier.is_some()), (None, None, true));
        let nothing = Ranking::empty();
        assert_eq!((nothing.score().brier, nothing.pooled().roc.len()), (None, 0));
    }

    #[test]
    fn what_is_no_probability_is_refused() {
        for value in [f32::NAN, -3.2, 1.5, f32::INFINITY] {
            assert!(Ranking::of(&[0.5, value], |_| Some(true)).is_err(), "{value}");
        }
        assert!(Ranking::of(&[0.5, f32::NAN], |i| (i == 0).then_some(true)).is_ok(), "outside the region nothing counts");
    }

    #[test]
    fn cases_together_are_as_one_and_the_stated_error_holds() {
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1 << 24) as f32
        };
        let pairs: Vec<(f32, bool)> = (0..700_000)
            .map(|_| {
                let p = next();
                (p, next() < p)
            })
            .collect();
        let exact = ranking(&pairs).score();
        let mut together = Ranking::empty();
        for part in pairs.chunks(100_000) {
            together.add(ranking(part));
        }
        let pooled = together.pooled();
        assert!(together.entries.len() <= MOST_ENTRIES && pooled.roc_auc_error_at_most > 0.0);
        let off = (pooled.score.roc_auc.unwrap() - exact.roc_auc.unwrap()).abs();
        assert!(off <= pooled.roc_auc_error_at_most && pooled.roc_auc_error_at_most < 1e-4, "{off} {}", pooled.roc_auc_error_at_most);
        assert!((pooled.score.brier.unwrap() - exact.brier.unwrap()).abs() < 1e-12);
        assert_eq!(pooled.score.n_positive, exact.n_positive);
    }
}
