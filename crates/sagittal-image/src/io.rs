//! Image files: NIfTI, NRRD, MetaImage, PNG, JPEG, TIFF, BMP, GIF.
//!
//! The only place where the axes x, y, z of files become `[Z, Y, X]` in memory, and where other world conventions
//! become right, anterior, superior in millimetres. Readers never panic: what a file says is checked before it is used.

mod atomic;
mod fault;
mod format;
mod header;
mod labels;
mod meta;
mod nifti;
mod nrrd;
mod open;
mod picture;
mod placement;
mod probabilities;
mod samples;
mod text_header;
mod voxel_bytes;

use std::path::Path;

use fault::Fault;
pub use format::{Format, image_stem};
pub use header::SourceHeader;
use nifti::Packing;
pub use probabilities::{ProbabilityReader, read_probabilities, write_probabilities, write_probabilities_by_class};
use samples::Voxel;

use crate::{Geometry, Image, ImageError, LabelMap, Volume};

/// Reads an image with all its channels.
///
/// Axes after the third one (time, vector components) and colours become channels; opacity is dropped. Voxels that are
/// not a number are kept as they are.
///
/// # Errors
/// If the file cannot be read, is damaged, or holds what is not supported; the message names the cure.
pub fn read_image(path: &Path) -> Result<Image, ImageError> {
    let format = format_of(path)?;
    let image = match read_grid(path, format) {
        Some(grid) => grid.map(|Grid { channels, geometry, header }| Image { channels, geometry, header }),
        None => picture::read(path, format),
    };
    image.map_err(|fault| fault.at("read", path))
}

/// Reads a label map: one channel of whole numbers from 0 to 65535, whatever type they are stored as.
///
/// Colour files whose channels are equal count as grey.
///
/// # Errors
/// As [`read_image`], and if a voxel is no label; the message names the voxel and its value.
pub fn read_label_map(path: &Path) -> Result<LabelMap, ImageError> {
    match read_grid(path, format_of(path)?).transpose() {
        Ok(Some(Grid { mut channels, geometry, header })) if channels.len() == 1 => {
            Ok(LabelMap { labels: channels.remove(0), geometry, header })
        }
        // Several channels, of which it must be said which differ, and where; or a voxel that is no label, of which it must be said where.
        Ok(_) | Err(Fault::NotLabels) => labels::of_image(read_image(path)?, path),
        Err(fault) => Err(fault.at("read", path)),
    }
}

/// A medical file as it was read, with numbers or labels for voxels.
pub(crate) struct Grid<V> {
    pub(crate) channels: Vec<Volume<V>>,
    pub(crate) geometry: Geometry,
    pub(crate) header: SourceHeader,
}

/// Reads a medical file; `None` where `format` is a picture's.
fn read_grid<V: Voxel>(path: &Path, format: Format) -> Option<Result<Grid<V>, Fault>> {
    match format {
        Format::Nifti | Format::NiftiGz | Format::NiftiPair => Some(nifti::read(path)),
        Format::Nrrd | Format::NrrdDetached => Some(nrrd::read(path)),
        Format::MetaImage | Format::MetaImageDetached => Some(meta::read(path)),
        Format::Png | Format::Jpeg | Format::Tiff | Format::Bmp | Format::Gif => None,
    }
}

/// Writes a label map in the format that the path's extension names, as `u8` where 255 is not reached, else `u16`.
///
/// If `header` is of the same format and gave this `geometry`, its geometry fields are copied as they were. The file
/// appears whole or not at all.
///
/// # Errors
/// If the file cannot be written, or its format cannot hold the labels.
///
/// # Panics
/// If `labels` has another shape than `geometry`.
pub fn write_label_map(path: &Path, labels: &Volume<u16>, geometry: &Geometry, header: &SourceHeader) -> Result<(), ImageError> {
    assert_eq!(labels.shape(), geometry.shape, "labels and geometry differ in shape");
    let format = format_of(path)?;
    let written = match format {
        Format::Nifti => nifti::write_label_map(path, Packing::Plain, labels, geometry, header),
        Format::NiftiGz => nifti::write_label_map(path, Packing::Gzip, labels, geometry, header),
        Format::Nrrd | Format::NrrdDetached => nrrd::write_label_map(path, format, labels, geometry, header),
        Format::MetaImage | Format::MetaImageDetached => meta::write_label_map(path, format, labels, geometry, header),
        Format::Png | Format::Tiff | Format::Bmp | Format::Gif => picture::write_label_map(path, format, labels),
        other => Err(not_written(other)),
    };
    written.map_err(|fault| fault.at("write", path))
}

/// Writes an image in the format that the path's extension names: float32, or whole numbers in pictures.
///
/// If `header` is of the same format and gave this `geometry`, its geometry fields are copied as they were. The file
/// appears whole or not at all.
///
/// # Errors
/// If the file cannot be written, or its format cannot hold the values.
///
/// # Panics
/// If there is no channel, or one has another shape than `geometry`.
pub fn write_image(path: &Path, channels: &[Volume<f32>], geometry: &Geometry, header: &SourceHeader) -> Result<(), ImageError> {
    assert!(!channels.is_empty(), "an image has at least one channel");
    assert!(channels.iter().all(|channel| channel.shape() == geometry.shape), "channels and geometry differ in shape");
    let format = format_of(path)?;
    let written = match format {
        Format::Nifti => nifti::write_image(path, Packing::Plain, channels, geometry, header),
        Format::NiftiGz => nifti::write_image(path, Packing::Gzip, channels, geometry, header),
        Format::Nrrd | Format::NrrdDetached => nrrd::write_image(path, format, channels, geometry, header),
        Format::MetaImage | Format::MetaImageDetached => meta::write_image(path, format, channels, geometry, header),
        Format::Png | Format::Tiff | Format::Bmp => picture::write_image(path, format, channels),
        other => Err(not_written(other)),
    };
    written.map_err(|fault| fault.at("write", path))
}

fn format_of(path: &Path) -> Result<Format, ImageError> {
    Format::of_path(path).ok_or_else(|| {
        let finding = match path.extension() {
            Some(extension) => format!("expected an image file, found extension `.{}`", extension.display()),
            None => "expected an image file, found a name without extension".to_owned(),
        };
        ImageError::UnknownFormat { path: path.to_owned(), finding }
    })
}

fn not_written(format: Format) -> Fault {
    let finding = format!("expected a format that keeps values, found `{}`, which is only read", format.extension());
    Fault::unsupported(finding, if format.is_picture() { "write .png or .tif instead" } else { "write .nii.gz instead" })
}
