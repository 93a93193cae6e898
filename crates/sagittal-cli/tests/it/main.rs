//! The program itself, run as people run it: what it prints, what it writes, how it exits.
#![allow(clippy::unwrap_used, reason = "tests")]

mod check;
mod choose;
mod compare;
mod evaluate;
mod exchange;
mod fetch;
mod files;
mod image_to_mask;
mod phantom;
mod plan;
mod predict;
mod statistics;
mod study;
mod teaching;
mod techniques;
mod train;
mod usage;
mod view;
mod voxel_classifier;

use std::{path::Path, process::Command};

/// Makes a plan's network as small as networks can be: two stages of one convolution.
fn shrink_network(plan: &mut serde_json::Value, features: [usize; 2]) {
    let network = &mut plan["network"];
    network["features"] = serde_json::json!(features);
    network["kernels"] = serde_json::json!([[3, 3, 3], [3, 3, 3]]);
    network["strides"] = serde_json::json!([[1, 1, 1], [2, 2, 2]]);
    (network["encoder_convs"], network["decoder_convs"]) = (serde_json::json!([1, 1]), serde_json::json!([1]));
}

/// What a call of the program left behind.
struct Call {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Calls `sagittal` with `words` in the folder `place`.
fn sagittal(place: &Path, words: &[&str]) -> Call {
    let output = Command::new(env!("CARGO_BIN_EXE_sagittal")).args(words).current_dir(place).output().unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert!(!err.contains("panicked"), "{words:?} panicked:\n{err}");
    Call { code: output.status.code(), out, err }
}

impl Call {
    /// Asserts how the program exited, showing all that it said if it did otherwise.
    fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "standard output:\n{}\nstandard error:\n{}", self.out, self.err);
        self
    }

    /// Asserts that standard error contains `part`.
    fn says(self, part: &str) -> Self {
        assert!(self.err.contains(part), "`{part}` is not in standard error:\n{}", self.err);
        self
    }

    /// Asserts that standard output contains `part`.
    fn prints(self, part: &str) -> Self {
        assert!(self.out.contains(part), "`{part}` is not in standard output:\n{}", self.out);
        self
    }

    /// Standard output as JSON.
    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error} in\n{}", self.out))
    }
}
