//! What is drawn when a mean is resampled, and compared when two runs are: cases, or the patients that they are of.
//!
//! Several cases of one patient are alike: ten slices of one heart say little more about hearts than one does. Drawn one by one they make
//! an interval too narrow, so all cases of a patient are drawn together (the cluster bootstrap: Davison and Hinkley 1997,
//! section 3.8). Groups that were given for another reason, such as hospitals, hang together too; but of a few of them nothing can be said
//! about others, so they are drawn from [`FEWEST_GROUPS`] on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::CaseScore;

/// Fewer groups than this say too little about their kind to be drawn.
pub const FEWEST_GROUPS: usize = 5;

/// What is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClusterKind {
    /// Every case by itself.
    #[default]
    Case,
    /// All cases of a patient together.
    Patient,
    /// All cases of a group together.
    Group,
}

impl ClusterKind {
    /// Several of them, in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Case => "cases",
            Self::Patient => "patients",
            Self::Group => "groups",
        }
    }
}

/// Which cases belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clusters {
    /// What they make up.
    pub kind: ClusterKind,
    /// Of every case the number of its cluster; cases without a patient (a group) are clusters of their own.
    of_case: Vec<usize>,
}

impl Clusters {
    /// By patient where some case has one, else by group where there are enough of them, else case by case.
    pub fn of<'a>(cases: impl IntoIterator<Item = &'a CaseScore>) -> Self {
        let cases: Vec<&CaseScore> = cases.into_iter().collect();
        let by_patient: Vec<Option<&str>> = cases.iter().map(|case| case.patient.as_deref()).collect();
        if by_patient.iter().any(Option::is_some) {
            return Self::by(ClusterKind::Patient, &by_patient);
        }
        let by_group: Vec<Option<&str>> = cases.iter().map(|case| case.group.as_deref()).collect();
        let mut groups: Vec<&str> = by_group.iter().flatten().copied().collect();
        groups.sort_unstable();
        groups.dedup();
        if groups.len() >= FEWEST_GROUPS {
            return Self::by(ClusterKind::Group, &by_group);
        }
        Self { kind: ClusterKind::Case, of_case: (0..cases.len()).collect() }
    }

    fn by(kind: ClusterKind, names: &[Option<&str>]) -> Self {
        let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
        let mut n = 0;
        let mut next = || {
            n += 1;
            n - 1
        };
        let of_case = names.iter().map(|name| match name {
            Some(name) => *numbers.entry(name).or_insert_with(&mut next),
            None => next(),
        });
        let of_case = of_case.collect();
        Self { kind, of_case }
    }

    /// The values of each cluster, those that are not defined left out; a cluster without any is left out, too.
    ///
    /// # Shapes
    /// - `values`: one for each case
    ///
    /// # Panics
    /// If there are not as many values as cases (a programming error).
    pub fn split(&self, values: &[Option<f64>]) -> Vec<Vec<f64>> {
        assert_eq!(values.len(), self.of_case.len(), "a value for each case");
        let mut clusters = vec![Vec::new(); self.of_case.iter().max().map_or(0, |last| last + 1)];
        for (&cluster, value) in self.of_case.iter().zip(values) {
            clusters[cluster].extend(value.filter(|value| !value.is_nan()));
        }
        clusters.retain(|cluster| !cluster.is_empty());
        clusters
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(patient: Option<&str>, group: Option<&str>) -> CaseScore {
        let name = |name: Option<&str>| name.map(str::to_owned);
        CaseScore { patient: name(patient), group: name(group), ..CaseScore::new("", Vec::new()) }
    }

    #[test]
    fn patients_go_before_groups_and_few_groups_are_not_drawn() {
        let values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0].map(Some);
        let split = |cases: &[CaseScore]| {
            let clusters = Clusters::of(cases);
            (clusters.kind, clusters.split(&values))
        };
        let of_patients = ["p", "q", "p", "", "", "q"].map(|name| case(Some(name).filter(|name| !name.is_empty()), Some("east")));
        assert_eq!(split(&of_patients), (ClusterKind::Patient, vec![vec![1.0, 3.0], vec![2.0, 6.0], vec![4.0], vec![5.0]]));
        let of_groups = ["a", "b", "c", "d", "e", "a"].map(|name| case(None, Some(name)));
        assert_eq!(split(&of_groups), (ClusterKind::Group, vec![vec![1.0, 6.0], vec![2.0], vec![3.0], vec![4.0], vec![5.0]]));
        let of_few = ["a", "b", "c", "d", "a", "a"].map(|name| case(None, Some(name)));
        assert_eq!(split(&of_few).0, ClusterKind::Case);
        assert_eq!(split(&of_few).1.len(), 6);
    }

    #[test]
    fn what_is_not_defined_is_left_out_and_so_is_a_patient_of_nothing_else() {
        let clusters = Clusters::of(&["p", "q", "p", "r"].map(|name| case(Some(name), None)));
        assert_eq!(clusters.split(&[Some(1.0), None, None, Some(f64::NAN)]), [[1.0]]);
        assert!(Clusters::of(&[]).split(&[]).is_empty());
    }
}
