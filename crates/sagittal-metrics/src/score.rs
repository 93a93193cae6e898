//! Every number of a label, by name: for summaries, tables and comparisons.

use serde::{Deserialize, Serialize};

use crate::LabelScore;

/// A score of a label in a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[expect(missing_docs, reason = "the table below says what each one is")]
pub enum Score {
    Dice,
    Iou,
    Precision,
    Sensitivity,
    Specificity,
    Accuracy,
    VolumeDifference,
    RelativeVolumeDifference,
    CentreDistance,
    Hausdorff,
    Hausdorff95,
    AverageSurfaceDistance,
    AverageReferenceToPrediction,
    AveragePredictionToReference,
    MedianSurfaceDistance,
    MedianReferenceToPrediction,
    MedianPredictionToReference,
    SurfaceDice,
    LesionF1,
    LesionPrecision,
    LesionSensitivity,
    LesionDice,
    CentrelineDice,
    CentrelinePrecision,
    CentrelineSensitivity,
    ComponentDifference,
    RocAuc,
    AveragePrecision,
    Brier,
    CalibrationError,
    DiceAtThreshold,
}

/// Which values are better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// The higher the better.
    Higher,
    /// The lower the better.
    Lower,
    /// The nearer to 0 the better.
    NearZero,
}

/// Name in files, words for people, which values are better, and the number itself.
type Row = (Score, &'static str, &'static str, Better, fn(&LabelScore) -> Option<f64>);

const TABLE: &[Row] = {
    use Better::{Higher, Lower, NearZero};
    &[
        (Score::Dice, "dice", "Dice", Higher, |s| s.dice),
        (Score::Iou, "iou", "IoU", Higher, |s| s.iou),
        (Score::Precision, "precision", "precision", Higher, |s| s.precision),
        (Score::Sensitivity, "sensitivity", "sensitivity", Higher, |s| s.sensitivity),
        (Score::Specificity, "specificity", "specificity", Higher, |s| s.specificity),
        (Score::Accuracy, "accuracy", "accuracy", Higher, |s| s.accuracy),
        (Score::VolumeDifference, "volume_difference", "volume difference", NearZero, |s| s.volume_difference),
        (Score::RelativeVolumeDifference, "relative_volume_difference", "relative volume difference", NearZero, |s| {
            s.relative_volume_difference
        }),
        (Score::CentreDistance, "centre_distance", "distance of centres", Lower, |s| s.centre_distance),
        (Score::Hausdorff, "hausdorff", "Hausdorff", Lower, |s| s.surface?.hausdorff),
        (Score::Hausdorff95, "hausdorff95", "HD95", Lower, |s| s.surface?.hausdorff95),
        (Score::AverageSurfaceDistance, "average_surface_distance", "average distance", Lower, |s| s.surface?.average),
        (Score::AverageReferenceToPrediction, "average_reference_to_prediction", "average, reference to prediction", Lower, |s| {
            s.surface?.average_reference_to_prediction
        }),
        (Score::AveragePredictionToReference, "average_prediction_to_reference", "average, prediction to reference", Lower, |s| {
            s.surface?.average_prediction_to_reference
        }),
        (Score::MedianSurfaceDistance, "median_surface_distance", "median distance", Lower, |s| s.surface?.median),
        (Score::MedianReferenceToPrediction, "median_reference_to_prediction", "median, reference to prediction", Lower, |s| {
            s.surface?.median_reference_to_prediction
        }),
        (Score::MedianPredictionToReference, "median_prediction_to_reference", "median, prediction to reference", Lower, |s| {
            s.surface?.median_prediction_to_reference
        }),
        (Score::SurfaceDice, "surface_dice", "surface Dice", Higher, |s| s.surface?.surface_dice),
        (Score::LesionF1, "lesion_f1", "lesion F1", Higher, |s| s.lesions.as_ref()?.f1),
        (Score::LesionPrecision, "lesion_precision", "lesion precision", Higher, |s| s.lesions.as_ref()?.precision),
        (Score::LesionSensitivity, "lesion_sensitivity", "lesion sensitivity", Higher, |s| s.lesions.as_ref()?.sensitivity),
        (Score::LesionDice, "lesion_dice", "Dice per lesion", Higher, |s| s.lesions.as_ref()?.mean_dice),
        (Score::CentrelineDice, "centreline_dice", "clDice", Higher, |s| s.vessels?.centreline_dice),
        (Score::CentrelinePrecision, "centreline_precision", "centre-line precision", Higher, |s| s.vessels?.centreline_precision),
        (Score::CentrelineSensitivity, "centreline_sensitivity", "centre-line sensitivity", Higher, |s| s.vessels?.centreline_sensitivity),
        (Score::ComponentDifference, "component_difference", "components too many", NearZero, |s| {
            s.vessels.map(|v| v.n_components_prediction as f64 - v.n_components_reference as f64)
        }),
        (Score::RocAuc, "roc_auc", "ROC AUC", Higher, |s| s.probability?.roc_auc),
        (Score::AveragePrecision, "average_precision", "average precision", Higher, |s| s.probability?.average_precision),
        (Score::Brier, "brier", "Brier", Lower, |s| s.probability?.brier),
        (Score::CalibrationError, "calibration_error", "calibration error", Lower, |s| s.probability?.calibration_error),
        (Score::DiceAtThreshold, "dice_at_threshold", "Dice at threshold", Higher, |s| s.probability?.at_threshold?.dice),
    ]
};

impl Score {
    /// Every score, in the order of files and tables.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.0)
    }

    /// The score of this name, as it stands in files.
    pub fn named(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    fn row(self) -> &'static Row {
        TABLE.iter().find(|row| row.0 == self).expect("the table holds every score, which a test checks")
    }

    /// As it stands in files.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// As people call it.
    pub fn title(self) -> &'static str {
        self.row().2
    }

    /// Which values are better.
    pub fn better(self) -> Better {
        self.row().3
    }

    /// Whether it is a length, in the unit of distances.
    pub fn is_distance(self) -> bool {
        // They stand together in the list.
        (Self::CentreDistance..=Self::MedianPredictionToReference).contains(&self)
    }

    /// The score of a label; `None` where it is not defined or was not asked for.
    pub fn of(self, label: &LabelScore) -> Option<f64> {
        self.row().4(label)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_holds_every_score_once_under_its_serialised_name() {
        let last = Score::DiceAtThreshold as usize;
        assert_eq!(TABLE.len(), last + 1);
        for (i, row) in TABLE.iter().enumerate() {
            assert_eq!(row.0 as usize, i);
            assert_eq!(serde_json::to_value(row.0).ok(), Some(row.1.into()));
            assert_eq!(Score::named(row.1), Some(row.0));
        }
        assert_eq!(Score::named("dise"), None);
    }
}
