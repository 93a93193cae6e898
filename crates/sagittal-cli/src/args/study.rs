//! Arguments of `study`.

use std::path::PathBuf;

use clap::Args;

use super::{Budgeted, Length, OnDevice};
use crate::commands::study::names;

/// The end of the help, with the studies that there are.
fn examples() -> String {
    format!(
        "Examples:\n  sagittal study optimisers Dataset004_Hippocampus -o optimisers --time 30m\n  \
         sagittal study depth Dataset004_Hippocampus --time 2h --dry-run\n  \
         sagittal study optimisers --print > mine.toml\n  \
         sagittal study mine.toml Dataset004_Hippocampus -o mine --time 2h\n\n\
         Built-in studies: {}.\n\
         The time is that of everything together. Ctrl-C stops at the next step (exit code 130); the same command goes on.",
        names().join(", ")
    )
}

/// Compare networks and techniques on a data set: several trainings, one report, a verdict on each claim
#[derive(Clone, Debug, Args)]
#[command(after_help = examples())]
pub(crate) struct StudyArgs {
    /// Name of a built-in study, or a study's own TOML file
    #[arg(value_name = "NAME|FILE.toml")]
    pub(crate) study: String,

    /// Folder of the data set
    #[arg(required_unless_present = "print")]
    pub(crate) dataset: Option<PathBuf>,

    /// Folder for all trainings and the report; it is made if need be
    #[arg(short, long, value_name = "DIR", required_unless_present_any = ["print", "dry_run"])]
    pub(crate) output: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) length: Length,

    /// Print the study's TOML, to write one's own
    #[arg(long, conflicts_with_all = ["dataset", "output", "time", "epochs", "dry_run"])]
    pub(crate) print: bool,

    /// Say what would be run and how long, and stop
    #[arg(long)]
    pub(crate) dry_run: bool,

    #[command(flatten)]
    pub(crate) budget: Budgeted,

    #[command(flatten)]
    pub(crate) on: OnDevice,
}
