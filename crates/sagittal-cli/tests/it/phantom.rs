//! `sagittal phantom`: what it writes is an ordinary data set without a fault.

use std::fs;

use super::sagittal;

#[test]
fn both_phantoms_pass_the_check() {
    for kind in ["hippocampus", "retina"] {
        let place = tempfile::tempdir().unwrap();
        let call = sagittal(place.path(), &["phantom", kind, "-o", "set", "--cases", "2", "--test-cases", "1"]).exits(0);
        call.prints("wrote 2 training and 1 test cases to set").prints("sagittal check set");
        sagittal(place.path(), &["check", "set"]).exits(0).prints("2 training cases, 1 test cases").prints("0 errors and 0 notes found");
    }
}

#[test]
fn the_same_seed_draws_the_same_images() {
    let place = tempfile::tempdir().unwrap();
    let drawn: Vec<serde_json::Value> = [("a", "7"), ("b", "7"), ("c", "8")]
        .iter()
        .map(|(folder, seed)| {
            let words = ["phantom", "hippocampus", "-o", folder, "--cases", "1", "--test-cases", "0", "--seed", seed, "--json"];
            sagittal(place.path(), &words).exits(0).json()
        })
        .collect();
    let case = drawn[0]["training"][0].as_str().unwrap();
    let [a, b, c] = ["a", "b", "c"].map(|folder| fs::read(place.path().join(format!("{folder}/imagesTr/{case}_0000.nii.gz"))).unwrap());
    assert!(a == b && a != c);
}

#[test]
fn a_folder_in_use_is_left_alone() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("thesis.txt"), "years of work").unwrap();
    sagittal(place.path(), &["phantom", "hippocampus", "-o", "."]).exits(2).says("is not empty; choose another folder");
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
}
