//! Charts of lines and dots: one description, two renderers, SVG for the page and pixels for PNG.
//!
//! Drawn here and not by a plotting library (`plotters` was considered): the page's charts follow the reader's light
//! or dark theme through CSS, which libraries that write colours into the SVG cannot do, and bitmap text must work
//! where no font is installed. What is left of a plotting library after that is tick positions.

mod raster;
mod svg;
pub(crate) mod ticks;

pub(crate) use raster::draw;
pub(crate) use svg::svg;

/// The tallest column takes this share of the height: columns say how many points stand behind a line, and leave it free.
const COLUMNS: f64 = 0.25;

/// One line, or one cloud of dots; its colour by position in the palette, so that both renderers and both themes agree.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Series {
    pub(crate) name: String,
    /// Position in the palette.
    pub(crate) colour: usize,
    /// A line has ascending x, and a gap in the record is a gap in the line.
    pub(crate) points: Vec<(f64, Option<f64>)>,
    /// What each point is called, where points are cases: they are drawn as dots, and not joined.
    pub(crate) cases: Option<Vec<String>>,
    /// Stands beside the name in the legend instead of the last value.
    pub(crate) value: Option<String>,
}

/// What the numbers of the horizontal axis are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum XAxis {
    /// They count something; ticks are whole.
    Count,
    /// They measure something; the axis spans at least this, and begins and ends with a tick.
    Measure(Option<(f64, f64)>),
}

/// What the numbers of the vertical axis are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum YAxis {
    /// Themselves.
    #[default]
    Plain,
    /// Logarithms to base 10: the axis is marked with the numbers themselves.
    Log10,
}

/// A line that data is read against.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Guide {
    /// At this height, with its name.
    Level(f64, String),
    /// From the lower left to the upper right: x equals y.
    Diagonal,
}

/// One set of axes with what is drawn in it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Chart {
    pub(crate) title: String,
    pub(crate) x_name: String,
    pub(crate) x_axis: XAxis,
    pub(crate) series: Vec<Series>,
    pub(crate) y_axis: YAxis,
    /// The least that the vertical axis spans; it grows with the data.
    pub(crate) y_at_least: Option<(f64, f64)>,
    pub(crate) guides: Vec<Guide>,
    /// Columns that stand on the axis: from, to, and share of the tallest one.
    pub(crate) columns: Vec<(f64, f64, f64)>,
    /// A sentence below.
    pub(crate) note: String,
}

impl Default for Chart {
    fn default() -> Self {
        let (title, x_name, note) = Default::default();
        let (x_axis, y_axis) = (XAxis::Count, YAxis::Plain);
        Self { title, x_name, x_axis, series: vec![], y_axis, y_at_least: None, guides: vec![], columns: vec![], note }
    }
}

/// The limits of both axes, and their ticks.
pub(crate) struct Axes {
    pub(crate) x: (f64, f64),
    pub(crate) y: (f64, f64),
    pub(crate) x_ticks: Vec<f64>,
    pub(crate) y_ticks: Vec<f64>,
}

impl Chart {
    /// A number of the vertical axis in words.
    pub(crate) fn y_label(&self, y: f64) -> String {
        match self.y_axis {
            YAxis::Plain => label(y),
            // Two digits of what was measured; the mark of a whole power has one.
            YAxis::Log10 => format!("{:.1e}", 10f64.powf(y)).replace(".0e", "e"),
        }
    }

    /// Whether there is anything to draw.
    pub(crate) fn is_empty(&self) -> bool {
        self.series.iter().all(|series| series.defined().next().is_none())
    }

    /// Limits that hold all points, widened to ticks.
    pub(crate) fn axes(&self) -> Axes {
        let limits = |values: &mut dyn Iterator<Item = f64>| {
            values.fold(None, |range: Option<(f64, f64)>, v| Some(range.map_or((v, v), |(low, high)| (low.min(v), high.max(v)))))
        };
        let at_least = if let XAxis::Measure(at_least) = self.x_axis { at_least } else { None };
        let widest = |least: Option<(f64, f64)>| least.into_iter().flat_map(|(low, high)| [low, high]);
        let points = || self.series.iter().flat_map(Series::defined);
        let x = limits(&mut points().map(|(x, _)| x).chain(widest(at_least))).unwrap_or((0.0, 1.0));
        let levels = self.guides.iter().filter_map(|guide| if let Guide::Level(y, _) = guide { Some(*y) } else { None });
        let y = limits(&mut points().map(|(_, y)| y).chain(widest(self.y_at_least)).chain(levels)).unwrap_or((0.0, 1.0));
        let y_ticks = match self.y_axis {
            YAxis::Plain => ticks::cover(y.0, y.1, 5),
            YAxis::Log10 => ticks::powers(y.0, y.1, 6),
        };
        let (x, x_ticks) = match self.x_axis {
            XAxis::Count => {
                let x = if x.0 < x.1 { x } else { (x.0 - 1.0, x.1 + 1.0) };
                (x, ticks::within(x.0, x.1, 6))
            }
            XAxis::Measure(_) => {
                let x_ticks = ticks::cover(x.0, x.1, 5);
                ((x_ticks[0], x_ticks[x_ticks.len() - 1]), x_ticks)
            }
        };
        Axes { x, y: (y_ticks[0], y_ticks[y_ticks.len() - 1]), x_ticks, y_ticks }
    }
}

impl Series {
    /// Points that have a finite value.
    pub(crate) fn defined(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.points.iter().filter(|(x, _)| x.is_finite()).filter_map(|&(x, y)| y.filter(|y| y.is_finite()).map(|y| (x, y)))
    }

    /// Unbroken stretches of the line.
    pub(crate) fn stretches(&self) -> Vec<Vec<(f64, f64)>> {
        let mut stretches = vec![Vec::new()];
        for &(x, y) in &self.points {
            match y.filter(|y| y.is_finite() && x.is_finite()) {
                Some(y) => stretches.last_mut().expect("one stretch at least").push((x, y)),
                None => stretches.push(Vec::new()),
            }
        }
        stretches.retain(|stretch| !stretch.is_empty());
        stretches
    }
}

/// A number as short as a tick needs it.
pub(crate) fn label(value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    if value.abs() < 0.001 || value.abs() >= 100_000.0 {
        return format!("{value:.1e}").replace(".0e", "e");
    }
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(points: &[(f64, Option<f64>)]) -> Chart {
        let series = Series { name: "a<b".into(), points: points.to_vec(), ..Series::default() };
        Chart { title: "t".into(), x_name: "epoch".into(), series: vec![series], ..Chart::default() }
    }

    #[test]
    fn awkward_data_has_axes_and_draws() {
        for points in [
            &[][..],
            &[(1.0, None)],
            &[(1.0, Some(0.5))],
            &[(1.0, Some(f64::NAN)), (2.0, Some(f64::INFINITY))],
            &[(1.0, Some(1e-12)), (2.0, Some(1e12))],
            &[(1.0, Some(-0.5)), (2.0, None), (3.0, Some(-0.5))],
        ] {
            for x_axis in [XAxis::Count, XAxis::Measure(None), XAxis::Measure(Some((0.0, 1.0)))] {
                let plain = chart(points);
                let guides = vec![Guide::Level(0.3, "bias<".into()), Guide::Diagonal];
                let chart = Chart { x_axis, guides, columns: vec![(0.0, 0.5, 1.0)], note: "<n>".into(), ..plain };
                let axes = chart.axes();
                assert!(axes.y.0 < axes.y.1 && axes.x.0 < axes.x.1, "{points:?}");
                assert!(axes.y_ticks.len() < 20 && axes.x_ticks.len() < 20, "{points:?}");
                let text = svg(&chart);
                assert!(!text.contains("NaN") && !text.contains("inf") && !text.contains("a<b"), "{text}");
                let mut picture = crate::canvas::Picture::filled(300, 200, [255; 3]);
                draw(&mut picture, [0, 0], [300, 200], &chart);
            }
        }
    }

    #[test]
    fn a_gap_breaks_the_line() {
        let chart = chart(&[(1.0, Some(1.0)), (2.0, None), (3.0, Some(2.0)), (4.0, Some(3.0))]);
        assert_eq!(chart.series[0].stretches(), [vec![(1.0, 1.0)], vec![(3.0, 2.0), (4.0, 3.0)]]);
    }

    #[test]
    fn a_logarithmic_axis_has_whole_powers_of_ten_and_says_the_numbers_themselves() {
        for (points, expected) in [
            (&[(1.0, Some(-2.7)), (2.0, Some(0.3))][..], vec![-3.0, -2.0, -1.0, 0.0, 1.0]),
            (&[(1.0, Some(-1.4)), (2.0, Some(-1.4))], vec![-2.0, -1.0]),
            (&[(1.0, Some(-20.0)), (2.0, Some(2.0))], vec![-20.0, -16.0, -12.0, -8.0, -4.0, 0.0, 4.0]),
        ] {
            let chart = Chart { y_axis: YAxis::Log10, ..chart(points) };
            assert_eq!(chart.axes().y_ticks, expected, "{points:?}");
        }
        let chart = Chart { y_axis: YAxis::Log10, ..chart(&[]) };
        assert_eq!([-2.0, 0.0, -0.5].map(|y| chart.y_label(y)), ["1e-2", "1e0", "3.2e-1"]);
    }

    #[test]
    fn numbers_are_short() {
        let texts = [0.0, 0.25, 1.0, -0.5, 0.0001, 1e6, 120.0, 0.01].map(label);
        assert_eq!(texts, ["0", "0.25", "1", "-0.5", "1e-4", "1e6", "120", "0.01"]);
    }
}
