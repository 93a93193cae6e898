//! The loss against a teacher, with its gradient from the kernel.
//!
//! On every device the logits come to the processor for it: they are few beside the activations that they are made of.

use crate::{Tensor, TensorData};
use sagittal_kernels::{Lesson, OutputKind};

/// What a teacher says of a batch, on the grid of the logits that are compared with it.
#[derive(Clone, Debug, PartialEq)]
pub struct TeacherTarget {
    /// Centred logits, or probabilities, `[N, Z, Y, X, K]`.
    values: Vec<f32>,
    /// Voxels of which the teacher says something, `[N, Z, Y, X]`; all of them where there is none.
    counted: Option<Vec<bool>>,
    lesson: Lesson,
    kind: OutputKind,
    /// `[N, Z, Y, X, K]`.
    shape: [usize; 5],
}

impl TeacherTarget {
    /// What the teacher's logits ask for.
    ///
    /// # Shapes
    /// - `logits`: `shape`, `[N, Z, Y, X, K]`; `counted`: `[N, Z, Y, X]`
    ///
    /// # Panics
    /// If the numbers do not fit the shape.
    pub fn new(logits: &[f32], shape: [usize; 5], counted: Option<Vec<bool>>, lesson: Lesson, kind: OutputKind) -> Self {
        assert_eq!(logits.len(), shape.iter().product::<usize>(), "a teacher's logits");
        assert!(counted.as_ref().is_none_or(|counted| counted.len() == shape[..4].iter().product::<usize>()), "voxels that count");
        Self { values: sagittal_kernels::lesson_targets(logits, shape[4], lesson, kind), counted, lesson, kind, shape }
    }

    /// The same on a coarser grid, for a head of lower resolution.
    ///
    /// # Panics
    /// If the coarse grid does not divide the fine one.
    pub fn on(&self, coarse: [usize; 3]) -> Self {
        let [n, z, y, x, k] = self.shape;
        if coarse == [z, y, x] {
            return self.clone();
        }
        let (values, counted) = sagittal_kernels::pool_targets(&self.values, self.counted.as_deref(), k, [z, y, x], coarse);
        let [z, y, x] = coarse;
        Self { values, counted, shape: [n, z, y, x, k], ..self.clone() }
    }
}

/// How far logits are from what a teacher asks for, times `weight`.
///
/// # Shapes
/// - `logits`: that of the target; result: one number
///
/// # Panics
/// If the shapes differ.
pub fn distillation_loss(logits: Tensor<5>, target: &TeacherTarget, weight: f32) -> Tensor<1> {
    let shape = logits.dims();
    assert_eq!(shape, target.shape, "logits of student and teacher");
    let numbers = logits.clone().into_data().convert::<f32>();
    let numbers = numbers.as_slice::<f32>().expect("they were just made f32");
    let mut gradient = vec![0.0; numbers.len()];
    let TeacherTarget { values, counted, lesson, kind, .. } = target;
    let loss = sagittal_kernels::distillation(numbers, values, counted.as_deref(), shape[4], *lesson, *kind, weight, &mut gradient);
    // The product with the gradient, taken as constant, has just that gradient; its own value is replaced by the loss.
    let gradient = Tensor::<5>::from_data(TensorData::new(gradient, shape), &logits.device());
    let product = (logits * gradient).sum();
    product.clone() - product.detach() + loss as f32
}
