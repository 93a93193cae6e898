//! What the trainings say of a claim.

use sagittal_metrics::{Bootstrap, Contrast, Effect, Verdict};
use serde::Serialize;

use super::{
    description::{Claim, Test},
    measure::Measure,
    results::ArmResults,
};

/// A claim with what came of it.
#[derive(Debug, Serialize)]
pub(super) struct Judged {
    pub(super) says: String,
    pub(super) source: String,
    pub(super) verdict: Verdict,
    /// Whether the noise of training is not in its intervals, because an arm was trained with one seed.
    pub(super) one_seed: bool,
    pub(super) tests: Vec<JudgedTest>,
}

/// One of its tests.
#[derive(Debug, Serialize)]
pub(super) struct JudgedTest {
    measure: &'static str,
    arm: String,
    against: Option<String>,
    contrast: Contrast,
    above: Option<f64>,
    below: Option<f64>,
    effect: Option<Effect>,
    pub(super) verdict: Verdict,
    /// All of that in a sentence.
    pub(super) in_words: String,
}

/// Judges a claim by its tests.
pub(super) fn judge(claim: &Claim, arms: &[ArmResults], cases: &[String], groups: &[usize], bootstrap: &Bootstrap) -> Judged {
    let tests: Vec<JudgedTest> = claim.tests.iter().map(|test| judge_test(test, arms, cases, groups, bootstrap)).collect();
    let verdict = Verdict::of_all(tests.iter().map(|test| test.verdict));
    let one_seed =
        claim.tests.iter().zip(&tests).any(|(test, judged)| judged.effect.as_ref().is_some_and(|effect| is_of_one_seed(test, effect)));
    Judged { says: claim.says.clone(), source: claim.source.clone(), verdict, one_seed, tests }
}

/// Whether another seed could have given something else, and was not tried.
fn is_of_one_seed(test: &Test, effect: &Effect) -> bool {
    effect.n_runs == 1 && !test.measure.is_exact() && !matches!(test.measure, Measure::PredictionS | Measure::PredictionUsPerVoxel)
}

impl Judged {
    /// `confirmed`, `not confirmed with one seed`.
    pub(super) fn in_words(&self) -> String {
        let verdict = match self.verdict {
            Verdict::Undecided => "undecided within the noise",
            other => other.name(),
        };
        if self.one_seed && self.verdict != Verdict::Undecided { format!("{verdict}, with one seed") } else { verdict.to_owned() }
    }
}

fn judge_test(test: &Test, arms: &[ArmResults], cases: &[String], groups: &[usize], bootstrap: &Bootstrap) -> JudgedTest {
    let arm = |name: &str| arms.iter().find(|arm| arm.name == name);
    let groups = if test.measure.is_of_cases() { groups } else { &[0] };
    let values = |name: &str| arm(name).map(|arm| arm.values(test.measure, cases));
    let effect = values(&test.arm).and_then(|runs| match &test.against {
        Some(other) => bootstrap.effect(&runs, Some((&values(other)?, test.contrast)), groups),
        None => bootstrap.effect(&runs, None, groups),
    });
    let verdict = effect.as_ref().map_or(Verdict::Undecided, |effect| {
        let exact = test.measure.is_exact();
        let (low, high) = match &effect.interval {
            Some(interval) if !exact => (interval.low, interval.high),
            _ => (effect.value, effect.value),
        };
        test.limits().judge(low, high)
    });
    JudgedTest {
        measure: test.measure.name(),
        arm: test.arm.clone(),
        against: test.against.clone(),
        contrast: test.contrast,
        above: test.above,
        below: test.below,
        in_words: in_words(test, effect.as_ref(), verdict),
        effect,
        verdict,
    }
}

/// `Dice of adamw minus that of sgd: 0.123 (0.101 to 0.145); claimed: above 0. Confirmed.`
fn in_words(test: &Test, effect: Option<&Effect>, verdict: Verdict) -> String {
    let Test { measure, arm, .. } = test;
    let title = measure.title();
    let what = match (&test.against, test.contrast) {
        (None, _) => format!("{title} of {arm}"),
        (Some(other), Contrast::Difference) => format!("{title} of {arm} minus that of {other}"),
        (Some(other), Contrast::Ratio) => format!("{title} of {arm} divided by that of {other}"),
    };
    let is_ratio = test.contrast == Contrast::Ratio && test.against.is_some();
    let number = |value: f64| if is_ratio { super::measure::significant(value) } else { measure.in_words(value) };
    let claimed = match (test.above, test.below) {
        (Some(above), Some(below)) => format!("between {above} and {below}"),
        (Some(above), None) => format!("above {above}"),
        (None, Some(below)) => format!("below {below}"),
        (None, None) => "anything".to_owned(),
    };
    let Some(effect) = effect else {
        return format!("{what} was not measured in every arm; claimed: {claimed}. Undecided.");
    };
    let sure = match &effect.interval {
        _ if measure.is_exact() => "exact".to_owned(),
        Some(interval) => format!("95 % interval {} to {}", number(interval.low), number(interval.high)),
        None => "one training, so nothing is known of its noise".to_owned(),
    };
    let caution = if is_of_one_seed(test, effect) && effect.interval.is_some() {
        " One seed: what another would have given is not in the interval."
    } else {
        ""
    };
    let verdict = match verdict {
        Verdict::Confirmed => "Confirmed.",
        Verdict::NotConfirmed => "Not confirmed.",
        Verdict::Undecided => "Undecided within the noise.",
    };
    format!("{what}: {} ({sure}); claimed: {claimed}. {verdict}{caution}", number(effect.value))
}

#[cfg(test)]
mod tests;
