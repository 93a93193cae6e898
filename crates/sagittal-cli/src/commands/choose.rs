//! `sagittal choose`: the best of several runs or of their averages, and what to do to its labels, by the cases that each fold held out.

mod candidates;
mod postprocessing;

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use rayon::prelude::*;
use sagittal_data::{Dataset, FoldChoice, Plan, Splits, plan::KeepParts};
use sagittal_image::{LabelMap, io};
use sagittal_infer::{keep_parts, voxel_size};
use sagittal_metrics::overlap;
use sagittal_nets::ModelFile;
use sagittal_tensor::Device;
use serde::Serialize;
use serde_json::Value;

use crate::{
    args::ChooseArgs,
    commands::predict::label_extension,
    device,
    messages::{Messages, Progress},
    outcome::{Outcome, StoppedOnRequest, WrongUse},
    stop::Stop,
    table, whole_file,
};
use candidates::Candidate;
use postprocessing::Trial;

/// The record of a choice, and the mark of a folder whose models belong together.
pub(crate) const FILE_NAME: &str = "choice.json";

/// A run with its folds that are trained and validated.
#[derive(Debug)]
struct Run {
    path: PathBuf,
    name: String,
    plan: Plan,
    splits: Splits,
    folds: Vec<usize>,
    record: Value,
}

/// What is scored together: a label, or a region made of several.
#[derive(Clone, Debug, Serialize)]
struct Structure {
    name: String,
    values: Vec<u16>,
}

/// Everything a candidate is scored with.
struct HeldOut<'a> {
    dataset: &'a Dataset,
    structures: Vec<Structure>,
    /// Case and the fold that held it out.
    cases: Vec<(String, usize)>,
}

/// Mean Dice over the held-out cases.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Scores {
    /// Mean over the structures, nnU-Net's `foreground_mean`.
    mean_dice: Option<f64>,
    /// Of each structure, over the cases in which it is there or was found.
    dice: Vec<Option<f64>>,
}

/// What was tried and chosen, as it stands in `choice.json`.
#[derive(Debug, Serialize)]
struct Choice {
    format_version: u32,
    folds: Vec<usize>,
    n_cases: usize,
    structures: Vec<Structure>,
    candidates: Vec<Candidate>,
    chosen: String,
    postprocessing_tried: Vec<Trial>,
    postprocessing: Vec<KeepParts>,
    /// Of what was chosen, post-processed.
    result: Scores,
}

pub(crate) fn run(args: &ChooseArgs, messages: &Messages) -> anyhow::Result<Outcome> {
    let stop = Stop::on_ctrl_c()?;
    refuse_filled(&args.output)?;
    let runs = args.runs.iter().map(|path| Run::open(path, args.dataset.as_deref())).collect::<anyhow::Result<Vec<_>>>()?;
    let dataset = Dataset::open(&dataset_folder(args, &runs[0])?)?;
    let folds = common_folds(&runs, messages)?;
    let held_out = HeldOut::new(&dataset, &runs[0], &folds)?;
    let device = device::open(args.on, messages)?;
    std::fs::create_dir_all(&args.output).with_context(|| format!("cannot make {}", args.output.display()))?;
    let ensembles = if args.no_ensembles { None } else { Some(args.output.join("ensembles")) };
    let candidates = candidates::all(&runs, &held_out, ensembles.as_deref(), &device, messages, &stop)?;
    let best = candidates::best(&candidates)?;
    let (postprocessing, tried, result) = postprocessing::choose(&candidates[best], &held_out, messages, &stop)?;
    write_models(&args.output, &runs, &candidates[best], &postprocessing, &device)?;
    let choice = Choice {
        format_version: 1,
        folds,
        n_cases: held_out.cases.len(),
        structures: held_out.structures,
        chosen: candidates[best].name.clone(),
        candidates,
        postprocessing_tried: tried,
        postprocessing,
        result,
    };
    whole_file::write(&args.output.join(FILE_NAME), &(serde_json::to_string_pretty(&choice)? + "\n"))?;
    messages.result(&choice, || in_words(&choice, &args.output))?;
    Ok(Outcome::Done)
}

/// Refuses a folder with something in it: models of another choice would be averaged with those of this one.
fn refuse_filled(folder: &Path) -> Result<(), WrongUse> {
    WrongUse::if_file(folder)?;
    let is_filled = std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    if is_filled { Err(WrongUse(format!("{} is not empty; name a new folder with -o", folder.display()))) } else { Ok(()) }
}

fn dataset_folder(args: &ChooseArgs, run: &Run) -> Result<PathBuf, WrongUse> {
    if let Some(folder) = &args.dataset {
        WrongUse::unless_exists(folder, "the folder of a data set")?;
        return Ok(folder.clone());
    }
    let folder = run.record["dataset"]["folder"].as_str().map(PathBuf::from).filter(|folder| folder.is_dir());
    let record = run.path.join("run.json");
    folder.ok_or_else(|| WrongUse(format!("the data set that {} names is not there any more; name it with --dataset", record.display())))
}

impl Run {
    fn open(path: &Path, dataset: Option<&Path>) -> anyhow::Result<Self> {
        WrongUse::unless_exists(path, "the folder of a run")?;
        let file = path.join("run.json");
        if !file.is_file() {
            let cure = "name folders that `sagittal train -o` was given";
            return Err(WrongUse(format!("{} holds no run.json, so it is no run; {cure}", path.display())).into());
        }
        let act = || format!("reading {}", file.display());
        let record: Value = serde_json::from_str(&std::fs::read_to_string(&file).with_context(act)?).with_context(act)?;
        let plan = Plan::read(&path.join(Plan::FILE_NAME))?;
        if !plan.postprocessing.is_empty() {
            bail!(
                "the labels of {} are post-processed by its plan already, so it cannot be found out what helps them; train without \
                 `postprocessing` in the plan",
                path.display()
            );
        }
        let folder = dataset.map(Path::to_owned).or_else(|| record["dataset"]["folder"].as_str().map(PathBuf::from)).unwrap_or_default();
        let splits = Splits::read(&path.join(Splits::FILE_NAME), &Dataset::open(&folder)?)?;
        let is_there = |fold: &usize| {
            let folder = path.join(format!("fold_{fold}"));
            folder.join("model.safetensors").is_file() && folder.join("validation").join("metrics.json").is_file()
        };
        let folds: Vec<usize> = (0..splits.n_folds()).filter(is_there).collect();
        if folds.is_empty() {
            let cure = "train it with --cross-validate";
            return Err(WrongUse(format!("{} has no fold that is trained and validated; {cure}", path.display())).into());
        }
        let name = path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
        Ok(Self { path: path.to_owned(), name, plan, splits, folds, record })
    }

    fn model(&self, fold: usize) -> PathBuf {
        self.path.join(format!("fold_{fold}")).join("model.safetensors")
    }

    fn validation(&self, fold: usize) -> PathBuf {
        self.path.join(format!("fold_{fold}")).join("validation")
    }
}

/// The folds that every run has; refuses runs that cannot be compared.
fn common_folds(runs: &[Run], messages: &Messages) -> anyhow::Result<Vec<usize>> {
    let first = &runs[0];
    for (idx, run) in runs.iter().enumerate() {
        let (a, b) = (first.path.display(), run.path.display());
        if runs[..idx].iter().any(|before| before.name == run.name) {
            return Err(WrongUse(format!("two runs are called {}; give one folder another name", run.name)).into());
        }
        if run.record["dataset"]["sha256"] != first.record["dataset"]["sha256"] || run.splits != first.splits {
            bail!("{a} and {b} held out other cases, or were trained on other data; train both on one data set with the same splits.json");
        }
        if run.plan.labels != first.plan.labels || run.plan.regions != first.plan.regions {
            bail!("{a} and {b} find other labels or regions; only runs of one task can be compared");
        }
    }
    let common: Vec<usize> = first.folds.iter().copied().filter(|fold| runs.iter().all(|run| run.folds.contains(fold))).collect();
    if common.is_empty() {
        let folds = |run: &Run| format!("{} has {:?}", run.name, run.folds);
        bail!("no fold is trained in all runs: {}", runs.iter().map(folds).collect::<Vec<_>>().join(", "));
    }
    if common.len() < first.splits.n_folds() {
        messages.say(format_args!(
            "note: only fold(s) {} of {} are trained in every run; the choice rests on their cases alone",
            common.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            first.splits.n_folds()
        ));
    }
    Ok(common)
}

impl<'a> HeldOut<'a> {
    fn new(dataset: &'a Dataset, run: &Run, folds: &[usize]) -> anyhow::Result<Self> {
        let plan = &run.plan;
        let labels = plan.labels.iter().skip(1).map(|label| Structure { name: label.name.clone(), values: vec![label.value] });
        let regions = plan.regions.iter().map(|region| Structure { name: region.name.clone(), values: region.values.clone() });
        let structures = if plan.regions.is_empty() { labels.collect() } else { regions.collect() };
        let mut cases = Vec::new();
        for &fold in folds {
            cases.extend(run.splits.fold(FoldChoice::Index(fold))?.validation.into_iter().map(|case| (case, fold)));
        }
        Ok(Self { dataset, structures, cases })
    }

    /// Name of the label map of a case.
    fn file_name(&self, id: &str) -> anyhow::Result<String> {
        let case = self.dataset.training_case(id).context("the data set does not have it any more")?;
        Ok(format!("{id}{}", label_extension(case.images.first().context("it has no image")?)))
    }

    /// Dice of every structure in one case, after `steps`.
    fn dice_of(&self, id: &str, prediction: LabelMap, steps: &[KeepParts]) -> anyhow::Result<Vec<Option<f64>>> {
        let case = self.dataset.training_case(id).context("the data set does not have it any more")?;
        let reference = self.dataset.read_labels(case)?;
        let inside = self.dataset.scored_voxels(case, &reference)?;
        let (found, expected) = (prediction.labels.shape(), reference.labels.shape());
        if found != expected {
            bail!("its prediction has shape {found:?}, its labels {expected:?} (z, y, x); validate the run again");
        }
        let voxel_size = voxel_size(&prediction.geometry);
        let labels = keep_parts(prediction.labels, steps, voxel_size);
        let dice = self.structures.iter().map(|Structure { values, .. }| {
            let mask = |label: &u16| u16::from(values.contains(label));
            overlap::count(&labels.map(mask), &reference.labels.map(mask), &[1], inside.as_ref())[0].dice()
        });
        Ok(dice.collect())
    }

    /// Scores label maps, those of fold `f` in `folder_of(f)`, after `steps`.
    fn score(&self, candidate: &Candidate, steps: &[KeepParts], progress: &Progress, stop: &Stop) -> anyhow::Result<Scores> {
        let of_case = |(id, fold): &(String, usize)| -> anyhow::Result<Vec<Option<f64>>> {
            if stop.requested() {
                return Err(StoppedOnRequest(String::new()).into());
            }
            let path = candidate.folder_of(*fold).join(self.file_name(id)?);
            let dice = self.dice_of(id, io::read_label_map(&path)?, steps);
            progress.advance();
            dice
        };
        let cases = self.cases.par_iter().map(|case| of_case(case).with_context(|| format!("case {}", case.0)));
        Ok(Scores::of(&cases.collect::<anyhow::Result<Vec<_>>>()?))
    }
}

impl Scores {
    /// Of the Dice of each case and structure.
    fn of(cases: &[Vec<Option<f64>>]) -> Self {
        let mean = |values: Vec<f64>| (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64);
        let n_structures = cases.first().map_or(0, Vec::len);
        let dice: Vec<Option<f64>> = (0..n_structures).map(|k| mean(cases.iter().filter_map(|case| case[k]).collect())).collect();
        Self { mean_dice: mean(dice.iter().flatten().copied().collect()), dice }
    }
}

/// Copies the models of all folds of the chosen runs, which from now on post-process.
fn write_models(folder: &Path, runs: &[Run], chosen: &Candidate, steps: &[KeepParts], device: &Device) -> anyhow::Result<()> {
    for run in runs.iter().filter(|run| chosen.runs.contains(&run.name)) {
        for fold in &run.folds {
            let ModelFile { network, mut header } = ModelFile::read(&run.model(*fold), device)?;
            if !steps.is_empty() {
                header["plan"]["postprocessing"] = serde_json::to_value(steps)?;
            }
            let place = folder.join(if chosen.runs.len() == 1 { format!("fold_{fold}") } else { format!("fold_{fold}_{}", run.name) });
            std::fs::create_dir_all(&place).with_context(|| format!("cannot make {}", place.display()))?;
            ModelFile::write(&place.join("model.safetensors"), &network, &header)?;
        }
    }
    Ok(())
}

fn in_words(choice: &Choice, folder: &Path) -> String {
    let number = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.4}"));
    let header = ["mean Dice".to_owned()].into_iter().chain(choice.structures.iter().map(|structure| structure.name.clone()));
    let title = format!("{} held-out cases", choice.n_cases);
    let mut rows: Vec<Vec<String>> = vec![std::iter::once(title).chain(header).collect()];
    let row = |name: String, scores: &Scores| {
        std::iter::once(name).chain([number(scores.mean_dice)]).chain(scores.dice.iter().map(|&dice| number(dice))).collect::<Vec<_>>()
    };
    for candidate in &choice.candidates {
        let mark = if candidate.name == choice.chosen { " (chosen)" } else { "" };
        rows.push(row(format!("{}{mark}", candidate.name), &candidate.scores));
    }
    for trial in &choice.postprocessing_tried {
        let verdict = if trial.kept { "kept" } else { "not kept" };
        rows.push(row(format!("largest part of {}: {verdict}", trial.structure), &trial.scores));
    }
    rows.push(row("result".to_owned(), &choice.result));
    let mut text = table::of_rows(&rows);
    text += "\nThe result is the best of several tries on these very cases, so it is a little too good.\n";
    text += &format!("Predict with: sagittal predict {} IMAGES -o labels", folder.display());
    text
}

#[cfg(test)]
mod tests;
