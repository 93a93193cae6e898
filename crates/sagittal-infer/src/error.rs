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
    /// A model of a cascade's last stage was given without those of the stage before.
    #[error("{path} refines the labels of a model of configuration {stage}, and none is given; name that model too, before the images", path = path.display())]
    NoLowerStage {
        /// The model.
        path: PathBuf,
        /// The configuration whose labels it is shown.
        stage: String,
    },
    /// The image does not fit the memory, whatever is done.
    #[error(
        "predicting the image takes {needed:.0} MB of memory even in blocks, and {limit:.0} MB are allowed: on the model's spacing it has {x} x {y} x {z} voxels; check its spacing, or allow more with --memory",
        needed = *needed_bytes as f64 / 1e6, limit = *limit_bytes as f64 / 1e6, z = working[0], y = working[1], x = working[2]
    )]
    Memory {
        /// Its shape on the plan's spacing, `[Z, Y, X]`.
        working: [usize; 3],
        /// Bytes it takes at least.
        needed_bytes: u64,
        /// Bytes it may take.
        limit_bytes: u64,
    },
    /// Probabilities, which are not held in memory, could not be kept.
    #[error(
        "cannot keep the probabilities in the folder for temporary files; free room there, or name another folder in the environment variable TMPDIR"
    )]
    Scratch {
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Samples of dropout were asked for, of a model that was trained without.
    #[error(
        "a model was trained without dropout, so all its samples would be alike; train one by a plan whose network.dropout is above 0, or leave the samples out"
    )]
    NoDropout,
    /// A logit is too large for the numbers that it is to be kept in.
    #[error(
        "a logit exceeds 65504, the largest number of float16, in which nnU-Net keeps them (it gives up here, too); import the model again with --logits float32"
    )]
    HalfOverflow,
    /// Whoever asked for the prediction does not want it any more.
    #[error("not predicted: stopped on request")]
    Stopped,
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
