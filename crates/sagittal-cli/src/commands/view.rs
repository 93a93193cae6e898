//! `sagittal view`: an image and its labels as a picture.

mod form;
mod names;

use std::path::Path;

use anyhow::{Context, bail};
use sagittal_image::{Geometry, Image, LabelMap, Rank, io};
use sagittal_report::{
    Compared, Look, Overlay, Panels, Plane, Zoom, error_map, montage, one_slice, planes, surface, sweep, turning_surface,
};
use serde_json::json;

use crate::{
    args::{Drawing, Form, ViewArgs},
    messages::Messages,
    outcome::{Outcome, WrongUse},
    whole_file,
};
use form::FileKind;

/// Files keep geometry in float32, and programs write it back slightly changed; in mm.
const GRID_TOLERANCE: f64 = 1e-3;
/// Letters name the nearest direction; from so many degrees on it is worth saying how far off it is.
const OBLIQUE_DEG: f64 = 3.0;
const PNG_WIDTH: usize = 1000;
const GIF_WIDTH: usize = 480;
const SWEEP_FRAMES: usize = 120;
const TURN_FRAMES: usize = 48;
/// A GIF's frames are in memory together while its palette is chosen: at most so many pixels, a gigabyte.
const MOST_GIF_PIXELS: usize = 350_000_000;

pub(crate) fn run(args: &ViewArgs, messages: &Messages) -> anyhow::Result<Outcome> {
    let kind = form::file_kind(&args.output)?;
    let form = form::choose(args, kind)?;
    WrongUse::unless_writable(&args.output)?;
    WrongUse::unless_exists(&args.image, "an image")?;
    if args.image.is_dir() {
        return Err(WrongUse(format!("{} is a folder; name one image in it", args.image.display())).into());
    }
    let image = one_channel(io::read_image(&args.image)?, args, messages)?;
    if !image.channels.iter().flat_map(|channel| channel.voxels()).any(|value| value.is_finite()) {
        bail!("{} cannot be shown: expected intensities, found no voxel that is a finite number; write it anew", args.image.display());
    }
    let labels = labels_of(args.labels.as_deref(), &args.image, &image)?;
    let reference = labels_of(args.reference.as_deref(), &args.image, &image)?;
    form::refuse_unfitting(args, form, image.geometry.rank)?;
    if form == Form::Surface && labels.as_ref().is_some_and(|map| map.labels.voxels().iter().all(|&value| value == 0)) {
        let file = args.labels.as_deref().unwrap_or(&args.image).display();
        bail!("{file} has no surface to draw: expected labels, found 0 in every voxel; show the image with --as planes");
    }
    let palette = names::palette(args, &[labels.as_ref(), reference.as_ref()], messages)?;
    let compared = Compared { image: &image, reference: reference.as_ref(), prediction: labels.as_ref(), palette: &palette };
    let mut panels = Panels::new(&compared)?;
    if let Some(window) = args.window {
        panels = panels.through(window);
    }
    let off = oblique_deg(&image.geometry);
    if image.geometry.rank == Rank::Three && off > OBLIQUE_DEG {
        messages
            .say(format_args!("note: the axes of {} are oblique by {off:.0} degrees; letters name the nearest side", args.image.display()));
    }
    let picture = draw(args, form, kind, &panels)?;
    whole_file::write(&args.output, &picture)?;
    let window = panels.window();
    let json = json!({
        "picture": args.output, "form": form::name(form), "bytes": picture.len(), "window": [window.low, window.high], "labels": panels.values(),
    });
    messages.result(&json, || format!("wrote {}: {}, {} kB", args.output.display(), form::name(form), picture.len().div_ceil(1000)))?;
    Ok(Outcome::Done)
}

/// The image with the channel that was asked for; colour pictures keep their colours.
fn one_channel(mut image: Image, args: &ViewArgs, messages: &Messages) -> anyhow::Result<Image> {
    let n = image.channels.len();
    match args.channel {
        Some(channel) if channel >= n => {
            let cure = format!("choose 0 to {}", n.saturating_sub(1));
            return Err(
                WrongUse(format!("{} has {n} channels, and --channel {channel} is none of them; {cure}", args.image.display())).into()
            );
        }
        Some(channel) => image.channels = vec![image.channels.swap_remove(channel)],
        None if n > 1 && !(image.geometry.rank == Rank::Two && n == 3) => {
            messages.say(format_args!("note: {} has {n} channels; channel 0 is shown, choose with --channel", args.image.display()));
        }
        None => {}
    }
    Ok(image)
}

/// A label map that lies on the image's grid.
fn labels_of(path: Option<&Path>, image_path: &Path, image: &Image) -> anyhow::Result<Option<LabelMap>> {
    let Some(path) = path else { return Ok(None) };
    WrongUse::unless_exists(path, "a label map")?;
    let map = io::read_label_map(path)?;
    if let Err(mismatch) = image.geometry.same_grid(&map.geometry, GRID_TOLERANCE) {
        let cure = "name the image that it was drawn on, or resample it onto this grid first";
        bail!("{} is not on the grid of {}: {mismatch}; {cure}", path.display(), image_path.display());
    }
    Ok(Some(map))
}

/// The angle between the most oblique axis and the nearest direction of the patient.
fn oblique_deg(geometry: &Geometry) -> f64 {
    let nearest = geometry.direction.iter().map(|axis| axis.iter().map(|v| v.abs()).fold(0.0, f64::max));
    nearest.fold(1.0, f64::min).min(1.0).acos().to_degrees()
}

/// The file's content.
fn draw(args: &ViewArgs, form: Form, kind: FileKind, panels: &Panels) -> anyhow::Result<Vec<u8>> {
    let width = args.size.unwrap_or(match kind {
        FileKind::Png => PNG_WIDTH,
        FileKind::Gif => GIF_WIDTH,
    });
    let look = Look { width, over: overlay(args, form), zoom: args.zoom.unwrap_or(Zoom::Factor(1.0)) };
    let solid = args.opacity.unwrap_or(1.0);
    let plane = args.plane.map_or(Plane::Axial, Plane::from);
    let picture = match (form, kind) {
        (Form::Sweep, _) => {
            let n_slices = panels.geometry().shape[plane.axis()];
            let n = n_frames(args, SWEEP_FRAMES.min(n_slices), width)?;
            return Ok(sweep(panels, plane, n, &look)?);
        }
        (Form::Surface, FileKind::Gif) => return Ok(turning_surface(panels, n_frames(args, TURN_FRAMES, width)?, &look, solid)?),
        (Form::Surface, FileKind::Png) => surface(panels, &look, solid)?,
        (Form::Montage, _) => montage(panels, plane, args.count.unwrap_or(20), &look)?,
        (Form::Errors, _) => error_map(panels, &look, args.opacity.unwrap_or(0.7)),
        (Form::Planes | Form::Compare, _) if args.plane.is_some() || args.slice.is_some() => {
            one_slice(panels, plane, position(args, panels, plane)?, &look)
        }
        (Form::Planes | Form::Compare, _) => planes(panels, &look),
    };
    picture.to_png().with_context(|| format!("drawing {}", args.output.display()))
}

/// How many frames a GIF gets, if they can be held.
fn n_frames(args: &ViewArgs, default: usize, width: usize) -> Result<usize, WrongUse> {
    let n = args.count.unwrap_or(default);
    if n * width * width <= MOST_GIF_PIXELS {
        return Ok(n);
    }
    let found = format!("{n} frames of {width} x {width} pixels are too many for {}", args.output.display());
    Err(WrongUse(format!("{found}: at most {} million pixels can be held; lower --size or --count", MOST_GIF_PIXELS / 1_000_000)))
}

/// The canonical slice that was asked for, or the one through the middle of the labels.
fn position(args: &ViewArgs, panels: &Panels, plane: Plane) -> anyhow::Result<usize> {
    let n = panels.geometry().shape[plane.axis()];
    match args.slice {
        None => Ok(panels.centre()[plane.axis()]),
        Some(slice) if slice < n => Ok(panels.file_position(plane, slice)),
        Some(slice) => {
            let found = format!("{} has {n} {} slices", args.image.display(), plane.name());
            Err(WrongUse(format!("{found}, and --slice {slice} is none of them; choose 0 to {}", n.saturating_sub(1))).into())
        }
    }
}

/// What is drawn over the image.
fn overlay(args: &ViewArgs, form: Form) -> Overlay {
    let opacity = |default: f32| args.opacity.unwrap_or(default);
    match (form, args.draw) {
        (Form::Compare, _) => Overlay::Agreement(opacity(0.6)),
        _ if args.labels.is_none() => Overlay::Plain,
        _ if args.reference.is_some() => Overlay::Compared(opacity(0.42)),
        (_, Some(Drawing::Fill)) => Overlay::Fill(opacity(0.42)),
        (_, Some(Drawing::Contour)) => Overlay::Contour,
        (_, Some(Drawing::Both) | None) => Overlay::FillAndContour(opacity(0.35)),
    }
}
