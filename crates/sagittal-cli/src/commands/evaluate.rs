//! `sagittal evaluate`: label maps against a reference, case by case and label by label.

pub(crate) mod pairs;
mod probabilities;
mod regions;
mod setup;
mod structures;
pub(crate) mod truth;
pub(crate) mod values;
mod words;

use std::{
    path::Path,
    sync::{Mutex, PoisonError},
};

use anyhow::{Context, bail};
use rayon::prelude::*;
use sagittal_image::{LabelMap, Volume, io};
use sagittal_metrics::{
    Beside, Bootstrap, CaseScore, DistanceUnit, Distances, FailedCase, LabelName, Metrics, Ranking, ScoredRegion, Subject,
};

use crate::{
    args::EvaluateArgs,
    messages::{Messages, Unit},
    outcome::{Outcome, WrongUse},
    whole_file,
};
use pairs::{Pair, Pairing};
pub(crate) use probabilities::rank_label;
use regions::Regions;
use setup::Setup;
pub(crate) use structures::Structures;
use truth::Truth;
pub(crate) use truth::read_labels;
pub(crate) use words::{in_words, region as in_region, short};

pub(crate) fn run(args: &EvaluateArgs, messages: &Messages) -> anyhow::Result<Outcome> {
    let metrics = evaluate(args, messages)?;
    messages.result(&metrics, || in_words(&metrics))?;
    Ok(if metrics.failed.is_empty() { Outcome::Done } else { Outcome::SomeFailed })
}

/// Scores all pairs and writes the scores where they are wanted.
pub(crate) fn evaluate(args: &EvaluateArgs, messages: &Messages) -> anyhow::Result<Metrics> {
    WrongUse::unless_exists(&args.predictions, "a label map or a folder of them")?;
    WrongUse::unless_exists(&args.reference, "a label map or a folder of them")?;
    if let Some(labels) = &args.labels {
        WrongUse::unless_exists(labels, "a dataset.json with the labels")?;
    }
    if let Some(folder) = &args.output {
        WrongUse::if_file(folder)?;
    }
    let truth = Truth::about(&args.reference, args.labels.as_deref())?;
    let Pairing { mut pairs, mut failed, unused } = pairs::find(&args.predictions, &args.reference, &truth)?;
    for path in &unused {
        messages.say(format_args!("note: {} has no reference and is not scored", path.display()));
    }
    let regions = Regions::choose(&args.scoring, &pairs)?;
    let values::Found { labels, only, refused } = match &truth.labels {
        Some(declared) => values::Found { labels: declared.clone(), only: None, refused: Vec::new() },
        None => values::labels_found(&pairs, messages)?,
    };
    pairs.retain(|pair| !refused.iter().any(|failed| failed.case == pair.case));
    failed.extend(refused);
    let n_with = pairs.iter().filter(|pair| probabilities::file_of(pair).is_file()).count();
    if n_with > 0 && n_with < pairs.len() {
        messages.say(format_args!(
            "note: only {n_with} of {} predictions have probabilities beside them (CASE.npz); those are scored",
            pairs.len()
        ));
    }
    let setup = Setup::new(&args.scoring, truth, regions, labels, &pairs)?;
    let evaluated = score_all(&pairs, &setup, only, messages);
    failed.extend(evaluated.failed);
    failed.sort_by(|a, b| a.case.cmp(&b.case));
    let bootstrap = Bootstrap { seed: args.random.seed, ..Bootstrap::default() };
    let mut ways = evaluated.ways.into_iter().map(|way| {
        let region = way.region;
        let mut metrics = Metrics::new(setup.structures.names(), region, way.scores, Vec::new(), &bootstrap);
        metrics.distances = setup.options.surface.map(|options| Distances::new(evaluated.unit, options));
        for (label, ranking) in metrics.summary.iter_mut().zip(&way.rankings) {
            label.pooled = Some(ranking.pooled());
        }
        Beside { subject: way.subject, metrics }
    });
    let first = ways.next().map(|way| way.metrics);
    let mut metrics =
        first.unwrap_or_else(|| Metrics::new(setup.structures.names(), setup.regions.main, Vec::new(), Vec::new(), &bootstrap));
    metrics.failed = failed;
    metrics.beside = ways.collect();
    setup.note_unknown(&metrics, messages);
    if let Some(folder) = &args.output {
        write(&metrics, folder)?;
    }
    Ok(metrics)
}

/// One of the ways in which the cases are scored: the first is the main one, the others stand beside it.
#[derive(Debug)]
struct Way {
    subject: Subject,
    region: ScoredRegion,
    scores: Vec<CaseScore>,
    /// Per label, over all cases; empty where no case has probabilities.
    rankings: Vec<Ranking>,
}

/// The voxels of all cases so far, by probability: for each region, per label.
type Pool = Mutex<Vec<(ScoredRegion, Vec<Ranking>)>>;

/// What came of all pairs.
#[derive(Debug)]
struct Evaluated {
    ways: Vec<Way>,
    failed: Vec<FailedCase>,
    unit: DistanceUnit,
}

/// A case scored in one way.
struct Scored {
    subject: Subject,
    region: ScoredRegion,
    score: CaseScore,
}

/// Scores every pair; a bad one does not stop the others. The maps of the `only` pair may have been read before.
fn score_all(pairs: &[Pair], setup: &Setup, only: Option<[LabelMap; 2]>, messages: &Messages) -> Evaluated {
    let only = Mutex::new(only);
    let counter = messages.progress("scoring", Unit::Cases, pairs.len() as u64);
    let pool = Pool::default();
    let results: Vec<_> = pairs
        .par_iter()
        .map(|pair| {
            let result = score(pair, setup, &only, &pool);
            counter.advance();
            result.map_err(|error| FailedCase { case: pair.case.clone(), reason: format!("{error:#}") })
        })
        .collect();
    let mut evaluated = Evaluated { ways: Vec::new(), failed: Vec::new(), unit: DistanceUnit::Millimetre };
    let n_cases = results.iter().filter(|result| result.is_ok()).count();
    for result in results {
        let (scored, unit) = match result {
            Ok(scored) => scored,
            Err(failure) => {
                evaluated.failed.push(failure);
                continue;
            }
        };
        if unit == DistanceUnit::Voxel {
            evaluated.unit = unit;
        }
        for Scored { subject, region, score } in scored {
            let found = evaluated.ways.iter().position(|way| (way.subject, way.region) == (subject, region));
            let at = found.unwrap_or_else(|| {
                evaluated.ways.push(Way { subject, region, scores: Vec::new(), rankings: Vec::new() });
                evaluated.ways.len() - 1
            });
            evaluated.ways[at].scores.push(score);
        }
    }
    for (region, rankings) in pool.into_inner().unwrap_or_else(PoisonError::into_inner) {
        if let Some(way) = evaluated.ways.iter_mut().find(|way| (way.subject, way.region) == (Subject::Prediction, region)) {
            way.rankings = rankings;
        }
    }
    // A second observer of some cases only would be compared with the predictions of others.
    evaluated.ways.retain(|way| way.scores.len() == n_cases);
    evaluated
}

/// Scores one pair in every way.
fn score(pair: &Pair, setup: &Setup, only: &Mutex<Option<[LabelMap; 2]>>, pool: &Pool) -> anyhow::Result<(Vec<Scored>, DistanceUnit)> {
    let before = only.lock().unwrap_or_else(PoisonError::into_inner).take();
    let [prediction, reference] = match before {
        // The labels are the values that they were found to hold.
        Some(maps) => maps,
        None => {
            let read = |path, is_truth| checked(path, io::read_label_map(path)?, &setup.truth, &setup.labels, is_truth);
            let (prediction, reference) = rayon::join(|| read(&pair.prediction, false), || read(&pair.reference, true));
            let reference = reference?;
            [prediction?, reference]
        }
    };
    pairs::on_grid_of(&pair.reference, &reference.geometry, &pair.prediction, &prediction.geometry)?;
    let second =
        pair.second.as_deref().map(|path| checked(path, io::read_label_map(path)?, &setup.truth, &setup.labels, true)).transpose()?;
    if let (Some(path), Some(second)) = (&pair.second, &second) {
        pairs::on_grid_of(&pair.reference, &reference.geometry, path, &second.geometry)?;
    }
    let insides = setup.regions.of(pair, &reference.geometry)?.into_iter();
    let insides: Vec<(ScoredRegion, Option<Volume<bool>>)> =
        insides.map(|(region, inside)| (region, without_ignored(inside, &reference, setup.truth.ignore))).collect();
    let mut scored = Vec::new();
    for (subject, map) in [(Subject::Prediction, Some(&prediction)), (Subject::SecondObserver, second.as_ref())] {
        let Some(map) = map else { continue };
        for (region, inside) in &insides {
            let labels = setup.structures.score(map, &reference, inside.as_ref(), setup.options)?;
            let (group, patient) = (setup.groups.as_ref().and_then(|groups| groups.get(&pair.case).cloned()), setup.patient_of(pair));
            scored.push(Scored { subject, region: *region, score: CaseScore { group, patient, ..CaseScore::new(&pair.case, labels) } });
        }
    }
    let ranked = probabilities::rank(pair, &reference, &setup.structures, &insides)?;
    for (inside_idx, (region, rankings)) in ranked.into_iter().enumerate() {
        // The prediction comes first, once for each region.
        let labels = scored[inside_idx].score.labels.iter_mut();
        for ((label, ranking), name) in labels.zip(&rankings).zip(&setup.labels) {
            let mut probability = ranking.score();
            probability.at_threshold = setup.thresholds.get(&name.value).map(|&threshold| ranking.at_threshold(threshold));
            label.probability = Some(probability);
        }
        add(pool, region, rankings);
    }
    let known = [&reference, &prediction].iter().any(|map| map.geometry.spacing_mm.is_some());
    Ok((scored, if known { DistanceUnit::Millimetre } else { DistanceUnit::Voxel }))
}

/// Adds the voxels of a case to those of all cases.
fn add(pool: &Pool, region: ScoredRegion, mut rankings: Vec<Ranking>) {
    rankings.iter_mut().for_each(Ranking::shorten);
    let mut pool = pool.lock().unwrap_or_else(PoisonError::into_inner);
    match pool.iter_mut().find(|(of, _)| *of == region) {
        Some((_, all)) => all.iter_mut().zip(rankings).for_each(|(all, new)| all.add(new)),
        None => pool.push((region, rankings)),
    }
}

/// Checks that the map in the file at `path` holds labels of the set only.
fn checked(path: &Path, mut map: LabelMap, truth: &Truth, labels: &[LabelName], is_truth: bool) -> anyhow::Result<LabelMap> {
    let is_label = |value: u16| value == 0 || labels.iter().any(|label| label.value == value) || (is_truth && truth.ignore == Some(value));
    // Our own predictions hold labels; other programs may keep the values of the masks they learned from.
    let mut values = values::of(&map.labels);
    if is_truth || !values.iter().all(|&value| is_label(value)) {
        truth.apply_mask_values(&mut map.labels, &mut values);
    }
    if let Some(value) = values.into_iter().find(|&value| !is_label(value)) {
        let declared: Vec<String> = labels.iter().map(|label| label.value.to_string()).collect();
        let cure = "declare it in dataset.json, or correct the file";
        bail!("value {value} in {} is not among the labels 0, {}; {cure}", path.display(), declared.join(", "));
    }
    Ok(map)
}

/// The region without the voxels that the reference says are not to be scored.
fn without_ignored(inside: Option<Volume<bool>>, reference: &LabelMap, ignore: Option<u16>) -> Option<Volume<bool>> {
    let Some(ignore) = ignore else { return inside };
    let mut inside = inside.unwrap_or_else(|| Volume::filled(reference.labels.shape(), true));
    inside.voxels_mut().iter_mut().zip(reference.labels.voxels()).for_each(|(inside, value)| *inside &= *value != ignore);
    Some(inside)
}

/// Writes `metrics.json` and `metrics.csv`.
pub(crate) fn write(metrics: &Metrics, folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    whole_file::write(&folder.join("metrics.json"), metrics.to_json())?;
    whole_file::write(&folder.join("metrics.csv"), metrics.to_csv())?;
    Ok(())
}
