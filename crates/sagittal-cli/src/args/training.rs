//! Arguments of the commands that train: `train`, `demo`.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use sagittal_data::{FoldChoice, planner::NetName};

use super::{Budgeted, OnDevice, PhantomKind, Seeded, quantity};

/// Train a network on a data set
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  sagittal train Dataset004_Hippocampus -o run --fold 0 --time 20m\n  \
                        sagittal train Dataset004_Hippocampus -o run --fold 0 --time 20m --resume\n  \
                        sagittal train Dataset004_Hippocampus -o run --cross-validate --time 20m\n\n\
                        Ctrl-C stops at the next step and leaves a valid model (exit code 130); --resume goes on from there, bit by bit \
                        as if nothing had happened.\n\n\
                        The weights at the end are those that are validated and that `predict RUN` uses, as nnU-Net does; \
                        best.safetensors holds those of the best smoothed validation Dice.")]
pub(crate) struct TrainArgs {
    /// Folder of the data set
    pub(crate) dataset: PathBuf,

    /// Folder of the run; it is made if need be
    #[arg(short, long, value_name = "RUN")]
    pub(crate) output: PathBuf,

    /// Train by this plan [default: the model's, with --from; one made for the time, with --time; else the usual one]
    #[arg(long, value_name = "FILE")]
    pub(crate) plan: Option<PathBuf>,

    /// Network: unet, unet-2d, patch-2d, patch-stacked2d, patch-triplanar, patch-3d or image-to-mask
    #[arg(long, value_name = "NAME", default_value_t = NetName::Unet, conflicts_with_all = ["plan", "from"])]
    pub(crate) net: NetName,

    /// Fold to leave out for validation, counted from 0, or `all` to train on every case
    #[arg(long, value_name = "FOLD", default_value = "0", value_parser = fold)]
    pub(crate) fold: FoldChoice,

    /// Train every fold, one after the other, each as long as --time or --epochs say; then score the cases of all together
    #[arg(long, conflicts_with = "fold")]
    pub(crate) cross_validate: bool,

    #[command(flatten)]
    pub(crate) length: Length,

    /// Stop after this many epochs without a better validation Dice [default: never]
    #[arg(long, value_name = "N", value_parser = quantity::count)]
    pub(crate) patience: Option<usize>,

    /// Go on from this model: what fits by name and shape is taken, the rest is said and starts anew. Without --plan the model's own plan is
    /// used, with the channels and labels of the data set, because weights only make sense with their network, spacing and normalisation
    #[arg(long, value_name = "MODEL")]
    pub(crate) from: Option<PathBuf>,

    /// For the last stage of a cascade: the run of the stage before, whose folds were all trained
    #[arg(long, value_name = "RUN")]
    pub(crate) previous: Option<PathBuf>,

    /// Also record in progress.jsonl how strong the gradient of each layer's weights is, epoch by epoch; `sagittal report` plots it
    #[arg(long)]
    pub(crate) record_gradients: bool,

    /// Continue the run in RUN where it was interrupted
    #[arg(long)]
    pub(crate) resume: bool,

    #[command(flatten)]
    pub(crate) budget: Budgeted,

    #[command(flatten)]
    pub(crate) random: Seeded,

    #[command(flatten)]
    pub(crate) on: OnDevice,

    /// Folder of preprocessed cases that several runs share; a run has one of its own otherwise.
    #[arg(skip)]
    pub(crate) cache: Option<PathBuf>,
}

/// How long to train; the learning rate falls to its end in exactly this budget.
#[derive(Clone, Copy, Debug, Args)]
#[group(multiple = false)]
pub(crate) struct Length {
    /// Time for training, such as 60m, 90s or 1h30m
    #[arg(long, value_name = "TIME", value_parser = quantity::duration)]
    pub(crate) time: Option<Duration>,

    /// Number of epochs [default: the plan's]
    #[arg(long, value_name = "N", value_parser = quantity::count)]
    pub(crate) epochs: Option<usize>,
}

/// Reads `--fold`.
fn fold(text: &str) -> Result<FoldChoice, String> {
    match text.trim() {
        "all" => Ok(FoldChoice::All),
        number => number.parse().map(FoldChoice::Index).map_err(|_| "expected a number counted from 0, or `all`".to_owned()),
    }
}

/// Plan, train, predict, evaluate and report on a built-in synthetic set, in a few minutes
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  sagittal demo --out demo")]
pub(crate) struct DemoArgs {
    /// Synthetic set
    #[arg(value_enum, default_value_t = PhantomKind::Hippocampus)]
    pub(crate) kind: PhantomKind,

    /// Folder for everything that the demonstration makes
    #[arg(short, long, value_name = "DIR", default_value = "sagittal-demo")]
    pub(crate) out: PathBuf,

    /// Time for training
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = quantity::duration)]
    pub(crate) time: Duration,

    #[command(flatten)]
    pub(crate) random: Seeded,

    #[command(flatten)]
    pub(crate) on: OnDevice,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fold_is_a_number_or_all() {
        assert_eq!(fold("3"), Ok(FoldChoice::Index(3)));
        assert_eq!(fold("all"), Ok(FoldChoice::All));
        assert!(fold("-1").is_err() && fold("first").is_err());
    }
}
