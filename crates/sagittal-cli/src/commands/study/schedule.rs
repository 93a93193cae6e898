//! How the time is shared: every training gets the same, after what all of them need besides was set aside.

use std::time::Duration;

use sagittal_data::plan::time_words;
use serde::{Deserialize, Serialize};

use super::description::Settings;

/// Of the time this part is kept for what nobody foresees: files, pictures, a machine that others use too.
const RESERVE: f64 = 0.04;
/// Seconds that a training takes besides its steps and its validation cases: reading cases, making the network, its report.
const START_S: f64 = 2.0;

/// What is known before the time is shared.
#[derive(Clone, Debug)]
pub(super) struct Given<'a> {
    /// All that is left of the time.
    pub(super) left: Duration,
    /// Seconds to predict and score the validation cases, arm by arm.
    pub(super) validation_s: &'a [f64],
    /// How many shares of the time each arm gets; none if it trains for epochs, which nobody can foretell.
    pub(super) shares: &'a [f64],
    /// Seeds, at most.
    pub(super) most_seeds: usize,
    /// No training is shorter.
    pub(super) least: Duration,
}

/// How long each training is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Schedule {
    /// Seeds that are used, of those of the study the first.
    pub(super) n_seeds: usize,
    /// Seconds of a training with one share.
    pub(super) training_s: f64,
    /// Seconds set aside for validation and all else, of one seed of all arms.
    pub(super) besides_s: f64,
    /// Seconds of everything.
    pub(super) total_s: f64,
}

impl Schedule {
    /// Shares the time: as many seeds as leave each training its least.
    ///
    /// # Errors
    /// What it would take, where not even one seed does.
    pub(super) fn share(given: &Given<'_>) -> Result<Self, Duration> {
        let besides_s = given.validation_s.iter().map(|seconds| seconds + START_S).sum::<f64>();
        let shares: f64 = given.shares.iter().sum();
        let usable_s = given.left.as_secs_f64() * (1.0 - RESERVE);
        let training_s = |n_seeds: usize| (usable_s / n_seeds as f64 - besides_s) / shares;
        let total_s = given.left.as_secs_f64();
        let shared = |n_seeds: usize| Self { n_seeds, training_s: training_s(n_seeds), besides_s, total_s };
        if shares == 0.0 {
            return Ok(Self { training_s: 0.0, ..shared(given.most_seeds) });
        }
        let least_s = given.least.as_secs_f64();
        let fits = (1..=given.most_seeds).rev().find(|&n_seeds| training_s(n_seeds) >= least_s);
        let needed_s = (least_s * shares + besides_s) / (1.0 - RESERVE);
        fits.map(shared).ok_or_else(|| Duration::from_secs_f64((needed_s / 60.0).ceil() * 60.0))
    }

    /// How the time is shared, in a few sentences.
    pub(super) fn in_words(&self, settings: &[Settings], seeds: &[u64]) -> String {
        let seconds = |s: f64| time_words(Duration::from_secs_f64(s.max(0.0).round()));
        let seeds: Vec<String> = seeds.iter().take(self.n_seeds).map(u64::to_string).collect();
        let n_timed = settings.iter().filter(|settings| settings.epochs.is_none()).count();
        let (n_arms, n_runs) = (settings.len(), settings.len() * self.n_seeds);
        let mut text =
            format!("{n_arms} arms, {} {}: {n_runs} trainings", if seeds.len() == 1 { "seed" } else { "seeds" }, seeds.join(", "));
        if n_timed > 0 {
            let shares: f64 = settings.iter().map(Settings::shares).sum();
            let besides = self.total_s - self.training_s * shares * self.n_seeds as f64;
            text = format!("{} in all. {text}", seconds(self.total_s));
            text += &format!(", each of {}", seconds(self.training_s));
            if n_timed < n_arms {
                text += " unless it is told its epochs";
            }
            let longer = settings.iter().map(Settings::shares).filter(|shares| ![0.0, 1.0].contains(shares));
            let longer: Vec<String> = longer.map(|shares| format!("{shares}")).collect();
            if !longer.is_empty() {
                text +=
                    &format!(", of {} arm{} {} times as long", longer.len(), if longer.len() == 1 { "" } else { "s" }, longer.join(", "));
            }
            text += &format!("; {} are set aside for predicting and scoring the validation cases and for all else", seconds(besides));
        }
        let mut epochs: Vec<usize> = settings.iter().filter_map(|settings| settings.epochs).collect();
        epochs.dedup();
        match (&epochs[..], n_timed) {
            ([], _) => {}
            ([one], 0) => text += &format!(", each of {one} epochs, however long they take"),
            _ => text += &format!("; {} arms train for a number of epochs, however long they take", n_arms - n_timed),
        }
        text + "."
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn share(minutes: u64, validation_s: &[f64], shares: &[f64]) -> Result<Schedule, Duration> {
        let left = Duration::from_secs(60 * minutes);
        Schedule::share(&Given { left, validation_s, shares, most_seeds: 3, least: Duration::from_secs(60) })
    }

    #[test]
    fn every_training_gets_the_same_and_all_together_the_time() {
        let schedule = share(60, &[10.0, 20.0], &[1.0; 2]).unwrap();
        // 3600 s less 4 %, for three seeds of two arms, each with 2 s to start.
        let expected = (3456.0 / 3.0 - 34.0) / 2.0;
        assert_eq!((schedule.n_seeds, schedule.besides_s), (3, 34.0));
        assert!((schedule.training_s - expected).abs() < 1e-9);
        assert!(3.0 * (2.0 * schedule.training_s + schedule.besides_s) <= 3600.0);
    }

    #[test]
    fn little_time_means_fewer_seeds_and_too_little_says_what_it_takes() {
        assert_eq!(share(6, &[10.0, 10.0], &[1.0; 2]).unwrap().n_seeds, 2);
        assert_eq!(share(3, &[10.0, 10.0], &[1.0; 2]).unwrap().n_seeds, 1);
        assert_eq!(share(1, &[10.0, 10.0], &[1.0; 2]), Err(Duration::from_secs(180)));
        // Slow predictions leave less for training.
        assert_eq!(share(6, &[100.0, 100.0], &[1.0; 2]).unwrap().n_seeds, 1);
    }

    #[test]
    fn an_arm_with_more_shares_takes_them_from_all() {
        let schedule = share(60, &[10.0, 20.0], &[4.0, 1.0]).unwrap();
        assert!((schedule.training_s - (3456.0 / 3.0 - 34.0) / 5.0).abs() < 1e-9);
        let settings = [Settings { share: Some(4.0), ..Settings::default() }, Settings::default()];
        let words = schedule.in_words(&settings, &[0, 1, 2]);
        assert!(words.contains("each of 3.7 minutes, of 1 arm 4 times as long; 4.1 minutes are set aside"), "{words}");
    }

    #[test]
    fn arms_by_epochs_take_no_share() {
        let schedule = share(10, &[0.0, 0.0], &[0.0, 1.0]).unwrap();
        assert!((schedule.training_s - (576.0 / 3.0 - 4.0)).abs() < 1e-9);
        assert_eq!(share(1, &[500.0], &[0.0]).unwrap().n_seeds, 3);
    }
}
