//! What labels would be if logits were others by a number for each class.

use crate::{InferError, Probabilities, decision::Decision, soft::Head};
use sagittal_data::Plan;
use sagittal_image::Volume;

/// The labels that a prediction by `plan` would have given, had a number been added to the logits of every class (or region).
///
/// # Shapes
/// - `shift`: a number for each of them
///
/// # Errors
/// [`InferError::Scratch`] if the probabilities cannot be read.
///
/// # Panics
/// If the probabilities have another number of classes than the plan or `shift`.
pub fn shifted_labels(plan: &Plan, probabilities: &Probabilities, shift: &[f64]) -> Result<Volume<u16>, InferError> {
    let decision = Decision::of(plan);
    assert_eq!([probabilities.n_classes(), shift.len()], [decision.n_classes(); 2], "one number for every class");
    let first = probabilities.class(0)?;
    let mut labels = Volume::filled(first.shape(), if decision.head == Head::Classes { decision.value(0) } else { 0 });
    let mut highest: Vec<f64> = match decision.head {
        Head::Classes => first.voxels().iter().map(|&p| f64::from(p).ln() + shift[0]).collect(),
        // A region is there if its logit is above 0.
        Head::Regions => vec![0.0; first.voxels().len()],
    };
    let remaining = usize::from(decision.head == Head::Classes)..decision.n_classes();
    for class in remaining {
        let of_class = probabilities.class(class)?;
        for ((label, highest), &p) in labels.voxels_mut().iter_mut().zip(&mut highest).zip(of_class.voxels()) {
            let p = f64::from(p);
            match decision.head {
                Head::Classes => {
                    let logit = p.ln() + shift[class];
                    if logit > *highest {
                        (*highest, *label) = (logit, decision.value(class));
                    }
                }
                Head::Regions => {
                    if (p / (1.0 - p)).ln() + shift[class] > *highest {
                        *label = decision.value(class);
                    }
                }
            }
        }
    }
    Ok(labels)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::probabilities::OnDisk;

    fn probabilities(classes: &[&[f32]]) -> Probabilities {
        let n = classes[0].len();
        let numbers = OnDisk::new(classes.len(), [1, 1, n]).unwrap();
        for (class, of_class) in classes.iter().enumerate() {
            numbers.put(class, 0, &mut of_class.iter().copied()).unwrap();
        }
        Probabilities::on_grid(numbers)
    }

    #[test]
    fn classes_compete_and_regions_stand_by_themselves() {
        let mut plan = crate::ensemble::tests::plan();
        // Sure of the background, torn between it and label 2, between both others.
        let classes = probabilities(&[&[1.0, 0.45, 0.2], &[0.0, 0.55, 0.35], &[0.0, 0.0, 0.45]]);
        for (shift, expected) in
            [([0.0; 3], [0, 2, 5]), ([0.3, 0.0, 0.0], [0, 0, 5]), ([0.0, 0.3, 0.0], [0, 2, 2]), ([5.0, 5.0, 0.0], [0, 2, 2])]
        {
            assert_eq!(shifted_labels(&plan, &classes, &shift).unwrap().voxels(), expected, "{shift:?}");
        }
        let region = |values: &[u16], painted| sagittal_data::plan::Region { name: "r".into(), values: values.into(), painted };
        plan.regions = vec![region(&[2, 5], 2), region(&[5], 5)];
        let regions = probabilities(&[&[0.0, 0.55, 0.9], &[0.0, 0.0, 0.6]]);
        for (shift, expected) in [([0.0; 2], [0, 2, 5]), ([-0.3, 0.0], [0, 0, 5]), ([0.0, -0.5], [0, 2, 2]), ([9.0, 9.0], [0, 2, 5])] {
            assert_eq!(shifted_labels(&plan, &regions, &shift).unwrap().voxels(), expected, "{shift:?}");
        }
    }
}
