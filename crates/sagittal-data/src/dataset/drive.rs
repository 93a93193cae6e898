//! DRIVE (Staal et al. 2004) and data sets laid out like it: `training|test/{images,1st_manual,2nd_manual,mask}`, files
//! matched by the number in front: `21_training.tif`, `21_manual1.gif`, `21_training_mask.gif`.

use super::{Case, Dataset, Label, Layout, MaskValue, listing};
use crate::DataError;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Opens a folder laid out as DRIVE.
pub(super) fn open(root: &Path) -> Result<Dataset, DataError> {
    let training = part(&root.join("training"))?;
    let test = part(&root.join("test"))?;
    if training.is_empty() && test.is_empty() {
        return Err(DataError::Dataset {
            path: root.join("training/images"),
            finding: "there is no image".into(),
            cure: "put the pictures there, named NUMBER_training.tif".into(),
        });
    }
    Ok(Dataset {
        root: root.into(),
        name: listing::folder_name(root),
        layout: Layout::Drive,
        channels: ["R", "G", "B"].map(String::from).into(),
        labels: vec![Label { value: 0, name: "background".into() }, Label { value: 1, name: "vessel".into() }],
        regions: Vec::new(),
        ignore_label: None,
        mask_values: vec![MaskValue { mask: 255, label: 1 }],
        training,
        test,
        faults: Vec::new(),
    })
}

fn part(folder: &Path) -> Result<Vec<Case>, DataError> {
    let by_number = |name: &str| -> Result<BTreeMap<String, PathBuf>, DataError> {
        Ok(listing::images(&folder.join(name))?.into_iter().map(|(stem, path)| (number(&stem).to_owned(), path)).collect())
    };
    let (first, second, regions) = (by_number("1st_manual")?, by_number("2nd_manual")?, by_number("mask")?);
    let images = listing::images(&folder.join("images"))?;
    let case = |(stem, path): (String, PathBuf)| {
        let of = |files: &BTreeMap<String, PathBuf>| files.get(number(&stem)).cloned();
        let (labels, second_labels, region) = (of(&first), of(&second), of(&regions));
        Case { id: stem, images: vec![path], labels, second_labels, region, group: None }
    };
    Ok(images.into_iter().map(case).collect())
}

/// What stands before the first underscore.
fn number(stem: &str) -> &str {
    stem.split('_').next().unwrap_or(stem)
}
