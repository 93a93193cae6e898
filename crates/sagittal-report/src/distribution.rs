//! How one score is distributed over cases, label by label: every case a dot, the quartiles a box, the whiskers Tukey's (1977: the last case
//! within one and a half boxes). Few cases are seen one by one, many as a cloud.
//!
//! As narrow as a phone, so that nothing has to be pushed aside to be read: the names stand above their rows.

use std::fmt::Write as _;

use sagittal_metrics::{Bootstrap, Summary};

use crate::{
    chart::{label, ticks},
    html::escape,
    palette::{Palette, hex},
};

const WIDTH: f64 = 480.0;
const LEFT: f64 = 8.0;
const RIGHT: f64 = 14.0;
const NAME: f64 = 22.0;
const BOX: f64 = 26.0;
const ROW: f64 = NAME + BOX + 8.0;
const FOOT: f64 = 26.0;
/// Whiskers reach so many boxes beyond the box.
const WHISKER: f64 = 1.5;

/// One score over cases.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Distribution {
    pub(crate) title: String,
    /// The least that the axis spans; it grows with the data.
    pub(crate) at_least: Option<(f64, f64)>,
    pub(crate) rows: Vec<Row>,
}

/// One label.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) name: String,
    /// Position in the palette.
    pub(crate) colour: usize,
    /// Cases whose score is defined.
    pub(crate) values: Vec<(String, f64)>,
}

impl Distribution {
    /// Whether there is anything to draw.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.iter().all(|row| row.finite().next().is_none())
    }
}

impl Row {
    fn finite(&self) -> impl Iterator<Item = (&str, f64)> {
        self.values.iter().filter(|(_, value)| value.is_finite()).map(|(case, value)| (case.as_str(), *value))
    }
}

/// A `<figure>` with one row per label.
pub(crate) fn svg(distribution: &Distribution) -> String {
    let values = || distribution.rows.iter().flat_map(Row::finite).map(|(_, value)| value);
    let limits = values().chain(distribution.at_least.into_iter().flat_map(|(low, high)| [low, high]));
    let (low, high) = limits.fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)));
    let (low, high) = if low <= high { (low, high) } else { (0.0, 1.0) };
    let all_ticks = ticks::cover(low, high, 5);
    let (low, high) = (all_ticks[0], all_ticks[all_ticks.len() - 1]);
    let x_of = |value: f64| LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT);
    let height = ROW * distribution.rows.len() as f64 + FOOT;
    let title = escape(&distribution.title);
    let mut out = format!(
        "<figure class=\"chart\"><figcaption>{title}</figcaption><svg class=\"strip\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-label=\"{title}, every case and label\">"
    );
    for &tick in &all_ticks {
        let (x, anchor) = (
            x_of(tick),
            if tick == low {
                "start"
            } else if tick == high {
                "end"
            } else {
                "middle"
            },
        );
        let _ = write!(out, "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{NAME}\" y2=\"{}\"/>", height - FOOT);
        let _ = write!(out, "<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>", height - 8.0, label(tick));
    }
    for (idx, row) in distribution.rows.iter().enumerate() {
        draw_row(&mut out, row, ROW * idx as f64, &x_of);
    }
    out.push_str("</svg></figure>");
    out
}

fn draw_row(out: &mut String, row: &Row, top: f64, x_of: &dyn Fn(f64) -> f64) {
    let colour = hex(Palette::nth(row.colour));
    let summary = Summary::of(row.finite().map(|(_, value)| Some(value)), &Bootstrap { n_resamples: 0, ..Bootstrap::default() });
    let (middle, box_top) = (top + NAME + BOX / 2.0, top + NAME);
    let _ = write!(out, "<text class=\"name\" x=\"{LEFT}\" y=\"{:.1}\">{}</text>", top + NAME - 6.0, escape(&row.name));
    let (Some(q1), Some(median), Some(q3)) = (summary.q1, summary.median, summary.q3) else {
        let _ = write!(out, "<text x=\"{LEFT}\" y=\"{:.1}\">not defined in any case</text>", middle + 4.0);
        return;
    };
    let value_at = WIDTH - RIGHT;
    let _ = write!(out, "<text x=\"{value_at}\" y=\"{:.1}\" text-anchor=\"end\">median {}</text>", top + NAME - 6.0, rounded(median));
    let reach = WHISKER * (q3 - q1);
    let within = || row.finite().map(|(_, value)| value).filter(|value| (q1 - reach..=q3 + reach).contains(value));
    for (from, to) in [(within().fold(q1, f64::min), q1), (q3, within().fold(q3, f64::max))] {
        let (left, right) = (x_of(from), x_of(to));
        let _ = write!(out, "<line stroke=\"{colour}\" x1=\"{left:.1}\" x2=\"{right:.1}\" y1=\"{middle:.1}\" y2=\"{middle:.1}\"/>");
    }
    let width = (x_of(q3) - x_of(q1)).max(1.0);
    let _ = write!(
        out,
        "<rect fill=\"{colour}\" fill-opacity=\".22\" stroke=\"{colour}\" x=\"{:.1}\" y=\"{box_top:.1}\" width=\"{width:.1}\" height=\"{BOX}\" rx=\"3\">\
         <title>quartiles {}, {}, {}</title></rect>",
        x_of(q1),
        rounded(q1),
        rounded(median),
        rounded(q3)
    );
    let x = x_of(median);
    let _ = write!(out, "<line class=\"median\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{box_top:.1}\" y2=\"{:.1}\"/>", box_top + BOX);
    for (idx, (case, value)) in row.finite().enumerate() {
        // Spread so that equal values do not hide each other, by the golden ratio so that it never looks like a pattern.
        let y = middle + (((idx as f64 + 1.0) * 0.618_034).fract() - 0.5) * (BOX - 6.0);
        let _ = write!(
            out,
            "<circle fill=\"{colour}\" class=\"case\" cx=\"{:.1}\" cy=\"{y:.1}\" r=\"3.2\"><title>{}: {}</title></circle>",
            x_of(value),
            escape(case),
            rounded(value)
        );
    }
}

/// Three decimals, and of large numbers fewer.
fn rounded(value: f64) -> String {
    if value.abs() >= 100.0 {
        format!("{value:.0}")
    } else if value.abs() >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.3}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f64]) -> Distribution {
        let values = values.iter().enumerate().map(|(i, &value)| (format!("<case {i}>"), value)).collect();
        Distribution { title: "a<b".into(), at_least: None, rows: vec![Row { name: "x&y".into(), colour: 0, values }] }
    }

    #[test]
    fn awkward_values_draw() {
        for values in [&[][..], &[0.5], &[0.5; 9], &[f64::NAN, f64::INFINITY], &[1e-9, 1e9], &[-3.0, 4.0, f64::NAN]] {
            let text = svg(&of(values));
            assert!(!text.contains("NaN") && !text.contains("inf") && !text.contains("a<b") && !text.contains("<case"), "{text}");
            assert_eq!(text.matches("<circle").count(), values.iter().filter(|v| v.is_finite()).count());
        }
        assert!(of(&[f64::NAN]).is_empty() && !of(&[0.0]).is_empty());
    }

    #[test]
    fn whiskers_end_at_the_last_case_within_one_and_a_half_boxes() {
        // Quartiles 2 and 4: the box is 2 wide, so that 7 is the last that may be within, and 30 is outside.
        let text = svg(&of(&[1.0, 2.0, 3.0, 4.0, 30.0]));
        // The axis runs from 0 to 30 over 458 of 480 pixels from 8 on: the whisker from 4 to 4, that is from q3 to itself.
        let x = |value: f64| format!("{:.1}", LEFT + value / 30.0 * (WIDTH - LEFT - RIGHT));
        assert!(text.contains(&format!("x1=\"{}\" x2=\"{}\"", x(1.0), x(2.0))), "{text}");
        assert!(text.contains(&format!("x1=\"{}\" x2=\"{}\"", x(4.0), x(4.0))), "{text}");
    }
}
