//! Arguments of the commands about data sets: `check`, `plan`, `phantom`, `fetch`.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum, builder::PossibleValuesParser};

use sagittal_data::planner::NetName;

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
#[command(after_help = "Examples:\n  sagittal plan Dataset004_Hippocampus --memory 8G -o plan.json\n  \
                        sagittal plan Dataset004_Hippocampus --time 60m -o plan.json\n  \
                        sagittal plan Dataset004_Hippocampus --like nnunet --configuration 2d --preset resenc-m\n\n\
                        The plan is only printed unless -o is given. Edit plan.json and hand it to `sagittal train --plan`.\n\
                        With --time a few training steps are timed on this machine, which takes some seconds.\n\
                        With --like nnunet every number is nnU-Net's own, and --memory is that of the graphics card that its rule \
                        plans for.")]
pub(crate) struct PlanArgs {
    /// Folder of the data set
    pub(crate) dataset: PathBuf,

    /// Write the plan to this file, as JSON that people read and edit
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// Network: unet, unet-2d, patch-2d, patch-stacked2d, patch-triplanar, patch-3d or image-to-mask
    #[arg(long, value_name = "NAME", default_value_t = NetName::Unet, conflicts_with = "like")]
    pub(crate) net: NetName,

    /// For voxel classifiers (patch-*): masks of every image say what is learned and labelled, instead of a box around the labels
    #[arg(long, conflicts_with = "like")]
    pub(crate) roi: bool,

    #[command(flatten)]
    pub(crate) budget: Budgeted,

    /// Plan for a training of this length on this machine, such as 60m or 1h30m
    #[arg(long, value_name = "TIME", value_parser = quantity::duration, conflicts_with = "like")]
    pub(crate) time: Option<Duration>,

    /// Make the plan that another program would make
    #[arg(long, value_name = "PROGRAM", value_enum)]
    pub(crate) like: Option<Like>,

    /// Which of nnU-Net's plans [default: 3d_fullres, for pictures 2d]
    #[arg(long, value_name = "NAME", value_enum, requires = "like")]
    pub(crate) configuration: Option<Configuration>,

    /// Which of nnU-Net's networks [default: plain]
    #[arg(long, value_name = "NAME", value_enum, requires = "like")]
    pub(crate) preset: Option<Preset>,
}

/// Programs whose plans can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Like {
    /// nnU-Net, version 2
    Nnunet,
}

/// nnU-Net's configurations, under its own names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Configuration {
    /// Slice by slice
    #[value(name = "2d")]
    TwoD,
    /// Volumes at full resolution
    #[value(name = "3d_fullres")]
    Fullres,
    /// Volumes at a lower resolution, where a patch shows little of them
    #[value(name = "3d_lowres")]
    Lowres,
    /// Volumes at full resolution, with what the lower one found
    #[value(name = "3d_cascade_fullres")]
    Cascade,
}

/// nnU-Net's networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Preset {
    /// Plain U-Net, for 8 GB
    Plain,
    /// Residual encoder, for 8 GB
    #[value(name = "resenc-m")]
    ResencM,
    /// Residual encoder, for 24 GB
    #[value(name = "resenc-l")]
    ResencL,
    /// Residual encoder, for 40 GB
    #[value(name = "resenc-xl")]
    ResencXl,
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
