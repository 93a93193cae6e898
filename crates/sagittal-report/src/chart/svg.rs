//! A chart as inline SVG. Colours of axes and text come from the page's CSS, so that it follows the theme.

use std::fmt::Write as _;

use super::{Chart, label};
use crate::{
    html::escape,
    palette::{Palette, hex},
};

const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 270.0;
const LEFT: f64 = 58.0;
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
        let _ = write!(out, "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>", LEFT - 6.0, y + 5.0, label(tick));
    }
    for &tick in &axes.x_ticks {
        let _ = write!(out, "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>", x_of(tick), HEIGHT - BOTTOM + 20.0, label(tick));
    }
    let _ = write!(out, "<text class=\"axis\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>", WIDTH - RIGHT, HEIGHT - 3.0, chart.x_name);
    for series in &chart.series {
        let colour = hex(Palette::nth(series.colour));
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
                    chart.x_name,
                    label(x),
                    label(y)
                );
            }
        }
    }
    out.push_str("</svg>");
    legend(&mut out, chart);
    out.push_str("</figure>");
    out
}

fn legend(out: &mut String, chart: &Chart) {
    out.push_str("<ul class=\"legend\">");
    for series in &chart.series {
        let (colour, last) = (hex(Palette::nth(series.colour)), series.defined().last());
        let value = last.map_or(String::new(), |(_, y)| format!(" <b>{}</b>", label(y)));
        let _ = write!(out, "<li><i style=\"background:{colour}\"></i>{}{value}</li>", escape(&series.name));
    }
    out.push_str("</ul>");
}
