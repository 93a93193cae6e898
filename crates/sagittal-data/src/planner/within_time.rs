//! A plan for a time: the widest network and the largest patch that still get enough steps.
//!
//! Nobody knows beforehand how many steps a data set needs. What is known is that few large steps lose against many small
//! ones: a network of 16 features on hippocampus needs some 2500 steps for nnU-Net's accuracy. So a plan is taken down
//! [`RUNGS`] until [`ENOUGH_STEPS`] fit. A network twice as wide is only taken where
//! [`STEPS_TO_WIDEN`] fit.

use super::PlanOptions;
use crate::{DataError, Fingerprint, plan::Plan};
use std::time::Duration;

/// Steps a training should have. Hippocampus (MSD Task04) by the usual plan: mean Dice 0.79 after 320 steps, 0.882 after
/// 2793, where nnU-Net's 250000 reach 0.889.
const ENOUGH_STEPS: f64 = 2000.0;
/// Steps from which on a network of nnU-Net's width is worth its slower steps. Not measured: many times what the usual
/// width needs.
const STEPS_TO_WIDEN: f64 = 20_000.0;
/// Part of the time that is left for steps: the rest goes into validation and files.
const PART_FOR_STEPS: f64 = 0.9;
/// What is tried, the richest first: features of the first stage, and how many times the usual arithmetic a patch and a
/// step may cost. Batches go first, because larger ones take more time for the same number of steps; then features.
const RUNGS: [(usize, f64, f64); 8] = [
    (32, 4.0, 4.0),
    (16, 1.0, 1.0),
    (16, 1.0, 0.5),
    (16, 0.5, 0.25),
    (8, 0.5, 0.25),
    (8, 0.25, 0.125),
    (8, 0.125, 0.0625),
    (8, 0.0625, 0.0),
];
/// The rung that is measured first: what is planned where nobody says how much time there is.
const USUAL: usize = 1;

/// A plan with what it comes to on this machine.
#[derive(Clone, Debug)]
pub struct TimedPlan {
    /// The plan; it trains for the time that was asked for.
    pub plan: Plan,
    /// Seconds of one training step.
    pub step_s: f64,
    /// Steps that fit.
    pub steps: u64,
}

impl Plan {
    /// Plans for a training of `time`, by what steps take here: `step_s` trains for a few and gives the seconds of one.
    ///
    /// # Errors
    /// As [`Plan::make`], and what `step_s` says.
    pub fn within_time<E: From<DataError>>(
        fingerprint: &Fingerprint,
        options: &PlanOptions,
        time: Duration,
        step_s: &mut dyn FnMut(&Self) -> Result<f64, E>,
    ) -> Result<TimedPlan, E> {
        let for_steps_s = time.as_secs_f64() * PART_FOR_STEPS;
        let plan_of = |(features, patch_part, step_part): (usize, f64, f64)| {
            let multiply_adds_per_patch = (options.multiply_adds_per_patch as f64 * patch_part) as u64;
            let multiply_adds_per_step = (options.multiply_adds_per_step as f64 * step_part) as u64;
            let base_features = options.base_features.or(Some(features));
            Self::make(fingerprint, &PlanOptions { base_features, multiply_adds_per_patch, multiply_adds_per_step, ..options.clone() })
        };
        let mut usual = plan_of(RUNGS[USUAL])?;
        let usual_s = step_s(&usual)?;
        let timed = |mut plan: Self, step_s: f64| {
            plan.training.time_s = Some(time.as_secs_f64());
            TimedPlan { plan, step_s, steps: (for_steps_s / step_s) as u64 }
        };
        // Voxel classifiers are asked for as they are: there is nothing to take away from but themselves.
        if usual.network.unet().is_none() {
            return Ok(timed(usual, usual_s));
        }
        // Arithmetic foretells time well enough to leave out what cannot fit.
        let foretold_s = |plan: &Self| usual_s * work(plan) / work(&usual);
        let wide = plan_of(RUNGS[0])?;
        if wide.network != usual.network && for_steps_s / foretold_s(&wide) >= 0.5 * STEPS_TO_WIDEN {
            let wide_s = step_s(&wide)?;
            if for_steps_s / wide_s >= STEPS_TO_WIDEN {
                return Ok(timed(wide, wide_s));
            }
        }
        let mut best_s = usual_s;
        for rung in &RUNGS[USUAL + 1..] {
            if for_steps_s / best_s >= ENOUGH_STEPS {
                break;
            }
            // A patch that cannot be made smaller stays; then the next rung may still be narrower.
            let Ok(plan) = plan_of(*rung) else { continue };
            if plan.network == usual.network && (plan.patch, plan.batch_size) == (usual.patch, usual.batch_size) {
                continue;
            }
            let plan_s = step_s(&plan)?;
            if plan_s < best_s {
                (usual, best_s) = (plan, plan_s);
            }
        }
        Ok(timed(usual, best_s))
    }
}

/// Arithmetic of a step.
fn work(plan: &Plan) -> f64 {
    plan.estimate.multiply_adds_per_patch as f64 * plan.batch_size as f64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::planner::tests::{example_fingerprint, large_fingerprint};

    fn plan(fingerprint: &Fingerprint, minutes: u64, multiply_adds_per_s: f64) -> (TimedPlan, usize) {
        let mut n_measured = 0;
        let mut step_s = |plan: &Plan| -> Result<f64, DataError> {
            n_measured += 1;
            Ok(3.0 * work(plan) / multiply_adds_per_s)
        };
        let timed = Plan::within_time(fingerprint, &PlanOptions::default(), Duration::from_secs(60 * minutes), &mut step_s).unwrap();
        (timed, n_measured)
    }

    #[test]
    fn little_time_makes_narrower_networks_and_smaller_patches() {
        let small = example_fingerprint();
        let features = |minutes| plan(&small, minutes, 50e9).0.plan.network.unet().unwrap().features[0];
        assert_eq!((features(2), features(60), features(60 * 24)), (8, 16, 32));
        let large = large_fingerprint();
        let voxels = |minutes| plan(&large, minutes, 50e9).0.plan.patch.iter().product::<usize>();
        assert!(voxels(5) < voxels(60 * 24 * 9), "{} and {}", voxels(5), voxels(60 * 24 * 9));
    }

    #[test]
    fn the_plan_trains_for_the_time_and_few_are_measured() {
        let (timed, n_measured) = plan(&example_fingerprint(), 60, 50e9);
        assert_eq!((timed.plan.training.time_s, n_measured), (Some(3600.0), 1));
        assert!((timed.steps as f64 - 3240.0 / timed.step_s).abs() <= 1.0 && timed.steps as f64 > ENOUGH_STEPS);
        timed.plan.validate().unwrap();
        assert!(plan(&large_fingerprint(), 1, 1e9).1 <= RUNGS.len());
    }

    #[test]
    fn a_step_that_cannot_be_timed_is_an_error() {
        let fails = &mut |_: &Plan| Err(DataError::Plan { field: "x".into(), found: "y".into(), expected: "z".into() });
        assert!(Plan::within_time(&example_fingerprint(), &PlanOptions::default(), Duration::from_secs(60), fails).is_err());
    }
}
