//! The scores as tables for people, none wider than 80 columns.

use sagittal_metrics::{Beside, LabelSummary, Metrics, Score, ScoredRegion, Subject, Summary, SurfaceElements};

use crate::table;

/// Labels longer than this are cut.
const LONGEST_NAME: usize = 22;

/// The summary over cases, one row per label in each table, then notes and failures.
pub(crate) fn in_words(metrics: &Metrics) -> String {
    let n_failed = metrics.failed.len();
    let mut text = format!("{} cases scored, {n_failed} failed; {}\n\n", metrics.cases.len(), region(metrics.region));
    text += &overview(metrics);
    text += &means(metrics, "overlap", [Score::Iou, Score::Precision, Score::Sensitivity, Score::Specificity, Score::Accuracy]);
    text += &sizes(metrics);
    if let Some(distances) = &metrics.distances {
        let unit = distances.unit.name();
        let elements = match distances.options.elements {
            SurfaceElements::Triangles => "surface triangles",
            SurfaceElements::BorderVoxels => "border voxels",
        };
        let title = format!("distances in {unit} between {elements}; surface Dice at {} {unit}", distances.options.tolerance);
        let columns =
            [Score::Hausdorff, Score::Hausdorff95, Score::AverageSurfaceDistance, Score::MedianSurfaceDistance, Score::SurfaceDice];
        text += &means(metrics, &title, columns);
    }
    text += &means(metrics, "lesions", [Score::LesionF1, Score::LesionPrecision, Score::LesionSensitivity, Score::LesionDice]);
    text += &lesion_counts(metrics);
    text += &means(
        metrics,
        "vessels: centre lines, and connected components more than the reference",
        [Score::CentrelineDice, Score::CentrelinePrecision, Score::CentrelineSensitivity, Score::ComponentDifference],
    );
    text += &probabilities(metrics);
    text += &beside(metrics);
    text += &groups(metrics);
    text += &notes(metrics);
    if n_failed > 0 {
        text += "\nfailed:\n";
    }
    for failure in &metrics.failed {
        text += &format!("  {}: {}\n", failure.case, failure.reason);
    }
    text
}

/// Inside what was scored.
pub(crate) fn region(region: ScoredRegion) -> &'static str {
    match region {
        ScoredRegion::WholeImage => "whole image",
        ScoredRegion::FieldOfView => "inside the field of view",
        ScoredRegion::Mask => "inside the given mask",
    }
}

/// Four significant digits, as far as a table needs them.
pub(crate) fn short(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(value) if value.abs() < 10.0 => format!("{value:.4}"),
        Some(value) if value.abs() < 1000.0 => format!("{value:.2}"),
        Some(value) if value.abs() < 1e7 => format!("{value:.0}"),
        Some(value) => format!("{value:.2e}"),
    }
}

fn name(label: &LabelSummary) -> String {
    cut(&format!("{} {}", label.label.value, label.label.name))
}

fn cut(name: &str) -> String {
    if name.chars().count() <= LONGEST_NAME {
        return name.to_owned();
    }
    name.chars().take(LONGEST_NAME - 1).chain(['…']).collect()
}

fn overview(metrics: &Metrics) -> String {
    let row = |name: String, dice: &Summary| {
        let interval = dice.mean_interval.as_ref().map_or("-".to_owned(), |interval| format!("{:.3}-{:.3}", interval.low, interval.high));
        let n = dice.n.to_string();
        [name, n, short(dice.mean), interval, short(dice.median), short(dice.min), short(dice.max)]
    };
    let mut rows = vec![["label", "cases", "Dice", "95 % interval", "median", "lowest", "highest"].map(str::to_owned)];
    rows.extend(metrics.summary.iter().map(|label| row(name(label), &label.dice)));
    if metrics.summary.len() > 1 {
        rows.push(row("mean of labels".to_owned(), &metrics.foreground_dice));
    }
    table::aligned(&rows)
}

/// A table of means over cases; nothing where no case has any of these scores.
fn means<const N: usize>(metrics: &Metrics, title: &str, scores: [Score; N]) -> String {
    if !metrics.summary.iter().any(|label| scores.iter().any(|score| label.scores.contains_key(score))) {
        return String::new();
    }
    let head = std::iter::once(format!("mean {}", title.split([' ', ':', ';']).next().unwrap_or(title)));
    let mut rows = vec![head.chain(scores.iter().map(|score| heading(*score).to_owned())).collect::<Vec<_>>()];
    for label in &metrics.summary {
        let mean = |score: &Score| short(label.scores.get(score).and_then(|summary| summary.mean));
        rows.push(std::iter::once(name(label)).chain(scores.iter().map(mean)).collect());
    }
    let title = if title.contains(' ') { format!("{title}\n") } else { String::new() };
    format!("\n{title}{}", table::of_rows(&rows))
}

/// A score's name as a column's head: short, as the table's title says the rest.
fn heading(score: Score) -> &'static str {
    match score {
        Score::LesionF1 => "F1",
        Score::LesionPrecision | Score::CentrelinePrecision => "precision",
        Score::LesionSensitivity | Score::CentrelineSensitivity => "sensitivity",
        Score::AverageSurfaceDistance => "average",
        Score::MedianSurfaceDistance => "median",
        Score::ComponentDifference => "components",
        other => other.title(),
    }
}

fn sizes(metrics: &Metrics) -> String {
    let Some(unit) = metrics.cases.iter().flat_map(|case| &case.labels).map(|label| label.volume_unit).next() else {
        return String::new();
    };
    let distance = if metrics.cases.iter().flat_map(|case| &case.labels).any(|label| label.volume_unit != unit) {
        "units differ, see metrics.csv".to_owned()
    } else {
        format!("in {unit}")
    };
    let mut rows = vec![["mean volume", "reference", "prediction", "difference", "relative", "centres"].map(str::to_owned)];
    for (idx, label) in metrics.summary.iter().enumerate() {
        let volumes = |of: fn(&sagittal_metrics::LabelScore) -> f64| {
            let all: Vec<f64> = metrics.cases.iter().map(|case| of(&case.labels[idx])).collect();
            (!all.is_empty()).then(|| all.iter().sum::<f64>() / all.len() as f64)
        };
        let mean = |score: Score| label.scores.get(&score).and_then(|summary| summary.mean);
        let percent = mean(Score::RelativeVolumeDifference).map_or("-".to_owned(), |part| format!("{:+.1} %", 100.0 * part));
        let (reference, prediction) = (volumes(|score| score.reference_volume), volumes(|score| score.prediction_volume));
        let difference = short(mean(Score::VolumeDifference));
        rows.push([name(label), short(reference), short(prediction), difference, percent, short(mean(Score::CentreDistance))]);
    }
    let apart =
        if metrics.distances.is_some() { "; centres of gravity apart, as distances" } else { "; centres of gravity apart, mm or voxels" };
    format!("\nvolumes {distance}{apart}\n{}", table::aligned(&rows))
}

fn lesion_counts(metrics: &Metrics) -> String {
    let mut lines = String::new();
    for (idx, label) in metrics.summary.iter().enumerate() {
        let lesions: Vec<_> = metrics.cases.iter().filter_map(|case| case.labels[idx].lesions.as_ref()).collect();
        if !lesions.is_empty() {
            let sum = |of: fn(&sagittal_metrics::LesionScore) -> usize| lesions.iter().map(|lesions| of(lesions)).sum::<usize>();
            let (found, all, wrong) = (sum(|l| l.n_found), sum(|l| l.n_reference), sum(|l| l.n_false));
            lines += &format!("{}: {found} of {all} lesions found, {wrong} false\n", name(label));
        }
    }
    lines
}

fn probabilities(metrics: &Metrics) -> String {
    let mut rows = vec![["from probabilities", "ROC AUC", "avg. prec.", "Brier", "calib. error", "best thresh."].map(str::to_owned)];
    let mut below = String::new();
    for label in &metrics.summary {
        let Some(pooled) = &label.pooled else { continue };
        let score = &pooled.score;
        let threshold = short(pooled.best_threshold.map(|best| best.threshold));
        let scores = [score.roc_auc, score.average_precision, score.brier, score.calibration_error].map(short);
        let [auc, precision, brier, calibration] = scores;
        rows.push([name(label), auc, precision, brier, calibration, threshold]);
        if let Some(at) = label.scores.get(&Score::DiceAtThreshold) {
            let chosen = metrics.cases.iter().flat_map(|case| &case.labels).filter(|score| score.label == label.label.value);
            let chosen = chosen.filter_map(|score| score.probability?.at_threshold).next();
            let threshold = short(chosen.map(|at| at.threshold));
            below += &format!("{}: mean Dice {} at the given threshold {threshold}\n", name(label), short(at.mean));
        }
        if pooled.roc_auc_error_at_most > 5e-5 {
            below += &format!("{}: ROC AUC is exact to {:.1e}\n", name(label), pooled.roc_auc_error_at_most);
        }
    }
    if rows.len() == 1 {
        return String::new();
    }
    let warning = "voxels of all cases together; the best threshold is for other cases";
    format!("\n{}{below}{warning}\n", table::aligned(&rows))
}

/// The same cases scored otherwise, in one table with the main scores.
fn beside(metrics: &Metrics) -> String {
    if metrics.beside.is_empty() {
        return String::new();
    }
    let mut rows = vec![["side by side", "ROC AUC", "Dice (F1)", "accuracy", "sensit.", "specif."].map(str::to_owned)];
    let main = std::iter::once((Subject::Prediction, metrics));
    for (subject, scored) in main.chain(metrics.beside.iter().map(|Beside { subject, metrics }| (*subject, metrics))) {
        for label in &scored.summary {
            let who = match subject {
                Subject::Prediction => "prediction",
                Subject::SecondObserver => "second observer",
            };
            let region = match scored.region {
                ScoredRegion::WholeImage => "whole image",
                ScoredRegion::FieldOfView => "field of view",
                ScoredRegion::Mask => "mask",
            };
            let of = if scored.summary.len() > 1 { format!("{}: ", label.label.value) } else { String::new() };
            let mean = |score: Score| short(label.scores.get(&score).and_then(|summary| summary.mean));
            let auc = short(label.pooled.as_ref().and_then(|pooled| pooled.score.roc_auc));
            let [dice, accuracy, sensitivity, specificity] =
                [Score::Dice, Score::Accuracy, Score::Sensitivity, Score::Specificity].map(mean);
            rows.push([format!("{of}{who}, {region}"), auc, dice, accuracy, sensitivity, specificity]);
        }
    }
    format!("\n{}", table::aligned(&rows))
}

fn groups(metrics: &Metrics) -> String {
    if metrics.groups.is_empty() {
        return String::new();
    }
    let distance = metrics.distances.is_some();
    let mut rows = vec![["group", "label", "cases", "Dice", "95 % interval", "HD95"].map(str::to_owned)];
    for group in &metrics.groups {
        for label in &group.summary {
            let interval = label.dice.mean_interval.as_ref().map_or("-".to_owned(), |i| format!("{:.3}-{:.3}", i.low, i.high));
            let far = if distance { label.scores.get(&Score::Hausdorff95).and_then(|summary| summary.mean) } else { None };
            rows.push([cut(&group.group), name(label), label.dice.n.to_string(), short(label.dice.mean), interval, short(far)]);
        }
    }
    format!("\n{}", table::aligned(&rows))
}

fn notes(metrics: &Metrics) -> String {
    let mut text = String::new();
    if let Some(interval) = metrics.summary.iter().find_map(|label| label.dice.mean_interval.as_ref()) {
        let line = format!("95 % interval: {}", interval.method);
        text += &format!("\n{}\n", if line.chars().count() > 80 { line.replacen(", ", ",\n  ", 1) } else { line });
    }
    let n_undefined: usize = metrics.summary.iter().map(|label| label.dice.n_undefined).sum();
    if n_undefined > 0 {
        text += &format!("\n{n_undefined} scores are not defined, because both masks are empty, and are left out\n");
    }
    let missed = metrics.cases.iter().flat_map(|case| &case.labels);
    let n_missed = missed.filter(|label| label.surface.is_some_and(|s| s.hausdorff.is_none() && s.surface_dice.is_some())).count();
    if n_missed > 0 {
        text += &format!("\n{n_missed} labels are in one mask only: distances leave them out, their surface Dice is 0\n");
    }
    if let Some(distances) = &metrics.distances {
        text += &format!("\nHD95: {}\n", distances.hausdorff95);
    }
    if let Some(variety) = &metrics.variety {
        text += &format!("\n{}\n", variety.in_words());
    }
    text
}
