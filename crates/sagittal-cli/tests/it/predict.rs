//! `sagittal predict`: label maps on the grids of their images, and what becomes of files that are none.

use std::{fs, path::Path};

use sagittal_image::{Geometry, Reorientation, Volume, io};
use serde_json::json;

use super::{files, sagittal, shrink_network};

/// Trains the smallest network there is for one step on 8 x 8 x 8 images; the model is `run`.
fn train_a_model(place: &Path) {
    for (case, side) in [("a", 3), ("b", 4), ("c", 5)] {
        files::write_image(&place.join(format!("set/images/{case}.nii.gz")), side as u16);
        files::write_cube(&place.join(format!("set/labels/{case}.nii.gz")), side);
    }
    sagittal(place, &["plan", "set", "-o", "plan.json"]).exits(0);
    let mut plan: serde_json::Value = serde_json::from_slice(&fs::read(place.join("plan.json")).unwrap()).unwrap();
    plan["patch"] = json!([8, 8, 8]);
    plan["batch_size"] = json!(1);
    plan["training"]["iterations_per_epoch"] = json!(1);
    plan["training"]["validation_iterations"] = json!(1);
    shrink_network(&mut plan, [2, 4]);
    fs::write(place.join("plan.json"), plan.to_string()).unwrap();
    sagittal(place, &["train", "set", "-o", "run", "--plan", "plan.json", "--epochs", "1", "--fold", "all"]).exits(0);
}

#[test]
fn results_lie_on_the_grids_of_their_images() {
    let place = tempfile::tempdir().unwrap();
    train_a_model(place.path());
    // Not symmetric, so that a wrong turn shows.
    let image = Volume::new([8, 9, 10], (0..720u16).map(|idx| f32::from(idx % 10 + 3 * (idx / 90) + idx % 7 * (idx % 7))).collect());
    let canonical = Geometry { origin_mm: [-31.5, 1e5, 7.25], ..Geometry::volume([8, 9, 10], [1.0; 3]) };
    let (c, s) = (0.3f64.cos(), 0.3f64.sin());
    let directions = [
        [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]],
        [[0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]],
        [[0.0, -1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]],
        [[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, -1.0, 0.0]],
        [[-1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, -1.0]],
        [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, -1.0]],
        // Oblique.
        [[0.0, s, c], [0.0, -c, s], [-1.0, 0.0, 0.0]],
    ];
    fs::create_dir(place.path().join("in")).unwrap();
    let mut names = Vec::new();
    for (idx, direction) in directions.into_iter().enumerate() {
        for extension in ["nii.gz", "nrrd", "mha"] {
            let turned = Geometry { direction, ..canonical.clone() };
            let reorientation = Reorientation::of(&turned);
            let original = reorientation.to_original(&image);
            let geometry = Geometry { shape: original.shape(), ..turned };
            let name = format!("{idx}{extension}.{extension}");
            io::write_image(&place.path().join("in").join(&name), &[original], &geometry, &Default::default()).unwrap();
            names.push(name);
        }
    }
    sagittal(place.path(), &["predict", "run", "in", "-o", "out", "--no-mirror"]).exits(0);
    let mut first = None;
    for name in names {
        let input = io::read_image(&place.path().join("in").join(&name)).unwrap().geometry;
        let output = io::read_label_map(&place.path().join("out").join(&name)).unwrap();
        assert_eq!(output.geometry, input, "{name}");
        let labels = Reorientation::of(&input).to_canonical(&output.labels);
        assert_eq!(*first.get_or_insert_with(|| labels.clone()), labels, "{name} has other labels than the first");
    }
}

#[test]
fn damaged_files_are_named_and_good_ones_are_done() {
    let place = tempfile::tempdir().unwrap();
    train_a_model(place.path());
    files::write_image(&place.path().join("in/a_good_0000.nii.gz"), 3);
    files::write_image(&place.path().join("in/z_good.nii.gz"), 3);
    fs::create_dir(place.path().join("in/folder.nii.gz")).unwrap();
    // Placed 1,000,000 km apart, its voxels would fill the plan's grid for ever.
    let far = Geometry::volume([8; 3], [1e9; 3]);
    io::write_image(&place.path().join("in/wild_spacing.nii.gz"), &[Volume::filled([8; 3], 1.0)], &far, &Default::default()).unwrap();
    // The zeros behind the voxels of the bomb are not unpacked: it is an image.
    let damaged = files::damaged().into_iter().filter(|(name, _)| *name != "decompression_bomb");
    let mut bad = vec!["folder", "wild_spacing"];
    for (name, content) in damaged {
        fs::write(place.path().join(format!("in/{name}.nii.gz")), content).unwrap();
        bad.push(name);
    }
    let call = sagittal(place.path(), &["predict", "run", "in", "-o", "out", "--json", "--no-mirror"]).exits(1);
    let result = call.json();
    let written: Vec<&str> = result["written"].as_array().unwrap().iter().map(|case| case["case"].as_str().unwrap()).collect();
    assert_eq!(written, ["a_good", "z_good"]);
    let failed = result["failed"].as_array().unwrap();
    assert_eq!(failed.len(), bad.len(), "{failed:#?}");
    for (name, case) in bad.iter().flat_map(|name| failed.iter().filter(move |case| case["case"] == **name).map(move |case| (name, case))) {
        let reason = case["reason"].as_str().unwrap();
        assert_eq!(reason.matches(&format!("in/{name}.nii.gz")).count(), 1, "the file is named once: {reason}");
        assert!(reason.contains("; "), "there is a cure: {reason}");
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_leaves_what_is_done_and_names_what_is_not() {
    use std::{
        process::{Command, Stdio},
        time::{Duration, Instant},
    };

    let place = tempfile::tempdir().unwrap();
    train_a_model(place.path());
    files::write_image(&place.path().join("in/a_small.nii.gz"), 3);
    // So many tiles that it would take minutes.
    let large = Geometry::volume([150; 3], [1.0; 3]);
    for name in ["b_large", "c_large"] {
        io::write_image(&place.path().join(format!("in/{name}.nii.gz")), &[Volume::filled([150; 3], 1.0)], &large, &Default::default())
            .unwrap();
    }
    let child = Command::new(env!("CARGO_BIN_EXE_sagittal"))
        .args(["predict", "run", "in", "-o", "out", "--json"])
        .current_dir(place.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while !place.path().join("out/a_small.nii.gz").is_file() {
        assert!(start.elapsed() < Duration::from_secs(300), "the first case does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
    super::train::interrupt(&child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&result["stopped"], &result["not_reached"]), (&json!(true), &json!(["b_large", "c_large"])), "{result}");
    assert_eq!((&result["written"][0]["case"], &result["failed"]), (&json!("a_small"), &json!([])), "{result}");
    assert_eq!(fs::read_dir(place.path().join("out")).unwrap().count(), 1);
}

#[test]
fn an_image_is_never_replaced_by_its_labels() {
    let place = tempfile::tempdir().unwrap();
    train_a_model(place.path());
    files::write_image(&place.path().join("in/scan.nii.gz"), 3);
    let before = fs::read(place.path().join("in/scan.nii.gz")).unwrap();
    sagittal(place.path(), &["predict", "run", "in/scan.nii.gz", "-o", "in"])
        .exits(2)
        .says("in/scan.nii.gz would be replaced by its label map; name another folder with -o");
    assert_eq!(fs::read(place.path().join("in/scan.nii.gz")).unwrap(), before);
    // By nnU-Net's rule the two have different names.
    files::write_image(&place.path().join("in/scan_0000.nii.gz"), 3);
    fs::remove_file(place.path().join("in/scan.nii.gz")).unwrap();
    sagittal(place.path(), &["predict", "run", "in/scan_0000.nii.gz", "-o", "in", "--no-mirror"]).exits(0);
}

#[test]
fn a_model_that_is_not_there_is_wrong_use() {
    let place = tempfile::tempdir().unwrap();
    files::write_image(&place.path().join("scan.nii.gz"), 3);
    sagittal(place.path(), &["predict", "nowhere.safetensors", "scan.nii.gz", "-o", "out"])
        .exits(2)
        .says("nowhere.safetensors does not exist; expected a model");
}

#[test]
fn probabilities_uncertainty_and_calibration_fit_the_labels() {
    let place = tempfile::tempdir().unwrap();
    train_a_model(place.path());
    // The same network, as if fold 0 had been trained: it holds out a case to calibrate on.
    fs::create_dir(place.path().join("run/fold_0")).unwrap();
    fs::copy(place.path().join("run/fold_all/model.safetensors"), place.path().join("run/fold_0/model.safetensors")).unwrap();
    fs::remove_dir_all(place.path().join("run/fold_all")).unwrap();
    let image = place.path().join("set/images/b.nii.gz");
    let call = ["predict", "run", image.to_str().unwrap(), "-o", "out", "--probabilities", "--uncertainty", "--flag-below", "1", "--json"];
    let json = sagittal(place.path(), &call).exits(0).json();
    // No untrained network is wholly sure.
    assert_eq!(json["flagged"], json!(["b"]));
    let labels = io::read_label_map(&place.path().join("out/b.nii.gz")).unwrap();
    let classes = io::read_probabilities(&place.path().join("out/b.npz")).unwrap();
    assert_eq!(classes.len(), 3);
    let map = |name: &str| io::read_image(&place.path().join(format!("out/{name}/b.nii.gz"))).unwrap().channels.swap_remove(0);
    let (entropy, disagreement) = (map("entropy"), map("disagreement"));
    for (i, label) in labels.labels.voxels().iter().enumerate() {
        let p: Vec<f32> = classes.iter().map(|class| class.voxels()[i]).collect();
        assert!(
            (p.iter().sum::<f32>() - 1.0).abs() < 1e-5 && p[usize::from(*label)] >= p[0].max(p[1]).max(p[2]),
            "voxel {i}: {p:?}, {label}"
        );
        let expected = p.iter().map(|p| if *p > 0.0 { -p * p.ln() } else { 0.0 }).sum::<f32>() / 3f32.ln();
        assert!((entropy.voxels()[i] - expected).abs() < 1e-4, "voxel {i}: {p:?}, entropy {}", entropy.voxels()[i]);
        assert!((0.0..=1.0).contains(&disagreement.voxels()[i]));
    }
    let quality: serde_json::Value = serde_json::from_slice(&fs::read(place.path().join("out/quality.json")).unwrap()).unwrap();
    assert_eq!((&quality["cases"][0]["case"], &quality["cases"][0]["flagged"]), (&json!("b"), &json!(true)));

    // In next to no memory there is an error that says what would help.
    let first = fs::read(place.path().join("out/b.nii.gz")).unwrap();
    let call = sagittal(place.path(), &["predict", "run", image.to_str().unwrap(), "-o", "out", "--memory", "1M"]).exits(1);
    call.prints("allow more with --memory");

    let json = sagittal(place.path(), &["calibrate", "run", "--json"]).exits(0).json();
    let fold = &json["folds"][0];
    let loss = |when: &str| fold[when]["negative_log_likelihood"].as_f64().unwrap();
    assert!(loss("after") <= loss("before") + 1e-9 && fold["cases"].as_u64().unwrap() >= 1, "{json}");
    // The labels stay, the probabilities change unless the temperature is 1.
    sagittal(place.path(), &["predict", "run", image.to_str().unwrap(), "-o", "out", "--probabilities"]).exits(0);
    assert_eq!(fs::read(place.path().join("out/b.nii.gz")).unwrap(), first);
    let softer = io::read_probabilities(&place.path().join("out/b.npz")).unwrap();
    let temperature = fold["temperature"].as_f64().unwrap() as f32;
    let log_ratio = |classes: &[Volume<f32>], i: usize| (classes[1].voxels()[i] / classes[0].voxels()[i]).ln();
    for i in 0..labels.labels.voxels().len() {
        let (before, after) = (log_ratio(&classes, i), log_ratio(&softer, i));
        assert!((before - temperature * after).abs() < 1e-2 * (1.0 + before.abs()), "voxel {i}: {before} {after} {temperature}");
    }
}
