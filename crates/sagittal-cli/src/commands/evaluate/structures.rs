//! What is scored: each label by itself, or the regions that labels make up.

use sagittal_data::{Label, dataset::Region};
use sagittal_image::{LabelMap, Volume};
use sagittal_metrics::{LabelName, LabelScore, MetricsError, ScoreOptions, score_case_with};

/// The structures that are looked for, each a union of labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Structures(Vec<Region>);

impl Structures {
    /// The regions, or where there are none every label but the background.
    pub(crate) fn of(labels: &[Label], regions: &[Region]) -> Self {
        Self(Region::all(labels, regions))
    }

    /// Their names, each with the label that is written where it was found.
    pub(crate) fn names(&self) -> Vec<LabelName> {
        self.0.iter().map(|structure| LabelName { value: structure.painted, name: structure.name.clone() }).collect()
    }

    /// The labels that each consists of.
    pub(crate) fn labels(&self) -> impl Iterator<Item = &[u16]> {
        self.0.iter().map(|structure| &*structure.values)
    }

    /// Scores each structure as the union of its labels in both maps.
    ///
    /// # Errors
    /// As [`score_case_with`].
    pub(crate) fn score(
        &self,
        prediction: &LabelMap,
        reference: &LabelMap,
        inside: Option<&Volume<bool>>,
        options: ScoreOptions,
    ) -> Result<Vec<LabelScore>, MetricsError> {
        if self.0.iter().all(|structure| structure.values == [structure.painted]) {
            let values: Vec<u16> = self.0.iter().map(|structure| structure.painted).collect();
            return score_case_with(prediction, reference, &values, inside, options);
        }
        let mut scores = Vec::new();
        for Region { values, painted, .. } in &self.0 {
            let union = |map: &LabelMap| LabelMap {
                labels: map.labels.map(|value| u16::from(values.contains(value))),
                geometry: map.geometry.clone(),
                header: map.header.clone(),
            };
            let of_union = score_case_with(&union(prediction), &union(reference), &[1], inside, options)?;
            scores.extend(of_union.into_iter().map(|score| LabelScore { label: *painted, ..score }));
        }
        Ok(scores)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use sagittal_image::{Geometry, io::SourceHeader};

    use super::*;

    #[test]
    fn regions_are_scored_as_unions_of_their_labels() {
        let labels = [0, 1, 2].map(|value| Label { value, name: format!("label {value}") });
        let region = |name: &str, values: &[u16], painted| Region { name: name.into(), values: values.into(), painted };
        let map = |voxels: [u16; 6]| LabelMap {
            labels: Volume::new([1, 1, 6], voxels.to_vec()),
            geometry: Geometry::volume([1, 1, 6], [1.0; 3]),
            header: SourceHeader::default(),
        };
        let (prediction, reference) = (map([1, 1, 1, 2, 0, 0]), map([1, 2, 2, 2, 0, 1]));
        let dice = |structures: &Structures| -> Vec<_> {
            let scores = structures.score(&prediction, &reference, None, ScoreOptions::default()).unwrap();
            scores.into_iter().map(|score| (score.label, score.dice.unwrap())).collect()
        };
        let whole = Structures::of(&labels, &[region("whole", &[1, 2], 1), region("core", &[2], 2)]);
        assert_eq!(dice(&whole), [(1, 8.0 / 9.0), (2, 0.5)]);
        assert_eq!(whole.names()[0].name, "whole");
        let apart = Structures::of(&labels, &[]);
        assert_eq!(dice(&apart), [(1, 0.4), (2, 0.5)]);
        assert_eq!(apart.names().iter().map(|name| name.value).collect::<Vec<_>>(), [1, 2]);
    }
}
