//! What a voxel classifier's answers still lack when the training is over: tried on training cases.
//!
//! It learned from samples in which classes are about equally frequent, and gives structures more voxels than images hold. Its logits
//! are corrected for that (Saerens et al. 2002), by as much of the difference of the logarithms as gives the highest mean Dice: all of it makes probabilities
//! right and the number of errors small, less of it finds more.
//!
//! It decides every voxel by itself and leaves specks; blobs that are not plausible are dropped (Lai 2015). For
//! every label it is tried to drop nothing, all but the largest part, and parts below some sizes; what gives the highest mean
//! Dice on some training cases is kept.

use std::{
    ops::ControlFlow,
    time::{Duration, Instant},
};

use anyhow::Context;
use sagittal_data::{Dataset, Fold, Plan, plan::KeepParts};
use sagittal_image::{LabelMap, Volume};
use sagittal_infer::{Ensemble, PredictOptions, Probabilities, Shown, keep_parts, shifted_labels, voxel_size};
use sagittal_metrics::overlap;
use sagittal_nets::Network;
use sagittal_tensor::Device;

use super::previous_stage::PreviousStage;
use crate::{
    commands::region_masks::RegionMasks,
    messages::{Messages, Unit},
    stop::Stop,
};

/// Training cases that are tried on at most.
pub(super) const MOST_CASES: usize = 8;
/// No further case is begun after this time.
const LONGEST: Duration = Duration::from_secs(300);
/// Sizes that are tried, as parts of what a label usually has.
const PARTS: [f64; 4] = [0.01, 0.05, 0.2, 0.5];
/// Parts of the difference in frequency that are tried, beside none.
const STRENGTHS: [f64; 4] = [0.25, 0.5, 0.75, 1.0];
/// A step must raise the mean Dice by more than this: less is chance.
const LEAST_GAIN: f64 = 1e-4;

/// What helps.
pub(super) struct Choice {
    /// With corrected logits, if that helps.
    pub(super) network: Network,
    /// The part of the difference in frequency that they were corrected by; `None` where it was not tried.
    pub(super) correction: Option<f64>,
    /// What is done to the labels.
    pub(super) steps: Vec<KeepParts>,
}

/// A case as it was predicted, with its truth.
struct Tried {
    probabilities: Option<Probabilities>,
    found: Volume<u16>,
    truth: LabelMap,
    inside: Option<Volume<bool>>,
}

/// What helps, which is also said in words; `None` if somebody asked to stop before. `shift` is what logits lack for the frequencies in images, if
/// they are to be corrected.
#[allow(clippy::too_many_arguments, reason = "a training and everything that a prediction depends on")]
pub(super) fn choose(
    mut network: Network,
    shift: Option<&[f64]>,
    plan: &Plan,
    dataset: &Dataset,
    fold: &Fold,
    previous: &PreviousStage,
    masks: &RegionMasks,
    device: &Device,
    messages: &Messages,
    stop: &Stop,
) -> anyhow::Result<Option<Choice>> {
    let ensemble = Ensemble::new(vec![network.clone()], Plan { postprocessing: Vec::new(), ..plan.clone() }, device);
    let n = fold.training.len().min(MOST_CASES);
    // Spread over all of them.
    let ids = (0..n).map(|i| &fold.training[i * fold.training.len() / n]);
    let (mut cases, begin) = (Vec::new(), Instant::now());
    {
        let progress = messages.progress("trying clean-up on training cases", Unit::Cases, n as u64);
        for id in ids {
            if stop.requested() {
                return Ok(None);
            }
            if begin.elapsed() > LONGEST {
                break;
            }
            match predict(id, &ensemble, dataset, previous, masks, shift.is_some()) {
                Ok(case) => cases.push(case),
                // It was left out of the training, too, and said there.
                Err(error) => messages.say(format_args!("nothing is tried on case {id}: {error:#}")),
            }
            progress.advance();
        }
    }
    drop(ensemble);
    let correction = shift.map(|shift| correct(&mut network, shift, plan, &mut cases, messages)).transpose()?;
    if !plan.postprocessing.is_empty() {
        return Ok(Some(Choice { network, correction, steps: plan.postprocessing.clone() }));
    }
    let mut steps = Vec::new();
    for structure in plan.structures() {
        let values = structure.values;
        let (before, tries) = scores(&cases, &values);
        let Some((step, dice)) = best(tries).filter(|(_, dice)| *dice > before + LEAST_GAIN) else { continue };
        let one = Plan { postprocessing: vec![step.clone()], ..plan.clone() };
        messages.say(format_args!(
            "clean-up: {}, which raises the mean Dice of {} from {before:.4} to {dice:.4} on {} training cases",
            one.postprocessing_words().join(""),
            structure.name,
            cases.len()
        ));
        steps.push(step);
    }
    if steps.is_empty() {
        messages.say(format_args!("clean-up: dropping parts of labels does not help on {} training cases, so all are kept", cases.len()));
    }
    Ok(Some(Choice { network, correction, steps }))
}

/// Corrects the network by the part of `shift` that gives the highest mean Dice, which is returned, and the labels of the cases with it.
fn correct(network: &mut Network, shift: &[f64], plan: &Plan, cases: &mut [Tried], messages: &Messages) -> anyhow::Result<f64> {
    let scaled = |strength: f64| shift.iter().map(|shift| strength * shift).collect::<Vec<_>>();
    let before = mean_dice(cases.iter().map(|case| (case, &case.found)), plan);
    let (mut best, mut strength) = (before, 0.0);
    for tried in STRENGTHS {
        let mut labels = Vec::with_capacity(cases.len());
        for case in cases.iter() {
            let probabilities = case.probabilities.as_ref().context("the case was predicted without probabilities")?;
            labels.push(shifted_labels(plan, probabilities, &scaled(tried))?);
        }
        let dice = mean_dice(cases.iter().zip(&labels), plan);
        if dice > best + LEAST_GAIN {
            (best, strength) = (dice, tried);
            cases.iter_mut().zip(labels).for_each(|(case, labels)| case.found = labels);
        }
    }
    if strength == 0.0 {
        messages.say(format_args!(
            "correction for how frequent labels are in images: does not raise the mean Dice, {before:.4} on {} training cases, so there is none",
            cases.len()
        ));
        return Ok(strength);
    }
    network.shift_logits(&scaled(strength).into_iter().map(|shift| shift as f32).collect::<Vec<_>>());
    messages.say(format_args!(
        "correction for how frequent labels are in images: {:.0} % of it, which raises the mean Dice from {before:.4} to {best:.4} on {} training cases",
        100.0 * strength,
        cases.len()
    ));
    Ok(strength)
}

/// The mean over all structures of their mean Dice, of cases with labels that were found.
fn mean_dice<'a>(found: impl Iterator<Item = (&'a Tried, &'a Volume<u16>)> + Clone, plan: &Plan) -> f64 {
    let structures = plan.structures();
    let of_structure = |values: &[u16]| mean(found.clone().filter_map(|(case, found)| dice(case, found, values, None)));
    mean(structures.iter().map(|structure| of_structure(&structure.values)))
}

/// 0 of nothing.
fn mean(numbers: impl Iterator<Item = f64>) -> f64 {
    let (n, sum) = numbers.fold((0, 0.0), |(n, sum), number| (n + 1, sum + number));
    sum / f64::from(n.max(1))
}

fn predict(
    id: &str,
    ensemble: &Ensemble,
    dataset: &Dataset,
    previous: &PreviousStage,
    masks: &RegionMasks,
    probabilities: bool,
) -> anyhow::Result<Tried> {
    let plan = ensemble.plan();
    let case = dataset.training_case(id).context("the data set does not have it any more")?;
    let (image, truth) = (dataset.read_image(case)?, dataset.read_labels(case)?);
    let (found, mask) = (previous.of(id, &image.geometry, plan)?, masks.read(case, plan)?);
    let shown = Shown { found: found.as_ref().map(|map| &map.labels), region: mask.as_ref() };
    let inside = dataset.scored_voxels(case, &truth)?;
    let options = PredictOptions { probabilities, ..PredictOptions::default() };
    let prediction = ensemble.predict_shown(id, image, shown, options, &mut |_, _| ControlFlow::Continue(()))?;
    Ok(Tried { probabilities: prediction.probabilities, found: prediction.labels, truth, inside })
}

/// The mean Dice of some labels together without any step, and with each that is tried.
fn scores(cases: &[Tried], values: &[u16]) -> (f64, Vec<(KeepParts, f64)>) {
    let mut sizes: Vec<f64> = cases.iter().map(|case| size(&case.truth.labels, values) * voxel_size(&case.truth.geometry)).collect();
    sizes.retain(|size| *size > 0.0);
    sizes.sort_by(f64::total_cmp);
    let mut tries = vec![KeepParts::largest(values.to_vec())];
    if let Some(usual) = sizes.get(sizes.len() / 2) {
        tries.extend(PARTS.map(|part| KeepParts { values: values.to_vec(), at_least: Some((part * usual).max(f64::MIN_POSITIVE)) }));
    }
    let mean_with = |step: Option<&KeepParts>| mean(cases.iter().filter_map(|case| dice(case, &case.found, values, step)));
    (mean_with(None), tries.into_iter().map(|step| (step.clone(), mean_with(Some(&step)))).collect())
}

/// The best of what is tried; of equals the first.
fn best(tries: Vec<(KeepParts, f64)>) -> Option<(KeepParts, f64)> {
    tries.into_iter().reduce(|best, other| if best.1 >= other.1 { best } else { other })
}

fn size(labels: &Volume<u16>, values: &[u16]) -> f64 {
    labels.voxels().iter().filter(|label| values.contains(label)).count() as f64
}

fn dice(case: &Tried, found: &Volume<u16>, values: &[u16], step: Option<&KeepParts>) -> Option<f64> {
    let mask = |label: &u16| u16::from(values.contains(label));
    let found = keep_parts(found.clone(), step.map_or(&[], std::slice::from_ref), voxel_size(&case.truth.geometry));
    overlap::count(&found.map(mask), &case.truth.labels.map(mask), &[1], case.inside.as_ref())[0].dice()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use sagittal_image::{Geometry, io::SourceHeader};

    #[test]
    fn the_size_that_drops_specks_and_keeps_both_halves_scores_best() {
        let row = |voxels: &[u16]| Volume::new([1, 1, voxels.len()], voxels.to_vec());
        let truth = row(&[1, 1, 1, 1, 0, 0, 1, 1, 1, 0, 0, 0, 2, 2]);
        let found = row(&[1, 1, 1, 1, 0, 0, 1, 1, 1, 0, 1, 0, 2, 2]);
        let geometry = Geometry::volume([1, 1, 14], [1.0; 3]);
        let truth = LabelMap { labels: truth, geometry, header: SourceHeader::default() };
        let (before, tries) = scores(&[Tried { probabilities: None, found, truth, inside: None }], &[1]);
        let best = best(tries.clone()).unwrap();
        assert!((before - 14.0 / 15.0).abs() < 1e-12 && best.1 == 1.0, "{before}, {tries:?}");
        // A half would do as well, and drop more elsewhere.
        assert_eq!(best.0.at_least, Some(0.2 * 7.0));
        // Only the largest part: half of what is there is lost.
        assert!(tries[0].0.at_least.is_none() && tries[0].1 < before);
    }
}
