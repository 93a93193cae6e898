//! The tables of scores: labels in a summary, every case in a table that sorts.

use std::fmt::Write as _;

use sagittal_metrics::{Metrics, Summary};

use super::{escape, interval, score};
use crate::{
    Curves, chart, distribution,
    palette::{Palette, hex},
    probability, scores,
};

/// So many distributions are shown at once; the others wait to be opened.
const FIRST_CHARTS: usize = 6;
/// Bland-Altman charts of more labels than this wait to be opened.
const FIRST_LABELS: usize = 6;

/// One row per label, and how the cases spread.
pub(super) fn summary(page: &mut String, metrics: &Metrics) {
    page.push_str("<section><h2>Scores</h2><div class=\"scroll\"><table class=\"summary\"><thead><tr><th scope=\"col\">Label</th>");
    for name in ["Mean Dice", "95 % interval", "SD", "Median", "Quartiles", "Lowest", "Mean IoU", "Cases"] {
        let _ = write!(page, "<th scope=\"col\" class=\"num\">{name}</th>");
    }
    page.push_str("</tr></thead><tbody>");
    for (idx, label) in metrics.summary.iter().enumerate() {
        let chip = format!("<i style=\"background:{}\"></i>{}", hex(Palette::nth(idx)), escape(&label.label.name));
        row(page, &chip, &label.dice, &score(label.iou.mean), "");
    }
    row(page, "All, mean per case", &metrics.foreground_dice, "", " class=\"total\"");
    page.push_str("</tbody></table></div>");
    notes(page, metrics);
    if metrics.cases.len() > 1 {
        let drawn: Vec<String> = scores::distributions(metrics).iter().map(distribution::svg).collect();
        charts(page, &drawn, FIRST_CHARTS, "More scores");
    }
    page.push_str("</section>");
    let drawn: Vec<String> = scores::volume_agreement(metrics).iter().map(chart::svg).collect();
    if !drawn.is_empty() {
        page.push_str("<section><h2>Sizes</h2>");
        charts(page, &drawn, FIRST_LABELS, "More labels");
        page.push_str("</section>");
    }
}

/// The curves of probabilities, if there are any.
pub(super) fn probabilities(page: &mut String, curves: &[Curves]) {
    let drawn: Vec<String> = probability::charts(curves).iter().map(chart::svg).collect();
    if !drawn.is_empty() {
        page.push_str("<section><h2>Probabilities</h2>");
        charts(page, &drawn, drawn.len(), "");
        page.push_str("</section>");
    }
}

/// Charts side by side; what comes after the first ones can be opened.
fn charts(page: &mut String, drawn: &[String], n_first: usize, more: &str) {
    let (first, rest) = drawn.split_at(n_first.min(drawn.len()));
    let _ = write!(page, "<div class=\"charts\">{}</div>", first.concat());
    if !rest.is_empty() {
        let _ = write!(page, "<details><summary>{more} ({})</summary><div class=\"charts\">{}</div></details>", rest.len(), rest.concat());
    }
}

fn row(page: &mut String, name: &str, dice: &Summary, iou: &str, class: &str) {
    let undefined = if dice.n_undefined > 0 { format!(" <small>+ {} undefined</small>", dice.n_undefined) } else { String::new() };
    let _ = write!(page, "<tr{class}><th scope=\"row\">{name}</th><td class=\"num strong\">{}</td>", score(dice.mean));
    let quartiles = if dice.n > 0 { format!("{} – {}", score(dice.q1), score(dice.q3)) } else { "–".into() };
    for cell in [interval(dice.mean_interval.as_ref()), score(dice.sd), score(dice.median), quartiles, score(dice.min), iou.to_owned()] {
        let _ = write!(page, "<td class=\"num\">{cell}</td>");
    }
    let _ = write!(page, "<td class=\"num\">{}{undefined}</td></tr>", dice.n);
}

fn notes(page: &mut String, metrics: &Metrics) {
    let mut notes = Vec::new();
    if let Some(interval) = &metrics.foreground_dice.mean_interval {
        notes.push(format!("Intervals: {}.", interval.method));
    }
    if metrics.summary.iter().any(|label| label.dice.n_undefined > 0) {
        notes.push("A score is undefined where a label is in neither mask; it counts neither for nor against.".into());
    }
    let differs = |mean: &f64| metrics.foreground_dice.mean.is_none_or(|other| (other - mean).abs() > 5e-4);
    if let Some(mean) = metrics.mean_of_label_means.filter(differs) {
        notes.push(format!("Mean of the labels' means (nnU-Net's foreground mean): {mean:.3}."));
    }
    if let Some(variety) = &metrics.variety {
        notes.push(format!("Variety: {}.", variety.in_words()));
    }
    if !notes.is_empty() {
        let _ = write!(page, "<p class=\"note\">{}</p>", escape(&notes.join(" ")));
    }
}

/// Every case, sortable by any column.
pub(super) fn cases(page: &mut String, metrics: &Metrics) {
    if metrics.cases.is_empty() {
        return;
    }
    page.push_str("<section><h2>Cases</h2>");
    if let Some(ranked) = scores::worst_to_best(metrics) {
        let _ = write!(page, "<div class=\"charts one\">{}</div>", chart::svg(&ranked));
    }
    page.push_str("<p class=\"note screen\">Press a heading to sort.</p><div class=\"scroll\"><table class=\"cases sortable\"><thead><tr>");
    let head = |name: &str, class: &str| format!("<th scope=\"col\" class=\"{class}\"><button type=\"button\">{name}</button></th>");
    page.push_str(&head("Case", ""));
    page.push_str(&head("Mean Dice", "num"));
    // The unit of the sizes is the same in nearly every set; where it is not, each cell says its own.
    let mut units: Vec<String> = metrics.cases.iter().flat_map(|case| &case.labels).map(|score| score.volume_unit.to_string()).collect();
    units.sort_unstable();
    units.dedup();
    let unit = if units.len() == 1 { units.pop() } else { None };
    for (idx, label) in metrics.labels.iter().enumerate() {
        let chip = format!("<i style=\"background:{}\"></i>{}", hex(Palette::nth(idx)), escape(&label.name));
        let in_unit = unit.as_ref().map_or(String::new(), |unit| format!(", {unit}"));
        page.push_str(&head(&format!("{chip} Dice"), "num"));
        page.push_str(&head("IoU", "num"));
        page.push_str(&head(&format!("true{in_unit}"), "num"));
        page.push_str(&head(&format!("predicted{in_unit}"), "num"));
    }
    page.push_str("</tr></thead><tbody>");
    for case in &metrics.cases {
        let _ = write!(page, "<tr><th scope=\"row\">{}</th>{}", escape(&case.case), cell(case.mean_dice, &bar(case.mean_dice)));
        for label in &case.labels {
            let own_unit = if unit.is_none() { format!(" {}", label.volume_unit) } else { String::new() };
            page.push_str(&cell(label.dice, &score(label.dice)));
            page.push_str(&cell(label.iou, &score(label.iou)));
            for volume in [label.reference_volume, label.prediction_volume] {
                page.push_str(&cell(Some(volume), &format!("{}{own_unit}", size(volume))));
            }
        }
        page.push_str("</tr>");
    }
    page.push_str("</tbody></table></div></section>");
}

/// A cell that sorts by its full value, not by its text.
fn cell(value: Option<f64>, text: &str) -> String {
    let value = value.filter(|v| v.is_finite()).map_or(String::new(), |v| v.to_string());
    format!("<td class=\"num\" data-v=\"{value}\">{text}</td>")
}

fn bar(dice: Option<f64>) -> String {
    let share = 100.0 * dice.unwrap_or(0.0).clamp(0.0, 1.0);
    format!("<span class=\"bar\" style=\"--share:{share:.1}%\">{}</span>", score(dice))
}

/// A size to three digits.
fn size(value: f64) -> String {
    match value {
        v if v == v.round() && v.abs() < 1e9 => format!("{v:.0}"),
        v if v.abs() >= 100.0 => format!("{v:.0}"),
        v if v.abs() >= 10.0 => format!("{v:.1}"),
        v if v.abs() >= 1.0 => format!("{v:.2}"),
        v => format!("{v:.3}"),
    }
}
