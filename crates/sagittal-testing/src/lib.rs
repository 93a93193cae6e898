//! Drawings, tolerances, shared data and NumPy files for the tests of the other crates.
#![forbid(unsafe_code)]

mod drawing;
mod npz;
mod shared;
mod tolerance;

pub use drawing::ascii_mask;
pub use npz::{Array, NpzError, read_npz};
pub use shared::shared_data;
pub use tolerance::{largest_difference, relative_difference};
