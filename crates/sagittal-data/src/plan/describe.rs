//! The plan in words.

use super::{Normalization, OptimizerKind, OrientationRule, Plan};
use sagittal_image::Rank;

impl Plan {
    /// The plan in words, one thought a line, as `sagittal plan` prints it.
    pub fn describe(&self) -> String {
        let flat = self.network_rank() == Rank::Two;
        let mut lines = vec![self.data_line()];
        if let (Rank::Three, OrientationRule::Canonical) = (self.image_rank, self.orientation) {
            lines.push(
                "Orientation    every image is first turned to superior, anterior, right; results return to the input's own grid".into(),
            );
        }
        lines.push(self.spacing_line());
        lines.extend(
            self.channels.iter().map(|channel| format!("Intensities    {}: {}", channel.name, normalization_words(&channel.normalization))),
        );
        lines.push(format!("Median image   {} voxels on that grid", shape_words(self.median_shape, flat && self.image_rank == Rank::Two)));
        lines.push(format!(
            "Patch          {} voxels, what the network sees at once{}",
            shape_words(self.patch, flat),
            self.coverage_words(flat)
        ));
        lines.push(format!(
            "Batch          {} patches a step, {:.0} % of them centred on a labelled voxel",
            self.batch_size,
            100.0 * self.training.foreground_fraction
        ));
        let features: Vec<String> = self.network.features.iter().map(usize::to_string).collect();
        lines.push(format!(
            "Network        {} U-Net with {} stages of {} features",
            if flat { "2-D" } else { "3-D" },
            self.network.n_stages(),
            features.join(", ")
        ));
        if !flat && self.network.kernels.iter().any(|kernel| kernel.contains(&1)) {
            lines.push("               slices are far apart: the first stages look within a slice only, deeper ones across slices".into());
        }
        lines.push(format!(
            "Size           {} parameters, {} multiply-adds for one patch",
            count_words(self.estimate.parameters),
            count_words(self.estimate.multiply_adds_per_patch)
        ));
        lines.push(format!("Memory         about {} MB in training (estimated)", self.estimate.memory_bytes.div_ceil(1 << 20)));
        lines.extend(self.training_lines());
        lines.push(self.augmentation_line());
        lines.join("\n") + "\n"
    }

    fn data_line(&self) -> String {
        let channels: Vec<&str> = self.channels.iter().map(|channel| &*channel.name).collect();
        let labels: Vec<&str> = self.labels[1..].iter().map(|label| &*label.name).collect();
        let rank = if self.image_rank == Rank::Two { "2-D" } else { "3-D" };
        format!(
            "Data           {}: {rank} images with {} channel{} ({}); to find: {}",
            self.dataset,
            channels.len(),
            if channels.len() == 1 { "" } else { "s" },
            channels.join(", "),
            labels.join(", ")
        )
    }

    fn spacing_line(&self) -> String {
        let flat = self.network_rank() == Rank::Two;
        match (self.spacing_mm, self.image_rank) {
            (None, _) => "Spacing        the files have none: pixels are taken as they are".into(),
            (Some([_, y, x]), Rank::Two) => format!("Spacing        {y:.3} x {x:.3} mm (height x width), the median of the images"),
            (Some([_, y, x]), Rank::Three) if flat => {
                format!("Spacing        {y:.3} x {x:.3} mm within slices, the median; slices stay as they are")
            }
            (Some([z, y, x]), Rank::Three) => {
                let names = self.axis_order.map(|axis| ["Z", "Y", "X"][axis]).join(" x ");
                format!("Spacing        {z:.3} x {y:.3} x {x:.3} mm ({names}), the median: finer invents detail, coarser loses it")
            }
        }
    }

    fn coverage_words(&self, flat: bool) -> String {
        let axes = if flat { 1..3 } else { 0..3 };
        let covers = axes.clone().all(|axis| self.patch[axis] >= self.median_shape[axis]);
        let part: f64 = axes.map(|axis| (self.patch[axis] as f64 / self.median_shape[axis] as f64).min(1.0)).product();
        if covers { ": a whole median image".into() } else { format!(": {:.*} % of a median image", usize::from(part < 0.1), 100.0 * part) }
    }

    fn training_lines(&self) -> [String; 2] {
        let training = &self.training;
        let optimizer = optimizer_words(training.optimizer);
        let steps = format!("{} epochs of {} steps", training.epochs, training.iterations_per_epoch);
        let resolutions = if self.network.deep_supervision { ", at every resolution of the decoder" } else { "" };
        [
            format!("Training       {steps}, {optimizer}, learning rate {} falling to 0", training.learning_rate),
            format!("Loss           Dice + cross entropy{resolutions}"),
        ]
    }

    fn augmentation_line(&self) -> String {
        let plan = &self.training.augmentation;
        let kinds = [
            ("rotation", plan.rotation.probability),
            ("scaling", plan.scaling.probability),
            ("noise", plan.noise.probability),
            ("blur", plan.blur.probability),
            ("brightness", plan.brightness.probability),
            ("contrast", plan.contrast.probability),
            ("low resolution", plan.low_resolution.probability),
            ("gamma", plan.gamma.probability.max(plan.gamma_inverted.probability)),
            ("mirroring", if self.training.mirror_axes.is_empty() { 0.0 } else { plan.mirror_probability }),
        ];
        let used: Vec<&str> = kinds.iter().filter(|(_, probability)| *probability > 0.0).map(|(name, _)| *name).collect();
        if used.is_empty() { "Augmentation   none".into() } else { format!("Augmentation   random {}", used.join(", ")) }
    }
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

fn optimizer_words(optimizer: OptimizerKind) -> &'static str {
    match optimizer {
        OptimizerKind::Sgd => "SGD with Nesterov momentum",
        OptimizerKind::Adamw => "AdamW",
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

#[cfg(test)]
mod tests {
    #[test]
    fn the_plan_in_words_says_what_a_student_asks() {
        let words = crate::planner::example_plan().describe();
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
        assert!(words.lines().count() <= 16 && words.lines().all(|line| line.chars().count() <= 140), "{words}");
    }
}
