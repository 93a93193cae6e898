//! Voxel classifiers by `sagittal plan`, `train`, `predict`, `export`.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    thread::sleep,
    time::Duration,
};

use sagittal_nets::{ModelFile, Parameter};
use sagittal_tensor::Device;
use serde_json::{Value, json};

use super::sagittal;

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Plans `set` for a network by name, and makes it so small that it trains in a second.
fn plan(place: &Path, net: &str, epochs: usize) -> Value {
    plan_with(place, net, epochs, &[])
}

fn plan_with(place: &Path, net: &str, epochs: usize, more: &[&str]) -> Value {
    let words = [&["plan", "set", "--net", net, "-o", "plan.json"], more].concat();
    sagittal(place, &words).exits(0).prints("voxel classifier (Lai 2015)").prints("Region");
    let mut plan = read(&place.join("plan.json"));
    let network = &mut plan["network"];
    (network["side"], network["kernel"]) = (json!(8), json!(3));
    (network["filters"], network["dense"]) = (json!([4, 6]), json!([16]));
    plan["batch_size"] = json!(16);
    let training = &mut plan["training"];
    (training["epochs"], training["iterations_per_epoch"], training["validation_iterations"]) = (json!(epochs), json!(4), json!(1));
    fs::write(place.join("plan.json"), plan.to_string()).unwrap();
    plan
}

const TRAIN: [&str; 5] = ["train", "set", "--plan", "plan.json", "-o"];

#[test]
fn each_of_the_four_trains_cleans_up_and_predicts_inside_its_box() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    sagittal(place, &["phantom", "hippocampus", "-o", "set", "--cases", "5", "--test-cases", "1"]).exits(0);
    for net in ["patch-2d", "patch-stacked2d", "patch-triplanar", "patch-3d"] {
        let planned = plan(place, net, 1);
        assert!(planned["region_of_interest"]["box"].is_array(), "{net}: {planned}");
        sagittal(place, &[&TRAIN[..], &[net]].concat()).exits(0).says("clean-up");
        let model = format!("{net}/fold_0/model.safetensors");
        let out = format!("labels-{net}");
        sagittal(place, &["predict", &model, "set", "-o", &out]).exits(0).prints("wrote 1 label map");
        sagittal(place, &["export", "safetensors", &model, "-o", &format!("{net}.safetensors")]).exits(0);
        sagittal(place, &["export", "onnx", &model, "-o", "x.onnx"]).exits(1).says("patch");
    }
    sagittal(place, &["report", "patch-3d"]).exits(0);
    assert!(fs::read_to_string(place.join("patch-3d/report.html")).unwrap().contains("voxel classifier patch-3d"));
    // Two of one plan, as the folds of a run.
    sagittal(place, &["predict", "patch-3d", "patch-2d", "set", "-o", "together"]).exits(0).says("2 model(s)");
    let message = sagittal(place, &["train", "set", "--plan", "plan.json", "-o", "x", "--roi", "set/labelsTr"]).exits(2);
    message.says("--roi set/labelsTr has no meaning");
}

#[test]
fn logits_are_corrected_for_how_frequent_labels_are_unless_the_plan_says_no() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    sagittal(place, &["phantom", "hippocampus", "-o", "set", "--cases", "5", "--test-cases", "0"]).exits(0);
    let mut planned = plan(place, "patch-2d", 3);
    (planned["training"]["iterations_per_epoch"], planned["training"]["learning_rate"]) = (json!(60), json!(0.003));
    fs::write(place.join("plan.json"), planned.to_string()).unwrap();
    sagittal(place, &[&TRAIN[..], &["corrected"]].concat()).exits(0).says("% of it, which raises the mean Dice from");
    planned["training"]["correct_frequencies"] = json!(false);
    fs::write(place.join("plan.json"), planned.to_string()).unwrap();
    let balanced = sagittal(place, &[&TRAIN[..], &["balanced"]].concat()).exits(0);
    assert!(!balanced.err.contains("correction"), "{}", balanced.err);

    let model = |run: &str| ModelFile::read(&place.join(run).join("fold_0/model.safetensors"), &Device::cpu()).unwrap();
    let (corrected, balanced) = (model("corrected"), model("balanced"));
    let part = corrected.header["provenance"]["frequency_correction"].as_f64();
    assert!(part.is_some_and(|part| [0.25, 0.5, 0.75, 1.0].contains(&part)), "{part:?}");
    assert!(balanced.header["provenance"]["frequency_correction"].is_null());
    let (corrected, balanced) = (corrected.network, balanced.network);
    for (a, b) in corrected.parameters().iter().zip(balanced.parameters().iter()) {
        let numbers = |parameter: &Parameter| parameter.value.clone().into_data().iter::<f32>().collect::<Vec<_>>();
        if a.name != "dense.1.bias" {
            assert_eq!(numbers(a), numbers(b), "{}", a.name);
            continue;
        }
        let shift: Vec<f32> = numbers(a).iter().zip(numbers(b)).map(|(a, b)| a - b).collect();
        // The background is more frequent than among samples, every structure less.
        assert!(shift[0] > 0.0 && shift[1..].iter().all(|shift| *shift < 0.0), "{shift:?}");
    }
}

#[test]
fn killed_and_resumed_gives_the_weights_of_an_unbroken_run() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    sagittal(place, &["phantom", "hippocampus", "-o", "set", "--cases", "5", "--test-cases", "0"]).exits(0);
    plan(place, "patch-triplanar", 6);
    sagittal(place, &[&TRAIN[..], &["unbroken"]].concat()).exits(0);
    let words = [&TRAIN[..], &["broken", "--resume"]].concat();
    let mut program = Command::new(env!("CARGO_BIN_EXE_sagittal"));
    let mut child = program.args(&words).current_dir(place).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let progress = place.join("broken/fold_0/progress.jsonl");
    while fs::read_to_string(&progress).map_or(0, |text| text.lines().count()) < 2 && child.try_wait().unwrap().is_none() {
        sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    sagittal(place, &words).exits(0);
    let read = |run: &str| fs::read(place.join(run).join("fold_0/model.safetensors")).unwrap();
    assert!(read("unbroken") == read("broken"), "the models differ");
}

#[test]
fn a_run_keeps_the_masks_that_it_was_begun_with() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    sagittal(place, &["phantom", "hippocampus", "-o", "set", "--cases", "5", "--test-cases", "0"]).exits(0);
    let masks = ["--roi", "set/labelsTr"];
    assert_eq!(plan_with(place, "patch-2d", 1, &["--roi"])["region_of_interest"], "masks");
    sagittal(place, &[&TRAIN[..], &["none"]].concat()).exits(1).says("name the folder of the masks with --roi");
    sagittal(place, &[&TRAIN[..], &["run"], &masks[..]].concat()).exits(0);
    let recorded = read(&place.join("run/run.json"))["roi"].as_str().map(str::to_owned).unwrap();
    assert!(recorded.ends_with("labelsTr") && Path::new(&recorded).is_absolute(), "{recorded}");
    sagittal(place, &["train", "set", "-o", "run", "--resume", "--epochs", "2"]).exits(0).says("resuming after step 4");
}

#[test]
fn pictures_with_a_field_of_view_are_labelled_inside_it_and_others_need_masks() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    sagittal(place, &["phantom", "retina", "-o", "set", "--cases", "3", "--test-cases", "1"]).exits(0);
    let planned = plan(place, "patch-2d", 1);
    assert_eq!(planned["region_of_interest"], "masks");
    sagittal(place, &[&TRAIN[..], &["run"]].concat()).exits(0);
    sagittal(place, &["predict", "run", "set", "-o", "labels"]).exits(0);
    sagittal(place, &["predict", "run", "set/test/images", "-o", "x"]).exits(1).prints("--roi");
    sagittal(place, &["plan", "set", "--net", "patch-3d"]).exits(1).says("2-D images have neither");
}
