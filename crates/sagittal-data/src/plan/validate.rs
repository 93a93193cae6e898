//! Checks of a plan that somebody may have edited.

use super::{ImageToMaskPlan, LossKind, MaskOutput, NetworkPlan, Normalization, PatchView, Plan};
use crate::DataError;
use sagittal_image::Rank;
use std::fmt::Debug;

/// The network's output is stored as one byte, of which 255 means "no truth".
pub(super) const MOST_CLASSES: usize = 254;
/// Validation batches beyond which a mistyped number is likelier than a wish.
const MOST_VALIDATION_BATCHES: usize = 10_000;
/// Seconds of ten years, beyond which a mistyped number is likelier than a wish.
const LONGEST_S: f64 = 3650.0 * 86_400.0;
/// Voxels of a patch beyond which a mistyped number is likelier than a large machine.
const MOST_PATCH_VOXELS: usize = 1 << 31;

impl Plan {
    /// Checks every field.
    ///
    /// # Errors
    /// [`DataError::Plan`] for the first field that lies outside what is allowed, naming field, value and range.
    pub fn validate(&self) -> Result<(), DataError> {
        version(self.format_version)?;
        self.validate_data()?;
        self.validate_patch()?;
        self.validate_network()?;
        self.validate_training()
    }

    fn validate_data(&self) -> Result<(), DataError> {
        let mut axes = self.axis_order;
        axes.sort_unstable();
        require(axes == [0, 1, 2], "axis_order", self.axis_order, || "each of 0, 1, 2 once".into())?;
        require(self.image_rank == Rank::Three || self.axis_order == [0, 1, 2], "axis_order", self.axis_order, || {
            "[0, 1, 2] for 2-D images".into()
        })?;
        require(!self.channels.is_empty(), "channels", "empty", || "at least one channel".into())?;
        for (index, channel) in self.channels.iter().enumerate() {
            if let Normalization::Ct { mean, std, low, high } = channel.normalization {
                let field = format!("channels[{index}].normalization.ct");
                let fine = [mean, std, low, high].iter().all(|value| value.is_finite()) && std >= 0.0 && low <= high;
                require(fine, &field, (mean, std, low, high), || "finite mean, std >= 0, low <= high".into())?;
            }
        }
        require((2..=MOST_CLASSES).contains(&self.labels.len()), "labels", self.labels.len(), || {
            format!("background and 1 to {} labels", MOST_CLASSES - 1)
        })?;
        require(self.labels[0].value == 0, "labels[0].value", self.labels[0].value, || "0, the background".into())?;
        for (index, pair) in self.labels.windows(2).enumerate() {
            let field = format!("labels[{}].value", index + 1);
            require(pair[0].value < pair[1].value, &field, pair[1].value, || format!("more than {}, the one before", pair[0].value))?;
        }
        self.validate_regions()?;
        if let Some(spacing) = self.spacing_mm {
            for (axis, mm) in spacing.into_iter().enumerate() {
                let fine = mm.is_finite() && mm > 0.0;
                require(fine, &format!("spacing_mm[{axis}]"), mm, || "a positive length in millimetres".into())?;
            }
        }
        for (axis, size) in self.median_shape.into_iter().enumerate() {
            require(size >= 1, &format!("median_shape[{axis}]"), size, || "at least 1".into())?;
        }
        Ok(())
    }

    /// Regions, the ignore label, the cascade and the post-processing: whatever names labels.
    fn validate_regions(&self) -> Result<(), DataError> {
        let foreground: Vec<u16> = self.labels[1..].iter().map(|label| label.value).collect();
        let among = || format!("of the labels {foreground:?}");
        require(self.regions.len() <= MOST_CLASSES, "regions", self.regions.len(), || format!("at most {MOST_CLASSES}"))?;
        for (index, region) in self.regions.iter().enumerate() {
            let fine = !region.values.is_empty() && region.values.iter().all(|value| foreground.contains(value));
            require(fine, &format!("regions[{index}].values"), &region.values, || format!("one or more {}", among()))?;
            let painted = foreground.contains(&region.painted);
            require(painted, &format!("regions[{index}].painted"), region.painted, || format!("one {}", among()))?;
        }
        if let Some(ignored) = self.ignore_label {
            let highest = *foreground.last().expect("there are at least two labels, see above");
            require(highest.checked_add(1) == Some(ignored), "ignore_label", ignored, || {
                format!("{}, the highest label and 1, or none", u32::from(highest) + 1)
            })?;
        }
        if let Some(name) = &self.previous_stage {
            let fine = !name.trim().is_empty() && !name.contains(['/', '\\', '\0']);
            require(fine, "previous_stage", name, || "the name of a configuration such as 3d_lowres, without slashes".into())?;
        }
        for (index, step) in self.postprocessing.iter().enumerate() {
            let fine = !step.values.is_empty() && step.values.iter().all(|value| foreground.contains(value));
            require(fine, &format!("postprocessing[{index}].values"), &step.values, || format!("one or more {}", among()))?;
            let fine = step.at_least.is_none_or(|size| size.is_finite() && size > 0.0);
            require(fine, &format!("postprocessing[{index}].at_least"), step.at_least, || "a size above 0, or nothing".into())?;
        }
        Ok(())
    }

    fn validate_patch(&self) -> Result<(), DataError> {
        self.network.validate()?;
        let total = self.network.total_stride();
        for (axis, (size, stride)) in self.patch.into_iter().zip(total).enumerate() {
            let field = format!("patch[{axis}]");
            require(size >= 1 && size % stride == 0, &field, size, || {
                format!(
                    "a multiple of {stride}, the product of the network's strides along that axis; the nearest are {}",
                    nearest(size, stride)
                )
            })?;
        }
        if let NetworkPlan::Patch(patch) = &self.network {
            require(self.patch == [1; 3], "patch", self.patch, || "[1, 1, 1]: a voxel classifier labels one voxel".into())?;
            require(self.image_rank == Rank::Three || patch.view == PatchView::Slice, "network.view", patch.view, || {
                "2d, because 2-D images have neither neighbouring slices nor other directions".into()
            })?;
        }
        if let Some(region) = &self.region_of_interest {
            let name = self.network.kind();
            require(self.is_balanced(), "region_of_interest", name, || "a network of kind patch: others label whole images".into())?;
            region.validate()?;
        }
        require(self.image_rank == Rank::Three || self.patch[0] == 1, "patch[0]", self.patch[0], || "1 for 2-D images".into())?;
        let voxels = self.patch.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
        require(voxels.is_some_and(|voxels| voxels <= MOST_PATCH_VOXELS), "patch", self.patch, || {
            format!("at most {MOST_PATCH_VOXELS} voxels")
        })?;
        require((1..=65_536).contains(&self.batch_size), "batch_size", self.batch_size, || "1 to 65536".into())
    }

    /// What the network must be for these data; what it must be by itself is checked before.
    fn validate_network(&self) -> Result<(), DataError> {
        let network = &self.network;
        require(network.input_channels() == self.n_inputs(), "network.input_channels", network.input_channels(), || {
            let cascade = if self.previous_stage.is_some() { " and of the labels that the previous stage finds" } else { "" };
            format!("{}, the number of channels{cascade}", self.n_inputs())
        })?;
        require(network.classes() == self.n_outputs(), "network.classes", network.classes(), || {
            format!("{}, {}", self.n_outputs(), if self.regions.is_empty() { "background and labels" } else { "the number of regions" })
        })?;
        if let NetworkPlan::ImageToMask(mask) = network {
            self.validate_image_to_mask(mask)?;
        }
        let flat_kernels = network.unet().filter(|_| self.patch[0] == 1).map_or(&[][..], |unet| &unet.kernels);
        for (stage, kernel) in flat_kernels.iter().enumerate() {
            require(kernel[0] == 1, &format!("network.kernels[{stage}][0]"), kernel[0], || "1 for 2-D networks".into())?;
        }
        Ok(())
    }

    /// What a network that sees whole pictures asks of the rest of the plan.
    fn validate_image_to_mask(&self, mask: &ImageToMaskPlan) -> Result<(), DataError> {
        let [y, x] = mask.size;
        require(self.image_rank == Rank::Two, "image_rank", 3, || {
            "2: image_to_mask sees whole pictures, for volumes there are unet and patch".into()
        })?;
        require(self.patch == [1, y, x], "patch", self.patch, || format!("[1, {y}, {x}], the network's size"))?;
        let spacing = self.spacing_mm;
        require(spacing.is_none(), "spacing_mm", spacing, || "null: whole pictures are brought to the network's size".into())?;
        require(self.previous_stage.is_none(), "previous_stage", &self.previous_stage, || "none with image_to_mask".into())?;
        let compete = mask.output == MaskOutput::SoftmaxOverPixels;
        require(!compete || self.regions.is_empty(), "network.output", mask.output, || {
            "classes_of_pixels, because the labels form regions that may overlap".into()
        })
    }

    fn validate_training(&self) -> Result<(), DataError> {
        let training = &self.training;
        let within = |field: &str, value: f64, lowest: f64, highest: f64| {
            require((lowest..=highest).contains(&value), field, value, || format!("{lowest} to {highest}"))
        };
        within("training.learning_rate", training.learning_rate, 1e-12, 10.0)?;
        within("training.momentum", training.momentum, 0.0, 0.999_999)?;
        within("training.ema_decay", training.ema_decay.unwrap_or(0.0), 0.0, 0.999_999)?;
        within("training.weight_decay", training.weight_decay, 0.0, 1.0)?;
        self.validate_loss()?;
        let no_decay = !training.optimizer.is_rprop() || training.weight_decay == 0.0;
        require(no_decay, "training.weight_decay", training.weight_decay, || "0 with Rprop, which has none".to_owned())?;
        within("training.gradient_clip", training.gradient_clip, 1e-6, 1e9)?;
        within("training.foreground_fraction", training.foreground_fraction, 0.0, 1.0)?;
        require(training.iterations_per_epoch >= 1, "training.iterations_per_epoch", training.iterations_per_epoch, || {
            "at least 1".into()
        })?;
        // They are all held in memory.
        let few = training.validation_iterations <= MOST_VALIDATION_BATCHES;
        require(few, "training.validation_iterations", training.validation_iterations, || format!("0 to {MOST_VALIDATION_BATCHES}"))?;
        if let Some(time_s) = training.time_s {
            within("training.time_s", time_s, 1.0, LONGEST_S)?;
        }
        let full_batch = training.full_batch.unwrap_or(1);
        require((1..=MOST_VALIDATION_BATCHES).contains(&full_batch), "training.full_batch", full_batch, || {
            format!("1 to {MOST_VALIDATION_BATCHES} batches, which are held in memory; without it every step sees a batch of its own")
        })?;
        require(self.is_balanced() || training.correct_frequencies, "training.correct_frequencies", false, || {
            "true, or nothing said: only a network of kind patch learns from samples in which classes are equally frequent".into()
        })?;
        training.distillation.map_or(Ok(()), |distillation| distillation.validate())?;
        training.pretraining.map_or(Ok(()), |pretraining| pretraining.validate())?;
        require(training.epochs >= 1, "training.epochs", training.epochs, || "at least 1".into())?;
        for (index, &axis) in training.mirror_axes.iter().enumerate() {
            let lowest = usize::from(self.network_rank() == Rank::Two);
            let once = !training.mirror_axes[..index].contains(&axis);
            require((lowest..3).contains(&axis) && once, &format!("training.mirror_axes[{index}]"), axis, || {
                format!("{lowest} to 2, each once (0 is Z)")
            })?;
        }
        self.validate_augmentation()
    }

    /// Losses of pixels that compete are for networks whose pixels do.
    fn validate_loss(&self) -> Result<(), DataError> {
        let loss = self.training.loss;
        let compete = matches!(&self.network, NetworkPlan::ImageToMask(mask) if mask.output == MaskOutput::SoftmaxOverPixels);
        require(compete || loss != LossKind::NormalizedCrossEntropy, "training.loss", loss, || {
            "cross_entropy or dice_cross_entropy: masks are normalised only for a soft-max over pixels".into()
        })?;
        require(!compete || loss != LossKind::DiceCrossEntropy, "training.loss", loss, || {
            "cross_entropy or normalized_cross_entropy with network.output softmax_over_pixels, which gives no class of a pixel".into()
        })
    }

    fn validate_augmentation(&self) -> Result<(), DataError> {
        let mut plan = self.training.augmentation.clone();
        for (name, probability) in plan.probabilities_mut() {
            let field = format!("training.augmentation.{name}");
            require((0.0..=1.0).contains(probability), &field, *probability, || "a probability, 0 to 1".into())?;
        }
        let flat = self.input_size()[0] == 1;
        require(!(flat && plan.rotation.within_slices), "training.augmentation.rotation.within_slices", true, || {
            "false for 2-D networks, which see slices anyway".into()
        })?;
        for (axis, degrees) in plan.rotation.degrees.into_iter().enumerate() {
            let field = format!("training.augmentation.rotation.degrees[{axis}]");
            require((0.0..=180.0).contains(&degrees), &field, degrees, || "0 to 180".into())?;
        }
        let ranges = [
            ("scaling.range", plan.scaling.range, [0.05, 20.0]),
            ("noise.sigma", plan.noise.sigma, [0.0, 1e6]),
            ("blur.sigma_voxels", plan.blur.sigma_voxels, [0.0, 20.0]),
            ("low_resolution.scale", plan.low_resolution.scale, [0.01, 1.0]),
            ("brightness.range", plan.brightness.range, [0.0, 1e3]),
            ("contrast.range", plan.contrast.range, [0.0, 1e3]),
            ("gamma_inverted.range", plan.gamma_inverted.range, [0.01, 100.0]),
            ("gamma.range", plan.gamma.range, [0.01, 100.0]),
        ];
        for (name, [low, high], [lowest, highest]) in ranges {
            let fine = lowest <= low && low <= high && high <= highest;
            require(fine, &format!("training.augmentation.{name}"), [low, high], || {
                format!("[low, high] with {lowest} <= low <= high <= {highest}")
            })?;
        }
        for (name, [low, high], _) in &ranges[4..] {
            let about_one = *low <= 1.0 && *high >= 1.0;
            require(about_one, &format!("training.augmentation.{name}"), [low, high], || "low <= 1 <= high: it is drawn about 1".into())?;
        }
        Ok(())
    }
}

/// Checks that a plan is of the version this program reads.
pub(super) fn version(found: u32) -> Result<(), DataError> {
    require(found == Plan::FORMAT_VERSION, "format_version", found, || format!("{}, the version this program reads", Plan::FORMAT_VERSION))
}

/// The multiples of `stride` around `size`, for the message.
fn nearest(size: usize, stride: usize) -> String {
    match size / stride * stride {
        0 => format!("{stride}"),
        below => format!("{below} and {}", below + stride),
    }
}

pub(super) fn require(fine: bool, field: &str, found: impl Debug, expected: impl FnOnce() -> String) -> Result<(), DataError> {
    if fine { Ok(()) } else { Err(DataError::Plan { field: field.into(), found: format!("{found:?}"), expected: expected() }) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use crate::{Plan, plan::*};

    fn unet(plan: &mut Plan) -> &mut UnetPlan {
        plan.network.unet_mut().unwrap()
    }

    #[test]
    fn mistakes_of_the_editor_are_named_with_field_value_and_range() {
        struct Case {
            change: fn(&mut Plan),
            message: &'static str,
        }
        let cases = [
            Case {
                change: |plan| plan.patch[1] = 54,
                message: "plan: patch[1] is 54, expected a multiple of 8, the product of the network's strides along that axis; the nearest are 48 and 56",
            },
            Case { change: |plan| plan.patch[0] = 0, message: "patch[0] is 0" },
            Case { change: |plan| plan.batch_size = 0, message: "batch_size is 0, expected 1 to 65536" },
            Case { change: |plan| plan.format_version = 9, message: "format_version is 9" },
            Case { change: |plan| plan.axis_order = [0, 0, 1], message: "axis_order is [0, 0, 1]" },
            Case { change: |plan| plan.spacing_mm = Some([1.0, -2.0, 1.0]), message: "spacing_mm[1] is -2.0" },
            Case { change: |plan| plan.labels[1].value = 0, message: "labels[1].value is 0, expected more than 0" },
            Case { change: |plan| unet(plan).kernels[2] = [3, 2, 3], message: "network.kernels[2][1] is 2" },
            Case { change: |plan| unet(plan).strides[1] = [3, 2, 2], message: "network.strides[1][0] is 3" },
            Case { change: |plan| unet(plan).strides[1] = [4, 2, 2], message: "network.strides[1][0] is 4, expected 1 or 2" },
            Case { change: |plan| unet(plan).features[0] = 5000, message: "network.features[0] is 5000, expected 1 to 4096" },
            Case { change: |plan| unet(plan).features.truncate(2), message: "network.strides is 4, expected 2 entries" },
            Case { change: |plan| unet(plan).classes = 2, message: "network.classes is 2, expected 3" },
            Case { change: |plan| plan.training.optimizer = OptimizerKind::Rprop, message: "training.weight_decay is" },
            Case {
                change: |plan| plan.training.correct_frequencies = false,
                message: "training.correct_frequencies is false, expected true",
            },
            Case { change: |plan| plan.training.full_batch = Some(0), message: "training.full_batch is 0, expected 1 to" },
            Case {
                change: |plan| plan.training.distillation = Some(DistillationPlan { weight: 1.5, ..Default::default() }),
                message: "training.distillation.weight is 1.5",
            },
            Case {
                change: |plan| plan.training.distillation = Some(DistillationPlan { temperature: 0.0, ..Default::default() }),
                message: "training.distillation.temperature is 0.0",
            },
            Case {
                change: |plan| {
                    plan.training.pretraining = Some(PretrainingPlan { length: PretrainingLength::Part(1.0), ..Default::default() });
                },
                message: "training.pretraining.length.part is 1.0",
            },
            Case {
                change: |plan| {
                    plan.training.pretraining = Some(PretrainingPlan { noise: Corruption::Masking(1.0), ..Default::default() });
                },
                message: "training.pretraining.noise.masking is 1.0",
            },
            Case { change: |plan| plan.training.learning_rate = f64::NAN, message: "training.learning_rate is NaN" },
            Case { change: |plan| plan.training.mirror_axes = vec![1, 1], message: "training.mirror_axes[1] is 1" },
            Case {
                change: |plan| plan.training.augmentation.blur.probability = 2.0,
                message: "training.augmentation.blur.probability is 2.0",
            },
            Case {
                change: |plan| plan.training.augmentation.gamma.range = [1.2, 1.5],
                message: "training.augmentation.gamma.range is [1.2, 1.5]",
            },
            Case { change: |plan| plan.channels.clear(), message: "channels is" },
            Case {
                change: |plan| plan.regions = vec![Region { name: "whole".into(), values: vec![1, 4], painted: 1 }],
                message: "regions[0].values is [1, 4], expected one or more of the labels [1, 2]",
            },
            Case {
                change: |plan| plan.regions = vec![Region { name: "whole".into(), values: vec![1, 2], painted: 0 }],
                message: "regions[0].painted is 0, expected one of the labels [1, 2]",
            },
            Case {
                change: |plan| plan.regions = vec![Region { name: "whole".into(), values: vec![1, 2], painted: 1 }],
                message: "network.classes is 3, expected 1, the number of regions",
            },
            Case { change: |plan| plan.training.ema_decay = Some(1.0), message: "training.ema_decay is 1.0, expected 0 to 0.999999" },
            Case { change: |plan| plan.ignore_label = Some(2), message: "ignore_label is 2, expected 3" },
            Case { change: |plan| plan.previous_stage = Some("../x".into()), message: "previous_stage is \"../x\"" },
            Case {
                change: |plan| plan.previous_stage = Some("3d_lowres".into()),
                message: "network.input_channels is 1, expected 3, the number of channels and of the labels that",
            },
            Case { change: |plan| plan.postprocessing = vec![KeepParts::largest(vec![])], message: "postprocessing[0].values is []" },
            Case {
                change: |plan| plan.postprocessing = vec![KeepParts { values: vec![1], at_least: Some(-1.0) }],
                message: "postprocessing[0].at_least is Some(-1.0), expected a size above 0",
            },
            Case {
                change: |plan| plan.region_of_interest = Some(RegionOfInterest::Masks),
                message: "region_of_interest is \"unet\", expected a network of kind patch",
            },
            Case { change: |plan| unet(plan).norm_epsilon = 0.0, message: "network.norm_epsilon is 0" },
            Case { change: |plan| unet(plan).leaky_slope = 2.0, message: "network.leaky_slope is 2" },
        ];
        let good = crate::planner::example_plan();
        good.validate().unwrap();
        for Case { change, message } in cases {
            let mut plan = good.clone();
            change(&mut plan);
            let found = plan.validate().unwrap_err().to_string();
            assert!(found.contains(message), "{found}\nshould contain {message}");
        }
    }

    #[test]
    fn a_plan_survives_its_file_and_version_1_is_read() {
        let plan = crate::planner::example_plan();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(Plan::FILE_NAME);
        plan.write(&path).unwrap();
        assert_eq!(Plan::read(&path).unwrap(), plan);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("\"zscore\"") && text.contains("\"image_rank\": 3") && text.contains("\"canonical\""), "{text}");
        for (from, to, message) in [
            ("\"zscore\"", "\"z\"", "unknown variant `z`"),
            ("\"batch_size\"", "\"batchsize\"", "unknown field `batchsize`"),
            ("\"format_version\": 1", "\"format_version\": 2", "format_version is 2, expected 1"),
        ] {
            std::fs::write(&path, text.replace(from, to)).unwrap();
            let error = Plan::read(&path).unwrap_err();
            let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            assert!(error.to_string().contains(message) || source.contains(message), "{error}: {source}");
        }
        let text = include_str!("../../tests/data/plan_v1.json");
        let first: Plan = serde_json::from_str(text).unwrap();
        first.validate().unwrap();
        // Fields that came later are left out where they say nothing.
        assert_eq!(serde_json::to_string_pretty(&first).unwrap().trim_end(), text.trim_end());
        assert!(matches!(first.network, NetworkPlan::Unet(_)));
        assert_eq!(first.channels[0].normalization, Normalization::Zscore { masked: false });
    }

    #[test]
    fn regions_cascade_and_residual_networks_survive_their_file() {
        let mut plan = crate::planner::example_plan();
        plan.regions = vec![
            Region { name: "whole".into(), values: vec![1, 2], painted: 1 },
            Region { name: "posterior".into(), values: vec![2], painted: 2 },
        ];
        plan.ignore_label = Some(3);
        plan.previous_stage = Some("3d_lowres".into());
        plan.postprocessing = vec![KeepParts::largest(vec![1, 2]), KeepParts::largest(vec![2])];
        plan.training.batch_dice = Some(true);
        plan.network = NetworkPlan::ResidualUnet(UnetPlan {
            input_channels: 3,
            classes: 2,
            encoder_convs: vec![1, 3, 4, 6],
            decoder_convs: vec![1; 3],
            conv_bias: false,
            norm_epsilon: 1e-4,
            leaky_slope: 0.0,
            activation: crate::plan::ActivationKind::Tanh,
            dropout: 0.25,
            ..unet(&mut plan).clone()
        });
        plan.validate().unwrap();
        let text = serde_json::to_string(&plan).unwrap();
        assert!(text.contains(r#""kind":"residual_unet""#), "{text}");
        assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
        let words = plan.describe().split_whitespace().collect::<Vec<_>>().join(" ");
        for part in ["whole (anterior + posterior)", "value 3", "3d_lowres", "residual U-Net", "largest connected component"] {
            assert!(words.contains(part), "{part} is missing in\n{words}");
        }
    }

    #[test]
    fn what_a_plan_says_of_teachers_and_pretraining_is_read_with_defaults() {
        let mut plan = crate::planner::example_plan();
        let text = serde_json::to_string(&plan).unwrap();
        assert!(!text.contains("distillation") && !text.contains("pretraining") && !text.contains("full_batch"), "{text}");
        let mut value = serde_json::to_value(&plan).unwrap();
        value["training"]["full_batch"] = 8.into();
        value["training"]["distillation"] = serde_json::json!({ "kind": "soft_targets", "temperature": 4.0 });
        value["training"]["pretraining"] = serde_json::json!({ "length": { "epochs": 3 }, "noise": { "masking": 0.25 } });
        plan.training.full_batch = Some(8);
        plan.training.distillation = Some(DistillationPlan { kind: DistillationKind::SoftTargets, temperature: 4.0, ..Default::default() });
        let (length, noise) = (PretrainingLength::Epochs(3), Corruption::Masking(0.25));
        plan.training.pretraining = Some(PretrainingPlan { length, noise, ..Default::default() });
        assert_eq!(serde_json::from_value::<Plan>(value).unwrap(), plan);
        plan.validate().unwrap();
        let words = plan.describe().split_whitespace().collect::<Vec<_>>().join(" ");
        for part in ["temperature 4", "count for 0.5", "layer by layer", "25 % of the numbers", "same 8 batches"] {
            assert!(words.contains(part), "{part} is missing in\n{words}");
        }
    }
}
