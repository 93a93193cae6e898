//! The distribution of Dice per label: every case a dot, the quartiles a box. Few cases are seen one by one, many as a cloud.

use std::fmt::Write as _;

use sagittal_metrics::Metrics;

use crate::{
    html::escape,
    palette::{Palette, hex},
};

const WIDTH: f64 = 900.0;
const NAME: f64 = 150.0;
const ROW: f64 = 46.0;
const RIGHT: f64 = 16.0;
const FOOT: f64 = 26.0;

/// An `<svg>` with one row per label; the axis begins at a round number below the lowest case.
pub(crate) fn svg(metrics: &Metrics) -> String {
    let lowest = metrics.cases.iter().flat_map(|case| &case.labels).filter_map(|score| score.dice).fold(1.0, f64::min);
    let low = ((lowest * 10.0 - 0.2).floor() / 10.0).clamp(0.0, 0.9);
    let x_of = |dice: f64| NAME + (dice - low) / (1.0 - low) * (WIDTH - NAME - RIGHT);
    let height = ROW * metrics.summary.len() as f64 + FOOT;
    let mut out = format!("<svg class=\"strip\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"Dice per label and case\">");
    let n_ticks = ((1.0 - low) * 10.0).round() as usize;
    let every = if n_ticks > 6 { 2 } else { 1 };
    for tick in (0..=n_ticks).filter(|tick| (n_ticks - tick).is_multiple_of(every)).map(|tick| low + tick as f64 / 10.0) {
        let x = x_of(tick);
        let _ = write!(out, "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"0\" y2=\"{}\"/>", height - FOOT);
        let _ = write!(out, "<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{tick:.1}</text>", height - 6.0);
    }
    for (idx, label) in metrics.summary.iter().enumerate() {
        let (middle, colour) = (ROW * (idx as f64 + 0.5), hex(Palette::nth(idx)));
        let _ =
            write!(out, "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>", NAME - 14.0, middle + 4.0, escape(&label.label.name));
        if let (Some(q1), Some(median), Some(q3)) = (label.dice.q1, label.dice.median, label.dice.q3) {
            let (left, right) = (x_of(q1), x_of(q3));
            let (top, box_height) = (middle - 13.0, 26.0);
            let _ = write!(
                out,
                "<rect fill=\"{colour}\" fill-opacity=\".22\" stroke=\"{colour}\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{box_height}\" rx=\"3\"><title>quartiles {q1:.3}, {median:.3}, {q3:.3}</title></rect>",
                (right - left).max(1.0)
            );
            let x = x_of(median);
            let _ = write!(out, "<line class=\"median\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{top:.1}\" y2=\"{:.1}\"/>", top + box_height);
        }
        for (case_idx, case) in metrics.cases.iter().enumerate() {
            if let Some(dice) = case.labels.get(idx).and_then(|score| score.dice) {
                // Spread so that equal values do not hide each other, by the golden ratio so that it never looks like a pattern.
                let y = middle + (((case_idx as f64 + 1.0) * 0.618_034).fract() - 0.5) * 22.0;
                let _ = write!(
                    out,
                    "<circle fill=\"{colour}\" class=\"case\" cx=\"{:.1}\" cy=\"{y:.1}\" r=\"3.4\"><title>{}: {dice:.3}</title></circle>",
                    x_of(dice),
                    escape(&case.case)
                );
            }
        }
    }
    out.push_str("</svg>");
    out
}
