#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::{TrainingCase, planner::example_plan};

fn plan() -> Plan {
    let mut plan = example_plan();
    plan.patch = [16, 16, 16];
    plan
}

fn set() -> Arc<TrainingSet> {
    let case = |id: usize| TrainingCase {
        id: id.to_string(),
        data: (0..20 * 21 * 22).map(|index| (index * (id + 3) % 101) as f32).collect(),
        labels: (0..20 * 21 * 22).map(|index| (index / 50 % 3) as i16).collect(),
        shape: [1, 20, 21, 22],
        class_sizes: vec![],
        class_locations: vec![vec![], vec![[3, 4, 5]], vec![[10, 11, 12]]],
        labelled_locations: vec![],
        previous: vec![],
    };
    Arc::new(TrainingSet::in_memory((0..3).map(case).collect()))
}

fn options(first_step: u64, threads: usize) -> LoaderOptions {
    LoaderOptions { seed: Seed(7), first_step, threads, ahead: 4, purpose: Purpose::Training }
}

fn batches(options: LoaderOptions, n: usize) -> Vec<Batch> {
    let mut loader = Loader::start(set(), &plan(), options);
    (0..n).map(|_| loader.next_batch().unwrap()).collect()
}

#[test]
fn batches_come_in_order_and_do_not_depend_on_threads() {
    let alone = batches(options(0, 0), 20);
    assert_eq!(alone.iter().map(|batch| batch.step).collect::<Vec<_>>(), (0..20).collect::<Vec<_>>());
    assert_eq!(alone[0].shape, [2, 1, 16, 16, 16]);
    for threads in [1, 3] {
        assert_eq!(batches(options(0, threads), 20), alone);
    }
}

#[test]
fn resuming_gives_the_batches_that_would_have_come() {
    assert_eq!(batches(options(13, 2), 7), batches(options(0, 2), 20)[13..]);
}

#[test]
fn seeds_steps_and_purposes_differ() {
    let batch = |options: LoaderOptions| batches(options, 1).remove(0).images;
    let first = batch(options(0, 0));
    assert_ne!(first, batch(options(1, 0)));
    assert_ne!(first, batch(LoaderOptions { seed: Seed(8), ..options(0, 0) }));
    assert_ne!(first, batch(LoaderOptions { purpose: Purpose::Validation, ..options(0, 0) }));
}

#[test]
fn dropping_a_loader_ends_its_threads_at_once() {
    for _ in 0..20 {
        let mut loader = Loader::start(set(), &plan(), options(0, 3));
        loader.next_batch().unwrap();
    }
    drop(Loader::start(set(), &plan(), options(0, 3)));
}

#[test]
fn an_unreadable_case_is_an_error_that_names_it_and_the_next_batch_still_comes() {
    use crate::{Dataset, TrainingSetOptions, testing};
    let root = tempfile::tempdir().unwrap();
    std::fs::write(
        root.path().join("dataset.json"),
        r#"{"channel_names": {"0": "MRI"}, "labels": {"background": 0, "a": 1, "b": 2}, "file_ending": ".nii"}"#,
    )
    .unwrap();
    testing::volume(&root.path().join("imagesTr/lost_0000.nii"), 1.0);
    testing::write_labels(&root.path().join("labelsTr/lost.nii"), &[0, 1, 2]);
    let dataset = Dataset::open(root.path()).unwrap();
    let cache = root.path().join("cache");
    let options =
        TrainingSetOptions { cache: Some(cache.clone()), memory_bytes: 0, previous_stage: Default::default(), regions: Default::default() };
    let set = TrainingSet::prepare(&dataset, &[&dataset.training[0]], &plan(), &options, &|_, _| {}).unwrap();
    for entry in std::fs::read_dir(cache).unwrap() {
        std::fs::OpenOptions::new().write(true).open(entry.unwrap().path()).unwrap().set_len(200).unwrap();
    }
    let mut loader = Loader::start(Arc::new(set), &plan(), self::options(0, 2));
    for _ in 0..3 {
        let message = loader.next_batch().unwrap_err().to_string();
        assert!(message.contains("case lost") && message.contains("--resume"), "{message}");
    }
}

#[test]
fn voxels_that_nobody_labelled_are_not_scored() {
    let mut plan = plan();
    plan.ignore_label = Some(3);
    let case = TrainingCase {
        id: "a".into(),
        data: vec![1.0; 20 * 21 * 22],
        labels: (0..20 * 21 * 22).map(|index| [-1, 0, 1, 2, 3, 3, 3, 3][index / 800 % 8]).collect(),
        shape: [1, 20, 21, 22],
        class_sizes: vec![],
        class_locations: vec![vec![], vec![[3, 4, 5]], vec![[10, 11, 12]]],
        labelled_locations: vec![[1, 2, 3]],
        previous: vec![],
    };
    let mut loader = Loader::start(Arc::new(TrainingSet::in_memory(vec![case])), &plan, options(0, 0));
    let mut seen = [0usize; 256];
    for _ in 0..20 {
        loader.next_batch().unwrap().labels.iter().for_each(|&label| seen[usize::from(label)] += 1);
    }
    let values: Vec<usize> = (0..256).filter(|&value| seen[value] > 0).collect();
    assert_eq!(values, [0, 1, 2, usize::from(Batch::IGNORE)]);
}

#[test]
fn places_tell_where_patches_lie_that_no_augmentation_moved() {
    let (mut plan, set) = (plan(), set());
    plan.training.augmentation = plan.training.augmentation.without();
    for purpose in [Purpose::Training, Purpose::Validation, Purpose::Pretraining] {
        let mut loader = Loader::start(Arc::clone(&set), &plan, LoaderOptions { purpose, ..options(5, 0) });
        let places = loader.places();
        for _ in 0..4 {
            let batch = loader.next_batch().unwrap();
            for (place, image) in places.of(batch.step).into_iter().zip(batch.images.chunks_exact(16 * 16 * 16)) {
                let (mut cut, mut inside) = (vec![f32::NAN; image.len()], vec![false; image.len()]);
                crate::augment::cut_patch(&set.cases()[place.case], place.lower, plan.patch, &mut cut, &mut inside).unwrap();
                assert_eq!(cut, image, "{purpose:?}");
                let is_inside = |v: usize| {
                    let at = [v / 256, v / 16 % 16, v % 16];
                    (0..3).all(|axis| (0..[20, 21, 22][axis]).contains(&(place.lower[axis] + at[axis] as i64)))
                };
                assert!(inside.iter().enumerate().all(|(v, inside)| *inside == is_inside(v)));
            }
        }
    }
}

#[test]
fn batches_without_labels_look_anywhere_whatever_the_labels() {
    let mut plan = plan();
    plan.training.foreground_fraction = 1.0;
    let places = |labels: Vec<Vec<[u32; 3]>>| {
        let n = 40 * 41 * 42;
        let case = TrainingCase {
            id: "a".into(),
            data: vec![0.0; n],
            labels: vec![0; n],
            shape: [1, 40, 41, 42],
            class_sizes: vec![],
            class_locations: labels,
            labelled_locations: vec![],
            previous: vec![],
        };
        let set = Arc::new(TrainingSet::in_memory(vec![case]));
        let loader = Loader::start(set, &plan, LoaderOptions { purpose: Purpose::Pretraining, ..options(0, 0) });
        (0..20).flat_map(|step| loader.places().of(step)).collect::<Vec<_>>()
    };
    let anywhere = places(vec![vec![]; 3]);
    assert_eq!(anywhere, places(vec![vec![], vec![[1, 2, 3]], vec![[30, 31, 32]]]));
    assert!(anywhere.iter().any(|place| place.lower != anywhere[0].lower));
}
