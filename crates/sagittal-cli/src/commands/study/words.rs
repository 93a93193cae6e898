//! A study in words: what will be run, and what came of it.

use std::time::Duration;

use sagittal_data::plan::{paragraph, time_words};
use sagittal_metrics::Effect;
use serde_json::{Value, json};

use super::{description::Study, measure::Measure, preparation::Preparation, results::Results};
use crate::table;

/// What will be run, how long each gets, and how long all takes.
pub(super) fn announcement(study: &Study, preparation: &Preparation) -> String {
    let mut text = format!("{}\n\n{}\n", study.title, study.question.trim());
    let (n_training, n_validation) = (preparation.fold.training.len(), preparation.fold.validation.len());
    text += "\n";
    text += &paragraph("Time", &preparation.record.schedule.in_words(&preparation.settings, &study.seeds));
    text += &paragraph(
        "Cases",
        &format!("{n_training} to learn from, {n_validation} to validate on, fold {}, the same for all arms", study.fold),
    );
    for (arm, plan) in study.arms.iter().zip(&preparation.plans) {
        let [z, y, x] = plan.patch;
        let parameters = super::measure::large(plan.estimate.parameters as f64);
        let size = if z == 1 { format!("{y} x {x}") } else { format!("{z} x {y} x {x}") };
        text +=
            &paragraph(&arm.name, &format!("{} ({parameters} parameters, {} patches of {size} a step)", arm.says.trim(), plan.batch_size));
    }
    text
}

/// The same for programs.
pub(super) fn as_json(study: &Study, preparation: &Preparation) -> Value {
    let arms = study.arms.iter().zip(&preparation.plans).map(|(arm, plan)| json!({ "name": arm.name, "says": arm.says, "plan": plan }));
    json!({
        "title": study.title,
        "seeds": preparation.seeds(study),
        "schedule": preparation.record.schedule,
        "training_cases": preparation.fold.training,
        "validation_cases": preparation.fold.validation,
        "arms": arms.collect::<Vec<_>>(),
    })
}

/// A mean, and its interval where that says something: `0.876` and `0.861 to 0.890`.
pub(super) fn cell(measure: Measure, effect: Option<&Effect>) -> [String; 2] {
    let Some(effect) = effect else { return ["-".to_owned(), String::new()] };
    let interval = effect.interval.as_ref().filter(|_| measure.is_of_quality());
    let interval = interval.map_or(String::new(), |i| format!("{} to {}", measure.in_words(i.low), measure.in_words(i.high)));
    [measure.in_words(effect.value), interval]
}

/// Both in one: `0.876 (0.861 to 0.890)`.
pub(super) fn cell_in_line(measure: Measure, effect: Option<&Effect>) -> String {
    let [value, interval] = cell(measure, effect);
    if interval.is_empty() { value } else { format!("{value} ({interval})") }
}

/// Table and verdicts for the terminal.
pub(super) fn in_words(study: &Study, results: &Results) -> String {
    let columns = results.columns();
    let mut rows =
        vec![std::iter::once("arm".to_owned()).chain(columns.iter().map(|column| column.title().to_owned())).collect::<Vec<_>>()];
    for arm in &results.arms {
        let cells = columns.iter().map(|column| cell_in_line(*column, arm.summary.get(column.name())));
        rows.push(std::iter::once(arm.name.clone()).chain(cells).collect());
    }
    let mut text = format!("{}: {}\n{}\n\n{}", study.title, results.dataset, results.schedule, table::of_rows(&rows));
    results.cautions().iter().for_each(|caution| text += &format!("\n{caution}\n"));
    for claim in &results.claims {
        text += &format!("\n{}: \"{}\" ({})\n", claim.in_words().to_uppercase(), claim.says.trim(), claim.source);
        for test in &claim.tests {
            text += &format!("    {}\n", test.in_words);
        }
    }
    text
}

/// Seconds as time in words.
pub(super) fn seconds(seconds: f64) -> String {
    time_words(Duration::from_secs_f64(seconds.clamp(0.0, 1e9)))
}
