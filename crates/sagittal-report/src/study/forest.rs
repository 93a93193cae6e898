//! Means with their intervals under each other, on one axis.

use std::fmt::Write as _;

use crate::{
    StudyArm,
    chart::{label, ticks},
    html::escape,
    palette::{Palette, hex},
};

const WIDTH: f64 = 480.0;
const ROW: f64 = 30.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = 40.0;
const RIGHT: f64 = 56.0;
/// Width of a letter of the names, about.
const LETTER: f64 = 9.4;

/// The mean Dice of every arm that has one; nothing where none has.
pub(super) fn svg(arms: &[StudyArm]) -> String {
    let rows: Vec<(usize, &StudyArm, f64, f64, f64)> = arms
        .iter()
        .enumerate()
        .filter_map(|(index, arm)| {
            let effect = arm.dice.as_ref().filter(|effect| effect.value.is_finite())?;
            let (low, high) = effect.interval.as_ref().map_or((effect.value, effect.value), |interval| (interval.low, interval.high));
            Some((index, arm, effect.value, low, high))
        })
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let (least, most) = rows.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), row| (least.min(row.3), most.max(row.4)));
    let ticks = ticks::cover(least, most, 5);
    let (first, last) = (ticks[0], ticks[ticks.len() - 1]);
    let longest = rows.iter().map(|row| row.1.name.chars().count()).max().unwrap_or(0) as f64;
    let left = (longest * LETTER + 14.0).min(WIDTH / 2.5);
    let x_of = |x: f64| left + (x - first) / (last - first) * (WIDTH - left - RIGHT);
    let height = TOP + ROW * rows.len() as f64 + BOTTOM;
    let mut out = format!(
        "<figure class=\"chart forest\"><figcaption>Mean foreground Dice, 95 % interval</figcaption><svg viewBox=\"0 0 {WIDTH} {height}\" \
         role=\"img\" aria-label=\"Mean foreground Dice of every arm with its interval\">"
    );
    let floor = height - BOTTOM;
    for &tick in &ticks {
        let x = x_of(tick);
        let _ = write!(out, "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{floor}\"/>");
        let _ = write!(out, "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>", floor + 20.0, label(tick));
    }
    for (row, (index, arm, value, low, high)) in rows.iter().enumerate() {
        let (y, colour) = (TOP + ROW * (row as f64 + 0.5), hex(Palette::nth(*index)));
        let name = escape(&arm.name);
        let _ = write!(out, "<text class=\"name\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{name}</text>", left - 10.0, y + 5.0);
        let _ = write!(
            out,
            "<line stroke=\"{colour}\" stroke-width=\"3\" stroke-linecap=\"round\" x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>",
            x_of(*low),
            x_of(*high)
        );
        let _ = write!(
            out,
            "<circle fill=\"{colour}\" cx=\"{:.1}\" cy=\"{y:.1}\" r=\"6\"><title>{name}: {value:.3} ({low:.3} to {high:.3})</title></circle>",
            x_of(*value)
        );
        let _ = write!(out, "<text class=\"name\" x=\"{WIDTH}\" y=\"{:.1}\" text-anchor=\"end\">{value:.3}</text>", y + 5.0);
    }
    out + "</svg></figure>"
}
