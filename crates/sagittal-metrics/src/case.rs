//! One case: a prediction against its reference, label by label.

use sagittal_image::{Geometry, GeometryMismatch, LabelMap, Volume};
use serde::{Deserialize, Serialize};

use crate::{
    LesionScore, MaskPair, MetricsError, ProbabilityScore, SurfaceOptions, SurfaceScore, VesselScore, VolumeUnit,
    extent::{Extent, extents},
    lesions::lesion_score,
    overlap::{self, Overlap},
    surface_distance::surface_score,
    vessels::vessel_score,
    volumes::voxel_size,
};

/// How one label of one case was predicted. What was not asked for, or is not defined, is `None`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LabelScore {
    /// The label's value.
    pub label: u16,
    /// 0 to 1; `None` where both masks are empty (table in [`overlap`]).
    pub dice: Option<f64>,
    /// 0 to 1; `None` where both masks are empty.
    pub iou: Option<f64>,
    /// Share of the prediction that is right; `None` where nothing is predicted.
    #[serde(default)]
    pub precision: Option<f64>,
    /// Share of the reference that is found (recall); `None` where the reference is empty.
    #[serde(default)]
    pub sensitivity: Option<f64>,
    /// Share of what is not the label that is not predicted as it; `None` where everything is the label.
    #[serde(default)]
    pub specificity: Option<f64>,
    /// Share of all voxels of the region that are right about this label.
    #[serde(default)]
    pub accuracy: Option<f64>,
    /// The counts behind the scores.
    #[serde(flatten)]
    pub overlap: Overlap,
    /// Unit of the sizes.
    pub volume_unit: VolumeUnit,
    /// Size of the reference mask.
    pub reference_volume: f64,
    /// Size of the predicted mask.
    pub prediction_volume: f64,
    /// Size of the prediction less that of the reference.
    #[serde(default)]
    pub volume_difference: Option<f64>,
    /// That as a part of the reference's size; `None` where the reference is empty.
    #[serde(default)]
    pub relative_volume_difference: Option<f64>,
    /// Distance of the masks' centres of gravity; `None` where a mask is empty.
    #[serde(default)]
    pub centre_distance: Option<f64>,
    /// How far the surfaces are apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub surface: Option<SurfaceScore>,
    /// Lesion by lesion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lesions: Option<LesionScore>,
    /// Centre lines and components.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vessels: Option<VesselScore>,
    /// From the probabilities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<ProbabilityScore>,
}

impl LabelScore {
    /// Everything that follows from counts; `voxel_size` is in `volume_unit`.
    pub fn new(label: u16, overlap: Overlap, voxel_size: f64, volume_unit: VolumeUnit) -> Self {
        let (reference_volume, prediction_volume) = (overlap.n_reference() as f64 * voxel_size, overlap.n_prediction() as f64 * voxel_size);
        let difference = prediction_volume - reference_volume;
        Self {
            label,
            dice: overlap.dice(),
            iou: overlap.iou(),
            precision: overlap.precision(),
            sensitivity: overlap.sensitivity(),
            specificity: overlap.specificity(),
            accuracy: overlap.accuracy(),
            overlap,
            volume_unit,
            reference_volume,
            prediction_volume,
            volume_difference: Some(difference),
            relative_volume_difference: (overlap.n_reference() > 0).then(|| difference / reference_volume),
            centre_distance: None,
            surface: None,
            lesions: None,
            vessels: None,
            probability: None,
        }
    }
}

/// What to find out besides overlap, volumes and centres.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ScoreOptions {
    /// How far surfaces are apart.
    pub surface: Option<SurfaceOptions>,
    /// Which lesions were found.
    pub lesions: bool,
    /// Centre lines and components.
    pub vessels: bool,
}

/// Files keep geometry in float32 and programs write it back slightly changed; in mm, and in the components of directions.
pub const GRID_TOLERANCE: f64 = 1e-3;

/// Scores the overlap of each of `labels`, counting only voxels inside `region` (everywhere if `None`).
///
/// As [`score_case_with`], without what takes longer.
///
/// # Errors
/// As [`score_case_with`].
pub fn score_case(
    prediction: &LabelMap,
    reference: &LabelMap,
    labels: &[u16],
    region: Option<&Volume<bool>>,
) -> Result<Vec<LabelScore>, MetricsError> {
    let geometry = check_grids(prediction, reference, region)?;
    let (size, unit) = voxel_size(geometry);
    let counts = overlap::count(&prediction.labels, &reference.labels, labels, region);
    Ok(labels.iter().zip(counts).map(|(&label, overlap)| LabelScore::new(label, overlap, size, unit)).collect())
}

/// Scores each of `labels`, counting only voxels inside `region` (everywhere if `None`).
///
/// Background is scored only if asked for. Labels in the masks that are not asked for count as not being any of those asked for.
/// Sizes and distances use the reference's spacing, or the prediction's where the reference has none. Outside the region both masks
/// are empty, so that a structure that leaves it has a surface there, in both.
///
/// # Shapes
/// - `prediction`, `reference`, `region`: one grid `[Z, Y, X]`
///
/// # Errors
/// [`MetricsError::DifferentGrids`] if the grids differ in shape, spacing, origin or direction; it names the axis and both values.
pub fn score_case_with(
    prediction: &LabelMap,
    reference: &LabelMap,
    labels: &[u16],
    region: Option<&Volume<bool>>,
    options: ScoreOptions,
) -> Result<Vec<LabelScore>, MetricsError> {
    let geometry = check_grids(prediction, reference, region)?;
    let (size, unit) = voxel_size(geometry);
    let found = extents(&prediction.labels, &reference.labels, labels, region);
    let score = |(&label, extent): (&u16, Extent)| {
        // One label after the other: the masks of all at once would take much memory.
        let maps = [&prediction.labels, &reference.labels];
        let masks = extent.bounds.map(|bounds| MaskPair::cut(label, bounds, maps, region, geometry));
        LabelScore {
            centre_distance: masks.as_ref().and_then(MaskPair::centre_distance),
            surface: options.surface.map(|options| surface_score(masks.as_ref(), options)),
            lesions: options.lesions.then(|| lesion_score(masks.as_ref(), size)),
            vessels: options.vessels.then(|| vessel_score(masks.as_ref())),
            ..LabelScore::new(label, extent.overlap, size, unit)
        }
    };
    Ok(labels.iter().zip(found).map(score).collect())
}

/// Checks that all lie on one grid; returns the geometry to measure by.
fn check_grids<'a>(prediction: &'a LabelMap, reference: &'a LabelMap, region: Option<&Volume<bool>>) -> Result<&'a Geometry, MetricsError> {
    let differ = |other, mismatch| MetricsError::DifferentGrids { other, mismatch };
    reference.geometry.same_grid(&prediction.geometry, GRID_TOLERANCE).map_err(|mismatch| differ("reference", mismatch))?;
    // The voxels, too: a geometry that does not describe them would make the counts below meaningless.
    same_shape(reference.labels.shape(), prediction.labels.shape()).map_err(|mismatch| differ("reference", mismatch))?;
    if let Some(region) = region {
        same_shape(region.shape(), prediction.labels.shape()).map_err(|mismatch| differ("region", mismatch))?;
    }
    Ok(if reference.geometry.spacing_mm.is_some() { &reference.geometry } else { &prediction.geometry })
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
