//! How sure a mean is: the bootstrap.
//!
//! Cases are drawn again and again with replacement, and the mean of each draw is taken; the interval holds the middle 95 % of
//! those means (percentile method: Efron and Tibshirani 1993, chapter 13). Where several cases are of one patient, patients are drawn,
//! each with all of its cases ([`Clusters`](crate::Clusters)). It says how the mean would differ with other cases of the
//! same kind. It does not say how it would differ with another hospital's, nor with another training.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::{ClusterKind, summary::quantile};

/// How to resample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bootstrap {
    /// Number of resamples; 2000 and more give stable limits.
    pub n_resamples: usize,
    /// Same seed, same interval.
    pub seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { n_resamples: 10_000, seed: 0 }
    }
}

/// An interval that holds the mean with the given probability.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower limit.
    pub low: f64,
    /// Upper limit.
    pub high: f64,
    /// Probability, 0 to 1.
    pub level: f64,
    /// How it was found, in words.
    pub method: String,
}

/// Probability that intervals are made for.
pub(crate) const LEVEL: f64 = 0.95;

impl Bootstrap {
    /// The interval of the mean of `values`; `None` for fewer than two, of which nothing can be said.
    pub fn mean_interval(&self, values: &[f64]) -> Option<Interval> {
        let n = values.len();
        let means = |rng: &mut ChaCha8Rng| (0..n).map(|_| values[rng.random_range(0..n)]).sum::<f64>() / n as f64;
        self.interval(n, means, "cases")
    }

    /// The interval of the mean over all values, of which those of a cluster are drawn together; `None` for fewer than two clusters.
    ///
    /// Clusters with more values weigh more in each draw, as they do in the mean itself.
    pub fn mean_interval_of_clusters(&self, clusters: &[Vec<f64>], kind: ClusterKind) -> Option<Interval> {
        let sums: Vec<(f64, usize)> = clusters.iter().map(|values| (values.iter().sum(), values.len())).collect();
        let n = sums.len();
        let means = |rng: &mut ChaCha8Rng| {
            let drawn = (0..n).map(|_| sums[rng.random_range(0..n)]);
            let (sum, count) = drawn.fold((0.0, 0), |(sum, count), (of_one, n)| (sum + of_one, count + n));
            sum / count as f64
        };
        self.interval(n, means, &format!("{n} {} with all of their cases", kind.name()))
    }

    /// The interval of what is drawn from `n` things.
    fn interval(&self, n: usize, mut draw: impl FnMut(&mut ChaCha8Rng) -> f64, over: &str) -> Option<Interval> {
        if n < 2 || self.n_resamples == 0 {
            return None;
        }
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut means: Vec<f64> = (0..self.n_resamples).map(|_| draw(&mut rng)).collect();
        means.sort_by(f64::total_cmp);
        let method = format!("percentile bootstrap over {over}, {} resamples, seed {}", self.n_resamples, self.seed);
        let tail = (1.0 - LEVEL) / 2.0;
        Some(Interval { low: quantile(&means, tail), high: quantile(&means, 1.0 - tail), level: LEVEL, method })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn the_interval_is_that_of_the_normal_distribution_for_many_values() {
        // 400 evenly spread values: the mean of n values has a standard error of sd / sqrt(n).
        let values: Vec<f64> = (0..400).map(|i| f64::from(i) / 399.0).collect();
        let interval = Bootstrap::default().mean_interval(&values).unwrap();
        let half = 1.96 * (1.0f64 / 12.0).sqrt() / 20.0;
        assert!((interval.low - (0.5 - half)).abs() < 0.001, "{interval:?}, expected {}", 0.5 - half);
        assert!((interval.high - (0.5 + half)).abs() < 0.001, "{interval:?}, expected {}", 0.5 + half);
    }

    #[test]
    fn same_seed_same_interval_and_few_values_have_none() {
        let values = [0.3, 0.8, 0.9];
        assert_eq!(Bootstrap::default().mean_interval(&values), Bootstrap::default().mean_interval(&values));
        assert_ne!(Bootstrap::default().mean_interval(&values), Bootstrap { n_resamples: 2000, seed: 1 }.mean_interval(&values));
        assert_eq!(Bootstrap::default().mean_interval(&[0.5]), None);
        assert_eq!(Bootstrap::default().mean_interval(&[]), None);
        let equal = Bootstrap::default().mean_interval(&[0.5; 4]).unwrap();
        assert_eq!((equal.low, equal.high), (0.5, 0.5));
    }
    /// Patients with as many cases as `sizes` says, and values that depend on both.
    fn patients(sizes: &[usize]) -> Vec<Vec<f64>> {
        let value = |patient: usize, case: usize| (patient * 37 % 101) as f64 / 101.0 + 0.01 * case as f64;
        sizes.iter().enumerate().map(|(patient, &n)| (0..n).map(|case| value(patient, case)).collect()).collect()
    }

    #[test]
    fn patients_with_as_many_cases_each_are_drawn_as_their_means() {
        let clusters = patients(&[4; 30]);
        let means: Vec<f64> = clusters.iter().map(|values| values.iter().sum::<f64>() / 4.0).collect();
        let expected = Bootstrap::default().mean_interval(&means).unwrap();
        let found = Bootstrap::default().mean_interval_of_clusters(&clusters, ClusterKind::Patient).unwrap();
        assert!((found.low - expected.low).abs() < 1e-12 && (found.high - expected.high).abs() < 1e-12, "{found:?} {expected:?}");
        assert!(found.method.contains("over 30 patients with all of their cases"), "{}", found.method);
        // Case by case the interval is about half as wide: the cases of a patient hardly differ.
        let one_by_one = Bootstrap::default().mean_interval(&clusters.concat()).unwrap();
        let ratio = (found.high - found.low) / (one_by_one.high - one_by_one.low);
        assert!((1.8..2.2).contains(&ratio), "{ratio}");
    }

    #[test]
    fn patients_with_more_cases_weigh_more() {
        // Many patients of 1 to 9 cases: the normal distribution, with the standard error of a ratio of sums.
        let clusters = patients(&(0..400).map(|patient| 1 + patient % 9).collect::<Vec<_>>());
        let all = clusters.concat();
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        let squares: f64 = clusters.iter().map(|values| values.iter().map(|value| value - mean).sum::<f64>().powi(2)).sum();
        let half = 1.96 * squares.sqrt() / all.len() as f64;
        let found = Bootstrap::default().mean_interval_of_clusters(&clusters, ClusterKind::Patient).unwrap();
        assert!((found.low - (mean - half)).abs() < 0.06 * half, "{found:?}, expected {}", mean - half);
        assert!((found.high - (mean + half)).abs() < 0.06 * half, "{found:?}, expected {}", mean + half);
    }

    #[test]
    fn three_patients_have_the_limits_of_all_ways_to_draw_them() {
        // 27 ways, each with more than 2.5 %: the limits are the lowest and the highest patient alone.
        let clusters = [vec![0.2, 0.4], vec![0.9], vec![0.5, 0.5, 0.5]];
        let found = Bootstrap::default().mean_interval_of_clusters(&clusters, ClusterKind::Patient).unwrap();
        assert!((found.low - 0.3).abs() < 1e-12 && (found.high - 0.9).abs() < 1e-12, "{found:?}");
        assert_eq!(Bootstrap::default().mean_interval_of_clusters(&clusters[..1], ClusterKind::Patient), None);
    }
}
