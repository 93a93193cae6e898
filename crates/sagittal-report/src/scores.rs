//! Scores of many cases as charts: their distributions, sizes against the truth, and cases from worst to best.
//!
//! Which scores there are is read off the scores themselves, in the form in which they are kept: a score that an evaluation adds is drawn
//! without a change here.

use sagittal_metrics::{Bootstrap, CaseScore, LabelScore, Metrics, Summary};
use serde_json::Value;

use crate::{
    chart::{Chart, Guide, Series, XAxis, label},
    distribution::{Distribution, Row},
};

/// Fields of a label's scores that are no scores of how well it was found.
const NO_SCORES: [&str; 9] = [
    "label",
    "true_positive",
    "false_positive",
    "false_negative",
    "true_negative",
    "reference_volume",
    "prediction_volume",
    "threshold",
    "tolerance",
];
/// Parts whose scores say by themselves what they are of.
const SELF_NAMED: [&str; 3] = ["surface", "vessels", "probability"];
/// How fields are called that their own names do not say well.
const TITLES: [(&str, &str); 10] = [
    ("dice", "Dice"),
    ("iou", "IoU"),
    ("hausdorff", "Hausdorff distance"),
    ("hausdorff95", "Hausdorff distance, 95th percentile"),
    ("roc_auc", "Area under the ROC"),
    ("average", "Average surface distance"),
    ("median", "Median surface distance"),
    ("surface_dice", "Surface Dice"),
    ("centreline_dice", "Centreline Dice"),
    ("lesions_mean_dice", "Mean Dice of lesions"),
];
/// Scores that lie between 0 and 1 and are read from 1 down.
const FRACTIONS: [&str; 5] = ["dice", "iou", "precision", "sensitivity", "specificity"];
/// Limits of agreement are the bias and so many standard deviations (Bland and Altman 1986).
const LIMITS_SD: f64 = 1.96;
/// Fewer cases have no spread worth a line.
const FEWEST_FOR_LIMITS: usize = 3;

/// A distribution for every score that is defined in some case, in the order in which scores are kept.
pub(crate) fn distributions(metrics: &Metrics) -> Vec<Distribution> {
    let mut found: Vec<(String, Distribution)> = Vec::new();
    // Distances of all cases are in one unit, which stands once for all of them.
    let kept = serde_json::to_value(metrics).unwrap_or_default();
    let unit = kept["distances"]["unit"].as_str();
    for case in &metrics.cases {
        for (idx, score) in case.labels.iter().enumerate() {
            for (key, value, own_unit) in numbers_of(score) {
                let position = found.iter().position(|(known, _)| *known == key).unwrap_or_else(|| {
                    let rows =
                        metrics.labels.iter().enumerate().map(|(colour, label)| Row { name: label.name.clone(), colour, values: vec![] });
                    found.push((
                        key.clone(),
                        Distribution { title: title(&key, own_unit.as_deref().or(unit)), at_least: at_least(&key), rows: rows.collect() },
                    ));
                    found.len() - 1
                });
                found[position].1.rows[idx].values.push((case.case.clone(), value));
            }
        }
    }
    found.into_iter().map(|(_, distribution)| distribution).filter(|distribution| !distribution.is_empty()).collect()
}

/// Every number that scores a label: its key, the number, and its unit where the scores say one.
fn numbers_of(score: &LabelScore) -> Vec<(String, f64, Option<String>)> {
    let mut numbers = Vec::new();
    // Scores that cannot be written as JSON do not exist: the file of scores is made of them.
    if let Ok(value) = serde_json::to_value(score) {
        collect(&value, None, &mut numbers);
    }
    numbers
}

/// `part` is the name of the part of the scores that `value` is: the precision of lesions is another one than that of voxels.
fn collect(value: &Value, part: Option<&str>, numbers: &mut Vec<(String, f64, Option<String>)>) {
    let Some(fields) = value.as_object() else { return };
    let unit = fields.get("distance_unit").or_else(|| fields.get("unit")).and_then(Value::as_str).map(str::to_owned);
    for (key, value) in fields {
        match value {
            Value::Number(number) if !NO_SCORES.contains(&key.as_str()) && !key.starts_with("n_") => {
                let name = match part {
                    Some(part) if !SELF_NAMED.contains(&part) && !key.starts_with(part) => format!("{part}_{key}"),
                    _ => key.clone(),
                };
                numbers.extend(number.as_f64().map(|number| (name, number, unit.clone())));
            }
            Value::Object(_) => collect(value, Some(key), numbers),
            _ => {}
        }
    }
}

/// A field's name for people: `average_mm` is `Average, mm`.
fn title(key: &str, unit: Option<&str>) -> String {
    let (stem, own_unit) = key.strip_suffix("_mm").map_or((key, None), |stem| (stem, Some("mm")));
    let known = TITLES.iter().find(|(known, _)| *known == stem).map(|(_, title)| (*title).to_owned());
    let words = known.unwrap_or_else(|| {
        let words = stem.replace('_', " ");
        let mut letters = words.chars();
        letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
    });
    let is_distance = ["hausdorff", "average", "median"].iter().any(|start| stem.starts_with(start)) && stem != "average_precision"
        || stem.ends_with("distance");
    match own_unit.or(unit.filter(|_| is_distance)) {
        Some(unit) => format!("{words}, {unit}"),
        None => words,
    }
}

fn at_least(key: &str) -> Option<(f64, f64)> {
    let is_fraction = FRACTIONS.contains(&key) || key.ends_with("dice");
    if is_fraction { Some((1.0, 1.0)) } else { None }
}

/// Predicted sizes against true ones, one chart per label: the difference over the mean of both, with bias and limits of agreement
/// (Bland and Altman 1986). Labels with fewer than two cases are left out.
pub(crate) fn volume_agreement(metrics: &Metrics) -> Vec<Chart> {
    let of_label = |idx: usize| {
        let sizes = metrics.cases.iter().filter_map(|case| Some((case.case.clone(), case.labels.get(idx)?)));
        let sizes: Vec<(String, f64, f64)> = sizes.map(|(case, s)| (case, s.reference_volume, s.prediction_volume)).collect();
        let unit =
            metrics.cases.iter().find_map(|case| case.labels.get(idx)).map(|score| score.volume_unit.to_string()).unwrap_or_default();
        bland_altman(&metrics.labels[idx].name, idx, &unit, &sizes)
    };
    (0..metrics.labels.len()).filter_map(of_label).collect()
}

/// One Bland-Altman chart from pairs of the true and the predicted size; `None` for fewer than two.
pub(crate) fn bland_altman(name: &str, colour: usize, unit: &str, sizes: &[(String, f64, f64)]) -> Option<Chart> {
    let sizes: Vec<&(String, f64, f64)> = sizes.iter().filter(|(_, a, b)| a.is_finite() && b.is_finite()).collect();
    if sizes.len() < 2 {
        return None;
    }
    let differences = sizes.iter().map(|(_, truth, predicted)| Some(predicted - truth));
    let summary = Summary::of(differences, &Bootstrap { n_resamples: 0, ..Bootstrap::default() });
    let bias = summary.mean?;
    let mut guides = vec![Guide::Level(bias, format!("bias {}", signed(bias)))];
    let mut note = format!("On average {} {unit} predicted minus true", signed(bias));
    if let Some(sd) = summary.sd.filter(|sd| *sd > 0.0 && sizes.len() >= FEWEST_FOR_LIMITS) {
        let [low, high] = [bias - LIMITS_SD * sd, bias + LIMITS_SD * sd];
        guides.extend([low, high].map(|level| Guide::Level(level, signed(level))));
        note += &format!("; about 95 % of differences lie between {} and {} {unit}", signed(low), signed(high));
    }
    Some(Chart {
        title: format!("{name}: predicted minus true size, {unit}"),
        x_name: format!("mean of both, {unit}"),
        x_axis: XAxis::Measure(None),
        series: vec![Series {
            name: name.to_owned(),
            colour,
            points: sizes.iter().map(|(_, truth, predicted)| ((truth + predicted) / 2.0, Some(predicted - truth))).collect(),
            cases: Some(sizes.iter().map(|(case, ..)| case.clone()).collect()),
            value: None,
        }],
        y_at_least: Some((0.0, 0.0)),
        guides,
        columns: vec![],
        note: format!("{note}."),
    })
}

/// Every case from the worst to the best mean Dice, a dot per label; `None` for fewer than two.
pub(crate) fn worst_to_best(metrics: &Metrics) -> Option<Chart> {
    let mut ranked: Vec<&CaseScore> = metrics.cases.iter().filter(|case| case.mean_dice.is_some()).collect();
    ranked.sort_by(|a, b| a.mean_dice.unwrap_or(0.0).total_cmp(&b.mean_dice.unwrap_or(0.0)).then(a.case.cmp(&b.case)));
    if ranked.len() < 2 {
        return None;
    }
    let series = |(idx, label): (usize, &sagittal_metrics::LabelName)| Series {
        name: label.name.clone(),
        colour: idx,
        points: ranked
            .iter()
            .enumerate()
            .map(|(rank, case)| (rank as f64 + 1.0, case.labels.get(idx).and_then(|score| score.dice)))
            .collect(),
        cases: Some(ranked.iter().map(|case| case.case.clone()).collect()),
        value: None,
    };
    let worst: Vec<String> = ranked.iter().take(3).map(|case| format!("{} ({})", case.case, label(rounded(case.mean_dice)))).collect();
    Some(Chart {
        title: "Dice of every case, from the worst to the best".into(),
        x_name: "cases by mean Dice".into(),
        series: metrics.labels.iter().enumerate().map(series).collect(),
        y_at_least: Some((1.0, 1.0)),
        note: format!("Lowest mean Dice: {}.", worst.join(", ")),
        ..Chart::default()
    })
}

fn rounded(value: Option<f64>) -> f64 {
    (value.unwrap_or(0.0) * 1000.0).round() / 1000.0
}

/// A difference with its sign, to about three digits.
fn signed(value: f64) -> String {
    let digits = if value.abs() >= 100.0 {
        0
    } else if value.abs() >= 10.0 {
        1
    } else if value.abs() >= 1.0 {
        2
    } else {
        3
    };
    format!("{value:+.digits$}")
}

#[cfg(test)]
mod tests;
