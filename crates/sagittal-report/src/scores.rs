//! Scores of many cases as charts: their distributions, sizes against the truth, and cases from worst to best.
//!
//! Which scores there are, `sagittal-metrics` knows ([`Score::all`]): one that is added there is drawn without a change here.

use sagittal_metrics::{Better, Bootstrap, CaseScore, Metrics, Score, Summary};

use crate::{
    chart::{Chart, Guide, Series, XAxis, label},
    distribution::{Distribution, Row},
};

/// What is looked at first, as far as there is any of it.
const FIRST: [Score; 8] = [
    Score::Dice,
    Score::Hausdorff95,
    Score::SurfaceDice,
    Score::CentrelineDice,
    Score::LesionF1,
    Score::Sensitivity,
    Score::Precision,
    Score::RelativeVolumeDifference,
];
/// Limits of agreement are the bias and so many standard deviations (Bland and Altman 1986).
const LIMITS_SD: f64 = 1.96;
/// Fewer cases have no spread worth a line.
const FEWEST_FOR_LIMITS: usize = 3;

/// A distribution for every score that is defined in some case: those of [`FIRST`], then the others in the order of files.
pub(crate) fn distributions(metrics: &Metrics) -> Vec<Distribution> {
    let found = metrics.scores();
    let first = FIRST.into_iter().filter(|score| found.contains(score));
    let others = found.iter().copied().filter(|score| !FIRST.contains(score));
    let row = |score: Score, idx: usize, name: &str| {
        let values = metrics.cases.iter().filter_map(|case| Some((case.case.clone(), score.of(case.labels.get(idx)?)?)));
        Row { name: name.to_owned(), colour: idx, values: values.collect() }
    };
    let distribution = |score: Score| Distribution {
        title: title(score, metrics),
        at_least: match score.better() {
            Better::Higher => Some((1.0, 1.0)),
            Better::NearZero => Some((0.0, 0.0)),
            Better::Lower => None,
        },
        rows: metrics.labels.iter().enumerate().map(|(idx, label)| row(score, idx, &label.name)).collect(),
    };
    first.chain(others).map(distribution).filter(|distribution| !distribution.is_empty()).collect()
}

/// A score's name with its unit, as a heading.
fn title(score: Score, metrics: &Metrics) -> String {
    let words = score.title();
    let first_word = words.split(' ').next().unwrap_or_default();
    // Dice and clDice are names.
    let is_plain = first_word.chars().all(char::is_lowercase);
    let mut letters = words.chars();
    let heading = match letters.next() {
        Some(letter) if is_plain => letter.to_uppercase().chain(letters).collect(),
        _ => words.to_owned(),
    };
    let sizes = || metrics.cases.iter().flat_map(|case| &case.labels).map(|label| label.volume_unit);
    let unit = match score {
        Score::VolumeDifference => sizes().next().filter(|unit| sizes().all(|other| other == *unit)).map(|unit| unit.to_string()),
        _ if score.is_distance() => metrics.distances.as_ref().map(|distances| distances.unit.name().to_owned()),
        _ => None,
    };
    unit.map_or(heading.clone(), |unit| format!("{heading}, {unit}"))
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
        note: format!("{note}."),
        ..Chart::default()
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
