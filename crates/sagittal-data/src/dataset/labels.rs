//! The labels that a `dataset.json` declares: plain ones, regions that overlap, and the value of voxels nobody labelled.
//!
//! nnU-Net's form: `"labels": {"background": 0, "tumour": [1, 2], "core": 2, "ignore": 3}` with
//! `"regions_class_order": [1, 2]`; as soon as one entry lists several values every entry is a region, in the order of
//! the file. The older form, `{"0": "background", "1": "liver"}`, is read as well.

use super::{Label, Region};
use crate::DataError;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::path::Path;

/// The name under which nnU-Net declares the value of voxels that nobody labelled.
const IGNORE: &str = "ignore";

/// What a `dataset.json` says about label values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeclaredLabels {
    /// Plain labels, ascending in value, the background among them if it is declared. Of regions those values that the
    /// file gives no name of their own are called `label 1`, `label 2`, ….
    pub labels: Vec<Label>,
    /// Regions in the order of the file; empty where labels exclude each other.
    pub regions: Vec<Region>,
    /// Value of voxels that nobody labelled.
    pub ignore: Option<u16>,
}

/// The two fields that matter, with everything else passed over.
#[derive(Deserialize)]
struct File {
    labels: Map<String, Value>,
    #[serde(default)]
    regions_class_order: Option<Value>,
}

/// A value or several under one name.
struct Entry {
    name: String,
    values: Vec<u16>,
}

impl DeclaredLabels {
    /// Reads the labels of a `dataset.json`, whatever else it holds.
    ///
    /// # Errors
    /// If the file cannot be read, has no `labels`, or they contradict each other.
    pub fn read(path: &Path) -> Result<Self, DataError> {
        let file: File = crate::json::read(path)?;
        Self::of(&file.labels, file.regions_class_order.as_ref(), path)
    }

    /// Understands the fields `labels` and `regions_class_order` of the file `path`.
    pub(super) fn of(labels: &Map<String, Value>, order: Option<&Value>, path: &Path) -> Result<Self, DataError> {
        let error = |finding: String, cure: &str| DataError::Dataset { path: path.into(), finding, cure: cure.into() };
        let entries = labels
            .iter()
            .map(|(key, value)| entry(key, value).map_err(|finding| error(finding, "use integers from 0 to 65535")))
            .collect::<Result<Vec<Entry>, _>>()?;
        let (ignored, declared): (Vec<Entry>, Vec<Entry>) = entries.into_iter().partition(|entry| entry.name == IGNORE);
        let mut labels: Vec<Label> = Vec::new();
        for entry in declared.iter().filter(|entry| entry.values.len() == 1) {
            let label = Label { value: entry.values[0], name: entry.name.clone() };
            if let Some(same) = labels.iter().find(|other| other.value == label.value) {
                let finding = format!("labels {:?} and {:?} have the same value {}", same.name, label.name, label.value);
                return Err(error(finding, "give each its own"));
            }
            labels.push(label);
        }
        for &value in declared.iter().flat_map(|entry| &entry.values) {
            if labels.iter().all(|label| label.value != value) {
                labels.push(Label { value, name: format!("label {value}") });
            }
        }
        labels.sort_by_key(|label| label.value);
        let ignore = match ignored.first().map(|entry| &entry.values[..]) {
            None => None,
            Some([value]) if labels.last().is_some_and(|label| label.value.checked_add(1) == Some(*value)) => Some(*value),
            Some(values) => {
                let next = labels.last().map_or(1, |label| u32::from(label.value) + 1);
                let finding = format!("label \"{IGNORE}\" has value {values:?}, expected {next}, the highest label and 1");
                return Err(error(finding, "give it that value, in the file and in the label maps"));
            }
        };
        let regions = match declared.iter().any(|entry| entry.values.len() > 1) {
            true => regions(declared, order, &labels).map_err(|(finding, cure)| error(finding, &cure))?,
            false => Vec::new(),
        };
        Ok(Self { labels, regions, ignore })
    }
}

/// One entry of `labels`, in either form.
fn entry(key: &str, value: &Value) -> Result<Entry, String> {
    let wrong = |name: &str, value: &Value| format!("label {name:?} has value {value}");
    let number = |value: &Value| {
        let number = value.as_u64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
        number.and_then(|number| u16::try_from(number).ok())
    };
    match (value, number(value), key.parse::<u16>()) {
        (Value::Array(list), ..) => {
            let mut values = list.iter().map(number).collect::<Option<Vec<u16>>>().ok_or_else(|| wrong(key, value))?;
            values.sort_unstable();
            values.dedup();
            if values.is_empty() { Err(wrong(key, value)) } else { Ok(Entry { name: key.into(), values }) }
        }
        (_, Some(value), _) => Ok(Entry { name: key.into(), values: vec![value] }),
        // The older form is {"1": "liver"}.
        (Value::String(name), None, Ok(value)) => Ok(Entry { name: name.clone(), values: vec![value] }),
        _ => Err(wrong(key, value)),
    }
}

/// All entries but the background as regions, each with what `regions_class_order` says is painted; else what was found
/// and the cure.
fn regions(declared: Vec<Entry>, order: Option<&Value>, labels: &[Label]) -> Result<Vec<Region>, (String, String)> {
    let entries: Vec<Entry> = declared.into_iter().filter(|entry| entry.values != [0]).collect();
    let cure = format!("write \"regions_class_order\" with {} labels, one for each region in the order of \"labels\"", entries.len());
    if let Some(entry) = entries.iter().find(|entry| entry.values.contains(&0)) {
        return Err((format!("region {:?} contains the background", entry.name), "remove value 0 from it".into()));
    }
    let Some(order) = order.filter(|order| !order.is_null()) else {
        return Err(("labels holds regions, but there is no regions_class_order".into(), cure));
    };
    let painted = |value: &Value| value.as_u64().and_then(|value| u16::try_from(value).ok());
    let Some(painted) = order.as_array().and_then(|list| list.iter().map(painted).collect::<Option<Vec<u16>>>()) else {
        return Err((format!("regions_class_order is {order}"), cure));
    };
    if painted.len() != entries.len() {
        return Err((format!("regions_class_order has {} labels for {} regions", painted.len(), entries.len()), cure));
    }
    if let Some(value) = painted.iter().find(|value| **value == 0 || labels.iter().all(|label| label.value != **value)) {
        return Err((format!("regions_class_order holds {value}, which is no value of the regions"), cure));
    }
    if let Some((at, value)) = painted.iter().enumerate().find(|(at, value)| painted[..*at].contains(value)) {
        return Err((format!("regions_class_order holds {value} twice, the second time for {:?}", entries[at].name), cure));
    }
    Ok(entries.into_iter().zip(painted).map(|(Entry { name, values }, painted)| Region { name, values, painted }).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn read(text: &str) -> Result<DeclaredLabels, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dataset.json");
        std::fs::write(&path, text).unwrap();
        DeclaredLabels::read(&path).map_err(|error| error.to_string())
    }

    fn label(value: u16, name: &str) -> Label {
        Label { value, name: name.into() }
    }

    #[test]
    fn both_forms_regions_and_ignore_are_read() {
        let plain = vec![label(0, "background"), label(1, "vessel")];
        for text in [
            r#"{"labels": {"background": 0, "vessel": 1}}"#,
            r#"{"labels": {"1": "vessel", "0": "background"}}"#,
            r#"{"labels": {"vessel": "1", "background": [0]}, "regions_class_order": [1]}"#,
        ] {
            assert_eq!(read(text), Ok(DeclaredLabels { labels: plain.clone(), ..DeclaredLabels::default() }), "{text}");
        }
        let text = r#"{"labels": {"background": 0, "whole": [1, 3, 2], "core": [2, 3], "active": 3, "ignore": 4},
                       "regions_class_order": [1, 2, 3], "channel_names": {"0": "T1"}}"#;
        let found = read(text).unwrap();
        assert_eq!(found.labels, [label(0, "background"), label(1, "label 1"), label(2, "label 2"), label(3, "active")]);
        // Regions come in the order of the file, not of their names.
        let region = |name: &str, values: &[u16], painted| Region { name: name.into(), values: values.into(), painted };
        assert_eq!(found.regions, [region("whole", &[1, 2, 3], 1), region("core", &[2, 3], 2), region("active", &[3], 3)]);
        assert_eq!(found.ignore, Some(4));
    }

    #[test]
    fn contradictions_are_named() {
        for (text, message) in [
            (r#"{"labels": {"background": 0, "a": -1}}"#, "label \"a\" has value -1"),
            (r#"{"labels": {"background": 0, "a": 70000}}"#, "label \"a\" has value 70000"),
            (r#"{"labels": {"a": "b"}}"#, "label \"a\" has value \"b\""),
            (r#"{"labels": {"background": 0, "a": []}}"#, "label \"a\" has value []"),
            (r#"{"labels": {"background": 0, "a": 1, "b": 1}}"#, "\"a\" and \"b\" have the same value 1"),
            (r#"{"labels": {"background": 0, "a": 1, "ignore": 3}}"#, "label \"ignore\" has value [3], expected 2"),
            (r#"{"labels": {"background": 0, "a": 1, "ignore": [2, 3]}}"#, "label \"ignore\" has value [2, 3], expected 2"),
            (r#"{"labels": {"background": 0, "a": [1, 2]}}"#, "there is no regions_class_order"),
            (r#"{"labels": {"background": 0, "a": [1, 2], "b": 2}, "regions_class_order": [1]}"#, "has 1 labels for 2 regions"),
            (r#"{"labels": {"background": 0, "a": [1, 2]}, "regions_class_order": [7]}"#, "holds 7, which is no value"),
            (r#"{"labels": {"background": 0, "a": [1, 2], "b": 2}, "regions_class_order": [1, 1]}"#, "holds 1 twice"),
            (r#"{"labels": {"background": 0, "a": [1, 2]}, "regions_class_order": "1"}"#, "regions_class_order is \"1\""),
            (r#"{"labels": {"background": 0, "a": [0, 1]}, "regions_class_order": [1]}"#, "region \"a\" contains the background"),
            (r#"{"labels": 3}"#, "dataset.json is not the JSON that was expected"),
        ] {
            let found = read(text).unwrap_err();
            assert!(found.contains(message) && found.contains("dataset.json"), "{text}: {found}");
        }
    }
}
