//! The folder of a study, and the record by which the same command goes on with it.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use sagittal_data::{FoldChoice, Plan};
use serde::{Deserialize, Serialize};

use super::{description::Arm, schedule::Schedule};
use crate::{commands::train::run_folder::RunFolder, outcome::WrongUse, whole_file};

/// The fingerprint of the data set, in the folder.
pub(super) const FINGERPRINT: &str = "fingerprint.json";

/// Everything of a study lies in it.
#[derive(Clone, Debug)]
pub(super) struct StudyFolder(pub(super) PathBuf);

/// What was decided before the first training, so that a later call decides nothing else. Serialised as `study.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) format_version: u32,
    pub(super) program: String,
    pub(super) command: String,
    /// The data set's folder.
    pub(super) dataset: String,
    pub(super) dataset_sha256: String,
    /// Of the command line.
    pub(super) time_s: Option<f64>,
    pub(super) epochs: Option<usize>,
    pub(super) threads: usize,
    pub(super) device: String,
    pub(super) schedule: Schedule,
}

impl StudyFolder {
    /// The study as it was run.
    pub(super) fn toml(&self) -> PathBuf {
        self.0.join("study.toml")
    }

    /// Preprocessed cases, which all trainings share.
    pub(super) fn cache(&self) -> PathBuf {
        self.0.join("preprocessed")
    }

    fn arm(&self, arm: &Arm) -> PathBuf {
        self.0.join("runs").join(&arm.name)
    }

    /// The plan that all trainings of an arm follow.
    pub(super) fn plan(&self, arm: &Arm) -> PathBuf {
        self.arm(arm).join(Plan::FILE_NAME)
    }

    /// The run of an arm with a seed.
    pub(super) fn run(&self, arm: &Arm, seed: u64, fold: usize) -> RunFolder {
        RunFolder::new(&self.arm(arm).join(format!("seed_{seed}")), FoldChoice::Index(fold))
    }

    /// Everything that a training said.
    pub(super) fn log(&self, arm: &Arm, seed: u64) -> PathBuf {
        self.arm(arm).join(format!("seed_{seed}.log"))
    }

    fn record_path(&self) -> PathBuf {
        self.0.join("study.json")
    }

    /// What was decided, if the study was begun.
    pub(super) fn record(&self) -> anyhow::Result<Option<Record>> {
        let path = self.record_path();
        if !path.is_file() {
            return Ok(None);
        }
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let record = serde_json::from_str(&text)
            .with_context(|| format!("{} is no record of a study; name another folder with -o", path.display()))?;
        Ok(Some(record))
    }

    /// Refuses to go on with what was begun as something else.
    pub(super) fn refuse_other(
        &self,
        record: &Record,
        text: &str,
        digest: &str,
        time: Option<Duration>,
        epochs: Option<usize>,
    ) -> anyhow::Result<()> {
        let begun = std::fs::read_to_string(self.toml()).with_context(|| format!("cannot read {}", self.toml().display()))?;
        let what = if begun != text {
            "another study"
        } else if record.dataset_sha256 != digest {
            "a study of other data"
        } else if record.time_s != time.map(|time| time.as_secs_f64()) || record.epochs != epochs {
            "a study of another length"
        } else {
            return Ok(());
        };
        let cure = format!("go on with it by its own command, `{}`, or name another folder with -o", record.command);
        Err(WrongUse(format!("{} holds {what}; {cure}", self.0.display())).into())
    }

    /// Writes the decisions, the last thing before the first training.
    pub(super) fn decide(&self, record: &Record, text: &str) -> anyhow::Result<()> {
        whole_file::write(&self.toml(), text)?;
        whole_file::write(&self.record_path(), serde_json::to_string_pretty(record)? + "\n")
    }

    /// A path below the folder, as a link on the page.
    pub(super) fn link(&self, path: &Path) -> String {
        let inside = path.strip_prefix(&self.0).unwrap_or(path);
        inside.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
    }
}
