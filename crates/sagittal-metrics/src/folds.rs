//! The scores of a cross-validation: those of all folds together.

use crate::{Bootstrap, Metrics, MetricsError};

impl Metrics {
    /// The scores of all folds as if they had been scored in one go, so that every case counts alike.
    ///
    /// What is said of pooled voxels and of other ways of scoring holds for one fold alone and is left out, unless there is
    /// one fold only.
    ///
    /// # Errors
    /// [`MetricsError::Malformed`] if there is no fold, or one has other labels or was scored in another region than the first.
    pub fn of_folds(folds: Vec<Self>, bootstrap: &Bootstrap) -> Result<Self, MetricsError> {
        let malformed = |finding: String| MetricsError::Malformed { finding };
        let mut folds = folds.into_iter();
        let Some(mut all) = folds.next() else { return Err(malformed("there is no fold".to_owned())) };
        if folds.len() == 0 {
            return Ok(all);
        }
        for (idx, fold) in folds.enumerate() {
            if fold.labels != all.labels || fold.region != all.region {
                let finding = format!("the {}. fold has other labels, or another region, than those before it", idx + 2);
                return Err(malformed(finding));
            }
            all.distances = all.distances.filter(|distances| fold.distances.as_ref() == Some(distances));
            all.cases.extend(fold.cases);
            all.failed.extend(fold.failed);
        }
        Ok(Self { distances: all.distances, ..Self::new(all.labels, all.region, all.cases, all.failed, bootstrap) })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::{CaseScore, LabelScore, ScoredRegion, VolumeUnit, metrics_file::LabelName, overlap::Overlap};

    fn fold(name: &str, dice: &[(u64, u64)]) -> Metrics {
        let labels = vec![LabelName { value: 1, name: name.to_owned() }];
        let cases = dice.iter().enumerate().map(|(i, &(right, wrong))| {
            let overlap = Overlap { true_positive: right, false_positive: wrong, false_negative: wrong, true_negative: 0 };
            CaseScore::new(i.to_string(), vec![LabelScore::new(1, overlap, 1.0, VolumeUnit::Millilitre)])
        });
        Metrics::new(labels, ScoredRegion::WholeImage, cases.collect(), Vec::new(), &Bootstrap::default())
    }

    #[test]
    fn every_case_counts_alike_and_other_labels_are_refused() {
        let all = Metrics::of_folds(vec![fold("a", &[(1, 1)]), fold("a", &[(1, 0), (1, 0)])], &Bootstrap::default()).unwrap();
        assert_eq!(all.cases.len(), 3);
        assert!((all.foreground_dice.mean.unwrap() - 2.5 / 3.0).abs() < 1e-12);
        let error = Metrics::of_folds(vec![fold("a", &[]), fold("b", &[])], &Bootstrap::default()).unwrap_err();
        assert!(error.to_string().contains("2. fold"), "{error}");
        assert!(Metrics::of_folds(Vec::new(), &Bootstrap::default()).is_err());
    }
}
