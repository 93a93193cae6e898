//! How good probabilities are: ROC, precision over recall, and reliability. The numbers come from an evaluation; here they are only drawn.

use sagittal_metrics::Metrics;
use serde::Deserialize;

use crate::chart::{Chart, Guide, Series, XAxis};

/// How well a probability separates a label from the rest, and how far it can be believed. Whatever was not measured is empty or `None`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ProbabilityScores {
    /// The label, or what else the curves are of: a fold, a data set.
    #[serde(skip)]
    pub name: String,
    /// False-positive rate and sensitivity, ascending, from 0, 0 to 1, 1.
    pub roc: Vec<[f64; 2]>,
    /// Area under it.
    pub roc_auc: Option<f64>,
    /// Recall and precision, by ascending recall.
    pub precision_recall: Vec<[f64; 2]>,
    /// Area under it.
    pub average_precision: Option<f64>,
    /// Bins of predicted probability, ascending.
    pub reliability: Vec<ReliabilityBin>,
    /// Expected calibration error.
    pub calibration_error: Option<f64>,
}

/// The voxels whose predicted probability lies in one bin.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct ReliabilityBin {
    /// Their mean predicted probability.
    #[serde(rename = "mean_probability")]
    pub predicted: f64,
    /// The share of them that has the label.
    #[serde(rename = "share_positive")]
    pub observed: f64,
    /// How many they are.
    pub n: u64,
}

/// Columns of a reliability diagram are so wide: they stand where their voxels are on average.
const COLUMN: f64 = 0.04;

impl ProbabilityScores {
    /// The pooled probabilities of every label that an evaluation kept them for.
    ///
    /// They are looked for in the form in which scores are kept (`pooled` of a label's summary), so that files of scores with and without them
    /// are read alike.
    pub fn of_metrics(metrics: &Metrics) -> Vec<Self> {
        let of_label = |label: &sagittal_metrics::LabelSummary| {
            let pooled = serde_json::to_value(label).ok()?.get_mut("pooled")?.take();
            let scores: Self = serde_json::from_value(pooled).ok()?;
            Some(Self { name: label.label.name.clone(), ..scores })
        };
        metrics.summary.iter().filter_map(of_label).collect()
    }
}

const UNIT: Option<(f64, f64)> = Some((0.0, 1.0));

/// The charts that have anything to show: ROC, precision over recall, and one reliability diagram per entry.
pub(crate) fn charts(scores: &[ProbabilityScores]) -> Vec<Chart> {
    let three = |value: f64| format!("{value:.3}");
    let line = |idx: usize, name: &str, points: &[[f64; 2]], area: Option<f64>| Series {
        name: name.to_owned(),
        colour: idx,
        points: points.iter().map(|&[x, y]| (x, Some(y))).collect(),
        cases: None,
        value: area.map(three),
    };
    let unit_square = |title: &str, x_name: &str, series: Vec<Series>| Chart {
        title: title.to_owned(),
        x_name: x_name.to_owned(),
        x_axis: XAxis::Measure(UNIT),
        series: series.into_iter().filter(|series| !series.points.is_empty()).collect(),
        y_at_least: UNIT,
        ..Chart::default()
    };
    let indexed = || scores.iter().enumerate();
    let roc = indexed().map(|(idx, one)| line(idx, &one.name, &one.roc, one.roc_auc)).collect();
    let mut roc = unit_square("ROC: sensitivity over false-positive rate", "false-positive rate", roc);
    roc.guides.push(Guide::Diagonal);
    roc.note = "Beside the names: area under the curve. The diagonal is guessing.".into();
    let curves = indexed().map(|(idx, one)| line(idx, &one.name, &one.precision_recall, one.average_precision)).collect();
    let mut precision = unit_square("Precision over recall", "recall", curves);
    precision.note = "Beside the names: area under the curve.".into();
    let reliability = indexed().filter(|(_, one)| !one.reliability.is_empty()).map(|(idx, one)| {
        let filled = || one.reliability.iter().filter(|bin| bin.n > 0);
        let points: Vec<[f64; 2]> = filled().map(|bin| [bin.predicted, bin.observed]).collect();
        let series = vec![line(idx, &one.name, &points, one.calibration_error.map(|error| (error * 1000.0).round() / 1000.0))];
        let mut chart = unit_square(&format!("Reliability, {}", one.name), "predicted probability", series);
        let most = filled().map(|bin| bin.n).max().unwrap_or(1) as f64;
        chart.columns = filled().map(|bin| (bin.predicted - COLUMN / 2.0, bin.predicted + COLUMN / 2.0, bin.n as f64 / most)).collect();
        chart.guides.push(Guide::Diagonal);
        chart.note =
            "Share of voxels that have the label, over what was predicted; on the diagonal both are equal. Beside the name: expected \
                      calibration error. Columns: how many voxels."
                .into();
        chart
    });
    let all = [roc, precision].into_iter().chain(reliability);
    all.filter(|chart| !chart.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn scores() -> ProbabilityScores {
        ProbabilityScores {
            name: "vessel".into(),
            roc: vec![[0.0, 0.0], [0.1, 0.8], [1.0, 1.0]],
            roc_auc: Some(0.85),
            precision_recall: vec![[0.0, 1.0], [0.8, 0.7], [1.0, 0.1]],
            average_precision: Some(0.7),
            reliability: vec![
                ReliabilityBin { predicted: 0.1, observed: 0.05, n: 900 },
                ReliabilityBin { predicted: 0.0, observed: 0.0, n: 0 },
                ReliabilityBin { predicted: 0.95, observed: 0.8, n: 90 },
            ],
            calibration_error: Some(0.0625),
        }
    }

    #[test]
    fn only_what_was_measured_is_drawn() {
        let titles = |scores: &[ProbabilityScores]| charts(scores).into_iter().map(|chart| chart.title).collect::<Vec<_>>();
        assert!(titles(&[]).is_empty() && titles(&[ProbabilityScores::default()]).is_empty());
        assert_eq!(titles(&[scores()]), ["ROC: sensitivity over false-positive rate", "Precision over recall", "Reliability, vessel"]);
        let curve_only = ProbabilityScores { reliability: vec![], precision_recall: vec![], ..scores() };
        assert_eq!(titles(&[curve_only, scores()]).len(), 3);
    }

    #[test]
    fn pooled_scores_are_read_in_the_form_in_which_they_are_kept() {
        let kept = r#"{"n_positive": 9, "n_negative": 90, "roc_auc": 0.85, "average_precision": 0.7, "brier": 0.1, "calibration_error": 0.0625,
            "roc_auc_error_at_most": 0.0, "best_threshold": null, "reliability": [{"n": 900, "mean_probability": 0.1, "share_positive": 0.05}],
            "roc": [[0.0, 0.0], [0.1, 0.8], [1.0, 1.0]], "precision_recall": [[0.0, 1.0], [0.8, 0.7], [1.0, 0.1]]}"#;
        let read: ProbabilityScores = serde_json::from_str(kept).unwrap();
        assert_eq!(read, ProbabilityScores { name: String::new(), reliability: scores().reliability[..1].to_vec(), ..scores() });
        let nothing = Metrics::from_json(
            r#"{"format_version": 1, "region": "whole_image", "labels": [], "foreground_dice":
            {"n": 0, "n_undefined": 0, "mean": null, "sd": null, "min": null, "q1": null, "median": null, "q3": null, "max": null, "mean_interval": null},
            "mean_of_label_means": null, "summary": [], "cases": []}"#,
        );
        assert!(ProbabilityScores::of_metrics(&nothing.unwrap()).is_empty());
    }

    #[test]
    fn empty_bins_are_no_points_and_axes_are_the_unit_square() {
        let charts = charts(&[scores()]);
        assert_eq!(charts[2].series[0].points, [(0.1, Some(0.05)), (0.95, Some(0.8))]);
        let columns: Vec<(f64, f64)> = charts[2].columns.iter().map(|&(from, to, share)| ((from + to) / 2.0, share)).collect();
        assert_eq!(columns, [(0.1, 1.0), (0.95, 0.1)]);
        for chart in &charts {
            let axes = chart.axes();
            assert_eq!((axes.x, axes.y), ((0.0, 1.0), (0.0, 1.0)), "{}", chart.title);
        }
        assert!(crate::chart::svg(&charts[0]).contains("<b>0.850</b>"));
    }
}
