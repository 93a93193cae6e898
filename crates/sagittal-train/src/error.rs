//! What can stop a training.

use std::path::PathBuf;

/// Why a training stopped without reaching its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The loss is no number any more.
    #[error(
        "the loss became {loss} at step {step}; lower training.learning_rate in the plan (now {learning_rate}) or look for extreme intensities with `sagittal check`"
    )]
    Diverged {
        /// What the loss became.
        loss: f32,
        /// The step at which it did.
        step: u64,
        /// The learning rate of that step.
        learning_rate: f64,
    },
    /// The error of a layer that learns without labels is no number any more.
    #[error(
        "the error with which {layer} restores its input became infinite at step {step}; lower training.pretraining.learning_rate in the \
         plan (now {learning_rate}) or look for extreme intensities with `sagittal check`"
    )]
    PretrainingDiverged {
        /// The layer.
        layer: String,
        /// The layer's step at which it did.
        step: u64,
        /// The learning rate.
        learning_rate: f64,
    },
    /// A batch could not be prepared.
    #[error("preparing a batch")]
    Data(#[from] sagittal_data::DataError),
    /// The loader ended before the training did.
    #[error("no more batches were prepared, though the training is not over")]
    NoBatches,
    /// The network or one of its files is at fault.
    #[error(transparent)]
    Net(#[from] sagittal_nets::NetError),
    /// A file of the run folder could not be written or read.
    #[error("cannot {act} {path}", path = path.display())]
    File {
        /// What was being done.
        act: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The checkpoint does not belong to this training.
    #[error("{path}: expected {expected}, found {found}; {cure}", path = path.display())]
    Checkpoint {
        /// The checkpoint.
        path: PathBuf,
        /// What this training needs.
        expected: String,
        /// What the checkpoint holds.
        found: String,
        /// What to do.
        cure: &'static str,
    },
}
