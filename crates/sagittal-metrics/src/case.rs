//! One case: a prediction against its reference, label by label.

use sagittal_image::{GeometryMismatch, LabelMap, Volume};
use serde::{Deserialize, Serialize};

use crate::{MetricsError, VolumeUnit, overlap, overlap::Overlap, volumes::voxel_size};

/// How one label of one case was predicted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LabelScore {
    /// The label's value.
    pub label: u16,
    /// 0 to 1; `None` where both masks are empty (table in [`overlap`]).
    pub dice: Option<f64>,
    /// 0 to 1; `None` where both masks are empty.
    pub iou: Option<f64>,
    /// The counts behind the scores.
    #[serde(flatten)]
    pub overlap: Overlap,
    /// Unit of the two sizes.
    pub volume_unit: VolumeUnit,
    /// Size of the reference mask.
    pub reference_volume: f64,
    /// Size of the predicted mask.
    pub prediction_volume: f64,
}

/// Files keep geometry in float32 and programs write it back slightly changed; in mm, and in the components of directions.
const GRID_TOLERANCE: f64 = 1e-3;

/// Scores each of `labels`, counting only voxels inside `region` (everywhere if `None`).
///
/// Background is scored only if asked for. Labels in the masks that are not asked for count as not being any of those asked for.
/// Sizes use the reference's spacing, or the prediction's where the reference has none.
///
/// # Shapes
/// - `prediction`, `reference`, `region`: one grid `[Z, Y, X]`
///
/// # Errors
/// [`MetricsError::DifferentGrids`] if the grids differ in shape, spacing, origin or direction; it names the axis and both values.
pub fn score_case(
    prediction: &LabelMap,
    reference: &LabelMap,
    labels: &[u16],
    region: Option<&Volume<bool>>,
) -> Result<Vec<LabelScore>, MetricsError> {
    let differ = |other, mismatch| MetricsError::DifferentGrids { other, mismatch };
    reference.geometry.same_grid(&prediction.geometry, GRID_TOLERANCE).map_err(|mismatch| differ("reference", mismatch))?;
    // The voxels, too: a geometry that does not describe them would make the counts below meaningless.
    same_shape(reference.labels.shape(), prediction.labels.shape()).map_err(|mismatch| differ("reference", mismatch))?;
    if let Some(region) = region {
        same_shape(region.shape(), prediction.labels.shape()).map_err(|mismatch| differ("region", mismatch))?;
    }
    let known = if reference.geometry.spacing_mm.is_some() { &reference.geometry } else { &prediction.geometry };
    let (size, volume_unit) = voxel_size(known);
    let counts = overlap::count(&prediction.labels, &reference.labels, labels, region);
    let scores = labels.iter().zip(counts).map(|(&label, overlap)| LabelScore {
        label,
        dice: overlap.dice(),
        iou: overlap.iou(),
        overlap,
        volume_unit,
        reference_volume: overlap.n_reference() as f64 * size,
        prediction_volume: overlap.n_prediction() as f64 * size,
    });
    Ok(scores.collect())
}

fn same_shape(expected: [usize; 3], found: [usize; 3]) -> Result<(), GeometryMismatch> {
    let axes = ["z", "y", "x"].into_iter().zip(expected.into_iter().zip(found));
    match axes.into_iter().find(|(_, (expected, found))| expected != found) {
        Some((axis, (expected, found))) => Err(GeometryMismatch::Shape { axis, expected, found }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use sagittal_image::Geometry;

    use super::*;

    /// A ball of `radius_mm` around the middle of a grid, offset along x.
    fn ball(shape: [usize; 3], spacing_mm: [f64; 3], radius_mm: f64, offset_mm: f64) -> LabelMap {
        let mut labels = Volume::filled(shape, 0u16);
        for z in 0..shape[0] {
            for y in 0..shape[1] {
                for x in 0..shape[2] {
                    let at = [z, y, x];
                    let from_middle = [0, 1, 2].map(|i| (at[i] as f64 - (shape[i] as f64 - 1.0) / 2.0) * spacing_mm[i]);
                    let r2 = from_middle[0].powi(2) + from_middle[1].powi(2) + (from_middle[2] - offset_mm).powi(2);
                    let idx = labels.index(at);
                    labels.voxels_mut()[idx] = u16::from(r2 <= radius_mm * radius_mm);
                }
            }
        }
        LabelMap { labels, geometry: Geometry::volume(shape, spacing_mm), header: Default::default() }
    }

    #[test]
    fn balls_have_their_closed_form_volume_and_dice_on_an_anisotropic_grid() {
        let (shape, spacing_mm, radius) = ([30, 90, 90], [2.0, 0.6, 0.6], 20.0);
        let (still, moved) = (ball(shape, spacing_mm, radius, 0.0), ball(shape, spacing_mm, radius, 6.0));
        let score = &score_case(&moved, &still, &[1], None).unwrap()[0];
        let exact_ml = 4.0 / 3.0 * std::f64::consts::PI * radius.powi(3) / 1000.0;
        // One voxel of 2 mm against a radius of 20 mm: the digital ball is within 1 % of the true one.
        assert!((score.reference_volume / exact_ml - 1.0).abs() < 0.01, "{} ml, exact {exact_ml}", score.reference_volume);
        assert_eq!(score.volume_unit, VolumeUnit::Millilitre);
        // Two equal balls at distance d share (1 - d/2r)^2 (1 + d/4r) of their volume.
        let d = 6.0 / (2.0 * radius);
        let exact_dice = (1.0 - d).powi(2) * (1.0 + d / 2.0);
        assert!((score.dice.unwrap() - exact_dice).abs() < 0.01, "{:?}, exact {exact_dice}", score.dice);
    }

    #[test]
    fn a_reference_without_spacing_takes_the_predictions() {
        let with = ball([4, 4, 4], [1.0, 1.0, 2.0], 1.5, 0.0);
        let mut without = with.clone();
        without.geometry.spacing_mm = None;
        let score = &score_case(&with, &without, &[1], None).unwrap()[0];
        assert_eq!(score.volume_unit, VolumeUnit::Millilitre);
        let score = &score_case(&without, &without, &[1], None).unwrap()[0];
        assert_eq!((score.volume_unit, score.reference_volume), (VolumeUnit::Voxel, score.overlap.n_reference() as f64));
    }

    #[test]
    fn different_grids_are_refused() {
        let (a, b) = (ball([4, 4, 4], [1.0; 3], 1.5, 0.0), ball([4, 5, 4], [1.0; 3], 1.5, 0.0));
        let message = score_case(&a, &b, &[1], None).unwrap_err().to_string();
        assert!(message.contains("its reference: expected 5 voxels along y, found 4"), "{message}");
        let region = Volume::filled([4, 4, 3], true);
        let message = score_case(&a, &a, &[1], Some(&region)).unwrap_err().to_string();
        assert!(message.contains("its region: expected 3 voxels along x, found 4"), "{message}");
    }
}
