//! The scores of a cross-validation: those of all folds together.

use crate::{Beside, Bootstrap, Metrics, MetricsError};

impl Metrics {
    /// The scores of all folds as if they had been scored in one go, so that every case counts alike.
    ///
    /// So are those of the other ways of scoring that stand beside, as far as all folds have them. What is said of pooled voxels holds for
    /// one fold alone and is left out, unless there is one fold only.
    ///
    /// # Errors
    /// [`MetricsError::Malformed`] if there is no fold, or one has other labels or was scored in another region than the first.
    pub fn of_folds(folds: Vec<Self>, bootstrap: &Bootstrap) -> Result<Self, MetricsError> {
        let malformed = |finding: String| MetricsError::Malformed { finding };
        let n_folds = folds.len();
        let mut folds = folds.into_iter();
        let Some(mut all) = folds.next() else { return Err(malformed("there is no fold".to_owned())) };
        if n_folds == 1 {
            return Ok(all);
        }
        let mut beside: Vec<(Beside, Vec<Self>)> = all.beside.drain(..).map(|way| (way, Vec::new())).collect();
        for (idx, fold) in folds.enumerate() {
            if fold.labels != all.labels || fold.region != all.region {
                let finding = format!("the {}. fold has other labels, or another region, than those before it", idx + 2);
                return Err(malformed(finding));
            }
            all.distances = all.distances.filter(|distances| fold.distances.as_ref() == Some(distances));
            all.cases.extend(fold.cases);
            all.failed.extend(fold.failed);
            for way in fold.beside {
                let same = |(first, _): &&mut (Beside, _)| first.subject == way.subject && first.metrics.region == way.metrics.region;
                if let Some((_, others)) = beside.iter_mut().find(same) {
                    others.push(way.metrics);
                }
            }
        }
        // What only some folds have would be compared with the predictions of others.
        let whole = beside.into_iter().filter(|(_, others)| others.len() + 1 == n_folds);
        let merged = whole.map(|(Beside { subject, metrics }, others)| {
            let folds = std::iter::once(metrics).chain(others).collect();
            Ok(Beside { subject, metrics: Self::of_folds(folds, bootstrap)? })
        });
        let beside = merged.collect::<Result<Vec<_>, MetricsError>>()?;
        Ok(Self { distances: all.distances, beside, ..Self::new(all.labels, all.region, all.cases, all.failed, bootstrap) })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::{CaseScore, LabelScore, ScoredRegion, Subject, VolumeUnit, metrics_file::LabelName, overlap::Overlap};

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

    #[test]
    fn what_stands_beside_in_every_fold_stands_beside_all_of_them() {
        let with_beside = |main: &[(u64, u64)], observer: &[(u64, u64)], whole: Option<&[(u64, u64)]>| {
            let way = |subject, region, dice: &[(u64, u64)]| Beside { subject, metrics: Metrics { region, ..fold("a", dice) } };
            let mut beside = vec![way(Subject::SecondObserver, ScoredRegion::FieldOfView, observer)];
            beside.extend(whole.map(|whole| way(Subject::Prediction, ScoredRegion::WholeImage, whole)));
            Metrics { region: ScoredRegion::FieldOfView, beside, ..fold("a", main) }
        };
        let (first, second) = (with_beside(&[(1, 1)], &[(1, 3)], Some(&[(1, 0)])), with_beside(&[(1, 0), (1, 1)], &[(1, 1), (1, 1)], None));
        // The whole image was scored in one fold only.
        let all = Metrics::of_folds(vec![first, second], &Bootstrap::default()).unwrap();
        assert_eq!(all.beside.len(), 1);
        let observer = &all.beside[0];
        assert_eq!((observer.subject, observer.metrics.region), (Subject::SecondObserver, ScoredRegion::FieldOfView));
        assert!((observer.metrics.foreground_dice.mean.unwrap() - (0.25 + 0.5 + 0.5) / 3.0).abs() < 1e-12);
        assert_eq!(observer.metrics.cases.len(), 3);
    }
}
