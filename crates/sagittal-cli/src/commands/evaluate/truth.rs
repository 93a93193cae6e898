//! What is known about the reference besides its files: labels, case names, the region that counts.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use anyhow::Context;
use sagittal_data::{
    Case, Dataset, Label,
    dataset::{DeclaredLabels, MaskValue, Region},
};
use sagittal_image::Volume;
use sagittal_metrics::LabelName;

/// What is known about the reference.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    /// The labels to score, background left out; `None` where nobody declared any.
    pub(crate) labels: Option<Vec<LabelName>>,
    /// Voxels of the reference with this value are not scored (nnU-Net's label `ignore`).
    pub(crate) ignore: Option<u16>,
    /// Regions that labels make up and that are scored instead of them; networks then give the probabilities of regions, too.
    pub(crate) regions: Vec<Region>,
    mask_values: Vec<MaskValue>,
    /// The data set's case for each of its label files, by absolute path.
    cases: HashMap<PathBuf, Case>,
}

impl Truth {
    /// Looks around `reference`: for the data set that it belongs to, or else for a `dataset.json`.
    ///
    /// `declared` is a `dataset.json` that the user named; its labels go first.
    pub(crate) fn about(reference: &Path, declared: Option<&Path>) -> anyhow::Result<Self> {
        let reference = reference.canonicalize().with_context(|| format!("cannot open {}", reference.display()))?;
        let mut truth = reference.ancestors().skip(1).take(3).find_map(|root| Self::of_dataset(root, &reference)).unwrap_or_default();
        let beside = || reference.ancestors().take(3).map(|folder| folder.join("dataset.json")).find(|file| file.is_file());
        let file = match declared {
            Some(file) => Some(file.to_owned()),
            None if truth.labels.is_none() => beside(),
            None => None,
        };
        if let Some(file) = file {
            let DeclaredLabels { labels, regions, ignore } = DeclaredLabels::read(&file)?;
            (truth.labels, truth.ignore, truth.regions) = (Some(named(labels)), ignore, regions);
        }
        if let Some(labels) = &mut truth.labels {
            labels.retain(|label| label.value != 0);
        }
        Ok(truth)
    }

    /// The data set in `root`, if there is one and `reference` lies in it.
    fn of_dataset(root: &Path, reference: &Path) -> Option<Self> {
        let dataset = Dataset::open(root).ok()?;
        let mut cases = HashMap::new();
        for case in dataset.training.iter().chain(&dataset.test) {
            for file in [&case.labels, &case.second_labels].into_iter().flatten() {
                if let Ok(file) = file.canonicalize()
                    && file.starts_with(reference)
                {
                    cases.insert(file, case.clone());
                }
            }
        }
        (!cases.is_empty()).then(|| Self {
            labels: Some(named(dataset.labels)),
            ignore: dataset.ignore_label,
            regions: dataset.regions,
            mask_values: dataset.mask_values,
            cases,
        })
    }

    /// The data set's case that `file` is the reference of.
    pub(crate) fn case_of(&self, file: &Path) -> Option<&Case> {
        self.cases.get(&file.canonicalize().ok()?)
    }

    /// Puts labels in the place of the values that stand for them in mask files (255 for 1), in a map and in the list of its values.
    pub(crate) fn apply_mask_values(&self, labels: &mut Volume<u16>, values: &mut [u16]) {
        if !self.mask_values.iter().any(|pair| values.contains(&pair.mask)) {
            return;
        }
        for voxel in labels.voxels_mut().iter_mut().chain(values) {
            if let Some(pair) = self.mask_values.iter().find(|pair| pair.mask == *voxel) {
                *voxel = pair.label;
            }
        }
    }
}

/// Reads the labels of a `dataset.json`, the value of voxels that nobody labelled among them.
pub(crate) fn read_labels(file: &Path) -> anyhow::Result<Vec<LabelName>> {
    let declared = DeclaredLabels::read(file)?;
    let ignored = declared.ignore.map(|value| LabelName { value, name: "ignore".to_owned() });
    Ok(named(declared.labels).into_iter().chain(ignored).collect())
}

fn named(labels: Vec<Label>) -> Vec<LabelName> {
    labels.into_iter().map(|Label { value, name }| LabelName { value, name }).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_named_goes_first_and_says_what_is_not_scored() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("dataset.json");
        std::fs::write(&file, r#"{"labels": {"background": 0, "a": [1, 2], "b": 2, "ignore": 3}, "regions_class_order": [1, 2]}"#).unwrap();
        let name = |value, name: &str| LabelName { value, name: name.to_owned() };
        assert_eq!(read_labels(&file).unwrap(), [name(0, "background"), name(1, "label 1"), name(2, "b"), name(3, "ignore")]);
        // Found beside the reference, or named.
        for declared in [None, Some(&*file)] {
            let truth = Truth::about(&file, declared).unwrap();
            assert_eq!(truth.labels, Some(vec![name(1, "label 1"), name(2, "b")]));
            assert!(truth.ignore == Some(3) && truth.regions.len() == 2);
        }
        std::fs::write(&file, "{").unwrap();
        let error = format!("{:#}", read_labels(&file).unwrap_err());
        assert!(error.contains("dataset.json is not the JSON") && error.contains("EOF"), "{error}");
    }
}
