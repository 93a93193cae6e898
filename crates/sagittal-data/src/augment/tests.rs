#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::{Seed, TrainingCase, plan::Channel, planner::example_plan, training_set::StoredCase};
use rand::RngExt;

fn case(shape: [usize; 4]) -> StoredCase {
    let mut rng = Seed(5).stream(&[]);
    let [_, z, y, x] = shape;
    let data = (0..shape.iter().product()).map(|_| rng.random_range(-2.0..2.0)).collect();
    let labels = (0..z * y * x).map(|index| [OUTSIDE, 0, 1, 2][index / 7 % 4]).collect();
    StoredCase::in_memory(TrainingCase {
        id: "x".into(),
        data,
        labels,
        shape,
        class_sizes: vec![],
        class_locations: vec![],
        labelled_locations: vec![],
        previous: vec![],
    })
}

fn make(augmenter: &Augmenter, params: &Params, case: &StoredCase, lower: [i64; 3]) -> (Vec<f32>, Vec<i16>) {
    let n: usize = augmenter.patch.iter().product();
    let (mut image, mut labels) = (vec![0.0; augmenter.masked.len() * n], vec![0; n]);
    let upper = std::array::from_fn(|axis| lower[axis] + augmenter.source_size[axis] as i64);
    let window = case.window(lower, upper).unwrap();
    augmenter.apply(params, &window, Place { case: 0, lower }, &mut image, &mut labels, &mut Scratch::default());
    (image, labels)
}

#[test]
fn transforms_are_drawn_as_often_as_the_plan_says() {
    let plan = example_plan();
    let augmenter = Augmenter::new(&plan);
    let n = 20_000;
    let mut rng = Seed(1).stream(&[]);
    let drawn: Vec<Params> = (0..n).map(|_| augmenter.sample(&mut rng)).collect();
    let often = |f: fn(&Params) -> bool| drawn.iter().filter(|params| f(params)).count() as f64 / f64::from(n);
    type IsDrawn = fn(&Params) -> bool;
    let expected: [(&str, IsDrawn, f64); 10] = [
        ("spatial", |params| params.spatial.is_some(), 1.0 - 0.8 * 0.8),
        ("noise", |params| params.noise.is_some(), 0.1),
        ("blur", |params| params.blur.is_some(), 0.2),
        ("brightness", |params| params.brightness.is_some(), 0.15),
        ("contrast", |params| params.contrast.is_some(), 0.15),
        ("low resolution", |params| params.low_resolution.is_some(), 0.25),
        ("gamma of the inverted image", |params| params.gamma_inverted.is_some(), 0.1),
        ("gamma", |params| params.gamma.is_some(), 0.3),
        ("mirrored along Z", |params| params.mirrored[0], 0.5),
        ("mirrored along X", |params| params.mirrored[2], 0.5),
    ];
    for (name, is_drawn, probability) in expected {
        assert!((often(is_drawn) - probability).abs() < 0.015, "{name}: {} for {probability}", often(is_drawn));
    }
    let factors: Vec<f32> = drawn.iter().filter_map(|params| params.gamma.as_ref()).flatten().copied().collect();
    assert!(factors.iter().all(|factor| (0.7..=1.5).contains(factor)));
    let below = factors.iter().filter(|factor| **factor < 1.0).count() as f64 / factors.len() as f64;
    assert!((below - 0.5).abs() < 0.03);
}

#[test]
fn a_patch_depends_on_its_draw_alone() {
    let plan = example_plan();
    let augmenter = Augmenter::new(&plan);
    let case = case([1, 45, 60, 50]);
    let draw = |seed| augmenter.sample(&mut Seed(seed).stream(&[]));
    for seed in 0..10 {
        assert_eq!(make(&augmenter, &draw(seed), &case, [-10, -3, 2]), make(&augmenter, &draw(seed), &case, [-10, -3, 2]));
    }
    let patches: Vec<_> = (0..10).map(|seed| make(&augmenter, &draw(seed), &case, [-10, -3, 2]).0).collect();
    assert!(patches.windows(2).any(|pair| pair[0] != pair[1]));
    assert!(patches.iter().flatten().all(|voxel| voxel.is_finite()));
}

#[test]
fn without_augmentation_the_patch_is_cut_out() {
    let plan = example_plan();
    let augmenter = Augmenter::none(&plan);
    let case = case([1, 45, 60, 50]);
    let (image, labels) = make(&augmenter, &augmenter.sample(&mut Seed(1).stream(&[])), &case, [2, 1, 3]);
    let window = case.window([0; 3], [99; 3]).unwrap();
    let from = (2 * 60 + 1) * 50 + 3;
    assert_eq!(image[..40], window.data[from..][..40]);
    assert!(labels.iter().zip(0..).take(40).all(|(label, x)| *label == window.labels[from + x].max(0)));
}

#[test]
fn masked_channels_stay_zero_outside_the_image() {
    let mut plan = example_plan();
    let zscore = |masked| Channel { name: "x".into(), normalization: Normalization::Zscore { masked } };
    plan.channels = vec![zscore(true), zscore(false)];
    let augmenter = Augmenter::new(&plan);
    let case = case([2, 45, 60, 50]);
    let params = Params {
        noise: noise::sample(&crate::plan::NoisePlan { probability: 1.0, sigma: [0.1, 0.1] }, &mut Seed(1).stream(&[])),
        ..Params::default()
    };
    let (image, labels) = make(&augmenter, &params, &case, [-20, 0, 0]);
    let n = labels.len();
    // Beyond the border everything is outside.
    assert!(image[..200].iter().all(|voxel| *voxel == 0.0) && image[n..][..200].iter().all(|voxel| *voxel != 0.0));
    assert!(labels.iter().all(|label| (0..3).contains(label)));
}

#[test]
fn mirroring_twice_is_nothing() {
    let patch = [3, 4, 5];
    let voxels: Vec<usize> = (0..60).collect();
    for mirrored in [[true, false, false], [false, true, false], [false, false, true], [true; 3]] {
        let mut once = voxels.clone();
        mirror::apply(mirrored, &mut once, patch);
        let at = |axis: usize, at: usize| if mirrored[axis] { patch[axis] - 1 - at } else { at };
        assert_eq!(once[(5 + 2) * 4 + 2], voxels[(at(0, 1) * 4 + at(1, 2)) * 5 + at(2, 0)]);
        mirror::apply(mirrored, &mut once, patch);
        assert_eq!(once, voxels);
    }
}

#[test]
fn contrast_stays_in_the_range_it_had() {
    let mut voxels = vec![0.0, 1.0, 2.0, 3.0, 4.0];
    contrast::apply(1.25, &mut voxels);
    assert_eq!(voxels, [0.0, 0.75, 2.0, 3.25, 4.0]);
    contrast::apply(0.5, &mut voxels);
    assert_eq!(voxels, [1.0, 1.375, 2.0, 2.625, 3.0]);
}

/// The inputs of `tests/reference/augmentation.py`.
fn golden_image(shape: [usize; 3]) -> Vec<f32> {
    (0..shape.iter().product()).map(|index: usize| (4.0 * (index as f64 * 0.618_033_988_749_895).fract() - 1.0) as f32).collect()
}

fn golden_labels([n_z, n_y, n_x]: [usize; 3]) -> Vec<i16> {
    let label = |index: usize| ((index / (n_y * n_x) / 3 + index / n_x % n_y / 2 + index % n_x / 4) % 4) as i16 - 1;
    (0..n_z * n_y * n_x).map(label).collect()
}

fn goldens() -> serde_json::Value {
    serde_json::from_str(include_str!("../../tests/data/augmentation.json")).unwrap()
}

fn parsed<T: serde::de::DeserializeOwned>(value: &serde_json::Value) -> T {
    serde_json::from_value(value.clone()).unwrap()
}

#[test]
fn intensities_change_as_batchgenerators_changes_them() {
    let goldens = goldens();
    let patch: [usize; 3] = parsed(&goldens["patch"]);
    for golden in goldens["intensity"].as_array().unwrap() {
        let (kind, values): (String, Vec<f64>) = (parsed(&golden["kind"]), parsed(&golden["values"]));
        let mut voxels = golden_image(patch);
        let mut scratch = Scratch::default();
        let scale = values[0];
        let lose = |within_slices, voxels: &mut [f32], scratch: &mut Scratch| {
            low_resolution::apply(&low_resolution::Params { scales: vec![Some(scale)] }, 0, voxels, patch, within_slices, scratch);
        };
        match &*kind {
            "gamma upright" => gamma::apply(scale as f32, gamma::Side::Upright, &mut voxels),
            "gamma inverted" => gamma::apply(scale as f32, gamma::Side::Inverted, &mut voxels),
            "contrast" => contrast::apply(scale as f32, &mut voxels),
            "blur" => {
                let sigmas = [values[0], values[1], values[2]];
                blur::apply(&blur::Params { sigmas: vec![Some(sigmas)] }, 0, &mut voxels, patch, &mut scratch);
            }
            "low resolution" => lose(false, &mut voxels, &mut scratch),
            "low resolution within slices" => lose(true, &mut voxels, &mut scratch),
            other => panic!("no transform {other}"),
        }
        let worst = voxels.iter().zip(parsed::<Vec<f32>>(&golden["out"])).map(|(ours, theirs)| (ours - theirs).abs()).fold(0.0, f32::max);
        println!("{kind} {values:?}: largest difference {worst:.1e}");
        // Goldens have six digits of values up to 3.
        assert!(worst < 2e-5, "{kind} {values:?}: {worst}");
    }
}

#[test]
fn patches_turn_as_batchgenerators_turns_them() {
    for golden in goldens()["spatial"].as_array().unwrap() {
        let [size, patch]: [[usize; 3]; 2] = [parsed(&golden["size"]), parsed(&golden["patch"])];
        let (degrees, scale): (Vec<f64>, f64) = (parsed(&golden["degrees"]), parsed(&golden["scale"]));
        let angles: [f64; 3] = std::array::from_fn(|axis| degrees.get(axis).copied().unwrap_or(0.0).to_radians());
        let [z, y, x] = size;
        let case = StoredCase::in_memory(TrainingCase {
            id: "x".into(),
            data: golden_image(size),
            labels: golden_labels(size),
            shape: [1, z, y, x],
            class_sizes: vec![],
            class_locations: vec![],
            labelled_locations: vec![],
            previous: vec![],
        });
        let window = case.window([0; 3], size.map(|size| size as i64)).unwrap();
        let n: usize = patch.iter().product();
        let (mut image, mut labels) = (vec![0.0; n], vec![0; n]);
        let params = spatial::Params::new(angles, scale, size[0] == 1);
        spatial::transform(&params, &window, [0; 3], size, patch, &mut image, [&mut labels, &mut []]);
        let worst = image.iter().zip(parsed::<Vec<f32>>(&golden["image"])).map(|(ours, theirs)| (ours - theirs).abs()).fold(0.0, f32::max);
        let theirs: Vec<i16> = golden["labels"].as_str().unwrap().split(' ').map(|label| label.parse().unwrap()).collect();
        let n_other = labels.iter().zip(&theirs).filter(|(ours, theirs)| ours != theirs).count();
        println!("{degrees:?} {scale}: largest difference {worst:.1e}, {n_other} of {n} labels differ");
        // Positions are rounded in single precision on either side.
        assert!(worst < 5e-5 && n_other == 0, "{degrees:?} {scale}: {worst}, {n_other} of {n} labels");
    }
}

#[test]
fn boxes_to_turn_in_are_nnu_nets() {
    let mut plan = example_plan();
    for golden in goldens()["source_size"].as_array().unwrap() {
        let in_three = |list: &serde_json::Value| -> [usize; 3] {
            let list: Vec<usize> = parsed(list);
            if let [y, x] = list[..] { [1, y, x] } else { [list[0], list[1], list[2]] }
        };
        plan.patch = in_three(&golden["patch"]);
        plan.training.augmentation = AugmentationPlan::nnunet(plan.patch);
        assert_eq!(source_size(&plan), in_three(&golden["size"]), "{:?}", plan.patch);
    }
}

#[test]
fn what_the_previous_stage_found_turns_with_the_labels_and_is_shown_as_masks() {
    let mut plan = example_plan();
    plan.previous_stage = Some("3d_lowres".into());
    plan.training.augmentation.rotation.probability = 0.5;
    let augmenter = Augmenter::new(&plan);
    let n: usize = plan.patch.iter().product();
    let shape = [1, 45, 60, 50];
    let classes: Vec<i16> = (0..45 * 60 * 50).map(|index| [OUTSIDE, 0, 1, 2][index / 700 % 4]).collect();
    let case = StoredCase::in_memory(TrainingCase {
        id: "x".into(),
        data: vec![0.5; classes.len()],
        labels: classes.clone(),
        previous: classes,
        shape,
        class_sizes: vec![],
        class_locations: vec![],
        labelled_locations: vec![],
    });
    let lower = [-3, -4, 1];
    let window = case.window(lower, std::array::from_fn(|axis| lower[axis] + augmenter.source_size[axis] as i64)).unwrap();
    let make = |params: &Params| {
        let (mut image, mut labels) = (vec![9.0; 3 * n], vec![0; n]);
        augmenter.apply(params, &window, Place { case: 0, lower }, &mut image, &mut labels, &mut Scratch::default());
        (image.split_off(n), labels)
    };
    let mut n_changed = 0;
    for seed in 0..12 {
        let drawn = augmenter.sample(&mut Seed(seed).stream(&[]));
        let (changed, labels) = make(&drawn);
        let (masks, same) = make(&Params { previous_stage: Default::default(), ..drawn });
        assert_eq!(labels, same);
        for (mask, class) in masks.chunks_exact(n).zip([1, 2]) {
            assert!(mask.iter().zip(&labels).all(|(voxel, label)| (*voxel == 1.0) == (*label == class)), "seed {seed}, class {class}");
        }
        assert!(changed.iter().all(|voxel| [0.0, 1.0].contains(voxel)));
        n_changed += usize::from(changed != masks);
    }
    assert!((2..=10).contains(&n_changed), "{n_changed} of 12 patches had their masks changed");
    assert_eq!(Augmenter::none(&plan).sample(&mut Seed(1).stream(&[])).previous_stage, Default::default());
}
