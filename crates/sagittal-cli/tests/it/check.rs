//! `sagittal check` on data sets with every kind of fault.

use std::{fs, path::Path};

use super::{
    files::{damaged, write_cube, write_cube_with_spacing, write_image},
    sagittal,
};

/// A data set in nnU-Net's layout with these good cases.
fn dataset(cases: &[&str]) -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    for (case, first_value) in cases.iter().zip(0..) {
        add_case(place.path(), case, first_value);
    }
    describe(place.path(), cases.len());
    place
}

fn add_case(root: &Path, case: &str, first_value: u16) {
    write_image(&root.join(format!("imagesTr/{case}_0000.nii.gz")), first_value);
    write_cube(&root.join(format!("labelsTr/{case}.nii.gz")), 4);
}

fn describe(root: &Path, n_cases: usize) {
    let text = format!(
        r#"{{"name": "Cubes", "channel_names": {{"0": "MRI"}}, "labels": {{"background": 0, "cube": 1, "corner": 2}},
            "numTraining": {n_cases}, "file_ending": ".nii.gz"}}"#
    );
    fs::write(root.join("dataset.json"), text).unwrap();
}

#[test]
fn a_good_data_set_has_no_fault() {
    let set = dataset(&["a", "b"]);
    let call = sagittal(set.path(), &["check", "."]).exits(0);
    call.prints("Cubes: 2 training cases, 0 test cases; channels MRI; labels 0 = background, 1 = cube, 2 = corner")
        .prints("0 errors and 0 notes found");
    let json = sagittal(set.path(), &["check", ".", "--json"]).exits(0).json();
    assert_eq!(json["faults"], serde_json::json!([]));
}

#[test]
fn every_damaged_file_is_named_with_its_cure_and_the_good_ones_are_not() {
    let set = dataset(&["good"]);
    for (name, bytes) in damaged() {
        add_case(set.path(), name, 100);
        fs::write(set.path().join(format!("imagesTr/{name}_0000.nii.gz")), bytes).unwrap();
    }
    describe(set.path(), 1 + damaged().len());
    let json = sagittal(set.path(), &["check", ".", "--json"]).exits(1).json();
    let faults = json["faults"].as_array().unwrap();
    let of = |case: &str| faults.iter().find(|fault| fault["case"] == case);
    for (name, _) in damaged() {
        match of(name) {
            Some(fault) => {
                assert!(fault["finding"].as_str().unwrap().len() > 10 && fault["cure"].as_str().unwrap().len() > 10, "{fault:#}")
            }
            // Bytes after the last voxel are not read, so they do no harm.
            None => assert_eq!(name, "decompression_bomb", "{name} passed"),
        }
    }
    assert!(of("good").is_none(), "{json:#}");
    sagittal(set.path(), &["check", "."]).exits(1).prints("truncated_gzip").prints("cure: ").prints("errors and ");
}

#[test]
fn faults_between_files_are_found() {
    let set = dataset(&["a", "other_grid", "other_label", "no_label", "b"]);
    write_cube_with_spacing(&set.path().join("labelsTr/other_grid.nii.gz"), 4, 2.0);
    fs::remove_file(set.path().join("labelsTr/no_label.nii.gz")).unwrap();
    fs::write(
        set.path().join("dataset.json"),
        r#"{"channel_names": {"0": "MRI"}, "labels": {"background": 0, "cube": 1}, "numTraining": 5, "file_ending": ".nii.gz"}"#,
    )
    .unwrap();
    let json = sagittal(set.path(), &["check", ".", "--json"]).exits(1).json();
    let findings = |case: &str| -> String {
        let of_case = json["faults"].as_array().unwrap().iter().filter(|fault| fault["case"] == case);
        of_case.map(|fault| fault["finding"].as_str().unwrap().to_owned() + "\n").collect()
    };
    assert!(findings("other_grid").contains("spacing"), "{json:#}");
    assert!(findings("other_label").contains('2'), "{json:#}");
    assert!(!findings("no_label").is_empty(), "{json:#}");
}

#[test]
fn a_folder_that_is_no_data_set_is_an_error() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("notes.txt"), "").unwrap();
    for command in ["check", "plan"] {
        sagittal(place.path(), &[command, "."]).exits(2).says("none of the known data-set layouts");
    }
}
