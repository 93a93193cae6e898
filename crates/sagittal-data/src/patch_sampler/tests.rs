#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::{
    Seed, TrainingCase,
    plan::{ImageToMaskPlan, NetworkPlan},
    planner::example_plan,
};

/// One case with one voxel of class 1 and a block of class 2.
fn set(shape: [usize; 3]) -> TrainingSet {
    let [z, y, x] = shape;
    let n = z * y * x;
    let class_locations = vec![vec![], vec![[5, 20, 30]], vec![[30, 10, 3], [31, 10, 3]]];
    TrainingSet::in_memory(vec![TrainingCase {
        id: "a".into(),
        data: vec![0.0; n],
        labels: vec![0; n],
        shape: [1, z, y, x],
        class_sizes: vec![],
        class_locations,
        labelled_locations: vec![],
        previous: vec![],
    }])
}

#[test]
fn the_last_third_of_a_batch_is_centred_on_foreground_of_all_classes() {
    let mut plan = example_plan();
    plan.batch_size = 9;
    let sampler = PatchSampler::validation(&plan);
    let set = set([36, 50, 35]);
    let mut rng = Seed(1).stream(&[]);
    let mut seen = [0; 2];
    for _ in 0..400 {
        for index in 0..9 {
            let place = sampler.sample(&set, index, &mut rng);
            // 9 * 0.67 rounds to 6.
            if index >= 6 {
                let centre: [i64; 3] = std::array::from_fn(|axis| place.lower[axis] + (plan.patch[axis] / 2) as i64);
                // Boxes begin at the border at the earliest: [-2, -3, -3] for 40 x 56 x 40 on 36 x 50 x 35.
                let expected = |voxel: [i64; 3]| -> [i64; 3] { std::array::from_fn(|axis| voxel[axis].max([18, 25, 17][axis])) };
                let classes = [expected([5, 20, 30]), expected([30, 10, 3]), expected([31, 10, 3])];
                let class = classes.iter().position(|voxel| *voxel == centre).unwrap();
                seen[usize::from(class > 0)] += 1;
            }
        }
    }
    // Classes are drawn with equal chance, whatever their size.
    assert!(seen.iter().all(|&n| (500..700).contains(&n)), "{seen:?}");
}

#[test]
fn small_batches_see_foreground_by_chance() {
    let mut plan = example_plan();
    plan.batch_size = 1;
    let sampler = PatchSampler::validation(&plan);
    let mut rng = Seed(1).stream(&[]);
    let n = (0..3000).filter(|_| sampler.is_foreground(0, &mut rng)).count();
    assert!((900..1080).contains(&n), "{n}");
    plan.batch_size = 2;
    let sampler = PatchSampler::validation(&plan);
    assert!(!sampler.is_foreground(0, &mut rng) && sampler.is_foreground(1, &mut rng));
}

#[test]
fn boxes_reach_over_every_border_but_never_leave_the_case() {
    let mut plan = example_plan();
    plan.training.foreground_fraction = 0.0;
    let set = set([36, 60, 200]);
    for sampler in [PatchSampler::training(&plan), PatchSampler::validation(&plan)] {
        let mut rng = Seed(2).stream(&[]);
        let places: Vec<Place> = (0..2000).map(|_| sampler.sample(&set, 0, &mut rng)).collect();
        for axis in 0..3 {
            let size = [36, 60, 200][axis];
            let overhang = (sampler.size[axis] as i64 - plan.patch[axis] as i64).max(sampler.size[axis] as i64 - size);
            let lowest = places.iter().map(|place| place.lower[axis]).min().unwrap();
            let highest = places.iter().map(|place| place.lower[axis]).max().unwrap();
            assert_eq!(lowest, -(overhang + 1) / 2, "axis {axis}");
            assert_eq!(highest, (size + overhang / 2 + overhang % 2 - sampler.size[axis] as i64).max(lowest), "axis {axis}");
        }
    }
}

#[test]
fn a_case_without_foreground_gives_any_patch() {
    let plan = example_plan();
    let case = TrainingCase {
        id: "a".into(),
        data: vec![0.0; 8],
        labels: vec![0; 8],
        shape: [1, 2, 2, 2],
        class_sizes: vec![],
        class_locations: vec![vec![]; 3],
        labelled_locations: vec![],
        previous: vec![],
    };
    let set = TrainingSet::in_memory(vec![case]);
    let place = PatchSampler::training(&plan).sample(&set, 1, &mut Seed(1).stream(&[]));
    assert_eq!(place.case, 0);
}

#[test]
fn where_not_all_is_labelled_every_patch_is_centred_on_a_labelled_voxel() {
    let mut plan = example_plan();
    plan.ignore_label = Some(3);
    plan.batch_size = 4;
    let sampler = PatchSampler::validation(&plan);
    let n = 100 * 100 * 100;
    let case = |class_locations| TrainingCase {
        id: "a".into(),
        data: vec![0.0; n],
        labels: vec![0; n],
        shape: [1, 100, 100, 100],
        class_sizes: vec![],
        class_locations,
        labelled_locations: vec![[50, 60, 50], [51, 60, 50]],
        previous: vec![],
    };
    let mut rng = Seed(3).stream(&[]);
    let mut centre_z = |set: &TrainingSet, index| sampler.sample(set, index, &mut rng).lower[0] + (plan.patch[0] / 2) as i64;
    let set = TrainingSet::in_memory(vec![case(vec![vec![], vec![[70, 60, 50]], vec![]])]);
    for _ in 0..20 {
        assert!((50..=51).contains(&centre_z(&set, 0)));
        assert_eq!(centre_z(&set, 3), 70, "the last of a batch are centred on foreground");
    }
    let empty = TrainingSet::in_memory(vec![case(vec![vec![]; 3])]);
    assert!((0..20).all(|_| (50..=51).contains(&centre_z(&empty, 3))));
}

#[test]
fn whole_pictures_come_once_each_before_any_comes_again() {
    let mut plan = example_plan();
    plan.network = NetworkPlan::ImageToMask(ImageToMaskPlan { size: [4, 4], ..ImageToMaskPlan::post(1, 3) });
    (plan.patch, plan.batch_size) = ([1, 4, 4], 2);
    let sampler = PatchSampler::training(&plan);
    assert_eq!((sampler.size, sampler.patch), ([1, 4, 4], [1, 4, 4]));
    let case = TrainingCase {
        id: "a".into(),
        data: vec![0.0; 16],
        labels: vec![0; 16],
        shape: [1, 1, 4, 4],
        class_sizes: vec![],
        class_locations: vec![],
        labelled_locations: vec![],
        previous: vec![],
    };
    let set = TrainingSet::in_memory(vec![case; 5]);
    let order = |seed: Option<Seed>| -> Vec<usize> {
        let place = |i: u64| sampler.in_turn(&set, i / 2, (i % 2) as usize, seed).unwrap();
        (0..20).map(place).inspect(|place| assert_eq!(place.lower, [0; 3])).map(|place| place.case).collect()
    };
    assert_eq!(order(None)[..7], [0, 1, 2, 3, 4, 0, 1]);
    let shuffled = order(Some(Seed(7)));
    for round in shuffled.chunks(5) {
        let mut cases = round.to_vec();
        cases.sort_unstable();
        assert_eq!(cases, [0, 1, 2, 3, 4], "{shuffled:?}");
    }
    assert!(shuffled[..5] != shuffled[5..10] || shuffled[..5] != shuffled[10..15], "{shuffled:?}");
    assert_eq!(PatchSampler::training(&example_plan()).in_turn(&set, 0, 0, None), None);
}
