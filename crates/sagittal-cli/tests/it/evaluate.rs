//! `sagittal evaluate` on small cubes whose scores are known in closed form, and on files that cannot be scored.

use std::{fs, path::Path};

use super::{
    files::{damaged, write_cube, write_cube_with_spacing, write_image},
    sagittal,
};
use sagittal_image::{Geometry, Volume, io};

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
        .prints("a: p/a.nii.gz is not on the grid of r/a.nii.gz: expected a spacing of 1 mm along z, found 1.5 mm");
}

#[test]
fn a_value_that_nobody_declared_is_a_failure() {
    let place = two_folders();
    fs::write(place.path().join("labels.json"), r#"{"labels": {"background": 0, "cube": 1}}"#).unwrap();
    let call = sagittal(place.path(), &["evaluate", "p", "r", "--labels", "labels.json"]).exits(1);
    call.prints("0 cases scored, 2 failed").prints("a: value 2 in r/a.nii.gz is not among the labels 0, 1; declare it in dataset.json");
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

/// The retina phantom with predictions that are the first observer's masks, and their probabilities.
fn retina_with_predictions() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    sagittal(place.path(), &["phantom", "retina", "-o", "set", "--cases", "2", "--test-cases", "2"]).exits(0);
    for (part, cases) in [("training", ["21", "22"]), ("test", ["01", "02"])] {
        fs::create_dir_all(place.path().join(part)).unwrap();
        for number in cases {
            let path = place.path().join(format!("set/{part}/1st_manual/{number}_manual1.gif"));
            let mut map = sagittal_image::io::read_label_map(&path).unwrap();
            map.labels.voxels_mut().iter_mut().for_each(|voxel| *voxel = u16::from(*voxel != 0));
            let stem = place.path().join(part).join(format!("{number}_{part}"));
            sagittal_image::io::write_label_map(&stem.with_extension("png"), &map.labels, &map.geometry, &map.header).unwrap();
            // Right, but not sure of it: vessels 0.75, everything else 0.25.
            let vessel = map.labels.map(|&label| 0.25 + 0.5 * f32::from(label));
            let background = vessel.map(|p| 1.0 - p);
            sagittal_image::io::write_probabilities(&stem.with_extension("npz"), &[background, vessel]).unwrap();
        }
    }
    place
}

#[test]
fn the_field_of_view_the_whole_image_and_the_second_observer_stand_side_by_side() {
    let place = retina_with_predictions();
    let call = sagittal(place.path(), &["evaluate", "test", "set/test/1st_manual", "--vessels", "--lesions", "-o", "scores"]).exits(0);
    let call = call
        .prints("inside the field of view")
        .prints("prediction, field of view        1.0000     1.0000")
        .prints("prediction, whole image          1.0000     1.0000")
        .prints("second observer, field of view")
        .prints("clDice");
    assert!(call.out.lines().all(|line| line.chars().count() <= 80), "{}", call.out);
    let json: serde_json::Value = serde_json::from_str(&fs::read_to_string(place.path().join("scores/metrics.json")).unwrap()).unwrap();
    // The squares of 0.25, and the gap between 0.25 and 0 or 1 in both bins.
    assert!((number(&json, "/summary/0/pooled/brier") - 0.0625).abs() < 1e-9);
    assert!((number(&json, "/summary/0/pooled/calibration_error") - 0.25).abs() < 1e-9);
    assert_eq!(number(&json, "/summary/0/pooled/best_threshold/threshold"), 0.75);
    let beside = json["beside"].as_array().unwrap();
    let ways: Vec<_> = beside.iter().map(|way| (way["subject"].as_str().unwrap(), way["metrics"]["region"].as_str().unwrap())).collect();
    assert_eq!(ways, [("prediction", "whole_image"), ("second_observer", "field_of_view"), ("second_observer", "whole_image")]);
    let negatives = |json: &serde_json::Value| number(json, "/cases/0/labels/0/true_negative");
    assert!(negatives(&beside[0]["metrics"]) > negatives(&json), "the whole image has more background");
    let observer = number(&beside[1]["metrics"], "/summary/0/dice/mean");
    assert!((0.5..1.0).contains(&observer), "{observer}");
}

#[test]
fn a_threshold_comes_from_other_cases_only() {
    let place = retina_with_predictions();
    sagittal(place.path(), &["evaluate", "training", "set/training/1st_manual", "-o", "chosen"]).exits(0);
    let words = ["evaluate", "test", "set/test/1st_manual", "--threshold-from", "chosen/metrics.json"];
    sagittal(place.path(), &words).exits(0).prints("mean Dice 1.0000 at the given threshold 0.75");
    let same = ["evaluate", "training", "set/training/1st_manual", "--threshold-from", "chosen/metrics.json"];
    sagittal(place.path(), &same).exits(2).says("chose its threshold on case 21_training too");
    fs::remove_file(place.path().join("training/21_training.npz")).unwrap();
    fs::remove_file(place.path().join("training/22_training.npz")).unwrap();
    sagittal(place.path(), &["evaluate", "training", "set/training/1st_manual", "-o", "none"]).exits(0);
    let none = ["evaluate", "test", "set/test/1st_manual", "--threshold-from", "none/metrics.json"];
    sagittal(place.path(), &none).exits(1).says("holds no threshold for label 1 vessel");
}

#[test]
fn probabilities_of_another_shape_or_that_are_none_are_refused() {
    let place = two_folders();
    let write = |shape: [usize; 3], value: f32| {
        let class = sagittal_image::Volume::filled(shape, value);
        sagittal_image::io::write_probabilities(&place.path().join("p/a.npz"), &[class.clone(), class.clone(), class]).unwrap();
    };
    for (shape, value, part) in [([8, 8, 7], 0.5, "holds [8, 8, 7] voxels"), ([8, 8, 8], -4.5, "are these logits?")] {
        write(shape, value);
        sagittal(place.path(), &["evaluate", "p", "r"]).exits(1).prints("1 cases scored, 1 failed").prints(part);
    }
    fs::write(place.path().join("p/a.npz"), "hello").unwrap();
    sagittal(place.path(), &["evaluate", "p", "r"]).exits(1).prints("expected a zip file");
}

#[test]
fn distances_are_those_of_the_closed_form_in_mm() {
    let place = tempfile::tempdir().unwrap();
    write_cube_with_spacing(&place.path().join("p.nii.gz"), 5, 1.5);
    write_cube_with_spacing(&place.path().join("r.nii.gz"), 3, 1.5);
    for kind in ["triangles", "border-voxels"] {
        let json = sagittal(place.path(), &["evaluate", "p.nii.gz", "r.nii.gz", "--surface", kind, "--json"]).exits(0).json();
        // Cubes with one corner in common, of 3 and 5 voxels of 1.5 mm: the other corners are two voxels apart along each axis.
        let expected = 3.0 * 3.0_f64.sqrt();
        assert!((number(&json, "/summary/0/scores/hausdorff/mean") - expected).abs() < 0.51 * 1.5, "{kind}");
        assert!((number(&json, "/cases/0/labels/0/centre_distance") - 1.5 * 3.0_f64.sqrt()).abs() < 1e-9);
        assert_eq!(json["distances"]["unit"], "mm");
    }
    let none = sagittal(place.path(), &["evaluate", "p.nii.gz", "r.nii.gz", "--surface", "none", "--json"]).exits(0).json();
    assert!(none.get("distances").is_none() && none["cases"][0]["labels"][0].get("surface").is_none());
    sagittal(place.path(), &["evaluate", "p.nii.gz", "r.nii.gz", "--tolerance", "-1"]).exits(2).says("expected a distance from 0");
}

#[test]
fn regions_and_groups_are_what_was_given() {
    let place = two_folders();
    // The region is the cube of 2: inside it prediction and reference of case b are equal.
    write_cube(&place.path().join("roi/a.nii.gz"), 2);
    write_cube(&place.path().join("roi/b.nii.gz"), 2);
    fs::write(place.path().join("groups.csv"), "case,group\na,east\nb,west\nc,west\n").unwrap();
    let words = ["evaluate", "p", "r", "--roi", "roi", "--groups", "groups.csv"];
    let call = sagittal(place.path(), &words).exits(0).says("the groups name case c, which is not scored");
    call.prints("inside the given mask").prints("east").prints("1.000");
    let json = sagittal(place.path(), &["evaluate", "p", "r", "--roi", "roi", "--groups", "groups.csv", "--json"]).exits(0).json();
    assert_eq!((number(&json, "/cases/1/labels/0/dice"), &json["groups"][1]["group"]), (1.0, &"west".into()));
    fs::remove_file(place.path().join("roi/b.nii.gz")).unwrap();
    sagittal(place.path(), &words).exits(1).prints("b: has no mask; expected b with an image's extension in roi");
    sagittal(place.path(), &["evaluate", "p", "r", "--fov"]).exits(2).says("there is no field of view for a");
    sagittal(place.path(), &["evaluate", "p", "r", "--roi", "nowhere"]).exits(2).says("nowhere does not exist");
    // As many voxels, elsewhere; and none at all.
    write_cube_with_spacing(&place.path().join("far.nii.gz"), 2, 1.5);
    let call = sagittal(place.path(), &["evaluate", "p", "r", "--roi", "far.nii.gz"]).exits(1);
    call.prints("a: far.nii.gz is not on the grid of r/a.nii.gz: expected a spacing of 1 mm along z, found 1.5 mm");
    let nothing = Volume::filled([8; 3], 0_u16);
    io::write_label_map(&place.path().join("none.nii.gz"), &nothing, &Geometry::volume([8; 3], [1.0; 3]), &Default::default()).unwrap();
    sagittal(place.path(), &["evaluate", "p", "r", "--roi", "none.nii.gz"]).exits(1).prints("a: none.nii.gz is 0 everywhere");
}

#[test]
fn intervals_draw_patients_where_they_are_known() {
    let place = tempfile::tempdir().unwrap();
    // Three cases each of three patients, which are alike.
    let cases = (0..9).map(|i| (format!("c{i}"), ["p", "q", "r"][i / 3], 3 + i / 3));
    let mut patients = String::from("case,patient\n");
    for (case, patient, side) in cases {
        write_cube(&place.path().join(format!("p/{case}.nii.gz")), side);
        write_cube(&place.path().join(format!("r/{case}.nii.gz")), 5);
        patients += &format!("{case},{patient}\n");
    }
    let at = "/summary/0/dice/mean_interval";
    let width = |json: &serde_json::Value| number(json, &format!("{at}/high")) - number(json, &format!("{at}/low"));
    let method = |json: &serde_json::Value| json.pointer(&format!("{at}/method")).unwrap().as_str().unwrap().to_owned();
    let by_case = sagittal(place.path(), &["evaluate", "p", "r", "--json"]).exits(0).json();
    assert!(method(&by_case).contains("over cases"));
    fs::write(place.path().join("patients.csv"), &patients).unwrap();
    let words = ["evaluate", "p", "r", "--patients", "patients.csv", "-o", "scores"];
    sagittal(place.path(), &words).exits(0).prints("95 % interval: percentile bootstrap over 3 patients with all of their cases");
    let by_patient: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(place.path().join("scores/metrics.json")).unwrap()).unwrap();
    // Of three patients every way to draw them occurs: the limits are the worst patient and the best one.
    let dice = [27.0, 64.0].map(|n: f64| 2.0 * n / (n + 125.0));
    assert!((number(&by_patient, &format!("{at}/low")) - dice[0]).abs() < 1e-12);
    assert!((number(&by_patient, &format!("{at}/high")) - 1.0).abs() < 1e-12);
    assert!(width(&by_patient) > 1.3 * width(&by_case));
    assert!(fs::read_to_string(place.path().join("scores/metrics.csv")).unwrap().lines().nth(1).unwrap().ends_with(",p"));
    // A group of too few says nothing of others; of five it does.
    fs::write(place.path().join("groups.csv"), &patients).unwrap();
    let groups = |file: &str| sagittal(place.path(), &["evaluate", "p", "r", "--groups", file, "--json"]).exits(0).json();
    assert!(method(&groups("groups.csv")).contains("over cases"));
    let five: String = (0..9).map(|i| format!("c{i},hospital {}\n", i % 5)).collect();
    fs::write(place.path().join("five.csv"), five).unwrap();
    assert!(method(&groups("five.csv")).contains("over 5 groups"));
    // Paired: three patients, each of them worse.
    for case in 0..9 {
        write_cube(&place.path().join(format!("worse/c{case}.nii.gz")), 2 + case / 3);
    }
    sagittal(place.path(), &["evaluate", "worse", "r", "-o", "b"]).exits(0);
    let call = sagittal(place.path(), &["compare", "scores", "b", "--score", "dice", "--json"]).exits(0);
    let json = call.json();
    assert_eq!((&json["compared"], &json["rows"][0]["n_cases"], &json["rows"][0]["test"]["n"]), (&"patient".into(), &9.into(), &3.into()));
    assert_eq!(json["rows"][0]["test"]["p_value"], 0.25);
    sagittal(place.path(), &["compare", "scores", "b", "--score", "dice"])
        .exits(0)
        .prints("n: patients; the test compares the mean differences");
    // A name that is not there shows.
    fs::write(place.path().join("patients.csv"), patients.replace("c0,", "d0,")).unwrap();
    let words = ["evaluate", "p", "r", "--patients", "patients.csv"];
    sagittal(place.path(), &words)
        .exits(0)
        .says("case c0 is of no patient that was named")
        .says("the patients name case d0, which is not scored");
}

#[test]
fn a_data_set_that_names_patients_has_its_intervals_by_patient() {
    let place = two_folders();
    fs::create_dir_all(place.path().join("set/labelsTr")).unwrap();
    for case in ["a", "b"] {
        write_image(&place.path().join(format!("set/imagesTr/{case}_0000.nii.gz")), 0);
        fs::copy(place.path().join(format!("r/{case}.nii.gz")), place.path().join(format!("set/labelsTr/{case}.nii.gz"))).unwrap();
    }
    let description = r#"{"channel_names": {"0": "T1"}, "file_ending": ".nii.gz", "labels": {"background": 0, "cube": 1, "corner": 2}}"#;
    fs::write(place.path().join("set/dataset.json"), description).unwrap();
    fs::write(place.path().join("set/groups.json"), r#"{"a": "P", "b": "Q"}"#).unwrap();
    sagittal(place.path(), &["evaluate", "p", "set/labelsTr"]).exits(0).prints("over 2 patients with all of their cases");
    // Of one patient alone nothing can be said.
    fs::write(place.path().join("set/groups.json"), r#"{"a": "P", "b": "P"}"#).unwrap();
    let json = sagittal(place.path(), &["evaluate", "p", "set/labelsTr", "--json"]).exits(0).json();
    assert!(json.pointer("/summary/0/dice/mean_interval").unwrap().is_null());
}

#[test]
fn an_image_is_not_taken_for_a_label_map() {
    let place = two_folders();
    let grey = Volume::new([8; 3], (0..512u16).map(|i| i * 37 % 101).collect());
    io::write_label_map(&place.path().join("p/a.nii.gz"), &grey, &Geometry::volume([8; 3], [1.0; 3]), &Default::default()).unwrap();
    let call = sagittal(place.path(), &["evaluate", "p", "r"]).exits(1).prints("1 cases scored, 1 failed");
    call.prints("a: p/a.nii.gz looks like an image, not like labels: 101 different values");
    // Many labels that make up structures are scored, and it is said that nobody named them.
    let many = Volume::new([8; 3], (0..512u16).map(|i| i / 16).collect());
    for folder in ["p", "r"] {
        let path = place.path().join(folder).join("a.nii.gz");
        io::write_label_map(&path, &many, &Geometry::volume([8; 3], [1.0; 3]), &Default::default()).unwrap();
    }
    sagittal(place.path(), &["evaluate", "p", "r"]).exits(0).says("note: nobody declared labels; the 31 values found are scored as labels");
}

#[test]
fn a_folder_that_is_a_file_is_refused_before_the_work_and_stays() {
    let place = two_folders();
    fs::write(place.path().join("scores"), "precious").unwrap();
    sagittal(place.path(), &["evaluate", "p", "r", "-o", "scores"]).exits(2).says("scores is a file; name a folder with -o");
    assert_eq!(fs::read_to_string(place.path().join("scores")).unwrap(), "precious");
}

#[test]
fn a_data_set_says_what_is_not_scored_and_what_its_regions_consist_of() {
    let place = two_folders();
    for case in ["a", "b"] {
        fs::create_dir_all(place.path().join("set/imagesTr")).unwrap();
        fs::create_dir_all(place.path().join("set/labelsTr")).unwrap();
        write_image(&place.path().join(format!("set/imagesTr/{case}_0000.nii.gz")), 0);
        fs::copy(place.path().join(format!("r/{case}.nii.gz")), place.path().join(format!("set/labelsTr/{case}.nii.gz"))).unwrap();
    }
    let description = |labels: &str| format!(r#"{{"channel_names": {{"0": "T1"}}, "file_ending": ".nii.gz", "labels": {labels}}}"#);
    fs::write(place.path().join("set/dataset.json"), description(r#"{"background": 0, "cube": 1, "ignore": 2}"#)).unwrap();
    // Predictions without the label that stands for nothing.
    for case in ["a", "b"] {
        let path = place.path().join(format!("p/{case}.nii.gz"));
        let mut map = io::read_label_map(&path).unwrap();
        map.labels.voxels_mut()[511] = 0;
        io::write_label_map(&path, &map.labels, &map.geometry, &map.header).unwrap();
    }
    let json = sagittal(place.path(), &["evaluate", "p", "set/labelsTr", "--json"]).exits(0).json();
    let counts = ["true_positive", "false_positive", "false_negative", "true_negative"];
    let n: f64 = counts.iter().map(|count| number(&json, &format!("/cases/0/labels/0/{count}"))).sum();
    assert_eq!((n, json["labels"].as_array().unwrap().len()), (511.0, 1));
    let regions = r#"{"background": 0, "whole": [1, 2], "core": 2}, "regions_class_order": [1, 2]"#;
    fs::write(place.path().join("set/dataset.json"), description(regions)).unwrap();
    // Probabilities of the regions, in their order: those of the whole are the truth.
    let truth = io::read_label_map(&place.path().join("set/labelsTr/a.nii.gz")).unwrap().labels;
    let classes = [truth.map(|&value| f32::from(u8::from(value > 0))), Volume::filled([8; 3], 0.5_f32)];
    io::write_probabilities(&place.path().join("p/a.npz"), &classes).unwrap();
    let call = sagittal(place.path(), &["evaluate", "p", "set/labelsTr", "--json"]).exits(0);
    let json = call.json();
    assert_eq!(json["labels"], serde_json::json!([{"value": 1, "name": "whole"}, {"value": 2, "name": "core"}]));
    let n_whole = truth.voxels().iter().filter(|value| **value > 0).count() as f64;
    let of_whole = |count: &str| number(&json, &format!("/cases/0/labels/0/{count}"));
    assert_eq!(of_whole("true_positive") + of_whole("false_negative"), n_whole);
    assert_eq!((of_whole("probability/roc_auc"), number(&json, "/cases/0/labels/1/probability/roc_auc")), (1.0, 0.5));
}

#[test]
fn ignored_voxels_are_not_counted() {
    let place = two_folders();
    fs::write(place.path().join("labels.json"), r#"{"labels": {"background": 0, "cube": 1, "ignore": 2}}"#).unwrap();
    // Predictions of label 1 where the reference says not to look: no error there.
    for name in ["a", "b"] {
        let mut map = sagittal_image::io::read_label_map(&place.path().join(format!("r/{name}.nii.gz"))).unwrap();
        map.labels.voxels_mut().iter_mut().filter(|voxel| **voxel == 2).for_each(|voxel| *voxel = 1);
        let path = place.path().join(format!("p/{name}.nii.gz"));
        sagittal_image::io::write_label_map(&path, &map.labels, &map.geometry, &map.header).unwrap();
    }
    let json = sagittal(place.path(), &["evaluate", "p", "r", "--labels", "labels.json", "--json"]).exits(0).json();
    assert_eq!((number(&json, "/foreground_dice/mean"), number(&json, "/cases/0/labels/0/false_positive")), (1.0, 0.0));
    // A prediction of the label itself is a mistake.
    sagittal(place.path(), &["evaluate", "r", "r", "--labels", "labels.json"]).exits(1).prints("value 2 in r/a.nii.gz");
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
