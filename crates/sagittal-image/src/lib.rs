//! Volumes, geometry, orientation, resampling; medical and photographic image files.
//!
//! Axes: memory is `[Z, Y, X]`, slowest first; a 2-D image has [`Rank::Two`] in its type and one slice in memory.
//! Files and people speak x, y, z; only [`io`] translates. World coordinates are millimetres along right, anterior,
//! superior (NIfTI's convention), whatever the file's own convention is.
#![forbid(unsafe_code)]

mod components;
mod crop;
mod distance;
mod error;
mod geometry;
mod orientation;
mod resample;
mod volume;

pub mod io;

pub use components::{Components, LabelExtent, label_extents};
pub use crop::{BoundingBox, crop, fill_holes, nonzero_box, uncrop};
pub use distance::NearestSet;
pub use error::ImageError;
pub use geometry::{Geometry, GeometryMismatch, Rank};
pub use orientation::{Orientation, Reorientation, to_canonical, to_canonical_labels};
pub use resample::{
    Interpolation, Label, Tap, probability_taps, resample_image, resample_labels, resample_probabilities, resize, resize_labels,
    separate_axis,
};
pub use volume::{Image, LabelMap, Volume};
