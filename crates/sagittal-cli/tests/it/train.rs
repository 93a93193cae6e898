//! `sagittal train`: what is left when it is killed, and what `--resume` makes of it.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use serde_json::json;

use super::{sagittal, shrink_network};

/// A phantom and a plan by which a small network trains for some seconds.
pub(super) fn prepare(place: &Path) {
    sagittal(place, &["phantom", "hippocampus", "-o", "set", "--cases", "5", "--test-cases", "0"]).exits(0);
    sagittal(place, &["plan", "set", "-o", "plan.json"]).exits(0);
    let mut plan: serde_json::Value = serde_json::from_slice(&fs::read(place.join("plan.json")).unwrap()).unwrap();
    plan["patch"] = json!([16, 16, 16]);
    plan["training"]["iterations_per_epoch"] = json!(5);
    plan["training"]["validation_iterations"] = json!(1);
    plan["training"]["epochs"] = json!(6);
    shrink_network(&mut plan, [4, 8]);
    fs::write(place.join("plan.json"), plan.to_string()).unwrap();
}

const TRAIN: [&str; 5] = ["train", "set", "--plan", "plan.json", "-o"];

/// Epochs that a run has finished.
fn n_epochs(run: &Path) -> usize {
    fs::read_to_string(run.join("fold_0/progress.jsonl")).map_or(0, |text| text.lines().count())
}

#[test]
fn killed_three_times_and_resumed_gives_the_weights_of_an_unbroken_run() {
    let place = tempfile::tempdir().unwrap();
    prepare(place.path());
    sagittal(place.path(), &[&TRAIN[..], &["unbroken"]].concat()).exits(0);
    let broken = place.path().join("broken");
    // Killed between the first epochs, wherever it is then: in a step, in validation, while it writes.
    for (n_finished, wait_ms) in [(1, 0), (2, 7), (4, 23)] {
        let words = [&TRAIN[..], &["broken", "--resume"]].concat();
        let mut child = Command::new(env!("CARGO_BIN_EXE_sagittal"))
            .args(words)
            .current_dir(place.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let start = Instant::now();
        while n_epochs(&broken) < n_finished && child.try_wait().unwrap().is_none() {
            assert!(start.elapsed() < Duration::from_secs(300), "epoch {n_finished} does not end");
            sleep(Duration::from_millis(2));
        }
        sleep(Duration::from_millis(wait_ms));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    sagittal(place.path(), &[&TRAIN[..], &["broken", "--resume"]].concat()).exits(0);
    assert_eq!(n_epochs(&broken), 6);
    for file in ["model.safetensors", "best.safetensors"] {
        let read = |run: &str| fs::read(place.path().join(run).join("fold_0").join(file)).unwrap();
        assert!(read("unbroken") == read("broken"), "{file} differs");
    }
}

#[test]
fn a_training_is_not_overwritten_and_not_resumed_as_another() {
    let place = tempfile::tempdir().unwrap();
    prepare(place.path());
    sagittal(place.path(), &[&TRAIN[..], &["run", "--epochs", "1"]].concat()).exits(0);
    let scores: serde_json::Value =
        serde_json::from_slice(&fs::read(place.path().join("run/fold_0/validation/metrics.json")).unwrap()).unwrap();
    assert!(scores["distances"]["unit"] == "mm");
    assert!(scores["summary"][0]["pooled"]["brier"].is_number(), "{scores}");
    assert!(scores["cases"][0]["labels"][0]["surface"]["surface_dice"].is_number(), "{scores}");
    let record = fs::read(place.path().join("run/run.json")).unwrap();
    sagittal(place.path(), &[&TRAIN[..], &["run"]].concat()).exits(2).says("go on with --resume");
    sagittal(place.path(), &[&TRAIN[..], &["run", "--resume", "--seed", "5"]].concat()).exits(1).says("expected seed 5, found seed 0");
    assert_eq!(fs::read(place.path().join("run/run.json")).unwrap(), record, "the record tells of a training that was refused");
}
