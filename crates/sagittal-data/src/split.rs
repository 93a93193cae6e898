//! Which cases train and which validate, fold by fold.
//!
//! Without groups the folds are exactly nnU-Net's: scikit-learn's `KFold(5, shuffle=True, random_state=12345)` over the
//! sorted ids, so that results can be compared case by case. With groups (`groups.json`: case → patient) no group is
//! ever cut, because slices of one patient in training and validation make every score too good.

mod numpy_random;

use crate::{Case, DataError, Dataset, Seed};
use numpy_random::NumpyRandom;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, HashSet},
    path::Path,
};

/// All folds of a data set. Serialised in the form of nnU-Net's `splits_final.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Splits {
    folds: Vec<Fold>,
}

/// The cases of one fold, by id, sorted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fold {
    /// Cases to learn from.
    #[serde(rename = "train")]
    pub training: Vec<String>,
    /// Cases to validate on.
    #[serde(rename = "val")]
    pub validation: Vec<String>,
}

/// Which fold to train.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoldChoice {
    /// One of the folds, counted from 0.
    Index(usize),
    /// Train on every case; validation then looks at cases that were learned from and says little.
    All,
}

impl Splits {
    /// Folds in the usual cross-validation.
    pub const N_FOLDS: usize = 5;
    /// The seed with which nnU-Net shuffles.
    pub const NNUNET_SEED: Seed = Seed(12345);
    /// The name of the splits in a run folder.
    pub const FILE_NAME: &'static str = "splits.json";

    /// Splits the labelled training cases of a data set into `n_folds`, or into as many as there are cases or groups, where
    /// these are fewer: each is then validated by itself.
    ///
    /// A single case, or a single group, makes one fold that leaves nothing to train on: it is for [`FoldChoice::All`].
    ///
    /// # Errors
    /// If there is no labelled case, or no fold is asked for.
    pub fn make(dataset: &Dataset, n_folds: usize, seed: Seed) -> Result<Self, DataError> {
        let mut cases: Vec<&Case> = dataset.training.iter().filter(|case| case.labels.is_some()).collect();
        cases.sort_by(|a, b| a.id.cmp(&b.id));
        let grouped = cases.iter().any(|case| case.group.is_some());
        let units = if grouped { groups(&cases) } else { cases.iter().map(|case| vec![&*case.id]).collect() };
        let n_folds = n_folds.min(units.len());
        if n_folds == 0 {
            return Err(DataError::Split {
                finding: "there is no labelled case".into(),
                cure: "add label maps, or correct their names".into(),
            });
        }
        let fold_of = if grouped { spread_groups(&units, n_folds, seed) } else { shuffled_fold_of(units.len(), n_folds, seed) };
        let folds = (0..n_folds).map(|fold| {
            let (mut training, mut validation) = (Vec::new(), Vec::new());
            for (unit, &of) in units.iter().zip(&fold_of) {
                let part = if of == fold { &mut validation } else { &mut training };
                part.extend(unit.iter().map(|id| id.to_string()));
            }
            training.sort();
            validation.sort();
            Fold { training, validation }
        });
        Ok(Self { folds: folds.collect() })
    }

    /// Number of folds.
    pub fn n_folds(&self) -> usize {
        self.folds.len()
    }

    /// The cases of one fold, or of all.
    ///
    /// # Errors
    /// If there is no such fold, or it leaves no case to train on.
    pub fn fold(&self, choice: FoldChoice) -> Result<Fold, DataError> {
        match choice {
            FoldChoice::Index(index) => match self.folds.get(index) {
                Some(fold) if fold.training.is_empty() => Err(DataError::Split {
                    finding: format!("fold {index} leaves no case to train on, because all are of one patient or there is only one"),
                    cure: "add cases of other patients, or train with fold \"all\"".into(),
                }),
                Some(fold) => Ok(fold.clone()),
                None => Err(DataError::Split {
                    finding: format!(
                        "fold {index} asked for, there are {} (0 to {})",
                        self.folds.len(),
                        self.folds.len().saturating_sub(1)
                    ),
                    cure: "name one of them or \"all\"".into(),
                }),
            },
            FoldChoice::All => {
                let mut all: Vec<String> = self.folds.iter().flat_map(|fold| fold.validation.iter().cloned()).collect();
                all.sort();
                Ok(Fold { training: all.clone(), validation: all })
            }
        }
    }

    /// Reads splits that this program or nnU-Net wrote, and checks them against the data set.
    ///
    /// # Errors
    /// If the file cannot be read, names a case the data set does not have, or validates on a case it trains on.
    pub fn read(path: &Path, dataset: &Dataset) -> Result<Self, DataError> {
        let splits: Self = crate::json::read(path)?;
        let known: HashSet<&str> = dataset.training.iter().map(|case| &*case.id).collect();
        let error = |finding: String, cure: &str| Err(DataError::Dataset { path: path.into(), finding, cure: cure.into() });
        for (index, fold) in splits.folds.iter().enumerate() {
            let training: HashSet<&str> = fold.training.iter().map(|id| &**id).collect();
            if let Some(id) = fold.training.iter().chain(&fold.validation).find(|id| !known.contains(&***id)) {
                return error(
                    format!("fold {index} names case {id}, which {} does not have", dataset.name),
                    "remove it, or delete the file to split anew",
                );
            }
            if let Some(id) = fold.validation.iter().find(|id| training.contains(&***id)) {
                return error(format!("fold {index} has case {id} in training and in validation"), "remove it from one of them");
            }
        }
        Ok(splits)
    }

    /// Writes the splits, atomically.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), DataError> {
        crate::json::write(path, self)
    }
}

/// Case ids by group, in the order of the groups' names; a case without a group is a group of its own.
fn groups<'a>(cases: &[&'a Case]) -> Vec<Vec<&'a str>> {
    let mut groups: BTreeMap<(bool, &str), Vec<&str>> = BTreeMap::new();
    for case in cases {
        let key = case.group.as_deref().map_or((false, &*case.id), |group| (true, group));
        groups.entry(key).or_default().push(&case.id);
    }
    groups.into_values().collect()
}

/// scikit-learn's `KFold(n_folds, shuffle=True, random_state=seed)`: the fold in which each of `n` is validated.
fn shuffled_fold_of(n: usize, n_folds: usize, seed: Seed) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    NumpyRandom::new(seed.0 as u32).shuffle(&mut order);
    let mut fold_of = vec![0; n];
    let mut rest = &order[..];
    for fold in 0..n_folds {
        // The first n % n_folds folds hold one more.
        let (these, others) = rest.split_at(n / n_folds + usize::from(fold < n % n_folds));
        these.iter().for_each(|&index| fold_of[index] = fold);
        rest = others;
    }
    fold_of
}

/// Groups in random order, the largest first, each into the fold with the fewest cases so far.
fn spread_groups(groups: &[Vec<&str>], n_folds: usize, seed: Seed) -> Vec<usize> {
    let mut order: Vec<usize> = (0..groups.len()).collect();
    order.shuffle(&mut seed.stream(&[0x5711]));
    order.sort_by_key(|&group| std::cmp::Reverse(groups[group].len()));
    let mut sizes = vec![(0usize, 0usize); n_folds]; // (cases, groups)
    let mut fold_of = vec![0; groups.len()];
    for group in order {
        let fold = (0..n_folds).min_by_key(|&fold| sizes[fold]).expect("there is at least one fold");
        sizes[fold].0 += groups[group].len();
        sizes[fold].1 += 1;
        fold_of[group] = fold;
    }
    fold_of
}

#[cfg(test)]
mod tests;
