//! `dataset.json` of a trained model: channels, labels, regions.

use super::field::Field;
use crate::ExchangeError;
use sagittal_data::{Label, plan::Region};

/// What the network's outputs mean.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Labels {
    /// Plain values, background first.
    pub(super) labels: Vec<Label>,
    /// In the order of the network's outputs; empty without regions.
    pub(super) regions: Vec<Region>,
    pub(super) ignore_label: Option<u16>,
}

/// Names of the channels, in order.
pub(super) fn channels(root: &Field<'_>) -> Result<Vec<String>, ExchangeError> {
    let names = root.get("channel_names").map_or_else(|| root.need("modality"), Ok)?;
    let mut channels = Vec::new();
    for (key, name) in names.entries()? {
        let index: usize = key.parse().map_err(|_| names.wrong("names by number, such as \"0\""))?;
        channels.push((index, name.text()?.to_owned()));
    }
    channels.sort();
    if channels.is_empty() || channels.iter().enumerate().any(|(i, (index, _))| i != *index) {
        return Err(names.wrong("names of channels 0, 1 and so on"));
    }
    Ok(channels.into_iter().map(|(_, name)| name).collect())
}

/// Labels and regions as nnU-Net's `LabelManager` takes them: outputs in the order of `labels`, without background and `ignore`;
/// with regions each paints its entry of `regions_class_order`, in that order.
pub(super) fn labels(root: &Field<'_>) -> Result<Labels, ExchangeError> {
    let all = root.need("labels")?;
    let mut ignore_label = None;
    let mut entries: Vec<(&str, Vec<u16>, bool)> = Vec::new();
    for (name, values) in all.entries()? {
        let value = |field: &Field<'_>| u16::try_from(field.count()?).map_err(|_| field.wrong("a label, 0 to 65535"));
        let is_list = values.value.is_array();
        let numbers = if is_list { values.elements()?.iter().map(value).collect::<Result<_, _>>()? } else { vec![value(&values)?] };
        match name {
            "ignore" if !is_list => ignore_label = Some(numbers[0]),
            "ignore" => return Err(values.wrong("one label")),
            _ => entries.push((name, numbers, is_list)),
        }
    }
    if !entries.iter().any(|(name, values, _)| *name == "background" && values[..] == [0]) {
        return Err(all.wrong("a background of 0"));
    }
    let mut values: Vec<u16> = entries.iter().flat_map(|(_, values, _)| values.iter().copied()).collect();
    values.sort_unstable();
    values.dedup();
    let has_regions = entries.iter().any(|(_, values, is_list)| *is_list && values.len() > 1);
    if !has_regions && values.iter().enumerate().any(|(i, value)| usize::from(*value) != i) {
        return Err(all.wrong("labels 0, 1, 2 and so on without gaps, as nnU-Net trains them"));
    }
    if let Some(ignored) = ignore_label
        && values.last().is_none_or(|highest| highest.checked_add(1) != Some(ignored))
    {
        return Err(all.wrong("an ignore label of the highest label and 1"));
    }
    // A label that is only part of regions has no name of its own.
    let own_name = |value: u16| entries.iter().find(|(_, values, _)| values[..] == [value]).map(|(name, ..)| (*name).to_owned());
    let labels = values.iter().map(|&value| Label { value, name: own_name(value).unwrap_or_else(|| format!("label {value}")) }).collect();
    let regions = if has_regions { regions(root, &entries)? } else { Vec::new() };
    Ok(Labels { labels, regions, ignore_label })
}

fn regions(root: &Field<'_>, entries: &[(&str, Vec<u16>, bool)]) -> Result<Vec<Region>, ExchangeError> {
    let order = root.need("regions_class_order")?;
    let painted = order.counts()?;
    let regions: Vec<_> = entries.iter().filter(|(_, values, _)| values.iter().any(|value| *value != 0)).collect();
    if regions.len() != painted.len() {
        return Err(order.wrong(&format!("{} labels, one per region", regions.len())));
    }
    let region = |((name, values, _), painted): (&&(&str, Vec<u16>, bool), usize)| {
        let painted = u16::try_from(painted).map_err(|_| order.wrong("labels"))?;
        Ok(Region { name: (*name).to_owned(), values: values.clone(), painted })
    };
    regions.iter().zip(painted).map(region).collect()
}
