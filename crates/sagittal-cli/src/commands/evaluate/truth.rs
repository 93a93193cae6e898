//! What is known about the reference besides its files: labels, case names, the region that counts.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use sagittal_data::{Case, Dataset, dataset::MaskValue};
use sagittal_image::Volume;
use sagittal_metrics::LabelName;
use serde_json::Value;

/// What is known about the reference.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    /// The labels to score, background left out; `None` where nobody declared any.
    pub(crate) labels: Option<Vec<LabelName>>,
    /// Voxels of the reference with this value are not scored (nnU-Net's label `ignore`).
    pub(crate) ignore: Option<u16>,
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
        match declared {
            Some(file) => truth.labels = Some(read_labels(file)?),
            None if truth.labels.is_none() => truth.labels = beside().map(|file| read_labels(&file)).transpose()?,
            None => {}
        }
        if let Some(labels) = &mut truth.labels {
            labels.retain(|label| label.value != 0);
            truth.ignore = labels.iter().find(|label| label.name == "ignore").map(|label| label.value);
            labels.retain(|label| label.name != "ignore");
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
        let labels = dataset.labels.into_iter().map(|label| LabelName { value: label.value, name: label.name }).collect();
        (!cases.is_empty()).then_some(Self { labels: Some(labels), ignore: None, mask_values: dataset.mask_values, cases })
    }

    /// The data set's case that `file` is the reference of.
    pub(crate) fn case_of(&self, file: &Path) -> Option<&Case> {
        self.cases.get(&file.canonicalize().ok()?)
    }

    /// Puts labels in the place of the values that stand for them in mask files (255 for 1).
    pub(crate) fn apply_mask_values(&self, labels: &mut Volume<u16>) {
        if self.mask_values.is_empty() {
            return;
        }
        for voxel in labels.voxels_mut() {
            if let Some(pair) = self.mask_values.iter().find(|pair| pair.mask == *voxel) {
                *voxel = pair.label;
            }
        }
    }
}

/// Reads the labels of a `dataset.json`: nnU-Net's `{"name": 1}` or the Decathlon's `{"1": "name"}`.
pub(crate) fn read_labels(file: &Path) -> anyhow::Result<Vec<LabelName>> {
    let act = || format!("reading labels from {}", file.display());
    let text = std::fs::read_to_string(file).with_context(act)?;
    let json: Value = serde_json::from_str(&text).with_context(act)?;
    let labels =
        json["labels"].as_object().context("expected an object `labels`, such as {\"background\": 0, \"vessel\": 1}").with_context(act)?;
    let mut labels: Vec<LabelName> =
        labels.iter().map(|(key, value)| label(key, value)).collect::<anyhow::Result<_>>().with_context(act)?;
    labels.sort_by_key(|label| label.value);
    Ok(labels)
}

fn label(key: &str, value: &Value) -> anyhow::Result<LabelName> {
    let number = |text: &str| text.parse::<u16>().ok();
    match value {
        Value::Number(value) => {
            let value = value.as_u64().and_then(|value| u16::try_from(value).ok());
            Ok(LabelName {
                value: value.with_context(|| format!("label `{key}` is not a whole number from 0 to 65535"))?,
                name: key.to_owned(),
            })
        }
        Value::String(text) => match (number(text), number(key)) {
            (Some(value), _) => Ok(LabelName { value, name: key.to_owned() }),
            (None, Some(value)) => Ok(LabelName { value, name: text.clone() }),
            (None, None) => bail!("neither `{key}` nor `{text}` is a label's number"),
        },
        Value::Array(_) => bail!("label `{key}` is a region of several labels, which is not supported; give each label one number"),
        _ => bail!("label `{key}` has no number; write \"{key}\": 1"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_labels_are_read_and_others_are_refused() {
        let name = |value, name: &str| LabelName { value, name: name.to_owned() };
        let cases: [(&str, Result<Vec<LabelName>, &str>); 8] = [
            (r#"{"labels": {"background": 0, "vessel": 1}}"#, Ok(vec![name(0, "background"), name(1, "vessel")])),
            (r#"{"labels": {"1": "vessel", "0": "background"}}"#, Ok(vec![name(0, "background"), name(1, "vessel")])),
            (r#"{"labels": {"vessel": "1"}}"#, Ok(vec![name(1, "vessel")])),
            (r#"{"labels": {"whole": [1, 2]}}"#, Err("region of several labels")),
            (r#"{"labels": {"vessel": -1}}"#, Err("not a whole number")),
            (r#"{"labels": {"a": "b"}}"#, Err("neither `a` nor `b`")),
            (r#"{"labels": 3}"#, Err("expected an object `labels`")),
            ("{", Err("EOF")),
        ];
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("dataset.json");
        for (text, expected) in cases {
            std::fs::write(&file, text).unwrap();
            match (read_labels(&file).map_err(|error| format!("{error:#}")), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{text}"),
                (Err(found), Err(part)) => assert!(found.contains(part) && found.contains("dataset.json"), "{text}: {found}"),
                (found, expected) => panic!("{text}: {found:?}, expected {expected:?}"),
            }
        }
    }
}
