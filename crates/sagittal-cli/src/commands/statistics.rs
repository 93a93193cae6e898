//! `sagittal statistics`: volume, intensity and shape of every label of images.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use rayon::prelude::*;
use sagittal_image::{Image, io};
use sagittal_metrics::{
    FailedCase, LabelName, LabelStatistics,
    metrics_file::{csv_field, csv_number},
    statistics::label_statistics,
};
use serde::Serialize;

use super::evaluate::{
    pairs, short,
    truth::{self, Truth},
    values,
};
use crate::{
    args::StatisticsArgs,
    messages::{Messages, Unit},
    outcome::{Outcome, WrongUse},
    table, whole_file,
};

/// Everything about a set of images, as it stands in JSON.
#[derive(Debug, Serialize)]
struct Statistics {
    format_version: u32,
    cases: Vec<CaseStatistics>,
    failed: Vec<FailedCase>,
}

#[derive(Debug, Serialize)]
struct CaseStatistics {
    case: String,
    labels: Vec<Named>,
}

#[derive(Debug, Serialize)]
struct Named {
    name: String,
    #[serde(flatten)]
    statistics: LabelStatistics,
}

pub(crate) fn run(args: &StatisticsArgs, messages: &Messages) -> anyhow::Result<Outcome> {
    WrongUse::unless_exists(&args.images, "an image or a folder of them")?;
    WrongUse::unless_exists(&args.label_maps, "a label map or a folder of them")?;
    if let Some(labels) = &args.labels {
        WrongUse::unless_exists(labels, "a dataset.json with the labels")?;
    }
    if let Some(file) = &args.output {
        WrongUse::unless_table(file)?;
    }
    let names = args.labels.as_deref().map(truth::read_labels).transpose()?;
    let (works, mut failed) = works(&args.images, &args.label_maps)?;
    let counter = messages.progress("describing", Unit::Cases, works.len() as u64);
    let results: Vec<_> = works
        .par_iter()
        .map(|(case, images, labels)| {
            let result = describe(case, images, labels, names.as_deref());
            counter.advance();
            result.map_err(|error| FailedCase { case: case.clone(), reason: format!("{error:#}") })
        })
        .collect();
    drop(counter);
    let mut cases = Vec::new();
    for result in results {
        match result {
            Ok(case) => cases.push(case),
            Err(failure) => failed.push(failure),
        }
    }
    for case in cases.iter().filter(|case| case.labels.is_empty()) {
        messages.say(format_args!("note: {} holds no label: it is 0 in every voxel", case.case));
    }
    let statistics = Statistics { format_version: 1, cases, failed };
    if let Some(file) = &args.output {
        write(&statistics, file)?;
    }
    messages.result(&statistics, || in_words(&statistics))?;
    Ok(if statistics.failed.is_empty() { Outcome::Done } else { Outcome::SomeFailed })
}

/// A case's name, the files of its channels, and its label map.
type Work = (String, Vec<PathBuf>, PathBuf);

fn works(images: &Path, label_maps: &Path) -> anyhow::Result<(Vec<Work>, Vec<FailedCase>)> {
    match (images.is_dir(), label_maps.is_dir()) {
        (false, false) => Ok((vec![(pairs::name(label_maps), vec![images.to_owned()], label_maps.to_owned())], Vec::new())),
        (true, false) => Err(pairs::different_kinds(images, label_maps).into()),
        (false, true) => Err(pairs::different_kinds(label_maps, images).into()),
        (true, true) => {
            let by_name = pairs::by_case(images, pairs::name)?;
            let mut channels: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
            for (name, files) in by_name {
                channels.entry(without_channel(&name).to_owned()).or_default().extend(files.clone());
                // A case may be called as a channel is: it is found by its whole name, too.
                if without_channel(&name) != name {
                    channels.entry(name).or_default().extend(files);
                }
            }
            // A data set names its cases, which need not be the names of its files: 21_manual1.gif is case 21_training.
            let truth = Truth::about(label_maps, None).unwrap_or_default();
            let maps = pairs::by_case(label_maps, |path| truth.case_of(path).map_or_else(|| pairs::name(path), |case| case.id.clone()))?;
            if maps.is_empty() {
                return Err(WrongUse(format!("{} holds no image file; name the folder of the label maps", label_maps.display())).into());
            }
            let (mut works, mut failed) = (Vec::new(), Vec::new());
            for (case, maps) in maps {
                match (channels.remove(&case), &maps[..]) {
                    (Some(images), [map]) => works.push((case, images, map.clone())),
                    (None, _) => {
                        let reason =
                            format!("has no image; expected {case} or {case}_0000 with an image's extension in {}", images.display());
                        failed.push(FailedCase { case, reason });
                    }
                    (_, several) => {
                        let reason = format!("has {} label maps of one name; leave one of them", several.len());
                        failed.push(FailedCase { case, reason });
                    }
                }
            }
            Ok((works, failed))
        }
    }
}

/// The name without nnU-Net's number of a channel, `_0000`.
fn without_channel(name: &str) -> &str {
    match name.rsplit_once('_') {
        Some((case, number)) if number.len() == 4 && number.bytes().all(|b| b.is_ascii_digit()) => case,
        _ => name,
    }
}

fn describe(case: &str, images: &[PathBuf], labels: &Path, names: Option<&[LabelName]>) -> anyhow::Result<CaseStatistics> {
    let map = io::read_label_map(labels)?;
    let mut image: Option<Image> = None;
    for path in images {
        let next = io::read_image(path)?;
        pairs::on_grid_of(labels, &map.geometry, path, &next.geometry)?;
        match &mut image {
            None => image = Some(next),
            Some(image) => image.channels.extend(next.channels),
        }
    }
    let image = image.context("it has no image")?;
    let named = |value: u16| LabelName { value, name: format!("label {value}") };
    if let Some(names) = names
        && let Some(value) =
            values::of(&map.labels).into_iter().find(|value| *value != 0 && names.iter().all(|label| label.value != *value))
    {
        bail!("value {value} in {} is not among the labels that were declared; declare it, or leave --labels out", labels.display());
    }
    let wanted: Vec<LabelName> = match names {
        Some(names) => names.iter().filter(|label| label.value != 0).cloned().collect(),
        None => values::of(&map.labels).into_iter().filter(|&value| value != 0).map(named).collect(),
    };
    let values: Vec<u16> = wanted.iter().map(|label| label.value).collect();
    let statistics = label_statistics(&image, &map, &values)?;
    let labels = wanted.into_iter().zip(statistics).map(|(label, statistics)| Named { name: label.name, statistics });
    Ok(CaseStatistics { case: case.to_owned(), labels: labels.collect() })
}

/// A row per case and label; of several channels, the first one.
fn in_words(statistics: &Statistics) -> String {
    let mut rows = vec![["case", "label", "volume", "unit", "mean", "sd", "surface", "sphericity", "longest"].map(str::to_owned)];
    let cut = |text: &str| text.chars().take(18).collect::<String>();
    for case in &statistics.cases {
        for Named { statistics, .. } in &case.labels {
            let first = statistics.channels.first().copied().unwrap_or_default();
            let shape = |of: fn(&sagittal_metrics::Shape) -> f64| short(statistics.shape.as_ref().map(of));
            let sphericity = statistics.shape.map_or("-".to_owned(), |shape| format!("{:.3}", shape.sphericity));
            let (volume, unit) = (short(Some(statistics.volume)), statistics.volume_unit.to_string());
            let (mean, sd, surface) = (short(first.mean), short(first.sd), shape(|s| s.surface));
            rows.push([
                cut(&case.case),
                statistics.label.to_string(),
                volume,
                unit,
                mean,
                sd,
                surface,
                sphericity,
                shape(|s| s.longest_diameter),
            ]);
        }
    }
    let mut text = table::aligned(&rows);
    if statistics.cases.iter().any(|case| case.labels.iter().any(|label| label.statistics.channels.len() > 1)) {
        text += "\nmean and sd are those of the first channel; -o FILE has all\n";
    }
    if !statistics.failed.is_empty() {
        text += "\nfailed:\n";
    }
    for failure in &statistics.failed {
        text += &format!("  {}: {}\n", failure.case, failure.reason);
    }
    text
}

fn write(statistics: &Statistics, file: &Path) -> anyhow::Result<()> {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("json") => whole_file::write(file, serde_json::to_string_pretty(statistics)? + "\n"),
        _ => whole_file::write(file, as_csv(statistics)),
    }
}

fn as_csv(statistics: &Statistics) -> String {
    let labels = || statistics.cases.iter().flat_map(|case| case.labels.iter().map(move |label| (case, label)));
    let n_channels = labels().map(|(_, label)| label.statistics.channels.len()).max().unwrap_or(0);
    let mut text = String::from("case,label,name,voxels,volume,volume_unit,surface,sphericity,longest_diameter");
    (0..n_channels).for_each(|c| text += &format!(",mean_{c},sd_{c},min_{c},max_{c}"));
    text.push('\n');
    for (case, Named { name, statistics }) in labels() {
        let unit = serde_json::to_value(statistics.volume_unit).ok().and_then(|unit| unit.as_str().map(str::to_owned)).unwrap_or_default();
        let shape = |of: fn(&sagittal_metrics::Shape) -> f64| csv_number(statistics.shape.as_ref().map(of));
        let mut row = vec![csv_field(&case.case), statistics.label.to_string(), csv_field(name), statistics.n_voxels.to_string()];
        row.extend([statistics.volume.to_string(), unit, shape(|s| s.surface), shape(|s| s.sphericity), shape(|s| s.longest_diameter)]);
        for c in 0..n_channels {
            let channel = statistics.channels.get(c).copied().unwrap_or_default();
            row.extend([channel.mean, channel.sd, channel.min, channel.max].map(csv_number));
        }
        text += &format!("{}\n", row.join(","));
    }
    text
}
