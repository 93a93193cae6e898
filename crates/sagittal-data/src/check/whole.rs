//! The faults of a data set as a whole: cases that differ, duplicates, patients on both sides, labels that never occur.

use super::{Fault, case::Report};
use crate::Dataset;
use sagittal_image::Rank;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn check(dataset: &Dataset, reports: &[Report]) -> Vec<Fault> {
    let mut faults = Vec::new();
    differing(reports, &mut faults);
    duplicates(reports, &mut faults);
    patients_on_both_sides(reports, &mut faults);
    let occurring: BTreeSet<u16> =
        reports.iter().filter(|report| report.training).flat_map(|report| report.labels.iter().copied()).collect();
    for label in dataset.labels.iter().filter(|label| label.value != 0 && !occurring.contains(&label.value)) {
        let finding = format!("label {} ({}) occurs in no training case", label.value, label.name);
        faults.push(Fault::note("", &dataset.root, &finding, "remove it from the labels, or add cases that have it"));
    }
    faults
}

/// Cases that are 2-D among 3-D ones, or have no spacing among those that have.
fn differing(reports: &[Report], faults: &mut Vec<Fault>) {
    let read: Vec<&Report> = reports.iter().filter(|report| report.rank.is_some()).collect();
    let words = |rank: Option<Rank>| if rank == Some(Rank::Two) { "2-D" } else { "3-D" };
    let n_three = read.iter().filter(|report| report.rank == Some(Rank::Three)).count();
    let usual = if 2 * n_three >= read.len() { Some(Rank::Three) } else { Some(Rank::Two) };
    for report in read.iter().filter(|report| report.rank != usual) {
        let finding = format!("this image is {}, most of the data set is {}", words(report.rank), words(usual));
        faults.push(Fault::error(&report.id, &report.file, &finding, "convert it, or make two data sets"));
    }
    let n_spaced = read.iter().filter(|report| report.spaced).count();
    if 0 < n_spaced && n_spaced < read.len() {
        let usual = 2 * n_spaced >= read.len();
        for report in read.iter().filter(|report| report.spaced != usual) {
            let finding = if usual {
                "this image has no spacing, most of the data set has"
            } else {
                "this image has a spacing, most of the data set has none"
            };
            faults.push(Fault::error(&report.id, &report.file, finding, "store all images in one format with their spacing"));
        }
    }
}

/// The same voxels under two names.
fn duplicates(reports: &[Report], faults: &mut Vec<Fault>) {
    let mut by_content: BTreeMap<[u8; 32], &Report> = BTreeMap::new();
    for report in reports {
        let Some(content) = report.content else { continue };
        let Some(first) = by_content.get(&content) else {
            by_content.insert(content, report);
            continue;
        };
        let (place, cure) = match (first.training != report.training, first.group == report.group && report.group.is_some()) {
            (true, _) => (", one for training, one for testing: the test score would be too good", "remove one of them"),
            (false, true) => (", the same patient", "remove one of them unless it is meant to count twice"),
            (false, false) => {
                (": a split may train on one and validate on the other", "remove one of them, or give both the same patient in groups.json")
            }
        };
        let finding = format!("the image is voxel by voxel that of case {}{place}", first.id);
        let same_patient = first.training == report.training && first.group == report.group && report.group.is_some();
        let fault = if same_patient { Fault::note } else { Fault::error };
        faults.push(fault(&report.id, &report.file, &finding, cure));
    }
}

fn patients_on_both_sides(reports: &[Report], faults: &mut Vec<Fault>) {
    let group_of = |training: bool| {
        reports.iter().filter(move |report| report.training == training).filter_map(|report| Some((report.group.as_ref()?, report)))
    };
    let training: BTreeMap<&String, &Report> = group_of(true).collect();
    for (group, report) in group_of(false) {
        if let Some(other) = training.get(group) {
            let finding = format!("patient {group} is also in training (case {}): the test score would be too good", other.id);
            faults.push(Fault::error(&report.id, &report.file, &finding, "keep all images of a patient on one side"));
        }
    }
}
