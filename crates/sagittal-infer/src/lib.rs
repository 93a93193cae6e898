//! Whole images by tiles: mirroring, ensembles, back to the input's grid.
//!
//! An [`Ensemble`] is one or several models. It predicts an [`sagittal_image::Image`] as it was read and gives labels on that
//! image's own grid. Slices are decided as tiles finish them, so that memory does not grow with the classes of all voxels. Axes: `K` classes, `C` channels, `Z Y X` spatial, slowest first.
#![forbid(unsafe_code)]

mod assembly;
mod case_logits;
mod committee;
mod cost;
mod decision;
mod ensemble;
mod error;
mod front;
mod importance;
mod members;
mod mirroring;
mod number;
mod postprocess;
mod probabilities;
mod region;
mod shifted;
mod sliding_window;
mod soft;
mod sums;
mod tiles;

pub use case_logits::case_logits;
pub use committee::Cost;
pub use ensemble::{DropoutSamples, Ensemble, PredictOptions, Prediction, Shown, TEMPERATURE_KEY, Uncertainty};
pub use error::InferError;
pub use postprocess::{keep_parts, voxel_size};
pub use probabilities::Probabilities;
pub use shifted::shifted_labels;
