#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::testing::{SHAPE, picture, volume, write_labels};
use sagittal_image::{Geometry, Volume, io};
use std::{fs, path::Path};

const DESCRIPTION: &str = r#"{"channel_names": {"0": "MRI"}, "labels": {"background": 0, "a": 1}, "file_ending": ".nii"}"#;

fn write_image(path: &Path, voxels: Vec<f32>, geometry: &Geometry) {
    io::write_image(path, &[Volume::new(geometry.shape, voxels)], geometry, &io::SourceHeader::default()).unwrap();
}

/// Two sound cases.
fn sound(root: &Path) {
    fs::write(root.join("dataset.json"), DESCRIPTION).unwrap();
    for (index, id) in ["good_1", "good_2"].into_iter().enumerate() {
        volume(&root.join(format!("imagesTr/{id}_0000.nii")), index as f32);
        write_labels(&root.join(format!("labelsTr/{id}.nii")), &[0, 1]);
    }
}

fn faults(root: &Path) -> Vec<Fault> {
    check(&Dataset::open(root).unwrap(), &|_, _| {})
}

#[test]
fn a_sound_data_set_has_no_faults() {
    let root = tempfile::tempdir().unwrap();
    sound(root.path());
    let seen = AtomicUsize::new(0);
    let dataset = Dataset::open(root.path()).unwrap();
    assert_eq!(check(&dataset, &|done, of| assert!(seen.fetch_add(1, Ordering::Relaxed) < of && done <= of)), []);
    assert_eq!(seen.into_inner(), 2);
}

#[test]
fn every_fault_is_found_and_named() {
    struct Spoilt {
        what: &'static str,
        spoil: fn(&Path),
        case: &'static str,
        severity: Severity,
        finding: &'static str,
    }
    use Severity::{Error, Note};
    let cases = [
        Spoilt {
            what: "a text file",
            spoil: |root| fs::write(root.join("imagesTr/good_1_0000.nii"), "hello").unwrap(),
            case: "good_1",
            severity: Error,
            finding: "good_1_0000.nii",
        },
        Spoilt {
            what: "no labels",
            spoil: |root| fs::remove_file(root.join("labelsTr/good_1.nii")).unwrap(),
            case: "good_1",
            severity: Error,
            finding: "no labels",
        },
        Spoilt {
            what: "labels without an image",
            spoil: |root| write_labels(&root.join("labelsTr/x.nii"), &[0, 1]),
            case: "x",
            severity: Error,
            finding: "no image",
        },
        Spoilt {
            what: "another shape",
            spoil: |root| {
                let geometry = Geometry::volume([4, 5, 7], [2.0, 1.0, 1.0]);
                write_image(&root.join("imagesTr/good_1_0000.nii"), (0..140).map(|i| i as f32).collect(), &geometry);
            },
            case: "good_1",
            severity: Error,
            finding: "another grid than the image",
        },
        Spoilt {
            what: "another spacing",
            spoil: |root| {
                let geometry = Geometry::volume(SHAPE, [2.5, 1.0, 1.0]);
                write_image(&root.join("imagesTr/good_1_0000.nii"), (0..120).map(|i| i as f32).collect(), &geometry);
            },
            case: "good_1",
            severity: Error,
            finding: "2.5",
        },
        Spoilt {
            what: "a value that is no label",
            spoil: |root| write_labels(&root.join("labelsTr/good_2.nii"), &[0, 1, 3]),
            case: "good_2",
            severity: Error,
            finding: "value 3 is no declared label (0, 1): 40 voxel(s), the first at [0, 0, 2]",
        },
        Spoilt {
            what: "a label that never occurs",
            spoil: |root| fs::write(root.join("dataset.json"), DESCRIPTION.replace("\"a\": 1", "\"a\": 1, \"b\": 2")).unwrap(),
            case: "",
            severity: Note,
            finding: "label 2 (b) occurs in no training case",
        },
        Spoilt {
            what: "voxels that are not a number",
            spoil: |root| {
                let mut voxels: Vec<f32> = (0..120).map(|i| i as f32).collect();
                voxels[31] = f32::NAN;
                voxels[40] = f32::INFINITY;
                write_image(&root.join("imagesTr/good_1_0000.nii"), voxels, &Geometry::volume(SHAPE, [2.0, 1.0, 1.0]));
            },
            case: "good_1",
            severity: Error,
            finding: "2 voxel(s) that are NaN or infinite, the first at [1, 0, 1]",
        },
        Spoilt {
            what: "a constant image",
            spoil: |root| write_image(&root.join("imagesTr/good_1_0000.nii"), vec![3.0; 120], &Geometry::volume(SHAPE, [2.0, 1.0, 1.0])),
            case: "good_1",
            severity: Error,
            finding: "is 3 everywhere",
        },
        Spoilt {
            what: "the same image twice",
            spoil: |root| volume(&root.join("imagesTr/good_2_0000.nii"), 0.0),
            case: "good_2",
            severity: Error,
            finding: "voxel by voxel that of case good_1",
        },
        Spoilt {
            what: "the same image in training and test",
            spoil: |root| volume(&root.join("imagesTs/t_0000.nii"), 0.0),
            case: "t",
            severity: Error,
            finding: "one for training, one for testing",
        },
        Spoilt {
            what: "a patient in training and test",
            spoil: |root| {
                volume(&root.join("imagesTs/t_0000.nii"), 9.0);
                fs::write(root.join("groups.json"), r#"{"good_1": "P", "good_2": "Q", "t": "P"}"#).unwrap();
            },
            case: "t",
            severity: Error,
            finding: "patient P is also in training (case good_1)",
        },
        Spoilt {
            what: "a case without a patient",
            spoil: |root| fs::write(root.join("groups.json"), r#"{"good_1": "P"}"#).unwrap(),
            case: "good_2",
            severity: Error,
            finding: "groups.json does not name this case",
        },
        Spoilt {
            what: "a patient of no case",
            spoil: |root| fs::write(root.join("groups.json"), r#"{"good_1": "P", "good_2": "Q", "gone": "R"}"#).unwrap(),
            case: "gone",
            severity: Note,
            finding: "does not have",
        },
        Spoilt {
            what: "a missing channel",
            spoil: |root| {
                fs::write(root.join("dataset.json"), DESCRIPTION.replace("\"0\": \"MRI\"", "\"0\": \"T1\", \"1\": \"T2\"")).unwrap();
                volume(&root.join("imagesTr/good_1_0001.nii"), 5.0);
            },
            case: "good_2",
            severity: Error,
            finding: "channel 1 (T2) is missing",
        },
        Spoilt {
            what: "too few channels everywhere",
            spoil: |root| {
                fs::write(root.join("dataset.json"), DESCRIPTION.replace("\"0\": \"MRI\"", "\"0\": \"T1\", \"1\": \"T2\"")).unwrap()
            },
            case: "good_2",
            severity: Error,
            finding: "1 channel(s), the data set has 2 (T1, T2)",
        },
    ];
    for Spoilt { what, spoil, case, severity, finding } in cases {
        let root = tempfile::tempdir().unwrap();
        sound(root.path());
        spoil(root.path());
        let found = faults(root.path());
        let hit = found.iter().any(|fault| {
            let text = format!("{} {}", fault.file.display(), fault.finding);
            fault.case == case && fault.severity == severity && text.contains(finding) && !fault.cure.is_empty()
        });
        assert!(hit, "{what}: {finding:?} is missing in {found:#?}");
        assert!(found.len() <= 3, "{what}: {found:#?}");
    }
}

#[test]
fn pictures_among_volumes_are_named() {
    let root = tempfile::tempdir().unwrap();
    let explicit = r#"{"channel_names": {"0": "MRI"}, "labels": {"background": 0, "a": 1}, "dataset": {
        "v1": {"images": ["v1.nii"], "label": "l1.nii"}, "v2": {"images": ["v2.nii"], "label": "l2.nii"}, "p": {"images": ["p.png"], "label": "lp.png"}}}"#;
    fs::write(root.path().join("dataset.json"), explicit).unwrap();
    for (image, labels, value) in [("v1.nii", "l1.nii", 1.0), ("v2.nii", "l2.nii", 2.0)] {
        volume(&root.path().join(image), value);
        write_labels(&root.path().join(labels), &[0, 1]);
    }
    picture(&root.path().join("p.png"), 1);
    write_labels(&root.path().join("lp.png"), &[0, 1]);
    let found = faults(root.path());
    assert!(found.iter().any(|fault| fault.case == "p" && fault.finding.contains("2-D, most of the data set is 3-D")), "{found:#?}");
    assert!(found.iter().any(|fault| fault.case == "p" && fault.finding.contains("no spacing")), "{found:#?}");
}

#[test]
fn spacings_that_cannot_be_true_are_found() {
    let root = tempfile::tempdir().unwrap();
    sound(root.path());
    let rewrite = |id: &str, spacing: [f64; 3], value: f32| {
        for file in [format!("imagesTr/{id}_0000.nii"), format!("labelsTr/{id}.nii")] {
            let geometry = Geometry::volume(SHAPE, spacing);
            write_image(&root.path().join(file), (0..120).map(|index| (index % 2) as f32 * value).collect(), &geometry);
        }
    };
    // A factor of 20 does occur; 100 is a mistake; 1e9 mm is one whatever the others have.
    for (index, (id, z_mm)) in [("a", 2.0), ("b", 40.0), ("c", 2.0), ("metres", 0.02), ("far", 1e9)].into_iter().enumerate() {
        rewrite(id, [z_mm, 1.0 + index as f64 * 0.01, 1.0], 1.0);
    }
    let found: Vec<(String, String)> = faults(root.path())
        .into_iter()
        .filter(|fault| fault.finding.contains("spacing"))
        .map(|fault| (fault.case, fault.finding))
        .collect();
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[0].0 == "far" && found[0].1.contains("1000000000 mm, which no scanner has"), "{found:#?}");
    assert!(found[1].0 == "metres" && found[1].1.contains("100 times less than the data set's median of 2 mm"), "{found:#?}");
}

#[test]
fn faults_of_regions_and_of_unlabelled_voxels_are_found() {
    let root = tempfile::tempdir().unwrap();
    sound(root.path());
    let description = r#"{"channel_names": {"0": "MRI"}, "file_ending": ".nii", "regions_class_order": [1, 2],
        "labels": {"background": 0, "core": 1, "whole": [1, 2], "ignore": 3}}"#;
    fs::write(root.path().join("dataset.json"), description).unwrap();
    write_labels(&root.path().join("labelsTr/good_2.nii"), &[3]);
    let found = faults(root.path());
    let of = |case: &str| found.iter().filter(|fault| fault.case == case).map(|fault| fault.finding.clone()).collect::<String>();
    assert!(of("good_2").contains("every voxel has value 3"), "{found:#?}");
    assert!(of("").contains("region core lies within whole") && of("").contains("label 2 (label 2) occurs in no"), "{found:#?}");
    write_labels(&root.path().join("labelsTr/good_2.nii"), &[0, 4]);
    let found = faults(root.path());
    assert!(found.iter().any(|fault| fault.finding.contains("value 4 is no declared label (0, 1, 2, 3 = ignore)")), "{found:#?}");
    assert!(found.iter().any(|fault| fault.finding.contains("value 3 (ignore) occurs in no training case")), "{found:#?}");
}
