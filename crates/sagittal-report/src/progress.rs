//! The record that a training writes after each epoch: `progress.jsonl`, one JSON object a line.

use serde::{Deserialize, Serialize};

/// One epoch. Everything but the epoch may be missing: what was not measured is `null` or left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProgressRecord {
    /// Epochs done, from 1.
    pub epoch: usize,
    /// Optimiser steps done.
    #[serde(default)]
    pub step: u64,
    /// Seconds since the training began, over all resumptions.
    #[serde(default)]
    pub elapsed_s: Option<f64>,
    /// Learning rate of the epoch.
    #[serde(default)]
    pub learning_rate: Option<f64>,
    /// Mean loss over the epoch's batches.
    #[serde(default)]
    pub training_loss: Option<f64>,
    /// Mean loss over the validation patches.
    #[serde(default)]
    pub validation_loss: Option<f64>,
    /// Dice per foreground class, `None` where it is not defined.
    #[serde(default)]
    pub validation_dice: Vec<Option<f64>>,
    /// Training patches per second.
    #[serde(default)]
    pub samples_per_s: Option<f64>,
    /// How strong the gradient of each layer's weights was, from the input to the output; empty where it was not recorded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gradients: Vec<LayerGradient>,
}

/// The mean norm of the gradient of a layer's weights over an epoch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LayerGradient {
    /// The layer's name.
    pub layer: String,
    /// The norm; `None` where it was no number.
    pub norm: Option<f64>,
}

impl ProgressRecord {
    /// The mean of the defined validation Dice values.
    pub fn mean_dice(&self) -> Option<f64> {
        let defined: Vec<f64> = self.validation_dice.iter().flatten().copied().collect();
        (!defined.is_empty()).then(|| defined.iter().sum::<f64>() / defined.len() as f64)
    }
}

/// A training's record, and what of it could not be read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// One entry per epoch, ascending. Of an epoch that was repeated after a resumption, the last.
    pub records: Vec<ProgressRecord>,
    /// Numbers of lines (from 1) that are no record: the last line of a training that was killed, for instance.
    pub unreadable_lines: Vec<usize>,
}

impl Progress {
    /// Reads the content of `progress.jsonl`. A damaged line costs that line only.
    pub fn parse(text: &str) -> Self {
        let mut by_epoch = std::collections::BTreeMap::new();
        let mut unreadable_lines = Vec::new();
        for (idx, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            match serde_json::from_str::<ProgressRecord>(line) {
                Ok(record) => {
                    by_epoch.insert(record.epoch, record);
                }
                Err(_) => unreadable_lines.push(idx + 1),
            }
        }
        Self { records: by_epoch.into_values().collect(), unreadable_lines }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_and_damaged_ones_named() {
        let text = concat!(
            r#"{"epoch":1,"step":50,"elapsed_s":12.3,"learning_rate":0.01,"training_loss":-0.31,"validation_loss":-0.35,"validation_dice":[0.5,null],"samples_per_s":3.2}"#,
            "\n\n",
            r#"{"epoch":3,"validation_loss":null,"future_field":1}"#,
            "\n",
            r#"{"epoch":2,"training_loss":-0.5}"#,
            "\n",
            r#"{"epoch":2,"training_loss":-0.6}"#,
            "\n",
            r#"{"epoch":4,"trai"#,
        );
        let progress = Progress::parse(text);
        assert_eq!(progress.records.iter().map(|r| r.epoch).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(progress.records[0].mean_dice(), Some(0.5));
        assert_eq!(progress.records[1].training_loss, Some(-0.6));
        assert_eq!(progress.records[2], ProgressRecord { epoch: 3, ..Default::default() });
        assert_eq!(progress.unreadable_lines, [6]);
        assert_eq!(Progress::parse(""), Progress::default());
    }
}
