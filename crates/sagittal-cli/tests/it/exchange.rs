//! `sagittal import` and `sagittal export`: nnU-Net's models give nnU-Net's labels, and ours survive the way there and back.

use std::{
    fs,
    path::{Path, PathBuf},
};

use sagittal_image::{Volume, io};
use sagittal_testing::{read_npz, shared_data};
use serde_json::{Value, json};

use super::{files, sagittal};

/// Part of the voxels that must have nnU-Net's label. It adds logits up in float16, so that ties fall either way.
const AGREEMENT: f64 = 0.9999;
/// Largest difference of a label's volume, as a part of it, and the voxels by which a small label may differ all the same.
const VOLUME: f64 = 0.001;
const VOXELS: usize = 2;

fn label_maps(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(".nii.gz"))
        .collect();
    files.sort();
    files
}

fn compare(found: &Volume<u16>, expected: &Volume<u16>, what: &str) {
    assert_eq!(found.shape(), expected.shape(), "{what}");
    let n = expected.voxels().len();
    let equal = found.voxels().iter().zip(expected.voxels()).filter(|(a, b)| a == b).count();
    assert!(equal as f64 >= AGREEMENT * n as f64, "{what}: {equal} of {n} voxels agree");
    for label in 1..=2u16 {
        let count = |volume: &Volume<u16>| volume.voxels().iter().filter(|voxel| **voxel == label).count();
        let (found, expected) = (count(found), count(expected));
        let difference = found.abs_diff(expected);
        assert!(difference <= VOXELS || difference as f64 <= VOLUME * expected as f64, "{what}, label {label}: {found} of {expected}");
    }
}

#[test]
fn imported_models_give_the_labels_of_nnunet() {
    let Some(goldens) = shared_data("goldens") else { return };
    let place = tempfile::tempdir().unwrap();
    for (golden, with_plain) in [("hippocampus-3d", true), ("hippocampus-2d", false)] {
        let folder = goldens.join(golden);
        let (model, inputs) = (folder.join("model"), folder.join("inputs"));
        let (model, inputs) = (model.to_str().unwrap(), inputs.to_str().unwrap());
        let run = format!("{golden}-run");
        sagittal(place.path(), &["import", "nnunet", model, "-o", &run]).exits(0).prints("fold 0");
        sagittal(place.path(), &["predict", &run, inputs, "-o", "mirrored"]).exits(0);
        let mut sets = vec!["mirrored"];
        if with_plain {
            sagittal(place.path(), &["predict", &run, inputs, "-o", "plain", "--no-mirror"]).exits(0);
            sets.push("plain");
        }
        for set in sets {
            let expected = label_maps(&folder.join(set));
            assert!(!expected.is_empty());
            for file in expected {
                let found = place.path().join(set).join(file.file_name().unwrap());
                let (found, expected) = (io::read_label_map(&found).unwrap(), io::read_label_map(&file).unwrap());
                compare(&found.labels, &expected.labels, &file.display().to_string());
            }
        }
    }
}

#[test]
fn an_imported_model_survives_the_way_to_nnunet_and_back() {
    let Some(goldens) = shared_data("goldens") else { return };
    let place = tempfile::tempdir().unwrap();
    let model = goldens.join("hippocampus-2d/model");
    let input = goldens.join("hippocampus-2d/inputs/slices_4mm_0000.nii.gz");
    sagittal(place.path(), &["import", "nnunet", model.to_str().unwrap(), "-o", "first.safetensors"]).exits(0);
    sagittal(place.path(), &["export", "nnunet", "first.safetensors", "-o", "theirs"]).exits(0).prints("-f 0");
    sagittal(place.path(), &["import", "nnunet", "theirs", "-o", "second.safetensors"]).exits(0);
    for model in ["first", "second"] {
        sagittal(place.path(), &["predict", &format!("{model}.safetensors"), input.to_str().unwrap(), "-o", model, "--no-mirror"]).exits(0);
    }
    let read = |folder: &str| io::read_label_map(&place.path().join(folder).join("slices_4mm.nii.gz")).unwrap().labels;
    assert_eq!(read("first"), read("second"));
    for (format, file) in [("onnx", "x.onnx"), ("safetensors", "x.safetensors")] {
        sagittal(place.path(), &["export", format, "first.safetensors", "-o", file]).exits(0);
        let bytes = fs::read(place.path().join(file)).unwrap();
        let has = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(has("decoder.seg_layers.2.weight") && has("axis_order"), "{file}");
    }
    // A folder that holds something is not written into.
    sagittal(place.path(), &["export", "nnunet", "first.safetensors", "-o", "theirs"]).exits(2).says("theirs holds something already");
}

#[test]
fn what_is_no_model_is_refused_with_a_sentence() {
    let place = tempfile::tempdir().unwrap();
    let import = |model: &str| sagittal(place.path(), &["import", "nnunet", model, "-o", "out"]);
    import("nowhere").exits(2).says("nowhere does not exist");
    files::write_image(&place.path().join("folder/scan.nii.gz"), 3);
    import("folder").exits(1).says("holds no trained model");
    fs::write(place.path().join("broken.zip"), b"PK\x03\x04 broken off").unwrap();
    import("broken.zip").exits(1).says("neither a folder nor a zip");
    fs::create_dir_all(place.path().join("model/fold_0")).unwrap();
    for (file, text) in [("plans.json", "{}"), ("dataset.json", "{}"), ("fold_0/checkpoint_final.pth", "no checkpoint")] {
        fs::write(place.path().join("model").join(file), text).unwrap();
    }
    import("model").exits(1).says("fold_0/checkpoint_final.pth: not a file of torch.save");
    sagittal(place.path(), &["import", "nnunet", "model", "-o", "out", "--fold", "3"]).exits(1).says("has no fold_3/checkpoint_final.pth");
    assert!(!place.path().join("out").exists());
}

#[test]
fn what_would_give_other_labels_is_refused_by_name() {
    let Some(goldens) = shared_data("goldens") else { return };
    let place = tempfile::tempdir().unwrap();
    let source = goldens.join("hippocampus-2d/model");
    let model = place.path().join("model");
    fs::create_dir_all(model.join("fold_0")).unwrap();
    for file in ["dataset.json", "fold_0/checkpoint_final.pth"] {
        fs::copy(source.join(file), model.join(file)).unwrap();
    }
    let plans: Value = serde_json::from_slice(&fs::read(source.join("plans.json")).unwrap()).unwrap();
    let changes = [
        ("/image_reader_writer", json!("Tiff3DIO"), "image_reader_writer"),
        ("/label_manager", json!("MyLabels"), "label_manager"),
        ("/configurations/2d/preprocessor_name", json!("MyPreprocessor"), "configurations.2d.preprocessor_name"),
        ("/configurations/2d/normalization_schemes/0", json!("MyNormalization"), "normalization_schemes"),
        ("/configurations/2d/resampling_fn_data", json!("resample_torch_fornnunet"), "configurations.2d.resampling_fn_data"),
        ("/configurations/2d/resampling_fn_data_kwargs/order", json!(1), "resampling_fn_data_kwargs.order"),
        ("/configurations/2d/resampling_fn_probabilities_kwargs/order", json!(0), "resampling_fn_probabilities_kwargs.order"),
        ("/configurations/2d/architecture/network_class_name", json!("my.MambaNet"), "architecture.network_class_name"),
        ("/configurations/2d/architecture/arch_kwargs/norm_op", json!("torch.nn.BatchNorm2d"), "arch_kwargs.norm_op"),
    ];
    for (field, value, says) in changes {
        let mut changed = plans.clone();
        *changed.pointer_mut(field).unwrap_or_else(|| panic!("no {field}")) = value;
        fs::write(model.join("plans.json"), changed.to_string()).unwrap();
        sagittal(place.path(), &["import", "nnunet", "model", "-o", "out"]).exits(1).says(says).says("plans.json");
    }
    // The second stage of a cascade resamples labels, too.
    let mut changed = plans;
    changed["configurations"]["2d"]["resampling_fn_seg_kwargs"]["order"] = json!(0);
    fs::write(model.join("plans.json"), changed.to_string()).unwrap();
    sagittal(place.path(), &["import", "nnunet", "model", "-o", "out"]).exits(0);
    changed["configurations"]["2d"]["previous_stage"] = json!("3d_lowres");
    fs::write(model.join("plans.json"), changed.to_string()).unwrap();
    sagittal(place.path(), &["import", "nnunet", "model", "-o", "again"]).exits(1).says("resampling_fn_seg_kwargs.order");
}

#[test]
fn nothing_else_is_replaced_and_no_other_configuration_taken() {
    let Some(goldens) = shared_data("goldens") else { return };
    let place = tempfile::tempdir().unwrap();
    let model = goldens.join("hippocampus-2d/model");
    let model = model.to_str().unwrap();
    let import = |more: &[&str]| sagittal(place.path(), &[&["import", "nnunet", model], more].concat());
    import(&["-o", "m.safetensors", "--configuration", "3d_lowres"]).exits(1).says("a model of configuration 2d, not of 3d_lowres");
    import(&["-o", "m.safetensors", "--configuration", "2d"]).exits(0);
    import(&["-o", "x", "--checkpoint", "best"]).exits(1).says("its checkpoints: checkpoint_final.pth");
    files::write_image(&place.path().join("scan.nii.gz"), 3);
    let before = fs::read(place.path().join("scan.nii.gz")).unwrap();
    import(&["-o", "scan.nii.gz"]).exits(2).says("scan.nii.gz is a file; name a new folder");
    for (format, cure) in [("onnx", "no .onnx file"), ("safetensors", "no .safetensors file"), ("nnunet", "is a file")] {
        sagittal(place.path(), &["export", format, "m.safetensors", "-o", "scan.nii.gz"]).exits(2).says(cure);
    }
    assert_eq!(fs::read(place.path().join("scan.nii.gz")).unwrap(), before);
    sagittal(place.path(), &["export", "safetensors", "m.safetensors", "-o", "m.safetensors"])
        .exits(2)
        .says("would become weights without a plan");
    // An import may be done again; anything else of that name stays.
    import(&["-o", "m.safetensors"]).exits(0);
    sagittal(place.path(), &["export", "safetensors", "m.safetensors", "-o", "weights.safetensors"]).exits(0);
    import(&["-o", "weights.safetensors"]).exits(2).says("was not imported");
    sagittal(place.path(), &["predict", "m.safetensors", "scan.nii.gz", "-o", "scan.nii.gz"]).exits(2).says("is a file; name a folder");
    sagittal(place.path(), &["predict", model, "scan.nii.gz", "-o", "out"]).exits(2).says("take it over first: sagittal import nnunet");
}

#[test]
fn two_configurations_are_averaged_by_their_probabilities() {
    let Some(goldens) = shared_data("goldens") else { return };
    let place = tempfile::tempdir().unwrap();
    let input = goldens.join("hippocampus-2d/inputs/slices_4mm_0000.nii.gz");
    let input = input.to_str().unwrap();
    for (golden, run) in [("hippocampus-3d", "a"), ("hippocampus-2d", "b")] {
        let model = goldens.join(golden).join("model");
        sagittal(place.path(), &["import", "nnunet", model.to_str().unwrap(), "-o", run]).exits(0);
        sagittal(place.path(), &["predict", run, input, "-o", &format!("of_{run}"), "--probabilities", "--no-mirror"]).exits(0);
    }
    let call = ["predict", "a", "b", input, "-o", "of_both", "--no-mirror"];
    sagittal(place.path(), &[&call[..], &["--probabilities", "--uncertainty"]].concat()).exits(0);
    let classes = |of: &str| io::read_probabilities(&place.path().join(format!("of_{of}/slices_4mm.npz"))).unwrap();
    let (a, b, both) = (classes("a"), classes("b"), classes("both"));
    let labels = io::read_label_map(&place.path().join("of_both/slices_4mm.nii.gz")).unwrap().labels;
    let entropy = io::read_image(&place.path().join("of_both/entropy/slices_4mm.nii.gz")).unwrap().channels.swap_remove(0);
    let (mut n_background, mut largest) = (0, 0.0f32);
    for (voxel, label) in labels.voxels().iter().enumerate() {
        let mean: Vec<f32> = (0..3).map(|k| (a[k].voxels()[voxel] + b[k].voxels()[voxel]) / 2.0).collect();
        assert!((0..3).all(|k| (mean[k] - both[k].voxels()[voxel]).abs() < 1e-6), "voxel {voxel}: {mean:?}");
        assert!(mean.iter().all(|p| *p <= mean[usize::from(*label)] + 1e-6), "voxel {voxel}: {mean:?}, {label}");
        let expected = mean.iter().map(|p| if *p > 0.0 { -p * p.ln() } else { 0.0 }).sum::<f32>() / 3f32.ln();
        assert!((entropy.voxels()[voxel] - expected).abs() < 1e-4, "voxel {voxel}: {mean:?}");
        n_background += usize::from(*label == 0);
        largest = largest.max((a[0].voxels()[voxel] - b[0].voxels()[voxel]).abs());
    }
    assert!(n_background > 0 && n_background < labels.voxels().len() && largest > 0.1, "{n_background} voxels, {largest}");
    // Labels alone are the same.
    let before = fs::read(place.path().join("of_both/slices_4mm.nii.gz")).unwrap();
    sagittal(place.path(), &call).exits(0);
    assert_eq!(fs::read(place.path().join("of_both/slices_4mm.nii.gz")).unwrap(), before);
}

#[test]
fn logits_of_an_imported_model_are_those_of_nnunet() {
    // Through the probabilities that nnU-Net saved: where they are certain by more than float16 blurs, labels must agree exactly.
    let Some(goldens) = shared_data("goldens") else { return };
    let place = tempfile::tempdir().unwrap();
    let folder = goldens.join("hippocampus-3d");
    let input = folder.join("inputs/spacing_084_0000.nii.gz");
    sagittal(place.path(), &["import", "nnunet", folder.join("model").to_str().unwrap(), "-o", "m.safetensors"]).exits(0);
    sagittal(place.path(), &["predict", "m.safetensors", input.to_str().unwrap(), "-o", "out"]).exits(0);
    let found = io::read_label_map(&place.path().join("out/spacing_084.nii.gz")).unwrap().labels;
    let probabilities = read_npz(&folder.join("mirrored/spacing_084.npz"), "probabilities").unwrap();
    let n = found.voxels().len();
    assert_eq!(probabilities.values.len(), 3 * n);
    let mut n_certain = 0;
    for (voxel, label) in found.voxels().iter().enumerate() {
        let mut of_voxel = [0, 1, 2].map(|class| (probabilities.values[class * n + voxel], class as u16));
        of_voxel.sort_by(|a, b| b.0.total_cmp(&a.0));
        // A probability moves by at most a quarter of what its logit moves: 0.004 at a logit of 8.
        if of_voxel[0].0 - of_voxel[1].0 > 0.002 {
            n_certain += 1;
            assert_eq!(*label, of_voxel[0].1, "voxel {voxel}: {of_voxel:?}");
        }
    }
    assert!(n_certain > n - 100, "{n_certain} of {n}");
}
