//! Many numbers as a few: mean, spread, quartiles, and how sure the mean is.

use serde::{Deserialize, Serialize};

use crate::{Bootstrap, ClusterKind, Clusters, Interval};

/// The distribution of one score over cases. Whatever is not defined for so few values is `None`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Cases with a defined score; everything below is over these.
    pub n: usize,
    /// Cases left out because their score is not defined (both masks empty).
    pub n_undefined: usize,
    /// Arithmetic mean.
    pub mean: Option<f64>,
    /// Standard deviation of the sample (divided by `n - 1`).
    pub sd: Option<f64>,
    /// Smallest.
    pub min: Option<f64>,
    /// First quartile, between neighbours linearly (as NumPy's default).
    pub q1: Option<f64>,
    /// Median.
    pub median: Option<f64>,
    /// Third quartile.
    pub q3: Option<f64>,
    /// Largest.
    pub max: Option<f64>,
    /// 95 % interval of the mean.
    pub mean_interval: Option<Interval>,
}

impl Summary {
    /// Summarises the defined ones of `values`, each of them a case by itself. NaN counts as not defined.
    pub fn of(values: impl IntoIterator<Item = Option<f64>>, bootstrap: &Bootstrap) -> Self {
        let all: Vec<Option<f64>> = values.into_iter().collect();
        let mut sorted: Vec<f64> = all.iter().flatten().copied().filter(|v| !v.is_nan()).collect();
        sorted.sort_by(f64::total_cmp);
        let n = sorted.len();
        let n_undefined = all.len() - n;
        if n == 0 {
            return Self { n_undefined, ..Self::default() };
        }
        let mean = sorted.iter().sum::<f64>() / n as f64;
        let sd = (n > 1).then(|| (sorted.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n as f64 - 1.0)).sqrt());
        Self {
            n,
            n_undefined,
            mean: Some(mean),
            sd,
            min: sorted.first().copied(),
            q1: Some(quantile(&sorted, 0.25)),
            median: Some(quantile(&sorted, 0.5)),
            q3: Some(quantile(&sorted, 0.75)),
            max: sorted.last().copied(),
            mean_interval: bootstrap.mean_interval(&sorted),
        }
    }

    /// As [`Summary::of`], with an interval for which the cases of each cluster are drawn together.
    ///
    /// # Panics
    /// If there are not as many values as the clusters have cases (a programming error).
    pub fn of_clusters(values: impl IntoIterator<Item = Option<f64>>, clusters: &Clusters, bootstrap: &Bootstrap) -> Self {
        let values: Vec<Option<f64>> = values.into_iter().collect();
        if clusters.kind == ClusterKind::Case {
            return Self::of(values, bootstrap);
        }
        let mean_interval = bootstrap.mean_interval_of_clusters(&clusters.split(&values), clusters.kind);
        Self { mean_interval, ..Self::of(values, &Bootstrap { n_resamples: 0, ..*bootstrap }) }
    }
}

/// The `share` quantile of ascending values, linear between neighbours (Hyndman and Fan 1996, type 7).
///
/// # Panics
/// If there are no values (a programming error).
pub(crate) fn quantile(ascending: &[f64], share: f64) -> f64 {
    let position = share * (ascending.len() - 1) as f64;
    let lower = position.floor() as usize;
    let upper = (lower + 1).min(ascending.len() - 1);
    ascending[lower] + (position - lower as f64) * (ascending[upper] - ascending[lower])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn numbers_are_those_of_python() {
        // statistics.mean, .stdev and .quantiles(n=4, method="inclusive") of Python 3.11
        let values = [0.91, 0.85, 0.88, 0.42, 0.79, 0.93, 0.87];
        let summary = Summary::of(values.map(Some), &Bootstrap::default());
        let expected = [0.807_142_857_142_857, 0.176_513_860_240_896_8, 0.82, 0.87, 0.895];
        let found = [summary.mean, summary.sd, summary.q1, summary.median, summary.q3].map(Option::unwrap);
        for (found, expected) in found.into_iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{found} instead of {expected}");
        }
        assert_eq!((summary.min, summary.max, summary.n), (Some(0.42), Some(0.93), 7));
    }

    #[test]
    fn undefined_scores_are_left_out_and_counted() {
        let summary = Summary::of([Some(0.5), None, Some(1.0), Some(f64::NAN)], &Bootstrap::default());
        assert_eq!((summary.n, summary.n_undefined, summary.mean), (2, 2, Some(0.75)));
    }

    #[test]
    fn one_case_has_a_mean_but_no_spread() {
        let summary = Summary::of([Some(0.5)], &Bootstrap::default());
        assert_eq!((summary.mean, summary.sd, summary.mean_interval, summary.q1), (Some(0.5), None, None, Some(0.5)));
        let none = Summary::of([None], &Bootstrap::default());
        assert_eq!((none.n, none.n_undefined, none.mean), (0, 1, None));
    }
}
