//! Two folders, `images/` and `masks/` (or `labels/`), with equally named files. Nothing describes them: the labels are
//! found by reading the masks, the channels by reading an image.

use super::{Case, Dataset, Label, Layout, MaskValue, listing};
use crate::{DataError, check::Fault};
use rayon::prelude::*;
use sagittal_image::io;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

/// Names of the folder with the masks.
pub(super) const MASK_FOLDERS: [&str; 5] = ["masks", "labels", "mask", "label", "annotations"];
/// What may follow the name of the image in the name of a mask.
const MASK_SUFFIXES: [&str; 14] = [
    "_mask",
    "_masks",
    "_label",
    "_labels",
    "_seg",
    "_segmentation",
    "_manual",
    "_manual1",
    "_gt",
    "_groundtruth",
    "_truth",
    "-mask",
    "-label",
    "-seg",
];
/// What may follow the name of the case in the name of an image.
const IMAGE_SUFFIXES: [&str; 5] = ["_image", "_img", "_0000", "-image", "-img"];
/// More distinct values than this are no labels: grey levels of a lossy format, or numbered instances.
const MOST_LABELS: usize = 64;

/// Opens a folder with `images/` and a folder of masks.
pub(super) fn open(root: &Path, masks: &str) -> Result<Dataset, DataError> {
    let error = |finding: String, cure: &str| Err(DataError::Dataset { path: root.into(), finding, cure: cure.into() });
    let images = listing::images(&root.join("images"))?;
    let mut masks: BTreeMap<String, PathBuf> =
        listing::images(&root.join(masks))?.into_iter().map(|(stem, path)| (strip(&stem, &MASK_SUFFIXES).to_owned(), path)).collect();
    let mut training: Vec<Case> = Vec::new();
    for (stem, path) in images {
        let name = strip(&stem, &IMAGE_SUFFIXES);
        if let Some(other) = training.iter().find(|case| case.id == name) {
            let other = listing::file_name(&other.images[0]);
            return error(format!("images/{other} and images/{} are both case {name}", listing::file_name(&path)), "rename one of them");
        }
        // An image that is itself called …_label keeps its name.
        let labels = masks.remove(name).or_else(|| masks.remove(strip(name, &MASK_SUFFIXES)));
        training.push(Case { id: name.to_owned(), images: vec![path], labels, ..Case::default() });
    }
    training.sort_by(|a, b| a.id.cmp(&b.id));
    let Some(first) = training.first() else {
        return error("images/ holds no image".into(), "put the images there");
    };
    let channels = channel_names(&first.images[0]);
    let (labels, mask_values) = labels_of(root, &training)?;
    let faults = masks
        .iter()
        .map(|(name, path)| Fault::error(name, path, "this mask has no image of that name", "add the image, or remove the mask"));
    Ok(Dataset {
        root: root.into(),
        name: listing::folder_name(root),
        layout: Layout::Folders,
        channels,
        labels,
        regions: Vec::new(),
        ignore_label: None,
        mask_values,
        faults: faults.collect(),
        training,
        test: Vec::new(),
    })
}

/// The stem without the longest of the suffixes it ends in.
fn strip<'a>(stem: &'a str, suffixes: &[&str]) -> &'a str {
    let matching = |suffix: &&&str| {
        stem.len() > suffix.len()
            && stem.is_char_boundary(stem.len() - suffix.len())
            && stem[stem.len() - suffix.len()..].eq_ignore_ascii_case(suffix)
    };
    suffixes.iter().filter(matching).map(|suffix| suffix.len()).max().map_or(stem, |length| &stem[..stem.len() - length])
}

/// Three channels are a colour picture; an unreadable first image is reported by the check.
fn channel_names(image: &Path) -> Vec<String> {
    match io::read_image(image).map(|image| image.channels.len()) {
        Ok(3) => ["R", "G", "B"].map(String::from).into(),
        Ok(n) if n > 1 => (0..n).map(|index| format!("channel_{index}")).collect(),
        _ => vec!["image".into()],
    }
}

/// Labels from the values in the masks: one value besides 0 is "foreground", several are numbered in ascending order.
fn labels_of(root: &Path, cases: &[Case]) -> Result<(Vec<Label>, Vec<MaskValue>), DataError> {
    let files: Vec<&PathBuf> = cases.iter().filter_map(|case| case.labels.as_ref()).collect();
    let values_of = |path: &&PathBuf| -> BTreeSet<u16> {
        let mut seen = vec![false; 1 << 16];
        if let Ok(map) = io::read_label_map(path) {
            map.labels.voxels().iter().for_each(|&value| seen[usize::from(value)] = true);
        }
        (1..=u16::MAX).filter(|&value| seen[usize::from(value)]).take(MOST_LABELS + 1).collect()
    };
    let found: Vec<BTreeSet<u16>> = files.par_iter().map(values_of).collect();
    if let Some(index) = found.iter().position(|values| values.len() > MOST_LABELS) {
        return Err(DataError::Dataset {
            path: files[index].clone(),
            finding: format!("this mask has more than {MOST_LABELS} different values"),
            cure: "store masks without loss (PNG, not JPEG) and with one value per structure, not per instance".into(),
        });
    }
    let values: BTreeSet<u16> = found.into_iter().flatten().collect();
    if values.is_empty() {
        return Err(DataError::Dataset {
            path: root.into(),
            finding: format!("none of the {} masks has a voxel above 0", files.len()),
            cure: "mark the structures with values above 0, and name every mask as its image".into(),
        });
    }
    if values.len() > MOST_LABELS {
        return Err(DataError::Dataset {
            path: root.into(),
            finding: format!("the masks together have {} different values", values.len()),
            cure: "use one value per structure, the same in all masks".into(),
        });
    }
    let name = |index: usize| if values.len() == 1 { "foreground".to_owned() } else { format!("label_{index}") };
    let mut labels = vec![Label { value: 0, name: "background".into() }];
    labels.extend((1..=values.len()).map(|index| Label { value: index as u16, name: name(index) }));
    let mapping: Vec<MaskValue> = values.iter().zip(1u16..).map(|(&mask, label)| MaskValue { mask, label }).collect();
    let as_they_are = mapping.iter().all(|value| value.mask == value.label);
    Ok((labels, if as_they_are { Vec::new() } else { mapping }))
}
