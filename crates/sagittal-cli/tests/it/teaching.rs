//! `sagittal train`: from a teacher, from all batches at once, and without labels first.

use std::fs;

use serde_json::{Value, json};

use super::{sagittal, shrink_network, train::prepare};

/// Reads a JSON file, changes it and writes it under another name.
fn edited(place: &std::path::Path, from: &str, to: &str, change: impl FnOnce(&mut Value)) {
    let mut value = serde_json::from_slice(&fs::read(place.join(from)).unwrap()).unwrap();
    change(&mut value);
    fs::write(place.join(to), value.to_string()).unwrap();
}

fn read(place: &std::path::Path, file: &str) -> Value {
    serde_json::from_slice(&fs::read(place.join(file)).unwrap()).unwrap()
}

/// The header of a model.
fn header(place: &std::path::Path, file: &str) -> Value {
    let bytes = fs::read(place.join(file)).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let outer: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    serde_json::from_str(outer["__metadata__"]["sagittal"].as_str().unwrap()).unwrap()
}

#[test]
fn a_student_learns_from_the_teacher_that_its_run_and_model_name() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    prepare(place);
    sagittal(place, &["train", "set", "--plan", "plan.json", "-o", "large", "--epochs", "2"]).exits(0);
    edited(place, "plan.json", "small.json", |plan| shrink_network(plan, [2, 4]));
    let teacher = "large/fold_0/model.safetensors";
    let student = |run: &'static str, more: &[&str]| {
        let words = ["train", "set", "--plan", "small.json", "-o", run, "--epochs", "2"];
        sagittal(place, &[&words[..], more].concat())
    };
    student("small", &["--teacher", teacher]).exits(0).says("which looks at every batch");
    let (run, model) = (read(place, "small/run.json"), header(place, "small/fold_0/model.safetensors"));
    let named = &run["folds"]["0"]["teacher"];
    assert!(named["path"].as_str().unwrap().ends_with(teacher) && named["sha256"].as_str().unwrap().len() == 64, "{run}");
    assert_eq!(&model["provenance"]["teacher"], named);
    let rule = json!({ "kind": "logits", "temperature": 2.0, "weight": 0.5 });
    assert_eq!(read(place, "small/plan.json")["training"]["distillation"], rule);
    // A run as the teacher stands for its model of the same fold.
    student("again", &["--teacher", "large"]).exits(0);
    let bytes = |run: &str| fs::read(place.join(run).join("fold_0/model.safetensors")).unwrap();
    let weights = |bytes: Vec<u8>| bytes[8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize..].to_vec();
    assert!(weights(bytes("small")) == weights(bytes("again")), "the weights differ");
    sagittal(place, &["train", "set", "-o", "small", "--epochs", "3", "--resume"]).exits(0).says("which looks at every batch");
    // Another teacher is none to go on with.
    student("large2", &[]).exits(0);
    let other = "large2/fold_0/model.safetensors";
    sagittal(place, &["train", "set", "-o", "small", "--epochs", "4", "--resume", "--teacher", other])
        .exits(1)
        .says("expected teacher_sha256");
    sagittal(place, &["train", "set", "-o", "large2", "--epochs", "4", "--resume", "--teacher", other]).exits(2).says("has no teacher");

    edited(place, "small.json", "alone.json", |plan| plan["training"]["distillation"] = json!({ "weight": 1.0 }));
    sagittal(place, &["train", "set", "--plan", "alone.json", "-o", "none"]).exits(2).says("name its model with --teacher");
    edited(place, "alone.json", "other.json", |plan| plan["spacing_mm"] = json!([2.0, 1.0, 1.0]));
    sagittal(place, &["train", "set", "--plan", "other.json", "-o", "none2", "--teacher", teacher])
        .exits(2)
        .says("spacing_mm")
        .says("copy that field from the teacher's plan.json");
    edited(place, "alone.json", "other.json", |plan| plan["channels"][0]["normalization"] = json!("none"));
    sagittal(place, &["train", "set", "--plan", "other.json", "-o", "none3", "--teacher", teacher])
        .exits(2)
        .says("the normalisation of channels");
}

/// Patches stay where they lie.
fn move_nothing(plan: &mut Value) {
    let augmentation = &mut plan["training"]["augmentation"];
    for field in ["rotation", "scaling"] {
        augmentation[field]["probability"] = json!(0.0);
    }
    augmentation["mirror_probability"] = json!(0.0);
}

#[test]
fn a_teacher_that_sees_volumes_teaches_slices_by_whole_cases() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    prepare(place);
    sagittal(place, &["train", "set", "--plan", "plan.json", "-o", "large", "--epochs", "1"]).exits(0);
    edited(place, "plan.json", "slices.json", |plan| {
        plan["patch"] = json!([1, 16, 16]);
        shrink_network(plan, [2, 4]);
        (plan["network"]["kernels"], plan["network"]["strides"]) = (json!([[1, 3, 3], [1, 3, 3]]), json!([[1, 1, 1], [1, 2, 2]]));
        plan["training"]["mirror_axes"] = json!([1, 2]);
        plan["training"]["epochs"] = json!(2);
    });
    let train = |plan: &str, run: &str| {
        sagittal(place, &["train", "set", "--plan", plan, "-o", run, "--teacher", "large/fold_0/model.safetensors"])
    };
    train("slices.json", "moved").exits(2).says("training.augmentation.rotation.probability").says("to 0 in the plan");
    edited(place, "slices.json", "still.json", move_nothing);
    train("still.json", "slices").exits(0).says("has looked at all training cases as a whole");
    // One that could look at every batch does so too, where it is asked to.
    edited(place, "plan.json", "early.json", |plan| {
        plan["training"]["distillation"] = json!({ "beforehand": true });
        plan["training"]["epochs"] = json!(1);
    });
    train("early.json", "early").exits(2).says("training.distillation.beforehand is set").says("to 0 in the plan");
    edited(place, "early.json", "early_still.json", |plan| plan["training"]["augmentation"]["enabled"] = json!(false));
    train("early_still.json", "early_still").exits(0).says("has looked at all training cases as a whole");
    // What the teacher said is kept with the cases and used again.
    sagittal(place, &["train", "set", "-o", "slices", "--epochs", "3", "--resume"]).exits(0).says("resuming after step 10");
}

#[test]
fn layers_learn_without_labels_first_and_the_report_shows_how() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    prepare(place);
    edited(place, "plan.json", "pretraining.json", |plan| {
        plan["training"]["pretraining"] = json!({ "length": { "epochs": 8 }, "noise": { "masking": 0.25 } });
        plan["training"]["full_batch"] = json!(2);
    });
    let train = |run: &str| sagittal(place, &["train", "set", "--plan", "pretraining.json", "-o", run, "--epochs", "1"]);
    train("run").exits(0).says("without labels: layer 1 of").says("which is part of the training's time");
    let record = read(place, "run/fold_0/pretraining.json");
    let layers = record["layers"].as_array().unwrap();
    assert!(layers.len() >= 2 && layers[0]["layer"].as_str().unwrap().starts_with("encoder.stages.0"), "{record}");
    assert_eq!(layers.iter().map(|layer| layer["steps"].as_u64().unwrap()).sum::<u64>(), 40);
    train("again").exits(0);
    let bytes = |run: &str| fs::read(place.join(run).join("fold_0/model.safetensors")).unwrap();
    assert!(bytes("run") == bytes("again"), "the models differ");
    sagittal(place, &["report", "run"]).exits(0);
    assert!(fs::read_to_string(place.join("run/report.html")).unwrap().contains("Restoring the input"));

    sagittal(place, &["train", "set", "--plan", "plan.json", "-o", "none", "--time", "3s", "--pretrain", "4s"])
        .exits(2)
        .says("leaves nothing of 3 seconds");
    sagittal(place, &["train", "set", "-o", "run", "--resume", "--pretrain", "4s"]).exits(2).says("has another pre-training");
    sagittal(place, &["train", "set", "--net", "patch-2d", "-o", "voxels", "--time", "6s", "--pretrain", "50%"])
        .exits(0)
        .says("without labels: layer 3 of 3, dense.0: error");
    sagittal(place, &["train", "set", "--plan", "plan.json", "-o", "short", "--time", "2s", "--pretrain", "30%"]).exits(0);
    assert_eq!(read(place, "short/plan.json")["training"]["pretraining"]["length"], json!({ "part": 0.3 }));
}
