//! A chart as inline SVG. Colours of axes and text come from the page's CSS, so that it follows the theme.

use std::fmt::Write as _;

use super::{COLUMNS, Chart, Guide, Series, label};
use crate::{
    html::escape,
    palette::{Palette, hex},
};

const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 270.0;
const LEFT: f64 = 66.0;
const RIGHT: f64 = 10.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 42.0;
/// Up to this many points each is shown as a dot, too.
const FEW_POINTS: usize = 40;

/// The chart as an `<svg>` element with its own legend below, `<figure>` around both.
pub(crate) fn svg(chart: &Chart) -> String {
    let axes = chart.axes();
    let x_of = |x: f64| LEFT + (x - axes.x.0) / (axes.x.1 - axes.x.0) * (WIDTH - LEFT - RIGHT);
    let y_of = |y: f64| HEIGHT - BOTTOM - (y - axes.y.0) / (axes.y.1 - axes.y.0) * (HEIGHT - TOP - BOTTOM);
    let mut out = format!(
        "<figure class=\"chart\"><figcaption>{}</figcaption><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
        escape(&chart.title),
        escape(&chart.title)
    );
    for &tick in &axes.y_ticks {
        let y = y_of(tick);
        let _ = write!(out, "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>", WIDTH - RIGHT);
        let _ = write!(out, "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>", LEFT - 6.0, y + 5.0, chart.y_label(tick));
    }
    for &tick in &axes.x_ticks {
        // The last number would run out of the picture.
        let anchor = if x_of(tick) > WIDTH - RIGHT - 14.0 { "end" } else { "middle" };
        let _ =
            write!(out, "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>", x_of(tick), HEIGHT - BOTTOM + 20.0, label(tick));
    }
    let _ = write!(
        out,
        "<text class=\"axis\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
        WIDTH - RIGHT,
        HEIGHT - 3.0,
        escape(&chart.x_name)
    );
    for &(from, to, share) in &chart.columns {
        let (left, tall) = (x_of(from), share * COLUMNS * (HEIGHT - TOP - BOTTOM));
        let width = (x_of(to) - left - 1.0).max(0.5);
        let _ = write!(
            out,
            "<rect class=\"column\" x=\"{left:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{tall:.1}\"/>",
            HEIGHT - BOTTOM - tall
        );
    }
    let mut names = Vec::new();
    for guide in &chart.guides {
        let (from, to, name) = match guide {
            Guide::Level(y, name) => ((LEFT, y_of(*y)), (WIDTH - RIGHT, y_of(*y)), name.as_str()),
            Guide::Diagonal => ((x_of(axes.x.0), y_of(axes.x.0)), (x_of(axes.x.1), y_of(axes.x.1)), ""),
        };
        let _ = write!(out, "<line class=\"guide\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"/>", from.0, from.1, to.0, to.1);
        names.push((to, name));
    }
    for series in &chart.series {
        let colour = hex(Palette::nth(series.colour));
        if let Some(cases) = &series.cases {
            dots(&mut out, chart, series, cases, &|x, y| (x_of(x), y_of(y)));
            continue;
        }
        for stretch in series.stretches() {
            let points: Vec<String> = stretch.iter().map(|&(x, y)| format!("{:.1},{:.1}", x_of(x), y_of(y))).collect();
            let _ = write!(out, "<polyline stroke=\"{colour}\" points=\"{}\"/>", points.join(" "));
        }
        let defined: Vec<(f64, f64)> = series.defined().collect();
        // Dots carry the value for readers who point at them; of many points every n-th does.
        let every = defined.len().div_ceil(FEW_POINTS).max(1);
        for (idx, &(x, y)) in defined.iter().enumerate() {
            if (defined.len() - 1 - idx).is_multiple_of(every) {
                let radius = if defined.len() <= FEW_POINTS { 2.5 } else { 0.0 };
                let (name, cx, cy) = (escape(&series.name), x_of(x), y_of(y));
                let _ = write!(out, "<circle class=\"dot\" fill=\"{colour}\" cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"{radius}\"/>");
                let _ = write!(
                    out,
                    "<circle class=\"target\" cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"7\"><title>{name}, {} {}: {}</title></circle>",
                    escape(&chart.x_name),
                    label(x),
                    chart.y_label(y)
                );
            }
        }
    }
    // Over the dots, with a rim of their own.
    for ((x, y), name) in names.into_iter().filter(|(_, name)| !name.is_empty()) {
        let _ = write!(out, "<text class=\"guide\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>", y - 5.0, escape(name));
    }
    out.push_str("</svg>");
    legend(&mut out, chart);
    if !chart.note.is_empty() {
        let _ = write!(out, "<p class=\"note\">{}</p>", escape(&chart.note));
    }
    out.push_str("</figure>");
    out
}

/// A dot per case, which says its name to readers who point at it.
fn dots(out: &mut String, chart: &Chart, series: &Series, cases: &[String], place: &dyn Fn(f64, f64) -> (f64, f64)) {
    let colour = hex(Palette::nth(series.colour));
    for (idx, &(x, y)) in series.points.iter().enumerate() {
        let Some(y) = y.filter(|y| y.is_finite() && x.is_finite()) else { continue };
        let (cx, cy) = place(x, y);
        let case = cases.get(idx).map_or(String::new(), |case| escape(case));
        let values = format!("{} {}, {}: {}", escape(&chart.x_name), label(x), escape(&series.name), chart.y_label(y));
        let _ = write!(
            out,
            "<circle class=\"case\" fill=\"{colour}\" cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"4\"><title>{case}: {values}</title></circle>"
        );
    }
}

fn legend(out: &mut String, chart: &Chart) {
    out.push_str("<ul class=\"legend\">");
    // A line without a name goes on with the one before it.
    for series in chart.series.iter().filter(|series| !series.name.is_empty()) {
        let last = || if series.cases.is_some() { None } else { series.defined().last().map(|(_, y)| chart.y_label(y)) };
        let colour = hex(Palette::nth(series.colour));
        let value = series.value.clone().or_else(last).filter(|value| !value.is_empty());
        let value = value.map_or(String::new(), |value| format!(" <b>{}</b>", escape(&value)));
        let _ = write!(out, "<li><i style=\"background:{colour}\"></i>{}{value}</li>", escape(&series.name));
    }
    out.push_str("</ul>");
}
