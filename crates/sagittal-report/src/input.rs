//! Everything a report shows, as plain data. The caller gathers it from a run's folder; nothing here reads files.

use sagittal_metrics::Metrics;

use crate::{Curves, Progress};

/// A run, as the page shows it. Whatever is not known yet is `None` or empty, and its section says so or is left out.
#[derive(Clone, Debug, Default)]
pub struct ReportInput {
    /// Name of the data set.
    pub dataset: String,
    /// What was held out: `fold 0`, `all`, a test set.
    pub fold: Option<String>,
    /// Name of the network or the model.
    pub model: Option<String>,
    /// Time that training took.
    pub minutes: Option<f64>,
    /// Seed of the run.
    pub seed: Option<u64>,
    /// The plan in words; blank lines part paragraphs.
    pub plan_words: String,
    /// Names of the foreground classes, in the order of [`ProgressRecord::validation_dice`](crate::ProgressRecord) and of the palette.
    pub classes: Vec<String>,
    /// The training's record.
    pub progress: Progress,
    /// How layers learned without labels before; empty where they did not.
    pub pretraining: Vec<LayerCurve>,
    /// Scores of whole images; `None` before they were evaluated.
    pub metrics: Option<Metrics>,
    /// Scores of predicted probabilities, per label; empty before they were evaluated.
    pub probabilities: Vec<Curves>,
    /// Pictures of cases, in the order they are shown.
    pub pictures: Vec<CasePicture>,
    /// The training GIF's file.
    pub training_gif: Option<Vec<u8>>,
    /// What is needed to repeat the run: name and value, such as `command`, `version`, `threads`, `device`, `data digest`.
    pub provenance: Vec<(String, String)>,
    /// Things a reader must know, such as cases that failed.
    pub warnings: Vec<String>,
}

/// How a layer learned without labels.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerCurve {
    /// The layer's name.
    pub name: String,
    /// Step, and the squared error with which the layer's input is restored, over the input's variance.
    pub losses: Vec<(u64, f64)>,
}

/// A case's picture.
#[derive(Clone, Debug)]
pub struct CasePicture {
    /// The case's name.
    pub case: String,
    /// Why it is shown.
    pub role: CaseRole,
    /// Its mean foreground Dice.
    pub dice: Option<f64>,
    /// The PNG file.
    pub png: Vec<u8>,
}

/// Why a case is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaseRole {
    /// The highest mean Dice.
    Best,
    /// The middle one.
    Median,
    /// The third lowest.
    ThirdWorst,
    /// The second lowest.
    SecondWorst,
    /// The lowest.
    Worst,
    /// The user asked for it.
    Chosen,
}

impl CaseRole {
    /// Heading of the picture.
    pub fn name(self) -> &'static str {
        match self {
            Self::Best => "Best case",
            Self::Median => "Median case",
            Self::ThirdWorst => "Third worst case",
            Self::SecondWorst => "Second worst case",
            Self::Worst => "Worst case",
            Self::Chosen => "Case",
        }
    }
}

/// The best, the median and the three worst cases by mean foreground Dice, from the best down and each once: a set of few cases has fewer
/// of the worst.
///
/// Cases without a defined Dice are left out; equal ones are taken by name, so that the choice does not depend on their order.
pub fn representative_cases(metrics: &Metrics) -> Vec<(CaseRole, String)> {
    let mut ranked: Vec<(f64, &str)> = metrics.cases.iter().filter_map(|case| Some((case.mean_dice?, case.case.as_str()))).collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    let roles: &[(CaseRole, usize)] = match ranked.len() {
        0 => &[],
        1 => &[(CaseRole::Best, 0)],
        2 => &[(CaseRole::Best, 0), (CaseRole::Worst, 1)],
        n @ 3..=4 => &[(CaseRole::Best, 0), (CaseRole::Median, n / 2), (CaseRole::Worst, n - 1)],
        n @ 5 => &[(CaseRole::Best, 0), (CaseRole::Median, n / 2), (CaseRole::SecondWorst, n - 2), (CaseRole::Worst, n - 1)],
        n => &[
            (CaseRole::Best, 0),
            (CaseRole::Median, n / 2 - usize::from(n == 6)),
            (CaseRole::ThirdWorst, n - 3),
            (CaseRole::SecondWorst, n - 2),
            (CaseRole::Worst, n - 1),
        ],
    };
    roles.iter().map(|&(role, idx)| (role, ranked[idx].1.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use sagittal_metrics::{Bootstrap, CaseScore, ScoredRegion};

    use super::*;

    #[test]
    fn each_case_is_shown_once() {
        for (dice, expected) in [
            (&[][..], vec![]),
            (&[None], vec![]),
            (&[Some(0.5)], vec![(CaseRole::Best, "0")]),
            (&[Some(0.5), Some(0.7)], vec![(CaseRole::Best, "1"), (CaseRole::Worst, "0")]),
            (
                &[Some(0.1), Some(0.2), Some(0.3), Some(0.4), Some(0.5)],
                vec![(CaseRole::Best, "4"), (CaseRole::Median, "2"), (CaseRole::SecondWorst, "1"), (CaseRole::Worst, "0")],
            ),
            (
                &[Some(0.1), Some(0.2), Some(0.3), Some(0.4), Some(0.5), Some(0.6)],
                vec![
                    (CaseRole::Best, "5"),
                    (CaseRole::Median, "3"),
                    (CaseRole::ThirdWorst, "2"),
                    (CaseRole::SecondWorst, "1"),
                    (CaseRole::Worst, "0"),
                ],
            ),
            (&[Some(0.5), None, Some(0.9), Some(0.7)], vec![(CaseRole::Best, "2"), (CaseRole::Median, "3"), (CaseRole::Worst, "0")]),
        ] {
            let score = |(idx, &mean_dice): (usize, &Option<f64>)| CaseScore { mean_dice, ..CaseScore::new(idx.to_string(), vec![]) };
            let cases = dice.iter().enumerate().map(score).collect();
            let metrics = Metrics::new(vec![], ScoredRegion::WholeImage, cases, vec![], &Bootstrap::default());
            let expected: Vec<(CaseRole, String)> = expected.into_iter().map(|(role, case)| (role, case.to_owned())).collect();
            assert_eq!(representative_cases(&metrics), expected);
        }
    }
}
