//! `sagittal evaluate` on small cubes whose scores are known in closed form, and on files that cannot be scored.

use std::{fs, path::Path};

use super::{
    files::{damaged, write_cube, write_cube_with_spacing},
    sagittal,
};

/// Two folders, `p` and `r`: case `a` is perfect, in case `b` a cube of 4 meets one of 2.
fn two_folders() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    for (path, side) in [("p/a.nii.gz", 4), ("r/a.nii.gz", 4), ("p/b.nii.gz", 4), ("r/b.nii.gz", 2)] {
        write_cube(&place.path().join(path), side);
    }
    place
}

fn number(json: &serde_json::Value, path: &str) -> f64 {
    json.pointer(path).and_then(serde_json::Value::as_f64).unwrap_or_else(|| panic!("no number at {path} in\n{json:#}"))
}

#[test]
fn scores_are_those_of_the_closed_form() {
    let place = two_folders();
    let json = sagittal(place.path(), &["evaluate", "p", "r", "--json"]).exits(0).json();
    // Cubes of 64 and 8 voxels, one inside the other: Dice 2 * 8 / 72, IoU 8 / 64.
    assert_eq!(number(&json, "/cases/1/labels/0/dice"), 16.0 / 72.0);
    assert_eq!(number(&json, "/cases/1/labels/0/iou"), 8.0 / 64.0);
    assert_eq!(number(&json, "/cases/1/labels/0/reference_volume"), 0.008);
    assert_eq!(number(&json, "/cases/1/labels/1/dice"), 1.0);
    assert_eq!(number(&json, "/summary/0/dice/mean"), (1.0 + 16.0 / 72.0) / 2.0);
    let interval = [number(&json, "/summary/0/dice/mean_interval/low"), number(&json, "/summary/0/dice/mean_interval/high")];
    assert!(interval[0] <= interval[1] && interval[0] >= 16.0 / 72.0 - 1e-12 && interval[1] <= 1.0, "{interval:?}");
}

#[test]
fn the_table_is_for_people_and_the_files_for_programs() {
    let place = two_folders();
    fs::write(place.path().join("dataset.json"), r#"{"labels": {"background": 0, "cube": 1, "corner": 2}}"#).unwrap();
    let call = sagittal(place.path(), &["evaluate", "p", "r", "-o", "scores"]).exits(0);
    call.prints("2 cases scored, 0 failed; whole image").prints("1 cube").prints("2 corner").prints("0.6111").prints("95 % interval");
    let csv = fs::read_to_string(place.path().join("scores/metrics.csv")).unwrap();
    assert_eq!(csv.lines().count(), 5, "{csv}");
    assert!(csv.contains("b,1,cube,0.2222"), "{csv}");
    let json: serde_json::Value = serde_json::from_str(&fs::read_to_string(place.path().join("scores/metrics.json")).unwrap()).unwrap();
    assert_eq!(json["labels"][1]["name"], "corner");
}

#[test]
fn two_files_are_one_case() {
    let place = two_folders();
    sagittal(place.path(), &["evaluate", "p/b.nii.gz", "r/b.nii.gz"]).exits(0).prints("1 cases scored").prints("0.2222");
}

#[test]
fn what_has_no_partner_is_listed_and_a_missing_prediction_is_a_failure() {
    let place = two_folders();
    write_cube(&place.path().join("p/only_predicted.nii.gz"), 3);
    let words = ["evaluate", "p", "r"];
    sagittal(place.path(), &words).exits(0).says("only_predicted.nii.gz has no reference and is not scored");
    write_cube(&place.path().join("r/only_true.nii.gz"), 3);
    sagittal(place.path(), &words).exits(1).prints("2 cases scored, 1 failed").prints("only_true: has no prediction");
}

#[test]
fn masks_on_different_grids_are_refused_and_the_others_scored() {
    let place = two_folders();
    write_cube_with_spacing(&place.path().join("p/a.nii.gz"), 4, 1.5);
    let call = sagittal(place.path(), &["evaluate", "p", "r"]).exits(1);
    call.prints("1 cases scored, 1 failed")
        .prints("a: prediction is not on the grid of its reference: expected a spacing of 1 mm along z, found 1.5 mm");
}

#[test]
fn a_value_that_nobody_declared_is_a_failure() {
    let place = two_folders();
    fs::write(place.path().join("labels.json"), r#"{"labels": {"background": 0, "cube": 1}}"#).unwrap();
    let call = sagittal(place.path(), &["evaluate", "p", "r", "--labels", "labels.json"]).exits(1);
    call.prints("0 cases scored, 2 failed").prints("a: value 2 in p/a.nii.gz is not among the labels 0, 1; declare it in dataset.json");
}

#[test]
fn vessels_are_scored_inside_the_field_of_view() {
    let place = tempfile::tempdir().unwrap();
    sagittal(place.path(), &["phantom", "retina", "-o", "set", "--cases", "1", "--test-cases", "2"]).exits(0);
    // Predictions are named as cases, and hold the label 1 where DRIVE's masks hold 255.
    for (case, truth) in [("01_test", "01_manual1.gif"), ("02_test", "02_manual1.gif")] {
        let mut map = sagittal_image::io::read_label_map(&place.path().join("set/test/1st_manual").join(truth)).unwrap();
        map.labels.voxels_mut().iter_mut().for_each(|voxel| *voxel = u16::from(*voxel != 0));
        fs::create_dir_all(place.path().join("labels")).unwrap();
        let path = place.path().join(format!("labels/{case}.png"));
        sagittal_image::io::write_label_map(&path, &map.labels, &map.geometry, &map.header).unwrap();
    }
    let call = sagittal(place.path(), &["evaluate", "labels", "set/test/1st_manual"]).exits(0);
    call.prints("2 cases scored, 0 failed; inside the field of view").prints("1 vessel").prints("1.0000");
}

#[test]
fn damaged_files_fail_one_by_one_and_the_good_ones_are_scored() {
    let place = two_folders();
    for (name, bytes) in damaged() {
        write_cube(&place.path().join(format!("r/{name}.nii.gz")), 3);
        fs::write(place.path().join(format!("p/{name}.nii.gz")), bytes).unwrap();
    }
    let call = sagittal(place.path(), &["evaluate", "p", "r", "--json"]).exits(1);
    let json = call.json();
    let failed = json["failed"].as_array().unwrap();
    for (name, _) in damaged() {
        // What the file says is used as far as it goes: zeros after the last voxel are no fault of the voxels.
        let reason = failed.iter().find(|failure| failure["case"] == name).map(|failure| failure["reason"].as_str().unwrap());
        match reason {
            Some(reason) => assert!(reason.len() > 20 && !reason.contains('\n'), "{name}: {reason}"),
            None => assert_eq!(name, "decompression_bomb", "{name} was scored"),
        }
    }
    let scored: Vec<&str> = json["cases"].as_array().unwrap().iter().map(|case| case["case"].as_str().unwrap()).collect();
    assert!(scored.contains(&"a") && scored.contains(&"b"), "{scored:?}");
}

#[test]
fn a_folder_without_label_maps_is_wrong_use() {
    let place = two_folders();
    fs::create_dir(place.path().join("empty")).unwrap();
    sagittal(place.path(), &["evaluate", "p", "empty"]).exits(2).says("empty holds no image file; name the folder of the label maps");
}

#[test]
fn real_label_maps_against_themselves_are_perfect() {
    // Open data that may lie beside the clone; nothing to show where they do not.
    let real = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/hippocampus/labelsTr");
    if !real.is_dir() {
        return;
    }
    let real = real.to_str().unwrap();
    let json = sagittal(Path::new("."), &["evaluate", real, real, "--json"]).exits(0).json();
    assert_eq!(number(&json, "/foreground_dice/mean"), 1.0);
    assert_eq!(json["labels"][0]["name"], "anterior");
    assert_eq!(json["cases"].as_array().unwrap().len(), 195);
}
