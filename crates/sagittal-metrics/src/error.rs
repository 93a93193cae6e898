//! Why masks could not be scored.

use sagittal_image::GeometryMismatch;

/// Why masks could not be scored, or a file of scores not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MetricsError {
    /// Two masks do not lie on the same voxels, so counting voxels would compare different places.
    #[error("prediction is not on the grid of its {other}: {mismatch}; resample one onto the other's grid first")]
    DifferentGrids {
        /// What the prediction was compared with: `reference`, `region`.
        other: &'static str,
        /// The axis, and both values.
        mismatch: GeometryMismatch,
    },
    /// A value is not a probability.
    #[error("expected probabilities from 0 to 1, found {value}; are these logits? apply the soft-max first")]
    NotProbabilities {
        /// What was found.
        value: f32,
    },
    /// A file of scores is not one.
    #[error("cannot understand the scores: {finding}; write them anew with `sagittal evaluate`")]
    Malformed {
        /// What was expected and found.
        finding: String,
    },
}
