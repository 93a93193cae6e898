//! A case in many slices: beside each other in a montage, after each other in a GIF.

use sagittal_image::{BoundingBox, Rank};

use crate::{
    Look, Panels, Plane, ReportError, Slice,
    canvas::Picture,
    gif, marks,
    planes::{described, fitting, marked, title},
    sheet::{GAP, Panel, Sheet},
};

/// A montage is about so many times as wide as high.
const PROPORTION: f64 = 1.35;
/// Small pictures stand close together.
const TIGHT: usize = 4;
/// Hundredths of a second that a slice of a sweep is shown, and the last one.
const SWEEP: gif::Timing = gif::Timing { frame_cs: 9, last_cs: 70 };

/// Slices across `plane`, evenly over the labels (over the image without labels), as one picture with a common scale.
///
/// # Errors
/// [`ReportError::NotAVolume`] for a 2-D image.
pub fn montage(panels: &Panels, plane: Plane, n_slices: usize, look: &Look) -> Result<Picture, ReportError> {
    let field = volume_field(panels, look, "montage")?;
    let chosen = spread(panels, plane, &field, n_slices);
    let slices: Vec<Slice> = chosen.iter().map(|&at| Slice::within(panels.geometry(), &field, plane, at)).collect();
    let [height, width] = slices[0].extent();
    let columns = columns(slices.len(), height / width);
    let scale = look.width.saturating_sub(2 * GAP + (columns - 1) * TIGHT) as f64 / (columns as f64 * width);
    let [panel_height, panel_width] = slices[0].picture_size(scale);
    let n_rows = slices.len().div_ceil(columns);
    let mut grid = Picture::filled(columns * (panel_width + TIGHT) - TIGHT, n_rows * (panel_height + TIGHT) - TIGHT, crate::sheet::GROUND);
    for (idx, (slice, &at)) in slices.iter().zip(&chosen).enumerate() {
        let mut picture = panels.draw(slice, [panel_height, panel_width], look.over);
        // The letters are the same on every slice: the first one carries them, and the last of the column the scale.
        if idx == 0 {
            marks::letters(&mut picture, plane);
        }
        if idx == (n_rows - 1) * columns && panels.geometry().spacing_mm.is_some() {
            marks::scale_bar(&mut picture, scale, panel_width);
        }
        marks::rimmed(&mut picture, [4, 2], &panels.file_position(plane, at).to_string(), [230; 3]);
        grid.paste([idx % columns * (panel_width + TIGHT), idx / columns * (panel_height + TIGHT)], &picture);
    }
    let title = format!("{} slices, numbered as in the file", plane.name());
    Ok(described(panels, look.over, Some(plane), vec![vec![Panel { title, picture: grid }]]).picture())
}

/// A GIF that goes through the image slice by slice: at most `n_slices` of them, evenly over the image.
///
/// # Errors
/// [`ReportError::NotAVolume`] for a 2-D image, [`ReportError::Encode`] if the encoder refuses a frame.
pub fn sweep(panels: &Panels, plane: Plane, n_slices: usize, look: &Look) -> Result<Vec<u8>, ReportError> {
    let field = volume_field(panels, look, "sweep")?;
    let axis = plane.axis();
    let below = described(panels, look.over, Some(plane), Vec::new());
    let frame = |at: usize| {
        let slice = Slice::within(panels.geometry(), &field, plane, at);
        let scale = fitting(&[&slice], look.width.saturating_sub(2 * GAP), look.width as f64);
        let panel = Panel { title: title(panels, plane, at), picture: marked(panels, plane, &slice, scale, usize::MAX, look.over) };
        Sheet { rows: vec![vec![panel]], ..below.clone() }.picture()
    };
    let pictures: Vec<Picture> = evenly(field.lower[axis], field.upper[axis], n_slices).into_iter().map(frame).collect();
    gif::encode(&pictures, SWEEP)
}

fn volume_field(panels: &Panels, look: &Look, form: &'static str) -> Result<BoundingBox, ReportError> {
    match panels.geometry().rank {
        Rank::Two => Err(ReportError::NotAVolume { form }),
        Rank::Three => Ok(panels.field(look.zoom)),
    }
}

/// Slices that show the labels from end to end, from the highest (superior, anterior, right) down.
fn spread(panels: &Panels, plane: Plane, field: &BoundingBox, n_slices: usize) -> Vec<usize> {
    let axis = plane.axis();
    let labelled = panels.labelled_box();
    let (low, high) = labelled.map_or((field.lower[axis], field.upper[axis]), |labelled| (labelled.lower[axis], labelled.upper[axis]));
    evenly(low, high, n_slices).into_iter().rev().collect()
}

/// How many of `n` panels, each so many times as high as wide, stand side by side: near the wanted proportion, and so that few places of the
/// last row stay empty.
fn columns(n: usize, high: f64) -> usize {
    let ideal = (n as f64 * PROPORTION * high).sqrt();
    let cost = |columns: usize| {
        let empty = n.div_ceil(columns) * columns - n;
        (columns as f64 / ideal).ln().abs() + 0.12 * empty as f64
    };
    (1..=n).min_by(|&a, &b| cost(a).total_cmp(&cost(b))).unwrap_or(1)
}

/// At most `n` whole numbers from `low` up to and without `high`, ascending, the ends among them.
fn evenly(low: usize, high: usize, n: usize) -> Vec<usize> {
    let last = (high - low).saturating_sub(1);
    let n = n.clamp(1, last + 1);
    if n == 1 {
        return vec![low + last / 2];
    }
    (0..n).map(|i| low + (i * last + (n - 1) / 2) / (n - 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn montages_have_few_empty_places() {
        for (n, high, expected) in [(20, 1.45, 5), (20, 1.0, 5), (12, 1.0, 4), (1, 1.0, 1), (7, 1.0, 3), (20, 0.4, 4)] {
            assert_eq!(columns(n, high), expected, "{n} panels, {high} as high as wide");
        }
    }

    #[test]
    fn slices_are_spread_from_end_to_end() {
        for (low, high, n, expected) in [
            (0, 5, 5, vec![0, 1, 2, 3, 4]),
            (0, 5, 99, vec![0, 1, 2, 3, 4]),
            (10, 21, 3, vec![10, 15, 20]),
            (3, 10, 1, vec![6]),
            (4, 5, 2, vec![4]),
        ] {
            assert_eq!(evenly(low, high, n), expected, "{n} from {low} to {high}");
        }
    }
}
