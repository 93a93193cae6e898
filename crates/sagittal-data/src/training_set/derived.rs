//! Numbers that something else makes of every case, on the same grid and kept in the same way: what a teacher says of it.

use super::{
    TrainingSet, TrainingSetOptions,
    cache::{Cache, CacheKey},
    keep,
};
use crate::{DataError, TrainingCase};
use std::sync::atomic::AtomicU64;

/// Makes numbers of a case, given its name, `[C, Z, Y, X]` numbers and that shape.
pub type Make<'a> = dyn FnMut(&str, &[f32], [usize; 4]) -> Option<Vec<f32>> + 'a;

impl TrainingSet {
    /// A set of as many cases, in the same order and on the same grids, whose channels `make` makes of each case's own. With a
    /// cache they are made once for all trainings: `purpose` says of what they are made besides the case, such as the digest
    /// of a model.
    ///
    /// `None` if `make` gave nothing, as it does when somebody asks to stop.
    ///
    /// # Shapes
    /// - `make`: the name and `[C, Z, Y, X]` numbers of a case, and that shape, to `[n_channels, Z, Y, X]` numbers
    ///
    /// # Errors
    /// If a case or an entry of the cache cannot be read or written, or the numbers do not fit the memory and there is no cache.
    ///
    /// # Panics
    /// If `make` gives another number of numbers.
    pub fn derive(
        &self,
        n_channels: usize,
        purpose: &str,
        options: &TrainingSetOptions,
        make: &mut Make<'_>,
    ) -> Result<Option<Self>, DataError> {
        let cache = options.cache.as_ref().map(|folder| Cache::open(folder)).transpose()?;
        let used_bytes = AtomicU64::new(0);
        let mut cases = Vec::with_capacity(self.cases.len());
        for case in &self.cases {
            let [_, z, y, x] = case.shape;
            let window = case.window([0; 3], [z, y, x].map(|size| size as i64))?;
            let key = CacheKey::derived(&case.id, purpose, &window.data);
            let mut stopped = false;
            let prepare = || {
                let Some(data) = make(&case.id, &window.data, case.shape) else {
                    stopped = true;
                    return Err(DataError::Case {
                        case: case.id.clone(),
                        finding: "somebody asked to stop".into(),
                        cure: "the same command goes on".into(),
                    });
                };
                assert_eq!(data.len(), n_channels * z * y * x, "numbers made of case {}", case.id);
                let labels = vec![0; z * y * x];
                let shape = [n_channels, z, y, x];
                let (class_sizes, class_locations, labelled_locations, previous) = Default::default();
                Ok(TrainingCase { id: case.id.clone(), data, labels, previous, shape, class_sizes, class_locations, labelled_locations })
            };
            match keep(prepare, cache.as_ref(), &key, &used_bytes, options.memory_bytes, &case.id) {
                Err(_) if stopped => return Ok(None),
                stored => cases.push(stored?),
            }
        }
        Ok(Some(Self { cases, failures: Vec::new() }))
    }
}
