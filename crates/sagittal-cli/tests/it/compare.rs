//! `sagittal compare` on scores that are known.

use std::fs;

use super::{files::write_cube, sagittal};

/// Scores of six cases: run `a` predicts cubes of 3 for a reference of 5, run `b` cubes of 4, which is better in every case.
fn two_runs() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    for case in 1..=6 {
        for (folder, side) in [("pa", 3), ("pb", 4), ("r", 5)] {
            // The last case is smaller: not all differences are the same.
            let side = if case == 6 { side - 1 } else { side };
            write_cube(&place.path().join(format!("{folder}/{case}.nii.gz")), side);
        }
    }
    for run in ["a", "b"] {
        sagittal(place.path(), &["evaluate", &format!("p{run}"), "r", "-o", run]).exits(0);
    }
    place
}

#[test]
fn a_run_that_is_better_everywhere_has_the_exact_p_value_of_six_cases() {
    let place = two_runs();
    let call = sagittal(place.path(), &["compare", "a", "b", "--score", "dice", "--score", "hausdorff95", "-o", "c.csv"]).exits(0);
    let call = call
        .prints("Dice (higher is better)")
        .prints("HD95 (lower is better)")
        .prints("0.031")
        .prints("+1.00")
        .prints("-1.00")
        .prints("whole image");
    assert!(call.out.lines().all(|line| line.chars().count() <= 80), "{}", call.out);
    let csv = fs::read_to_string(place.path().join("c.csv")).unwrap();
    assert_eq!(csv.lines().count(), 5, "two scores of two labels:\n{csv}");
    let json = sagittal(place.path(), &["compare", "a/metrics.json", "b/metrics.json", "--json"]).exits(0).json();
    assert_eq!(json["rows"][0]["test"]["p_value"], 0.031_25);
    // Label 2 is the same voxel in every run.
    assert!(json["rows"][1]["test"]["p_value"].is_null() && json["rows"][1]["mean_difference"] == 0.0);
}

#[test]
fn runs_that_cannot_be_compared_are_refused_with_the_reason() {
    let place = two_runs();
    sagittal(place.path(), &["compare", "a", "nowhere"]).exits(2).says("nowhere does not exist");
    sagittal(place.path(), &["compare", "a", "r"]).exits(2).says("r holds no metrics.json");
    sagittal(place.path(), &["compare", "a", "b", "--score", "dise"]).exits(2).says("there is no score `dise`; there are dice, iou");
    sagittal(place.path(), &["compare", "a", "b", "--score", "lesion_f1"]).exits(1).says("no case has lesion_f1 in both runs");
    sagittal(place.path(), &["compare", "a", "b", "-o", "c.txt"]).exits(2).says("neither .csv nor .json");
    sagittal(place.path(), &["evaluate", "pa", "r", "--tolerance", "2", "-o", "other"]).exits(0);
    sagittal(place.path(), &["compare", "a", "other"]).exits(1).says("measure distances differently");
    fs::remove_file(place.path().join("pb/1.nii.gz")).unwrap();
    sagittal(place.path(), &["evaluate", "pb", "r", "-o", "fewer"]).exits(1);
    sagittal(place.path(), &["compare", "a", "fewer"]).exits(0).says("1 cases are in a only and are not compared: 1");
    sagittal(place.path(), &["compare", "a", "b", "-o", "no/c.csv"]).exits(2).says("no is no folder");
    sagittal(place.path(), &["evaluate", "pb", "r", "--roi", "r/1.nii.gz", "-o", "inside"]).exits(1);
    sagittal(place.path(), &["compare", "a", "inside"])
        .exits(1)
        .says("a and inside were scored in different regions (whole image, inside the given mask)");
    sagittal(place.path(), &["compare", "a", "pa/1.nii.gz"]).exits(1).says("pa/1.nii.gz: cannot understand the scores");
    fs::write(place.path().join("b/metrics.json"), "{").unwrap();
    sagittal(place.path(), &["compare", "a", "b"]).exits(1).says("b/metrics.json");
}
