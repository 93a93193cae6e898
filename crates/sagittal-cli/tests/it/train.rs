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
    plan(place);
}

/// A plan for the data set `set` by which a small network trains for some seconds.
fn plan(place: &Path) {
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
fn a_training_on_pictures_with_a_field_of_view_scores_whole_images_beside() {
    let place = tempfile::tempdir().unwrap();
    sagittal(place.path(), &["phantom", "retina", "-o", "set", "--cases", "3", "--test-cases", "0"]).exits(0);
    sagittal(place.path(), &["plan", "set", "-o", "plan.json"]).exits(0);
    let mut plan: serde_json::Value = serde_json::from_slice(&fs::read(place.path().join("plan.json")).unwrap()).unwrap();
    plan["patch"] = json!([1, 64, 64]);
    plan["training"]["iterations_per_epoch"] = json!(1);
    plan["training"]["validation_iterations"] = json!(1);
    plan["training"]["epochs"] = json!(1);
    shrink_network(&mut plan, [4, 8]);
    (plan["network"]["kernels"], plan["network"]["strides"]) = (json!([[1, 3, 3], [1, 3, 3]]), json!([[1, 1, 1], [1, 2, 2]]));
    fs::write(place.path().join("plan.json"), plan.to_string()).unwrap();
    sagittal(place.path(), &[&TRAIN[..], &["run"]].concat()).exits(0);
    let metrics = fs::read(place.path().join("run/fold_0/validation/metrics.json")).unwrap();
    let metrics: serde_json::Value = serde_json::from_slice(&metrics).unwrap();
    assert_eq!((&metrics["region"], metrics["beside"].as_array().unwrap().len()), (&json!("field_of_view"), 1));
    assert_eq!(metrics["beside"][0]["subject"], "prediction");
    assert_eq!(metrics["beside"][0]["metrics"]["region"], "whole_image");
    sagittal(place.path(), &["report", "run"]).exits(0);
    let page = fs::read_to_string(place.path().join("run/report.html")).unwrap();
    assert!(page.contains("Side by side") && page.contains("prediction, whole image"));
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

/// Reads a JSON file, changes it and writes it back.
fn edit(file: &Path, change: impl FnOnce(&mut serde_json::Value)) {
    let mut value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    change(&mut value);
    fs::write(file, value.to_string()).unwrap();
}

#[test]
fn regions_are_learned_painted_and_scored_as_unions() {
    let place = tempfile::tempdir().unwrap();
    sagittal(place.path(), &["phantom", "hippocampus", "-o", "set", "--cases", "5", "--test-cases", "1"]).exits(0);
    edit(&place.path().join("set/dataset.json"), |set| {
        set["labels"] = json!({ "background": 0, "whole": [1, 2], "posterior": 2 });
        set["regions_class_order"] = json!([1, 2]);
    });
    plan(place.path());
    edit(&place.path().join("plan.json"), |plan| {
        (plan["training"]["epochs"], plan["training"]["learning_rate"]) = (json!(40), json!(0.01));
    });
    sagittal(place.path(), &[&TRAIN[..], &["run"]].concat()).exits(0).says("Dice whole ").prints("whole").prints("posterior");
    let progress = fs::read_to_string(place.path().join("run/fold_0/progress.jsonl")).unwrap();
    let epochs: Vec<serde_json::Value> = progress.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let loss = |epoch: &serde_json::Value| epoch["training_loss"].as_f64().unwrap();
    assert!(loss(&epochs[39]) < loss(&epochs[0]) - 0.3, "{progress}");
    let whole_dice = epochs[39]["validation_dice"][0].as_f64().unwrap();
    assert!(whole_dice > 0.3 && epochs[39]["validation_dice"].as_array().unwrap().len() == 2, "{progress}");
    // The whole is labels 1 and 2 together: of label 1 alone there is less.
    let scores: serde_json::Value =
        serde_json::from_slice(&fs::read(place.path().join("run/fold_0/validation/metrics.json")).unwrap()).unwrap();
    assert_eq!((&scores["labels"][0]["name"], &scores["labels"][1]["name"]), (&json!("whole"), &json!("posterior")), "{scores}");
    let reference = |label: usize| scores["cases"][0]["labels"][label]["reference_volume"].as_f64().unwrap();
    assert!(reference(0) > reference(1), "{scores}");

    sagittal(place.path(), &["predict", "run", "set/imagesTs", "-o", "out", "--no-mirror"]).exits(0);
    let evaluated = sagittal(place.path(), &["evaluate", "out", "set/labelsTs", "--json"]).exits(0).json();
    assert_eq!(evaluated["labels"][0]["name"], "whole", "{evaluated}");
    assert!(evaluated["cases"][0]["labels"][0]["dice"].as_f64().unwrap() > 0.1, "{evaluated}");
    sagittal(place.path(), &["report", "run"]).exits(0);
}

#[test]
fn the_last_stage_of_a_cascade_learns_from_what_every_fold_of_the_first_found() {
    let place = tempfile::tempdir().unwrap();
    prepare(place.path());
    let at = |name: &str| place.path().join(name);
    fs::copy(at("plan.json"), at("lowres.json")).unwrap();
    edit(&at("lowres.json"), |plan| {
        (plan["spacing_mm"], plan["patch"]) = (json!([2.0, 2.0, 2.0]), json!([8, 8, 8]));
        plan["training"]["epochs"] = json!(4);
    });
    edit(&at("plan.json"), |plan| {
        plan["previous_stage"] = json!("3d_lowres");
        plan["network"]["input_channels"] = json!(3);
        plan["training"]["epochs"] = json!(4);
    });
    let cascade = [&TRAIN[..], &["cascade", "--previous", "lowres"]].concat();
    sagittal(place.path(), &[&TRAIN[..], &["cascade"]].concat()).exits(2).says("name its run with --previous");
    let lowres = |fold: &str| {
        sagittal(place.path(), &["train", "set", "--plan", "lowres.json", "-o", "lowres", "--fold", fold]).exits(0);
    };
    ["0", "3"].into_iter().for_each(lowres);
    sagittal(place.path(), &cascade).exits(2).says("folds 1, 2, 4 of lowres have not been trained to the end").says("--fold 1");
    ["1", "2", "4"].into_iter().for_each(lowres);
    // What is missing of a finished fold is predicted by its own model.
    let lost = fs::read_dir(at("lowres/fold_2/validation")).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let lost = lost.into_iter().find(|path| path.to_string_lossy().ends_with(".nii.gz")).unwrap();
    let (name, before) = (lost.file_name().unwrap().to_owned(), fs::read(&lost).unwrap());
    fs::remove_file(&lost).unwrap();
    sagittal(place.path(), &cascade).exits(0);
    assert!(
        fs::read(at("cascade/previous_stage").join(name)).unwrap() == before,
        "the predicted labels differ from those of the validation"
    );
    assert!(at("cascade/fold_0/validation/metrics.json").is_file() && at("cascade/fold_0/training.gif").is_file());
    // The run remembers the stage before.
    sagittal(place.path(), &[&TRAIN[..], &["cascade", "--fold", "1"]].concat()).exits(0);
    sagittal(place.path(), &[&TRAIN[..], &["other", "--previous", "cascade"]].concat()).exits(2).says("itself the last stage");

    let image = fs::read_dir(at("set/imagesTr")).unwrap().next().unwrap().unwrap().path();
    let image = image.to_str().unwrap();
    sagittal(place.path(), &["predict", "lowres", "cascade", image, "-o", "out", "--no-mirror"]).exits(0);
    assert_eq!(fs::read_dir(at("out")).unwrap().count(), 1);
    sagittal(place.path(), &["predict", "cascade", image, "-o", "alone"]).exits(1).says("3d_lowres");
}

#[test]
fn a_training_goes_on_from_another_model_as_far_as_it_fits() {
    let place = tempfile::tempdir().unwrap();
    prepare(place.path());
    edit(&place.path().join("plan.json"), |plan| plan["training"]["epochs"] = json!(20));
    sagittal(place.path(), &[&TRAIN[..], &["first"]].concat()).exits(0);
    let model = "first/fold_0/model.safetensors";
    let first_loss = |run: &str| {
        let progress = fs::read_to_string(place.path().join(run).join("fold_0/progress.jsonl")).unwrap();
        serde_json::from_str::<serde_json::Value>(progress.lines().next().unwrap()).unwrap()["training_loss"].as_f64().unwrap()
    };
    // Without --plan by the model's plan; every array fits, and the loss begins where the first training led it.
    sagittal(place.path(), &["train", "set", "-o", "more", "--from", model, "--epochs", "1", "--seed", "7"])
        .exits(0)
        .says("training by the plan of the model")
        .says("starting from first/fold_0/model.safetensors: 16 of 16 arrays fit");
    assert!(first_loss("more") < first_loss("first") - 0.3, "{} and {}", first_loss("more"), first_loss("first"));
    let run: serde_json::Value = serde_json::from_slice(&fs::read(place.path().join("more/run.json")).unwrap()).unwrap();
    assert!(run["folds"]["0"]["from"].as_str().unwrap().ends_with(model), "{run}");
    // Going on takes the run's own weights.
    sagittal(place.path(), &["train", "set", "-o", "more", "--from", model, "--epochs", "2", "--seed", "7", "--resume"])
        .exits(0)
        .says("--from was taken at its beginning");

    // A class more: its head starts anew, and nothing else.
    edit(&place.path().join("set/dataset.json"), |set| set["labels"]["third"] = json!(3));
    sagittal(place.path(), &["train", "set", "-o", "classes", "--from", model, "--epochs", "1"])
        .exits(0)
        .says("starts anew: decoder.seg_layers.0.weight, expected [4, 4, 1, 1, 1], found [3, 4, 1, 1, 1]")
        .says("14 of 16 arrays fit");
    edit(&place.path().join("plan.json"), |plan| {
        plan["labels"].as_array_mut().unwrap().push(json!({ "value": 3, "name": "third" }));
        (plan["network"]["features"], plan["network"]["classes"]) = (json!([5, 9]), json!(4));
    });
    sagittal(place.path(), &[&TRAIN[..], &["none", "--from", model]].concat()).exits(2).says("none of the network's 16 arrays is in first");
    sagittal(place.path(), &["train", "set", "-o", "folder", "--from", "first"]).exits(2).says("name one file");
}

#[test]
fn a_time_without_a_plan_is_planned_for() {
    let place = tempfile::tempdir().unwrap();
    sagittal(place.path(), &["phantom", "hippocampus", "-o", "set", "--cases", "5", "--test-cases", "0"]).exits(0);
    sagittal(place.path(), &["train", "set", "-o", "run", "--time", "1s"])
        .exits(0)
        .says("planned for 1 second, because --plan was not given")
        .says("a step takes");
    let plan: serde_json::Value = serde_json::from_slice(&fs::read(place.path().join("run/plan.json")).unwrap()).unwrap();
    // A second is so little that the smallest network is chosen.
    assert_eq!((&plan["training"]["time_s"], &plan["network"]["features"][0]), (&json!(1.0), &json!(8)), "{plan}");
}

/// Sends the signal that Ctrl-C sends.
#[cfg(unix)]
pub(super) fn interrupt(child: &std::process::Child) {
    Command::new("sh").args(["-c", &format!("kill -INT {}", child.id())]).status().unwrap();
}

#[cfg(unix)]
#[test]
fn ctrl_c_leaves_a_model_a_result_and_its_own_exit_code() {
    let place = tempfile::tempdir().unwrap();
    prepare(place.path());
    let words = [&TRAIN[..], &["run", "--epochs", "100000", "--json"]].concat();
    let child = Command::new(env!("CARGO_BIN_EXE_sagittal"))
        .args(words)
        .current_dir(place.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while n_epochs(&place.path().join("run")) < 1 {
        assert!(start.elapsed() < Duration::from_secs(300), "the first epoch does not end");
        sleep(Duration::from_millis(5));
    }
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&result["stopped"], &result["trained"]), (&json!(true), &json!(false)), "{result}");
    assert!(result["steps"].as_u64().unwrap() >= 5 && place.path().join(result["model"].as_str().unwrap()).is_file(), "{result}");
    // The weights so far predict, the best ones too.
    let image = fs::read_dir(place.path().join("set/imagesTr")).unwrap().next().unwrap().unwrap().path();
    for checkpoint in ["latest", "final", "best"] {
        let words = ["predict", "run", image.to_str().unwrap(), "-o", checkpoint, "--no-mirror", "--checkpoint", checkpoint];
        sagittal(place.path(), &words).exits(0);
    }
    fs::remove_file(place.path().join("run/fold_0/best.safetensors")).unwrap();
    sagittal(place.path(), &["predict", "run", image.to_str().unwrap(), "-o", "none", "--checkpoint", "best"])
        .exits(2)
        .says("no fold_*/best.safetensors");
}
