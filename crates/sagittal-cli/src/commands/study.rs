//! `sagittal study`: several ways to train, compared on one data set, with a verdict on what is claimed of them.

mod arm_plan;
mod builtin;
mod description;
mod files;
mod folder;
mod judgement;
mod measure;
mod page;
mod preparation;
mod results;
mod schedule;
mod tables;
mod trainings;
mod words;

pub(crate) use builtin::names;

use std::{path::Path, time::Instant};

use anyhow::Context;
use sagittal_data::Dataset;
use sagittal_image::Rank;
use serde_json::json;

use crate::{
    args::StudyArgs,
    device,
    messages::Messages,
    outcome::{Outcome, WrongUse},
    stop::Stop,
};
use description::Study;
use folder::StudyFolder;
use preparation::Preparation;

pub(crate) fn run(args: &StudyArgs, messages: &Messages) -> anyhow::Result<Outcome> {
    let begin = Instant::now();
    let (text, study) = named(&args.study)?;
    if args.print {
        messages.result(&json!({ "toml": text }), || text.clone())?;
        return Ok(Outcome::Done);
    }
    let path = args.dataset.as_deref().context("no data set was named")?;
    WrongUse::unless_exists(path, "the folder of a data set")?;
    args.output.as_deref().map_or(Ok(()), WrongUse::if_file)?;
    let stop = Stop::on_ctrl_c()?;
    let dataset = Dataset::open(path)?;
    refuse_other_data(&study, &dataset)?;
    let device = device::open(args.on, messages)?;
    // A dry run leaves nothing.
    let nowhere = tempfile::tempdir().context("cannot make a folder for a moment")?;
    let folder = StudyFolder(args.output.as_deref().filter(|_| !args.dry_run).unwrap_or(nowhere.path()).to_owned());
    let Some(preparation) = Preparation::make(args, &text, &study, &dataset, &folder, &device, begin, messages, &stop)? else {
        messages.say("stopped before the first training; the same command begins anew");
        return Ok(Outcome::Stopped);
    };
    let announced = words::announcement(&study, &preparation);
    if args.dry_run {
        messages.result(&words::as_json(&study, &preparation), || announced)?;
        return Ok(Outcome::Done);
    }
    messages.say(&announced);

    let Some(failures) = trainings::run(args, &study, &preparation, &folder, messages, &stop)? else {
        messages.say("stopped; what was trained is kept, and the same command goes on");
        return Ok(Outcome::Stopped);
    };
    let results = results::gather(&study, &dataset, &preparation, &folder, failures)?;
    files::write(&study, &results, &folder)?;
    let page = page::write(&study, &dataset, &preparation, &results, &folder, messages)?;
    messages.say(format_args!("wrote {}", page.display()));
    messages.result(&results, || words::in_words(&study, &results))?;
    for failure in &results.failures {
        messages.say(format_args!("arm {}, seed {}: {}", failure.arm, failure.seed, failure.reason));
    }
    Ok(if results.is_whole() { Outcome::Done } else { Outcome::SomeFailed })
}

/// The study of this name, or of this file: its text, and what it says.
fn named(name: &str) -> anyhow::Result<(String, Study)> {
    if let Some(text) = builtin::text(name) {
        return Ok((text.to_owned(), Study::parse(text, &format!("the built-in study {name}"))?));
    }
    let path = Path::new(name);
    if path.extension().is_none() && !path.exists() {
        let names = names().join(", ");
        return Err(WrongUse(format!("there is no study {name}; there are {names}, or name a TOML file")).into());
    }
    WrongUse::unless_exists(path, "a study's TOML file, or the name of a built-in study")?;
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
    let study = Study::parse(&text, name)?;
    Ok((text, study))
}

/// Refuses a data set that the study says nothing about, before anything is done.
fn refuse_other_data(study: &Study, dataset: &Dataset) -> anyhow::Result<()> {
    let Some(expected) = study.needs.axes else { return Ok(()) };
    let case =
        dataset.training.iter().find(|case| case.labels.is_some()).with_context(|| format!("{} has no labelled case", dataset.name))?;
    let found = match dataset.read_image(case)?.geometry.rank {
        Rank::Two => 2,
        Rank::Three => 3,
    };
    if found == expected {
        return Ok(());
    }
    let because = if study.needs.because.is_empty() { String::new() } else { format!(": {}", study.needs.because) };
    let (title, name) = (&study.title, &dataset.name);
    Err(WrongUse(format!("the study {title:?} is about {expected}-D images, and those of {name} are {found}-D{because}")).into())
}
