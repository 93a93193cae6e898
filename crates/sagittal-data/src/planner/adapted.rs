//! A plan for other data than it was made for: what a model needs that goes on learning there.

use super::{normalization, resampled_shape, spacing};
use crate::{
    DataError, Fingerprint,
    plan::{Channel, LogitPrecision, Plan, RegionOfInterest},
    statistics,
};
use sagittal_image::Rank;

impl Plan {
    /// The plan of a model, changed as little as another data set allows.
    ///
    /// Network, patch, spacing, orientation and training stay, because weights make sense with them only; normalisation stays
    /// where there are as many channels as before. Channels, labels, regions and the ends of the network are those of the data.
    /// Steps of post-processing were chosen on other cases and go, and so does the float16 of another program.
    ///
    /// # Errors
    /// [`DataError::Plan`] if the images have another number of axes, or the result would be no plan.
    pub fn adapted_to(&self, fingerprint: &Fingerprint) -> Result<Self, DataError> {
        if fingerprint.image_rank != self.image_rank {
            let axes = |rank| if rank == Rank::Two { "2" } else { "3" };
            return Err(DataError::Plan {
                field: "image_rank".into(),
                found: axes(self.image_rank).into(),
                expected: format!(
                    "{}, as the images of {} have; start from another model",
                    axes(fingerprint.image_rank),
                    fingerprint.dataset
                ),
            });
        }
        let mut channels = normalization::channels(fingerprint);
        if channels.len() == self.channels.len() {
            let names = channels.into_iter().map(|channel| channel.name);
            channels = names.zip(&self.channels).map(|(name, own)| Channel { name, normalization: own.normalization }).collect();
        }
        let mut plan = Self {
            dataset: fingerprint.dataset.clone(),
            channels,
            labels: fingerprint.labels.clone(),
            regions: fingerprint.regions.clone(),
            ignore_label: fingerprint.ignore_label,
            median_shape: self.median_shape_of(fingerprint),
            region_of_interest: self.region_of(fingerprint),
            logits: LogitPrecision::Single,
            postprocessing: Vec::new(),
            ..self.clone()
        };
        // A teacher and a pre-training belong to one training, as post-processing does.
        (plan.training.distillation, plan.training.pretraining) = (None, None);
        plan.network.set_channels(plan.n_inputs(), plan.n_outputs());
        plan.estimate = plan.estimated();
        plan.validate()?;
        Ok(plan)
    }

    /// Where other data have labels, if the plan has such a box.
    fn region_of(&self, fingerprint: &Fingerprint) -> Option<RegionOfInterest> {
        match (&self.region_of_interest, fingerprint.labelled_box) {
            (Some(RegionOfInterest::Box(_)), Some(labelled)) => Some(RegionOfInterest::around(self.axis_order.map(|axis| labelled[axis]))),
            (region, _) => region.clone(),
        }
    }

    /// Median shape of the images on the plan's grid.
    fn median_shape_of(&self, fingerprint: &Fingerprint) -> [usize; 3] {
        let shapes: Vec<[usize; 3]> = fingerprint
            .cases
            .iter()
            .map(|case| {
                let shape = self.axis_order.map(|axis| case.shape_after_crop[axis]);
                let (Some(mut target), Some(own)) = (self.spacing_mm, case.spacing_mm) else { return shape };
                let own = self.axis_order.map(|axis| own[axis]);
                if self.network_rank() == Rank::Two {
                    target[0] = own[0];
                }
                resampled_shape(shape, own, target)
            })
            .collect();
        if shapes.is_empty() {
            return self.median_shape;
        }
        let along = |axis: usize| statistics::median(&mut shapes.iter().map(|shape| shape[axis] as f64).collect::<Vec<_>>());
        spacing::whole_shape(std::array::from_fn(along))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::{Label, PlanOptions, planner::tests::example_fingerprint};

    #[test]
    fn only_what_the_data_decides_is_changed() {
        let mut fingerprint = example_fingerprint();
        let plan = Plan::make(&fingerprint, &PlanOptions::default()).unwrap();
        assert_eq!(plan.adapted_to(&fingerprint).unwrap(), plan);
        let (before, n_labels) = (plan.clone(), plan.labels.len() as u16);
        fingerprint.dataset = "other".into();
        fingerprint.labels.push(Label { value: n_labels, name: "more".into() });
        fingerprint.channels[0] = "CT".into();
        fingerprint.cases.iter_mut().for_each(|case| case.shape_after_crop = [20, 30, 40]);
        fingerprint.cases.iter_mut().for_each(|case| case.spacing_mm = before.spacing_mm.map(|mm| mm.map(|mm| 2.0 * mm)));
        let adapted = plan.adapted_to(&fingerprint).unwrap();
        assert_eq!((adapted.network.classes(), adapted.network.input_channels()), (n_labels as usize + 1, plan.network.input_channels()));
        assert_eq!((&*adapted.channels[0].name, adapted.channels[0].normalization), ("CT", plan.channels[0].normalization));
        assert_eq!((adapted.patch, adapted.spacing_mm, &adapted.training), (plan.patch, plan.spacing_mm, &plan.training));
        assert_eq!(adapted.median_shape, plan.axis_order.map(|axis| [40, 60, 80][axis]));
    }

    #[test]
    fn another_number_of_channels_is_normalised_as_the_data_asks() {
        let mut fingerprint = example_fingerprint();
        let plan = Plan::make(&fingerprint, &PlanOptions::default()).unwrap();
        fingerprint.channels.push("CT".into());
        fingerprint.intensities.push(fingerprint.intensities[0]);
        let adapted = plan.adapted_to(&fingerprint).unwrap();
        assert_eq!(
            (adapted.channels.len(), adapted.network.input_channels()),
            (plan.channels.len() + 1, plan.network.input_channels() + 1)
        );
    }

    #[test]
    fn pictures_are_no_volumes() {
        let mut fingerprint = example_fingerprint();
        let plan = Plan::make(&fingerprint, &PlanOptions::default()).unwrap();
        fingerprint.image_rank = Rank::Two;
        let message = plan.adapted_to(&fingerprint).unwrap_err().to_string();
        assert!(message.contains("image_rank is 3, expected 2"), "{message}");
    }
}
