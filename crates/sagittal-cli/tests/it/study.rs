//! `sagittal study`: a small one from end to end, what stops it, and what goes on.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use super::sagittal;

/// Two arms that train for two epochs of a few steps.
const TINY: &str = r#"
format_version = 1
title = "Two rates"
question = "Does a network learn faster with a larger rate?"
time = "10m"
least_time = "1s"
seeds = [0, 1]
cases = { training = 3, validation = 1 }

[defaults]
epochs = 2
unet = { stages = 2, features = 4, convs = 1 }
plan.patch = [16, 16, 16]
plan.batch_size = 2
plan.training = { iterations_per_epoch = 3, validation_iterations = 1 }

[[arms]]
name = "slow"
says = "Rate 0.0001"
plan.training.learning_rate = 0.0001

[[arms]]
name = "fast"
says = "Rate 0.01"
plan.training.learning_rate = 0.01

[[claims]]
says = "Both are of one size."
source = "their plans"
tests = [{ measure = "parameters", arm = "fast", against = "slow", contrast = "ratio", above = 0.99, below = 1.01 }]

[[claims]]
says = "The faster one is better."
source = "hope"
tests = [{ measure = "dice", arm = "fast", against = "slow", above = 0.0 }]
"#;

fn prepare(place: &Path, text: &str) {
    sagittal(place, &["phantom", "hippocampus", "-o", "set", "--cases", "5", "--test-cases", "0"]).exits(0);
    fs::write(place.join("tiny.toml"), text).unwrap();
}

#[test]
fn a_study_trains_every_arm_and_writes_its_report() {
    let place = tempfile::tempdir().unwrap();
    prepare(place.path(), TINY);
    let call = sagittal(place.path(), &["study", "tiny.toml", "set", "-o", "out", "--json"]).exits(0);
    let call = call.says("2 arms, seeds 0, 1: 4 trainings, each of 2 epochs").says("training 4 of 4: fast, seed 1");
    let results = call.json();
    let arms = results["arms"].as_array().unwrap();
    assert_eq!((arms.len(), arms[0]["runs"].as_array().unwrap().len()), (2, 2), "{results}");
    assert_eq!(results["claims"][0]["verdict"], "confirmed");
    let of_cases = &arms[0]["runs"][0]["cases"];
    assert!(of_cases["prediction_s"].as_object().unwrap().len() == 1, "{results}");
    let (case, seconds) = of_cases["prediction_s"].as_object().unwrap().iter().next().unwrap();
    let per_voxel = of_cases["prediction_us_per_voxel"][case].as_f64().unwrap();
    // The cases have some ten thousand voxels.
    assert!((1e3..1e6).contains(&(seconds.as_f64().unwrap() * 1e6 / per_voxel)), "{results}");
    assert_eq!(arms[0]["runs"][0]["measures"]["steps"], 6.0);
    let out = place.path().join("out");
    for file in ["study.toml", "study.json", "summary.md", "results.csv", "results.json", "report.html", "runs/slow/plan.json"] {
        assert!(out.join(file).is_file(), "{file} is missing");
    }
    // The arms share their cases; each run keeps its output and can be repeated by itself.
    assert!(!out.join("runs/slow/seed_0/preprocessed").exists() && out.join("preprocessed").is_dir());
    let log = fs::read_to_string(out.join("runs/fast/seed_1.log")).unwrap();
    assert!(log.starts_with("sagittal train ") && log.contains("--seed 1 --epochs 2") && log.contains("epoch 2 of 2"), "{log}");
    let splits = |run: &str| fs::read(out.join(run).join("splits.json")).unwrap();
    assert_eq!(splits("runs/slow/seed_0"), splits("runs/fast/seed_1"));
    let page = fs::read_to_string(out.join("report.html")).unwrap();
    for part in ["Two rates", "Does a network learn faster", "The faster one is better.", "runs/slow/seed_0/report.html", "data:image/png"]
    {
        assert!(page.contains(part), "{part} is not on the page");
    }
    assert_eq!(fs::read_to_string(out.join("results.csv")).unwrap().lines().count(), 5);
    // The same command once more trains nothing and says the same.
    let again = sagittal(place.path(), &["study", "tiny.toml", "set", "-o", "out", "--json"]).exits(0).says("seed 1 is finished already");
    assert_eq!(again.json()["arms"], results["arms"]);
    sagittal(place.path(), &["study", "tiny.toml", "set", "-o", "out", "--epochs", "3"]).exits(2).says("a study of another length");
    fs::write(place.path().join("tiny.toml"), TINY.replace("0.01\n", "0.02\n")).unwrap();
    sagittal(place.path(), &["study", "tiny.toml", "set", "-o", "out"]).exits(2).says("another study");
}

#[test]
fn a_killed_study_goes_on_with_the_same_command() {
    let place = tempfile::tempdir().unwrap();
    prepare(place.path(), &TINY.replace("epochs = 2", "epochs = 8"));
    let words = ["study", "tiny.toml", "set", "-o", "out", "--json"];
    let mut child = Command::new(env!("CARGO_BIN_EXE_sagittal"))
        .args(words)
        .current_dir(place.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // In the middle of the second training: in its second epoch the checkpoint of the first is there.
    let progress = place.path().join("out/runs/fast/seed_0/fold_0/progress.jsonl");
    let start = Instant::now();
    while fs::read_to_string(&progress).map_or(0, |text| text.lines().count()) < 2 && child.try_wait().unwrap().is_none() {
        assert!(start.elapsed() < Duration::from_secs(300), "the second training does not begin");
        sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!place.path().join("out/report.html").exists());
    let first = fs::read(place.path().join("out/runs/slow/seed_0/fold_0/model.safetensors")).unwrap();
    let call = sagittal(place.path(), &words).exits(0);
    let call = call.says("slow, seed 0 is finished already").says("fast, seed 0, going on where it was interrupted");
    let runs = call.json()["arms"].as_array().unwrap().iter().map(|arm| arm["runs"].as_array().unwrap().len()).sum::<usize>();
    assert_eq!(runs, 4);
    assert_eq!(fs::read(place.path().join("out/runs/slow/seed_0/fold_0/model.safetensors")).unwrap(), first);
}

#[test]
fn an_arm_that_fails_does_not_stop_the_others() {
    let place = tempfile::tempdir().unwrap();
    prepare(place.path(), &TINY.replace("epochs = 2", "epochs = 1"));
    // Files where its runs should be.
    let arm = place.path().join("out/runs/fast");
    fs::create_dir_all(&arm).unwrap();
    (0..2).for_each(|seed| fs::write(arm.join(format!("seed_{seed}")), "").unwrap());
    let call = sagittal(place.path(), &["study", "tiny.toml", "set", "-o", "out", "--json"]).exits(1).says("arm fast, seed 0");
    let results = call.json();
    assert_eq!(results["failures"].as_array().unwrap().len(), 2, "{results}");
    assert_eq!(results["arms"][0]["runs"].as_array().unwrap().len(), 2);
    assert_eq!(results["claims"][1]["verdict"], "undecided");
    let page = fs::read_to_string(place.path().join("out/report.html")).unwrap();
    assert!(page.contains("Arm fast, seed 1"));
}

#[test]
fn what_cannot_be_studied_is_said_before_anything_starts() {
    let place = tempfile::tempdir().unwrap();
    prepare(place.path(), &TINY.replace("time = \"10m\"", "time = \"10m\"\nneeds = { axes = 2, because = 'it is about pictures' }"));
    let call = |words: &[&str]| sagittal(place.path(), &[&["study"], words].concat());
    call(&["tiny.toml", "set", "-o", "out"]).exits(2).says("Two rates").says("about 2-D images").says("it is about pictures");
    call(&["optimizers", "set", "-o", "out"]).exits(2).says("there is no study optimizers").says("optimisers");
    call(&["absent.toml", "set", "-o", "out"]).exits(2).says("absent.toml does not exist");
    call(&["optimisers", "set"]).exits(2).says("--output");
    call(&["optimisers"]).exits(2).says("DATASET");
    fs::write(place.path().join("tiny.toml"), TINY.replace("learning_rate = 0.01", "speed = 0.01")).unwrap();
    call(&["tiny.toml", "set", "-o", "out"]).exits(1).says("arm fast").says("speed");
    fs::write(place.path().join("tiny.toml"), TINY.replace("epochs = 2\n", "").replace("\"1s\"", "\"5m\"")).unwrap();
    call(&["tiny.toml", "set", "-o", "out", "--time", "2m"]).exits(2).says("too short for 2 arms").says("--time");
    assert!(!place.path().join("out/study.json").exists());
    call(&["optimisers", "--print"]).exits(0).prints("format_version = 1");
}

#[test]
fn a_dry_run_says_what_would_be_and_leaves_nothing() {
    let place = tempfile::tempdir().unwrap();
    prepare(place.path(), TINY);
    let call = sagittal(place.path(), &["study", "tiny.toml", "set", "--dry-run"]).exits(0);
    call.prints("Two rates").prints("2 arms, seeds 0, 1: 4 trainings").prints("Rate 0.01").prints("3 to learn from, 1 to validate on");
    let left: Vec<_> = fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}
