//! Classes that exclude each other: soft-max and cross entropy.

use super::{IGNORED, LossOptions, LossShape, LossValue, Rule, Sums, loss_by};
use crate::softmax::softmax;

/// Cross entropy minus soft Dice, and its gradient where `d_logits` is given.
///
/// The Dice of a class is `(2 I + s) / max(R + P + s, 1e-8)` with `I` the sum of its probability over its voxels, `P` the
/// sum of its probability and `R` the number of its voxels. Voxels labelled [`IGNORED`] are left out of every sum.
///
/// # Shapes
/// - `logits`, `d_logits`: `[N, V, K]`
/// - `target`: `[N, V]`, classes below `K`, or [`IGNORED`]
///
/// # Panics
/// If a slice does not fit `shape`, or a target is neither a class nor [`IGNORED`].
pub fn dice_cross_entropy(
    shape: &LossShape,
    logits: &[f32],
    target: &[u8],
    options: LossOptions,
    d_logits: Option<&mut [f32]>,
) -> LossValue {
    let rule = Classes { n: shape.classes, first: usize::from(!options.do_background) };
    loss_by(&rule, shape, logits, target, options, d_logits)
}

/// The rule of `n` classes.
struct Classes {
    n: usize,
    /// The first that takes part in the Dice.
    first: usize,
}

impl Rule for Classes {
    fn first_class(&self) -> usize {
        self.first
    }

    fn terms_per_voxel(&self) -> usize {
        1
    }

    fn add(&self, logits: &[f32], target: &[u8], sums: &mut Sums) {
        let classes = self.n;
        let mut p = vec![0.0; classes];
        for (z, &t) in logits.chunks_exact(classes).zip(target) {
            if t == IGNORED {
                continue;
            }
            let t = usize::from(t);
            assert!(t < classes, "target {t} is neither one of the {classes} classes nor {IGNORED}");
            let mut best = 0;
            for k in 1..classes {
                if z[k] > z[best] {
                    best = k;
                }
            }
            let mut sum = 0.0;
            for k in 0..classes {
                p[k] = (z[k] - z[best]).exp();
                sum += p[k];
            }
            for k in 0..classes {
                sums.probability[k] += f64::from(p[k] / sum);
            }
            sums.intersection[t] += f64::from(p[t] / sum);
            sums.cross_entropy += f64::from(sum.ln() - (z[t] - z[best]));
            sums.n_scored += 1;
            sums.counts[best].predicted += 1;
            sums.counts[t].reference += 1;
            sums.counts[t].intersection += u64::from(best == t);
        }
    }

    fn gradient(&self, logits: &[f32], target: &[u8], ce_factor: f32, slopes: &[[f32; 2]], d_logits: &mut [f32]) {
        let classes = self.n;
        let mut d_p = vec![0.0; classes];
        for ((z, &t), d_z) in logits.chunks_exact(classes).zip(target).zip(d_logits.chunks_exact_mut(classes)) {
            if t == IGNORED {
                d_z.fill(0.0);
                continue;
            }
            let t = usize::from(t);
            softmax(z, d_z);
            let mut mean = 0.0;
            for k in 0..classes {
                d_p[k] = slopes[k][0] + if k == t { slopes[k][1] } else { 0.0 };
                mean += d_p[k] * d_z[k];
            }
            // d_z = p * (d_p - sum(d_p * p)) for the Dice, p - [k = t] for the cross entropy
            for k in 0..classes {
                let p = d_z[k];
                d_z[k] = p * (d_p[k] - mean) + ce_factor * (p - f32::from(u8::from(k == t)));
            }
        }
    }
}
