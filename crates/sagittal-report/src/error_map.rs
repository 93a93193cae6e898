//! Where two label maps differ in a whole volume, at one glance: how many millimetres of error lie behind each other along
//! each direction of view, over the shadow of the reference.
//!
//! A slice shows the errors in one place; this shows a missed tip or a whole layer that is too thick wherever it lies.

use sagittal_image::{BoundingBox, Rank, Volume};

use crate::{
    Look, Overlay, Panels, Plane, Slice, agreement,
    canvas::{Picture, Rgb, mixed},
    marks,
    planes::{fitting, kinds, planes},
    sheet::{GAP, GROUND, Panel, Sheet},
    text,
};

const SHADOW: Rgb = [62, 62, 68];
/// Plasma of matplotlib (Smith and van der Walt 2015, CC0), five stops: even steps for the eye, and for colour-blind ones.
const PLASMA: [Rgb; 5] = [[13, 8, 135], [126, 3, 168], [204, 71, 120], [248, 149, 64], [240, 249, 33]];
const ROW_SHARE: f64 = 0.4;
const BAR: [usize; 2] = [220, 12];

/// The error map: a row each for what is extra, what was missed, and what was labelled differently, as far as there is any.
/// A 2-D image shows its wrong pixels themselves, at this opacity.
pub fn error_map(panels: &Panels, look: &Look, opacity: f32) -> Picture {
    if panels.geometry().rank == Rank::Two {
        return planes(panels, &Look { over: Overlay::Errors(opacity), ..*look });
    }
    let field = panels.field(look.zoom);
    let (kinds_map, shadow) = (panels.agreement(), panels.reference());
    let rows = [(agreement::EXTRA, "extra"), (agreement::MISSED, "missed"), (agreement::CONFUSED, "labelled differently")];
    let thick = rows.map(|(kind, name)| (name, Plane::ALL.map(|plane| thickness_mm(panels, kinds_map, &field, plane, |v| v == kind))));
    let most = thick.iter().flat_map(|(_, planes)| planes).flatten().copied().fold(0.0, f64::max);
    let slices = Plane::ALL.map(|plane| Slice::within(panels.geometry(), &field, plane, field.lower[plane.axis()]));
    let scale = fitting(&slices.each_ref(), look.width.saturating_sub(4 * GAP), ROW_SHARE * look.width as f64);
    let narrowest = slices.iter().map(|slice| slice.picture_size(scale)[1]).min().unwrap_or(0);
    let panel = |name: &str, plane: Plane, slice: &Slice, errors_mm: &[f64]| {
        let solid = shadow.map_or_else(Vec::new, |labels| thickness_mm(panels, labels, &field, plane, |label| label > 0));
        let [height, width] = slice.picture_size(scale);
        let mut picture = Picture::filled(width, height, [0; 3]);
        for i in 0..width * height {
            let (row, column) = (i / width * slice.size[0] / height, i % width * slice.size[1] / width);
            let at = row * slice.size[1] + column;
            let ground = if solid.get(at).is_some_and(|mm| *mm > 0.0) { SHADOW } else { [0; 3] };
            let colour = if errors_mm[at] > 0.0 { plasma(errors_mm[at] / most) } else { ground };
            picture.put(i % width, i / width, colour);
        }
        marks::letters(&mut picture, plane);
        if panels.geometry().spacing_mm.is_some() {
            marks::scale_bar(&mut picture, scale, narrowest);
        }
        Panel { title: format!("{name}, {}", seen_from(plane)), picture }
    };
    let mut sheet = Sheet::default();
    for (name, errors) in &thick {
        if errors.iter().flatten().any(|mm| *mm > 0.0) {
            let views = Plane::ALL.iter().zip(&slices).zip(errors);
            sheet.rows.push(views.map(|((&plane, slice), errors_mm)| panel(name, plane, slice, errors_mm)).collect());
        }
    }
    if sheet.rows.is_empty() {
        let nothing = vec![0.0; slices[0].voxels.len().max(slices[1].voxels.len()).max(slices[2].voxels.len())];
        sheet.rows.push(Plane::ALL.iter().zip(&slices).map(|(&plane, slice)| panel("no error", plane, slice, &nothing)).collect());
    } else {
        sheet.rows.push(vec![Panel { title: String::new(), picture: colour_bar(most, panels.geometry().spacing_mm.is_some()) }]);
    }
    // Colours mean thickness here: the amounts are said without those of the kinds.
    let amounts: Vec<String> = kinds(panels).into_iter().map(|entry| entry.name).collect();
    sheet.notes = vec![
        format!("{}.", amounts.join("; ")),
        "Colour: how much error lies behind each other along the direction of view. Grey: the reference. \
                        Radiological view: the patient's right is on the left."
            .to_owned(),
    ];
    sheet.picture()
}

fn seen_from(plane: Plane) -> &'static str {
    match plane {
        Plane::Axial => "from the feet",
        Plane::Coronal => "from the front",
        Plane::Sagittal => "from the left",
    }
}

/// For each pixel of a slice across `plane`: the millimetres (voxels, where the size is unknown) of voxels that `counts` along the line of
/// sight through `field`.
fn thickness_mm(panels: &Panels, labels: &Volume<u16>, field: &BoundingBox, plane: Plane, counts: impl Fn(u16) -> bool) -> Vec<f64> {
    let (axis, [_, height, width]) = (plane.axis(), labels.shape());
    let stride = [height * width, width, 1][axis];
    let step_mm = panels.geometry().spacing_or_one()[axis];
    let first = Slice::within(panels.geometry(), field, plane, field.lower[axis]);
    let depth = field.upper[axis] - field.lower[axis];
    let line = |&voxel: &usize| (0..depth).filter(|i| counts(labels.voxels()[voxel + i * stride])).count() as f64 * step_mm;
    first.voxels.iter().map(line).collect()
}

fn plasma(share: f64) -> Rgb {
    let position = share.clamp(0.0, 1.0) * (PLASMA.len() - 1) as f64;
    let lower = (position as usize).min(PLASMA.len() - 2);
    mixed(PLASMA[lower], PLASMA[lower + 1], (position - lower as f64) as f32)
}

/// The scale of colours from 0 to `most`.
fn colour_bar(most: f64, in_mm: bool) -> Picture {
    let unit = if in_mm { "mm" } else { "voxels" };
    let (low, high) = ("0".to_owned(), format!("{} {unit}", (most * 10.0).round() / 10.0));
    let (left, right) = (text::width(&low) + 8, text::width(&high) + 8);
    let mut picture = Picture::filled(left + BAR[0] + right, text::LINE, GROUND);
    text::draw(&mut picture, [0, 0], &low, [208, 208, 214]);
    for x in 0..BAR[0] {
        picture.rectangle([left + x, 2], [1, BAR[1]], plasma(x as f64 / (BAR[0] - 1) as f64));
    }
    text::draw(&mut picture, [left + BAR[0] + 8, 0], &high, [208, 208, 214]);
    picture
}

#[cfg(test)]
mod tests;
