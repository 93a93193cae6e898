//! The 2-D phantom: fundus-like photographs with their vessel masks, in DRIVE's folders.
//!
//! Landmarks (disc, macula), vessel trees ([`vessel_tree`](super::vessel_tree)) and camera
//! ([`retina_camera`](super::retina_camera)) vary from eye to eye; left and right eyes alternate at random. The truth is every pixel
//! that is at least half vessel. The second observer of the test part sees the same eye less well: he misses some
//! thin vessels, draws others too wide or too narrow, and a little beside their place. On DRIVE two human observers
//! agree at a Dice of about 0.79.

use std::path::Path;

use rand_chacha::ChaCha8Rng;
use sagittal_image::{
    Geometry, Volume,
    io::{SourceHeader, write_image, write_label_map},
};

use super::{
    FIRST_TEST_STREAM, PhantomError, PhantomOptions, PhantomSet, between, case_rng, make_folder, normal,
    retina_camera::{Camera, Landmarks},
    vessel_raster::{self, Frame},
    vessel_tree::{self, Node, Vessel},
};

/// DRIVE's `[height, width]` in pixels.
pub(super) const DRIVE_SIZE: [usize; 2] = [584, 565];
/// Below this there is no room for a tree.
pub(super) const SMALLEST_SIDE: usize = 48;
/// DRIVE numbers its training pictures from here, its test pictures from 1.
const FIRST_TRAINING_NUMBER: usize = 21;
/// What a set pixel of a mask is in DRIVE's files.
const WHITE: u16 = 255;

/// One eye: the photograph and its masks, each `[Y, X]`.
pub(super) struct Eye {
    /// Red, green, blue, 0 to 255.
    pub(super) channels: [Vec<f32>; 3],
    pub(super) vessels: Vec<bool>,
    pub(super) second_observer: Vec<bool>,
    pub(super) field_of_view: Vec<bool>,
}

/// Draws one eye of `[height, width]` pixels.
pub(super) fn draw(rng: &mut ChaCha8Rng, size: [usize; 2]) -> Eye {
    let frame = Frame {
        size,
        centre: size.map(|side| (side as f64 - 1.0) / 2.0),
        // DRIVE's field is 540 of 565 pixels wide.
        radius: 0.478 * size[0].min(size[1]) as f64,
    };
    let landmarks = landmarks(rng);
    // Small pictures get thicker vessels, otherwise nothing would be left of the thin ones.
    let widest = (0.0165 * between(rng, 0.85, 1.15)).max(2.0 / frame.radius);
    let finest = 0.0036f64.max(0.6 / frame.radius);
    let tree = vessel_tree::grow(rng, &landmarks, widest, finest);
    let picture = vessel_raster::draw(frame, &tree);
    let camera = Camera::sample(rng);
    let (channels, field_of_view) = camera.take(frame, &landmarks, &picture, rng);
    let seen = second_look(rng, &tree, widest, 1.0 / frame.radius);
    let second = vessel_raster::draw(frame, &seen);
    Eye {
        vessels: mask(&picture.coverage, &field_of_view),
        second_observer: mask(&second.coverage, &field_of_view),
        channels,
        field_of_view,
    }
}

fn landmarks(rng: &mut ChaCha8Rng) -> Landmarks {
    let side = if between(rng, 0.0, 1.0) < 0.5 { -1.0 } else { 1.0 };
    let disc = [side * between(rng, 0.5, 0.68), between(rng, -0.12, 0.08)];
    let macula = [disc[0] - side * between(rng, 0.66, 0.76), disc[1] + between(rng, 0.02, 0.1)];
    Landmarks { disc, disc_radius: between(rng, 0.135, 0.17), macula }
}

fn mask(coverage: &[f32], field_of_view: &[bool]) -> Vec<bool> {
    coverage.iter().zip(field_of_view).map(|(&share, &inside)| inside && share >= 0.5).collect()
}

/// The same vessels as a second person draws them; `pixel` is the size of one pixel.
fn second_look(rng: &mut ChaCha8Rng, tree: &[Vessel], widest: f64, pixel: f64) -> Vec<Vessel> {
    let mut seen = Vec::new();
    for vessel in tree {
        let thinness = 1.0 - (vessel.first_half_width() / widest).min(1.0);
        let missed = between(rng, 0.0, 1.0) < 0.4 * thinness;
        let width = between(rng, 0.8, 1.35);
        let (dx, dy) = (0.35 * pixel * normal(rng), 0.35 * pixel * normal(rng));
        if !missed {
            let nodes = vessel.nodes.iter().map(|node| Node { x: node.x + dx, y: node.y + dy, half_width: node.half_width * width });
            seen.push(Vessel { kind: vessel.kind, nodes: nodes.collect() });
        }
    }
    seen
}

/// Draws and writes all eyes; `dir` exists and is empty.
pub(super) fn write(dir: &Path, options: &PhantomOptions) -> Result<PhantomSet, PhantomError> {
    let mut set = PhantomSet { root: dir.into(), training: Vec::new(), test: Vec::new() };
    for (case_idx, number) in (FIRST_TRAINING_NUMBER..).take(options.cases).enumerate() {
        let eye = draw(&mut case_rng(options.seed, case_idx as u64), options.picture_size);
        set.training.push(write_eye(&dir.join("training"), number, "training", &eye, options.picture_size)?);
    }
    for (case_idx, number) in (1..).take(options.test_cases).enumerate() {
        let eye = draw(&mut case_rng(options.seed, FIRST_TEST_STREAM + case_idx as u64), options.picture_size);
        set.test.push(write_eye(&dir.join("test"), number, "test", &eye, options.picture_size)?);
        write_mask(&dir.join("test/2nd_manual"), &format!("{number:02}_manual2.gif"), &eye.second_observer, options.picture_size)?;
    }
    Ok(set)
}

/// Writes one eye into DRIVE's folders; returns the case's name.
fn write_eye(part_dir: &Path, number: usize, part: &str, eye: &Eye, size: [usize; 2]) -> Result<String, PhantomError> {
    let name = format!("{number:02}_{part}");
    let images = part_dir.join("images");
    make_folder(&images)?;
    let shape = [1, size[0], size[1]];
    let channels = eye.channels.clone().map(|channel| Volume::new(shape, channel));
    write_image(&images.join(format!("{name}.tif")), &channels, &Geometry::picture(size), &SourceHeader::default())?;
    write_mask(&part_dir.join("1st_manual"), &format!("{number:02}_manual1.gif"), &eye.vessels, size)?;
    write_mask(&part_dir.join("mask"), &format!("{name}_mask.gif"), &eye.field_of_view, size)?;
    Ok(name)
}

fn write_mask(dir: &Path, file: &str, mask: &[bool], size: [usize; 2]) -> Result<(), PhantomError> {
    make_folder(dir)?;
    let labels = Volume::new([1, size[0], size[1]], mask.iter().map(|&set| if set { WHITE } else { 0 }).collect());
    write_label_map(&dir.join(file), &labels, &Geometry::picture(size), &SourceHeader::default())?;
    Ok(())
}
