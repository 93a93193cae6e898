//! The losses as their definitions say, from the teacher's logits and in f64: the reference of the fast kernel.

use super::{Lesson, OutputKind};

/// The loss of [`super::distillation`] of a teacher's logits.
///
/// # Shapes
/// - `student`, `teacher`: `[V, K]`; `counted`: `[V]`
pub fn distillation(student: &[f64], teacher: &[f64], counted: Option<&[bool]>, n_outputs: usize, lesson: Lesson, kind: OutputKind) -> f64 {
    let (mut sum, mut n) = (0.0, 0);
    for (v, (z, t)) in student.chunks_exact(n_outputs).zip(teacher.chunks_exact(n_outputs)).enumerate() {
        if counted.is_some_and(|counted| !counted[v]) {
            continue;
        }
        n += 1;
        let mean = |logits: &[f64]| if kind == OutputKind::Classes { logits.iter().sum::<f64>() / n_outputs as f64 } else { 0.0 };
        sum += match lesson {
            Lesson::Logits => 0.5 * (0..n_outputs).map(|k| ((z[k] - mean(z)) - (t[k] - mean(t))).powi(2)).sum::<f64>(),
            Lesson::SoftTargets { temperature } => {
                let temperature = f64::from(temperature);
                let soft = |logits: &[f64], k: usize| match kind {
                    OutputKind::Classes => 1.0 / logits.iter().map(|other| ((other - logits[k]) / temperature).exp()).sum::<f64>(),
                    OutputKind::Regions => 1.0 / (1.0 + (-logits[k] / temperature).exp()),
                };
                let term = |k: usize| {
                    let (p, q) = (soft(t, k), soft(z, k));
                    match kind {
                        OutputKind::Classes => p * (p / q).ln(),
                        OutputKind::Regions => (p * (p / q).ln() + (1.0 - p) * ((1.0 - p) / (1.0 - q)).ln()) / n_outputs as f64,
                    }
                };
                temperature * temperature * (0..n_outputs).map(term).sum::<f64>()
            }
        };
    }
    sum / f64::from(n.max(1))
}
