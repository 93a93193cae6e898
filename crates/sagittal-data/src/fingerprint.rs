//! What a data set is like: sizes, spacings, intensities of the foreground.

mod extract;
mod intensities;

use crate::{
    DataError,
    dataset::{Label, Region},
};
use sagittal_image::Rank;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What a data set is like, in the working orientation. Serialised as `fingerprint.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// [`Fingerprint::FORMAT_VERSION`] of the program that wrote it.
    pub format_version: u32,
    /// Name of the data set.
    pub dataset: String,
    /// Spatial axes of the images.
    #[serde(with = "crate::plan::rank_number")]
    pub image_rank: Rank,
    /// Channel names.
    pub channels: Vec<String>,
    /// Labels, background first.
    pub labels: Vec<Label>,
    /// Regions, where labels overlap.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<Region>,
    /// Value of voxels that nobody labelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignore_label: Option<u16>,
    /// Every case.
    pub cases: Vec<CaseFingerprint>,
    /// Intensities of voxels other than background, per channel (those nobody labelled count too, as in nnU-Net); every case counts the same, however much of it is labelled.
    pub intensities: Vec<Intensities>,
    /// Where labels occur in any case: of each axis `[Z, Y, X]` the part of the whole image from the first labelled voxel to
    /// the last, 0 to 1. Nothing where nothing is labelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labelled_box: Option<[[f64; 2]; 3]>,
    /// Median over cases of the part of the image that is left after cutting off the zero border.
    pub median_relative_size_after_cropping: f64,
}

/// What one case is like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaseFingerprint {
    /// Its name.
    pub id: String,
    /// Spacing `[Z, Y, X]`; `None` where the file has no physical size.
    pub spacing_mm: Option<[f64; 3]>,
    /// Shape `[Z, Y, X]`.
    pub shape: [usize; 3],
    /// Shape `[Z, Y, X]` after cutting off the zero border.
    pub shape_after_crop: [usize; 3],
}

/// Distribution of intensities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Intensities {
    /// Mean.
    pub mean: f64,
    /// Median.
    pub median: f64,
    /// Standard deviation.
    pub std: f64,
    /// Lowest.
    pub min: f64,
    /// Highest.
    pub max: f64,
    /// 0.5th percentile.
    pub percentile_00_5: f64,
    /// 99.5th percentile.
    pub percentile_99_5: f64,
}

impl Fingerprint {
    /// The version this program writes.
    pub const FORMAT_VERSION: u32 = 1;

    /// The name of a fingerprint in a run folder.
    pub const FILE_NAME: &'static str = "fingerprint.json";

    /// Reads a fingerprint.
    ///
    /// # Errors
    /// If the file cannot be read, or is none of this version.
    pub fn read(path: &Path) -> Result<Self, DataError> {
        let fingerprint: Self = crate::json::read(path)?;
        if fingerprint.format_version != Self::FORMAT_VERSION {
            return Err(DataError::Dataset {
                path: path.into(),
                finding: format!("format_version is {}, this program reads {}", fingerprint.format_version, Self::FORMAT_VERSION),
                cure: "delete the file: it is taken again".into(),
            });
        }
        Ok(fingerprint)
    }

    /// Writes the fingerprint, atomically.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), DataError> {
        crate::json::write(path, self)
    }
}

#[cfg(test)]
mod tests;
