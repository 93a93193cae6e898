#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::{Case, Dataset, plan::OrientationRule, testing};
use std::fs;

#[test]
fn a_fingerprint_is_taken_and_survives_its_file() {
    let root = tempfile::tempdir().unwrap();
    fs::write(
        root.path().join("dataset.json"),
        r#"{"channel_names": {"0": "MRI"}, "labels": {"background": 0, "a": 1}, "file_ending": ".nii"}"#,
    )
    .unwrap();
    for id in ["a", "b"] {
        testing::volume(&root.path().join(format!("imagesTr/{id}_0000.nii")), 1.0);
        testing::write_labels(&root.path().join(format!("labelsTr/{id}.nii")), &[0, 1]);
    }
    let dataset = Dataset::open(root.path()).unwrap();
    let cases: Vec<&Case> = dataset.training.iter().collect();
    let fingerprint = Fingerprint::extract(&dataset, &cases, OrientationRule::Canonical, &|_, _| {}).unwrap();
    assert_eq!(
        fingerprint.cases[0],
        CaseFingerprint { id: "a".into(), spacing_mm: Some([2.0, 1.0, 1.0]), shape: testing::SHAPE, shape_after_crop: testing::SHAPE }
    );
    assert_eq!((fingerprint.intensities[0].min, fingerprint.intensities[0].max), (1.0, 7.0));
    assert_eq!(fingerprint.median_relative_size_after_cropping, 1.0);
    let path = root.path().join("fingerprint.json");
    fingerprint.write(&path).unwrap();
    assert_eq!(Fingerprint::read(&path).unwrap(), fingerprint);
    assert!(Fingerprint::extract(&dataset, &[], OrientationRule::Canonical, &|_, _| {}).is_err());
}
