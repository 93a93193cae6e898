//! The folder of a run: where everything goes, and the record that says how to repeat it.

use std::path::{Path, PathBuf};

use anyhow::Context;
use sagittal_data::{Dataset, FoldChoice};
use sagittal_train::{FoldFolder, has_checkpoint};
use serde_json::{Value, json};

use crate::{args::TrainArgs, whole_file};

/// A run's folder and that of one of its folds.
#[derive(Clone, Debug)]
pub(crate) struct RunFolder {
    pub(crate) root: PathBuf,
    pub(crate) fold: FoldFolder,
}

/// `0`, `1`, … or `all`.
pub(crate) fn fold_name(fold: FoldChoice) -> String {
    match fold {
        FoldChoice::Index(index) => index.to_string(),
        FoldChoice::All => "all".to_owned(),
    }
}

impl RunFolder {
    pub(crate) fn new(root: &Path, fold: FoldChoice) -> Self {
        Self { root: root.to_owned(), fold: FoldFolder(root.join(format!("fold_{}", fold_name(fold)))) }
    }

    /// Where the predictions of the validation cases and their scores go.
    pub(crate) fn validation(&self) -> PathBuf {
        self.fold.0.join("validation")
    }

    /// The five panels over training.
    pub(crate) fn gif(&self) -> PathBuf {
        self.fold.0.join("training.gif")
    }

    /// The frames of the GIF.
    pub(crate) fn gif_frames(&self) -> PathBuf {
        self.fold.0.join("training_gif")
    }

    /// In a cascade the run of the stage before, if this one was begun already.
    pub(crate) fn previous_run(&self) -> anyhow::Result<Option<PathBuf>> {
        Ok(self.recorded()?["previous_stage"].as_str().map(PathBuf::from))
    }

    /// The model that the fold was started from: the one that is named, or was when the training began.
    pub(crate) fn origin(&self, args: &TrainArgs) -> anyhow::Result<Option<String>> {
        if has_checkpoint(&self.fold.checkpoint()) {
            return Ok(self.recorded()?["folds"][fold_name(args.fold)]["from"].as_str().map(str::to_owned));
        }
        Ok(args.from.as_deref().map(super::absolute))
    }

    /// The model that the fold learns from, if it was begun with one.
    pub(crate) fn teacher(&self, fold: FoldChoice) -> anyhow::Result<Option<PathBuf>> {
        Ok(self.recorded()?["folds"][fold_name(fold)]["teacher"]["path"].as_str().map(PathBuf::from))
    }

    /// The folder of masks that the run was begun with, if it was.
    pub(crate) fn masks(&self) -> anyhow::Result<Option<PathBuf>> {
        Ok(self.recorded()?["roi"].as_str().map(PathBuf::from))
    }

    /// What `run.json` says; an empty object where there is none yet.
    fn recorded(&self) -> anyhow::Result<Value> {
        let path = self.root.join("run.json");
        match std::fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text).with_context(|| format!("{} is not JSON; delete it to go on", path.display())),
            Err(_) => Ok(json!({})),
        }
    }

    /// Notes in `run.json` how this training was started; those of other folds stay.
    pub(crate) fn record(
        &self,
        args: &TrainArgs,
        dataset: &Dataset,
        digest: &str,
        previous: Option<&Path>,
        teacher: Option<&Value>,
    ) -> anyhow::Result<()> {
        let path = self.root.join("run.json");
        let mut run = self.recorded()?;
        let command: Vec<String> = std::env::args().collect();
        let origin = self.origin(args)?;
        run["format_version"] = 1.into();
        run["dataset"] = json!({ "name": dataset.name, "folder": super::absolute(&dataset.root), "sha256": digest });
        if let Some(previous) = previous {
            run["previous_stage"] = super::absolute(previous).into();
        }
        if let Some(masks) = &args.roi {
            run["roi"] = super::absolute(masks).into();
        }
        run["folds"][fold_name(args.fold)] = json!({
            "command": command.join(" "),
            "program": concat!("sagittal ", env!("CARGO_PKG_VERSION")),
            "seed": args.random.seed,
            "device": args.on.device.to_string(),
            "threads": rayon::current_num_threads(),
            "time_s": args.length.time.map(|time| time.as_secs_f64()),
            "epochs": args.length.epochs,
            "patience": args.patience,
            "from": origin,
        });
        if let Some(teacher) = teacher {
            run["folds"][fold_name(args.fold)]["teacher"] = teacher.clone();
        }
        whole_file::write(&path, &(serde_json::to_string_pretty(&run)? + "\n"))
    }
}
