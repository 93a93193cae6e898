//! Images without labels, to learn from what needs none.

use super::{StoredCase, TrainingSet};
use crate::{Case, DataError, Dataset, Plan, Preprocessor, TrainingCase};
use rayon::prelude::*;

impl TrainingSet {
    /// Adds images of which no label is read, in the order of `cases`, as far as `memory_bytes` go; a case that fails is listed
    /// in [`TrainingSet::failures`]. Gives how many were added.
    pub fn add_unlabelled(&mut self, dataset: &Dataset, cases: &[&Case], plan: &Plan, memory_bytes: u64) -> usize {
        let preprocessor = Preprocessor::new(plan);
        let (mut used_bytes, mut n_added) = (0, 0);
        // In groups, so that no more than a few are preprocessed that do not fit any more.
        for group in cases.chunks(rayon::current_num_threads().max(1)) {
            let prepared: Vec<_> = group.par_iter().map(|case| prepare(&preprocessor, dataset, case)).collect();
            for (case, prepared) in group.iter().zip(prepared) {
                match prepared {
                    Ok(prepared) => {
                        used_bytes += (prepared.data.len() * 4 + prepared.labels.len() * 2) as u64;
                        if used_bytes > memory_bytes {
                            return n_added;
                        }
                        self.cases.push(StoredCase::in_memory(prepared));
                        n_added += 1;
                    }
                    Err(error) => self.failures.push((case.id.clone(), error)),
                }
            }
        }
        n_added
    }
}

fn prepare(preprocessor: &Preprocessor, dataset: &Dataset, case: &Case) -> Result<TrainingCase, DataError> {
    let preprocessed = preprocessor.run(&case.id, &dataset.read_image(case)?)?;
    let labels = vec![0; preprocessed.shape[1..].iter().product()];
    let (class_sizes, class_locations, labelled_locations, previous) = Default::default();
    let (data, shape) = (preprocessed.data, preprocessed.shape);
    Ok(TrainingCase { id: case.id.clone(), data, labels, previous, shape, class_sizes, class_locations, labelled_locations })
}
