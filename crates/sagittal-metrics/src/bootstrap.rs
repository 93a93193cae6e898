//! How sure a mean is: the bootstrap.
//!
//! Cases are drawn again and again with replacement, and the mean of each draw is taken; the interval holds the middle 95 % of
//! those means (percentile method: Efron and Tibshirani 1993, chapter 13). It says how the mean would differ with other cases of the
//! same kind. It does not say how it would differ with another hospital's, nor with another training.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::summary::quantile;

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
        if values.len() < 2 || self.n_resamples == 0 {
            return None;
        }
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut means: Vec<f64> = (0..self.n_resamples)
            .map(|_| (0..values.len()).map(|_| values[rng.random_range(0..values.len())]).sum::<f64>() / values.len() as f64)
            .collect();
        means.sort_by(f64::total_cmp);
        let method = format!("percentile bootstrap over cases, {} resamples, seed {}", self.n_resamples, self.seed);
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
}
