//! What is written down of every epoch.

use crate::TrainError;
use sagittal_nets::write_whole;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// One line of `progress.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Counted from 1.
    pub epoch: u64,
    /// Steps done when it was over.
    pub step: u64,
    /// Seconds trained, interruptions left out.
    pub elapsed_s: f64,
    /// At its end.
    pub learning_rate: f64,
    /// Mean over its steps, all scales.
    pub training_loss: f64,
    /// Mean over the validation patches at full resolution; none without validation cases.
    pub validation_loss: Option<f64>,
    /// Per foreground class, or per region, over all validation patches; null where it does not occur.
    pub validation_dice: Vec<Option<f64>>,
    /// Patches trained on per second, validation left out.
    pub samples_per_s: f64,
    /// Of each layer's weights, from the input to the output; empty where they were not asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gradients: Vec<LayerGradient>,
}

/// How strongly an epoch pulled at the weights of a layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerGradient {
    /// The layer's name: that of its weights, without `.weight`.
    pub layer: String,
    /// Mean over the epoch's steps of the norm of the gradient with respect to the layer's weights, before clipping.
    pub norm: f64,
}

pub(crate) fn write_progress(path: &Path, epochs: &[EpochRecord]) -> Result<(), TrainError> {
    let lines: Vec<String> = epochs.iter().map(|e| serde_json::to_string(e).expect("a record is plain data") + "\n").collect();
    let failed = |source| TrainError::File { act: "write", path: path.to_owned(), source };
    write_whole(path, lines.concat().as_bytes()).map_err(failed)
}

/// The epochs that a `progress.jsonl` tells of.
///
/// # Errors
/// [`TrainError::File`] if it cannot be read, or a line is no epoch.
pub fn read_progress(path: &Path) -> Result<Vec<EpochRecord>, TrainError> {
    let failed = |source| TrainError::File { act: "read", path: path.to_owned(), source };
    let text = std::fs::read_to_string(path).map_err(failed)?;
    text.lines().map(|line| serde_json::from_str(line).map_err(|error| failed(std::io::Error::other(error)))).collect()
}
