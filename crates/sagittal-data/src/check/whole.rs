//! The faults of a data set as a whole: cases that differ, duplicates, patients on both sides, labels that never occur.

use super::{Fault, case::Report};
use crate::{Dataset, dataset::Region};
use sagittal_image::Rank;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn check(dataset: &Dataset, reports: &[Report]) -> Vec<Fault> {
    let mut faults = Vec::new();
    differing(reports, &mut faults);
    duplicates(reports, &mut faults);
    patients_on_both_sides(reports, &mut faults);
    let occurring: BTreeSet<u16> =
        reports.iter().filter(|report| report.training).flat_map(|report| report.labels.iter().copied()).collect();
    hidden_regions(dataset, &mut faults);
    strange_spacings(reports, &mut faults);
    if let Some(ignored) = dataset.ignore_label.filter(|ignored| !occurring.contains(ignored)) {
        let finding = format!("value {ignored} (ignore) occurs in no training case");
        faults.push(Fault::note("", &dataset.root, &finding, "remove it from the labels: without it training is simpler"));
    }
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
    let n_spaced = read.iter().filter(|report| report.spacing_mm.is_some()).count();
    if 0 < n_spaced && n_spaced < read.len() {
        let usual = 2 * n_spaced >= read.len();
        for report in read.iter().filter(|report| report.spacing_mm.is_some() != usual) {
            let finding = if usual {
                "this image has no spacing, most of the data set has"
            } else {
                "this image has a spacing, most of the data set has none"
            };
            faults.push(Fault::error(&report.id, &report.file, finding, "store all images in one format with their spacing"));
        }
    }
}

/// Regions that a later, larger one writes over everywhere.
fn hidden_regions(dataset: &Dataset, faults: &mut Vec<Fault>) {
    for (index, region) in dataset.regions.iter().enumerate() {
        let hides = |later: &&Region| later.painted != region.painted && region.values.iter().all(|value| later.values.contains(value));
        if let Some(later) = dataset.regions[index + 1..].iter().find(hides) {
            let finding = format!(
                "region {} lies within {}, which comes after it and is written over it, so that predictions never show it",
                region.name, later.name
            );
            faults.push(Fault::error("", &dataset.root, &finding, "list the larger region first, in labels and in regions_class_order"));
        }
    }
}

/// Times by which a spacing is off the data set's median before metres or inches are likelier than another scanner: slices
/// of 0.5 mm and of 10 mm, a factor of 20, do occur side by side.
const STRANGE_FACTOR: f64 = 30.0;
/// Spacings outside this, in mm, are those of no scanner, whatever the other cases have: 1 µm for microscopes, 1 m.
const POSSIBLE_MM: std::ops::RangeInclusive<f64> = 1e-6..=1e3;

/// Spacings that cannot be true, or are far from those of the other cases: one such case ruins the plan or the memory.
fn strange_spacings(reports: &[Report], faults: &mut Vec<Fault>) {
    let spaced: Vec<(&Report, [f64; 3])> = reports.iter().filter_map(|report| Some((report, report.spacing_mm?))).collect();
    for axis in 0..3 {
        let is_positive = |mm: &f64| mm.is_finite() && *mm > 0.0;
        let mut along: Vec<f64> = spaced.iter().map(|(_, spacing)| spacing[axis]).filter(is_positive).collect();
        let median = crate::statistics::median(&mut along);
        for (report, spacing) in &spaced {
            let (mm, name) = (spacing[axis], ["Z", "Y", "X"][axis]);
            // What is no length at all is a fault of the case by itself.
            if !is_positive(&mm) {
                continue;
            }
            let times = (mm / median).max(median / mm);
            let finding = if !POSSIBLE_MM.contains(&mm) {
                format!("spacing along {name} is {mm} mm, which no scanner has")
            } else if times >= STRANGE_FACTOR {
                let more = if mm > median { "more" } else { "less" };
                format!("spacing along {name} is {mm} mm, {times:.0} times {more} than the data set's median of {median} mm")
            } else {
                continue;
            };
            let cure = "write the true spacing in millimetres into the header, or remove the case";
            faults.push(Fault::error(&report.id, &report.file, &finding, cure));
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
