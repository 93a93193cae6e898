//! What one way of training is worth beside another: over cases, and over trainings that differ in their seed.
//!
//! A training has noise of its own: the same arm with another seed gives other scores. So both are drawn again and again, cases
//! (whole groups of them, where cases belong together) and trainings, and the interval holds the middle 95 % of what comes out
//! (percentile bootstrap: Efron and Tibshirani 1993, chapters 8 and 13). Cases are paired: each draw takes the same of both arms. Of
//! `n` trainings each draw takes `n - 1`, because `n` of so few would make the spread too small by `(n - 1) / n` (Rao and Wu 1988).
//! With one training an interval says nothing of what another seed would have given.

use std::collections::BTreeMap;

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::{Bootstrap, Interval, bootstrap::LEVEL, summary::quantile};

/// One number of every case in every training of an arm.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Runs {
    /// `[training][case]`; `None` where it is not defined.
    pub values: Vec<Vec<Option<f64>>>,
}

/// How two arms are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Contrast {
    /// The mean of the one minus that of the other.
    #[default]
    Difference,
    /// The mean of the one divided by that of the other.
    Ratio,
}

/// A mean, a difference or a ratio, and how sure it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// Over all cases that are defined in every training, and all trainings.
    pub value: f64,
    /// `None` where there is one case, or group, and one training of each arm.
    pub interval: Option<Interval>,
    /// Cases that count.
    pub n_cases: usize,
    /// Trainings of the arm that has fewer of them.
    pub n_runs: usize,
}

impl Bootstrap {
    /// The mean of `runs`, or what it is against another arm's. `groups` tells for every case which group it belongs to.
    ///
    /// Cases count that have the number in every training of both arms. `None` where there is no such case, or no training, or a
    /// ratio to nothing.
    ///
    /// # Panics
    /// If a training has another number of cases than `groups` (a programming error).
    pub fn effect(&self, runs: &Runs, against: Option<(&Runs, Contrast)>, groups: &[usize]) -> Option<Effect> {
        let sides: Vec<&Runs> = std::iter::once(runs).chain(against.map(|(other, _)| other)).collect();
        let n_runs = sides.iter().map(|side| side.values.len()).min().filter(|&n| n > 0)?;
        for run in sides.iter().flat_map(|side| &side.values) {
            assert_eq!(run.len(), groups.len(), "a training has other cases than there are");
        }
        let is_defined = |case: usize| sides.iter().flat_map(|side| &side.values).all(|run| run[case].is_some_and(f64::is_finite));
        let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for case in (0..groups.len()).filter(|&case| is_defined(case)) {
            members.entry(groups[case]).or_default().push(case);
        }
        let members: Vec<Vec<usize>> = members.into_values().collect();
        let n_cases = members.iter().map(Vec::len).sum();
        // Of every training the sum over each group's cases.
        let sums: Vec<Vec<Vec<f64>>> = sides
            .iter()
            .map(|side| {
                let of_group = |run: &[Option<f64>], cases: &[usize]| cases.iter().filter_map(|&case| run[case]).sum();
                side.values.iter().map(|run| members.iter().map(|cases| of_group(run, cases)).collect()).collect()
            })
            .collect();
        let of = |drawn_groups: &[usize], drawn_runs: &[Vec<usize>]| {
            let cases: usize = drawn_groups.iter().map(|&group| members[group].len()).sum();
            let mean = |side: usize| {
                let total: f64 = drawn_runs[side]
                    .iter()
                    .flat_map(|&run| drawn_groups.iter().map(move |&group| (run, group)))
                    .map(|(run, group)| sums[side][run][group])
                    .sum();
                total / (cases * drawn_runs[side].len()) as f64
            };
            match against {
                None => mean(0),
                Some((_, Contrast::Difference)) => mean(0) - mean(1),
                Some((_, Contrast::Ratio)) => mean(0) / mean(1),
            }
        };
        let all_groups: Vec<usize> = (0..members.len()).collect();
        let all_runs: Vec<Vec<usize>> = sides.iter().map(|side| (0..side.values.len()).collect()).collect();
        let value = Some(of(&all_groups, &all_runs)).filter(|value| value.is_finite())?;
        let several_runs = sides.iter().any(|side| side.values.len() > 1);
        if (members.len() < 2 && !several_runs) || self.n_resamples == 0 {
            return Some(Effect { value, interval: None, n_cases, n_runs });
        }
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut draws: Vec<f64> = (0..self.n_resamples)
            .map(|_| {
                let groups = drawn(members.len(), members.len(), &mut rng);
                let runs: Vec<Vec<usize>> =
                    sides.iter().map(|side| drawn(side.values.len(), (side.values.len() - 1).max(1), &mut rng)).collect();
                of(&groups, &runs)
            })
            .filter(|value| value.is_finite())
            .collect();
        draws.sort_by(f64::total_cmp);
        let grouped = members.iter().any(|cases| cases.len() > 1);
        let over = match (members.len() > 1, several_runs) {
            (true, true) => format!("{} and trainings", if grouped { "groups of cases" } else { "cases" }),
            (true, false) => if grouped { "groups of cases" } else { "cases" }.to_owned(),
            (false, _) => "trainings".to_owned(),
        };
        let method = format!("percentile bootstrap over {over}, {} resamples, seed {}", self.n_resamples, self.seed);
        let tail = (1.0 - LEVEL) / 2.0;
        let interval =
            (!draws.is_empty()).then(|| Interval { low: quantile(&draws, tail), high: quantile(&draws, 1.0 - tail), level: LEVEL, method });
        Some(Effect { value, interval, n_cases, n_runs })
    }
}

/// `n` of `of` numbers, with replacement.
fn drawn(of: usize, n: usize, rng: &mut impl Rng) -> Vec<usize> {
    (0..n).map(|_| rng.random_range(0..of)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn runs(values: &[&[f64]]) -> Runs {
        Runs { values: values.iter().map(|run| run.iter().copied().map(Some).collect()).collect() }
    }

    #[test]
    fn a_constant_difference_has_no_spread_whatever_the_cases() {
        let (a, b) = (runs(&[&[0.9, 0.5, 0.7]]), runs(&[&[0.8, 0.4, 0.6]]));
        let effect = Bootstrap::default().effect(&a, Some((&b, Contrast::Difference)), &[0, 1, 2]).unwrap();
        let interval = effect.interval.unwrap();
        assert!((effect.value - 0.1).abs() < 1e-12 && (interval.low - 0.1).abs() < 1e-12 && (interval.high - 0.1).abs() < 1e-12);
        assert_eq!((effect.n_cases, effect.n_runs), (3, 1));
    }

    #[test]
    fn the_spread_between_trainings_is_that_of_their_mean() {
        // Many trainings of one case, evenly spread over 0..1: their variance is (n + 1) / (12 (n - 1)), of which n - 1 are drawn.
        let values: Vec<Vec<Option<f64>>> = (0..200).map(|i| vec![Some(f64::from(i) / 199.0)]).collect();
        let effect = Bootstrap::default().effect(&Runs { values }, None, &[0]).unwrap();
        let (interval, half) = (effect.interval.unwrap(), 1.96 * (201.0f64 / (12.0 * 199.0 * 199.0)).sqrt());
        // Each of the two quantiles of 10000 draws is known to 2.7 % of a standard error, their distance to 1.9 % of `half`: four of that.
        assert!((interval.high - interval.low - 2.0 * half).abs() < 0.08 * half, "{interval:?}, expected +- {half}");
        assert!(interval.method.contains("over trainings"));
    }

    #[test]
    fn two_trainings_are_as_far_apart_as_they_are() {
        // Of two each draw takes one: the interval goes from the one to the other.
        let interval = Bootstrap::default().effect(&runs(&[&[0.4], &[0.6]]), None, &[0]).unwrap().interval.unwrap();
        assert_eq!((interval.low, interval.high), (0.4, 0.6));
    }

    #[test]
    fn groups_are_drawn_whole() {
        // Two groups of two equal cases: as many as two cases, not four.
        let values = runs(&[&[0.0, 0.0, 1.0, 1.0]]);
        let grouped = Bootstrap::default().effect(&values, None, &[7, 7, 3, 3]).unwrap().interval.unwrap();
        assert_eq!((grouped.low, grouped.high), (0.0, 1.0));
        let single = Bootstrap::default().effect(&values, None, &[0, 1, 2, 3]).unwrap();
        assert_eq!(single.value, 0.5);
        assert!(grouped.method.contains("groups of cases") && single.interval.unwrap().method.contains("over cases"));
    }

    #[test]
    fn ratios_are_those_of_means_and_undefined_cases_are_left_out() {
        let a = Runs { values: vec![vec![Some(2.0), None, Some(4.0)]] };
        let b = Runs { values: vec![vec![Some(1.0), Some(9.0), Some(1.0)]] };
        let effect = Bootstrap::default().effect(&a, Some((&b, Contrast::Ratio)), &[0, 1, 2]).unwrap();
        assert_eq!((effect.value, effect.n_cases), (3.0, 2));
    }

    #[test]
    fn what_cannot_be_compared_has_no_effect() {
        let one = runs(&[&[1.0]]);
        assert_eq!(Bootstrap::default().effect(&one, None, &[0]).unwrap().interval, None);
        assert_eq!(Bootstrap::default().effect(&Runs::default(), None, &[0]), None);
        assert_eq!(Bootstrap::default().effect(&one, Some((&runs(&[&[0.0]]), Contrast::Ratio)), &[0]), None);
        assert_eq!(Bootstrap::default().effect(&Runs { values: vec![vec![None]] }, None, &[0]), None);
    }
}
