//! The end of a training: its validation cases as whole images, predicted, written and scored.

use std::{collections::BTreeMap, ops::ControlFlow, time::Instant};

use anyhow::Context;
use sagittal_data::{Case, Dataset, Fold, Plan, Seed};
use sagittal_image::{LabelMap, io};
use sagittal_infer::{Ensemble, PredictOptions, Prediction, Shown};
use sagittal_metrics::{
    Beside, Bootstrap, CaseScore, DistanceUnit, Distances, FailedCase, Metrics, Ranking, ScoreOptions, ScoredRegion, Subject,
    SurfaceOptions,
};
use sagittal_nets::Network;
use sagittal_tensor::Device;
use serde_json::json;

use super::{previous_stage::PreviousStage, run_folder::RunFolder, variety::CaseVariety};
use crate::{
    commands::{
        evaluate::{self, Structures},
        predict::label_extension,
        region_masks::RegionMasks,
    },
    messages::{Messages, Unit},
    stop::Stop,
    whole_file,
};

/// Probabilities of all classes are held for cases of at most so many numbers: 256 MB, and as much again while they are ranked.
const MOST_PROBABILITIES: usize = 1 << 26;

/// Predicts the validation cases with mirroring, writes `validation/CASE.ext`, `metrics.json` and `metrics.csv`; `None` if somebody asked to
/// stop before.
///
/// Overlap, sizes and distances are scored, regions as the unions that they are, and probabilities where they are those of labels (not of regions) and every case is small enough.
#[allow(clippy::too_many_arguments, reason = "a training and everything that its scores depend on")]
pub(super) fn score(
    network: &Network,
    plan: &Plan,
    dataset: &Dataset,
    fold: &Fold,
    previous: &PreviousStage,
    masks: &RegionMasks,
    folder: &RunFolder,
    seed: Seed,
    device: &Device,
    messages: &Messages,
    stop: &Stop,
) -> anyhow::Result<Option<Metrics>> {
    let ensemble = Ensemble::new(vec![network.clone()], plan.clone(), device);
    let target = folder.validation();
    std::fs::create_dir_all(&target).with_context(|| format!("cannot make {}", target.display()))?;
    let structures = Structures::of(&plan.labels, &plan.regions);
    let labels = structures.names();
    let mut region = ScoredRegion::WholeImage;
    let (mut unit, surface) = (DistanceUnit::Millimetre, SurfaceOptions::default());
    let wanted = ScoreOptions { surface: Some(surface), ..ScoreOptions::default() };
    // Over the voxels of all cases, or of none.
    let mut pool: Option<Vec<Ranking>> = Some(vec![Ranking::empty(); labels.len()]);
    // Scored besides, where the data set has it: the whole images, and a second observer.
    let mut beside: Vec<(Subject, ScoredRegion, Vec<CaseScore>)> = Vec::new();
    let mut variety = CaseVariety::new(plan);
    let mut seconds: BTreeMap<String, f64> = BTreeMap::new();
    let mut score_one = |id: &str| -> anyhow::Result<CaseScore> {
        let case = dataset.training_case(id).context("the data set does not have it any more")?;
        let (image, reference) = (dataset.read_image(case)?, dataset.read_labels(case)?);
        let (geometry, header) = (image.geometry.clone(), image.header.clone());
        let n_probabilities = geometry.shape.iter().product::<usize>() * plan.n_outputs();
        if pool.is_some() && n_probabilities > MOST_PROBABILITIES {
            messages.say(format_args!("note: {id} is too large to score probabilities on the way; `predict --probabilities` writes them"));
            pool = None;
        }
        let options = PredictOptions { probabilities: pool.is_some(), ..PredictOptions::default() };
        let found = previous.of(id, &geometry, plan)?;
        let mask = masks.read(case, plan)?;
        let shown = Shown { found: found.as_ref().map(|map| &map.labels), region: mask.as_ref() };
        let start = Instant::now();
        let Prediction { labels, probabilities, .. } =
            ensemble.predict_shown(id, image, shown, options, &mut |_, _| ControlFlow::Continue(()))?;
        seconds.insert(id.to_owned(), start.elapsed().as_secs_f64());
        io::write_label_map(&target.join(format!("{id}{}", label_extension(&case.images[0]))), &labels, &geometry, &header)?;
        variety.add(&labels, &reference.labels);
        let inside = dataset.scored_voxels(case, &reference)?;
        if case.region.is_some() {
            region = ScoredRegion::FieldOfView;
        }
        let prediction = LabelMap { labels, geometry, header };
        let mut scores = structures.score(&prediction, &reference, inside.as_ref(), wanted)?;
        if reference.geometry.spacing_mm.or(prediction.geometry.spacing_mm).is_none() {
            unit = DistanceUnit::Voxel;
        }
        if let (Some(pool), Some(classes)) = (&mut pool, &probabilities) {
            // The background comes first, where there is one.
            let n_before = usize::from(plan.regions.is_empty());
            let rank = |(class, labels): (usize, &[u16])| -> anyhow::Result<Ranking> {
                Ok(evaluate::rank_label(&classes.class(class)?, &reference, labels, inside.as_ref())?)
            };
            let ranked = (n_before..classes.n_classes()).zip(structures.labels()).map(rank).collect::<Result<Vec<_>, _>>()?;
            for ((score, pool), ranking) in scores.iter_mut().zip(pool).zip(ranked) {
                score.probability = Some(ranking.score());
                pool.add(ranking);
            }
        }
        for (subject, region, score) in otherwise(dataset, case, &prediction, &reference, &structures, wanted)? {
            match beside.iter_mut().find(|way| (way.0, way.1) == (subject, region)) {
                Some((_, _, cases)) => cases.push(score),
                None => beside.push((subject, region, vec![score])),
            }
        }
        Ok(CaseScore { patient: case.group.clone(), ..CaseScore::new(id, scores) })
    };
    let (mut scores, mut failed) = (Vec::new(), Vec::new());
    {
        let progress = messages.progress("validating", Unit::Cases, fold.validation.len() as u64);
        for id in &fold.validation {
            if stop.requested() {
                return Ok(None);
            }
            match score_one(id) {
                Ok(score) => scores.push(score),
                Err(error) => failed.push(FailedCase { case: id.clone(), reason: format!("{error:#}") }),
            }
            progress.advance();
        }
    }
    let bootstrap = Bootstrap { seed: seed.0, ..Bootstrap::default() };
    let mut metrics = Metrics::new(labels.clone(), region, scores, failed, &bootstrap);
    metrics.distances = Some(Distances::new(unit, surface));
    metrics.variety = variety.of_all();
    // What only some cases have would be compared with the predictions of others.
    beside.retain(|(_, _, cases)| cases.len() == metrics.cases.len());
    let ways = beside.into_iter().map(|(subject, region, cases)| {
        let mut metrics = Metrics::new(labels.clone(), region, cases, Vec::new(), &bootstrap);
        metrics.distances = Some(Distances::new(unit, surface));
        Beside { subject, metrics }
    });
    metrics.beside = ways.collect();
    if !metrics.cases.is_empty() {
        for (label, ranking) in metrics.summary.iter_mut().zip(pool.iter().flatten()) {
            label.pooled = Some(ranking.pooled());
        }
    }
    let times = json!({ "format_version": 1, "threads": rayon::current_num_threads(), "seconds": seconds });
    whole_file::write(&target.join("times.json"), serde_json::to_string_pretty(&times)? + "\n")?;
    evaluate::write(&metrics, &target)?;
    Ok(Some(metrics))
}

/// The other ways to score a case: without its field of view, and a second observer in the prediction's place.
fn otherwise(
    dataset: &Dataset,
    case: &Case,
    prediction: &LabelMap,
    reference: &LabelMap,
    structures: &Structures,
    wanted: ScoreOptions,
) -> anyhow::Result<Vec<(Subject, ScoredRegion, CaseScore)>> {
    let second = match &case.second_labels {
        Some(_) => Some(dataset.read_labels(&Case { labels: case.second_labels.clone(), ..case.clone() })?),
        None => None,
    };
    let mut insides = vec![(ScoredRegion::WholeImage, dataset.scored_voxels(&Case { region: None, ..case.clone() }, reference)?)];
    if case.region.is_some() {
        insides.insert(0, (ScoredRegion::FieldOfView, dataset.scored_voxels(case, reference)?));
    }
    let mut ways = Vec::new();
    for (subject, map) in [(Subject::Prediction, Some(prediction)), (Subject::SecondObserver, second.as_ref())] {
        let Some(map) = map else { continue };
        // The first of the prediction's is the main one.
        for (region, inside) in insides.iter().skip(usize::from(subject == Subject::Prediction)) {
            let scores = structures.score(map, reference, inside.as_ref(), wanted)?;
            ways.push((subject, *region, CaseScore { patient: case.group.clone(), ..CaseScore::new(&case.id, scores) }));
        }
    }
    Ok(ways)
}
