//! Which parts of labels to drop, found as nnU-Net finds it (Isensee et al. 2021; `determine_postprocessing`).

use sagittal_data::plan::KeepParts;
use serde::Serialize;

use super::{HeldOut, Scores, candidates::Candidate};
use crate::{
    messages::{Messages, Unit},
    stop::Stop,
};

/// One step that was tried.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Trial {
    /// Of what only the largest part was kept.
    pub(super) structure: String,
    pub(super) scores: Scores,
    /// Whether it helped.
    pub(super) kept: bool,
}

/// First all foreground together, kept if the mean Dice rises and that of no structure falls; then each structure by
/// itself, kept if its own Dice rises.
pub(super) fn choose(
    candidate: &Candidate,
    held_out: &HeldOut,
    messages: &Messages,
    stop: &Stop,
) -> anyhow::Result<(Vec<KeepParts>, Vec<Trial>, Scores)> {
    let structures = &held_out.structures;
    let mut foreground: Vec<u16> = structures.iter().flat_map(|structure| structure.values.clone()).collect();
    foreground.sort_unstable();
    foreground.dedup();
    // A single structure is all foreground.
    let by_itself = if structures.len() > 1 { &structures[..] } else { &[] };
    let n_scored = held_out.cases.len() * (by_itself.len() + 1);
    let progress = messages.progress("trying post-processing", Unit::Cases, n_scored as u64);
    let (mut steps, mut trials, mut so_far) = (Vec::new(), Vec::new(), candidate.scores.clone());
    let mut attempt = |name: &str, values: &[u16], helps: &dyn Fn(&Scores, &Scores) -> bool| -> anyhow::Result<()> {
        let mut with_it = steps.clone();
        with_it.push(KeepParts::largest(values.to_vec()));
        let scores = held_out.score(candidate, &with_it, &progress, stop)?;
        let kept = helps(&so_far, &scores);
        trials.push(Trial { structure: name.to_owned(), scores: scores.clone(), kept });
        if kept {
            (steps, so_far) = (with_it, scores);
        }
        Ok(())
    };
    attempt("all foreground", &foreground, &|before, after| {
        let falls = before.dice.iter().zip(&after.dice).any(|(before, after)| after < before);
        after.mean_dice > before.mean_dice && !falls
    })?;
    for (k, structure) in by_itself.iter().enumerate() {
        attempt(&structure.name, &structure.values, &|before, after| after.dice[k] > before.dice[k])?;
    }
    Ok((steps, trials, so_far))
}
