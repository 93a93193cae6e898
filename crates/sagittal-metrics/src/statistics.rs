//! What is in a label: how large it is, how bright, of which shape.

use sagittal_image::{BoundingBox, Image, LabelMap, Volume, crop};
use serde::{Deserialize, Serialize};

use crate::{MetricsError, Shape, VolumeUnit, case::GRID_TOLERANCE, volumes::voxel_size};

/// One label of one image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LabelStatistics {
    /// The label's value.
    pub label: u16,
    /// Its voxels.
    pub n_voxels: usize,
    /// Its size.
    pub volume: f64,
    /// Unit of the size.
    pub volume_unit: VolumeUnit,
    /// How bright it is, per channel.
    pub channels: Vec<Intensity>,
    /// Its shape; `None` where the label does not occur.
    pub shape: Option<Shape>,
}

/// The intensities of a label's voxels in one channel. Voxels that are not a number are left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Intensity {
    /// Arithmetic mean; `None` where there is no voxel.
    pub mean: Option<f64>,
    /// Standard deviation of the sample (divided by `n - 1`).
    pub sd: Option<f64>,
    /// Smallest.
    pub min: Option<f64>,
    /// Largest.
    pub max: Option<f64>,
}

/// Describes each of `labels` in an image.
///
/// # Errors
/// [`MetricsError::DifferentGrids`] if image and labels lie on different grids.
pub fn label_statistics(image: &Image, map: &LabelMap, labels: &[u16]) -> Result<Vec<LabelStatistics>, MetricsError> {
    let same = image.geometry.same_grid(&map.geometry, GRID_TOLERANCE);
    same.map_err(|mismatch| MetricsError::DifferentGrids { other: "image", mismatch })?;
    let geometry = if map.geometry.spacing_mm.is_some() { &map.geometry } else { &image.geometry };
    let (size, volume_unit) = voxel_size(geometry);
    let describe = |&label: &u16| {
        let bounds = BoundingBox::around(&map.labels, |value| *value == label).unwrap_or(BoundingBox { lower: [0; 3], upper: [0; 3] });
        let mask = crop(&map.labels, bounds).map(|&value| value == label);
        let n_voxels = mask.voxels().iter().filter(|inside| **inside).count();
        LabelStatistics {
            label,
            n_voxels,
            volume: n_voxels as f64 * size,
            volume_unit,
            channels: image.channels.iter().map(|channel| intensity(&crop(channel, bounds), &mask)).collect(),
            shape: Shape::of(&mask, geometry.spacing_or_one(), geometry.rank),
        }
    };
    Ok(labels.iter().map(describe).collect())
}

fn intensity(channel: &Volume<f32>, mask: &Volume<bool>) -> Intensity {
    let values = || {
        let inside = channel.voxels().iter().zip(mask.voxels()).filter(|(value, inside)| **inside && !value.is_nan());
        inside.map(|(value, _)| f64::from(*value))
    };
    let n = values().count() as f64;
    if n == 0.0 {
        return Intensity::default();
    }
    // Twice over the voxels: the squares of CT values in one pass would lose digits.
    let mean = values().sum::<f64>() / n;
    Intensity {
        mean: Some(mean),
        sd: (n > 1.0).then(|| (values().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt()),
        min: values().reduce(f64::min),
        max: values().reduce(f64::max),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use sagittal_image::Geometry;

    use super::*;

    #[test]
    fn a_label_is_described_as_by_hand() {
        let geometry = Geometry::volume([1, 2, 3], [2.0, 1.0, 1.0]);
        let image = Image {
            channels: vec![Volume::new([1, 2, 3], vec![1.0, 2.0, 9.0, 3.0, f32::NAN, 9.0])],
            geometry: geometry.clone(),
            header: Default::default(),
        };
        let map = LabelMap { labels: Volume::new([1, 2, 3], vec![1, 1, 0, 1, 1, 0]), geometry, header: Default::default() };
        let found = label_statistics(&image, &map, &[1, 7]).unwrap();
        assert_eq!((found[0].n_voxels, found[0].volume, found[0].volume_unit), (4, 0.008, VolumeUnit::Millilitre));
        let expected = Intensity { mean: Some(2.0), sd: Some(1.0), min: Some(1.0), max: Some(3.0) };
        assert_eq!(found[0].channels, [expected]);
        assert_eq!((found[1].n_voxels, found[1].shape, found[1].channels[0]), (0, None, Intensity::default()));
    }

    #[test]
    fn different_grids_are_refused() {
        let of = |spacing| Geometry::volume([1, 1, 1], [spacing; 3]);
        let image = Image { channels: vec![Volume::filled([1; 3], 0.0)], geometry: of(1.0), header: Default::default() };
        let map = LabelMap { labels: Volume::filled([1; 3], 1), geometry: of(2.0), header: Default::default() };
        assert!(label_statistics(&image, &map, &[1]).unwrap_err().to_string().contains("spacing"));
    }
}
