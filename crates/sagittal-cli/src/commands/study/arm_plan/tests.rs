#![allow(clippy::unwrap_used, reason = "tests")]

use sagittal_data::{Dataset, Fingerprint, PlanOptions, phantom, phantom::PhantomOptions, plan::OptimizerKind};

use super::*;

/// The usual plan of a small phantom.
fn base() -> Plan {
    let place = tempfile::tempdir().unwrap();
    phantom::write_hippocampus(place.path(), &PhantomOptions { cases: 2, test_cases: 0, ..PhantomOptions::default() }).unwrap();
    let dataset = Dataset::open(place.path()).unwrap();
    let cases: Vec<_> = dataset.training.iter().collect();
    let options = PlanOptions::default();
    Plan::make(&Fingerprint::extract(&dataset, &cases, options.orientation, &|_, _| {}).unwrap(), &options).unwrap()
}

fn settings(text: &str) -> Settings {
    toml::from_str(text).unwrap()
}

#[test]
fn a_plan_is_changed_where_the_study_says_so_and_an_unknown_field_is_named() {
    let base = base();
    let plan = arm_plan("a", &settings("plan.training = { optimizer = 'sgd', momentum = 0 }\nplan.batch_size = 5"), &base).unwrap();
    assert_eq!((plan.training.optimizer, plan.training.momentum, plan.batch_size), (OptimizerKind::Sgd, 0.0, 5));
    assert_eq!((plan.training.learning_rate, &plan.network), (base.training.learning_rate, &base.network));
    for (text, parts) in [
        ("plan.training.speed = 3", &["arm a", "speed", "learning_rate"][..]),
        ("plan.network.speed = 3", &["arm a", "speed", "features"]),
        ("plan.colour = 'red'", &["arm a", "colour"]),
        ("plan.batch_size = 0", &["arm a", "batch_size"]),
        ("plan.training.optimizer = 'lion'", &["arm a", "lion", "adamw"]),
        ("unet.stages = 1", &["arm a", "unet.stages is 1"]),
        ("unet.widening = 9", &["arm a", "unet.widening"]),
    ] {
        let error = format!("{:#}", arm_plan("a", &settings(text), &base).unwrap_err());
        assert!(parts.iter().all(|part| error.contains(part)), "{text}: {error}");
    }
}

#[test]
fn a_unet_takes_another_shape_and_stays_one() {
    let base = base();
    let stages = base.network.unet().unwrap().n_stages();
    assert!(stages > 2, "the phantom's network is as flat as it can be");
    let shaped = arm_plan("a", &settings("unet = { stages = 2, features = 6, widening = 1.5, convs = 4 }"), &base).unwrap();
    let unet = shaped.network.unet().unwrap();
    assert_eq!((&unet.features[..], &unet.encoder_convs[..], &unet.decoder_convs[..]), (&[6, 9][..], &[4, 4][..], &[4][..]));
    assert_eq!(unet.kernels[..], base.network.unet().unwrap().kernels[..2]);
    assert_eq!(shaped.estimate, shaped.estimated());
    let deeper = arm_plan("a", &settings("unet.stages = 99"), &base).unwrap();
    assert_eq!(deeper.network, base.network);
}

#[test]
fn augmentation_is_switched_off_and_on() {
    let off = arm_plan("a", &settings("augmentation = 'none'"), &base()).unwrap();
    assert_eq!((off.training.augmentation.rotation.probability, off.training.augmentation.mirror_probability), (0.0, 0.0));
    let on = arm_plan("a", &settings("augmentation = 'nnunet'"), &off).unwrap();
    assert_eq!(on.training.augmentation, AugmentationPlan::nnunet(off.patch));
}

#[test]
fn nodes_are_feature_maps_and_units() {
    let patch = |view| NetworkPlan::Patch(sagittal_data::plan::PatchPlan::thesis(view, 1, 3));
    use sagittal_data::plan::PatchView::{Slice, Triplanar};
    assert_eq!((nodes(&patch(Slice)), nodes(&patch(Triplanar))), (20 + 50 + 1000 + 3, 3 * 70 + 1000 + 3));
    let post = NetworkPlan::ImageToMask(sagittal_data::plan::ImageToMaskPlan::post(1, 2));
    assert_eq!(nodes(&post), 10 + 25 + 1000 + 4096);
    let shaped = arm_plan("a", &settings("unet = { stages = 2, features = 8, convs = 2 }"), &base()).unwrap();
    // Two convolutions of 8 and of 16, one up to 8 and two of 8, and the classes.
    assert_eq!(nodes(&shaped.network), 16 + 32 + 8 + 16 + shaped.network.classes() as u64);
}
