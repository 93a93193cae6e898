//! All cases of an evaluation, their summary, and the files they are kept in: `metrics.json` and `metrics.csv`.

use std::{collections::BTreeMap, fmt::Write as _};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{Bootstrap, Clusters, DistanceUnit, LabelScore, MetricsError, PooledProbability, Score, Summary, SurfaceOptions, Variety};

/// Rises when the JSON's meaning changes.
pub const FORMAT_VERSION: u32 = 1;

/// The scores of a set of cases.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// [`FORMAT_VERSION`] of the writer.
    pub format_version: u32,
    /// Which voxels were counted.
    pub region: ScoredRegion,
    /// The labels that were scored.
    pub labels: Vec<LabelName>,
    /// The foreground: the Dice of each case's labels averaged, summarised over cases.
    pub foreground_dice: Summary,
    /// Mean over labels of their mean Dice, nnU-Net's `foreground_mean`. Differs from `foreground_dice.mean` only where some label is undefined in some case.
    pub mean_of_label_means: Option<f64>,
    /// Per label, over cases.
    pub summary: Vec<LabelSummary>,
    /// One entry per case.
    pub cases: Vec<CaseScore>,
    /// Cases that could not be scored.
    #[serde(default)]
    pub failed: Vec<FailedCase>,
    /// How distances were measured; `None` where they were not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distances: Option<Distances>,
    /// The cases of each group by themselves, where groups were given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupSummary>,
    /// The same cases scored otherwise, to be shown beside: elsewhere, or a second observer instead of the prediction.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<Beside>,
    /// Whether predictions differ from image to image as the truth does; `None` where the images have no common grid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variety: Option<Variety>,
}

/// How distances were measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Distances {
    /// Unit of distances and of the tolerance.
    pub unit: DistanceUnit,
    /// What a surface consists of, and the tolerance of the surface Dice.
    #[serde(flatten)]
    pub options: SurfaceOptions,
    /// The definition of the 95th percentile, in words.
    pub hausdorff95: String,
}

impl Distances {
    /// Says how distances are measured with these options.
    pub fn new(unit: DistanceUnit, options: SurfaceOptions) -> Self {
        let hausdorff95 = "95 % of a surface lie within it, of both directions the larger".to_owned();
        Self { unit, options, hausdorff95 }
    }
}

/// Some of the cases by themselves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupSummary {
    /// The group's name.
    pub group: String,
    /// Its cases that were scored.
    pub n_cases: usize,
    /// The foreground, as for all cases.
    pub foreground_dice: Summary,
    /// Per label, over the group's cases.
    pub summary: Vec<LabelSummary>,
}

/// The same cases, scored otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Beside {
    /// What was compared with the reference.
    pub subject: Subject,
    /// Its scores; they say inside what.
    pub metrics: Metrics,
}

/// What is compared with the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// The prediction.
    Prediction,
    /// The labels of a second observer.
    SecondObserver,
}

/// Which voxels were counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScoredRegion {
    /// Every voxel of the image.
    #[default]
    WholeImage,
    /// Inside the camera's field of view (DRIVE's `mask/`).
    FieldOfView,
    /// Inside a mask that the user gave.
    Mask,
}

/// A label's value and name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelName {
    /// Value in the label map.
    pub value: u16,
    /// Name in the data set.
    pub name: String,
}

/// One label over all cases.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LabelSummary {
    /// The label.
    #[serde(flatten)]
    pub label: LabelName,
    /// Dice over cases.
    pub dice: Summary,
    /// Intersection over union over cases.
    pub iou: Summary,
    /// Every score that some case has, over cases; Dice and IoU once more.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub scores: BTreeMap<Score, Summary>,
    /// From the probabilities of all cases' voxels together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pooled: Option<PooledProbability>,
}

/// One case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaseScore {
    /// The case's name.
    pub case: String,
    /// The group that it belongs to, where groups were given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The patient that it is of, where patients are known: intervals then draw patients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patient: Option<String>,
    /// Mean Dice of its labels that are defined; `None` if none is.
    pub mean_dice: Option<f64>,
    /// One entry per label, in the order of [`Metrics::labels`].
    pub labels: Vec<LabelScore>,
}

/// A case that could not be scored, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedCase {
    /// The case's name.
    pub case: String,
    /// What went wrong, in a sentence.
    pub reason: String,
}

impl CaseScore {
    /// A case with the mean over its labels.
    pub fn new(case: impl Into<String>, labels: Vec<LabelScore>) -> Self {
        Self { case: case.into(), group: None, patient: None, mean_dice: mean(labels.iter().map(|label| label.dice)), labels }
    }
}

impl Metrics {
    /// Gathers cases and summarises them.
    ///
    /// # Panics
    /// If a case's scores are not those of `labels` in the same order (a programming error).
    pub fn new(
        labels: Vec<LabelName>,
        region: ScoredRegion,
        cases: Vec<CaseScore>,
        failed: Vec<FailedCase>,
        bootstrap: &Bootstrap,
    ) -> Self {
        for case in &cases {
            let same = case.labels.iter().map(|score| score.label).eq(labels.iter().map(|label| label.value));
            assert!(same, "case {} is not scored for the labels of the set", case.case);
        }
        let all: Vec<&CaseScore> = cases.iter().collect();
        let summary = summaries(&labels, &all, bootstrap);
        Self {
            format_version: FORMAT_VERSION,
            region,
            foreground_dice: foreground(&all, bootstrap),
            mean_of_label_means: mean(summary.iter().map(|label| label.dice.mean)),
            groups: groups(&labels, &cases, bootstrap),
            labels,
            summary,
            cases,
            failed,
            distances: None,
            beside: Vec::new(),
            variety: None,
        }
    }

    /// The scores that some case has, in the order of tables.
    pub fn scores(&self) -> Vec<Score> {
        Score::all().filter(|score| self.summary.iter().any(|label| label.scores.contains_key(score))).collect()
    }

    /// The content of `metrics.json`.
    ///
    /// # Panics
    /// Never: every field has a JSON form.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("numbers, strings and lists can always be written as JSON");
        text.push('\n');
        text
    }

    /// Reads the content of `metrics.json`.
    ///
    /// # Errors
    /// [`MetricsError::Malformed`] if it is not one, or one of a newer format.
    pub fn from_json(text: &str) -> Result<Self, MetricsError> {
        let metrics: Self = serde_json::from_str(text).map_err(|error| MetricsError::Malformed { finding: error.to_string() })?;
        if metrics.format_version > FORMAT_VERSION {
            let finding = format!("format_version is {}, at most {FORMAT_VERSION} can be read", metrics.format_version);
            return Err(MetricsError::Malformed { finding });
        }
        Ok(metrics)
    }

    /// The content of `metrics.csv`: one row per case and label. A number that is not defined is an empty field.
    ///
    /// Columns of scores that no case has are left out.
    pub fn to_csv(&self) -> String {
        const FIRST: [Score; 2] = [Score::Dice, Score::Iou];
        let others: Vec<Score> = self.scores().into_iter().filter(|score| !FIRST.contains(score)).collect();
        let has_groups = self.cases.iter().any(|case| case.group.is_some());
        let has_patients = self.cases.iter().any(|case| case.patient.is_some());
        let mut text = String::from(
            "case,label,name,dice,iou,true_positive,false_positive,false_negative,true_negative,reference_volume,prediction_volume,volume_unit",
        );
        others.iter().for_each(|score| text += &format!(",{}", score.name()));
        text += if has_groups { ",group" } else { "" };
        text += if has_patients { ",patient\n" } else { "\n" };
        for case in &self.cases {
            for (score, label) in case.labels.iter().zip(&self.labels) {
                let o = &score.overlap;
                // serde's name of the unit: ASCII, as spreadsheets guess encodings.
                let unit =
                    serde_json::to_value(score.volume_unit).ok().and_then(|unit| unit.as_str().map(str::to_owned)).unwrap_or_default();
                let mut row = vec![
                    csv_field(&case.case),
                    score.label.to_string(),
                    csv_field(&label.name),
                    csv_number(score.dice),
                    csv_number(score.iou),
                    o.true_positive.to_string(),
                    o.false_positive.to_string(),
                    o.false_negative.to_string(),
                    o.true_negative.to_string(),
                    score.reference_volume.to_string(),
                    score.prediction_volume.to_string(),
                    unit,
                ];
                row.extend(others.iter().map(|other| csv_number(other.of(score))));
                if has_groups {
                    row.push(csv_field(case.group.as_deref().unwrap_or_default()));
                }
                if has_patients {
                    row.push(csv_field(case.patient.as_deref().unwrap_or_default()));
                }
                let _ = writeln!(text, "{}", row.join(","));
            }
        }
        text
    }
}

/// Every label over these cases.
fn summaries(labels: &[LabelName], cases: &[&CaseScore], bootstrap: &Bootstrap) -> Vec<LabelSummary> {
    let clusters = Clusters::of(cases.iter().copied());
    let labels = labels.par_iter().cloned().enumerate();
    let summaries = labels.map(|(idx, label)| {
        let values = |score: Score| cases.iter().map(move |case| score.of(&case.labels[idx]));
        let asked_for: Vec<Score> = Score::all().filter(|&score| values(score).any(|value| value.is_some())).collect();
        let scores: BTreeMap<Score, Summary> =
            asked_for.into_par_iter().map(|score| (score, Summary::of_clusters(values(score), &clusters, bootstrap))).collect();
        let of = |score| scores.get(&score).cloned().unwrap_or_else(|| Summary::of_clusters(values(score), &clusters, bootstrap));
        LabelSummary { label, dice: of(Score::Dice), iou: of(Score::Iou), scores, pooled: None }
    });
    summaries.collect()
}

/// The mean Dice of each case's labels, over cases.
fn foreground(cases: &[&CaseScore], bootstrap: &Bootstrap) -> Summary {
    Summary::of_clusters(cases.iter().map(|case| case.mean_dice), &Clusters::of(cases.iter().copied()), bootstrap)
}

/// The cases of each group by themselves, by name.
fn groups(labels: &[LabelName], cases: &[CaseScore], bootstrap: &Bootstrap) -> Vec<GroupSummary> {
    let mut members: BTreeMap<&str, Vec<&CaseScore>> = BTreeMap::new();
    for case in cases {
        if let Some(group) = &case.group {
            members.entry(group).or_default().push(case);
        }
    }
    let summary = |(group, cases): (&str, Vec<&CaseScore>)| GroupSummary {
        group: group.to_owned(),
        n_cases: cases.len(),
        foreground_dice: foreground(&cases, bootstrap),
        summary: summaries(labels, &cases, bootstrap),
    };
    members.into_iter().map(summary).collect()
}

fn mean(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let defined: Vec<f64> = values.flatten().collect();
    (!defined.is_empty()).then(|| defined.iter().sum::<f64>() / defined.len() as f64)
}

/// A number as a CSV field, empty where it is not defined.
pub fn csv_number(value: Option<f64>) -> String {
    value.map_or(String::new(), |value| value.to_string())
}

/// A text as a CSV field (RFC 4180): quoted where it must be.
pub fn csv_field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

#[cfg(test)]
mod tests;
