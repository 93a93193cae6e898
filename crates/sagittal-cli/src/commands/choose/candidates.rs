//! What there is to choose from: every run, and every two of them averaged.

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use sagittal_image::io;
use sagittal_infer::{Ensemble, PredictOptions};
use sagittal_tensor::Device;
use serde::Serialize;

use super::{HeldOut, Run, Scores};
use crate::{
    commands::region_masks::RegionMasks,
    machine::usable_memory_bytes,
    messages::{Messages, Unit},
    stop::Stop,
};

/// A run or two averaged, with its scores.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Candidate {
    pub(super) name: String,
    /// Names of the runs.
    pub(super) runs: Vec<String>,
    /// Where the label maps of each fold's cases lie.
    #[serde(skip)]
    folders: Vec<(usize, PathBuf)>,
    pub(super) scores: Scores,
}

impl Candidate {
    pub(super) fn folder_of(&self, fold: usize) -> &Path {
        self.folders.iter().find(|(of, _)| *of == fold).map_or(Path::new(""), |(_, folder)| folder)
    }

    /// Scores the label maps that lie in `folders`.
    pub(super) fn scored(
        runs: Vec<String>,
        folders: Vec<(usize, PathBuf)>,
        held_out: &HeldOut,
        messages: &Messages,
        stop: &Stop,
    ) -> anyhow::Result<Self> {
        let unscored = Self { name: runs.join(" + "), runs, folders, scores: Scores { mean_dice: None, dice: Vec::new() } };
        let progress = messages.progress(&format!("scoring {}", unscored.name), Unit::Cases, held_out.cases.len() as u64);
        let scores = held_out.score(&unscored, &[], &progress, stop).with_context(|| format!("scoring {}", unscored.name))?;
        Ok(Self { scores, ..unscored })
    }
}

/// All candidates, single runs first. Averages are predicted into folders under `ensembles`; without it there are none.
pub(super) fn all(
    runs: &[Run],
    held_out: &HeldOut,
    ensembles: Option<&Path>,
    device: &Device,
    messages: &Messages,
    stop: &Stop,
) -> anyhow::Result<Vec<Candidate>> {
    let mut folds: Vec<usize> = held_out.cases.iter().map(|(_, fold)| *fold).collect();
    folds.dedup();
    let mut candidates = Vec::new();
    for run in runs {
        let folders = folds.iter().map(|&fold| (fold, run.validation(fold))).collect();
        candidates.push(Candidate::scored(vec![run.name.clone()], folders, held_out, messages, stop)?);
    }
    let Some(ensembles) = ensembles else { return Ok(candidates) };
    for (idx, a) in runs.iter().enumerate() {
        for b in &runs[idx + 1..] {
            if let Some(run) = [a, b].into_iter().find(|run| run.plan.previous_stage.is_some()) {
                messages.say(format_args!("note: {} is a cascade's last stage; it is not averaged with {}", run.name, a.name));
                continue;
            }
            let folder = ensembles.join(format!("{}+{}", a.name, b.name));
            predict([a, b], &folds, &folder, held_out, device, messages, stop)?;
            let folders = folds.iter().map(|&fold| (fold, folder.clone())).collect();
            candidates.push(Candidate::scored(vec![a.name.clone(), b.name.clone()], folders, held_out, messages, stop)?);
        }
    }
    Ok(candidates)
}

/// Predicts every case by the two models that did not learn from it.
fn predict(
    runs: [&Run; 2],
    folds: &[usize],
    folder: &Path,
    held_out: &HeldOut,
    device: &Device,
    messages: &Messages,
    stop: &Stop,
) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let title = format!("predicting {} + {}", runs[0].name, runs[1].name);
    let progress = messages.progress(&title, Unit::Cases, held_out.cases.len() as u64);
    for &fold in folds {
        let ensemble = Ensemble::load(&runs.map(|run| run.model(fold)), device)?;
        for (id, _) in held_out.cases.iter().filter(|(_, of)| *of == fold) {
            let act = || format!("case {id}");
            let case = held_out.dataset.training_case(id).context("the data set does not have it any more").with_context(act)?;
            let image = held_out.dataset.read_image(case).with_context(act)?;
            let (geometry, header) = (image.geometry.clone(), image.header.clone());
            let options = PredictOptions { memory_bytes: usable_memory_bytes(), ..PredictOptions::default() };
            let mut go_on = |_, _| if stop.requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
            let region = RegionMasks::default().read(case, ensemble.plan())?;
            let prediction = ensemble.predict_in(id, image, region.as_ref(), options, &mut go_on).with_context(act)?;
            io::write_label_map(&folder.join(held_out.file_name(id)?), &prediction.labels, &geometry, &header).with_context(act)?;
            progress.advance();
        }
    }
    Ok(())
}

/// The candidate with the highest mean Dice; of equal ones the first, which has fewer models.
pub(super) fn best(candidates: &[Candidate]) -> anyhow::Result<usize> {
    let mut best: Option<(usize, f64)> = None;
    for (idx, candidate) in candidates.iter().enumerate() {
        let Some(dice) = candidate.scores.mean_dice else { continue };
        if best.is_none_or(|(_, so_far)| dice > so_far) {
            best = Some((idx, dice));
        }
    }
    match best {
        Some((idx, _)) => Ok(idx),
        None => bail!("no held-out case has any of the labels, so there is nothing to choose by"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn of_equal_candidates_the_simpler_is_chosen() {
        let candidate = |name: &str, mean_dice| Candidate {
            name: name.to_owned(),
            runs: Vec::new(),
            folders: Vec::new(),
            scores: Scores { mean_dice, dice: Vec::new() },
        };
        let all = [candidate("a", Some(0.8)), candidate("b", None), candidate("c", Some(0.9)), candidate("a + c", Some(0.9))];
        assert_eq!(best(&all).unwrap(), 2);
        assert!(best(&all[1..2]).is_err());
    }
}
