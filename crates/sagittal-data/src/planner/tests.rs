#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::{
    dataset::Label,
    fingerprint::{CaseFingerprint, Intensities},
    plan::Normalization,
};

fn fingerprint(rank: Rank, spacing: Option<[f64; 3]>, shapes: &[[usize; 3]], channels: &[&str]) -> Fingerprint {
    let case = |(index, &shape): (usize, &[usize; 3])| CaseFingerprint {
        id: format!("case_{index}"),
        spacing_mm: spacing,
        shape,
        shape_after_crop: shape,
    };
    Fingerprint {
        format_version: 1,
        dataset: "Hippocampus".into(),
        image_rank: rank,
        channels: channels.iter().map(|name| name.to_string()).collect(),
        labels: [(0, "background"), (1, "anterior"), (2, "posterior")].map(|(value, name)| Label { value, name: name.into() }).into(),
        regions: vec![],
        ignore_label: None,
        cases: shapes.iter().enumerate().map(case).collect(),
        intensities: vec![
            Intensities { mean: 40.0, std: 10.0, percentile_00_5: -100.0, percentile_99_5: 200.0, ..Default::default() };
            channels.len()
        ],
        labelled_box: None,
        median_relative_size_after_cropping: 1.0,
    }
}

/// A small hippocampus-like data set.
pub(super) fn example_fingerprint() -> Fingerprint {
    fingerprint(Rank::Three, Some([1.0; 3]), &[[36, 50, 35]; 200], &["MRI"])
}

/// Large volumes.
pub(super) fn large_fingerprint() -> Fingerprint {
    fingerprint(Rank::Three, Some([1.0; 3]), &[[300, 512, 512]; 20], &["CT"])
}

/// The plan of a small hippocampus-like data set, for other tests.
pub(crate) fn example_plan() -> Plan {
    Plan::make(&example_fingerprint(), &PlanOptions::default()).unwrap()
}

#[test]
fn hippocampus_gets_nnu_nets_patch_and_half_its_features() {
    let plan = example_plan();
    assert_eq!(plan.patch, [40, 56, 40]);
    assert_eq!(plan.network.unet().unwrap().features, [16, 32, 64, 128]);
    assert_eq!(plan.network.unet().unwrap().strides, [[1; 3], [2; 3], [2; 3], [2; 3]]);
    assert!(plan.batch_size >= 2);
    let nnunet = PlanOptions { base_features: Some(32), ..PlanOptions::default() };
    let plan = Plan::make(&fingerprint(Rank::Three, Some([1.0; 3]), &[[36, 50, 35]; 200], &["MRI"]), &nnunet).unwrap();
    // Counted by instantiating nnU-Net's own network, with the two heads of lower resolutions.
    assert_eq!(cost::parameters(&plan.network), 5_603_177);
}

#[test]
fn pictures_get_a_square_without_spacing() {
    let plan = Plan::make(&fingerprint(Rank::Two, None, &[[1, 256, 256]; 100], &["R", "G", "B"]), &PlanOptions::default()).unwrap();
    assert_eq!((plan.patch, plan.spacing_mm, plan.network.unet().unwrap().n_stages()), ([1, 256, 256], None, 7));
    assert_eq!(plan.network.unet().unwrap().features, [16, 32, 64, 128, 256, 256, 256]);
    assert!(plan.channels.iter().all(|channel| channel.normalization == Normalization::Zscore { masked: false }));
    assert_eq!(plan.training.mirror_axes, [1, 2]);
    assert_eq!(plan.training.augmentation.rotation.degrees, [180.0, 0.0, 0.0]);
}

#[test]
fn thick_slices_come_first_whatever_axis_they_are_on() {
    let spacing = [0.6, 0.6, 3.6];
    let plan = Plan::make(&fingerprint(Rank::Three, Some(spacing), &[[320, 320, 20]; 30], &["CT"]), &PlanOptions::default()).unwrap();
    assert_eq!(plan.axis_order, [2, 0, 1]);
    assert_eq!(plan.spacing_mm, Some([3.6, 0.6, 0.6]));
    assert_eq!(plan.median_shape, [20, 320, 320]);
    assert_eq!(plan.network.unet().unwrap().kernels[0], [1, 3, 3]);
    assert!(plan.training.augmentation.rotation.within_slices);
    assert_eq!(plan.channels[0].normalization, Normalization::Ct { mean: 40.0, std: 10.0, low: -100.0, high: 200.0 });
}

#[test]
fn few_thick_slices_are_planned_finer() {
    // 10th percentile along Z, because slices are thicker than 3 times the pixels and fewer than a third of them.
    let mut fingerprint = fingerprint(Rank::Three, Some([5.0, 1.0, 1.0]), &[[30, 256, 256]; 11], &["MRI"]);
    fingerprint.cases[0].spacing_mm = Some([2.0, 1.0, 1.0]);
    fingerprint.cases[1].spacing_mm = Some([3.0, 1.0, 1.0]);
    let plan = Plan::make(&fingerprint, &PlanOptions::default()).unwrap();
    assert_eq!(plan.spacing_mm, Some([3.0, 1.0, 1.0]));
}

#[test]
fn patches_shrink_to_the_limits_and_say_when_they_cannot() {
    let large = fingerprint(Rank::Three, Some([1.0; 3]), &[[300, 512, 512]; 20], &["CT"]);
    let plan = Plan::make(&large, &PlanOptions::default()).unwrap();
    assert!(plan.estimate.memory_bytes <= 8 << 30 && plan.estimate.multiply_adds_per_patch <= 24_000_000_000);
    assert!(plan.patch.iter().all(|&size| size >= 48), "{:?}", plan.patch);
    let small = PlanOptions { memory_bytes: 600 << 20, ..PlanOptions::default() };
    let smaller = Plan::make(&large, &small).unwrap();
    assert!(smaller.estimate.memory_bytes <= 600 << 20 && smaller.patch.iter().product::<usize>() < plan.patch.iter().product());
    let error = Plan::make(&large, &PlanOptions { memory_bytes: 1 << 20, ..PlanOptions::default() }).unwrap_err().to_string();
    assert!(error.contains("memory is 1 MB, expected at least"), "{error}");
}

#[test]
fn thin_slabs_and_tiny_images_have_a_plan() {
    struct Case {
        spacing_mm: [f64; 3],
        shape: [usize; 3],
        patch: [usize; 3],
    }
    let cases = [
        // Three slices cannot shrink; their planes do.
        Case { spacing_mm: [5.0, 0.7, 0.7], shape: [3, 512, 512], patch: [3, 0, 0] },
        Case { spacing_mm: [1.0; 3], shape: [5, 6, 7], patch: [6, 6, 8] },
        Case { spacing_mm: [1.0; 3], shape: [1, 1, 1], patch: [1, 2, 2] },
    ];
    for Case { spacing_mm, shape, patch } in cases {
        let plan = Plan::make(&fingerprint(Rank::Three, Some(spacing_mm), &[shape; 20], &["MRI"]), &PlanOptions::default()).unwrap();
        assert!(plan.network.unet().unwrap().n_stages() >= 2, "{shape:?}: a U-Net has two stages");
        assert!(plan.estimate.multiply_adds_per_patch <= 24_000_000_000, "{shape:?}");
        assert!((0..3).all(|axis| patch[axis] == 0 || patch[axis] == plan.patch[axis]), "{shape:?}: {:?}", plan.patch);
    }
}

#[test]
fn a_slice_network_can_be_asked_for_on_volumes() {
    let options = PlanOptions { net: NetName::Unet2d, ..PlanOptions::default() };
    let plan = Plan::make(&fingerprint(Rank::Three, Some([1.0; 3]), &[[36, 50, 35]; 200], &["MRI"]), &options).unwrap();
    assert_eq!((plan.patch, plan.image_rank), ([1, 56, 40], Rank::Three));
    assert_eq!(plan.network.unet().unwrap().kernels, [[1, 3, 3]; 4]);
}

#[test]
fn spacing_must_be_known_for_all_or_none() {
    let mut fingerprint = fingerprint(Rank::Three, Some([1.0; 3]), &[[36, 50, 35]; 3], &["MRI"]);
    fingerprint.cases[1].spacing_mm = None;
    let error = Plan::make(&fingerprint, &PlanOptions::default()).unwrap_err().to_string();
    assert!(error.contains("case_1") && error.contains("no spacing"), "{error}");
}
