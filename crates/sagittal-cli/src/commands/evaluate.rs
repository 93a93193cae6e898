//! `sagittal evaluate`: label maps against a reference, case by case and label by label.

mod pairs;
mod truth;
mod values;
mod words;

use std::path::Path;

use anyhow::{Context, bail};
use rayon::prelude::*;
use sagittal_image::io;
use sagittal_metrics::{Bootstrap, CaseScore, FailedCase, LabelName, Metrics, score_case};

use crate::{
    args::EvaluateArgs,
    messages::{Messages, Unit},
    outcome::{Outcome, WrongUse},
    whole_file,
};
use pairs::{Pair, Pairing};
use truth::Truth;
pub(crate) use words::in_words;

pub(crate) fn run(args: &EvaluateArgs, messages: &Messages) -> anyhow::Result<Outcome> {
    let metrics = evaluate(args, messages)?;
    messages.result(&metrics, || in_words(&metrics))?;
    Ok(if metrics.failed.is_empty() { Outcome::Done } else { Outcome::SomeFailed })
}

/// Scores all pairs and writes the scores where they are wanted.
pub(crate) fn evaluate(args: &EvaluateArgs, messages: &Messages) -> anyhow::Result<Metrics> {
    WrongUse::unless_exists(&args.predictions, "a label map or a folder of them")?;
    WrongUse::unless_exists(&args.reference, "a label map or a folder of them")?;
    if let Some(labels) = &args.labels {
        WrongUse::unless_exists(labels, "a dataset.json with the labels")?;
    }
    let truth = Truth::about(&args.reference, args.labels.as_deref())?;
    let Pairing { pairs, mut failed, unused } = pairs::find(&args.predictions, &args.reference, &truth)?;
    for path in &unused {
        messages.say(format_args!("note: {} has no reference and is not scored", path.display()));
    }
    let labels = match &truth.labels {
        Some(declared) => declared.clone(),
        None => values::labels_found(&pairs, messages)?,
    };
    let (scores, unscored) = score_all(&pairs, &truth, &labels, messages);
    failed.extend(unscored);
    failed.sort_by(|a, b| a.case.cmp(&b.case));
    let bootstrap = Bootstrap { seed: args.random.seed, ..Bootstrap::default() };
    let metrics = Metrics::new(labels, truth.region(), scores, failed, &bootstrap);
    if let Some(folder) = &args.output {
        write(&metrics, folder)?;
    }
    Ok(metrics)
}

/// Scores every pair; a bad one does not stop the others.
fn score_all(pairs: &[Pair], truth: &Truth, labels: &[LabelName], messages: &Messages) -> (Vec<CaseScore>, Vec<FailedCase>) {
    let counter = messages.progress("scoring", Unit::Cases, pairs.len() as u64);
    let results: Vec<_> = pairs
        .par_iter()
        .map(|pair| {
            let result = score(pair, truth, labels);
            counter.advance();
            result.map_err(|error| FailedCase { case: pair.case.clone(), reason: format!("{error:#}") })
        })
        .collect();
    let (mut scores, mut failed) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(score) => scores.push(score),
            Err(failure) => failed.push(failure),
        }
    }
    (scores, failed)
}

fn score(pair: &Pair, truth: &Truth, labels: &[LabelName]) -> anyhow::Result<CaseScore> {
    let is_label = |value: u16| value == 0 || labels.iter().any(|label| label.value == value);
    let mut reference = io::read_label_map(&pair.reference)?;
    truth.apply_mask_values(&mut reference.labels);
    let mut prediction = io::read_label_map(&pair.prediction)?;
    // Our own predictions hold labels; other programs may keep the values of the masks they learned from.
    if !values::of(&prediction.labels).into_iter().all(is_label) {
        truth.apply_mask_values(&mut prediction.labels);
    }
    for (map, path) in [(&prediction, &pair.prediction), (&reference, &pair.reference)] {
        if let Some(value) = values::of(&map.labels).into_iter().find(|&value| !is_label(value)) {
            let declared: Vec<String> = labels.iter().map(|label| label.value.to_string()).collect();
            let cure = "declare it in dataset.json, or correct the file";
            bail!("value {value} in {} is not among the labels 0, {}; {cure}", path.display(), declared.join(", "));
        }
    }
    let region = pair.region.as_deref().map(io::read_label_map).transpose()?;
    let inside = region.map(|mask| mask.labels.map(|&value| value != 0));
    let values: Vec<u16> = labels.iter().map(|label| label.value).collect();
    Ok(CaseScore::new(&pair.case, score_case(&prediction, &reference, &values, inside.as_ref())?))
}

/// Writes `metrics.json` and `metrics.csv`.
pub(crate) fn write(metrics: &Metrics, folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    whole_file::write(&folder.join("metrics.json"), metrics.to_json())?;
    whole_file::write(&folder.join("metrics.csv"), metrics.to_csv())?;
    Ok(())
}
