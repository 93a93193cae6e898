//! Arguments of the commands that use what was trained: `predict`, `evaluate`, `compare`, `statistics`, `report`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::{CheckpointChoice, OnDevice, Seeded, quantity};
use crate::outcome::WrongUse;

/// Write a label map for every image, on the image's own grid
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  sagittal predict run/fold_0/model.safetensors scan.nii.gz -o labels\n  \
                        sagittal predict run imagesTs -o labels --no-mirror\n\n\
                        First the models, then the images. A model is a .safetensors file, or the folder of a run or of a choice, \
                        which stands for all of its folds; several models are averaged. A model of a cascade's last stage is shown what the others find.\n\n\
                        --dropout-samples draws what is left out from --seed, which has no other effect.\n\n\
                        --uncertainty writes quality.json too: of every case the Dice that the probabilities promise for each label, \
                        and whether it is flagged. It is a sign of doubt, not a measurement.")]
pub(crate) struct PredictArgs {
    /// Models, then inputs: image files, folders of images, or data sets
    #[arg(required = true, num_args = 2.., value_names = ["MODEL", "INPUT"])]
    pub(crate) paths: Vec<PathBuf>,

    /// Folder for the label maps; it is made if need be
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: PathBuf,

    /// Which weights of a run's folder
    #[arg(long, value_enum, default_value_t)]
    pub(crate) checkpoint: CheckpointChoice,

    /// Folder with a mask CASE.ext of every case, for voxel classifiers that label what lies inside one [default: the data set's own]
    #[arg(long, value_name = "DIR")]
    pub(crate) roi: Option<PathBuf>,

    /// Leave out mirrored copies: several times faster, a little less accurate
    #[arg(long)]
    pub(crate) no_mirror: bool,

    /// Also write the probabilities of all classes, CASE.npz as nnU-Net does; memory then grows with the number of classes
    #[arg(long)]
    pub(crate) probabilities: bool,

    /// Also write how sure each voxel is (entropy/ and disagreement/ of models and mirrored copies, 0 to 1) and quality.json
    #[arg(long)]
    pub(crate) uncertainty: bool,

    /// With --uncertainty: flag a case if the Dice that its probabilities promise is below this for any label
    #[arg(long, value_name = "DICE", default_value_t = 0.7, requires = "uncertainty", value_parser = quantity::part)]
    pub(crate) flag_below: f64,

    /// Ask each model so many times, each time with other parts left out as in its training (Monte-Carlo dropout), and average; with
    /// --uncertainty, disagreement/ then also says how far these differ. For models trained with dropout; takes N times as long
    #[arg(long, value_name = "N", value_parser = quantity::count)]
    pub(crate) dropout_samples: Option<usize>,

    #[command(flatten)]
    pub(crate) random: Seeded,

    /// Memory to stay within, such as 4G; large images are then worked on in blocks [default: what the machine has free]
    #[arg(long, value_name = "SIZE", value_parser = quantity::bytes)]
    pub(crate) memory: Option<u64>,

    #[command(flatten)]
    pub(crate) on: OnDevice,
}

impl PredictArgs {
    /// The paths that are models, and the paths after them, which are inputs.
    pub(crate) fn models_and_inputs(&self) -> Result<(&[PathBuf], &[PathBuf]), WrongUse> {
        let n_models = self.paths.iter().take_while(|path| is_model(path)).count();
        let (models, inputs) = self.paths.split_at(n_models);
        if models.is_empty() {
            let first = self.paths.first().map(|path| path.display().to_string()).unwrap_or_default();
            // What somebody who comes from nnU-Net names.
            if self.paths.first().is_some_and(|path| path.join("plans.json").is_file()) {
                return Err(WrongUse(format!(
                    "{first} is a model of nnU-Net; take it over first: sagittal import nnunet {first} -o model"
                )));
            }
            return Err(WrongUse(format!("{first} is no model; first name a .safetensors file or a run's folder, then the images")));
        }
        if inputs.is_empty() {
            return Err(WrongUse("no image is named after the models; add image files, folders or a data set".to_owned()));
        }
        Ok((models, inputs))
    }
}

/// A weights file by its name, a run's folder by its record.
fn is_model(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "safetensors")
        || path.join("run.json").is_file()
        || path.join(crate::commands::choose::FILE_NAME).is_file()
}

/// Choose the best of several runs, or of their averages, and its post-processing, by the cases that each fold held out
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  sagittal choose run-2d run-3d -o best\n  sagittal predict best imagesTs -o labels\n\n\
                        The runs were trained on one data set, best with --cross-validate. Candidates are every run and every two \
                        runs averaged; then it is tried whether to keep only the largest connected part of all foreground, and of \
                        each label. nnU-Net chooses in the same way. BEST gets the models of the chosen runs, which post-process \
                        from then on, and choice.json.")]
pub(crate) struct ChooseArgs {
    /// Folders of runs; a single one gets its post-processing chosen
    #[arg(required = true, value_name = "RUN")]
    pub(crate) runs: Vec<PathBuf>,

    /// Folder for what is chosen; a new one
    #[arg(short, long, value_name = "BEST")]
    pub(crate) output: PathBuf,

    /// Do not try averages of two runs, for which all held-out cases are predicted anew
    #[arg(long)]
    pub(crate) no_ensembles: bool,

    /// Folder of the data set [default: the one that the runs were trained on]
    #[arg(long, value_name = "DIR")]
    pub(crate) dataset: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) on: OnDevice,
}

/// Make a run's models as sure as they are right: fit a temperature on the cases that each fold held out
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  sagittal calibrate run\n\n\
                        The logits are divided by the temperature before they become probabilities (Guo et al. 2017). Labels do not \
                        change; --probabilities and --uncertainty of `predict` do. Scores of calibration are only honest on cases \
                        other than those that it was fitted on.")]
pub(crate) struct CalibrateArgs {
    /// Folder of the run; the model of each trained fold is changed
    pub(crate) run: PathBuf,

    /// Folder of the data set [default: the one that the run was trained on]
    #[arg(long, value_name = "DIR")]
    pub(crate) dataset: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) on: OnDevice,
}

/// Compare label maps with a reference: overlap, volumes, surface distances and more, per case and label
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  sagittal evaluate labels Dataset004_Hippocampus/labelsTr\n  \
                        sagittal evaluate labels DRIVE/test/1st_manual --vessels -o scores\n  \
                        sagittal evaluate mine.nii.gz theirs.nii.gz --tolerance 2 --json\n\n\
                        Folders are paired by case name. A reference without a prediction counts as a failure. \
                        Masks on different grids are refused. Exit code 1 if any case failed.\n\n\
                        Where CASE.npz (nnU-Net's probabilities) lies beside a prediction, ROC AUC, average precision, Brier score \
                        and calibration are scored too.\n\n\
                        Data sets in the DRIVE layout are scored inside the field of view; scores of the whole image and of the \
                        second observer are shown beside. Definitions: docs/reference/metrics.md")]
pub(crate) struct EvaluateArgs {
    /// A predicted label map, or a folder of them
    pub(crate) predictions: PathBuf,

    /// The true label map, or a folder of them
    pub(crate) reference: PathBuf,

    /// Take the labels and their names from this dataset.json [default: the one beside the reference, or else the values found]
    #[arg(long, value_name = "FILE")]
    pub(crate) labels: Option<PathBuf>,

    /// Folder for metrics.csv and metrics.json; without it nothing is written
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) scoring: Scoring,

    #[command(flatten)]
    pub(crate) random: Seeded,
}

/// What is scored, and inside what.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Scoring {
    /// Count only inside this mask (voxels other than 0): one for all cases, or a folder of one per case
    #[arg(long, value_name = "MASK", conflicts_with_all = ["fov", "whole_image"])]
    pub(crate) roi: Option<PathBuf>,

    /// Count only inside the data set's fields of view, and refuse if it has none [default: where it has them]
    #[arg(long, conflicts_with = "whole_image")]
    pub(crate) fov: bool,

    /// Count everywhere, also where the data set has fields of view
    #[arg(long)]
    pub(crate) whole_image: bool,

    /// How far surfaces may be apart for the surface Dice: mm, or voxels where files have no spacing [default: 1]
    #[arg(long, value_name = "MM", value_parser = tolerance, allow_hyphen_values = true)]
    pub(crate) tolerance: Option<f64>,

    /// What a surface consists of [default: triangles]
    #[arg(long, value_name = "KIND", value_enum)]
    pub(crate) surface: Option<SurfaceKind>,

    /// Score lesions one by one: how many were found, F1, Dice per lesion
    #[arg(long)]
    pub(crate) lesions: bool,

    /// Score vessels and other thin structures: clDice on centre lines, connected components
    #[arg(long)]
    pub(crate) vessels: bool,

    /// Summarise groups of cases by themselves: JSON {"case": "group"}, or CSV with a row `case,group` each
    #[arg(long, value_name = "FILE")]
    pub(crate) groups: Option<PathBuf>,

    /// Which patient each case is of, in the same form: intervals then draw patients, not cases [default: the data set's groups.json]
    #[arg(long, value_name = "FILE")]
    pub(crate) patients: Option<PathBuf>,

    /// Also score the masks that the best threshold makes of the probabilities: a metrics.json of OTHER cases that it was chosen on
    #[arg(long, value_name = "FILE")]
    pub(crate) threshold_from: Option<PathBuf>,
}

/// What surfaces consist of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum SurfaceKind {
    /// Marching cubes' triangles by their area, as DeepMind's surface-distance
    #[default]
    Triangles,
    /// Voxels on the inner border, each as one, as MedPy and MONAI
    BorderVoxels,
    /// Measure no distances: the fastest
    None,
}

fn tolerance(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|mm: &f64| mm.is_finite() && *mm >= 0.0);
    number.ok_or_else(|| "expected a distance from 0, such as 1.5".to_owned())
}

/// Compare two runs on the same cases: differences, Wilcoxon's signed-rank test and its effect size
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  sagittal compare old/metrics.json new/metrics.json\n  \
                        sagittal compare runA runB --score dice --score hausdorff95 -o comparison.csv\n\n\
                        A file is the metrics.json of `sagittal evaluate -o` or of a training; a folder is one that holds it, or a \
                        run, which stands for the validation cases of all its folds. Only cases that both have are compared. \
                        Differences are B - A. p values are also corrected for the number of comparisons (Holm). Where the scores say \
                        which patient each case is of, the differences of a patient's cases are averaged first, and patients are compared.")]
pub(crate) struct CompareArgs {
    /// Scores of the first run
    pub(crate) a: PathBuf,

    /// Scores of the second run
    pub(crate) b: PathBuf,

    /// Scores to compare, by their names in metrics.csv [default: dice, and hausdorff95, surface_dice, lesion_f1, centreline_dice,
    /// roc_auc where both have them]
    #[arg(long, value_name = "NAME")]
    pub(crate) score: Vec<String>,

    /// File for the comparison: .csv or .json
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) random: Seeded,
}

/// Describe the labels of images: volume, intensity and shape
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  sagittal statistics scan.nii.gz labels.nii.gz\n  \
                        sagittal statistics imagesTs labels -o statistics.csv\n\n\
                        Folders are paired by case name; CASE_0000, CASE_0001, ... are the channels of CASE. Volumes in ml (mm2 in \
                        2-D), lengths in mm; voxels where files have no spacing.")]
pub(crate) struct StatisticsArgs {
    /// An image, or a folder of them
    pub(crate) images: PathBuf,

    /// Its label map, or a folder of them
    pub(crate) label_maps: PathBuf,

    /// Take the labels and their names from this dataset.json [default: the values found]
    #[arg(long, value_name = "FILE")]
    pub(crate) labels: Option<PathBuf>,

    /// File for the table: .csv or .json
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// Put everything about a run on one self-contained HTML page
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  sagittal report run\n\nWrites run/report.html, which needs no network and no other file.")]
pub(crate) struct ReportArgs {
    /// Folder of the run
    pub(crate) run: PathBuf,
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Alone {
        #[command(flatten)]
        predict: PredictArgs,
    }

    fn parse(paths: &[&str]) -> PredictArgs {
        Alone::parse_from(["predict", "-o", "out"].iter().chain(paths)).predict
    }

    #[test]
    fn models_come_before_inputs() {
        let args = parse(&["a.safetensors", "b.safetensors", "scan.nii.gz", "folder"]);
        let (models, inputs) = args.models_and_inputs().unwrap();
        assert_eq!((models.len(), inputs.len()), (2, 2));
    }

    #[test]
    fn a_run_folder_is_a_model() {
        let run = tempfile::tempdir().unwrap();
        std::fs::write(run.path().join("run.json"), "{}").unwrap();
        let args = parse(&[run.path().to_str().unwrap(), "scan.nii.gz"]);
        assert_eq!(args.models_and_inputs().unwrap().0, [run.path()]);
    }

    #[test]
    fn missing_model_and_missing_input_are_named() {
        let no_model = parse(&["scan.nii.gz", "a.safetensors"]).models_and_inputs().unwrap_err().to_string();
        assert!(no_model.contains("scan.nii.gz is no model"), "{no_model}");
        let no_input = parse(&["a.safetensors", "b.safetensors"]).models_and_inputs().unwrap_err().to_string();
        assert!(no_input.contains("no image"), "{no_input}");
    }
}
