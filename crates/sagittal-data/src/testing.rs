//! Tiny files for the tests of this crate.
#![allow(clippy::unwrap_used, reason = "tests")]

use sagittal_image::{Geometry, Volume, io};
use std::path::Path;

/// Shape of the tiny volumes.
pub(crate) const SHAPE: [usize; 3] = [4, 5, 6];

fn is_picture(path: &Path) -> bool {
    ["png", "tif", "gif"].iter().any(|extension| path.extension().is_some_and(|found| found == *extension))
}

pub(crate) fn geometry(path: &Path) -> Geometry {
    if is_picture(path) { Geometry::picture([20, 6]) } else { Geometry::volume(SHAPE, [2.0, 1.0, 1.0]) }
}

/// Writes a volume of varying intensities; different `value`s give different images.
pub(crate) fn volume(path: &Path, value: f32) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let voxels = (0..120).map(|index| (index % 7) as f32 + value).collect();
    io::write_image(path, &[Volume::new(SHAPE, voxels)], &geometry(path), &io::SourceHeader::default()).unwrap();
}

/// Writes a picture with that many channels.
pub(crate) fn picture(path: &Path, n_channels: usize) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let seed = path.to_string_lossy().bytes().map(usize::from).sum::<usize>();
    let channel =
        |channel: usize| Volume::new([1, 20, 6], (0..120).map(|index| ((index * (seed % 97 + 3) + channel) % 251) as f32).collect());
    let channels: Vec<Volume<f32>> = (0..n_channels).map(channel).collect();
    io::write_image(path, &channels, &geometry(path), &io::SourceHeader::default()).unwrap();
}

/// Writes a label map in which the given values take turns.
pub(crate) fn write_labels(path: &Path, values: &[u16]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let geometry = geometry(path);
    let voxels = (0..120).map(|index| values[index % values.len()]).collect();
    io::write_label_map(path, &Volume::new(geometry.shape, voxels), &geometry, &io::SourceHeader::default()).unwrap();
}
