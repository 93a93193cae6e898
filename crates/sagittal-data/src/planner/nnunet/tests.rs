#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::{
    dataset::{Label, Region},
    fingerprint::{CaseFingerprint, Intensities},
    plan::Normalization,
};
use serde_json::{Value, json};

/// A data set that exists as a fingerprint only, as `tests/reference/nnunet_plans.py` writes it.
fn fingerprint(data: &Value) -> Fingerprint {
    let numbers = |value: &Value| -> [f64; 3] { serde_json::from_value(value.clone()).unwrap() };
    let mut cases = Vec::new();
    for case in data["cases"].as_array().unwrap() {
        let shape = numbers(&case[2]).map(|size| size as usize);
        for _ in 0..case[0].as_u64().unwrap() {
            let id = cases.len().to_string();
            cases.push(CaseFingerprint { id, spacing_mm: Some(numbers(&case[1])), shape, shape_after_crop: shape });
        }
    }
    let channels: Vec<String> = serde_json::from_value(data["channels"].clone()).unwrap();
    // nnU-Net's reader of pictures gives them this spacing between slices.
    let flat = cases[0].spacing_mm.unwrap()[0] == 999.0;
    Fingerprint {
        format_version: 1,
        dataset: "Golden".into(),
        image_rank: if flat { Rank::Two } else { Rank::Three },
        labels: (0..data["labels"].as_u64().unwrap() as u16).map(|value| Label { value, name: value.to_string() }).collect(),
        regions: vec![],
        ignore_label: None,
        intensities: vec![Intensities { std: 1.0, percentile_99_5: 2.0, ..Intensities::default() }; channels.len()],
        channels,
        cases,
        labelled_box: None,
        median_relative_size_after_cropping: data["relative_size"].as_f64().unwrap(),
    }
}

fn preset(name: &str) -> Preset {
    match name {
        "plain" => Preset::Plain,
        "resenc-m" => Preset::ResEncM,
        "resenc-l" => Preset::ResEncL,
        "resenc-xl" => Preset::ResEncXl,
        other => panic!("no preset {other}"),
    }
}

/// nnU-Net's words for the normalisation, a star where only the nonzero part counts.
fn normalization_names(plan: &Plan) -> String {
    let name = |normalization: Normalization| match normalization {
        Normalization::Zscore { masked: true } => "ZScore*",
        Normalization::Zscore { masked: false } => "ZScore",
        Normalization::Ct { .. } => "CT",
        Normalization::Rgb => "RGBTo01",
        Normalization::MinMax => "RescaleTo01",
        Normalization::None => "No",
    };
    plan.channels.iter().map(|channel| name(channel.normalization)).collect::<Vec<_>>().join(" ")
}

/// The plan in the form of the goldens.
fn as_golden(plan: &Plan) -> Value {
    let axes = usize::from(plan.network_rank() == Rank::Two)..3;
    let digits = |rows: &[[usize; 3]]| -> String {
        let row = |row: &[usize; 3]| row[axes.clone()].iter().map(usize::to_string).collect::<String>();
        rows.iter().map(row).collect::<Vec<_>>().join(" ")
    };
    json!({
        "batch_size": plan.batch_size,
        "patch_size": plan.patch[axes.clone()],
        "batch_dice": plan.training.batch_dice,
        "features": plan.network.unet().unwrap().features,
        "kernels": digits(&plan.network.unet().unwrap().kernels),
        "strides": digits(&plan.network.unet().unwrap().strides),
        "encoder": plan.network.unet().unwrap().encoder_convs,
        "decoder": plan.network.unet().unwrap().decoder_convs,
    })
}

#[test]
fn plans_are_nnu_nets_number_by_number() {
    let goldens: Vec<Value> = serde_json::from_str(include_str!("../../../tests/data/nnunet_plans.json")).unwrap();
    let mut n_compared = 0;
    for golden in &goldens {
        let what = format!("{}, {}, {} GB", golden["name"], golden["planner"], golden["memory_gb"]);
        let preset = preset(golden["planner"].as_str().unwrap());
        let options = NnunetOptions { preset, memory_gb: golden["memory_gb"].as_f64(), ..NnunetOptions::default() };
        let plans = Plan::like_nnunet(&fingerprint(&golden["data"]), &options).unwrap_or_else(|error| panic!("{what}: {error}"));
        let theirs = golden["configurations"].as_object().unwrap();
        let names: Vec<&str> = plans.iter().map(|(configuration, _)| configuration.name()).collect();
        let mut wanted: Vec<&str> = theirs.keys().map(String::as_str).collect();
        wanted.sort_by_key(|name| ["2d", "3d_fullres", "3d_lowres", "3d_cascade_fullres"].iter().position(|known| known == name));
        assert_eq!(names, wanted, "{what}");
        for (configuration, plan) in &plans {
            let what = format!("{what}, {}", configuration.name());
            let theirs = match *configuration {
                Configuration::Cascade => &theirs["3d_fullres"],
                other => &theirs[other.name()],
            };
            let ours = as_golden(plan);
            for (field, ours) in ours.as_object().unwrap() {
                assert_eq!(ours, &theirs[field], "{what}: {field}");
            }
            let axes = usize::from(plan.network_rank() == Rank::Two)..3;
            let numbers = |value: &Value| -> Vec<f64> { serde_json::from_value(value.clone()).unwrap() };
            let median: Vec<usize> = numbers(&theirs["median"]).iter().map(|size| size.round_ties_even() as usize).collect();
            assert_eq!(plan.median_shape[axes.clone()], median, "{what}");
            assert_eq!(plan.spacing_mm.unwrap()[axes], numbers(&theirs["spacing"]), "{what}");
            assert_eq!(json!(plan.axis_order), golden["transpose"], "{what}");
            assert_eq!(normalization_names(plan), golden["normalization"].as_str().unwrap(), "{what}");
            n_compared += 1;
        }
    }
    println!("{n_compared} configurations of {} data sets are nnU-Net's", goldens.len());
    assert!(goldens.len() > 80 && n_compared > 200);
}

fn huge() -> Fingerprint {
    let data = json!({ "channels": ["CT"], "labels": 3, "relative_size": 1.0, "cases": [[30, [0.8, 0.75, 0.75], [600, 512, 512]]] });
    fingerprint(&data)
}

#[test]
fn a_cascade_sees_the_labels_of_the_stage_before() {
    let plans = Plan::like_nnunet(&huge(), &NnunetOptions::default()).unwrap();
    let (configuration, plan) = plans.last().unwrap();
    assert_eq!((*configuration, plan.previous_stage.as_deref()), (Configuration::Cascade, Some("3d_lowres")));
    assert_eq!((plan.network.input_channels(), plan.network.classes()), (3, 3));
}

#[test]
fn regions_and_the_ignore_label_count_as_nnu_net_counts_them() {
    let mut with = huge();
    let plain = Plan::like_nnunet(&with, &NnunetOptions::default()).unwrap().remove(1).1;
    assert_eq!(declared_labels(&with), 3);
    with.ignore_label = Some(3);
    assert_eq!(declared_labels(&with), 4);
    let region = |values: &[u16], painted| Region { name: "r".into(), values: values.into(), painted };
    with.regions = vec![region(&[1, 2], 1), region(&[2], 2), region(&[1], 1)];
    assert_eq!(declared_labels(&with), 5);
    let plan = Plan::like_nnunet(&with, &NnunetOptions::default()).unwrap().remove(1).1;
    assert_eq!((plan.network.classes(), plan.regions.len(), plan.ignore_label), (3, 3, Some(3)));
    assert_eq!(plan.patch, plain.patch);
}

#[test]
fn what_nnu_net_cannot_plan_is_an_error_or_a_smaller_network() {
    let little = NnunetOptions { memory_gb: Some(1e-6), ..NnunetOptions::default() };
    let error = Plan::like_nnunet(&huge(), &little).unwrap_err().to_string();
    assert!(error.contains("memory is 0.00 GB") && error.contains("not even the smallest patch fits"), "{error}");
    // A slab of one voxel, not in front: nnU-Net would cut its axis down to nothing.
    let slab = fingerprint(&json!({
        "channels": ["T1"], "labels": 2, "relative_size": 1.0, "cases": [[9, [1.0, 1.0, 1.0], [900, 1, 900]]]
    }));
    let plan = Plan::like_nnunet(&slab, &NnunetOptions { memory_gb: Some(0.5), ..NnunetOptions::default() }).unwrap().remove(1).1;
    assert!(plan.patch[1] == 1 && plan.patch[0] > 100, "{:?}", plan.patch);
    let tiny = fingerprint(&json!({ "channels": ["T1"], "labels": 2, "relative_size": 1.0, "cases": [[9, [1.0, 1.0, 1.0], [5, 6, 7]]] }));
    let plan = Plan::like_nnunet(&tiny, &NnunetOptions::default()).unwrap().remove(1).1;
    assert_eq!(plan.network.unet().unwrap().n_stages(), 2);
}
