//! The faults of one case by itself.

use super::Fault;
use crate::{
    Dataset,
    dataset::{Case, GRID_TOLERANCE, MaskValue},
};
use sagittal_image::{Geometry, Image, LabelMap, Rank, Volume, io};
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, path::Path};

/// What is remembered of a case that was read.
pub(super) struct Report {
    pub(super) id: String,
    pub(super) group: Option<String>,
    pub(super) training: bool,
    pub(super) file: std::path::PathBuf,
    /// `None` where no channel could be read.
    pub(super) rank: Option<Rank>,
    pub(super) n_channels: usize,
    /// Spacing `[Z, Y, X]`, where the image has a physical size; in 2-D the first is 1.
    pub(super) spacing_mm: Option<[f64; 3]>,
    /// Label values that occur.
    pub(super) labels: Vec<u16>,
    /// SHA-256 of the voxels.
    pub(super) content: Option<[u8; 32]>,
    pub(super) faults: Vec<Fault>,
}

/// Reads a case and lists its faults.
pub(super) fn check(dataset: &Dataset, case: &Case, training: bool, label_of: &[Option<u16>]) -> Report {
    let file = case.images.first().cloned().unwrap_or_default();
    let (id, group) = (case.id.clone(), case.group.clone());
    let mut report = Report {
        id,
        group,
        training,
        file,
        rank: None,
        n_channels: 0,
        spacing_mm: None,
        labels: Vec::new(),
        content: None,
        faults: Vec::new(),
    };
    let geometry = check_images(dataset, case, &mut report);
    match &case.labels {
        Some(path) => {
            if let Some(map) = read_labels(case, path, "labels", geometry.as_ref(), &mut report) {
                check_values(dataset, case, path, &map.labels, label_of, &mut report);
                if training {
                    check_ignored(dataset, case, path, &map.labels, &mut report);
                }
            }
        }
        None if training => {
            let finding = "this case has no labels";
            report.faults.push(Fault::error(&case.id, &report.file, finding, "add the label map, or move the image to the test cases"));
        }
        None => {}
    }
    if let Some(path) = &case.second_labels {
        read_labels(case, path, "the second observer's labels", geometry.as_ref(), &mut report);
    }
    if let Some(path) = &case.region {
        read_labels(case, path, "the region", geometry.as_ref(), &mut report);
    }
    report
}

/// All channels; gives the grid of the first one that could be read.
fn check_images(dataset: &Dataset, case: &Case, report: &mut Report) -> Option<Geometry> {
    let mut first: Option<Geometry> = None;
    let mut content = Sha256::new();
    let mut complete = true;
    for (index, path) in case.images.iter().enumerate() {
        if !path.is_file() {
            let name = dataset.channels.get(index).map_or("", String::as_str);
            let finding = format!("channel {index} ({name}) is missing: there is no file {}", dataset.relative(path).display());
            report.faults.push(Fault::error(&case.id, path, &finding, "add the file, or remove the case"));
            complete = false;
            continue;
        }
        let image = match io::read_image(path) {
            Ok(image) => image,
            Err(error) => {
                report.faults.push(unreadable(case, path, &error));
                complete = false;
                continue;
            }
        };
        for channel in &image.channels {
            channel.voxels().iter().for_each(|voxel| content.update(voxel.to_le_bytes()));
        }
        content.update(format!("{:?}", image.geometry.shape));
        check_intensities(case, path, &image, report);
        check_spacing(case, path, &image.geometry, report);
        report.n_channels += image.channels.len();
        match &first {
            None => first = Some(image.geometry),
            Some(first) => {
                if let Err(mismatch) = first.same_grid(&image.geometry, GRID_TOLERANCE) {
                    let finding = format!("channel {index} is on another grid than the first: {mismatch}");
                    report.faults.push(Fault::error(&case.id, path, &finding, "resample it onto the first channel's grid"));
                }
            }
        }
    }
    if let Some(geometry) = &first {
        report.rank = Some(geometry.rank);
        report.spacing_mm = geometry.spacing_mm.map(|[z, y, x]| if geometry.rank == Rank::Two { [1.0, y, x] } else { [z, y, x] });
    }
    if complete && first.is_some() {
        report.content = Some(content.finalize().into());
        if report.n_channels != dataset.channels.len() {
            let names = dataset.channels.join(", ");
            let finding = format!("{} channel(s), the data set has {} ({names})", report.n_channels, dataset.channels.len());
            report.faults.push(Fault::error(&case.id, &report.file, &finding, "convert the image, or correct the channel names"));
        }
    }
    first
}

fn check_intensities(case: &Case, path: &Path, image: &Image, report: &mut Report) {
    for (index, channel) in image.channels.iter().enumerate() {
        let voxels = channel.voxels();
        let odd = voxels.iter().filter(|voxel| !voxel.is_finite()).count();
        if let Some(first) = voxels.iter().position(|voxel| !voxel.is_finite()) {
            let finding = format!(
                "channel {index} has {odd} voxel(s) that are NaN or infinite, the first at {:?} (z, y, x)",
                position(channel.shape(), first)
            );
            report.faults.push(Fault::error(&case.id, path, &finding, "replace them, for instance by 0"));
        } else if voxels.iter().all(|voxel| *voxel == voxels[0]) {
            let value = voxels.first().copied().unwrap_or_default();
            let finding = format!("channel {index} is {value} everywhere");
            report.faults.push(Fault::error(&case.id, path, &finding, "export the image again, or remove the case"));
        }
    }
}

fn check_spacing(case: &Case, path: &Path, geometry: &Geometry, report: &mut Report) {
    let Some(spacing) = geometry.spacing_mm else { return };
    let axes = if geometry.rank == Rank::Two { 1..3 } else { 0..3 };
    for axis in axes {
        let mm = spacing[axis];
        if !(mm.is_finite() && mm > 0.0) {
            let finding = format!("spacing along {} is {mm} mm", ["Z", "Y", "X"][axis]);
            report.faults.push(Fault::error(&case.id, path, &finding, "write the true spacing into the header"));
        }
    }
}

/// Reads a label map and compares its grid with the image's.
fn read_labels(case: &Case, path: &Path, what: &str, image: Option<&Geometry>, report: &mut Report) -> Option<LabelMap> {
    if !path.is_file() {
        report.faults.push(Fault::error(&case.id, path, &format!("{what}: the file is missing"), "add the file, or remove the case"));
        return None;
    }
    let map = match io::read_label_map(path) {
        Ok(map) => map,
        Err(error) => {
            report.faults.push(unreadable(case, path, &error));
            return None;
        }
    };
    if let Some(Err(mismatch)) = image.map(|image| image.same_grid(&map.geometry, GRID_TOLERANCE)) {
        let finding = format!("{what}: another grid than the image: {mismatch}");
        report.faults.push(Fault::error(&case.id, path, &finding, "draw or resample the labels on the image's grid"));
    }
    Some(map)
}

/// Compares the values with the declared labels.
fn check_values(dataset: &Dataset, case: &Case, path: &Path, labels: &Volume<u16>, label_of: &[Option<u16>], report: &mut Report) {
    let mut counts: BTreeMap<u16, (usize, usize)> = BTreeMap::new(); // value => (voxels, first)
    for (index, &value) in labels.voxels().iter().enumerate() {
        // Runs of equal values are long: the map is asked once a run.
        if index > 0 && labels.voxels()[index - 1] == value {
            continue;
        }
        counts.entry(value).or_insert((0, index));
    }
    labels.voxels().chunk_by(|a, b| a == b).for_each(|run| counts.entry(run[0]).or_default().0 += run.len());
    for (value, (count, first)) in counts {
        match label_of[usize::from(value)] {
            Some(label) => report.labels.push(label),
            None => {
                let at = position(labels.shape(), first);
                let finding =
                    format!("value {value} is no declared label ({}): {count} voxel(s), the first at {at:?} (z, y, x)", declared(dataset));
                report.faults.push(Fault::error(&case.id, path, &finding, "correct the voxels, or declare the label"));
            }
        }
    }
}

/// Something must be labelled.
fn check_ignored(dataset: &Dataset, case: &Case, path: &Path, labels: &Volume<u16>, report: &mut Report) {
    let Some(ignored) = dataset.ignore_label else { return };
    if labels.voxels().iter().all(|value| *value == ignored) {
        let finding = format!("every voxel has value {ignored}, which says that nobody labelled it");
        report.faults.push(Fault::error(&case.id, path, &finding, "label a part of the image, or remove the case"));
    }
}

fn declared(dataset: &Dataset) -> String {
    let mut values: Vec<String> = if dataset.mask_values.is_empty() {
        dataset.labels.iter().map(|label| label.value.to_string()).collect()
    } else {
        std::iter::once(0).chain(dataset.mask_values.iter().map(|&MaskValue { mask, .. }| mask)).map(|mask| mask.to_string()).collect()
    };
    values.extend(dataset.ignore_label.map(|value| format!("{value} = ignore")));
    values.join(", ")
}

fn unreadable(case: &Case, path: &Path, error: &sagittal_image::ImageError) -> Fault {
    let mut finding = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        finding += &format!(": {inner}");
        source = inner.source();
    }
    Fault::error(&case.id, path, &finding, "export the file again, or remove the case")
}

fn position([_, y, x]: [usize; 3], index: usize) -> [usize; 3] {
    [index / (y * x), index / x % y, index % x]
}
