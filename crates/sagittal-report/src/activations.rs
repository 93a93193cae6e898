//! Activation functions as a student wants to see them: each with its derivative, and which criteria it meets.

use std::fmt::Write as _;

use crate::{
    chart::{self, Chart, Guide, Series, XAxis},
    html::{begin, end, escape},
};

/// One function: plain numbers, worked out by whoever knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct ActivationCurve {
    /// Its name.
    pub name: String,
    /// The word for it in a plan's file.
    pub plan_name: String,
    /// What it computes, in a line.
    pub formula: String,
    /// `[x, value, derivative]`, x ascending.
    pub points: Vec<[f64; 3]>,
    /// Whether it has a derivative everywhere.
    pub is_differentiable: bool,
    /// Whether it is no straight line.
    pub is_nonlinear: bool,
    /// Whether it never falls.
    pub is_monotonic: bool,
}

/// The criteria in the order of the table, with what each is good for.
const CRITERIA: [(&str, &str); 3] = [
    ("differentiable", "gradients exist everywhere; a single kink does no harm in practice"),
    ("non-linear", "without it all layers together do no more than one"),
    ("monotonic", "more input never means less output; it makes the way downhill simpler, and is not needed"),
];

impl ActivationCurve {
    fn meets(&self) -> [bool; 3] {
        [self.is_differentiable, self.is_nonlinear, self.is_monotonic]
    }

    fn chart(&self) -> Chart {
        let line = |name: &str, colour: usize, place: usize| Series {
            name: name.into(),
            colour,
            points: self.points.iter().map(|point| (point[0], Some(point[place]))).collect(),
            value: Some(String::new()),
            ..Series::default()
        };
        Chart {
            title: self.name.clone(),
            x_name: "x".into(),
            x_axis: XAxis::Measure(None),
            series: vec![line("value", 5, 1), line("derivative", 3, 2)],
            y_at_least: Some((-1.0, 1.0)),
            guides: vec![Guide::Level(0.0, String::new())],
            note: self.formula.clone(),
            ..Chart::default()
        }
    }
}

/// A `<section>` with the table of criteria and a plot of each function, for a page that has the style of this crate's.
pub fn activations_section(curves: &[ActivationCurve]) -> String {
    let mut out =
        String::from("<section><h2>Activation functions</h2><p class=\"note\">What a layer's numbers go through. Criteria:</p><ul>");
    for (name, reason) in CRITERIA {
        let _ = write!(out, "<li><b>{name}</b>: {reason}</li>");
    }
    out.push_str("</ul><div class=\"scroll\"><table><thead><tr><th>function</th><th>in a plan</th>");
    CRITERIA.iter().for_each(|(name, _)| out.push_str(&format!("<th>{name}</th>")));
    out.push_str("<th>largest derivative</th></tr></thead><tbody>");
    for curve in curves {
        let _ = write!(out, "<tr><th scope=\"row\">{}</th><td><code>{}</code></td>", escape(&curve.name), escape(&curve.plan_name));
        curve.meets().into_iter().for_each(|met| out.push_str(if met { "<td>yes</td>" } else { "<td>no</td>" }));
        let steepest = curve.points.iter().map(|point| point[2]).fold(f64::NEG_INFINITY, f64::max);
        let _ = write!(out, "<td class=\"num\">{steepest:.2}</td></tr>");
    }
    out.push_str(
        "</tbody></table></div><p class=\"note\">The derivative multiplies the gradient at every layer. Where it is at most 0.25, as \
         the sigmoid's, ten layers leave less than a millionth of the gradient: vanishing gradients. Where it is 1 over half of all \
         numbers, as ReLU's, gradients keep their size.</p><div class=\"charts\">",
    );
    curves.iter().for_each(|curve| out.push_str(&chart::svg(&curve.chart())));
    out.push_str("</div></section>");
    out
}

/// The section as a page of its own.
pub fn activations_page(curves: &[ActivationCurve]) -> String {
    let mut page = String::new();
    begin(&mut page, "Sagittal: activation functions");
    page.push_str(&activations_section(curves));
    end(&mut page);
    page
}

/// Width and height of a plot in [`activations_svg`], and the space around it.
const CELL: [f64; 2] = [240.0, 170.0];
const MARGIN: f64 = 26.0;
const PER_ROW: usize = 3;
/// What a plot of [`activations_svg`] shows: x from -5 to 5, y from -1.5 to 3.
const SHOWN: [[f64; 2]; 2] = [[-5.0, 5.0], [-1.5, 3.0]];

/// All functions side by side as one SVG file, on the same axes, so that they can be compared.
pub fn activations_svg(curves: &[ActivationCurve]) -> String {
    let rows = curves.len().div_ceil(PER_ROW);
    let (width, height) = (CELL[0] * PER_ROW as f64, CELL[1] * rows as f64 + 24.0);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\">\
         <title>Activation functions and their derivatives</title><rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n"
    );
    let [value, derivative] = [5, 3].map(|colour| crate::palette::hex(crate::Palette::nth(colour)));
    for (index, curve) in curves.iter().enumerate() {
        let corner = [(index % PER_ROW) as f64 * CELL[0], (index / PER_ROW) as f64 * CELL[1]];
        let size = [CELL[0] - 2.0 * MARGIN, CELL[1] - 2.0 * MARGIN];
        let [[left, right], [low, high]] = SHOWN;
        let place = |x: f64, y: f64| {
            [corner[0] + MARGIN + (x - left) / (right - left) * size[0], corner[1] + CELL[1] - MARGIN - (y - low) / (high - low) * size[1]]
        };
        let ([x0, y0], [x1, y1]) = (place(left, low), place(right, high));
        let _ = writeln!(
            out,
            "<text x=\"{x0:.1}\" y=\"{:.1}\" font-weight=\"bold\">{}</text><path d=\"M{x0:.1} {:.1}H{x1:.1}M{:.1} {y0:.1}V{y1:.1}\" stroke=\"#bbb\"/>",
            y1 - 7.0,
            escape(&curve.name),
            place(0.0, 0.0)[1],
            place(0.0, 0.0)[0]
        );
        for (x, y, text) in [(left, 0.0, "-5"), (right, 0.0, "5"), (0.0, 1.0, "1"), (0.0, high, "3")] {
            let [px, py] = place(x, y);
            let (dx, dy) = if y == 0.0 { (-6.0, 13.0) } else { (-11.0, 4.0) };
            let _ = write!(out, "<text x=\"{:.1}\" y=\"{:.1}\" fill=\"#777\" font-size=\"10\">{text}</text>", px + dx, py + dy);
        }
        for (which, colour) in [(1, &value), (2, &derivative)] {
            let inside = curve.points.iter().filter(|point| (left..=right).contains(&point[0]) && (low..=high).contains(&point[which]));
            let points: Vec<String> = inside.map(|point| place(point[0], point[which])).map(|[x, y]| format!("{x:.1},{y:.1}")).collect();
            let _ = writeln!(out, "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.8\" points=\"{}\"/>", points.join(" "));
        }
    }
    let _ = writeln!(
        out,
        "<text x=\"{MARGIN}\" y=\"{:.1}\" fill=\"{value}\">value</text><text x=\"{:.1}\" y=\"{:.1}\" fill=\"{derivative}\">derivative</text></svg>",
        height - 8.0,
        MARGIN + 50.0,
        height - 8.0
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curves() -> Vec<ActivationCurve> {
        let curve = |name: &str, is_monotonic| ActivationCurve {
            name: name.into(),
            plan_name: "a<b".into(),
            formula: "x & y".into(),
            points: (-50..=50).map(|i| f64::from(i) * 0.1).map(|x| [x, x * x - 1.0, 2.0 * x]).collect(),
            is_differentiable: true,
            is_nonlinear: true,
            is_monotonic,
        };
        vec![curve("square<1>", false), curve("other", true)]
    }

    #[test]
    fn a_page_has_a_row_and_a_plot_for_each_function() {
        let page = activations_page(&curves());
        assert_eq!((page.matches("<tr><th scope=\"row\">").count(), page.matches("<figure class=\"chart\">").count()), (2, 2));
        assert!(page.contains("square&lt;1&gt;") && !page.contains("square<1>") && page.contains("x &amp; y"));
        assert_eq!((page.matches("<td>no</td>").count(), page.matches("<td>yes</td>").count()), (1, 5));
        assert!(page.contains("10.00"), "the largest derivative");
    }

    #[test]
    fn a_picture_holds_two_lines_of_each_function_and_is_well_formed() {
        let svg = activations_svg(&curves());
        assert_eq!(svg.matches("<polyline").count(), 4);
        assert!(!svg.contains("NaN") && !svg.contains("square<1>") && svg.trim_end().ends_with("</svg>"));
        assert!(activations_svg(&[]).contains("</svg>"));
    }
}
