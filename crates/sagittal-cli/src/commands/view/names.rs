//! What labels are called: by a file that says so, by the command line, or by their values.

use std::path::{Path, PathBuf};

use anyhow::Context;
use sagittal_data::Plan;
use sagittal_image::{LabelMap, label_extents};
use sagittal_metrics::LabelName;
use sagittal_nets::ModelFile;
use sagittal_report::Palette;
use sagittal_tensor::Device;

use crate::{args::ViewArgs, commands::evaluate::read_labels, messages::Messages, outcome::WrongUse};

/// Colours and names: the declared labels in their order, then those that only the maps hold.
pub(super) fn palette(args: &ViewArgs, maps: &[Option<&LabelMap>], messages: &Messages) -> anyhow::Result<Palette> {
    let mut found: Vec<u16> =
        maps.iter().copied().flatten().flat_map(|map| label_extents(&map.labels)).map(|extent| extent.label).collect();
    found.sort_unstable();
    found.dedup();
    found.retain(|&value| value != 0);
    let mut labels = match (&args.names, &args.labels) {
        (Some(names), _) => named(names, &found)?,
        (None, Some(path)) => beside(path, messages),
        (None, None) => Vec::new(),
    };
    labels.retain(|label| label.value != 0);
    for value in found {
        if !labels.iter().any(|label| label.value == value) {
            labels.push(LabelName { value, name: format!("label {value}") });
        }
    }
    Ok(Palette::named(labels.into_iter().map(|label| (label.value, label.name))))
}

/// The names that the user gave, in a file or one by one: for labels 1, 2 and so on, or, where the masks hold other values (255 for 1) and just
/// as many, for those.
fn named(names: &str, found: &[u16]) -> anyhow::Result<Vec<LabelName>> {
    let path = Path::new(names);
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    match extension.as_deref() {
        Some("json") => {
            WrongUse::unless_exists(path, "a dataset.json or plan.json")?;
            // A plan lists its labels, a data set maps them.
            let text = std::fs::read_to_string(path).with_context(|| format!("reading labels from {}", path.display()))?;
            let is_plan = serde_json::from_str::<serde_json::Value>(&text).is_ok_and(|json| json["labels"].is_array());
            if is_plan { Ok(of_plan(&Plan::read(path)?)) } else { read_labels(path) }
        }
        Some("safetensors") => {
            WrongUse::unless_exists(path, "a model")?;
            let header = ModelFile::read(path, &Device::cpu())?.header;
            let plan: Plan = serde_json::from_value(header["plan"].clone()).with_context(|| format!("{} holds no plan", path.display()))?;
            Ok(of_plan(&plan))
        }
        _ if path.is_file() => {
            Err(WrongUse(format!("{names} is neither a .json nor a .safetensors; name a dataset.json, a plan.json or a model")).into())
        }
        _ => {
            let names: Vec<&str> = names.split(',').map(str::trim).collect();
            let counted: Vec<u16> = (1..).take(names.len()).collect();
            let others = found.len() == names.len() && found.iter().any(|value| !counted.contains(value));
            let values = if others { found } else { &counted };
            Ok(names.into_iter().zip(values).map(|(name, &value)| LabelName { value, name: name.to_owned() }).collect())
        }
    }
}

fn of_plan(plan: &Plan) -> Vec<LabelName> {
    plan.labels.iter().map(|label| LabelName { value: label.value, name: label.name.clone() }).collect()
}

/// The names in the `dataset.json` of the folders above the labels; one that cannot be used costs the names only.
fn beside(labels: &Path, messages: &Messages) -> Vec<LabelName> {
    let absolute = labels.canonicalize().unwrap_or_else(|_| labels.to_owned());
    let file: Option<PathBuf> = absolute.ancestors().skip(1).take(2).map(|folder| folder.join("dataset.json")).find(|file| file.is_file());
    let Some(file) = file else { return Vec::new() };
    read_labels(&file).unwrap_or_else(|error| {
        messages.say(format_args!("note: labels are called by their values: {error:#}"));
        Vec::new()
    })
}
