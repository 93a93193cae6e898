//! `sagittal calibrate`: makes a run's models as sure as they are right, on the cases that they were not trained on.

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use anyhow::Context;
use sagittal_data::{Dataset, FoldChoice, Plan, Splits};
use sagittal_infer::{Ensemble, PredictOptions, TEMPERATURE_KEY};
use sagittal_metrics::temperature::{Calibration, Fit};
use sagittal_nets::ModelFile;
use sagittal_tensor::Device;
use serde_json::{Value, json};

use crate::{
    args::CalibrateArgs,
    commands::region_masks::RegionMasks,
    device,
    machine::usable_memory_bytes,
    messages::{Messages, Unit},
    outcome::{Outcome, StoppedOnRequest, WrongUse},
    stop::Stop,
};

/// Voxels of a case that count, spread evenly: more of them say the same.
const VOXELS_PER_CASE: usize = 50_000;

/// What was found of one fold.
struct Calibrated {
    fold: usize,
    n_cases: usize,
    n_voxels: usize,
    before: Fit,
    after: Fit,
    /// What the model's file now says.
    temperature: f64,
}

pub(crate) fn run(args: &CalibrateArgs, messages: &Messages) -> anyhow::Result<Outcome> {
    WrongUse::unless_exists(&args.run, "the folder of a run")?;
    let stop = Stop::on_ctrl_c()?;
    let dataset = Dataset::open(&dataset_folder(args)?)?;
    let splits = Splits::read(&args.run.join(Splits::FILE_NAME), &dataset)?;
    let device = device::open(args.on, messages)?;
    let folds: Vec<(usize, PathBuf)> = (0..splits.n_folds())
        .map(|fold| (fold, args.run.join(format!("fold_{fold}")).join("model.safetensors")))
        .filter(|(_, model)| model.is_file())
        .collect();
    if folds.is_empty() {
        let cure = "train a fold first; a model trained on all cases has none left to be calibrated on";
        return Err(WrongUse(format!("{} has no fold_N/model.safetensors; {cure}", args.run.display())).into());
    }
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for (fold, model) in &folds {
        let cases = splits.fold(FoldChoice::Index(*fold))?.validation;
        done.push(calibrate(*fold, model, &cases, &dataset, &device, messages, &stop, &mut failed)?);
    }
    messages.result(&as_json(&done, &failed), || in_words(&done, &failed))?;
    Ok(if failed.is_empty() { Outcome::Done } else { Outcome::SomeFailed })
}

/// The data set named, or the one that the run was trained on.
fn dataset_folder(args: &CalibrateArgs) -> anyhow::Result<PathBuf> {
    if let Some(folder) = &args.dataset {
        WrongUse::unless_exists(folder, "the folder of a data set")?;
        return Ok(folder.clone());
    }
    let path = args.run.join("run.json");
    if !path.is_file() {
        let cure = "name the folder that `sagittal train -o` was given";
        return Err(WrongUse(format!("{} holds no run.json, so it is no run; {cure}", args.run.display())).into());
    }
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let record: Value = serde_json::from_str(&text).with_context(|| format!("{} is not JSON", path.display()))?;
    let folder = record["dataset"]["folder"].as_str().map(PathBuf::from).filter(|folder| folder.is_dir());
    folder
        .ok_or_else(|| WrongUse(format!("the data set that {} names is not there any more; name it with --dataset", path.display())).into())
}

/// Predicts the cases of a fold, fits the temperature and writes it into the model.
#[allow(clippy::too_many_arguments, reason = "a fold and everything it is worked on with")]
fn calibrate(
    fold: usize,
    model: &Path,
    cases: &[String],
    dataset: &Dataset,
    device: &Device,
    messages: &Messages,
    stop: &Stop,
    failed: &mut Vec<(String, String)>,
) -> anyhow::Result<Calibrated> {
    let ensemble = Ensemble::load(&[model.to_owned()], device)?;
    let mut calibration = Calibration::default();
    let mut n_cases = 0;
    {
        let progress = messages.progress(&format!("calibrating fold {fold}"), Unit::Cases, cases.len() as u64);
        for id in cases {
            match add_case(id, &ensemble, dataset, &mut calibration, stop) {
                Ok(()) => n_cases += 1,
                Err(error) => failed.push((id.clone(), format!("{error:#}"))),
            }
            if stop.requested() {
                return Err(StoppedOnRequest(format!("; {} is as it was", model.display())).into());
            }
            progress.advance();
        }
    }
    let after = calibration.best().with_context(|| format!("no case of fold {fold} could be predicted and compared with its labels"))?;
    let ModelFile { network, mut header } = ModelFile::read(model, device)?;
    // The probabilities came from what the file said before.
    let temperature = header[TEMPERATURE_KEY].as_f64().unwrap_or(1.0) * after.temperature;
    header[TEMPERATURE_KEY] = temperature.into();
    ModelFile::write(model, &network, &header)?;
    Ok(Calibrated { fold, n_cases, n_voxels: calibration.n_voxels(), before: calibration.at(1.0), after, temperature })
}

/// Adds voxels of one case, evenly spread.
fn add_case(id: &str, ensemble: &Ensemble, dataset: &Dataset, calibration: &mut Calibration, stop: &Stop) -> anyhow::Result<()> {
    let case = dataset.training_case(id).context("the data set does not have it any more")?;
    let (image, reference) = (dataset.read_image(case)?, dataset.read_labels(case)?);
    let inside = dataset.read_region(case)?;
    let options = PredictOptions { probabilities: true, memory_bytes: usable_memory_bytes(), ..PredictOptions::default() };
    let mut go_on = |_, _| if stop.requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    let region = RegionMasks::default().read(case, ensemble.plan())?;
    let prediction = ensemble.predict_in(id, image, region.as_ref(), options, &mut go_on)?;
    let classes = prediction.probabilities.context("the probabilities were asked for")?.all()?;
    let (plan, labels) = (ensemble.plan(), reference.labels.voxels());
    let counts = |i: &usize| inside.as_ref().is_none_or(|mask| mask.labels.voxels()[*i] != 0) && plan.ignore_label != Some(labels[*i]);
    let voxels: Vec<usize> = (0..labels.len()).filter(counts).collect();
    // Not a divisor of the sides of an image, or whole columns would be left out.
    let step = (voxels.len() / VOXELS_PER_CASE).max(1) | 1;
    for &i in voxels.iter().step_by(step) {
        add_voxel(plan, labels[i], &|k| classes[k].voxels()[i], calibration);
    }
    Ok(())
}

/// Adds a voxel: its class, or of each region whether it lies inside.
fn add_voxel(plan: &Plan, label: u16, probability: &dyn Fn(usize) -> f32, calibration: &mut Calibration) {
    if let (true, Some(class)) = (plan.regions.is_empty(), plan.labels.iter().position(|known| known.value == label)) {
        calibration.add((0..plan.labels.len()).map(probability), class);
    }
    for (k, region) in plan.regions.iter().enumerate() {
        let p = probability(k);
        calibration.add([1.0 - p, p], usize::from(region.values.contains(&label)));
    }
}

fn as_json(done: &[Calibrated], failed: &[(String, String)]) -> Value {
    let fit = |fit: &Fit| json!({ "negative_log_likelihood": fit.negative_log_likelihood, "calibration_error": fit.calibration_error });
    let folds: Vec<Value> = done
        .iter()
        .map(|c| {
            json!({ "fold": c.fold, "cases": c.n_cases, "voxels": c.n_voxels, "temperature": c.temperature,
                    "before": fit(&c.before), "after": fit(&c.after) })
        })
        .collect();
    let failures: Vec<Value> = failed.iter().map(|(case, reason)| json!({ "case": case, "reason": reason })).collect();
    json!({ "folds": folds, "failed": failures })
}

fn in_words(done: &[Calibrated], failed: &[(String, String)]) -> String {
    let mut lines: Vec<String> = done
        .iter()
        .map(|c| {
            format!(
                "fold {}: temperature {:.3} from {} voxels of {} held-out cases; calibration error {:.4} before, {:.4} now; \
                 log-likelihood loss {:.4} before, {:.4} now",
                c.fold,
                c.temperature,
                c.n_voxels,
                c.n_cases,
                c.before.calibration_error,
                c.after.calibration_error,
                c.before.negative_log_likelihood,
                c.after.negative_log_likelihood
            )
        })
        .collect();
    lines.push("the models hold it now: probabilities and uncertainty use it, labels do not change".to_owned());
    if !failed.is_empty() {
        lines.push(format!("{} case(s) failed:", failed.len()));
        lines.extend(failed.iter().map(|(case, reason)| format!("    {case}: {reason}")));
    }
    lines.join("\n")
}
