//! `sagittal import`: a model of another program as a model of this one.

use std::path::{Path, PathBuf};

use anyhow::Context;
use sagittal_data::{Plan, plan::LogitPrecision};
use sagittal_exchange::nnunet::{self, Chosen, Model, Which};
use sagittal_nets::ModelFile;
use sagittal_tensor::Device;
use serde_json::{Map, Value, json};

use crate::{
    args::{CheckpointChoice, ImportArgs, ImportFrom, ImportNnunetArgs, LogitChoice},
    messages::Messages,
    outcome::{Outcome, WrongUse},
    whole_file,
};

pub(crate) fn run(args: &ImportArgs, messages: &Messages) -> anyhow::Result<Outcome> {
    match &args.from {
        ImportFrom::Nnunet(args) => from_nnunet(args, messages),
    }
}

fn from_nnunet(args: &ImportNnunetArgs, messages: &Messages) -> anyhow::Result<Outcome> {
    WrongUse::unless_exists(&args.model, "the folder of a trained model of nnU-Net, or a zip of it")?;
    let which = Which {
        configuration: args.configuration.clone(),
        folds: args.folds.clone(),
        best: args.checkpoint == CheckpointChoice::Best,
        logits: match args.logits {
            LogitChoice::Float16 => LogitPrecision::Half,
            LogitChoice::Float32 => LogitPrecision::Single,
        },
    };
    let mut model = Model::open(&args.model, &which)?;
    let folds = model.folds().to_vec();
    let is_file = args.output.extension().is_some_and(|extension| extension == "safetensors");
    if is_file && folds.len() > 1 {
        let names = folds.join(", ");
        return Err(WrongUse(format!(
            "the model has folds {names}, but {} is one file; choose one with --fold, or name a folder with -o",
            args.output.display()
        ))
        .into());
    }
    if is_file {
        refuse_other_model(&args.output)?;
    } else {
        refuse_other_content(&args.output)?;
    }
    let mut written: Vec<(String, PathBuf)> = Vec::new();
    let (mut record, mut plan) = (Map::new(), None);
    for fold in folds {
        let Chosen { plan: of_fold, network, facts } = model.fold(&fold, &Device::cpu())?;
        let file = if is_file { args.output.clone() } else { args.output.join(format!("fold_{fold}/model.safetensors")) };
        make_folder_of(&file)?;
        ModelFile::write(&file, &network, &facts)?;
        record.insert(fold.clone(), facts["provenance"].clone());
        plan = Some(of_fold);
        written.push((fold, file));
    }
    let plan = plan.context("the model has no fold")?;
    if !is_file {
        write_run(&args.output, &args.model, &plan, record)?;
    }
    tell(messages, &plan, model.postprocessing_place());
    let models: Vec<Value> = written.iter().map(|(fold, file)| json!({ "fold": fold, "model": file })).collect();
    messages.result(&json!({ "dataset": plan.dataset, "models": models }), || {
        let files = written.iter().map(|(fold, file)| format!("    fold {fold}: {}", file.display())).collect::<Vec<_>>().join("\n");
        let rest = format!("predict with it: sagittal predict {} IMAGES -o LABELS", args.output.display());
        format!("took over {} model(s) of {}\n{files}\n{rest}", written.len(), plan.dataset)
    })?;
    Ok(Outcome::Done)
}

/// Says what the person must know before predicting.
fn tell(messages: &Messages, plan: &Plan, postprocessing: Option<&str>) {
    if let Some(stage) = &plan.previous_stage {
        messages.say(format_args!("note: this is the second stage of a cascade: it needs the labels of {stage}; import that too"));
    }
    if let Some(place) = postprocessing {
        messages.say(format_args!(
            "note: took over {} step(s) of post-processing from {place}; nnUNetv2_predict itself leaves them out",
            plan.postprocessing.len()
        ));
    }
    if plan.training.mirrored_axes().is_empty() {
        messages.say("note: the model must not be mirrored, and is not");
    }
}

/// A model's file is new, or an import that is done again.
fn refuse_other_model(file: &Path) -> anyhow::Result<()> {
    WrongUse::if_folder(file)?;
    let is_import = || ModelFile::read(file, &Device::cpu()).is_ok_and(|model| model.header["provenance"]["program"] == nnunet::PROGRAM);
    if file.exists() && !is_import() {
        return Err(WrongUse(format!("{} is there already and was not imported; name another file with -o", file.display())).into());
    }
    Ok(())
}

/// A folder of models is new, empty, or an import that is done again: no training is overwritten.
fn refuse_other_content(folder: &Path) -> anyhow::Result<()> {
    if folder.is_file() {
        let path = folder.display();
        return Err(
            WrongUse(format!("{path} is a file; name a new folder with -o, or one model's file, which ends in .safetensors")).into()
        );
    }
    let Ok(mut entries) = std::fs::read_dir(folder) else { return Ok(()) };
    let record: Option<Value> = std::fs::read(folder.join(RUN)).ok().and_then(|text| serde_json::from_slice(&text).ok());
    let is_import = record.is_some_and(|record| record.get("imported_from").is_some());
    if is_import || entries.next().is_none() {
        return Ok(());
    }
    Err(WrongUse(format!("{} holds something else already; name a new folder with -o", folder.display())).into())
}

/// The record by which `predict` knows the folder.
const RUN: &str = "run.json";

fn write_run(folder: &Path, from: &Path, plan: &Plan, folds: Map<String, Value>) -> anyhow::Result<()> {
    plan.write(&folder.join(Plan::FILE_NAME))?;
    let record = json!({
        "format_version": 1,
        "program": concat!("sagittal ", env!("CARGO_PKG_VERSION")),
        "imported_from": super::train::absolute(from),
        "dataset": { "name": plan.dataset },
        "folds": folds,
    });
    whole_file::write(&folder.join(RUN), serde_json::to_string_pretty(&record)? + "\n")
}

fn make_folder_of(file: &Path) -> anyhow::Result<()> {
    match file.parent() {
        Some(folder) => std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display())),
        None => Ok(()),
    }
}
