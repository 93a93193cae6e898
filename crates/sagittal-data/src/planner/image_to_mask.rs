//! The plan of Seo's post (2018): a grey picture of 64 x 64 in, its whole mask out, SGD with a learning rate of 0.01, batches of 2, 100 epochs.
//!
//! It is planned as the post has it, faults and all (`docs/explanation/image-to-mask.md` names five); each is one field of
//! the plan, so that each can be repaired by itself. Ours is only what the post does not say: pictures are drawn as textbooks do, every one once an epoch.

use super::{PlanOptions, cost, spacing};
use crate::{
    DataError, Fingerprint, Splits,
    plan::{
        AugmentationPlan, Channel, Estimate, ImageToMaskPlan, LogitPrecision, LossKind, NetworkPlan, Normalization, OptimizerKind, Plan,
        RateSchedule, TrainingPlan,
    },
    statistics,
};
use sagittal_image::Rank;

/// Pictures a step.
const BATCH_SIZE: usize = 2;
const LEARNING_RATE: f64 = 0.01;
/// Larger than any gradient: the post does not clip.
const NO_CLIP: f64 = 1e9;

/// Plans for a data set.
///
/// # Errors
/// If it holds volumes, has regions that may overlap, or the network does not fit the memory.
pub(super) fn plan(fingerprint: &Fingerprint, options: &PlanOptions) -> Result<Plan, DataError> {
    let refuse = |found: &str, expected: &str| Err(DataError::Plan { field: "net".into(), found: found.into(), expected: expected.into() });
    if fingerprint.image_rank == Rank::Three {
        return refuse("image-to-mask for volumes", "unet, unet-2d or a voxel classifier: image-to-mask sees whole pictures, 2-D ones");
    }
    if !fingerprint.regions.is_empty() {
        return refuse("image-to-mask for regions that may overlap", "unet, or labels that exclude each other: it has one mask a label");
    }
    let mask = ImageToMaskPlan::post(fingerprint.channels.len(), fingerprint.labels.len());
    let patch = [1, mask.size[0], mask.size[1]];
    let network = NetworkPlan::ImageToMask(mask);
    let needed = cost::training_memory(&network, patch, BATCH_SIZE);
    if needed > options.memory_bytes {
        return Err(DataError::Plan {
            field: "memory".into(),
            found: format!("{} MB", options.memory_bytes >> 20),
            expected: format!("at least {} MB, for {} million weights", (needed >> 20) + 1, network.n_parameters() / 1_000_000),
        });
    }
    let n_cases = fingerprint.cases.len();
    let n_validation = n_cases.div_ceil(Splits::N_FOLDS.min(n_cases).max(1)).min(n_cases);
    let along = |axis: usize| statistics::median(&mut fingerprint.cases.iter().map(|case| case.shape[axis] as f64).collect::<Vec<_>>());
    let plan = Plan {
        format_version: Plan::FORMAT_VERSION,
        dataset: fingerprint.dataset.clone(),
        image_rank: Rank::Two,
        orientation: options.orientation,
        axis_order: [0, 1, 2],
        channels: fingerprint.channels.iter().map(|name| Channel { name: name.clone(), normalization: Normalization::MinMax }).collect(),
        labels: fingerprint.labels.clone(),
        regions: Vec::new(),
        ignore_label: fingerprint.ignore_label,
        previous_stage: None,
        region_of_interest: None,
        spacing_mm: None,
        median_shape: if n_cases == 0 { patch } else { spacing::whole_shape(std::array::from_fn(along)) },
        patch,
        batch_size: BATCH_SIZE,
        estimate: Estimate::of(&network, patch, BATCH_SIZE),
        network,
        training: TrainingPlan {
            optimizer: OptimizerKind::Sgd,
            learning_rate: LEARNING_RATE,
            schedule: RateSchedule::Constant,
            momentum: 0.0,
            nesterov: true,
            weight_decay: 0.0,
            gradient_clip: NO_CLIP,
            iterations_per_epoch: (n_cases - n_validation).div_ceil(BATCH_SIZE).max(1),
            validation_iterations: n_validation.div_ceil(BATCH_SIZE),
            epochs: options.epochs,
            time_s: None,
            foreground_fraction: 0.0,
            // Dense layers know places: a mirrored picture is another one to them.
            mirror_axes: Vec::new(),
            batch_dice: None,
            loss: LossKind::CrossEntropy,
            ema_decay: None,
            distillation: None,
            pretraining: None,
            correct_frequencies: true,
            full_batch: None,
            augmentation: AugmentationPlan { enabled: false, ..AugmentationPlan::nnunet(patch) },
        },
        logits: LogitPrecision::Single,
        postprocessing: Vec::new(),
    };
    plan.validate()?;
    Ok(plan)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::{planner::NetName, planner::tests::example_fingerprint};

    fn pictures() -> Fingerprint {
        let mut fingerprint = example_fingerprint();
        fingerprint.image_rank = Rank::Two;
        fingerprint.cases.iter_mut().for_each(|case| (case.shape, case.spacing_mm) = ([1, 300, 200], Some([1.0, 0.5, 0.5])));
        fingerprint.labels.truncate(2);
        fingerprint
    }

    fn post() -> Plan {
        Plan::make(&pictures(), &PlanOptions { net: NetName::ImageToMask, ..PlanOptions::default() }).unwrap()
    }

    #[test]
    fn the_post_is_planned_number_by_number() {
        let plan = post();
        assert_eq!((plan.patch, plan.batch_size, plan.training.epochs, plan.spacing_mm), ([1, 64, 64], 2, 100, None));
        assert_eq!((plan.training.learning_rate, plan.training.momentum), (0.01, 0.0));
        // 1 x 10 x 5 x 5, 10 x 25 x 5 x 5, 102400 x 1000, 1000 x 4096, each with its biases.
        assert_eq!(plan.estimate.parameters, 260 + 6275 + 102_401_000 + 4_100_096);
        assert_eq!(plan.estimate.multiply_adds_per_patch, 4096 * (250 + 6250) + 102_400_000 + 4_096_000);
        let words = plan.describe().split_whitespace().collect::<Vec<_>>().join(" ");
        for expected in ["64 x 64", "106.5 million", "0.01 throughout", "mostly measures the", "300 x 200", "Augmentation none"] {
            assert!(words.contains(expected), "{expected} in\n{words}");
        }
    }

    #[test]
    fn volumes_and_regions_are_refused_by_name() {
        let options = PlanOptions { net: NetName::ImageToMask, ..PlanOptions::default() };
        let message = |fingerprint: &Fingerprint| Plan::make(fingerprint, &options).unwrap_err().to_string();
        assert!(message(&example_fingerprint()).contains("image-to-mask for volumes"));
        let mut regions = pictures();
        regions.regions.push(crate::plan::Region { name: "all".into(), values: vec![1], painted: 1 });
        assert!(message(&regions).contains("regions that may overlap"));
        let little = PlanOptions { memory_bytes: 1 << 30, ..options.clone() };
        assert!(Plan::make(&pictures(), &little).unwrap_err().to_string().contains("106 million weights"));
    }

    #[test]
    fn what_does_not_go_together_is_refused_with_the_field() {
        use crate::plan::{MaskLogits, MaskOutput};
        fn network(plan: &mut Plan) -> &mut ImageToMaskPlan {
            let NetworkPlan::ImageToMask(mask) = &mut plan.network else { unreachable!("planned above") };
            mask
        }
        type Case = (fn(&mut Plan), &'static str);
        let cases: [Case; 7] = [
            (|plan| plan.patch[1] = 128, "patch is [1, 128, 64], expected [1, 64, 64]"),
            (|plan| plan.spacing_mm = Some([1.0; 3]), "spacing_mm is Some"),
            (|plan| plan.image_rank = Rank::Three, "image_rank is 3, expected 2"),
            (|plan| plan.previous_stage = Some("2d".into()), "previous_stage is"),
            (|plan| plan.training.loss = LossKind::DiceCrossEntropy, "training.loss is DiceCrossEntropy"),
            (
                |plan| {
                    network(plan).output = MaskOutput::ClassesOfPixels;
                    plan.training.loss = LossKind::NormalizedCrossEntropy;
                },
                "training.loss is NormalizedCrossEntropy",
            ),
            (|plan| network(plan).kernel = 4, "network.kernel is 4"),
        ];
        for (change, expected) in cases {
            let mut plan = post();
            change(&mut plan);
            // A cascade shows the network more channels.
            plan.network.set_channels(plan.n_inputs(), plan.n_outputs());
            let message = plan.validate().unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
        // Every step of the repair by itself is a plan.
        let steps: [fn(&mut Plan); 4] = [
            |plan| plan.training.loss = LossKind::NormalizedCrossEntropy,
            |plan| network(plan).logits = MaskLogits::Linear,
            |plan| network(plan).output = MaskOutput::ClassesOfPixels,
            |plan| network(plan).head = crate::plan::MaskHead::Convolution,
        ];
        for step in steps {
            let mut plan = post();
            step(&mut plan);
            plan.validate().unwrap();
            let text = serde_json::to_string(&plan).unwrap();
            assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
        }
    }
}
