//! The losses against a teacher beside PyTorch's (`tests/reference/distillation.py` wrote them).
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use sagittal_tensor::{Device, Lesson, OutputKind, TeacherTarget, Tensor, TensorData, distillation_loss};
use sagittal_testing::{largest_difference, read_npz};
use std::path::PathBuf;

/// Sums of some hundred numbers around 1 in single precision.
const TOLERANCE: f64 = 1e-5;

fn golden(key: &str) -> (Vec<f32>, Vec<usize>) {
    let array = read_npz(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/distillation.npz"), key).unwrap();
    (array.values, array.shape)
}

#[test]
fn losses_and_gradients_are_those_of_pytorch_at_every_scale() {
    let (teacher, shape) = golden("teacher");
    let shape: [usize; 5] = shape.try_into().unwrap();
    for (name, lesson) in [
        ("logits", Lesson::Logits),
        ("soft_1", Lesson::SoftTargets { temperature: 1.0 }),
        ("soft_4", Lesson::SoftTargets { temperature: 4.0 }),
    ] {
        for (outputs, kind) in [("classes", OutputKind::Classes), ("regions", OutputKind::Regions)] {
            let target = TeacherTarget::new(&teacher, shape, None, lesson, kind);
            for scale in ["fine", "coarse"] {
                let (student, shape) = golden(&format!("student_{scale}"));
                let shape: [usize; 5] = shape.try_into().unwrap();
                let leaf = Tensor::<5>::from_data(TensorData::new(student, shape), Device::cpu().plain()).autodiff().require_grad();
                let loss = distillation_loss(leaf.clone(), &target.on([shape[1], shape[2], shape[3]]), 1.0);
                let value = loss.clone().into_scalar::<f32>();
                let mut gradients = loss.backward();
                let gradient = leaf.grad_remove(&mut gradients).unwrap().into_data();
                let key = format!("{name}_{outputs}_{scale}");
                let (expected, _) = golden(&format!("{key}_loss"));
                assert!((f64::from(value) - f64::from(expected[0])).abs() < TOLERANCE * (1.0 + f64::from(expected[0])), "{key}: {value}");
                let worst = largest_difference(gradient.as_slice::<f32>().unwrap(), &golden(&format!("{key}_gradient")).0);
                assert!(worst < TOLERANCE, "{key}: the gradient differs by {worst:e}");
            }
        }
    }
}
