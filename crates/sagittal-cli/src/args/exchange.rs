//! Arguments of the commands that read and write models of other programs: `import`, `export`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// Take over a trained model of another program, so that `predict` gives its labels
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  sagittal import nnunet nnUNet_results/Dataset004_Hippocampus/nnUNetTrainer__nnUNetPlans__3d_fullres -o model\n  \
                        sagittal import nnunet exported.zip --configuration 2d --fold 0 -o model.safetensors\n\n\
                        Nothing in the files is run: a checkpoint that asks for code is refused by name."
)]
pub(crate) struct ImportArgs {
    /// Which program trained the model
    #[command(subcommand)]
    pub(crate) from: ImportFrom,
}

/// The programs whose models are read.
#[derive(Debug, Subcommand)]
pub(crate) enum ImportFrom {
    Nnunet(ImportNnunetArgs),
}

/// A trained model of nnU-Net v2: its folder, one above it, or the zip that nnU-Net exports
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  sagittal import nnunet nnUNetTrainer__nnUNetPlans__3d_fullres -o model\n  sagittal predict model scan.nii.gz -o labels"
)]
pub(crate) struct ImportNnunetArgs {
    /// Folder TRAINER__PLANS__CONFIGURATION with plans.json, dataset.json and fold_*, a folder that holds it, or a zip
    pub(crate) model: PathBuf,

    /// A .safetensors file for one fold, or else a folder that stands for all of them with `sagittal predict`
    #[arg(short, long, value_name = "PATH")]
    pub(crate) output: PathBuf,

    /// Only this fold, such as 0 or all; may be given more than once [default: every numbered one]
    #[arg(long = "fold", value_name = "FOLD")]
    pub(crate) folds: Vec<String>,

    /// Which model, where there are several: a configuration such as 3d_fullres, or the name of the model's folder
    #[arg(long, value_name = "NAME")]
    pub(crate) configuration: Option<String>,

    /// Which state of the training
    #[arg(long, value_enum, default_value_t = CheckpointChoice::Final)]
    pub(crate) checkpoint: CheckpointChoice,

    /// How exactly logits are to be put together in predictions
    #[arg(long, value_enum, default_value_t)]
    pub(crate) logits: LogitChoice,
}

/// nnU-Net rounds logits, which only shows where classes are close to each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogitChoice {
    /// As nnU-Net does: its labels, voxel by voxel
    #[default]
    Float16,
    /// More exactly than nnU-Net
    Float32,
}

/// A training leaves two states, nnU-Net's and our own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum CheckpointChoice {
    /// Its end, with which nnU-Net itself predicts; of a run that is still training the latest (model.safetensors)
    #[default]
    #[value(alias = "latest")]
    Final,
    /// Its best validation (best.safetensors)
    Best,
}

/// Write a trained model for other programs
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  sagittal export onnx model.safetensors -o model.onnx\n  \
                        sagittal export nnunet run -o nnUNetTrainer__nnUNetPlans__3d_fullres")]
pub(crate) struct ExportArgs {
    /// For what
    #[command(subcommand)]
    pub(crate) to: ExportTo,
}

/// What models are written as.
#[derive(Debug, Subcommand)]
pub(crate) enum ExportTo {
    /// One network as an ONNX file (operators of version 17); what to do before and after stands in its metadata
    Onnx(ExportFileArgs),
    /// One network's weights with PyTorch's names and shapes, for PyTorch code
    Safetensors(ExportFileArgs),
    /// A model folder that nnU-Net v2 loads and predicts with
    Nnunet(ExportNnunetArgs),
}

/// One model to one file.
#[derive(Debug, Args)]
pub(crate) struct ExportFileArgs {
    /// A model (.safetensors), or the folder of a run with one fold
    pub(crate) model: PathBuf,

    /// Which weights of a run's folder
    #[arg(long, value_enum, default_value_t)]
    pub(crate) checkpoint: CheckpointChoice,

    /// The file to write
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
}

/// The folds of a model to a folder.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  sagittal export nnunet run -o exported\n  \
                        nnUNetv2_predict_from_modelfolder -i images -o labels -m exported -f 0")]
pub(crate) struct ExportNnunetArgs {
    /// Models (.safetensors) that were trained by the same plan, or the folder of a run, which stands for all of its folds
    #[arg(required = true, value_name = "MODEL")]
    pub(crate) models: Vec<PathBuf>,

    /// Which weights of a run's folder
    #[arg(long, value_enum, default_value_t)]
    pub(crate) checkpoint: CheckpointChoice,

    /// The folder to write: a new or an empty one
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: PathBuf,
}
