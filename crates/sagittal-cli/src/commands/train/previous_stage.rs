//! What the stage before found of every case, for a training of the last stage of a cascade.
//!
//! Of each case the prediction of the fold that held it out: a network sees of its own training cases better results than of
//! any other, and the last stage would learn to believe them.

use std::{
    collections::{BTreeMap, HashMap},
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use sagittal_data::{Case, Dataset, Fold, FoldChoice, Plan, Splits};
use sagittal_image::{Geometry, LabelMap, io};
use sagittal_infer::{Ensemble, PredictOptions};
use sagittal_tensor::Device;

use super::run_folder::RunFolder;
use crate::{
    commands::{predict::label_extension, region_masks::RegionMasks},
    machine::usable_memory_bytes,
    messages::{Messages, Unit},
    outcome::WrongUse,
    stop::Stop,
};

/// The label maps of the stage before, by the cases' names; empty without a cascade.
#[derive(Debug, Default)]
pub(super) struct PreviousStage {
    pub(super) files: BTreeMap<String, PathBuf>,
}

impl PreviousStage {
    /// What it found of a case whose image lies on `grid`; `None` where the plan is not that of a cascade's last stage.
    pub(super) fn of(&self, id: &str, grid: &Geometry, plan: &Plan) -> anyhow::Result<Option<LabelMap>> {
        if plan.previous_stage.is_none() {
            return Ok(None);
        }
        let file = self.files.get(id).with_context(|| format!("the stage before has no labels of case {id}"))?;
        let map = io::read_label_map(file).with_context(|| format!("reading what the stage before found of case {id}"))?;
        let (found, expected) = (map.labels.shape(), grid.shape);
        ensure!(found == expected, "{} has {found:?} voxels, its image {expected:?}; train the stage before again", file.display());
        Ok(Some(map))
    }

    /// Finds the label map of every case of the fold in `run`; what is missing of a finished fold is predicted.
    #[allow(clippy::too_many_arguments, reason = "two runs and what connects them")]
    pub(super) fn find(
        run: &Path,
        plan: &Plan,
        dataset: &Dataset,
        fold: &Fold,
        folder: &RunFolder,
        device: &Device,
        messages: &Messages,
        stop: &Stop,
    ) -> anyhow::Result<Self> {
        WrongUse::unless_exists(run, "the run of the stage before")?;
        if run.canonicalize().ok() == folder.root.canonicalize().ok() {
            return Err(
                WrongUse(format!("{} is the run to be trained; name that of the stage before with --previous", run.display())).into()
            );
        }
        if !run.join("run.json").is_file() {
            return Err(WrongUse(format!("{} holds no run.json, so it is no run; name that of the stage before", run.display())).into());
        }
        let lower = Plan::read(&run.join(Plan::FILE_NAME))?;
        if lower.labels != plan.labels || lower.channels.len() != plan.channels.len() {
            return Err(WrongUse(format!(
                "{} was trained for other labels or channels than the plan; train it on this data set",
                run.display()
            ))
            .into());
        }
        if let Some(stage) = &lower.previous_stage {
            return Err(
                WrongUse(format!("{} is itself the last stage of a cascade, after {stage}; name the run of that", run.display())).into()
            );
        }
        let splits = Splits::read(&run.join(Splits::FILE_NAME), dataset)?;
        let mut fold_of = HashMap::new();
        for index in 0..splits.n_folds() {
            fold_of.extend(splits.fold(FoldChoice::Index(index))?.validation.into_iter().map(|id| (id, index)));
        }
        let mut needed: Vec<(&Case, usize)> = Vec::new();
        for id in fold.training.iter().chain(&fold.validation).collect::<std::collections::BTreeSet<_>>() {
            let case = dataset.training_case(id).with_context(|| format!("the data set has no case {id}"))?;
            let held_out = fold_of.get(id.as_str());
            needed.push((
                case,
                *held_out.with_context(|| format!("no fold of {} held out case {id}; train it on this data set", run.display()))?,
            ));
        }
        let folder_of = |index: usize| run.join(format!("fold_{index}"));
        let is_finished = |index: &usize| folder_of(*index).join("validation").join("metrics.json").is_file();
        let mut missing: Vec<usize> = needed.iter().map(|(_, index)| *index).filter(|index| !is_finished(index)).collect();
        missing.sort_unstable();
        missing.dedup();
        if let Some(first) = missing.first() {
            let names: Vec<String> = missing.iter().map(ToString::to_string).collect();
            let (plural, run, data) = (if missing.len() == 1 { "fold" } else { "folds" }, run.display(), dataset.root.display());
            return Err(WrongUse(format!(
                "{plural} {} of {run} {} not been trained to the end, and the last stage learns from what every fold finds in the cases \
                 that it held out; train each, beginning with: sagittal train {data} -o {run} --fold {first}",
                names.join(", "),
                if missing.len() == 1 { "has" } else { "have" },
            ))
            .into());
        }
        let mut files = BTreeMap::new();
        let mut lacking: Vec<(&Case, usize)> = Vec::new();
        for (case, index) in needed {
            let file = folder_of(index).join("validation").join(format!("{}{}", case.id, label_extension(&case.images[0])));
            if file.is_file() {
                files.insert(case.id.clone(), file);
            } else {
                lacking.push((case, index));
            }
        }
        let target = folder.root.join("previous_stage");
        let progress = messages.progress("predicting the stage before", Unit::Cases, lacking.len() as u64);
        for (case, index) in lacking {
            if stop.requested() {
                bail!("stopped before the stage before was predicted; the same command goes on");
            }
            let model = folder_of(index).join("model.safetensors");
            let file =
                predict(case, dataset, &model, &target, device).with_context(|| format!("predicting {} by {}", case.id, model.display()));
            match file {
                Ok(file) => drop(files.insert(case.id.clone(), file)),
                // It will be left out of the training, too, and said there.
                Err(error) => messages.say(format_args!("case {} cannot be shown to the last stage: {error:#}", case.id)),
            }
            progress.advance();
        }
        Ok(Self { files })
    }
}

/// Predicts a case by the model of the fold that held it out.
fn predict(case: &Case, dataset: &Dataset, model: &Path, target: &Path, device: &Device) -> anyhow::Result<PathBuf> {
    std::fs::create_dir_all(target).with_context(|| format!("cannot make {}", target.display()))?;
    let ensemble = Ensemble::load(&[model.to_owned()], device)?;
    let image = dataset.read_image(case)?;
    let (geometry, header) = (image.geometry.clone(), image.header.clone());
    let options = PredictOptions { memory_bytes: usable_memory_bytes(), ..PredictOptions::default() };
    let region = RegionMasks::default().read(case, ensemble.plan())?;
    let labels = ensemble.predict_in(&case.id, image, region.as_ref(), options, &mut |_, _| ControlFlow::Continue(()))?.labels;
    let file = target.join(format!("{}{}", case.id, label_extension(&case.images[0])));
    io::write_label_map(&file, &labels, &geometry, &header)?;
    Ok(file)
}
