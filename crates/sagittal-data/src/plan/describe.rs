//! The plan in words.

use super::{
    ActivationKind, ImageToMaskPlan, KeepParts, Length, LogitPrecision, LossKind, MaskHead, MaskLogits, MaskOutput, NetworkPlan,
    Normalization, OptimizerKind, OrientationRule, PatchPlan, PatchView, Plan, RateSchedule, Region, RegionOfInterest, TrainingPlan,
    UnetPlan,
};
use sagittal_image::Rank;
use std::time::Duration;

/// Columns of a line: what every terminal has.
const WIDTH: usize = 80;
/// Columns of the topic in front of each thought.
const TOPIC: usize = 15;

impl Plan {
    /// The plan in words, one thought a paragraph of at most 80 columns, as `sagittal plan` prints it.
    pub fn describe(&self) -> String {
        self.describe_for(self.training.length())
    }

    /// The same for a training whose length was decided otherwise than by the plan.
    ///
    /// What it costs is worked out anew: a plan that was edited would tell of the old one.
    pub fn describe_for(&self, length: Length) -> String {
        let flat = self.network_rank() == Rank::Two;
        let mut thoughts = vec![("Data", self.data_words())];
        if let (Rank::Three, OrientationRule::Canonical) = (self.image_rank, self.orientation) {
            let words = "every image is first turned to superior, anterior, right; results return to the input's own grid";
            thoughts.push(("Orientation", words.into()));
        }
        thoughts.extend(self.label_words().map(|words| ("Labels", words)));
        thoughts.push(("Spacing", self.spacing_words()));
        let intensities = self.channels.iter().map(|channel| format!("{}: {}", channel.name, normalization_words(&channel.normalization)));
        thoughts.extend(intensities.map(|words| ("Intensities", words)));
        let whole = self.network.whole_image();
        let median = shape_words(self.median_shape, flat && self.image_rank == Rank::Two);
        let patch = shape_words(self.input_size(), flat && self.input_size()[0] == 1);
        let foreground = 100.0 * self.training.foreground_fraction;
        if whole.is_some() {
            thoughts.push(("Median image", format!("{median} pixels, of which the network sees {patch}")));
            thoughts.push(("Batch", format!("{} whole pictures a step, every one once before any comes again", self.batch_size)));
        } else if self.is_balanced() {
            thoughts.push(("Median image", format!("{median} voxels on that grid")));
            thoughts.push(("Patch", format!("{patch} voxels, from which the network tells what the voxel in their middle is")));
            thoughts.push(("Region", self.region_words()));
            let corrected =
                if self.training.correct_frequencies { "; corrected afterwards for how frequent classes are in images" } else { "" };
            let words = format!(
                "{} voxels a step, {foreground:.0} % of them of a class drawn first, background as often as every other{corrected}",
                self.batch_size
            );
            thoughts.push(("Batch", words));
        } else {
            thoughts.push(("Median image", format!("{median} voxels on that grid")));
            thoughts.push(("Patch", format!("{patch} voxels, what the network sees at once{}", self.coverage_words(flat))));
            thoughts.push(("Batch", format!("{} patches a step, {foreground:.0} % of them centred on a labelled voxel", self.batch_size)));
        }
        thoughts.push(("Network", self.network_words(flat)));
        let estimate = self.estimated();
        let (parameters, products) = (count_words(estimate.parameters), count_words(estimate.multiply_adds_per_patch));
        thoughts.push((
            "Size",
            format!("{parameters} parameters, {products} multiply-adds for one {}", if self.is_balanced() { "voxel" } else { "patch" }),
        ));
        thoughts.push(("Memory", format!("about {} MB in training (estimated)", estimate.memory_bytes.div_ceil(1 << 20))));
        thoughts.extend(self.training.pretraining.map(|pretraining| ("Pre-training", pretraining.in_words())));
        thoughts.push(("Training", self.training_words(length)));
        thoughts.push(("Loss", self.loss_words()));
        thoughts.extend(self.training.distillation.map(|distillation| ("Teacher", distillation.in_words())));
        thoughts.push(("Augmentation", self.augmentation_words()));
        if self.logits == LogitPrecision::Half {
            thoughts.push(("Prediction", "logits are added up, averaged and resampled in float16, as nnU-Net does".into()));
        }
        if !self.postprocessing.is_empty() {
            thoughts.push(("Postprocessing", self.postprocessing_words().join("; ")));
        }
        thoughts.into_iter().map(|(topic, words)| paragraph(topic, &words)).collect()
    }

    /// What is done to predicted labels, step by step.
    pub fn postprocessing_words(&self) -> Vec<String> {
        self.postprocessing.iter().map(|step| self.step_words(step)).collect()
    }

    fn step_words(&self, step: &KeepParts) -> String {
        let names = step.values.iter().map(|&value| self.label_name(value)).collect::<Vec<_>>().join(" + ");
        let unit = match (self.spacing_mm, self.image_rank) {
            (None, _) => "voxels",
            (Some(_), Rank::Two) => "mm²",
            (Some(_), Rank::Three) => "mm³",
        };
        match step.at_least {
            None => format!("of {names} only the largest connected component is kept"),
            Some(size) => format!("of {names} connected components of at least {size:.0} {unit} are kept"),
        }
    }

    fn loss_words(&self) -> String {
        let resolutions =
            if self.network.unet().is_some_and(|unet| unet.deep_supervision) { ", at every resolution of the decoder" } else { "" };
        let classes = if self.regions.is_empty() { "cross entropy" } else { "binary cross entropy of every region" };
        let dice = match self.training.loss {
            LossKind::DiceCrossEntropy => "Dice + ",
            LossKind::CrossEntropy | LossKind::NormalizedCrossEntropy => "",
        };
        let sum = match (self.training.loss, &self.network) {
            (LossKind::NormalizedCrossEntropy, _) => " with the mask as target, divided by its area",
            (LossKind::CrossEntropy, NetworkPlan::ImageToMask(mask)) => match mask.output {
                MaskOutput::SoftmaxOverPixels => " with the mask as target, as it is: it mostly measures the mask's area",
                MaskOutput::ClassesOfPixels if matches!(mask.head, MaskHead::Dense { .. }) => ", summed over the pixels of a picture",
                MaskOutput::ClassesOfPixels => "",
            },
            _ => "",
        };
        format!("{dice}{classes}{sum}{resolutions}")
    }

    fn data_words(&self) -> String {
        let channels: Vec<&str> = self.channels.iter().map(|channel| &*channel.name).collect();
        let region = |region: &Region| {
            let parts: Vec<String> = region.values.iter().map(|&value| self.label_name(value)).collect();
            format!("{} ({})", region.name, parts.join(" + "))
        };
        let wanted: Vec<String> = match self.regions[..] {
            [] => self.labels[1..].iter().map(|label| label.name.clone()).collect(),
            _ => self.regions.iter().map(region).collect(),
        };
        let rank = if self.image_rank == Rank::Two { "2-D" } else { "3-D" };
        format!(
            "{}: {rank} images with {} channel{} ({}); to find: {}",
            self.dataset,
            channels.len(),
            if channels.len() == 1 { "" } else { "s" },
            channels.join(", "),
            wanted.join(", ")
        )
    }

    /// What is unusual about the labels, one thought each.
    fn label_words(&self) -> impl Iterator<Item = String> {
        let regions = (!self.regions.is_empty()).then(|| {
            let painted: Vec<String> = self.regions.iter().map(|region| format!("{} as {}", region.name, region.painted)).collect();
            format!("regions may overlap, so each is found by itself; written in this order, later over earlier: {}", painted.join(", "))
        });
        let ignored = self.ignore_label.map(|value| format!("voxels of value {value} were not labelled: neither learned from nor scored"));
        regions.into_iter().chain(ignored)
    }

    fn spacing_words(&self) -> String {
        let flat = self.network_rank() == Rank::Two;
        if let Some([y, x]) = self.network.whole_image() {
            return format!("of no account: every whole picture is resized to {y} x {x} pixels, results return to its own size");
        }
        match (self.spacing_mm, self.image_rank) {
            (None, _) => "the files have none: pixels are taken as they are".into(),
            (Some([_, y, x]), Rank::Two) => format!("{y:.3} x {x:.3} mm (height x width), the median of the images"),
            (Some([_, y, x]), Rank::Three) if flat => format!("{y:.3} x {x:.3} mm within slices, the median; slices stay as they are"),
            (Some([z, y, x]), Rank::Three) => {
                let names = self.axis_order.map(|axis| ["Z", "Y", "X"][axis]).join(" x ");
                format!("{z:.3} x {y:.3} x {x:.3} mm ({names}), the median: finer invents detail, coarser loses it")
            }
        }
    }

    fn coverage_words(&self, flat: bool) -> String {
        let axes = if flat { 1..3 } else { 0..3 };
        let covers = axes.clone().all(|axis| self.patch[axis] >= self.median_shape[axis]);
        let part: f64 = axes.map(|axis| (self.patch[axis] as f64 / self.median_shape[axis] as f64).min(1.0)).product();
        if covers { ": a whole median image".into() } else { format!(": {:.*} % of a median image", usize::from(part < 0.1), 100.0 * part) }
    }

    /// Where a voxel classifier learns and labels.
    fn region_words(&self) -> String {
        let background = "what lies outside is background";
        match &self.region_of_interest {
            None => "the whole image is learned from and labelled".into(),
            Some(RegionOfInterest::Masks) => format!("what lies inside a mask of every image is learned from and labelled; {background}"),
            Some(RegionOfInterest::Box(bounds)) => {
                let part = |[from, to]: [f64; 2]| format!("{:.1} to {:.1} %", 100.0 * from, 100.0 * to);
                let axes = if self.image_rank == Rank::Two { &bounds[1..] } else { &bounds[..] };
                let parts = axes.iter().map(|&bounds| part(bounds)).collect::<Vec<_>>().join(" x ");
                format!(
                    "a box is learned from and labelled, where training cases have labels and a little around: {parts} of the axes; {background}"
                )
            }
        }
    }

    fn network_words(&self, flat: bool) -> String {
        let rank = if flat { "2-D" } else { "3-D" };
        let mut words = match &self.network {
            NetworkPlan::Unet(unet) => unet_words(&format!("{rank} U-Net"), unet, flat, ""),
            NetworkPlan::ResidualUnet(unet) => {
                let blocks = format!(" and {} residual blocks", list(&unet.encoder_convs));
                unet_words(&format!("{rank} residual U-Net"), unet, flat, &blocks)
            }
            NetworkPlan::Patch(patch) => patch_words(patch),
            NetworkPlan::ImageToMask(mask) => image_to_mask_words(mask),
        };
        if let Some(stage) = &self.previous_stage {
            words += &format!("; it sees what {stage} found, too");
        }
        words
    }

    fn training_words(&self, length: Length) -> String {
        let training = &self.training;
        let length = match length {
            Length::Epochs(epochs) => format!("{epochs} epochs of {} steps", training.iterations_per_epoch),
            Length::Time(time) => format!("{}, as many steps as that allows", time_words(time)),
        };
        let mean = training.ema_decay.map_or_else(String::new, |decay| format!("; kept is a running mean of the weights, decay {decay}"));
        let full_batch = training.full_batch.map_or_else(String::new, |n| format!("; every step sees the same {n} batches, drawn once"));
        format!("{length}, {}{mean}{full_batch}", optimizer_words(training))
    }

    fn augmentation_words(&self) -> String {
        let plan = &self.training.augmentation;
        if !plan.enabled {
            return "none".into();
        }
        let kinds = [
            ("rotation", plan.rotation.probability),
            ("scaling", plan.scaling.probability),
            ("noise", plan.noise.probability),
            ("blur", plan.blur.probability),
            ("brightness", plan.brightness.probability),
            ("contrast", plan.contrast.probability),
            ("low resolution", plan.low_resolution.probability),
            ("gamma", plan.gamma.probability.max(plan.gamma_inverted.probability)),
            ("mirroring", if self.training.mirrored_axes().is_empty() { 0.0 } else { plan.mirror_probability }),
        ];
        let used: Vec<&str> = kinds.iter().filter(|(_, probability)| *probability > 0.0).map(|(name, _)| *name).collect();
        if used.is_empty() { "none".into() } else { format!("random {}", used.join(", ")) }
    }
}

/// A topic and what there is to say about it, in the form of [`Plan::describe`]: wrapped at 80 columns with a hanging indent;
/// ends in a line feed. A word longer than the line stays whole.
pub fn paragraph(topic: &str, words: &str) -> String {
    let mut text = format!("{topic:<TOPIC$}");
    let mut column = TOPIC;
    for (index, word) in words.split(' ').enumerate() {
        let length = word.chars().count();
        if index > 0 && column + 1 + length > WIDTH {
            text += &format!("\n{:TOPIC$}", "");
            column = TOPIC;
        } else if index > 0 {
            text.push(' ');
            column += 1;
        }
        text += word;
        column += length;
    }
    text.push('\n');
    text
}

fn normalization_words(normalization: &Normalization) -> String {
    match normalization {
        Normalization::Zscore { masked: false } => "each image to mean 0 and standard deviation 1".into(),
        Normalization::Zscore { masked: true } => "each image's nonzero part to mean 0 and standard deviation 1".into(),
        Normalization::Ct { mean, std, low, high } => {
            format!("computed tomography, clipped to {low:.0} … {high:.0}, less {mean:.1}, divided by {std:.1} (the labelled voxels' own)")
        }
        Normalization::Rgb => "divided by 255".into(),
        Normalization::MinMax => "each image's lowest to 0, highest to 1".into(),
        Normalization::None => "untouched".into(),
    }
}

fn unet_words(name: &str, unet: &UnetPlan, flat: bool, blocks: &str) -> String {
    let mut words = format!("{name} with {} stages of {} features{blocks}", unet.n_stages(), list(&unet.features));
    if !flat && unet.kernels.iter().any(|kernel| kernel.contains(&1)) {
        words += "; slices are far apart: the first stages look within a slice only, deeper ones across slices";
    }
    if unet.activation != ActivationKind::LeakyRelu {
        words += &format!("; {} after every normalisation", unet.activation.name());
    }
    if unet.dropout > 0.0 {
        words += &format!("; spatial dropout of {}", unet.dropout);
    }
    words
}

fn patch_words(patch: &PatchPlan) -> String {
    let PatchPlan { side, kernel, .. } = patch;
    let seen = match patch.view {
        PatchView::Slice => format!("one patch of {side} x {side} of its slice"),
        PatchView::Stacked => format!("patches of {side} x {side} of its slice and the two beside it"),
        PatchView::Triplanar => format!("three perpendicular patches of {side} x {side}, each with a tower of its own"),
        PatchView::Volume => format!("a patch of {side} x {side} x {side}"),
    };
    format!(
        "voxel classifier (Lai 2015) of {seen}: convolutions of {kernel} with {} kernels, dense layers of {} units, {}",
        list(&patch.filters),
        list(&patch.dense),
        patch.activation.name()
    )
}

fn image_to_mask_words(mask: &ImageToMaskPlan) -> String {
    let [y, x] = mask.size;
    let head = match mask.head {
        MaskHead::Dense { units } => format!("{units} dense units with tanh and one output for every pixel"),
        MaskHead::Convolution => "a convolution of one tap".to_owned(),
    };
    let tanh = if mask.logits == MaskLogits::Tanh { ", through tanh" } else { "" };
    let output = match mask.output {
        MaskOutput::SoftmaxOverPixels => "a soft-max over all pixels",
        MaskOutput::ClassesOfPixels => "a soft-max over the classes of each pixel",
    };
    let filters = list(&mask.filters);
    format!(
        "from a picture of {y} x {x} to its mask (Seo 2018): convolutions of {} with {filters} kernels, {head}{tanh}, {output}",
        mask.kernel
    )
}

/// "16, 32, 64".
fn list(numbers: &[usize]) -> String {
    numbers.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}

fn optimizer_words(training: &TrainingPlan) -> String {
    let name = match training.optimizer {
        OptimizerKind::Sgd if training.momentum == 0.0 => "SGD",
        OptimizerKind::Sgd if training.nesterov => "SGD with Nesterov momentum",
        OptimizerKind::Sgd => "SGD with momentum",
        OptimizerKind::Adamw => "AdamW",
        OptimizerKind::Rmsprop => "RMSprop",
        OptimizerKind::Rprop => "Rprop",
        OptimizerKind::RpropBacktracking => "Rprop with weight backtracking",
    };
    let rate = training.learning_rate;
    if training.optimizer.is_rprop() {
        format!("{name}, first step size {rate}")
    } else {
        let course = match training.schedule {
            RateSchedule::Polynomial => "falling to 0",
            RateSchedule::Cosine => "falling to 0 along a cosine",
            RateSchedule::Constant => "throughout",
        };
        format!("{name}, learning rate {rate} {course}")
    }
}

fn shape_words([z, y, x]: [usize; 3], flat: bool) -> String {
    if flat { format!("{y} x {x}") } else { format!("{z} x {y} x {x}") }
}

/// 1400000 as "1.4 million".
fn count_words(count: u64) -> String {
    match count {
        0..10_000 => count.to_string(),
        10_000..1_000_000 => format!("{} thousand", count / 1000),
        1_000_000..1_000_000_000 => format!("{:.1} million", count as f64 / 1e6),
        _ => format!("{:.1} billion", count as f64 / 1e9),
    }
}

/// A time in the unit that fits: 5400 s as "90 minutes".
pub fn time_words(time: Duration) -> String {
    let (number, unit) = match time.as_secs_f64() {
        seconds if seconds < 120.0 => (seconds, "second"),
        seconds if seconds < 120.0 * 60.0 => (seconds / 60.0, "minute"),
        seconds if seconds < 48.0 * 3600.0 => (seconds / 3600.0, "hour"),
        seconds => (seconds / 86_400.0, "day"),
    };
    let number = format!("{number:.1}");
    let number = number.strip_suffix(".0").unwrap_or(&number);
    format!("{number} {unit}{}", if number == "1" { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    /// The words without their line breaks.
    fn unwrapped(words: &str) -> String {
        words.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_plan_in_words_says_what_a_student_asks() {
        let wrapped = crate::planner::example_plan().describe();
        let words = unwrapped(&wrapped);
        for part in [
            "Hippocampus",
            "anterior, posterior",
            "1.000 x 1.000 x 1.000 mm",
            "40 x 56 x 40",
            "16, 32, 64, 128",
            "mean 0",
            "1.4 million",
            "mirroring",
        ] {
            assert!(words.contains(part), "{part} is missing in\n{words}");
        }
        assert!(wrapped.lines().count() <= 24 && wrapped.lines().all(|line| line.chars().count() <= WIDTH), "{wrapped}");
    }

    #[test]
    fn edited_plans_tell_of_themselves() {
        let mut plan = crate::planner::example_plan();
        plan.network.unet_mut().unwrap().features = vec![8, 16, 32, 64];
        let words = unwrapped(&plan.describe_for(Length::Time(Duration::from_secs(5400))));
        assert!(words.contains("351 thousand parameters") && words.contains("90 minutes, as many steps"), "{words}");
        plan.training.time_s = Some(3600.0);
        assert!(plan.describe().contains("60 minutes") && plan.describe_for(Length::Epochs(7)).contains("7 epochs of 50 steps"));
    }

    #[test]
    fn times_are_told_in_the_unit_that_fits() {
        for (seconds, words) in [(1, "1 second"), (90, "90 seconds"), (3600, "60 minutes"), (9000, "2.5 hours"), (9_331_200, "108 days")] {
            assert_eq!(time_words(Duration::from_secs(seconds)), words);
        }
    }
}
