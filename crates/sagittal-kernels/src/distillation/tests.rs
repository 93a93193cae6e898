//! The fast losses against their naive twins, and their gradients against differences of the twins.

use super::*;
use crate::testing::{check_gradient, noise, wide, with_threads};

/// Single precision exponentials, summed in f64.
const TOLERANCE: f64 = 2e-5;

const KINDS: [OutputKind; 2] = [OutputKind::Classes, OutputKind::Regions];
const LESSONS: [Lesson; 3] = [Lesson::Logits, Lesson::SoftTargets { temperature: 1.0 }, Lesson::SoftTargets { temperature: 3.5 }];

fn numbers(n: usize, seed: u64) -> Vec<f32> {
    noise(n, seed).into_iter().map(|value| 3.0 * value).collect()
}

#[test]
fn losses_and_gradients_agree_with_the_naive_twins() {
    for (n_voxels, n_outputs, leave_out) in [(1, 2, 0), (13, 3, 0), (20, 1, 0), (17, 4, 3)] {
        let (student, teacher) = (numbers(n_voxels * n_outputs, 1), numbers(n_voxels * n_outputs, 2));
        let counted: Option<Vec<bool>> = (leave_out > 0).then(|| (0..n_voxels).map(|v| v % leave_out != 1).collect());
        let counted = counted.as_deref();
        for (kind, lesson) in KINDS.into_iter().flat_map(|kind| LESSONS.map(|lesson| (kind, lesson))) {
            let targets = lesson_targets(&teacher, n_outputs, lesson, kind);
            let mut d_logits = vec![f32::NAN; student.len()];
            let loss = distillation(&student, &targets, counted, n_outputs, lesson, kind, 0.5, &mut d_logits);
            let naive = |student: &[f64]| 0.5 * naive::distillation(student, &wide(&teacher), counted, n_outputs, lesson, kind);
            let expected = naive(&wide(&student));
            assert!((loss - expected).abs() < TOLERANCE * (1.0 + expected.abs()), "{kind:?} {lesson:?}: {loss} is not {expected}");
            check_gradient(&wide(&student), &wide(&d_logits), TOLERANCE, naive);
        }
    }
}

#[test]
fn a_number_that_all_classes_share_changes_nothing_and_an_equal_student_has_nothing_to_learn() {
    let teacher = numbers(30, 3);
    let shifted: Vec<f32> = teacher.iter().enumerate().map(|(i, logit)| logit + (i / 3) as f32).collect();
    for lesson in LESSONS {
        let targets = lesson_targets(&teacher, 3, lesson, OutputKind::Classes);
        let mut d_logits = vec![f32::NAN; 30];
        let loss = distillation(&shifted, &targets, None, 3, lesson, OutputKind::Classes, 1.0, &mut d_logits);
        assert!(loss.abs() < 1e-5 && d_logits.iter().all(|d| d.abs() < 1e-5), "{lesson:?}: {loss}");
    }
}

#[test]
fn logits_of_any_size_and_no_voxel_that_counts_give_finite_numbers() {
    let (student, teacher) = ([90.0, -90.0, 1e4, -1e4], [-1e4, 1e4, 90.0, -90.0]);
    for (kind, lesson) in KINDS.into_iter().flat_map(|kind| LESSONS.map(|lesson| (kind, lesson))) {
        let targets = lesson_targets(&teacher, 2, lesson, kind);
        let mut d_logits = [f32::NAN; 4];
        let loss = distillation(&student, &targets, None, 2, lesson, kind, 1.0, &mut d_logits);
        assert!(loss.is_finite() && loss > 0.0 && d_logits.iter().all(|d| d.is_finite()), "{kind:?} {lesson:?}: {loss}, {d_logits:?}");
        let loss = distillation(&student, &targets, Some(&[false; 2]), 2, lesson, kind, 1.0, &mut d_logits);
        assert_eq!((loss, d_logits), (0.0, [0.0; 4]));
    }
}

#[test]
fn coarse_targets_are_means_of_the_voxels_that_count() {
    // One output on 1 x 2 x 4: columns of two rows.
    let targets = [1.0, 3.0, 10.0, 20.0, 5.0, 7.0, 30.0, 40.0];
    let (all, counted) = pool_targets(&targets, None, 1, [1, 2, 4], [1, 1, 2]);
    assert_eq!((all, counted), (vec![4.0, 25.0], None));
    let counts = [true, false, false, false, true, false, false, false];
    let (some, counted) = pool_targets(&targets, Some(&counts), 1, [1, 2, 4], [1, 1, 2]);
    assert_eq!((some, counted), (vec![3.0, 0.0], Some(vec![true, false])));
    // Two samples of two outputs, halved along X.
    let (pooled, _) = pool_targets(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], None, 2, [1, 1, 2], [1, 1, 1]);
    assert_eq!(pooled, [2.0, 3.0, 6.0, 7.0]);
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    let n = 3 * CHUNK + 5;
    let (student, teacher) = (numbers(n * 2, 5), numbers(n * 2, 6));
    let run = || {
        let targets = lesson_targets(&teacher, 2, LESSONS[2], OutputKind::Classes);
        let mut d_logits = vec![0.0; n * 2];
        let loss = distillation(&student, &targets, None, 2, LESSONS[2], OutputKind::Classes, 1.0, &mut d_logits);
        (loss.to_bits(), d_logits)
    };
    assert_eq!(with_threads(1, run), with_threads(3, run));
}
