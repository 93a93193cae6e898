//! `sagittal export`: a model of this program for others.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use anyhow::Context;
use sagittal_data::Plan;
use sagittal_exchange::{nnunet, onnx, plain};
use sagittal_nets::{ModelFile, Network};
use sagittal_tensor::Device;
use serde_json::{Value, json};

use super::predict::model_files;
use crate::{
    args::{ExportArgs, ExportFileArgs, ExportNnunetArgs, ExportTo},
    messages::Messages,
    outcome::{Outcome, WrongUse},
    whole_file,
};

pub(crate) fn run(args: &ExportArgs, messages: &Messages) -> anyhow::Result<Outcome> {
    match &args.to {
        ExportTo::Onnx(args) => {
            WrongUse::unless_replaceable(&args.output, "onnx")?;
            let model = only_model(args)?;
            let bytes = onnx::export(&model.network, &model.plan, &model.provenance)?;
            write_file(&args.output, &bytes, messages)
        }
        ExportTo::Safetensors(args) => {
            WrongUse::unless_replaceable(&args.output, "safetensors")?;
            refuse_model(&args.output)?;
            let model = only_model(args)?;
            let bytes = plain::export(&model.network, &model.plan)?;
            write_file(&args.output, &bytes, messages)
        }
        ExportTo::Nnunet(args) => to_nnunet(args, messages),
    }
}

/// A model file with its parts.
struct Model {
    path: PathBuf,
    plan: Plan,
    network: Network,
    provenance: Value,
}

fn read(path: &Path) -> anyhow::Result<Model> {
    let ModelFile { network, header } = ModelFile::read(path, &Device::cpu())?;
    let plan: Plan = serde_json::from_value(header["plan"].clone())
        .with_context(|| format!("{}: its plan is not understood; train or import it again with this version", path.display()))?;
    plan.validate().with_context(|| format!("{} cannot be exported", path.display()))?;
    Ok(Model { path: path.to_owned(), plan, network, provenance: header["provenance"].clone() })
}

fn only_model(args: &ExportFileArgs) -> anyhow::Result<Model> {
    let files = model_files(std::slice::from_ref(&args.model), args.checkpoint)?;
    let [file] = &files[..] else {
        let n = files.len();
        return Err(WrongUse(format!("{} has {n} folds, and this format holds one; name one fold's file", args.model.display())).into());
    };
    read(file)
}

/// Bare weights must not take the place of a model, from which they may come.
fn refuse_model(path: &Path) -> Result<(), WrongUse> {
    if ModelFile::read(path, &Device::cpu()).is_ok() {
        let path = path.display();
        return Err(WrongUse(format!("{path} is a model, which would become weights without a plan; name another file with -o")));
    }
    Ok(())
}

fn write_file(path: &Path, bytes: &[u8], messages: &Messages) -> anyhow::Result<Outcome> {
    whole_file::write(path, bytes)?;
    messages.result(&json!({ "written": path, "bytes": bytes.len() }), || format!("wrote {}", path.display()))?;
    Ok(Outcome::Done)
}

fn to_nnunet(args: &ExportNnunetArgs, messages: &Messages) -> anyhow::Result<Outcome> {
    WrongUse::if_file(&args.output)?;
    if std::fs::read_dir(&args.output).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(WrongUse(format!("{} holds something already; name a new folder with -o", args.output.display())).into());
    }
    let models = model_files(&args.models, args.checkpoint)?.iter().map(|file| read(file)).collect::<anyhow::Result<Vec<_>>>()?;
    let first = models.first().context("no model was named")?;
    for other in &models[1..] {
        refuse_other_plan(first, other)?;
    }
    let names = fold_names(&models);
    let plan = first.plan.clone();
    if !plan.postprocessing.is_empty() {
        messages.say("note: nnU-Net keeps post-processing elsewhere; it is not part of the folder");
    }
    let folds: Vec<(String, Network)> = names.into_iter().zip(models.into_iter().map(|model| model.network)).collect();
    nnunet::export(&plan, &folds, &args.output)?;
    let names: Vec<&String> = folds.iter().map(|(name, _)| name).collect();
    messages.result(&json!({ "written": args.output, "folds": names }), || {
        let folds = names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" ");
        let folder = args.output.display();
        format!("wrote {folder}\npredict with it: nnUNetv2_predict_from_modelfolder -i IMAGES -o LABELS -m {folder} -f {folds}")
    })?;
    Ok(Outcome::Done)
}

/// Folds share one `plans.json`.
fn refuse_other_plan(first: &Model, other: &Model) -> Result<(), WrongUse> {
    let (a, b) = (&first.plan, &other.plan);
    let differs = a.preprocessing_key() != b.preprocessing_key()
        || a.network != b.network
        || a.patch != b.patch
        || a.labels != b.labels
        || a.regions != b.regions
        || a.training.mirrored_axes() != b.training.mirrored_axes();
    if differs {
        let (a, b) = (first.path.display(), other.path.display());
        return Err(WrongUse(format!("{a} and {b} were made by different plans, which one folder cannot hold; export each by itself")));
    }
    Ok(())
}

/// The fold of each model as its file says it; by number where it does not, or where two say the same.
fn fold_names(models: &[Model]) -> Vec<String> {
    let said = models.iter().map(|model| match &model.provenance["fold"] {
        Value::String(fold) => Some(fold.clone()),
        Value::Number(fold) => Some(fold.to_string()),
        _ => None,
    });
    let said: Option<Vec<String>> = said.collect();
    let fine = |names: &Vec<String>| {
        let different: HashSet<&String> = names.iter().collect();
        different.len() == names.len() && names.iter().all(|name| name == "all" || name.parse::<u32>().is_ok())
    };
    said.filter(fine).unwrap_or_else(|| (0..models.len()).map(|i| i.to_string()).collect())
}
