//! `sagittal report`: everything about a run on one self-contained page.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use sagittal_data::{Dataset, Plan, plan::NetworkPlan, planner::NetName};
use sagittal_image::{Rank, io};
use sagittal_metrics::{Bootstrap, Metrics};
use sagittal_report::{
    CasePicture, CaseRole, Compared, Curves, LayerCurve, Palette, Progress, ReportInput, html, representative_cases, three_planes,
};
use sagittal_train::{FoldFolder, read_pretraining};
use serde_json::{Value, json};

use crate::{
    args::ReportArgs,
    commands::predict::label_extension,
    messages::Messages,
    outcome::{Outcome, WrongUse},
    whole_file,
};

/// Width of a case's picture in pixels: sharp on a wide page, and small enough to send by mail.
const PICTURE_WIDTH: usize = 1000;

pub(crate) fn run(args: &ReportArgs, messages: &Messages) -> anyhow::Result<Outcome> {
    let page = write(args, messages)?;
    messages.result(&json!({ "report": page }), || format!("wrote {}", page.display()))?;
    Ok(Outcome::Done)
}

/// Writes `RUN/report.html` and returns its path.
pub(crate) fn write(args: &ReportArgs, messages: &Messages) -> anyhow::Result<PathBuf> {
    WrongUse::unless_exists(&args.run, "the folder of a run")?;
    let record_path = args.run.join("run.json");
    if !record_path.is_file() {
        let cure = "name the folder that `sagittal train -o` was given";
        return Err(WrongUse(format!("{} holds no run.json, so it is no run; {cure}", args.run.display())).into());
    }
    let record: Value = serde_json::from_str(&read(&record_path)?).with_context(|| format!("{} is not JSON", record_path.display()))?;
    let plan = Plan::read(&args.run.join(Plan::FILE_NAME))?;
    let folds: Vec<&String> = record["folds"].as_object().into_iter().flat_map(|folds| folds.keys()).collect();
    let Some(first) = folds.first() else { bail!("{} names no fold; train one", record_path.display()) };
    let first_folder = args.run.join(format!("fold_{first}"));

    let mut warnings = Vec::new();
    let progress_path = first_folder.join("progress.jsonl");
    let progress = std::fs::read_to_string(&progress_path).map(|text| Progress::parse(&text)).unwrap_or_default();
    if !progress.unreadable_lines.is_empty() {
        // The page says so by itself.
        messages.say(format_args!("note: {} is damaged; lines that are no epoch are left out.", progress_path.display()));
    } else if progress.records.is_empty() {
        warnings.push(format!("Fold {first} has finished no epoch yet."));
    }
    let (metrics, probabilities) = metrics_of(&args.run, &folds, &mut warnings)?;
    if folds.len() > 1 {
        warnings.push(format!("Scores are those of {} folds together; curves and GIF are those of one fold.", folds.len()));
    }
    let values: Vec<u16> = plan.labels.iter().skip(1).map(|label| label.value).collect();
    let pictures = match &metrics {
        Some(metrics) => pictures_of(metrics, &record, &args.run, &folds, &Palette::new(&values), &mut warnings),
        None => Vec::new(),
    };
    let training = &record["folds"][first];
    let minutes = progress.records.last().and_then(|record| record.elapsed_s).map(|seconds| seconds / 60.0);
    let fold_names: Vec<&str> = folds.iter().map(|fold| fold.as_str()).collect();
    let input = ReportInput {
        dataset: plan.dataset.clone(),
        fold: Some(if folds.len() == 1 { format!("fold {first}") } else { format!("folds {}", fold_names.join(", ")) }),
        model: Some(network_words(&plan)),
        minutes,
        seed: training["seed"].as_u64(),
        plan_words: plan.describe(),
        classes: plan.structures().into_iter().map(|structure| structure.name).collect(),
        progress,
        pretraining: pretraining(&first_folder, &mut warnings),
        probabilities,
        metrics,
        pictures,
        training_gif: std::fs::read(first_folder.join("training.gif")).ok(),
        provenance: provenance(&record, training),
        warnings,
    };
    let page = args.run.join("report.html");
    whole_file::write(&page, html(&input))?;
    for warning in &input.warnings {
        messages.say(format_args!("note: {warning}"));
    }
    Ok(page)
}

/// The network in a few words.
fn network_words(plan: &Plan) -> String {
    match &plan.network {
        NetworkPlan::Patch(patch) => format!("voxel classifier {}", NetName::Patch(patch.view)),
        NetworkPlan::ImageToMask(_) => NetName::ImageToMask.to_string(),
        NetworkPlan::Unet(_) | NetworkPlan::ResidualUnet(_) => {
            if plan.network_rank() == Rank::Two { "2-D U-Net" } else { "3-D U-Net" }.to_owned()
        }
    }
}

/// How layers learned without labels, where they did.
fn pretraining(fold: &Path, warnings: &mut Vec<String>) -> Vec<LayerCurve> {
    let path = FoldFolder(fold.to_owned()).pretraining();
    if !path.is_file() {
        return Vec::new();
    }
    match read_pretraining(&path) {
        Ok(record) => record.layers.into_iter().map(|layer| LayerCurve { name: layer.layer, losses: layer.losses }).collect(),
        Err(error) => {
            warnings.push(format!("How layers learned without labels is not shown: {error}."));
            Vec::new()
        }
    }
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// The scores of all folds together; and the curves of the first fold that has some, as those of several networks are not one curve.
fn metrics_of(run: &Path, folds: &[&String], warnings: &mut Vec<String>) -> anyhow::Result<(Option<Metrics>, Vec<Curves>)> {
    let mut of_folds = Vec::new();
    let mut curves = Vec::new();
    for fold in folds {
        let path = run.join(format!("fold_{fold}")).join("validation").join("metrics.json");
        if !path.is_file() {
            warnings.push(format!("Fold {fold} has not been validated yet."));
            continue;
        }
        let of_fold = Metrics::from_json(&read(&path)?).with_context(|| format!("reading {}", path.display()))?;
        if curves.is_empty() {
            curves = Curves::of(&of_fold);
        }
        of_folds.push(of_fold);
    }
    let all = match of_folds.is_empty() {
        true => None,
        false => Some(Metrics::of_folds(of_folds, &Bootstrap::default()).with_context(|| format!("the folds of {}", run.display()))?),
    };
    if let Some(metrics) = &all {
        warnings.extend(metrics.failed.iter().map(|failed| format!("Case {} was not scored: {}.", failed.case, failed.reason)));
    }
    Ok((all, curves))
}

/// Best, median and worst cases as pictures, as far as their files are still there.
fn pictures_of(
    metrics: &Metrics,
    record: &Value,
    run: &Path,
    folds: &[&String],
    palette: &Palette,
    warnings: &mut Vec<String>,
) -> Vec<CasePicture> {
    let folder = record["dataset"]["folder"].as_str().unwrap_or_default();
    let dataset = match Dataset::open(Path::new(folder)) {
        Ok(dataset) => dataset,
        Err(error) => {
            warnings.push(format!("Cases are not shown, because the data set cannot be opened: {error}."));
            return Vec::new();
        }
    };
    let mut pictures = Vec::new();
    for (role, case) in representative_cases(metrics) {
        match picture(&dataset, &case, role, metrics, run, folds, palette) {
            Ok(picture) => pictures.push(picture),
            Err(error) => warnings.push(format!("Case {case} is not shown: {error:#}.")),
        }
    }
    pictures
}

fn picture(
    dataset: &Dataset,
    id: &str,
    role: CaseRole,
    metrics: &Metrics,
    run: &Path,
    folds: &[&String],
    palette: &Palette,
) -> anyhow::Result<CasePicture> {
    let case = dataset.training_case(id).context("the data set does not have it any more")?;
    let name = format!("{id}{}", label_extension(case.images.first().context("it has no image")?));
    let prediction = folds.iter().map(|fold| run.join(format!("fold_{fold}")).join("validation").join(&name)).find(|path| path.is_file());
    let prediction = io::read_label_map(&prediction.context("its prediction is gone")?)?;
    let (image, reference) = (dataset.read_image(case)?, dataset.read_labels(case)?);
    let compared = Compared { image: &image, reference: Some(&reference), prediction: Some(&prediction), palette };
    let dice = metrics.cases.iter().find(|score| score.case == id).and_then(|score| score.mean_dice);
    Ok(CasePicture { case: id.to_owned(), role, dice, png: three_planes(&compared, PICTURE_WIDTH)?.to_png()? })
}

/// What is needed to repeat the training.
fn provenance(record: &Value, training: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let entries = [
        ("command", &training["command"]),
        ("program", &training["program"]),
        ("seed", &training["seed"]),
        ("threads", &training["threads"]),
        ("device", &training["device"]),
        ("teacher", &training["teacher"]["path"]),
        ("teacher's digest (SHA-256)", &training["teacher"]["sha256"]),
        ("data set", &record["dataset"]["folder"]),
        ("data digest (SHA-256)", &record["dataset"]["sha256"]),
    ];
    entries.into_iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.to_owned(), text(value))).collect()
}
