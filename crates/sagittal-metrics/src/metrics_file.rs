//! All cases of an evaluation, their summary, and the files they are kept in: `metrics.json` and `metrics.csv`.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::{Bootstrap, LabelScore, MetricsError, Summary};

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
}

/// One case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaseScore {
    /// The case's name.
    pub case: String,
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
        Self { case: case.into(), mean_dice: mean(labels.iter().map(|label| label.dice)), labels }
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
        let of_label =
            |idx: usize, score: fn(&LabelScore) -> Option<f64>| Summary::of(cases.iter().map(|case| score(&case.labels[idx])), bootstrap);
        let summary: Vec<LabelSummary> = (labels.iter().cloned().enumerate())
            .map(|(idx, label)| LabelSummary { label, dice: of_label(idx, |s| s.dice), iou: of_label(idx, |s| s.iou) })
            .collect();
        Self {
            format_version: FORMAT_VERSION,
            region,
            foreground_dice: Summary::of(cases.iter().map(|case| case.mean_dice), bootstrap),
            mean_of_label_means: mean(summary.iter().map(|label| label.dice.mean)),
            labels,
            summary,
            cases,
            failed,
        }
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
    pub fn to_csv(&self) -> String {
        let mut text = String::from(
            "case,label,name,dice,iou,true_positive,false_positive,false_negative,true_negative,reference_volume,prediction_volume,volume_unit\n",
        );
        for case in &self.cases {
            for (score, label) in case.labels.iter().zip(&self.labels) {
                let o = &score.overlap;
                // serde's name of the unit: ASCII, as spreadsheets guess encodings.
                let unit =
                    serde_json::to_value(score.volume_unit).ok().and_then(|unit| unit.as_str().map(str::to_owned)).unwrap_or_default();
                let row = [
                    field(&case.case),
                    score.label.to_string(),
                    field(&label.name),
                    number(score.dice),
                    number(score.iou),
                    o.true_positive.to_string(),
                    o.false_positive.to_string(),
                    o.false_negative.to_string(),
                    o.true_negative.to_string(),
                    score.reference_volume.to_string(),
                    score.prediction_volume.to_string(),
                    unit,
                ];
                let _ = writeln!(text, "{}", row.join(","));
            }
        }
        text
    }
}

fn mean(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let defined: Vec<f64> = values.flatten().collect();
    (!defined.is_empty()).then(|| defined.iter().sum::<f64>() / defined.len() as f64)
}

fn number(value: Option<f64>) -> String {
    value.map_or(String::new(), |value| value.to_string())
}

/// A text as a CSV field (RFC 4180): quoted where it must be.
fn field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

#[cfg(test)]
mod tests;
