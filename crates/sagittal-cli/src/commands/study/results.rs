//! What came of the trainings, read from their runs.

use std::{collections::BTreeMap, path::Path};

use anyhow::Context;
use sagittal_data::{DataError, Dataset, Fingerprint, Plan};
use sagittal_metrics::{Bootstrap, CaseScore, Effect, Metrics, Runs, Score};
use sagittal_report::Progress;
use serde::Serialize;
use serde_json::Value;

use super::{
    arm_plan::nodes,
    description::{Arm, Study},
    folder::{FINGERPRINT, StudyFolder},
    judgement::{self, Judged},
    measure::Measure,
    preparation::Preparation,
    tables::{self, Table},
};

/// Part of the epochs at the end over which losses are compared, and at the beginning over which gradients are.
pub(super) const QUARTER: f64 = 0.25;
/// Fewer steps than this teach hardly anything: of hippocampus (MSD Task04) a usual network has a mean Dice of 0.79 after 320.
const FEW_STEPS: f64 = 200.0;

/// The results of a study. Serialised as `results.json`.
#[derive(Debug, Serialize)]
pub(super) struct Results {
    format_version: u32,
    pub(super) title: String,
    pub(super) dataset: String,
    /// How the time was shared, in words.
    pub(super) schedule: String,
    pub(super) seeds: Vec<u64>,
    /// The validation cases.
    pub(super) cases: Vec<String>,
    /// For each case the number of its group.
    pub(super) groups: Vec<usize>,
    pub(super) labels: Vec<String>,
    pub(super) arms: Vec<ArmResults>,
    pub(super) claims: Vec<Judged>,
    pub(super) tables: Vec<Table>,
    pub(super) failures: Vec<Failure>,
}

/// An arm's trainings.
#[derive(Debug, Serialize)]
pub(super) struct ArmResults {
    pub(super) name: String,
    pub(super) says: String,
    /// Over all trainings and cases, by measure.
    pub(super) summary: BTreeMap<&'static str, Effect>,
    pub(super) runs: Vec<RunResults>,
}

/// One training.
#[derive(Debug, Serialize)]
pub(super) struct RunResults {
    pub(super) seed: u64,
    /// Below the study's folder.
    pub(super) folder: String,
    /// One number each, by measure.
    pub(super) measures: BTreeMap<&'static str, f64>,
    /// Mean Dice of every label.
    pub(super) dice_of_labels: BTreeMap<String, Option<f64>>,
    /// Of every validation case, by measure.
    pub(super) cases: BTreeMap<&'static str, BTreeMap<String, Option<f64>>>,
    /// Cases that could not be scored.
    pub(super) failed_cases: Vec<String>,
    #[serde(skip)]
    pub(super) metrics: Metrics,
    #[serde(skip)]
    pub(super) progress: Progress,
    #[serde(skip)]
    pub(super) gradients: Vec<EpochGradients>,
}

/// How strong the gradients of an epoch were, from the input to the output.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct EpochGradients {
    pub(super) epoch: u64,
    /// The layers' names and norms.
    pub(super) layers: Vec<(String, f64)>,
}

/// A training that failed.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Failure {
    pub(super) arm: String,
    pub(super) seed: u64,
    pub(super) reason: String,
}

/// Reads all runs and judges the claims.
pub(super) fn gather(
    study: &Study,
    dataset: &Dataset,
    preparation: &Preparation,
    folder: &StudyFolder,
    mut failures: Vec<Failure>,
) -> anyhow::Result<Results> {
    let cases = preparation.fold.validation.clone();
    let seeds = preparation.seeds(study);
    let voxels_of = voxels_of(&folder.0.join(FINGERPRINT))?;
    let mut arms = Vec::new();
    let mut labels = Vec::new();
    for (arm, plan) in study.arms.iter().zip(&preparation.plans) {
        labels = plan.structures().into_iter().map(|structure| structure.name).collect();
        let mut runs = Vec::new();
        for &seed in seeds
            .iter()
            .filter(|&&seed| !failures.iter().any(|failure| failure.arm == arm.name && failure.seed == seed))
            .collect::<Vec<_>>()
        {
            match read_run(folder, study, arm, plan, seed, &cases, &voxels_of) {
                Ok(run) => runs.push(run),
                Err(error) => {
                    failures.push(Failure { arm: arm.name.clone(), seed, reason: format!("its results cannot be read: {error:#}") })
                }
            }
        }
        arms.push(ArmResults { name: arm.name.clone(), says: arm.says.clone(), summary: BTreeMap::new(), runs });
    }
    let groups = groups_of(dataset, &cases);
    let bootstrap = Bootstrap::default();
    for arm in &mut arms {
        let measures = Measure::COLUMNS.into_iter();
        arm.summary = measures.filter_map(|measure| Some((measure.name(), arm.effect(measure, &cases, &groups, &bootstrap)?))).collect();
    }
    let claims = study.claims.iter().map(|claim| judgement::judge(claim, &arms, &cases, &groups, &bootstrap)).collect();
    let tables = tables::of(study, &arms);
    Ok(Results {
        format_version: 1,
        title: study.title.clone(),
        dataset: dataset.name.clone(),
        schedule: preparation.record.schedule.in_words(&preparation.settings, &study.seeds),
        seeds: seeds.to_vec(),
        cases,
        groups,
        labels,
        arms,
        claims,
        tables,
        failures,
    })
}

impl Results {
    /// Whether every training was done and every case scored.
    pub(super) fn is_whole(&self) -> bool {
        self.failures.is_empty() && self.arms.iter().flat_map(|arm| &arm.runs).all(|run| run.failed_cases.is_empty())
    }

    /// What a reader must know before believing a verdict.
    pub(super) fn cautions(&self) -> Vec<String> {
        let steps = |arm: &ArmResults| arm.summary.get(Measure::Steps.name()).map(|effect| effect.value);
        let few = self.arms.iter().filter_map(|arm| Some((arm, steps(arm).filter(|&steps| steps < FEW_STEPS)?)));
        let few: Vec<String> = few.map(|(arm, steps)| format!("{} ({steps:.0})", arm.name)).collect();
        if few.is_empty() {
            return Vec::new();
        }
        let arms = few.join(", ");
        vec![format!(
            "Few steps were done, too few to say what these arms can: {arms}. Verdicts are about a training that has hardly begun; give more time."
        )]
    }

    /// The columns that some arm has something in.
    pub(super) fn columns(&self) -> Vec<Measure> {
        Measure::COLUMNS.into_iter().filter(|column| self.arms.iter().any(|arm| arm.summary.contains_key(column.name()))).collect()
    }
}

impl ArmResults {
    /// A measure in all trainings: `[training][case]`, or of one thing in place of cases.
    pub(super) fn values(&self, measure: Measure, cases: &[String]) -> Runs {
        let of = |run: &RunResults| match (measure.is_of_cases(), run.cases.get(measure.name())) {
            (true, Some(values)) => cases.iter().map(|case| values.get(case).copied().flatten()).collect(),
            (true, None) => match measure {
                Measure::Score(score) => {
                    let by_case = of_cases(&run.metrics, score);
                    cases.iter().map(|case| by_case.get(case).copied().flatten()).collect()
                }
                _ => vec![None; cases.len()],
            },
            (false, _) => vec![run.measures.get(measure.name()).copied()],
        };
        Runs { values: self.runs.iter().map(of).collect() }
    }

    /// Its mean over trainings and cases.
    fn effect(&self, measure: Measure, cases: &[String], groups: &[usize], bootstrap: &Bootstrap) -> Option<Effect> {
        let groups = if measure.is_of_cases() { groups } else { &[0] };
        let effect = bootstrap.effect(&self.values(measure, cases), None, groups)?;
        // What follows from the plan has no noise, and one number for all trainings.
        Some(if measure.is_exact() { Effect { interval: None, ..effect } } else { effect })
    }
}

/// The number of each case's group; a case without one is alone.
fn groups_of(dataset: &Dataset, cases: &[String]) -> Vec<usize> {
    let mut known: BTreeMap<&str, usize> = BTreeMap::new();
    let mut groups = Vec::new();
    for id in cases {
        let next = known.len();
        let name = dataset.training_case(id).and_then(|case| case.group.as_deref()).unwrap_or(id);
        groups.push(*known.entry(name).or_insert(next));
    }
    groups
}

fn read_run(
    folder: &StudyFolder,
    study: &Study,
    arm: &Arm,
    plan: &Plan,
    seed: u64,
    cases: &[String],
    voxels_of: &BTreeMap<String, f64>,
) -> anyhow::Result<RunResults> {
    let run = folder.run(arm, seed, study.fold);
    let read = |path: &Path| std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()));
    let metrics_path = run.validation().join("metrics.json");
    let text = read(&metrics_path)?;
    let metrics = Metrics::from_json(&text).with_context(|| format!("reading {}", metrics_path.display()))?;
    let progress_text = read(&run.fold.progress())?;
    let progress = Progress::parse(&progress_text);
    let mut measures = BTreeMap::new();
    let mut put = |measure: Measure, value: Option<f64>| {
        if let Some(value) = value.filter(|value| value.is_finite()) {
            measures.insert(measure.name(), value);
        }
    };
    let voxels = plan.patch.iter().product::<usize>().max(1) as f64;
    put(Measure::Parameters, Some(plan.estimate.parameters as f64));
    put(Measure::Nodes, Some(nodes(&plan.network) as f64));
    put(Measure::MultiplyAddsPerVoxel, Some(plan.estimate.multiply_adds_per_patch as f64 / voxels));
    put(Measure::TrainingS, progress.records.last().and_then(|record| record.elapsed_s));
    put(Measure::Steps, progress.records.last().map(|record| record.step as f64));
    put(Measure::LossGap, loss_gap(&progress));
    put(Measure::VarianceRatio, variance_ratio(&text));
    let gradients = gradients(&progress_text);
    put(Measure::GradientRatio, gradient_ratio(&gradients));
    let mut by_case: BTreeMap<&'static str, BTreeMap<String, Option<f64>>> = BTreeMap::new();
    for score in [Score::Dice, Score::Hausdorff95, Score::AverageSurfaceDistance] {
        let mut values = of_cases(&metrics, score);
        values.retain(|case, _| cases.contains(case));
        by_case.insert(Measure::Score(score).name(), values);
    }
    let times = times_of(&run.validation().join("times.json"))?;
    let per_voxel = |(case, seconds): (&String, &f64)| (case.clone(), voxels_of.get(case).map(|voxels| seconds * 1e6 / voxels));
    by_case.insert(Measure::PredictionUsPerVoxel.name(), times.iter().map(per_voxel).collect());
    by_case.insert(Measure::PredictionS.name(), times.into_iter().map(|(case, seconds)| (case, Some(seconds))).collect());
    Ok(RunResults {
        seed,
        folder: folder.link(&run.root),
        measures,
        dice_of_labels: metrics.summary.iter().map(|label| (label.label.name.clone(), label.dice.mean)).collect(),
        cases: by_case,
        failed_cases: metrics.failed.iter().map(|failed| failed.case.clone()).collect(),
        metrics,
        progress,
        gradients,
    })
}

/// Voxels of every image of the data set.
fn voxels_of(fingerprint: &Path) -> Result<BTreeMap<String, f64>, DataError> {
    let cases = Fingerprint::read(fingerprint)?.cases;
    Ok(cases.into_iter().map(|case| (case.id, case.shape.iter().product::<usize>() as f64)).collect())
}

/// A score of every case: the mean of its labels. Not defined where a label that is there has none, as the distance to what was not found.
fn of_cases(metrics: &Metrics, score: Score) -> BTreeMap<String, Option<f64>> {
    let of = |case: &CaseScore| {
        if score == Score::Dice {
            return case.mean_dice;
        }
        let lacking = case.labels.iter().any(|label| score.of(label).is_none() && label.reference_volume > 0.0);
        let values: Vec<f64> = case.labels.iter().filter_map(|label| score.of(label)).collect();
        (!lacking && !values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    };
    metrics.cases.iter().map(|case| (case.case.clone(), of(case))).collect()
}

/// Seconds by case; none where a run has no record of them.
fn times_of(path: &Path) -> anyhow::Result<BTreeMap<String, f64>> {
    let Ok(text) = std::fs::read_to_string(path) else { return Ok(BTreeMap::new()) };
    let value: serde_json::Value = serde_json::from_str(&text).with_context(|| format!("{} is not JSON", path.display()))?;
    let times = value["seconds"].as_object().into_iter().flatten();
    Ok(times.filter_map(|(case, seconds)| Some((case.clone(), seconds.as_f64()?))).collect())
}

/// Validation loss minus training loss over the last epochs.
fn loss_gap(progress: &Progress) -> Option<f64> {
    let n = (progress.records.len() as f64 * QUARTER).ceil() as usize;
    let last = &progress.records[progress.records.len() - n..];
    let gaps: Vec<f64> = last.iter().filter_map(|record| Some(record.validation_loss? - record.training_loss?)).collect();
    (!gaps.is_empty()).then(|| gaps.iter().sum::<f64>() / gaps.len() as f64)
}

/// What `metrics.json` says of how predictions differ from image to image, where it says something.
fn variance_ratio(metrics: &str) -> Option<f64> {
    serde_json::from_str::<Value>(metrics).ok()?["variety"]["ratio"].as_f64()
}

/// The gradients in a `progress.jsonl`, where they were recorded; of an epoch that was repeated after a resumption, the last.
fn gradients(progress: &str) -> Vec<EpochGradients> {
    let mut by_epoch = BTreeMap::new();
    for line in progress.lines() {
        // A damaged line costs that line only.
        let Ok(record) = serde_json::from_str::<Value>(line) else { continue };
        let layer = |layer: &Value| Some((layer["layer"].as_str()?.to_owned(), layer["norm"].as_f64()?));
        let layers: Vec<(String, f64)> = record["gradients"].as_array().into_iter().flatten().filter_map(layer).collect();
        if let (Some(epoch), false) = (record["epoch"].as_u64(), layers.is_empty()) {
            by_epoch.insert(epoch, layers);
        }
    }
    by_epoch.into_iter().map(|(epoch, layers)| EpochGradients { epoch, layers }).collect()
}

/// The gradient of the first layer against that of the last, the geometric mean over the first epochs.
fn gradient_ratio(gradients: &[EpochGradients]) -> Option<f64> {
    let n = (gradients.len() as f64 * QUARTER).ceil() as usize;
    let ratio = |epoch: &EpochGradients| Some(epoch.layers.first()?.1 / epoch.layers.last()?.1).filter(|ratio| ratio.is_finite());
    let logs: Vec<f64> = gradients.iter().take(n).filter_map(ratio).map(|ratio| ratio.max(f64::MIN_POSITIVE).ln()).collect();
    (!logs.is_empty()).then(|| (logs.iter().sum::<f64>() / logs.len() as f64).exp())
}

#[cfg(test)]
mod tests {
    use sagittal_report::ProgressRecord;

    use super::*;

    #[test]
    fn the_gap_is_that_of_the_last_quarter() {
        let record = |epoch: usize, training: f64, validation: Option<f64>| ProgressRecord {
            epoch,
            training_loss: Some(training),
            validation_loss: validation,
            ..ProgressRecord::default()
        };
        let mut records: Vec<ProgressRecord> = (0..6).map(|epoch| record(epoch, 1.0, Some(9.0))).collect();
        records.extend([record(7, 0.2, Some(0.5)), record(8, 0.1, Some(0.6))]);
        let gap = loss_gap(&Progress { records, unreadable_lines: vec![] });
        assert!(gap.is_some_and(|gap| (gap - 0.4).abs() < 1e-12), "{gap:?}");
        assert_eq!(loss_gap(&Progress::default()), None);
    }

    #[test]
    fn gradients_fade_by_the_mean_of_the_first_quarter() {
        let line = |epoch: u64, first: f64| {
            format!(r#"{{"epoch":{epoch},"gradients":[{{"layer":"a","norm":{first}}},{{"layer":"b","norm":7}},{{"layer":"c","norm":1}}]}}"#)
        };
        let mut lines: Vec<String> = (1..=8).map(|epoch| line(epoch, if epoch == 1 { 0.1 } else { 0.001 })).collect();
        lines.insert(0, line(1, 9.0) + "\n" + r#"{"epo"#);
        let found = gradients(&lines.join("\n"));
        assert_eq!((found.len(), found[0].layers[0].clone()), (8, ("a".to_owned(), 0.1)));
        let ratio = gradient_ratio(&found);
        assert!(ratio.is_some_and(|ratio| (ratio - 0.01).abs() < 1e-9), "{ratio:?}");
        assert_eq!(gradient_ratio(&gradients(r#"{"epoch":1}"#)), None);
    }

    #[test]
    fn the_variance_is_read_where_it_was_scored() {
        assert_eq!(variance_ratio(r#"{"variety":{"ratio":0.02}}"#), Some(0.02));
        assert_eq!(variance_ratio(r#"{"variety":null}"#), None);
        assert_eq!(variance_ratio("{}"), None);
    }
}
