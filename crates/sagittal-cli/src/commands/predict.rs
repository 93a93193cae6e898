//! `sagittal predict`: a label map for every image, on the image's own grid.

mod inputs;
mod quality;
mod room;

use std::{
    num::NonZeroUsize,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use anyhow::Context;
use sagittal_data::{Case, DataError, Dataset, Layout, Seed, plan::NetworkPlan};
use sagittal_image::{
    Geometry, Volume,
    io::{self, Format, SourceHeader},
};
use sagittal_infer::{Cost, DropoutSamples, Ensemble, InferError, PredictOptions, Uncertainty};
use serde_json::{Value, json};

use crate::{
    args::{CheckpointChoice, PredictArgs},
    commands::region_masks::RegionMasks,
    device,
    machine::usable_memory_bytes,
    messages::{Messages, Unit},
    outcome::{Outcome, WrongUse},
    stop::Stop,
};
use quality::Quality;

pub(crate) fn run(args: &PredictArgs, messages: &Messages) -> anyhow::Result<Outcome> {
    let stop = Stop::on_ctrl_c()?;
    let Predicted { written, failed, flagged, not_reached } = predict(args, messages, &stop)?;
    let words = || {
        let mut lines = vec![format!("wrote {} label map(s) to {}", written.len(), args.output.display())];
        if !not_reached.is_empty() {
            let n_all = written.len() + failed.len() + not_reached.len();
            lines.push(format!(
                "stopped on request: {} of {n_all} case(s) are not predicted, what was written is complete; for the rest name these again: {}",
                not_reached.len(),
                not_reached.join(", ")
            ));
        }
        if !failed.is_empty() {
            lines.push(format!("{} case(s) failed:", failed.len()));
        }
        lines.extend(failed.iter().map(|(case, reason)| format!("    {case}: {reason}")));
        if !flagged.is_empty() {
            lines.push(format!("{} case(s) to look at first, see quality.json: {}", flagged.len(), flagged.join(", ")));
        }
        lines.join("\n")
    };
    let failures: Vec<Value> = failed.iter().map(|(case, reason)| json!({ "case": case, "reason": reason })).collect();
    let files: Vec<Value> = written.iter().map(|(case, file)| json!({ "case": case, "labels": file })).collect();
    let mut result = json!({ "written": files, "failed": failures, "flagged": flagged });
    if !not_reached.is_empty() {
        (result["stopped"], result["not_reached"]) = (true.into(), not_reached.clone().into());
    }
    messages.result(&result, words)?;
    Ok(if !not_reached.is_empty() {
        Outcome::Stopped
    } else if failed.is_empty() {
        Outcome::Done
    } else {
        Outcome::SomeFailed
    })
}

/// What came of the cases: the file of each, or why there is none.
#[derive(Debug, Default)]
pub(crate) struct Predicted {
    pub(crate) written: Vec<(String, PathBuf)>,
    pub(crate) failed: Vec<(String, String)>,
    /// Cases whose labels the models are unsure of, where that was asked for.
    pub(crate) flagged: Vec<String>,
    /// Cases that were not predicted, because somebody asked to stop.
    pub(crate) not_reached: Vec<String>,
}

/// Predicts all cases; a bad one does not stop the rest.
pub(crate) fn predict(args: &PredictArgs, messages: &Messages, stop: &Stop) -> anyhow::Result<Predicted> {
    let (models, inputs) = args.models_and_inputs()?;
    WrongUse::if_file(&args.output)?;
    let device = device::open(args.on, messages)?;
    let ensemble = Ensemble::load(&model_files(models, args.checkpoint)?, &device)?;
    let masks = RegionMasks::open(args.roi.as_deref())?;
    let cases = inputs::find(inputs, ensemble.plan().channels.len())?;
    refuse_to_overwrite_inputs(&cases, &args.output)?;
    std::fs::create_dir_all(&args.output).with_context(|| format!("cannot make {}", args.output.display()))?;
    let options = PredictOptions {
        mirror: !args.no_mirror,
        probabilities: args.probabilities,
        uncertainty: args.uncertainty,
        memory_bytes: args.memory.or_else(usable_memory_bytes),
        dropout: dropout_samples(args, &ensemble)?,
        ..PredictOptions::default()
    };
    let mirroring = match (&ensemble.plan().network, options.mirror) {
        (NetworkPlan::Patch(_), _) => "each voxel from its own surroundings",
        (_, true) => "mirrored copies averaged",
        (_, false) => "without mirroring",
    };
    let samples = options.dropout.map_or_else(String::new, |samples| {
        let n = samples.n;
        format!(", {n} samples of dropout each, which take {n} times as long as one prediction")
    });
    messages.say(format_args!("predicting {} case(s) with {} model(s), {mirroring}{samples}", cases.len(), ensemble.n_models()));
    let mut predicted = Predicted::default();
    let progress = messages.progress("predicting", Unit::Cases, cases.len() as u64);
    // Of a single case, which may take long, the tiles are counted.
    let mut tiles = |done: usize, total: usize| {
        if cases.len() == 1 {
            progress.set(done as u64, total as u64);
        }
        if stop.requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let mut quality = Quality::new(ensemble.plan(), args.flag_below);
    for case in &cases {
        if stop.requested() {
            predicted.not_reached.push(case.id.clone());
            continue;
        }
        match predict_file(&ensemble, case, &masks, &args.output, options, messages, &mut tiles) {
            Ok((file, uncertainty)) => {
                predicted.written.push((case.id.clone(), file));
                if let Some(found) = uncertainty {
                    quality.add(&case.id, &found.expected_dice);
                    // After every case, so that what was found is not lost with a later one.
                    quality.write(&args.output)?;
                }
            }
            Err(error) if matches!(error.downcast_ref(), Some(InferError::Stopped)) => predicted.not_reached.push(case.id.clone()),
            Err(error) => predicted.failed.push((case.id.clone(), reason(case, &error))),
        }
        if cases.len() > 1 {
            progress.advance();
        }
    }
    predicted.flagged = quality.flagged();
    Ok(predicted)
}

/// What `--dropout-samples` asks for.
fn dropout_samples(args: &PredictArgs, ensemble: &Ensemble) -> Result<Option<DropoutSamples>, WrongUse> {
    let Some(n) = args.dropout_samples.and_then(NonZeroUsize::new) else { return Ok(None) };
    if !ensemble.has_dropout() {
        return Err(WrongUse(format!("--dropout-samples: {}", InferError::NoDropout)));
    }
    Ok(Some(DropoutSamples { n, seed: Seed(args.random.seed) }))
}

/// Why a case failed, with its file named once; the case's name stands before it.
fn reason(case: &Case, error: &anyhow::Error) -> String {
    let data = match error.downcast_ref::<InferError>() {
        Some(InferError::Data(data)) => Some(data),
        _ => error.downcast_ref::<DataError>(),
    };
    match data {
        Some(DataError::Image { .. }) => error.chain().skip(1).map(ToString::to_string).collect::<Vec<_>>().join(": "),
        _ if matches!(error.downcast_ref(), Some(InferError::Memory { .. })) => format!("{}: {error}", case.images[0].display()),
        Some(DataError::Case { finding, cure, .. }) => format!("{}: {finding}; {cure}", case.images[0].display()),
        _ => format!("{error:#}"),
    }
}

/// Refuses an output folder in which a label map would take the place of an image.
fn refuse_to_overwrite_inputs(cases: &[Case], folder: &Path) -> Result<(), WrongUse> {
    for case in cases {
        let Ok(output) = output_file(case, folder).canonicalize() else { continue };
        if let Some(image) = case.images.iter().find(|image| image.canonicalize().is_ok_and(|image| image == output)) {
            return Err(WrongUse(format!("{} would be replaced by its label map; name another folder with -o", image.display())));
        }
    }
    Ok(())
}

/// Where the label map of a case goes.
fn output_file(case: &Case, folder: &Path) -> PathBuf {
    folder.join(format!("{}{}", case.id, label_extension(&case.images[0])))
}

/// Reads the case, predicts it and writes what was asked for; returns the label map's file.
fn predict_file(
    ensemble: &Ensemble,
    case: &Case,
    masks: &RegionMasks,
    folder: &Path,
    options: PredictOptions,
    messages: &Messages,
    tiles: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
) -> anyhow::Result<(PathBuf, Option<Uncertainty>)> {
    let dataset = dataset_of(ensemble);
    let image = dataset.read_image(case)?;
    let (geometry, header) = (image.geometry.clone(), image.header.clone());
    let Cost { bytes, n_blocks, disk_bytes } = ensemble.cost(&geometry, options)?;
    if bytes.max(disk_bytes) > LARGE_BYTES || n_blocks > 1 {
        let [z, y, x] = geometry.shape;
        let blocks = if n_blocks > 1 { format!(", in {n_blocks} blocks to stay within it") } else { String::new() };
        let disk = if disk_bytes > 0 { format!(", {} of the disk for a time", size(disk_bytes)) } else { String::new() };
        messages.say(format_args!("{}: {x} x {y} x {z} voxels, at most {} of memory{blocks}{disk}", case.id, size(bytes)));
    }
    if options.probabilities || disk_bytes > 0 {
        room::tell_if_short(case, folder, &room::Needs::of(ensemble, &geometry, disk_bytes, options), messages);
    }
    let region = masks.read(case, ensemble.plan())?;
    let prediction = ensemble.predict_in(&case.id, image, region.as_ref(), options, tiles)?;
    let path = output_file(case, folder);
    io::write_label_map(&path, &prediction.labels, &geometry, &header)?;
    if let Some(classes) = &prediction.probabilities {
        let path = folder.join(format!("{}.npz", case.id));
        let shape = prediction.labels.shape();
        io::write_probabilities_by_class(&path, classes.n_classes(), shape, |class| classes.class(class).map_err(anyhow::Error::from))?;
    }
    if let Some(found) = &prediction.uncertainty {
        for (name, volume) in [("entropy", &found.entropy), ("disagreement", &found.disagreement)] {
            write_map(&folder.join(name), &path, volume, &geometry, &header)?;
        }
    }
    Ok((path, prediction.uncertainty))
}

/// Writes a map of numbers from 0 to 1 into a folder of its own, under the name of the label map. Pictures hold whole
/// numbers: there 255 is 1.
fn write_map(folder: &Path, labels: &Path, values: &Volume<f32>, geometry: &Geometry, header: &SourceHeader) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let path = folder.join(labels.file_name().unwrap_or_default());
    let is_picture = Format::of_path(&path).is_some_and(Format::is_picture);
    let scaled = is_picture.then(|| values.map(|value| (255.0 * value.clamp(0.0, 1.0)).round()));
    io::write_image(&path, &[scaled.unwrap_or_else(|| values.clone())], geometry, header)?;
    Ok(())
}

/// Bytes for people.
fn size(bytes: u64) -> String {
    if bytes < 1_000_000_000 { format!("{:.0} MB", bytes as f64 / 1e6) } else { format!("{:.1} GB", bytes as f64 / 1e9) }
}

/// Predictions that need more than this say so before they start.
const LARGE_BYTES: u64 = 1 << 30;

/// The extension of a label map beside an image: the image's own, but PNG for pictures whose format loses or limits
/// values.
pub(crate) fn label_extension(image: &Path) -> &'static str {
    match Format::of_path(image) {
        Some(Format::Jpeg | Format::Bmp | Format::Gif) | None => Format::Png.extension(),
        // Its two files can be read, not written.
        Some(Format::NiftiPair) => Format::NiftiGz.extension(),
        Some(format) => format.extension(),
    }
}

/// A data set that holds nothing yet but knows what the images of the models look like.
fn dataset_of(ensemble: &Ensemble) -> Dataset {
    let plan = ensemble.plan();
    Dataset {
        root: PathBuf::new(),
        name: plan.dataset.clone(),
        layout: Layout::Folders,
        channels: plan.channels.iter().map(|channel| channel.name.clone()).collect(),
        labels: plan.labels.clone(),
        regions: plan.regions.clone(),
        ignore_label: plan.ignore_label,
        mask_values: Vec::new(),
        training: Vec::new(),
        test: Vec::new(),
        faults: Vec::new(),
    }
}

/// The model files that were named, a run's folder standing for those of all its folds.
pub(crate) fn model_files(models: &[PathBuf], checkpoint: CheckpointChoice) -> anyhow::Result<Vec<PathBuf>> {
    let name = match checkpoint {
        CheckpointChoice::Final => "model.safetensors",
        CheckpointChoice::Best => "best.safetensors",
    };
    let mut files = Vec::new();
    for model in models {
        WrongUse::unless_exists(model, "a model (.safetensors) or the folder of a run")?;
        if !model.is_dir() {
            files.push(model.clone());
            continue;
        }
        let act = || format!("cannot list {}", model.display());
        let mut of_run = Vec::new();
        for entry in std::fs::read_dir(model).with_context(act)? {
            let folder = entry.with_context(act)?.path();
            let is_fold = folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with("fold_"));
            let file = folder.join(name);
            if is_fold && file.is_file() {
                of_run.push(file);
            }
        }
        if of_run.is_empty() {
            return Err(WrongUse(format!("{} has no fold_*/{name} yet; train it first", model.display())).into());
        }
        of_run.sort();
        files.extend(of_run);
    }
    Ok(files)
}
