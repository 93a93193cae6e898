//! `sagittal statistics` on cubes.

use std::fs;

use super::{
    files::{write_cube, write_cube_with_spacing},
    sagittal,
};

#[test]
fn cubes_have_their_volume_and_intensity() {
    let place = tempfile::tempdir().unwrap();
    // The label map is its own image: label 1 has the value 1 everywhere.
    write_cube(&place.path().join("images/a_0000.nii.gz"), 4);
    write_cube(&place.path().join("labels/a.nii.gz"), 4);
    sagittal(place.path(), &["statistics", "images", "labels", "-o", "s.csv"]).exits(0).prints("0.0640").prints("sphericity");
    let csv = fs::read_to_string(place.path().join("s.csv")).unwrap();
    assert_eq!(csv.lines().count(), 3, "{csv}");
    assert!(csv.contains("\na,1,label 1,64,0.064,ml,"), "{csv}");
    let json = sagittal(place.path(), &["statistics", "images/a_0000.nii.gz", "labels/a.nii.gz", "--json"]).exits(0).json();
    let label = &json["cases"][0]["labels"][0];
    assert_eq!((&label["channels"][0]["mean"], &label["channels"][0]["sd"]), (&1.0.into(), &0.0.into()));
    // Its surface passes half a voxel beyond the outermost middles along each axis: sqrt(4² + 3² + 3²) is the longest way.
    let longest = label["shape"]["longest_diameter"].as_f64().unwrap();
    assert!((longest - 34.0_f64.sqrt()).abs() < 1e-9, "{longest}");
}

#[test]
fn what_does_not_fit_is_named() {
    let place = tempfile::tempdir().unwrap();
    write_cube(&place.path().join("images/a_0000.nii.gz"), 4);
    write_cube_with_spacing(&place.path().join("labels/a.nii.gz"), 4, 2.0);
    write_cube(&place.path().join("labels/b.nii.gz"), 4);
    let call = sagittal(place.path(), &["statistics", "images", "labels"]).exits(1);
    call.prints("a: images/a_0000.nii.gz is not on the grid of labels/a.nii.gz").prints("b: has no image; expected b or b_0000");
    sagittal(place.path(), &["statistics", "images", "labels/a.nii.gz"]).exits(2).says("is a folder and");
    fs::write(place.path().join("labels.json"), r#"{"labels": {"background": 0, "cube": 1}}"#).unwrap();
    sagittal(place.path(), &["statistics", "images/a_0000.nii.gz", "images/a_0000.nii.gz", "--labels", "labels.json"])
        .exits(1)
        .prints("value 2 in images/a_0000.nii.gz is not among the labels that were declared");
    sagittal(place.path(), &["statistics", "images", "labels", "-o", "s.xls"]).exits(2).says("neither .csv nor .json");
}
