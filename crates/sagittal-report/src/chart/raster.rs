//! A chart as pixels, on white.

use super::{COLUMNS, Chart, Guide, label};
use crate::{
    canvas::{Picture, Rgb},
    palette::Palette,
    text,
};

const INK: Rgb = [40, 40, 46];
const FAINT: Rgb = [225, 225, 230];
const LEFT: usize = 74;
const RIGHT: usize = 14;
const BOTTOM: usize = 44;

/// Draws the chart into the rectangle at `corner` of `size`, both across and down.
pub(crate) fn draw(picture: &mut Picture, corner: [usize; 2], size: [usize; 2], chart: &Chart) {
    let top = text::LINE + 12 + (text::LINE + 4) * usize::from(!chart.series.is_empty());
    if size[0] < LEFT + RIGHT + 40 || size[1] < top + BOTTOM + 40 {
        return;
    }
    text::draw(picture, [corner[0] + LEFT, corner[1] + 4], &chart.title, INK);
    legend(picture, [corner[0] + LEFT, corner[1] + text::LINE + 8], chart);
    let axes = chart.axes();
    let (width, height) = ((size[0] - LEFT - RIGHT) as f64, (size[1] - top - BOTTOM) as f64);
    let (left, floor) = ((corner[0] + LEFT) as f64, (corner[1] + size[1] - BOTTOM) as f64);
    let x_of = |x: f64| left + (x - axes.x.0) / (axes.x.1 - axes.x.0) * width;
    let y_of = |y: f64| floor - (y - axes.y.0) / (axes.y.1 - axes.y.0) * height;
    for &tick in &axes.y_ticks {
        let (y, name) = (y_of(tick), chart.y_label(tick));
        picture.line([left, y], [left + width, y], 1.0, FAINT);
        let at = (corner[0] + LEFT - 8).saturating_sub(text::width(&name));
        text::draw(picture, [at, (y as usize).saturating_sub(text::LINE / 2)], &name, INK);
    }
    for &tick in &axes.x_ticks {
        let name = label(tick);
        let at = (x_of(tick) as usize).saturating_sub(text::width(&name) / 2);
        text::draw(picture, [at, floor as usize + 4], &name, INK);
    }
    let name_at = (corner[0] + size[0] - RIGHT).saturating_sub(text::width(&chart.x_name));
    text::draw(picture, [name_at, floor as usize + 6 + text::LINE], &chart.x_name, INK);
    for &(from, to, share) in &chart.columns {
        let (left, right, tall) = (x_of(from), x_of(to), share * COLUMNS * height);
        picture.rectangle([left as usize + 1, (floor - tall) as usize], [(right - left) as usize, tall as usize], FAINT);
    }
    for guide in &chart.guides {
        let (from, to) = match guide {
            Guide::Level(y, _) => ([left, y_of(*y)], [left + width, y_of(*y)]),
            Guide::Diagonal => ([x_of(axes.x.0), y_of(axes.x.0)], [x_of(axes.x.1), y_of(axes.x.1)]),
        };
        picture.line(from, to, 1.2, INK);
    }
    for series in &chart.series {
        let colour = Palette::nth(series.colour);
        if series.cases.is_some() {
            series.defined().for_each(|(x, y)| picture.line([x_of(x), y_of(y)], [x_of(x), y_of(y)], 5.0, colour));
            continue;
        }
        for stretch in series.stretches() {
            let place = |(x, y): (f64, f64)| [x_of(x), y_of(y)];
            // A single point is a line of no length, which is a dot.
            picture.line(place(stretch[0]), place(stretch[0]), 4.0, colour);
            for pair in stretch.windows(2) {
                picture.line(place(pair[0]), place(pair[1]), 2.2, colour);
            }
        }
    }
}

fn legend(picture: &mut Picture, [mut x, y]: [usize; 2], chart: &Chart) {
    for series in &chart.series {
        picture.rectangle([x, y + 4], [14, 8], Palette::nth(series.colour));
        text::draw(picture, [x + 20, y], &series.name, INK);
        x += 20 + text::width(&series.name) + 18;
    }
}
