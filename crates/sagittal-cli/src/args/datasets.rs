//! Arguments of the commands about data sets: `check`, `plan`, `phantom`, `fetch`.

use std::path::PathBuf;

use clap::{Args, ValueEnum, builder::PossibleValuesParser};

use super::{Budgeted, Seeded, quantity};
use crate::commands::fetch::registry;

/// Read every case of a data set once and list all faults, each with its cure
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  sagittal check Dataset004_Hippocampus\n\nExit code 1 if there is any fault.")]
pub(crate) struct CheckArgs {
    /// Folder of the data set: nnU-Net, Decathlon, images/ and masks/, or DRIVE
    pub(crate) dataset: PathBuf,
}

/// Say in words how a data set would be treated: spacing, patch, batch, network, training, and the memory it takes
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  sagittal plan Dataset004_Hippocampus\n  sagittal plan Dataset004_Hippocampus --memory 8G -o plan.json\n\n\
                        The plan is only printed unless -o is given. Edit plan.json and hand it to `sagittal train --plan`."
)]
pub(crate) struct PlanArgs {
    /// Folder of the data set
    pub(crate) dataset: PathBuf,

    /// Write the plan to this file, as JSON that people read and edit
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) budget: Budgeted,
}

/// Write a built-in synthetic data set as an ordinary one
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  sagittal phantom hippocampus -o phantom\n  sagittal phantom retina -o drive-like --cases 10 --seed 7")]
pub(crate) struct PhantomArgs {
    /// What to draw
    #[arg(value_enum)]
    pub(crate) kind: PhantomKind,

    /// Folder to write to: a new or an empty one
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: PathBuf,

    /// Number of training cases
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = quantity::count)]
    pub(crate) cases: usize,

    /// Number of test cases; their labels are written too
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(crate) test_cases: usize,

    #[command(flatten)]
    pub(crate) random: Seeded,
}

/// The synthetic sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PhantomKind {
    /// 3-D, MR-like: two touching curved parts among neighbours, in the nnU-Net layout
    Hippocampus,
    /// 2-D, fundus-like colour pictures: branching vessels in a round field of view, in the DRIVE layout
    Retina,
}

/// Download an open data set by name, verify its checksum, unpack and check it
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  sagittal fetch hippocampus -o data\n\n\
                        A broken-off download is continued by the same command. An archive that is already in DIR is used after \
                        its checksum is verified.")]
pub(crate) struct FetchArgs {
    /// Name of the data set
    #[arg(value_parser = PossibleValuesParser::new(registry::NAMES))]
    pub(crate) name: String,

    /// Folder that receives the data set's own folder
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    pub(crate) output: PathBuf,

    /// Download from this address instead of the data set's own, such as a mirror: the archive's name is added to it
    #[arg(long, value_name = "BASE")]
    pub(crate) url: Option<String>,
}
