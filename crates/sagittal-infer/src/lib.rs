//! Whole images by tiles: mirroring, ensembles, back to the input's grid.
//!
//! An [`Ensemble`] is one or several models with one plan. It predicts an [`sagittal_image::Image`] as it was read and
//! gives labels on that image's own grid. Axes: `K` classes, `C` channels, `Z Y X` spatial, slowest first.
#![forbid(unsafe_code)]

mod ensemble;
mod error;
mod importance;
mod mirroring;
mod restore;
mod sliding_window;
mod tiles;

pub use ensemble::{Ensemble, PredictOptions};
pub use error::InferError;
pub use restore::labels_on_crop;
pub use sliding_window::{Logits, SlidingWindow, sliding_window};
