#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::{
    check::Severity,
    testing::{picture, volume, write_labels},
};
use std::fs;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn ids(cases: &[Case]) -> Vec<&str> {
    cases.iter().map(|case| &*case.id).collect()
}

fn values(labels: &[Label]) -> Vec<(u16, &str)> {
    labels.iter().map(|label| (label.value, &*label.name)).collect()
}

const TWO_CHANNELS: &str =
    r#"{"channel_names": {"0": "T1", "1": "T2"}, "labels": {"background": 0, "tumour": 1}, "file_ending": ".nii.gz", "name": "Brains"}"#;

#[test]
fn nnunet_folders_are_listed_by_case_and_channel() {
    let root = folder();
    fs::write(root.path().join("dataset.json"), TWO_CHANNELS).unwrap();
    for id in ["b_1", "a_2"] {
        for channel in 0..2 {
            volume(&root.path().join(format!("imagesTr/{id}_000{channel}.nii.gz")), channel as f32);
        }
        write_labels(&root.path().join(format!("labelsTr/{id}.nii.gz")), &[0, 1]);
    }
    volume(&root.path().join("imagesTs/c_0000.nii.gz"), 1.0);
    volume(&root.path().join("imagesTs/c_0001.nii.gz"), 1.0);
    write_labels(&root.path().join("labelsTr/orphan.nii.gz"), &[0, 1]);
    fs::write(root.path().join("imagesTr/readme.txt"), "x").unwrap();
    fs::write(root.path().join("imagesTr/._a_2_0000.nii.gz"), "x").unwrap();
    fs::write(root.path().join("groups.json"), r#"{"a_2": "P1", "gone": "P2"}"#).unwrap();

    let dataset = Dataset::open(root.path()).unwrap();
    assert_eq!((dataset.layout, &*dataset.name), (Layout::NnUnet, "Brains"));
    assert_eq!(dataset.channels, ["T1", "T2"]);
    assert_eq!(values(&dataset.labels), [(0, "background"), (1, "tumour")]);
    assert_eq!((ids(&dataset.training), ids(&dataset.test)), (vec!["a_2", "b_1"], vec!["c"]));
    assert_eq!(dataset.training[0].images.len(), 2);
    assert_eq!(dataset.training[0].group.as_deref(), Some("P1"));
    assert!(dataset.training[1].labels.is_some() && dataset.test[0].labels.is_none());
    let image = dataset.read_image(&dataset.training[0]).unwrap();
    assert_eq!(image.channels.len(), 2);
    let findings: Vec<(Severity, &str)> = dataset.faults.iter().map(|fault| (fault.severity, &*fault.case)).collect();
    assert!(findings.contains(&(Severity::Error, "orphan")) && findings.contains(&(Severity::Note, "gone")), "{findings:?}");
    assert!(findings.contains(&(Severity::Error, "b_1")), "b_1 has no group: {findings:?}");
    // The description itself names the same data set.
    assert_eq!(Dataset::open(&root.path().join("dataset.json")).unwrap().training.len(), 2);
}

#[test]
fn a_colour_picture_is_one_file_with_three_channels() {
    let root = folder();
    fs::write(
        root.path().join("dataset.json"),
        r#"{"channel_names": {"0": "R", "1": "G", "2": "B"}, "labels": {"background": 0, "nucleus": 1}, "file_ending": ".png"}"#,
    )
    .unwrap();
    picture(&root.path().join("imagesTr/x_0000.png"), 3);
    write_labels(&root.path().join("labelsTr/x.png"), &[0, 1]);
    let dataset = Dataset::open(root.path()).unwrap();
    assert_eq!(dataset.training[0].images.len(), 1);
    assert_eq!(dataset.read_image(&dataset.training[0]).unwrap().channels.len(), 3);
}

#[test]
fn explicit_lists_and_old_descriptions_are_read() {
    let root = folder();
    fs::write(
        root.path().join("dataset.json"),
        r#"{"modality": {"0": "CT"}, "labels": {"0": "background", "2": "spleen"},
            "dataset": {"one": {"images": ["somewhere/one.nii.gz"], "label": "elsewhere/one.nii.gz"}}}"#,
    )
    .unwrap();
    volume(&root.path().join("somewhere/one.nii.gz"), 1.0);
    write_labels(&root.path().join("elsewhere/one.nii.gz"), &[0, 2]);
    let dataset = Dataset::open(root.path()).unwrap();
    assert_eq!(dataset.channels, ["CT"]);
    assert_eq!(values(&dataset.labels), [(0, "background"), (2, "spleen")]);
    assert_eq!(ids(&dataset.training), ["one"]);
    assert!(dataset.read_labels(&dataset.training[0]).unwrap().labels.voxels().contains(&2));
}

#[test]
fn descriptions_that_cannot_be_used_name_what_is_wrong() {
    struct Wrong {
        json: &'static str,
        message: &'static str,
    }
    let cases = [
        Wrong {
            json: r#"{"channel_names": {"0": "CT"}, "labels": {"background": 0, "whole tumour": [1, 2]}}"#,
            message: "regions, but there is no regions_class_order",
        },
        Wrong { json: r#"{"channel_names": {"0": "CT"}, "labels": {"background": 0, "a": 1, "ignore": 3}}"#, message: "label \"ignore\"" },
        Wrong { json: r#"{"channel_names": {"0": "CT"}, "labels": {"background": 0}}"#, message: "only the background" },
        Wrong { json: r#"{"channel_names": {"0": "CT"}, "labels": {"a": 1}}"#, message: "no background" },
        Wrong { json: r#"{"channel_names": {"0": "CT"}, "labels": {"background": 0, "a": 1, "b": 1}}"#, message: "same value 1" },
        Wrong { json: r#"{"channel_names": {"0": "CT"}, "labels": {"background": 0, "a": -1}}"#, message: "has value -1" },
        Wrong { json: r#"{"channel_names": {"1": "CT"}, "labels": {"background": 0, "a": 1}}"#, message: "channel \"1\"" },
        Wrong { json: r#"{"labels": {"background": 0, "a": 1}}"#, message: "neither channel_names nor modality" },
        Wrong {
            json: r#"{"channel_names": {"0": "CT"}, "labels": {"background": 0, "a": 1}}"#,
            message: "no image imagesTr/CASE_0000.nii.gz",
        },
    ];
    for Wrong { json, message } in cases {
        let root = folder();
        fs::write(root.path().join("dataset.json"), json).unwrap();
        let found = Dataset::open(root.path()).unwrap_err().to_string();
        assert!(found.contains(message) && found.contains("dataset.json"), "{found}\nshould contain {message}");
    }
    // Results are written as CASE.ext: such a name would put them elsewhere.
    for id in ["../../elsewhere", "a/b", ".hidden", ""] {
        let root = folder();
        let json = format!(
            r#"{{"channel_names": {{"0": "CT"}}, "labels": {{"background": 0, "a": 1}}, "dataset": {{"{id}": {{"images": ["x.nii.gz"]}}}}}}"#
        );
        fs::write(root.path().join("dataset.json"), json).unwrap();
        let found = Dataset::open(root.path()).unwrap_err().to_string();
        assert!(found.contains(&format!("a case is called {id:?}")), "{found}");
    }
    let root = folder();
    fs::write(root.path().join("dataset.json"), "{").unwrap();
    assert!(matches!(Dataset::open(root.path()), Err(DataError::Json { .. })));
}

#[test]
fn decathlon_lists_are_read_without_hidden_files() {
    let root = folder();
    fs::write(
        root.path().join("dataset.json"),
        r#"{"name": "HEART", "modality": {"0": "MRI"}, "labels": {"0": "background", "1": "left atrium"}, "numTraining": 1,
            "training": [{"image": "./imagesTr/la_007.nii.gz", "label": "./labelsTr/la_007.nii.gz"},
                         {"image": "./imagesTr/._la_003.nii.gz", "label": "./labelsTr/._la_003.nii.gz"},
                         {"image": "./imagesTr/la_003.nii.gz", "label": "./labelsTr/la_003.nii.gz"}],
            "test": ["./imagesTs/la_001.nii.gz"]}"#,
    )
    .unwrap();
    for id in ["la_007", "la_003"] {
        volume(&root.path().join(format!("imagesTr/{id}.nii.gz")), 1.0);
        write_labels(&root.path().join(format!("labelsTr/{id}.nii.gz")), &[0, 1]);
    }
    let dataset = Dataset::open(root.path()).unwrap();
    assert_eq!((dataset.layout, &*dataset.name), (Layout::Decathlon, "HEART"));
    assert_eq!((ids(&dataset.training), ids(&dataset.test)), (vec!["la_003", "la_007"], vec!["la_001"]));
    assert_eq!(values(&dataset.labels), [(0, "background"), (1, "left atrium")]);
    assert!(dataset.read_labels(&dataset.training[0]).is_ok());
}

#[test]
fn two_folders_are_paired_by_name() {
    let root = folder();
    for (image, mask) in [("a.png", "a.png"), ("b_image.png", "b_mask.png"), ("c.png", "c_Segmentation.png"), ("d.png", "")] {
        picture(&root.path().join("images").join(image), 3);
        if !mask.is_empty() {
            write_labels(&root.path().join("masks").join(mask), &[0, 255]);
        }
    }
    write_labels(&root.path().join("masks/e_mask.png"), &[0, 255]);
    let dataset = Dataset::open(root.path()).unwrap();
    assert_eq!(dataset.layout, Layout::Folders);
    assert_eq!(ids(&dataset.training), ["a", "b", "c", "d"]);
    assert_eq!(dataset.training.iter().map(|case| case.labels.is_some()).collect::<Vec<_>>(), [true, true, true, false]);
    assert_eq!(dataset.channels, ["R", "G", "B"]);
    assert_eq!(values(&dataset.labels), [(0, "background"), (1, "foreground")]);
    assert_eq!(dataset.mask_values, [MaskValue { mask: 255, label: 1 }]);
    let labels = dataset.read_labels(&dataset.training[0]).unwrap();
    assert_eq!(labels.labels.voxels().iter().max(), Some(&1));
    assert!(dataset.faults.iter().any(|fault| fault.case == "e"));
}

#[test]
fn values_of_masks_become_labels() {
    struct Masks {
        values: &'static [u16],
        labels: usize,
        mapped: bool,
    }
    let cases = [
        // Consecutive values are the labels.
        Masks { values: &[0, 1, 2], labels: 3, mapped: false },
        // One other value is the foreground.
        Masks { values: &[0, 7], labels: 2, mapped: true },
        // Grey levels are numbered.
        Masks { values: &[0, 128, 255], labels: 3, mapped: true },
    ];
    for Masks { values, labels, mapped } in cases {
        let root = folder();
        picture(&root.path().join("images/a.png"), 1);
        write_labels(&root.path().join("labels/a.png"), values);
        let dataset = Dataset::open(root.path()).unwrap();
        assert_eq!((dataset.labels.len(), !dataset.mask_values.is_empty()), (labels, mapped), "{values:?}");
        let highest = dataset.read_labels(&dataset.training[0]).unwrap().labels.voxels().iter().copied().max();
        assert_eq!(highest.map(usize::from), Some(labels - 1));
    }
    let root = folder();
    picture(&root.path().join("images/a.png"), 1);
    write_labels(&root.path().join("masks/a.png"), &(0..100).collect::<Vec<u16>>());
    assert!(Dataset::open(root.path()).unwrap_err().to_string().contains("more than 64 different values"));
    write_labels(&root.path().join("masks/a.png"), &[0]);
    assert!(Dataset::open(root.path()).unwrap_err().to_string().contains("none of the 1 masks"));
}

#[test]
fn drive_is_matched_by_number() {
    let root = folder();
    for (part, number, manuals) in [("training", "21", vec!["1st_manual"]), ("test", "01", vec!["1st_manual", "2nd_manual"])] {
        picture(&root.path().join(format!("{part}/images/{number}_{part}.tif")), 3);
        for manual in manuals {
            write_labels(&root.path().join(format!("{part}/{manual}/{number}_manual{}.gif", &manual[..1])), &[0, 255]);
        }
        write_labels(&root.path().join(format!("{part}/mask/{number}_{part}_mask.gif")), &[0, 255]);
    }
    let dataset = Dataset::open(root.path()).unwrap();
    assert_eq!(dataset.layout, Layout::Drive);
    assert_eq!((ids(&dataset.training), ids(&dataset.test)), (vec!["21_training"], vec!["01_test"]));
    let (training, test) = (&dataset.training[0], &dataset.test[0]);
    assert!(training.labels.is_some() && training.region.is_some() && training.second_labels.is_none() && test.second_labels.is_some());
    assert_eq!(dataset.read_labels(training).unwrap().labels.voxels().iter().max(), Some(&1));
    assert_eq!(dataset.read_second_labels(test).unwrap().unwrap().labels.voxels().iter().max(), Some(&1));
    assert_eq!(dataset.read_region(test).unwrap().unwrap().labels.voxels().iter().max(), Some(&255));
}

#[test]
fn a_folder_of_something_else_says_what_was_looked_for_and_found() {
    let root = folder();
    fs::write(root.path().join("notes.txt"), "x").unwrap();
    let message = Dataset::open(root.path()).unwrap_err().to_string();
    for part in ["dataset.json with imagesTr/", "masks/", "1st_manual", "found: notes.txt"] {
        assert!(message.contains(part), "{message}");
    }
    assert!(matches!(Dataset::open(&root.path().join("absent")), Err(DataError::File { act: "list", .. })));
}

#[test]
fn the_digest_depends_on_content_and_not_on_the_place() {
    let make = |value: f32| {
        let root = folder();
        fs::write(
            root.path().join("dataset.json"),
            r#"{"channel_names": {"0": "CT"}, "labels": {"background": 0, "a": 1}, "file_ending": ".nii"}"#,
        )
        .unwrap();
        volume(&root.path().join("imagesTr/a_0000.nii"), value);
        Dataset::open(root.path()).unwrap().digest()
    };
    assert_eq!(make(1.0), make(1.0));
    assert_ne!(make(1.0), make(2.0));
}

#[test]
fn regions_and_unlabelled_voxels_are_read_as_they_are() {
    let root = folder();
    let description = r#"{"channel_names": {"0": "MRI"}, "file_ending": ".nii", "regions_class_order": [1, 2],
        "labels": {"background": 0, "whole": [1, 2], "core": 2, "ignore": 3}}"#;
    fs::write(root.path().join("dataset.json"), description).unwrap();
    volume(&root.path().join("imagesTr/a_0000.nii"), 1.0);
    write_labels(&root.path().join("labelsTr/a.nii"), &[0, 1, 2, 3]);
    let dataset = Dataset::open(root.path()).unwrap();
    assert_eq!(values(&dataset.labels), [(0, "background"), (1, "label 1"), (2, "core")]);
    assert_eq!(dataset.regions.iter().map(|region| (&*region.name, region.painted)).collect::<Vec<_>>(), [("whole", 1), ("core", 2)]);
    assert_eq!(dataset.ignore_label, Some(3));
    assert_eq!(dataset.read_labels(&dataset.training[0]).unwrap().labels.voxels()[..4], [0, 1, 2, 3]);
    let case = &dataset.training[0];
    let scored = dataset.scored_voxels(case, &dataset.read_labels(case).unwrap()).unwrap().unwrap();
    assert_eq!(scored.voxels()[..4], [true, true, true, false]);
    let digest = dataset.digest();
    fs::write(root.path().join("dataset.json"), description.replace("[1, 2],", "[2, 1],")).unwrap();
    assert_ne!(Dataset::open(root.path()).unwrap().digest(), digest);
}
