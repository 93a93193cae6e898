//! What is measured of a training: scores of its cases, its cost, and how it learned.

use std::{fmt, str::FromStr};

use sagittal_metrics::Score;

/// A number of a training, or one of each of its validation cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Measure {
    /// Of every case, the mean of its labels.
    Score(Score),
    /// Seconds to predict a case.
    PredictionS,
    /// Microseconds of that for each voxel of the image.
    PredictionUsPerVoxel,
    /// Trainable numbers.
    Parameters,
    /// Feature maps and units of all layers.
    Nodes,
    /// Multiplications with addition for one voxel, from the layers.
    MultiplyAddsPerVoxel,
    /// Seconds trained.
    TrainingS,
    /// Steps done.
    Steps,
    /// Validation loss minus training loss, over the last quarter of the epochs.
    LossGap,
    /// Variance of the predicted masks from image to image, against that of the true ones.
    VarianceRatio,
    /// Norm of the gradient of the first layer against that of the last, over the first quarter of the epochs.
    GradientRatio,
}

impl Measure {
    /// All but the scores.
    const OTHERS: [(Self, &'static str, &'static str); 10] = [
        (Self::PredictionS, "prediction_s", "s a case"),
        (Self::PredictionUsPerVoxel, "prediction_us_per_voxel", "µs a voxel"),
        (Self::Parameters, "parameters", "parameters"),
        (Self::Nodes, "nodes", "nodes"),
        (Self::MultiplyAddsPerVoxel, "multiply_adds_per_voxel", "multiply-adds a voxel"),
        (Self::TrainingS, "training_s", "s of training"),
        (Self::Steps, "steps", "steps"),
        (Self::LossGap, "loss_gap", "gap of losses"),
        (Self::VarianceRatio, "variance_ratio", "variance ratio"),
        (Self::GradientRatio, "gradient_ratio", "gradient ratio"),
    ];

    /// What is compared first.
    pub(crate) const DICE: Self = Self::Score(Score::Dice);

    /// The columns of the tables, in order; those that nothing has are left out.
    pub(crate) const COLUMNS: [Self; 13] = [
        Self::DICE,
        Self::Score(Score::Hausdorff95),
        Self::Score(Score::AverageSurfaceDistance),
        Self::VarianceRatio,
        Self::LossGap,
        Self::GradientRatio,
        Self::Parameters,
        Self::Nodes,
        Self::MultiplyAddsPerVoxel,
        Self::PredictionUsPerVoxel,
        Self::PredictionS,
        Self::TrainingS,
        Self::Steps,
    ];

    /// As studies and files call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Score(score) => score.name(),
            other => Self::OTHERS.iter().find(|row| row.0 == other).map_or("", |row| row.1),
        }
    }

    /// As people call it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Score(score) => score.title(),
            other => Self::OTHERS.iter().find(|row| row.0 == other).map_or("", |row| row.2),
        }
    }

    /// Whether every case has one.
    pub(crate) fn is_of_cases(self) -> bool {
        matches!(self, Self::Score(_) | Self::PredictionS | Self::PredictionUsPerVoxel)
    }

    /// Whether it follows from the plan, without any noise.
    pub(crate) fn is_exact(self) -> bool {
        matches!(self, Self::Parameters | Self::Nodes | Self::MultiplyAddsPerVoxel)
    }

    /// Whether it says how good a training is, and not what it takes: then its interval is worth a place in tables.
    pub(crate) fn is_of_quality(self) -> bool {
        matches!(self, Self::Score(_) | Self::LossGap | Self::VarianceRatio | Self::GradientRatio)
    }

    /// What it means, in a sentence.
    pub(crate) fn meaning(self) -> String {
        let text = match self {
            Self::Score(Score::Dice) => "mean of the labels, over whole held-out images; higher is better",
            Self::Score(Score::Hausdorff95) => {
                "95 % of the surfaces lie within this distance of each other; lower is better. Only cases count whose labels were all found, in every training of the arm"
            }
            Self::Score(Score::AverageSurfaceDistance) => "mean distance between the surfaces; lower is better. Cases count as for HD95",
            Self::Score(score) => score.title(),
            Self::PredictionS => {
                "measured: seconds to predict one validation case as a training does at its end, mirrored copies averaged, with the probabilities"
            }
            Self::PredictionUsPerVoxel => {
                "measured: the same for each voxel of the image. Neighbouring voxels share work, so it need not follow the multiply-adds of one voxel"
            }
            Self::Parameters => "trainable numbers",
            Self::Nodes => "feature maps and units of all layers",
            Self::MultiplyAddsPerVoxel => "computed from the layers: multiplications with addition of one forward pass, for each voxel",
            Self::TrainingS => "measured: seconds of training",
            Self::Steps => "training steps that the time was enough for",
            Self::LossGap => {
                "validation loss minus training loss in the last quarter of the epochs. Training patches are changed at random and seen with dropout, and their loss counts all resolutions: compare arms, not with 0"
            }
            Self::VarianceRatio => {
                "how much predicted masks differ from image to image, against how much true masks do: 0 is the same mask for every image, 1 as it should be"
            }
            Self::GradientRatio => {
                "norm of the gradient of the first layer divided by that of the last, in the first quarter of the epochs: near 0 the first layers learn nothing"
            }
        };
        text.to_owned()
    }

    /// A value for people.
    pub(crate) fn in_words(self, value: f64) -> String {
        match self {
            Self::Parameters | Self::MultiplyAddsPerVoxel => large(value),
            Self::Nodes | Self::Steps => format!("{value:.0}"),
            Self::TrainingS => format!("{value:.0}"),
            Self::Score(score) if score.is_distance() => format!("{value:.2}"),
            _ => significant(value),
        }
    }
}

/// `12.8 M`.
pub(crate) fn large(value: f64) -> String {
    let (scaled, unit) = match value {
        v if v >= 1e9 => (v / 1e9, " G"),
        v if v >= 1e6 => (v / 1e6, " M"),
        v if v >= 1e4 => (v / 1e3, " k"),
        v => (v, ""),
    };
    let digits = if unit.is_empty() || scaled >= 100.0 {
        0
    } else if scaled >= 10.0 {
        1
    } else {
        2
    };
    format!("{scaled:.digits$}{unit}")
}

/// Three decimals; of small numbers three digits.
pub(crate) fn significant(value: f64) -> String {
    if value == 0.0 || !(1e-3..1e5).contains(&value.abs()) {
        return if value == 0.0 { "0".to_owned() } else { format!("{value:.1e}") };
    }
    let digits = if value.abs() < 0.1 {
        4
    } else if value.abs() < 10.0 {
        3
    } else {
        1
    };
    format!("{value:.digits$}")
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Measure {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let other = Self::OTHERS.iter().find(|row| row.1 == text).map(|row| row.0);
        other.or_else(|| Score::named(text).map(Self::Score)).ok_or_else(|| {
            let names: Vec<&str> = Self::OTHERS.iter().map(|row| row.1).chain(Score::all().map(Score::name)).collect();
            format!("there is no measure `{text}`; there are {}", names.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn every_measure_is_found_by_its_name() {
        for (measure, name, _) in Measure::OTHERS {
            assert_eq!((name.parse(), measure.name()), (Ok(measure), name));
        }
        assert_eq!("hausdorff95".parse(), Ok(Measure::Score(Score::Hausdorff95)));
        assert!("speed".parse::<Measure>().unwrap_err().contains("prediction_s"));
    }

    #[test]
    fn numbers_are_short() {
        let texts = [12_830_000.0, 736_800_000.0, 204_900_000.0, 1.5e9, 1234.0, 52_000.0].map(large);
        assert_eq!(texts, ["12.8 M", "737 M", "205 M", "1.50 G", "1234", "52.0 k"]);
        let texts = [0.8764, 0.0123, 0.0, 1e-5, 12.34, -0.002].map(significant);
        assert_eq!(texts, ["0.876", "0.0123", "0", "1.0e-5", "12.3", "-0.0020"]);
    }
}
