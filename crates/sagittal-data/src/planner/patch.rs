//! Plans of voxel classifiers: the networks of Lai's thesis (2015), trained as a CPU can.
//!
//! The thesis's: the sizes of the layers, samples in which every class is as frequent as any other, a region of interest, no
//! augmentation. Ours: optimiser, batch, length.

use super::{PlanOptions, cost, normalization, spacing};
use crate::{
    DataError, Fingerprint,
    plan::{
        AugmentationPlan, Estimate, LogitPrecision, LossKind, NetworkPlan, OptimizerKind, PatchPlan, PatchView, Plan, RateSchedule,
        RegionOfInterest, TrainingPlan,
    },
};
use sagittal_image::Rank;

/// Voxels of a step: each shows a network of millions of weights one example, so many are needed.
const LARGEST_BATCH: usize = 128;
/// Voxels of a step where they are expensive (3-D): 200 million weights are read, derived and changed in every step, however few
/// voxels it has.
const SMALLEST_BATCH: usize = 32;
/// Voxels that are given up for memory first.
const SHRUNKEN_BATCH: usize = 8;

impl Plan {
    /// Plans a voxel classifier.
    ///
    /// # Errors
    /// If the images have no common rank or physical size, the view does not fit them, or training does not fit the memory.
    pub(super) fn of_patches(view: PatchView, fingerprint: &Fingerprint, options: &PlanOptions) -> Result<Self, DataError> {
        let grid = spacing::working_grid(fingerprint)?;
        let classes = if fingerprint.regions.is_empty() { fingerprint.labels.len() } else { fingerprint.regions.len() };
        let network = NetworkPlan::Patch(PatchPlan::thesis(view, fingerprint.channels.len(), classes));
        if grid.image_rank == Rank::Two && view != PatchView::Slice {
            return Err(DataError::Plan {
                field: "net".into(),
                found: options.net.to_string(),
                expected: "patch-2d, because 2-D images have neither neighbouring slices nor other directions".into(),
            });
        }
        let patch = [1; 3];
        let per_voxel = cost::multiply_adds(&network, patch).max(1);
        let wanted = (options.multiply_adds_per_step / per_voxel) as usize;
        let mut batch_size = wanted.clamp(SMALLEST_BATCH, LARGEST_BATCH);
        let fits = |batch_size: usize| cost::training_memory(&network, patch, batch_size) <= options.memory_bytes;
        while batch_size > SHRUNKEN_BATCH && !fits(batch_size) {
            batch_size /= 2;
        }
        if !fits(batch_size) {
            let needed = cost::training_memory(&network, patch, batch_size);
            return Err(DataError::Plan {
                field: "memory".into(),
                found: format!("{} MB", options.memory_bytes >> 20),
                expected: format!("at least {} MB, for {} parameters", (needed >> 20) + 1, cost::parameters(&network)),
            });
        }
        let boxed = fingerprint.labelled_box.map(|labelled| RegionOfInterest::around(grid.axis_order.map(|axis| labelled[axis])));
        let mut plan = Self {
            format_version: Self::FORMAT_VERSION,
            dataset: fingerprint.dataset.clone(),
            image_rank: grid.image_rank,
            orientation: options.orientation,
            axis_order: grid.axis_order,
            channels: normalization::channels(fingerprint),
            labels: fingerprint.labels.clone(),
            regions: fingerprint.regions.clone(),
            ignore_label: fingerprint.ignore_label,
            previous_stage: None,
            spacing_mm: grid.spacing_mm,
            median_shape: spacing::whole_shape(grid.median_shape),
            patch,
            batch_size,
            estimate: Estimate::of(&network, patch, batch_size),
            network,
            region_of_interest: if options.region_masks { Some(RegionOfInterest::Masks) } else { boxed },
            training: TrainingPlan {
                optimizer: OptimizerKind::Adamw,
                learning_rate: LEARNING_RATE,
                momentum: 0.9,
                nesterov: true,
                weight_decay: 3e-5,
                gradient_clip: 12.0,
                iterations_per_epoch: 100,
                validation_iterations: 10,
                epochs: options.epochs,
                time_s: None,
                foreground_fraction: 1.0,
                mirror_axes: Vec::new(),
                batch_dice: None,
                loss: LossKind::CrossEntropy,
                schedule: RateSchedule::Polynomial,
                ema_decay: None,
                distillation: None,
                pretraining: None,
                correct_frequencies: true,
                full_batch: None,
                augmentation: AugmentationPlan::nnunet(patch),
            },
            logits: LogitPrecision::Single,
            postprocessing: Vec::new(),
        };
        plan.training.augmentation = AugmentationPlan::nnunet(plan.input_size()).without();
        plan.validate()?;
        Ok(plan)
    }
}

/// Of AdamW.
const LEARNING_RATE: f64 = 0.0003;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::planner::{NetName, tests::example_fingerprint};

    fn options(view: PatchView) -> PlanOptions {
        PlanOptions { net: NetName::Patch(view), ..PlanOptions::default() }
    }

    #[test]
    fn every_view_of_volumes_gets_a_plan_of_the_thesis() {
        let mut fingerprint = example_fingerprint();
        fingerprint.labelled_box = Some([[0.2, 0.7], [0.1, 0.6], [0.5, 1.0]]);
        for (view, input, rank) in [
            (PatchView::Slice, [1, 24, 24], Rank::Two),
            (PatchView::Stacked, [3, 24, 24], Rank::Two),
            (PatchView::Triplanar, [24; 3], Rank::Three),
            (PatchView::Volume, [24; 3], Rank::Three),
        ] {
            let plan = Plan::make(&fingerprint, &options(view)).unwrap();
            assert_eq!((plan.patch, plan.input_size(), plan.network_rank()), ([1; 3], input, rank), "{view:?}");
            assert_eq!(plan.region_of_interest, Some(RegionOfInterest::Box([[0.15, 0.75], [0.05, 0.65], [0.45, 1.0]])));
            assert_eq!(plan, serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap());
            assert!(plan.estimate.memory_bytes <= 8 << 30, "{view:?}: {}", plan.estimate.memory_bytes);
        }
    }

    #[test]
    fn learning_without_labels_takes_a_decoder_as_large_as_the_largest_layer() {
        let mut plan = Plan::make(&example_fingerprint(), &options(PatchView::Volume)).unwrap();
        let without = plan.estimated().memory_bytes;
        plan.training.pretraining = Some(crate::plan::PretrainingPlan::default());
        // Six copies of the first dense layer: 50 features of 16 x 16 x 16 voxels to 1000 units.
        assert_eq!(plan.estimated().memory_bytes - without, 4 * 6 * 50 * 16 * 16 * 16 * 1000);
    }

    #[test]
    fn what_does_not_fit_is_refused_with_the_cure() {
        let mut fingerprint = example_fingerprint();
        let little = PlanOptions { memory_bytes: 1 << 30, ..options(PatchView::Volume) };
        let message = Plan::make(&fingerprint, &little).unwrap_err().to_string();
        assert!(message.contains("memory is 1024 MB, expected at least 4"), "{message}");
        fingerprint.image_rank = Rank::Two;
        assert!(Plan::make(&fingerprint, &options(PatchView::Slice)).is_ok());
        let message = Plan::make(&fingerprint, &options(PatchView::Stacked)).unwrap_err().to_string();
        assert!(message.contains("net is patch-stacked2d, expected patch-2d, because 2-D images"), "{message}");
    }
}
