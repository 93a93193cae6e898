//! How frequent classes are in images, and how frequent among the samples of a voxel classifier.

use super::TrainingSet;
use crate::{Plan, preprocess::targets};

impl TrainingSet {
    /// What the logits of every class (or region) of a voxel classifier lack to be about images: it learned from samples in which classes
    /// are about equally frequent. Of classes the logarithm of the frequency in the images, inside the region of interest, divided by
    /// that among samples; of regions the same of the odds. 0 where a class or region is in no voxel, or in all of them.
    ///
    /// Source: Saerens, Latinne and Decaestecker 2002, *Adjusting the outputs of a classifier to new a priori probabilities*.
    ///
    /// # Shapes
    /// - result: [`Plan::n_outputs`]
    pub fn frequency_shift(&self, plan: &Plan) -> Vec<f64> {
        let (in_images, among_samples) = (self.in_images(plan), self.among_samples(plan));
        let regions = plan.regions_of_classes();
        let of = |frequencies: &[f64], region: usize| -> f64 {
            frequencies.iter().enumerate().filter(|(class, _)| regions[*class].contains(&region)).map(|(_, part)| part).sum()
        };
        let shift = |output: usize| match plan.regions[..] {
            [] => (in_images[output] / among_samples[output]).ln(),
            _ => {
                let odds = |frequencies: &[f64]| of(frequencies, output) / (1.0 - of(frequencies, output));
                (odds(&in_images) / odds(&among_samples)).ln()
            }
        };
        (0..plan.n_outputs()).map(shift).map(|shift| if shift.is_finite() { shift } else { 0.0 }).collect()
    }

    /// The part of all voxels inside the region of interest that each class has.
    fn in_images(&self, plan: &Plan) -> Vec<f64> {
        let sizes = |class: usize| self.cases.iter().filter_map(|case| case.class_sizes.get(class)).sum::<u64>() as f64;
        let sizes: Vec<f64> = (0..plan.labels.len()).map(sizes).collect();
        let all: f64 = sizes.iter().sum();
        sizes.iter().map(|size| size / all).collect()
    }

    /// The part of all samples that each class has: a case is drawn, one of what it has to be centred on, and a voxel of that
    /// ([`crate::PatchSampler`]).
    fn among_samples(&self, plan: &Plan) -> Vec<f64> {
        let targets = targets(plan);
        let mut parts = vec![0.0; plan.labels.len()];
        for case in &self.cases {
            let size = |classes: &[usize]| classes.iter().filter_map(|&class| case.class_sizes.get(class)).sum::<u64>() as f64;
            let present: Vec<&Vec<usize>> = targets.iter().filter(|classes| size(classes) > 0.0).collect();
            for (classes, &class) in present.iter().flat_map(|classes| classes.iter().map(move |class| (classes, class))) {
                parts[class] += size(&[class]) / size(classes) / (present.len() * self.cases.len()) as f64;
            }
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        TrainingCase,
        plan::{NetworkPlan, PatchPlan, PatchView, Region},
        planner::example_plan,
    };

    #[test]
    fn classes_and_regions_lack_what_samples_have_too_much_of() {
        let case = |class_sizes: [u64; 3]| TrainingCase {
            id: "a".into(),
            data: vec![],
            labels: vec![],
            previous: vec![],
            shape: [1, 0, 0, 0],
            class_sizes: class_sizes.into(),
            class_locations: vec![],
            labelled_locations: vec![],
        };
        let set = TrainingSet::in_memory(vec![case([90, 10, 0]), case([60, 20, 20])]);
        let mut plan = example_plan();
        plan.network = NetworkPlan::Patch(PatchPlan::thesis(PatchView::Slice, 1, 3));
        // Among samples a half, a half and none of the first case, a third each of the second.
        let classes = [0.75 / (5.0 / 12.0), 0.15 / (5.0 / 12.0), 0.1 / (1.0 / 6.0)].map(f64::ln);
        let near = |found: &[f64], expected: &[f64]| {
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?}, expected {expected:?}");
        };
        near(&set.frequency_shift(&plan), &classes);
        // A class that no image has.
        near(&TrainingSet::in_memory(vec![case([90, 10, 0])]).frequency_shift(&plan), &[1.8f64.ln(), 0.2f64.ln(), 0.0]);

        let (one, two) = (plan.labels[1].value, plan.labels[2].value);
        let region = |values: &[u16], painted| Region { name: "r".into(), values: values.into(), painted };
        plan.regions = vec![region(&[one, two], one), region(&[two], two)];
        // The whole, its core and the background: of the second case's samples a third each, those of the whole half core.
        let sampled: f64 = (0.5 + 2.0 / 3.0) / 2.0;
        let whole = (0.25f64 / 0.75).ln() - (sampled / (1.0 - sampled)).ln();
        let core = (0.1f64 / 0.9).ln() - (0.25f64 / 0.75).ln();
        near(&set.frequency_shift(&plan), &[whole, core]);
    }
}
