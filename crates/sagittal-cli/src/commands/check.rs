//! `sagittal check`: every fault of every case, each with its cure.

use sagittal_data::{
    Dataset,
    check::{self, Fault, Severity},
};
use serde_json::{Value, json};

use crate::{
    args::CheckArgs,
    messages::{Messages, Unit},
    outcome::{Outcome, WrongUse},
};

pub(crate) fn run(args: &CheckArgs, messages: &Messages) -> anyhow::Result<Outcome> {
    WrongUse::unless_exists(&args.dataset, "the folder of a data set")?;
    let dataset = Dataset::open(&args.dataset)?;
    let faults = find_faults(&dataset, messages);
    messages.result(&as_json(&dataset, &faults), || in_words(&dataset, &faults))?;
    Ok(outcome(&faults))
}

/// Reads every case once, showing how far it is.
pub(crate) fn find_faults(dataset: &Dataset, messages: &Messages) -> Vec<Fault> {
    let progress = messages.progress("checking", Unit::Cases, n_cases(dataset) as u64);
    check::check(dataset, &|done, total| progress.set(done as u64, total as u64))
}

/// A note is no failure, an error is one.
pub(crate) fn outcome(faults: &[Fault]) -> Outcome {
    if faults.iter().any(|fault| fault.severity == Severity::Error) { Outcome::SomeFailed } else { Outcome::Done }
}

pub(crate) fn as_json(dataset: &Dataset, faults: &[Fault]) -> Value {
    let faults: Vec<Value> = faults
        .iter()
        .map(|Fault { severity, case, file, finding, cure }| {
            json!({ "severity": word(*severity), "case": case, "file": file, "finding": finding, "cure": cure })
        })
        .collect();
    json!({ "dataset": dataset.name, "training": dataset.training.len(), "test": dataset.test.len(), "faults": faults })
}

/// What the data set is, then its faults case by case, then their number.
pub(crate) fn in_words(dataset: &Dataset, faults: &[Fault]) -> String {
    let mut lines = vec![summary(dataset)];
    for Fault { severity, case, file, finding, cure } in faults {
        let subject = if case.is_empty() { "data set" } else { case };
        lines.push(format!("\n{}: {subject}: {finding}", word(*severity)));
        lines.push(format!("    file: {}", file.display()));
        lines.push(format!("    cure: {cure}"));
    }
    let n_errors = faults.iter().filter(|fault| fault.severity == Severity::Error).count();
    lines.push(format!("\n{} and {} found", counted(n_errors, "error"), counted(faults.len() - n_errors, "note")));
    lines.join("\n")
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Note => "note",
    }
}

fn counted(number: usize, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

fn summary(dataset: &Dataset) -> String {
    let labels: Vec<String> = dataset.labels.iter().map(|label| format!("{} = {}", label.value, label.name)).collect();
    let (n_training, n_test) = (dataset.training.len(), dataset.test.len());
    let (name, channels, labels) = (&dataset.name, dataset.channels.join(", "), labels.join(", "));
    format!("{name}: {n_training} training cases, {n_test} test cases; channels {channels}; labels {labels}")
}

fn n_cases(dataset: &Dataset) -> usize {
    dataset.training.len() + dataset.test.len()
}
