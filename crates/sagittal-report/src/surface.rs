//! Labels as solid bodies, in their true proportions in mm: from three sides, or turning.
//!
//! Own code, because it is small and what exists wants a graphics card or a window: distance field ([`distance`], [`field`]), surface net ([`net`]),
//! orthographic camera ([`camera`]), triangles ([`render`]).

mod camera;
mod distance;
mod field;
mod net;
mod render;

use sagittal_image::{BoundingBox, LabelExtent, Rank, Volume, crop, label_extents};

use crate::{
    Look, Panels, Plane, ReportError,
    canvas::Picture,
    gif, marks,
    sheet::{self, GAP, GROUND, Panel, Sheet},
    text,
};
use camera::Camera;
use net::{Mask, Net};
use render::{Frame, Solid, render};

/// Larger boxes than this are thinned out before their surface is found: it would have more meshes than the picture has pixels.
const MOST_VOXELS: usize = 48 << 20;
/// Around a body stays this share of the picture free.
const MARGIN: f32 = 0.08;
/// The turning body is seen from slightly above.
const TILT: f32 = 0.26;
const TURN: gif::Timing = gif::Timing { frame_cs: 9, last_cs: 9 };
/// Side of the cross of axes in a turning picture.
const COMPASS: usize = 74;

/// The labels' surfaces from the front, the patient's left and the feet, at one scale in mm; a second row shows the reference, if there is one
/// besides the labels.
///
/// # Errors
/// [`ReportError::NotAVolume`] for a 2-D image, [`ReportError::NoSurface`] if nothing is labelled.
pub fn surface(panels: &Panels, look: &Look, opacity: f32) -> Result<Picture, ReportError> {
    let mut rows = Vec::new();
    let maps = [(panels.prediction(), "labels"), (panels.reference(), "reference")];
    let both = maps.iter().all(|(map, _)| map.is_some());
    let (bodies, whole_mm) = bodies_of_all(panels, maps.map(|(map, _)| map))?;
    let views = [(Plane::Coronal, "from the front"), (Plane::Sagittal, "from the left"), (Plane::Axial, "from the feet")];
    let sizes = views.map(|(plane, _)| {
        let [width, height, _] = Camera::of_plane(plane).turn([0, 1, 2].map(|i| whole_mm[1][i] - whole_mm[0][i])).map(f32::abs);
        [height * (1.0 + 2.0 * MARGIN), width * (1.0 + 2.0 * MARGIN)]
    });
    let total: f32 = sizes.iter().map(|size| size[1]).sum();
    let tallest = sizes.iter().map(|size| size[0]).fold(0.0, f32::max);
    let scale = (look.width.saturating_sub(4 * GAP) as f32 / total).min(0.62 * look.width as f32 / tallest);
    let narrowest = sizes.iter().map(|size| (size[1] * scale) as usize).min().unwrap_or(0);
    let centre_mm = [0, 1, 2].map(|i| (whole_mm[0][i] + whole_mm[1][i]) / 2.0);
    for (solids, (_, name)) in bodies.iter().zip(maps).filter(|(solids, _)| !solids.is_empty()) {
        let view = |((plane, from), size): (&(Plane, &str), &[f32; 2])| {
            let size = size.map(|mm| ((mm * scale).round() as usize).max(1));
            let mut picture = render(solids, Camera::of_plane(*plane), Frame { centre_mm, scale, size }, opacity, GROUND);
            marks::letters(&mut picture, *plane);
            if panels.geometry().spacing_mm.is_some() {
                marks::scale_bar(&mut picture, f64::from(scale), narrowest);
            }
            Panel { title: if both { format!("{name} {from}") } else { (*from).to_owned() }, picture }
        };
        rows.push(views.iter().zip(&sizes).map(view).collect());
    }
    let notes = vec!["Proportions in mm. Seen from the front and from the feet, the patient's right is on the left.".to_owned()];
    Ok(Sheet { rows, legend: sheet::legend(panels.palette(), &panels.values()), notes }.picture())
}

/// The labels' surfaces turning once around the long axis of the patient, from the front over the patient's left, in `n_frames` frames.
///
/// # Errors
/// [`ReportError::NotAVolume`] for a 2-D image, [`ReportError::NoSurface`] if nothing is labelled, [`ReportError::Encode`] if the encoder refuses
/// a frame.
pub fn turning_surface(panels: &Panels, n_frames: usize, look: &Look, opacity: f32) -> Result<Vec<u8>, ReportError> {
    let (bodies, [low, high]) = bodies_of_all(panels, [panels.labels(), None])?;
    let centre_mm = [0, 1, 2].map(|i| (low[i] + high[i]) / 2.0);
    // What the farthest points sweep: a circle around the axis, and its height seen with the tilt.
    let points = bodies.iter().flatten().flat_map(|solid| &solid.net.points_mm);
    let reach = points.map(|p| (p[0] - centre_mm[0]).hypot(p[1] - centre_mm[1])).fold(0.1, f32::max);
    let half_height = (high[2] - low[2]) / 2.0 * TILT.cos() + reach * TILT.sin();
    let pixels = look.width.saturating_sub(2 * GAP).max(1);
    let scale = (pixels as f32 / (2.0 * reach)).min(pixels as f32 / (2.0 * half_height)) / (1.0 + 2.0 * MARGIN);
    let height = ((2.0 * half_height * (1.0 + 2.0 * MARGIN) * scale) as usize).max(2 * COMPASS);
    let legend = sheet::legend(panels.palette(), &panels.values());
    let frame = |i: usize| {
        let camera = Camera::around(std::f32::consts::TAU * i as f32 / n_frames.max(1) as f32, TILT);
        let mut picture = render(&bodies[0], camera, Frame { centre_mm, scale, size: [height, pixels] }, opacity, GROUND);
        compass(&mut picture, camera);
        if panels.geometry().spacing_mm.is_some() {
            marks::scale_bar(&mut picture, f64::from(scale), usize::MAX);
        }
        Sheet { rows: vec![vec![Panel { title: String::new(), picture }]], legend: legend.clone(), notes: vec![] }.picture()
    };
    let pictures: Vec<Picture> = (0..n_frames.max(1)).map(frame).collect();
    gif::encode(&pictures, TURN)
}

/// The bodies of two label maps, and the lower and upper corner of the box around all of them.
type Bodies = ([Vec<Solid>; 2], [[f32; 3]; 2]);

/// The bodies of each label map, and the corners of the box around all of them in mm.
fn bodies_of_all(panels: &Panels, maps: [Option<&Volume<u16>>; 2]) -> Result<Bodies, ReportError> {
    if panels.geometry().rank == Rank::Two {
        return Err(ReportError::NotAVolume { form: "surface" });
    }
    let bodies = maps.map(|map| map.map_or_else(Vec::new, |labels| bodies(panels, labels)));
    let (mut low, mut high) = ([f32::MAX; 3], [f32::MIN; 3]);
    for point in bodies.iter().flatten().flat_map(|solid| &solid.net.points_mm) {
        for i in 0..3 {
            (low[i], high[i]) = (low[i].min(point[i]), high[i].max(point[i]));
        }
    }
    if low[0] > high[0] { Err(ReportError::NoSurface) } else { Ok((bodies, [low, high])) }
}

/// One body per label that the map holds.
fn bodies(panels: &Panels, labels: &Volume<u16>) -> Vec<Solid> {
    let spacing_mm = panels.geometry().spacing_or_one();
    let solid = |LabelExtent { label, bounds, .. }: LabelExtent| {
        let colour = panels.palette().colour(label)?;
        Some(Solid { net: Net::around(&cut_out(labels, label, bounds, spacing_mm)), colour })
    };
    label_extents(labels).into_iter().filter_map(solid).collect()
}

/// A label's box with an empty border, thinned out along the finest axes where it is too large.
fn cut_out(labels: &Volume<u16>, label: u16, bounds: BoundingBox, spacing_mm: [f64; 3]) -> Mask {
    let part = crop(labels, bounds);
    let mut every = [1; 3];
    let kept = |every: [usize; 3]| [0, 1, 2].map(|axis: usize| part.shape()[axis].div_ceil(every[axis]));
    while kept(every).iter().map(|n| n + 2).product::<usize>() > MOST_VOXELS {
        let finest = (0..3).min_by(|&a, &b| (spacing_mm[a] * every[a] as f64).total_cmp(&(spacing_mm[b] * every[b] as f64)));
        every[finest.unwrap_or(0)] += 1;
    }
    let inner = kept(every);
    let shape = inner.map(|n| n + 2);
    let mut inside = vec![false; shape.iter().product()];
    for z in 0..inner[0] {
        for y in 0..inner[1] {
            for x in 0..inner[2] {
                let here = *part.at([z * every[0], y * every[1], x * every[2]]) == label;
                inside[((z + 1) * shape[1] + y + 1) * shape[2] + x + 1] = here;
            }
        }
    }
    let spacing_mm = [0, 1, 2].map(|axis| spacing_mm[axis] * every[axis] as f64);
    let first_mm = [0, 1, 2].map(|axis| (bounds.lower[axis] as f64 / every[axis] as f64 - 1.0) * spacing_mm[axis]);
    Mask { inside, shape, spacing_mm, first_mm }
}

/// The patient's directions in the upper left corner, those that point away from the viewer darker.
fn compass(picture: &mut Picture, camera: Camera) {
    let middle = COMPASS as f64 / 2.0;
    let arms = [('R', [1.0, 0.0, 0.0]), ('L', [-1.0, 0.0, 0.0]), ('A', [0.0, 1.0, 0.0]), ('P', [0.0, -1.0, 0.0]), ('S', [0.0, 0.0, 1.0])];
    let mut turned = arms.map(|(letter, direction)| (letter, camera.turn(direction)));
    turned.sort_by(|a, b| a.1[2].total_cmp(&b.1[2]));
    // What points away lies behind what points here, and its letter would be written over the other one.
    for (letter, [right, up, towards]) in turned.into_iter().filter(|(_, [_, _, towards])| *towards > -0.6) {
        let share = 0.35 + 0.65 * (towards + 1.0) / 2.0;
        let colour = marks::LETTER.map(|c| (f32::from(c) * share) as u8);
        let reach = middle - text::LINE as f64 / 2.0;
        let tip = [middle + f64::from(right) * reach * 0.62, middle - f64::from(up) * reach * 0.62];
        picture.line([middle, middle], tip, 1.6, colour);
        let at =
            [middle + f64::from(right) * reach - text::width("R") as f64 / 2.0, middle - f64::from(up) * reach - text::LINE as f64 / 2.0];
        text::draw(picture, at.map(|v| v.max(0.0) as usize), &letter.to_string(), colour);
    }
}

#[cfg(test)]
mod tests;
