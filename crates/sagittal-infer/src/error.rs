//! What can go wrong between a model, an image and its labels.

use sagittal_data::DataError;
use sagittal_nets::NetError;
use std::path::PathBuf;

/// Why an image could not be predicted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InferError {
    /// A model file cannot be used.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The image could not be preprocessed.
    #[error(transparent)]
    Data(#[from] DataError),
    /// No model was given.
    #[error("no model was given; name at least one model.safetensors")]
    NoModel,
    /// A model's header lacks something or holds something that does not fit.
    #[error("{path}: {finding}; train it again with this version", path = path.display())]
    Header {
        /// The model.
        path: PathBuf,
        /// What was expected and found.
        finding: String,
    },
    /// Two models of an ensemble were made for different things.
    #[error("{path} and {first} cannot be averaged: they differ in {difference}; predict with each by itself", path = path.display(), first = first.display())]
    Ensemble {
        /// The first model.
        first: PathBuf,
        /// The model that differs from it.
        path: PathBuf,
        /// In what.
        difference: &'static str,
    },
}
