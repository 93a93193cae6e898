//! The preprocessed cases of a training, in memory as far as they fit, else read from the cache on disk patch by patch.

mod cache;
mod derived;
mod frequencies;
mod stored;
mod unlabelled;

pub use derived::Make;
pub use stored::{StoredCase, Window};

use crate::{Case, DataError, Dataset, Plan, Preprocessor, TrainingCase, preprocess::Besides};
use cache::{Cache, CacheKey};
use rayon::prelude::*;
use sagittal_image::{LabelMap, io};
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};

/// Preprocessed cases to draw patches from.
#[derive(Debug)]
pub struct TrainingSet {
    cases: Vec<StoredCase>,
    failures: Vec<(String, DataError)>,
}

/// Where preprocessed cases are kept.
#[derive(Clone, Debug)]
pub struct TrainingSetOptions {
    /// Folder for preprocessed cases: they are done once for all trainings with the same preprocessing. Entries are
    /// named after their content and never become wrong; the folder can be deleted at any time but during training.
    pub cache: Option<PathBuf>,
    /// Cases are kept in memory up to this many bytes in all; the rest is read from the cache when it is needed.
    pub memory_bytes: u64,
    /// In a cascade the label maps of the previous stage, by the cases' names; else empty.
    pub previous_stage: BTreeMap<String, PathBuf>,
    /// Where the plan asks for masks of the region of interest, their files by the cases' names; else empty.
    pub regions: BTreeMap<String, PathBuf>,
}

impl TrainingSet {
    /// Preprocesses the given cases, or takes them from the cache, in parallel. `progress` is told from several threads
    /// how many are done of how many.
    ///
    /// A case that fails is left out and listed in [`TrainingSet::failures`].
    ///
    /// # Errors
    /// If no case could be used, or they do not fit the memory and there is no cache.
    pub fn prepare(
        dataset: &Dataset,
        cases: &[&Case],
        plan: &Plan,
        options: &TrainingSetOptions,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<Self, DataError> {
        let preprocessor = Preprocessor::new(plan);
        let cache = options.cache.as_ref().map(|folder| Cache::open(folder)).transpose()?;
        let (done, used_bytes) = (AtomicUsize::new(0), AtomicU64::new(0));
        let prepared: Vec<Result<StoredCase, DataError>> = cases
            .par_iter()
            .with_max_len(1)
            .map(|case| {
                let previous = options.previous_stage.get(&case.id);
                let region = options.regions.get(&case.id);
                let key = CacheKey::of(dataset, case, previous.into_iter().chain(region), plan);
                let prepare = || {
                    let previous = previous_labels(plan, &case.id, previous)?;
                    let read =
                        |file: &PathBuf| io::read_label_map(file).map_err(|source| DataError::Image { case: case.id.clone(), source });
                    let region = region.map(read).transpose()?;
                    let besides = Besides { previous: previous.as_ref(), region: region.as_ref() };
                    preprocessor.run_with(&case.id, &dataset.read_image(case)?, &dataset.read_labels(case)?, besides)
                };
                let stored = keep(prepare, cache.as_ref(), &key, &used_bytes, options.memory_bytes, &case.id);
                progress(done.fetch_add(1, Ordering::Relaxed) + 1, cases.len());
                stored
            })
            .collect();
        let mut set = Self { cases: Vec::new(), failures: Vec::new() };
        for (case, stored) in cases.iter().zip(prepared) {
            match stored {
                Ok(stored) => set.cases.push(stored),
                Err(error) => set.failures.push((case.id.clone(), error)),
            }
        }
        match (set.cases.is_empty(), set.failures.pop()) {
            (true, Some((_, error))) => return Err(error),
            (true, None) => {
                return Err(DataError::Dataset {
                    path: dataset.root.clone(),
                    finding: "no case to train on was given".into(),
                    cure: "choose another fold".into(),
                });
            }
            (false, last) => set.failures.extend(last),
        }
        Ok(set)
    }

    /// Cases that are already preprocessed, in memory.
    pub fn in_memory(cases: Vec<TrainingCase>) -> Self {
        Self { cases: cases.into_iter().map(StoredCase::in_memory).collect(), failures: Vec::new() }
    }

    /// The usable cases, in the order in which they were given.
    pub fn cases(&self) -> &[StoredCase] {
        &self.cases
    }

    /// Cases that could not be used, and why.
    pub fn failures(&self) -> &[(String, DataError)] {
        &self.failures
    }
}

/// What the previous stage found, where the plan has one.
fn previous_labels(plan: &Plan, id: &str, file: Option<&PathBuf>) -> Result<Option<LabelMap>, DataError> {
    match (&plan.previous_stage, file) {
        (None, _) => Ok(None),
        (Some(_), Some(file)) => io::read_label_map(file).map(Some).map_err(|source| DataError::Image { case: id.into(), source }),
        (Some(stage), None) => Err(DataError::Case {
            case: id.into(),
            finding: format!("the plan is the last stage of a cascade, and what {stage} found of this case was not given"),
            cure: "train the stage before first, all folds of it, and name its run with --previous".into(),
        }),
    }
}

/// Takes a case from the cache or prepares it, and keeps it in memory if there is room.
fn keep(
    prepare: impl FnOnce() -> Result<TrainingCase, DataError>,
    cache: Option<&Cache>,
    key: &CacheKey,
    used_bytes: &AtomicU64,
    memory_bytes: u64,
    id: &str,
) -> Result<StoredCase, DataError> {
    let cached = cache.and_then(|cache| cache.read(key));
    let case = match (cached, cache) {
        (Some(case), _) => case,
        (None, Some(cache)) => {
            let case = prepare()?;
            cache.write(key, &case)?;
            case
        }
        (None, None) => prepare()?,
    };
    let bytes = (case.data.len() * 4 + (case.labels.len() + case.previous.len()) * 2) as u64;
    if used_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes <= memory_bytes {
        return Ok(StoredCase::in_memory(case));
    }
    used_bytes.fetch_sub(bytes, Ordering::Relaxed);
    match cache {
        Some(cache) => cache.stored(key, case),
        None => Err(DataError::Case {
            case: id.into(),
            finding: format!("with it the preprocessed cases take more than {} MB", memory_bytes >> 20),
            cure: "give more memory, or a folder for the cache".into(),
        }),
    }
}

#[cfg(test)]
mod tests;
