//! A case in slices: three planes through the middle of what was labelled, or one chosen slice.

use sagittal_image::Rank;
use sagittal_metrics::volumes::voxel_size;

use crate::{
    Compared, Overlay, Panels, Plane, ReportError, Slice, Zoom, agreement,
    canvas::Picture,
    marks,
    sheet::{self, GAP, Panel, Sheet},
};

/// A row of planes is at most this share of the width high, so that a tall plane does not fill the screen.
const ROW_SHARE: f64 = 0.62;
const REPORT_ROW_SHARE: f64 = 0.32;
/// Share of a prediction's colour over the image in a report.
const FILL: f32 = 0.42;

/// How a picture is made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    /// The picture is at most about this many pixels wide.
    pub width: usize,
    /// What is drawn over the image.
    pub over: Overlay,
    /// How much of the image is shown.
    pub zoom: Zoom,
}

/// A case in two rows, the image alone and with labels, at most `width` pixels wide: three planes of a 3-D image through the centre of
/// its labels, at one scale in mm; a 2-D image whole, side by side.
///
/// # Errors
/// [`ReportError::Shape`] if a label map has another shape than the image.
pub fn three_planes(case: &Compared<'_>, width: usize) -> Result<Picture, ReportError> {
    let panels = Panels::new(case)?;
    let look = Look { width, over: Overlay::Compared(FILL), zoom: Zoom::Factor(1.0) };
    if panels.geometry().rank == Rank::Two {
        return Ok(Sheet { rows: vec![picture_row(&panels, &look)], ..Sheet::default() }.picture());
    }
    let plain = planes_row(&panels, &Look { over: Overlay::Plain, ..look }, REPORT_ROW_SHARE);
    let mut labelled = planes_row(&panels, &look, REPORT_ROW_SHARE);
    labelled.iter_mut().for_each(|panel| panel.title.clear());
    Ok(Sheet { rows: vec![plain, labelled], ..Sheet::default() }.picture())
}

/// Axial, coronal and sagittal slice through the centre of the labels (of the image without labels), at one scale in mm; of a 2-D image
/// the image alone and with its labels. With legend, scale bar and orientation letters.
pub fn planes(panels: &Panels, look: &Look) -> Picture {
    let is_picture = panels.geometry().rank == Rank::Two;
    let row = if is_picture { picture_row(panels, look) } else { planes_row(panels, look, ROW_SHARE) };
    described(panels, look.over, None, vec![row]).picture()
}

/// One slice, with legend, scale bar and orientation letters. `position` counts canonical slices ([`Panels::file_position`]).
///
/// # Panics
/// If `position` is outside of the image (a programming error).
pub fn one_slice(panels: &Panels, plane: Plane, position: usize, look: &Look) -> Picture {
    let slice = Slice::within(panels.geometry(), &panels.field(look.zoom), plane, position);
    let scale = fitting(&[&slice], look.width.saturating_sub(2 * GAP), look.width as f64);
    let panel = Panel { title: title(panels, plane, position), picture: marked(panels, plane, &slice, scale, usize::MAX, look.over) };
    described(panels, look.over, Some(plane), vec![vec![panel]]).picture()
}

/// A slice at `scale` pixels a mm with letters and scale bar.
/// See [`marks::scale_bar`] about `narrowest`.
pub(crate) fn marked(panels: &Panels, plane: Plane, slice: &Slice, scale: f64, narrowest: usize, over: Overlay) -> Picture {
    let mut picture = panels.draw(slice, slice.picture_size(scale), over);
    if panels.geometry().rank == Rank::Three {
        marks::letters(&mut picture, plane);
    }
    if panels.geometry().spacing_mm.is_some() {
        marks::scale_bar(&mut picture, scale, narrowest);
    }
    picture
}

/// `axial, slice 31`, by the file's own counting.
pub(crate) fn title(panels: &Panels, plane: Plane, position: usize) -> String {
    match panels.geometry().rank {
        Rank::Two => String::new(),
        Rank::Three => format!("{}, slice {}", plane.name(), panels.file_position(plane, position)),
    }
}

/// Pixels a mm at which slices side by side are `width` wide together, and none is higher than `height`.
pub(crate) fn fitting(slices: &[&Slice], width: usize, height: f64) -> f64 {
    let total: f64 = slices.iter().map(|slice| slice.extent()[1]).sum();
    let tallest = slices.iter().map(|slice| slice.extent()[0]).fold(0.0, f64::max);
    (width as f64 / total).min(height / tallest)
}

/// A sheet with the legend and the notes that its overlay and its image need.
/// `only` is the one plane that it shows.
pub(crate) fn described(panels: &Panels, over: Overlay, only: Option<Plane>, rows: Vec<Vec<Panel>>) -> Sheet {
    let mut notes = Vec::new();
    let legend = match over {
        Overlay::Plain => Vec::new(),
        Overlay::Agreement(_) | Overlay::Errors(_) => kinds(panels),
        Overlay::Fill(_) | Overlay::Contour | Overlay::FillAndContour(_) | Overlay::Compared(_) => {
            sheet::legend(panels.palette(), &panels.values())
        }
    };
    if matches!(over, Overlay::Compared(_)) && panels.prediction().is_some() && panels.reference().is_some() {
        notes.push("Filled: labels. Line: reference.".to_owned());
    }
    let window = panels.window();
    let window = format!("Window {} to {}.", short(window.low), short(window.high));
    notes.push(match (panels.geometry().rank, only) {
        (Rank::Two, _) => window,
        (Rank::Three, Some(Plane::Sagittal)) => format!("Seen from the patient's left: anterior is on the left. {window}"),
        (Rank::Three, _) => format!("Radiological view: the patient's right is on the left. {window}"),
    });
    Sheet { rows, legend, notes }
}

/// The kinds of agreement that occur, each with its size.
pub(crate) fn kinds(panels: &Panels) -> Vec<sheet::Entry> {
    let (size, unit) = voxel_size(panels.geometry());
    let palette = agreement::palette();
    let counted = palette.labels().iter().zip(agreement::counts(panels.agreement())).filter(|(_, n)| *n > 0);
    let entry = |(&kind, n): (&u16, u64)| {
        let amount = n as f64 * size;
        let amount = if amount < 10.0 && size < 1.0 { format!("{amount:.2}") } else { format!("{amount:.0}") };
        Some(sheet::Entry { colour: palette.colour(kind)?, name: format!("{}: {amount} {unit}", palette.name(kind)) })
    };
    counted.filter_map(entry).collect()
}

/// A number to about four digits.
fn short(value: f32) -> String {
    let digits = if value.abs() >= 100.0 {
        0
    } else if value.abs() >= 10.0 {
        1
    } else {
        3
    };
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn planes_row(panels: &Panels, look: &Look, row_share: f64) -> Vec<Panel> {
    let (geometry, centre, field) = (panels.geometry(), panels.centre(), panels.field(look.zoom));
    let slices = Plane::ALL.map(|plane| (plane, Slice::within(geometry, &field, plane, centre[plane.axis()])));
    let scale = fitting(&slices.each_ref().map(|(_, slice)| slice), look.width.saturating_sub(4 * GAP), row_share * look.width as f64);
    let narrowest = slices.iter().map(|(_, slice)| slice.picture_size(scale)[1]).min().unwrap_or(0);
    let panel = |(plane, slice): &(Plane, Slice)| Panel {
        title: title(panels, *plane, centre[plane.axis()]),
        picture: marked(panels, *plane, slice, scale, narrowest, look.over),
    };
    slices.iter().map(panel).collect()
}

/// A 2-D image alone, and with what is drawn over it.
fn picture_row(panels: &Panels, look: &Look) -> Vec<Panel> {
    let slice = Slice::within(panels.geometry(), &panels.field(look.zoom), Plane::Axial, 0);
    let panel = |title: &str, scale: f64, over| Panel {
        title: title.to_owned(),
        picture: marked(panels, Plane::Axial, &slice, scale, usize::MAX, over),
    };
    if look.over == Overlay::Plain || panels.labels().is_none() {
        return vec![panel("", fitting(&[&slice], look.width.saturating_sub(2 * GAP), look.width as f64), Overlay::Plain)];
    }
    let scale = fitting(&[&slice, &slice], look.width.saturating_sub(3 * GAP), look.width as f64);
    let over = match look.over {
        Overlay::Compared(_) => "labels and reference",
        Overlay::Agreement(_) => "agreement",
        Overlay::Errors(_) => "errors",
        _ => "labels",
    };
    vec![panel("image", scale, Overlay::Plain), panel(over, scale, look.over)]
}
