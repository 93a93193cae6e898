//! How long a training lasts, and how the learning rate falls meanwhile.

use sagittal_data::plan::RateSchedule;
use std::time::Duration;

/// What ends a training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Budget {
    /// A number of epochs. Two trainings with equal seeds give equal weights, bit by bit.
    Epochs(u64),
    /// A time. How many steps fit depends on the machine and what else it does, so weights are not repeatable.
    Time(Duration),
}

impl Budget {
    /// What is left of it for the training itself after `spent` on something before it; a number of epochs stays.
    pub(crate) fn less(self, spent: Duration) -> Self {
        match self {
            Self::Epochs(epochs) => Self::Epochs(epochs),
            Self::Time(time) => Self::Time(time.saturating_sub(spent)),
        }
    }

    /// The part of the budget that is used, 0 to 1.
    pub fn fraction(&self, step: u64, steps_per_epoch: u64, elapsed: Duration) -> f64 {
        let fraction = match self {
            Self::Epochs(epochs) => step as f64 / epochs.saturating_mul(steps_per_epoch).max(1) as f64,
            Self::Time(time) => elapsed.as_secs_f64() / time.as_secs_f64().max(f64::MIN_POSITIVE),
        };
        fraction.clamp(0.0, 1.0)
    }
}

/// The rate after a part of the budget: it stays `first`, or falls from there to 0 as `(1 - fraction)^0.9` (nnU-Net; Chen et al. 2017)
/// or as half a cosine (Loshchilov and Hutter 2017).
pub(crate) fn learning_rate(schedule: RateSchedule, first: f64, fraction: f64) -> f64 {
    match schedule {
        RateSchedule::Polynomial => first * (1.0 - fraction).max(0.0).powf(0.9),
        RateSchedule::Cosine => first * 0.5 * (1.0 + (std::f64::consts::PI * fraction.clamp(0.0, 1.0)).cos()),
        RateSchedule::Constant => first,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_cosine_is_slow_at_both_ends() {
        // PyTorch 2.15: CosineAnnealingLR(T_max=10), lr 0.01, after 0, 1, 5, 9 and 10 steps.
        let torch = [(0.0, 0.01), (0.1, 0.009755282581475769), (0.5, 0.005), (0.9, 0.00024471741852423245), (1.0, 0.0)];
        for (fraction, expected) in torch {
            assert!((learning_rate(RateSchedule::Cosine, 0.01, fraction) - expected).abs() < 1e-12, "{fraction}");
        }
    }

    #[test]
    fn the_rate_ends_when_the_budget_does() {
        struct Case {
            budget: Budget,
            step: u64,
            elapsed_s: u64,
            expected: f64,
        }
        let cases = [
            Case { budget: Budget::Epochs(10), step: 0, elapsed_s: 99, expected: 0.01 },
            Case { budget: Budget::Epochs(10), step: 50, elapsed_s: 0, expected: 0.01 * 0.5f64.powf(0.9) },
            Case { budget: Budget::Epochs(10), step: 100, elapsed_s: 0, expected: 0.0 },
            // More epochs than anybody lives: it must not wrap around to a few.
            Case { budget: Budget::Epochs(u64::MAX / 10 + 1), step: 100, elapsed_s: 0, expected: 0.01 },
            Case { budget: Budget::Time(Duration::from_secs(60)), step: 7, elapsed_s: 30, expected: 0.01 * 0.5f64.powf(0.9) },
            Case { budget: Budget::Time(Duration::from_secs(60)), step: 7, elapsed_s: 61, expected: 0.0 },
        ];
        for case in cases {
            let fraction = case.budget.fraction(case.step, 10, Duration::from_secs(case.elapsed_s));
            assert_eq!(learning_rate(RateSchedule::Constant, 0.01, fraction), 0.01);
            assert!(
                (learning_rate(RateSchedule::Polynomial, 0.01, fraction) - case.expected).abs() < 1e-12,
                "{:?} at step {}",
                case.budget,
                case.step
            );
        }
    }
}
