#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use sagittal_metrics::{Metrics, ScoredRegion};
use sagittal_report::Progress;

use super::*;
use crate::commands::study::results::RunResults;

/// An arm whose trainings give these Dice of three cases, and all the same number of parameters.
fn arm(name: &str, dice: &[[f64; 3]], parameters: f64) -> ArmResults {
    let run = |(seed, values): (usize, &[f64; 3])| RunResults {
        seed: seed as u64,
        folder: String::new(),
        measures: BTreeMap::from([("parameters", parameters)]),
        dice_of_labels: BTreeMap::new(),
        cases: BTreeMap::from([("dice", values.iter().enumerate().map(|(case, value)| (case.to_string(), Some(*value))).collect())]),
        failed_cases: Vec::new(),
        metrics: Metrics::new(vec![], ScoredRegion::WholeImage, vec![], vec![], &Bootstrap::default()),
        progress: Progress::default(),
        gradients: Vec::new(),
    };
    ArmResults { name: name.to_owned(), says: String::new(), summary: BTreeMap::new(), runs: dice.iter().enumerate().map(run).collect() }
}

fn verdict(test: &str, arms: &[ArmResults]) -> (Verdict, String) {
    let claim: Claim = toml::from_str(&format!("says = 's'\nsource = 'x'\n[[tests]]\n{test}")).unwrap();
    let cases = ["0", "1", "2"].map(str::to_owned);
    let mut judged = judge(&claim, arms, &cases, &[0, 1, 2], &Bootstrap::default());
    (judged.verdict, judged.tests.remove(0).in_words)
}

#[test]
fn a_difference_is_judged_against_the_noise_of_cases_and_trainings() {
    let arms = [
        arm("good", &[[0.8, 0.6, 0.7], [0.82, 0.62, 0.72]], 1e6),
        arm("poor", &[[0.5, 0.3, 0.4], [0.48, 0.28, 0.38]], 1e6),
        arm("noisy", &[[0.9, 0.1, 0.7], [0.2, 0.9, 0.3]], 4e6),
    ];
    let against = |arm: &str, other: &str| format!("measure = 'dice'\narm = '{arm}'\nagainst = '{other}'\nabove = 0");
    assert_eq!(verdict(&against("good", "poor"), &arms).0, Verdict::Confirmed);
    assert_eq!(verdict(&against("poor", "good"), &arms).0, Verdict::NotConfirmed);
    let (undecided, words) = verdict(&against("noisy", "poor"), &arms);
    assert_eq!(undecided, Verdict::Undecided);
    assert!(words.contains("Dice of noisy minus that of poor") && words.contains("95 % interval"), "{words}");
}

#[test]
fn what_follows_from_the_plan_is_exact_even_of_one_training() {
    let arms = [arm("small", &[[0.5; 3]], 1e6), arm("large", &[[0.5; 3]], 4e6)];
    let ratio = "measure = 'parameters'\narm = 'large'\nagainst = 'small'\ncontrast = 'ratio'\n";
    let (confirmed, words) = verdict(&format!("{ratio}above = 3.9\nbelow = 4.1"), &arms);
    assert_eq!(confirmed, Verdict::Confirmed);
    assert!(words.contains("4.000 (exact)"), "{words}");
    assert_eq!(verdict(&format!("{ratio}above = 4"), &arms).0, Verdict::NotConfirmed);
}

#[test]
fn one_seed_is_said_and_what_was_not_measured_is_undecided() {
    let arms = [arm("a", &[[0.8, 0.6, 0.7]], 1.0), arm("b", &[[0.5, 0.3, 0.4]], 1.0), arm("failed", &[], 1.0)];
    let (confirmed, words) = verdict("measure = 'dice'\narm = 'a'\nagainst = 'b'\nabove = 0", &arms);
    assert_eq!(confirmed, Verdict::Confirmed);
    assert!(words.contains("One seed"), "{words}");
    let claim: Claim = toml::from_str("says = 's'\nsource = 'x'\n[[tests]]\nmeasure = 'dice'\narm = 'a'\nabove = 0").unwrap();
    let judged = judge(&claim, &arms, &["0", "1", "2"].map(str::to_owned), &[0, 1, 2], &Bootstrap::default());
    assert_eq!(judged.in_words(), "confirmed, with one seed");
    for test in ["measure = 'dice'\narm = 'a'\nagainst = 'failed'\nabove = 0", "measure = 'variance_ratio'\narm = 'a'\nbelow = 1"] {
        let (undecided, words) = verdict(test, &arms);
        assert_eq!(undecided, Verdict::Undecided);
        assert!(words.contains("not measured"), "{words}");
    }
}
