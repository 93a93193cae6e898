//! Reads every case once and lists everything that is wrong with it, each finding with its cure.
//!
//! Training on a data set with a silent fault (a label map of another image, a patient on both sides of a split) gives
//! scores that are wrong without anything failing; so all faults are looked for, not only those that would stop it.

mod case;
mod whole;

use crate::{Dataset, dataset::Case};
use rayon::prelude::*;
use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

/// How bad a fault is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Training or scores would be wrong.
    Error,
    /// Worth knowing.
    Note,
}

/// Something found in a data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// How bad it is.
    pub severity: Severity,
    /// The case; empty where it concerns the whole data set.
    pub case: String,
    /// The file.
    pub file: PathBuf,
    /// What was found where what was expected.
    pub finding: String,
    /// What the user can do.
    pub cure: String,
}

impl Fault {
    pub(crate) fn error(case: &str, file: &Path, finding: &str, cure: &str) -> Self {
        Self { severity: Severity::Error, case: case.into(), file: file.into(), finding: finding.into(), cure: cure.into() }
    }

    pub(crate) fn note(case: &str, file: &Path, finding: &str, cure: &str) -> Self {
        Self { severity: Severity::Note, ..Self::error(case, file, finding, cure) }
    }
}

/// Checks a whole data set: training and test cases, and the cases among each other. `progress` is told, from several
/// threads, how many cases are done of how many.
///
/// At most one case a thread is in memory. The faults come sorted by case, those of the whole data set first.
pub fn check(dataset: &Dataset, progress: &(dyn Fn(usize, usize) + Sync)) -> Vec<Fault> {
    let cases: Vec<(&Case, bool)> =
        dataset.training.iter().map(|case| (case, true)).chain(dataset.test.iter().map(|case| (case, false))).collect();
    let done = AtomicUsize::new(0);
    let label_of = dataset.label_of_mask_value();
    let reports: Vec<case::Report> = cases
        .par_iter()
        .with_max_len(1)
        .map(|&(case, training)| {
            let report = case::check(dataset, case, training, &label_of);
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, cases.len());
            report
        })
        .collect();
    let mut faults = dataset.faults.clone();
    faults.extend(whole::check(dataset, &reports));
    faults.extend(reports.into_iter().flat_map(|report| report.faults));
    faults.sort_by(|a, b| (&a.case, a.severity, &a.file).cmp(&(&b.case, b.severity, &b.file)));
    faults
}

#[cfg(test)]
mod tests;
