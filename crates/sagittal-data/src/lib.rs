//! Data sets and everything between a file on disk and a batch for the network: layouts, check, splits, fingerprint,
//! plan, preprocessing with a cache, patch sampling, augmentation, loading by threads; and built-in phantoms.
//!
//! Legend: `N` batch, `C` channels, `K` classes, `Z Y X` space, slowest first; memory order is `N C Z Y X`. A 2-D image
//! has `Z = 1` and [`sagittal_image::Rank::Two`] in its geometry.
//!
//! This crate hands over plain buffers with a shape. It knows no tensors and no networks, reads no environment, prints
//! nothing; all randomness comes from one [`Seed`].
#![forbid(unsafe_code)]

mod error;
mod json;
mod seed;
mod statistics;

pub mod augment;
pub mod batch;
pub mod check;
pub mod dataset;
pub mod fingerprint;
pub mod loader;
pub mod patch_sampler;
pub mod phantom;
pub mod plan;
pub mod planner;
pub mod preprocess;
pub mod split;
pub mod training_set;

pub use batch::Batch;
pub use dataset::{Case, Dataset, Label, Layout};
pub use error::DataError;
pub use fingerprint::Fingerprint;
pub use loader::{Loader, LoaderOptions, Purpose};
pub use plan::{ActivationKind, Plan};
pub use planner::PlanOptions;
pub use preprocess::{Preprocessed, Preprocessor, Restore, TrainingCase};
pub use seed::Seed;
pub use split::{Fold, FoldChoice, Splits};
pub use training_set::{TrainingSet, TrainingSetOptions};

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
