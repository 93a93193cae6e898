//! How good probabilities are: ROC, precision over recall, and reliability. The numbers come from an evaluation; here they are only drawn.

use sagittal_metrics::{Metrics, PooledProbability};

use crate::chart::{Chart, Guide, Series, XAxis};

/// The probabilities of one label, over the voxels of all cases together.
#[derive(Clone, Debug, PartialEq)]
pub struct Curves {
    /// The label's name.
    pub name: String,
    /// What an evaluation found.
    pub pooled: PooledProbability,
}

/// Columns of a reliability diagram are so wide: they stand where their voxels are on average.
const COLUMN: f64 = 0.04;

impl Curves {
    /// Those of every label that an evaluation kept them for.
    pub fn of(metrics: &Metrics) -> Vec<Self> {
        let of_label =
            |label: &sagittal_metrics::LabelSummary| label.pooled.clone().map(|pooled| Self { name: label.label.name.clone(), pooled });
        metrics.summary.iter().filter_map(of_label).collect()
    }
}

const UNIT: Option<(f64, f64)> = Some((0.0, 1.0));

/// The charts that have anything to show: ROC, precision over recall, and one reliability diagram per entry.
pub(crate) fn charts(curves: &[Curves]) -> Vec<Chart> {
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
    let indexed = || curves.iter().enumerate();
    let roc = indexed().map(|(idx, one)| line(idx, &one.name, &one.pooled.roc, one.pooled.score.roc_auc)).collect();
    let mut roc = unit_square("ROC: sensitivity over false-positive rate", "false-positive rate", roc);
    roc.guides.push(Guide::Diagonal);
    roc.note = "Beside the names: area under the curve. The diagonal is guessing.".into();
    let precision =
        indexed().map(|(idx, one)| line(idx, &one.name, &one.pooled.precision_recall, one.pooled.score.average_precision)).collect();
    let mut precision = unit_square("Precision over recall", "recall", precision);
    precision.note = "Beside the names: area under the curve.".into();
    let reliability = indexed().filter(|(_, one)| !one.pooled.reliability.is_empty()).map(|(idx, one)| {
        let filled = || one.pooled.reliability.iter().filter(|bin| bin.n > 0);
        let points: Vec<[f64; 2]> = filled().map(|bin| [bin.mean_probability, bin.share_positive]).collect();
        let series = vec![line(idx, &one.name, &points, one.pooled.score.calibration_error.map(|error| (error * 1000.0).round() / 1000.0))];
        let mut chart = unit_square(&format!("Reliability, {}", one.name), "predicted probability", series);
        let most = filled().map(|bin| bin.n).max().unwrap_or(1) as f64;
        chart.columns =
            filled().map(|bin| (bin.mean_probability - COLUMN / 2.0, bin.mean_probability + COLUMN / 2.0, bin.n as f64 / most)).collect();
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

    use sagittal_metrics::Ranking;

    use super::*;

    fn curves(name: &str, pairs: &[(f32, bool)]) -> Curves {
        let probabilities: Vec<f32> = pairs.iter().map(|(p, _)| *p).collect();
        Curves { name: name.into(), pooled: Ranking::of(&probabilities, |i| Some(pairs[i].1)).unwrap().pooled() }
    }

    /// scikit-learn's example: AUC 0.75.
    fn four() -> Curves {
        curves("vessel", &[(0.1, false), (0.4, false), (0.35, true), (0.8, true)])
    }

    #[test]
    fn only_what_was_measured_is_drawn() {
        let titles = |curves: &[Curves]| charts(curves).into_iter().map(|chart| chart.title).collect::<Vec<_>>();
        assert!(titles(&[]).is_empty() && titles(&[curves("nothing", &[])]).is_empty());
        assert_eq!(titles(&[four()]), ["ROC: sensitivity over false-positive rate", "Precision over recall", "Reliability, vessel"]);
        // One kind of voxel alone has no curve, but a reliability.
        assert_eq!(titles(&[curves("absent", &[(0.1, false), (0.2, false)])]), ["Reliability, absent"]);
        assert_eq!(titles(&[curves("absent", &[(0.1, false)]), four()]).len(), 4);
    }

    #[test]
    fn charts_show_the_evaluation_and_axes_are_the_unit_square() {
        let charts = charts(&[four()]);
        // Bins without a voxel are no points: 0.35 and 0.4 lie in the sixth and the seventh of 15.
        let points: Vec<(f64, Option<f64>)> = charts[2].series[0].points.iter().map(|&(x, y)| ((x * 100.0).round() / 100.0, y)).collect();
        assert_eq!(points, [(0.1, Some(0.0)), (0.35, Some(1.0)), (0.4, Some(0.0)), (0.8, Some(1.0))]);
        assert_eq!(charts[2].columns.len(), 4);
        for chart in &charts {
            let axes = chart.axes();
            assert_eq!((axes.x, axes.y), ((0.0, 1.0), (0.0, 1.0)), "{}", chart.title);
        }
        assert!(crate::chart::svg(&charts[0]).contains("<b>0.750</b>"));
    }
}
