//! Two runs on the same cases: is one better than the other?
//!
//! The signed-rank test of Wilcoxon (1945) on the differences, two-sided, as SciPy's `wilcoxon` with its defaults: differences of zero
//! are left out; ties get their mean rank. Without zeros and ties the p value is exact up to 50 differences; with them it is exact up to
//! 13 (over all signs), beyond that from the normal distribution, corrected for ties, without a correction for continuity.
//! Effect size: the matched-pairs rank-biserial correlation (Kerby 2014), `(W+ - W-) / (W+ + W-)`, from -1 (always lower) to 1.

use serde::{Deserialize, Serialize};

/// What the test found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SignedRank {
    /// Pairs that were compared.
    pub n: usize,
    /// Those without a difference.
    pub n_equal: usize,
    /// Sum of the ranks of positive differences.
    pub rank_sum_positive: f64,
    /// Sum of the ranks of negative differences.
    pub rank_sum_negative: f64,
    /// Two-sided; `None` where no pair differs.
    pub p_value: Option<f64>,
    /// How `p_value` was found.
    pub method: PValueMethod,
    /// From -1 to 1; `None` where no pair differs.
    pub rank_biserial: Option<f64>,
}

/// How a p value is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PValueMethod {
    /// Over all ways to give the differences signs.
    Exact,
    /// The normal distribution, which the rank sum of many differences follows.
    Normal,
}

/// Without zeros and ties, exact up to this many; SciPy's limit.
const MOST_EXACT: usize = 50;
/// With zeros or ties; SciPy's limit.
const MOST_EXACT_WITH_TIES: usize = 13;

impl SignedRank {
    /// Tests the differences of paired values.
    pub fn of(differences: &[f64]) -> Self {
        let mut sorted: Vec<f64> = differences.iter().copied().filter(|d| *d != 0.0).collect();
        sorted.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
        let (n, count) = (differences.len(), sorted.len());
        // Twice the ranks are whole numbers, also those of ties.
        let mut doubled = Vec::with_capacity(count);
        let mut tie_correction = 0.0;
        for run in sorted.chunk_by(|a, b| a.abs() == b.abs()) {
            let (first, last) = (doubled.len() + 1, doubled.len() + run.len());
            doubled.extend(std::iter::repeat_n(first + last, run.len()));
            let t = run.len() as f64;
            tie_correction += t.powi(3) - t;
        }
        let sum_of = |positive: bool| sorted.iter().zip(&doubled).filter(|(d, _)| (**d > 0.0) == positive).map(|(_, r)| r).sum::<usize>();
        let (positive, negative) = (sum_of(true), sum_of(false));
        let irregular = tie_correction > 0.0 || count < n;
        let exact = n <= if irregular { MOST_EXACT_WITH_TIES } else { MOST_EXACT };
        let p_value = match (count, exact) {
            (0, _) => None,
            (_, true) => Some(exact_p(&doubled, positive)),
            (_, false) => Some(normal_p(count as f64, positive as f64 / 2.0, tie_correction)),
        };
        Self {
            n,
            n_equal: n - count,
            rank_sum_positive: positive as f64 / 2.0,
            rank_sum_negative: negative as f64 / 2.0,
            p_value,
            method: if exact { PValueMethod::Exact } else { PValueMethod::Normal },
            rank_biserial: (count > 0).then(|| (positive as f64 - negative as f64) / (positive + negative) as f64),
        }
    }
}

/// How many of all signs give a sum as far out as `observed`, on the side where it lies, twice.
fn exact_p(doubled_ranks: &[usize], observed: usize) -> f64 {
    let most: usize = doubled_ranks.iter().sum();
    // ways[s]: in how many ways ranks add up to s; exact in f64 for up to 50 ranks (2^50).
    let mut ways = vec![0.0_f64; most + 1];
    ways[0] = 1.0;
    for &rank in doubled_ranks {
        for sum in (rank..=most).rev() {
            ways[sum] += ways[sum - rank];
        }
    }
    let all: f64 = ways.iter().sum();
    let (lower, upper) = (ways[..=observed].iter().sum::<f64>(), ways[observed..].iter().sum::<f64>());
    (2.0 * lower.min(upper) / all).min(1.0)
}

fn normal_p(n: f64, rank_sum: f64, tie_correction: f64) -> f64 {
    let mean = n * (n + 1.0) / 4.0;
    let sd = ((n * (n + 1.0) * (2.0 * n + 1.0) - tie_correction / 2.0) / 24.0).sqrt();
    libm::erfc(((rank_sum - mean) / sd).abs() / std::f64::consts::SQRT_2)
}

/// p values for asking many questions at once, by Holm (1979): the chance of any false finding among all stays as small.
pub fn holm(p_values: &[Option<f64>]) -> Vec<Option<f64>> {
    let mut order: Vec<usize> = (0..p_values.len()).filter(|&i| p_values[i].is_some()).collect();
    order.sort_by(|&a, &b| p_values[a].unwrap_or(1.0).total_cmp(&p_values[b].unwrap_or(1.0)));
    let mut adjusted = vec![None; p_values.len()];
    let mut largest = 0.0_f64;
    for (rank, &i) in order.iter().enumerate() {
        largest = largest.max(p_values[i].unwrap_or(1.0) * (order.len() - rank) as f64).min(1.0);
        adjusted[i] = Some(largest);
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_samples_are_those_of_the_tables() {
        // Six differences of one sign: 2 of 64 ways.
        let all_up = SignedRank::of(&[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]);
        assert_eq!((all_up.p_value, all_up.rank_biserial), (Some(0.031_25), Some(1.0)));
        let none = SignedRank::of(&[0.0, 0.0]);
        assert_eq!((none.p_value, none.rank_biserial, none.n_equal), (None, None, 2));
        assert_eq!(SignedRank::of(&[]).p_value, None);
        assert_eq!(SignedRank::of(&[-3.0]).p_value, Some(1.0));
    }

    #[test]
    fn holm_raises_the_smallest_most() {
        assert_eq!(holm(&[Some(0.01), None, Some(0.04), Some(0.03)]), [Some(0.03), None, Some(0.06), Some(0.06)]);
    }
}
