//! The post's network from plan to report, on the phantom of the retina.

use std::{fs, path::Path};

use serde_json::{Value, json};

use super::sagittal;

/// A phantom of pictures, and the post's plan for it made small: 16 x 12 pixels, 8 hidden units.
fn prepare(place: &Path, change: impl FnOnce(&mut Value)) {
    sagittal(place, &["phantom", "retina", "-o", "set", "--cases", "5", "--test-cases", "1"]).exits(0);
    sagittal(place, &["plan", "set", "--net", "image-to-mask", "-o", "plan.json"]).exits(0).prints("106.5 million parameters");
    let mut plan: Value = serde_json::from_slice(&fs::read(place.join("plan.json")).unwrap()).unwrap();
    assert_eq!((&plan["network"]["size"], &plan["training"]["schedule"]), (&json!([64, 64]), &json!("constant")));
    plan["network"]["size"] = json!([16, 12]);
    plan["patch"] = json!([1, 16, 12]);
    plan["network"]["head"] = json!({ "dense": { "units": 8 } });
    plan["training"]["epochs"] = json!(2);
    change(&mut plan);
    fs::write(place.join("plan.json"), plan.to_string()).unwrap();
}

fn metrics(place: &Path, run: &str) -> Value {
    serde_json::from_slice(&fs::read(place.join(run).join("fold_0/validation/metrics.json")).unwrap()).unwrap()
}

#[test]
fn the_post_trains_resumes_predicts_and_is_reported() {
    let place = tempfile::tempdir().unwrap();
    let at = place.path();
    prepare(at, |plan| plan["training"]["epochs"] = json!(4));
    let train = ["train", "set", "--plan", "plan.json", "-o"];
    sagittal(at, &[&train[..], &["whole"]].concat()).exits(0).prints("cases scored");
    let gif = fs::read(at.join("whole/fold_0/training.gif")).unwrap();
    assert!(gif.starts_with(b"GIF8"));
    let files = fs::read_dir(at.join("whole/fold_0/training_gif")).unwrap().flatten();
    let names: Vec<String> = files.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    let epochs_of = |part: &str| {
        let mut epochs: Vec<&str> = names.iter().filter(|name| name.contains(part)).filter_map(|name| name.get(..11)).collect();
        epochs.sort_unstable();
        epochs
    };
    // Of epochs that are shorter than drawing a frame takes, not every one has a frame; but each frame has its probabilities in grey.
    let grey = epochs_of("_probability");
    assert!(grey.first() == Some(&"epoch_00001") && grey == epochs_of("_dice") && grey.len() <= 4, "{names:?}");
    // Twice with the same seed: bit by bit the same.
    sagittal(at, &[&train[..], &["again"]].concat()).exits(0);
    let model = |run: &str| fs::read(at.join(run).join("fold_0/model.safetensors")).unwrap();
    assert!(model("whole") == model("again"));
    sagittal(at, &["train", "set", "-o", "again", "--resume"]).exits(0);
    assert!(model("whole") == model("again"));
    sagittal(at, &["predict", "whole", "set", "-o", "predicted", "--probabilities"]).exits(0);
    assert!(fs::read_dir(at.join("predicted")).unwrap().flatten().count() >= 1);
    sagittal(at, &["report", "whole"]).exits(0);
    let page = fs::read_to_string(at.join("whole/report.html")).unwrap();
    assert!(page.contains("from a picture of 16 x 12 to its mask"), "the plan's words are missing");
}

#[test]
fn every_step_of_the_repair_trains_and_variety_is_measured() {
    type Step = (&'static str, fn(&mut Value));
    let steps: [Step; 5] = [
        ("normalized", |plan| plan["training"]["loss"] = json!("normalized_cross_entropy")),
        ("linear", |plan| plan["network"]["logits"] = json!("linear")),
        ("classes", |plan| {
            plan["network"]["output"] = json!("classes_of_pixels");
            plan["training"]["loss"] = json!("cross_entropy");
        }),
        ("augmented", |plan| plan["training"]["augmentation"]["enabled"] = json!(true)),
        ("convolution", |plan| plan["network"]["head"] = json!("convolution")),
    ];
    let place = tempfile::tempdir().unwrap();
    let at = place.path();
    prepare(at, |plan| plan["training"]["learning_rate"] = json!(0.001));
    let mut plan: Value = serde_json::from_slice(&fs::read(at.join("plan.json")).unwrap()).unwrap();
    sagittal(at, &["train", "set", "--plan", "plan.json", "-o", "post"]).exits(0);
    // Of five cases a fold holds out one; two are needed to be compared.
    assert!(metrics(at, "post")["variety"].is_null());
    let mut splits: Value = serde_json::from_slice(&fs::read(at.join("post/splits.json")).unwrap()).unwrap();
    let moved = splits[0]["train"].as_array_mut().unwrap().pop().unwrap();
    splits[0]["val"].as_array_mut().unwrap().push(moved);
    for (name, step) in steps {
        step(&mut plan);
        fs::write(at.join("plan.json"), plan.to_string()).unwrap();
        fs::create_dir_all(at.join(name)).unwrap();
        fs::write(at.join(name).join("splits.json"), splits.to_string()).unwrap();
        sagittal(at, &["train", "set", "--plan", "plan.json", "-o", name]).exits(0).prints("from image to image predictions differ");
        let variety = &metrics(at, name)["variety"];
        assert_eq!((&variety["grid"], &variety["n_cases"]), (&json!([1, 16, 12]), &json!(2)), "{name}");
        assert!(variety["reference"].as_f64().unwrap() > 0.0, "{name}: {variety}");
        sagittal(at, &["report", name]).exits(0);
        assert!(fs::read_to_string(at.join(name).join("report.html")).unwrap().contains("Variety:"), "{name}");
    }
}

#[test]
fn volumes_and_other_programs_are_refused_by_name() {
    let place = tempfile::tempdir().unwrap();
    let at = place.path();
    sagittal(at, &["phantom", "hippocampus", "-o", "volumes", "--cases", "3", "--test-cases", "0"]).exits(0);
    sagittal(at, &["train", "volumes", "--net", "image-to-mask", "-o", "run"]).exits(1).says("image-to-mask for volumes");
    prepare(at, |plan| plan["training"]["epochs"] = json!(1));
    sagittal(at, &["train", "set", "--plan", "plan.json", "-o", "run2"]).exits(0);
    let model = "run2/fold_0/model.safetensors";
    sagittal(at, &["export", "onnx", model, "-o", "model.onnx"]).exits(1).says("image_to_mask").says("export safetensors instead");
    sagittal(at, &["export", "nnunet", "run2", "-o", "folder"]).exits(1).says("image_to_mask");
    // A model of its own goes on learning there.
    sagittal(at, &["train", "set", "--from", model, "-o", "on", "--epochs", "1"]).exits(0);
}
