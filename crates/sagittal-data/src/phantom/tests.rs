#![allow(clippy::unwrap_used, reason = "tests")]

use sagittal_image::io::{read_image, read_label_map};

use super::*;

fn options(cases: usize, test_cases: usize) -> PhantomOptions {
    PhantomOptions { cases, test_cases, seed: 7, picture_size: [96, 88] }
}

/// Dice of two masks, the definition.
fn dice(a: impl Iterator<Item = bool>, b: impl Iterator<Item = bool>) -> f64 {
    let (mut both, mut sum) = (0u32, 0u32);
    for (a, b) in a.zip(b) {
        both += u32::from(a && b);
        sum += u32::from(a) + u32::from(b);
    }
    2.0 * f64::from(both) / f64::from(sum)
}

/// The best Dice that any window of intensities reaches, over windows between the given number of quantiles.
fn best_window(values: &[f32], truth: &[bool], n_bins: usize) -> f64 {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let n_true = truth.iter().filter(|&&t| t).count();
    // How many voxels, and how many true ones, lie below each quantile.
    let mut below = vec![(0usize, 0usize)];
    for bin in order.chunks(values.len().div_ceil(n_bins)) {
        let (all, hits) = *below.last().unwrap();
        below.push((all + bin.len(), hits + bin.iter().filter(|&&voxel| truth[voxel]).count()));
    }
    let dice = |low: (usize, usize), high: (usize, usize)| 2.0 * (high.1 - low.1) as f64 / (high.0 - low.0 + n_true) as f64;
    let windows = below.iter().enumerate().flat_map(|(i, &low)| below[i + 1..].iter().map(move |&high| (low, high)));
    windows.map(|(low, high)| dice(low, high)).fold(0.0, f64::max)
}

#[test]
fn no_window_of_intensities_finds_the_hippocampus() {
    for case in 0..5 {
        let (image, labels) = hippocampus::draw(&mut case_rng(3, case));
        for label in [None, Some(1), Some(2)] {
            let truth: Vec<bool> = labels.voxels().iter().map(|&l| label.map_or(l > 0, |label| l == label)).collect();
            let best = best_window(image.voxels(), &truth, 200);
            assert!(best < 0.5, "case {case}: a window of intensities reaches Dice {best:.3}");
        }
    }
}

#[test]
fn both_parts_are_there_and_touch_in_every_case() {
    for case in 0..6 {
        let (image, labels) = hippocampus::draw(&mut case_rng(5, case));
        let [z, y, x] = image.shape();
        assert!((34..=38).contains(&z) && (47..=54).contains(&y) && (32..=38).contains(&x));
        let count = |label| labels.voxels().iter().filter(|&&l| l == label).count();
        assert!((500..3500).contains(&count(1)), "case {case}: anterior has {} voxels", count(1));
        assert!((500..3500).contains(&count(2)), "case {case}: posterior has {} voxels", count(2));
        let touching = labels.voxels().windows(x + 1).filter(|w| w[0] == 2 && w[x] == 1).count();
        assert!(touching > 10, "case {case}: the parts touch at {touching} voxels");
        assert!(image.voxels().iter().all(|v| v.is_finite() && *v >= 0.0));
    }
}

#[test]
fn scanners_differ_in_their_unit_by_more_than_fivefold() {
    let maxima: Vec<f32> =
        (0..8).map(|case| hippocampus::draw(&mut case_rng(5, case)).0.into_voxels().into_iter().fold(0.0, f32::max)).collect();
    let (low, high) = maxima.iter().fold((f32::MAX, 0f32), |(low, high), &v| (low.min(v), high.max(v)));
    assert!(high > 5.0 * low, "brightest voxels {low} to {high}");
}

#[test]
fn no_green_threshold_finds_the_vessels() {
    let eye = retina::draw(&mut case_rng(2, 0), [292, 283]);
    let inside = |value: &f32, level: f32, fov: bool| fov && *value < level;
    let best = (0..=255)
        .map(|level| {
            let dark = eye.channels[1].iter().zip(&eye.field_of_view).map(|(v, &fov)| inside(v, level as f32, fov));
            dice(dark, eye.vessels.iter().copied())
        })
        .fold(0.0, f64::max);
    assert!(best < 0.7, "a threshold reaches Dice {best:.3}");
}

#[test]
fn the_second_observer_mostly_agrees() {
    for case in 0..4 {
        let eye = retina::draw(&mut case_rng(2, case), [292, 283]);
        let agreement = dice(eye.vessels.iter().copied(), eye.second_observer.iter().copied());
        assert!((0.6..0.95).contains(&agreement), "case {case}: observers agree at Dice {agreement:.3}");
        let share = eye.vessels.iter().filter(|&&v| v).count() as f64 / eye.field_of_view.iter().filter(|&&v| v).count() as f64;
        assert!((0.03..0.25).contains(&share), "case {case}: vessels fill {share:.3} of the field");
    }
}

#[test]
fn hippocampus_is_an_ordinary_nnunet_data_set() {
    let dir = tempfile::tempdir().unwrap();
    let set = write_hippocampus(&dir.path().join("set"), &options(2, 1)).unwrap();
    assert_eq!(set.training, ["hippocampus_phantom_001", "hippocampus_phantom_002"]);
    assert_eq!(set.test, ["hippocampus_phantom_003"]);
    let image = read_image(&set.root.join("imagesTr/hippocampus_phantom_001_0000.nii.gz")).unwrap();
    let labels = read_label_map(&set.root.join("labelsTr/hippocampus_phantom_001.nii.gz")).unwrap();
    let (drawn, drawn_labels) = hippocampus::draw(&mut case_rng(7, 0));
    assert_eq!(image.channels[0], drawn);
    assert_eq!(labels.labels, drawn_labels);
    assert_eq!(image.geometry.spacing_mm, Some([1.0; 3]));
    let description: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(set.root.join("dataset.json")).unwrap()).unwrap();
    assert_eq!(description["labels"], serde_json::json!({"background": 0, "anterior": 1, "posterior": 2}));
    assert_eq!(description["numTraining"], 2);
    assert!(set.root.join("imagesTs/hippocampus_phantom_003_0000.nii.gz").is_file());
    assert!(set.root.join("labelsTs/hippocampus_phantom_003.nii.gz").is_file());
}

#[test]
fn retina_has_drives_folders_and_names() {
    let dir = tempfile::tempdir().unwrap();
    let set = write_retina(dir.path(), &options(2, 1)).unwrap();
    assert_eq!((set.training, set.test), (vec!["21_training".into(), "22_training".into()], vec!["01_test".into()]));
    for file in [
        "training/images/21_training.tif",
        "training/1st_manual/21_manual1.gif",
        "training/mask/21_training_mask.gif",
        "test/images/01_test.tif",
        "test/1st_manual/01_manual1.gif",
        "test/2nd_manual/01_manual2.gif",
        "test/mask/01_test_mask.gif",
    ] {
        assert!(dir.path().join(file).is_file(), "{file} is missing");
    }
    let image = read_image(&dir.path().join("training/images/21_training.tif")).unwrap();
    assert_eq!((image.channels.len(), image.geometry.shape), (3, [1, 96, 88]));
    let mask = read_label_map(&dir.path().join("training/1st_manual/21_manual1.gif")).unwrap();
    assert!(mask.labels.voxels().iter().all(|v| [0, 255].contains(v)), "DRIVE's masks hold 0 and 255");
    assert!(mask.labels.voxels().contains(&255));
}

#[test]
fn cases_are_the_same_however_many_are_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let few = write_retina(&dir.path().join("few"), &options(1, 1)).unwrap();
    let many = write_retina(&dir.path().join("many"), &options(3, 2)).unwrap();
    for file in ["training/images/21_training.tif", "test/images/01_test.tif", "test/2nd_manual/01_manual2.gif"] {
        assert_eq!(std::fs::read(few.root.join(file)).unwrap(), std::fs::read(many.root.join(file)).unwrap(), "{file}");
    }
}

#[test]
fn faults_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("old"), "x").unwrap();
    let error = write_hippocampus(dir.path(), &options(1, 0)).unwrap_err();
    assert!(error.to_string().contains("is not empty"), "{error}");
    let small = PhantomOptions { picture_size: [20, 200], ..options(1, 0) };
    let error = write_retina(&dir.path().join("new"), &small).unwrap_err();
    assert!(error.to_string().contains("20 x 200"), "{error}");
}
