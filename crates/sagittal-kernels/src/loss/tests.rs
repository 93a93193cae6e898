//! The fast loss against its naive twin, and its gradient against differences of the twin.

use super::*;
use crate::testing::{check_gradient, noise, wide, with_threads};

/// Single precision probabilities, summed in f64.
const TOLERANCE: f64 = 1e-5;

fn target(n: usize, classes: usize, ignored_every: usize) -> Vec<u8> {
    (0..n).map(|i| if ignored_every > 0 && i % ignored_every == 1 { IGNORED } else { (i * 7 / 3 % classes) as u8 }).collect()
}

fn variants() -> Vec<LossOptions> {
    let plain = LossOptions::default();
    vec![
        plain,
        LossOptions { batch_dice: true, ..plain },
        LossOptions { do_background: true, scale: 0.25, ..plain },
        LossOptions { dice_weight: 0.0, ce_weight: 2.0, ..plain },
        LossOptions { dice_weight: 3.0, ce_weight: 0.0, smooth: 0.0, ..plain },
    ]
}

#[test]
fn loss_and_gradient_agree_with_the_naive_twin() {
    for (shape, ignored_every) in [
        (LossShape { batch: 2, voxels: 13, classes: 3 }, 0),
        (LossShape { batch: 3, voxels: 7, classes: 2 }, 4),
        (LossShape { batch: 1, voxels: 20, classes: 5 }, 3),
    ] {
        let n = shape.batch * shape.voxels;
        let logits = noise(n * shape.classes, 1);
        let target = target(n, shape.classes, ignored_every);
        for options in variants() {
            let mut d_logits = vec![f32::NAN; logits.len()];
            let value = dice_cross_entropy(&shape, &logits, &target, options, Some(&mut d_logits));
            let naive = |logits: &[f64]| naive::dice_cross_entropy(&shape, logits, &target, options);
            let expected = naive(&wide(&logits));
            assert!((value.loss - expected).abs() < TOLERANCE * (1.0 + expected.abs()), "{options:?}: {} is not {expected}", value.loss);
            check_gradient(&wide(&logits), &wide(&d_logits), TOLERANCE, naive);
            let without = dice_cross_entropy(&shape, &logits, &target, options, None);
            assert_eq!(without, value);
        }
    }
}

#[test]
fn counts_follow_the_highest_logit() {
    let shape = LossShape { batch: 1, voxels: 4, classes: 2 };
    let logits = [2.0, 1.0, 0.0, 1.0, 0.0, 3.0, 5.0, 9.0];
    let value = dice_cross_entropy(&shape, &logits, &[0, 1, 0, IGNORED], LossOptions::default(), None);
    assert_eq!(value.counts[0], ClassCounts { intersection: 1, predicted: 1, reference: 2 });
    assert_eq!(value.counts[1], ClassCounts { intersection: 1, predicted: 2, reference: 1 });
}

#[test]
fn nothing_to_score_gives_no_gradient_and_the_dice_of_empty_classes() {
    let shape = LossShape { batch: 1, voxels: 3, classes: 2 };
    let mut d_logits = [f32::NAN; 6];
    let value = dice_cross_entropy(&shape, &[1.0; 6], &[IGNORED; 3], LossOptions::default(), Some(&mut d_logits));
    assert_eq!((value.cross_entropy, value.dice), (0.0, 1.0));
    assert_eq!(d_logits, [0.0; 6]);
}

#[test]
#[should_panic(expected = "target 3 is neither one of the 3 classes nor 255")]
fn a_target_beyond_the_classes_is_a_fault_of_the_caller() {
    let shape = LossShape { batch: 1, voxels: 1, classes: 3 };
    dice_cross_entropy(&shape, &[0.0; 3], &[3], LossOptions::default(), None);
}

#[test]
fn results_do_not_depend_on_the_threads() {
    let shape = LossShape { batch: 2, voxels: 10_000, classes: 3 };
    let (logits, target) = (noise(60_000, 1), target(20_000, 3, 11));
    let run = || {
        let mut d_logits = vec![0.0; logits.len()];
        let value = dice_cross_entropy(&shape, &logits, &target, LossOptions::default(), Some(&mut d_logits));
        (value, d_logits)
    };
    assert_eq!(with_threads(1, run), with_threads(3, run));
}

/// Three classes and three regions: one of two classes, one of one, and one of none.
fn regions() -> RegionTable {
    RegionTable::new(3, &[vec![], vec![0], vec![0, 1]])
}

#[test]
fn loss_and_gradient_of_regions_agree_with_the_naive_twin() {
    for (batch, voxels, ignored_every) in [(2, 13, 0), (3, 7, 4), (1, 20, 3), (1, 1, 0)] {
        let shape = LossShape { batch, voxels, classes: 3 };
        let (logits, target) = (noise(batch * voxels * 3, 5), target(batch * voxels, 3, ignored_every));
        for options in variants() {
            let mut d_logits = vec![f32::NAN; logits.len()];
            let value = dice_binary_cross_entropy(&shape, &logits, &target, &regions(), options, Some(&mut d_logits));
            let naive = |logits: &[f64]| naive::dice_binary_cross_entropy(&shape, logits, &target, &regions(), options);
            let expected = naive(&wide(&logits));
            assert!((value.loss - expected).abs() < TOLERANCE * (1.0 + expected.abs()), "{options:?}: {} is not {expected}", value.loss);
            check_gradient(&wide(&logits), &wide(&d_logits), TOLERANCE, naive);
            assert_eq!(dice_binary_cross_entropy(&shape, &logits, &target, &regions(), options, None), value);
        }
    }
}

#[test]
fn one_region_of_one_class_is_counted_where_its_logit_is_positive() {
    let (shape, table) = (LossShape { batch: 1, voxels: 4, classes: 1 }, RegionTable::new(1, &[vec![], vec![0]]));
    let value = dice_binary_cross_entropy(&shape, &[2.0, -1.0, 0.0, 9.0], &[1, 1, 0, IGNORED], &table, LossOptions::default(), None);
    assert_eq!(value.counts, [ClassCounts { intersection: 1, predicted: 1, reference: 2 }]);
}

#[test]
fn logits_of_regions_that_overflow_an_exponential_give_finite_losses() {
    let (shape, table) = (LossShape { batch: 1, voxels: 4, classes: 1 }, RegionTable::new(1, &[vec![], vec![0]]));
    let mut d_logits = [f32::NAN; 4];
    let logits = [1e4, -1e4, 1e4, -1e4];
    let value = dice_binary_cross_entropy(&shape, &logits, &[1, 0, 0, 1], &table, LossOptions::default(), Some(&mut d_logits));
    assert!((value.cross_entropy - 5e3).abs() < 1.0 && (value.dice - 0.5).abs() < 1e-4, "{value:?}");
    assert_eq!(d_logits, [0.0, 0.0, 0.25, -0.25]);
}

#[test]
fn regions_of_ignored_voxels_alone_have_no_gradient() {
    let shape = LossShape { batch: 1, voxels: 2, classes: 3 };
    let mut d_logits = [f32::NAN; 6];
    let value = dice_binary_cross_entropy(&shape, &[1.0; 6], &[IGNORED; 2], &regions(), LossOptions::default(), Some(&mut d_logits));
    assert_eq!((value.cross_entropy, value.dice, d_logits), (0.0, 1.0, [0.0; 6]));
}

#[test]
#[should_panic(expected = "target 3 is neither one of the 3 classes nor 255")]
fn a_class_that_no_table_knows_is_a_fault_of_the_caller() {
    let shape = LossShape { batch: 1, voxels: 1, classes: 3 };
    dice_binary_cross_entropy(&shape, &[0.0; 3], &[3], &regions(), LossOptions::default(), None);
}
