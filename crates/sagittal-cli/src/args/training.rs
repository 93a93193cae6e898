//! Arguments of the commands that train: `train`, `demo`.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use sagittal_data::{FoldChoice, plan::PretrainingLength, planner::NetName};

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

    /// For voxel classifiers (patch-*): folder with a mask CASE.ext of every case, in which is learned and labelled [default: the
    /// data set's own masks (DRIVE's field of view), else the box in which the training cases have labels]
    #[arg(long, value_name = "DIR")]
    pub(crate) roi: Option<PathBuf>,

    /// Learn from this model, or from the model of the same fold of this run, as training.distillation of the plan says: its logits
    /// count for as much as the labels where it says nothing
    #[arg(long, value_name = "MODEL")]
    pub(crate) teacher: Option<PathBuf>,

    /// Let the layers of the encoder learn one after the other without labels first, for this time, such as 2m, or this part of the
    /// training's length, such as 20%; training.pretraining of the plan says how
    #[arg(long, value_name = "TIME", value_parser = pretraining)]
    pub(crate) pretrain: Option<PretrainingLength>,

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

/// Reads `--pretrain`.
fn pretraining(text: &str) -> Result<PretrainingLength, String> {
    match text.trim().strip_suffix('%') {
        None => quantity::duration(text).map(|time| PretrainingLength::TimeS(time.as_secs_f64())),
        Some(percent) => match percent.trim().parse::<f64>() {
            Ok(percent) if percent > 0.0 && percent < 100.0 => Ok(PretrainingLength::Part(percent / 100.0)),
            _ => Err("expected a time such as 2m, or a part such as 20%".to_owned()),
        },
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
    fn pretraining_is_a_time_or_a_part() {
        assert_eq!(pretraining("2m"), Ok(PretrainingLength::TimeS(120.0)));
        assert_eq!(pretraining("20 %"), Ok(PretrainingLength::Part(0.2)));
        assert!(["", "0%", "100%", "-5%", "soon", "nan%"].iter().all(|text| pretraining(text).is_err()));
    }

    #[test]
    fn a_fold_is_a_number_or_all() {
        assert_eq!(fold("3"), Ok(FoldChoice::Index(3)));
        assert_eq!(fold("all"), Ok(FoldChoice::All));
        assert!(fold("-1").is_err() && fold("first").is_err());
    }
}
