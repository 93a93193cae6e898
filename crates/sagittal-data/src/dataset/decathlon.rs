//! Medical Segmentation Decathlon: `dataset.json` lists the files; a 4-D image holds all channels.

use super::{
    Case, Dataset, Layout,
    description::{Description, Listed},
    listing,
};
use crate::DataError;
use std::{collections::HashSet, path::Path};

/// Opens a folder that has a Decathlon `dataset.json`.
pub(super) fn open(root: &Path, description: Description) -> Result<Dataset, DataError> {
    let case = |listed: Listed| {
        let image = root.join(&listed.images[0]);
        let id = sagittal_image::io::image_stem(&image).unwrap_or_else(|| listing::file_name(&image)).to_owned();
        Case { id, images: vec![image], labels: listed.label.map(|label| root.join(label)), ..Case::default() }
    };
    let sorted = |listed: Vec<Listed>| {
        let mut cases: Vec<Case> = listed.into_iter().map(case).collect();
        cases.sort_by(|a, b| a.id.cmp(&b.id));
        cases
    };
    let training = sorted(description.decathlon_training());
    let mut seen = HashSet::new();
    if let Some(twice) = training.iter().find(|case| !seen.insert(&case.id)) {
        return Err(description.error(format!("training lists {} twice", twice.id), "remove one of the entries"));
    }
    let declared = description.labels()?;
    Ok(Dataset {
        root: root.into(),
        name: description.name.clone().filter(|name| !name.trim().is_empty()).unwrap_or_else(|| listing::folder_name(root)),
        layout: Layout::Decathlon,
        channels: description.channels()?,
        labels: declared.labels,
        regions: declared.regions,
        ignore_label: declared.ignore,
        mask_values: Vec::new(),
        test: sorted(description.decathlon_test()),
        training,
        faults: Vec::new(),
    })
}
