//! Which label values occur in label maps.

use anyhow::ensure;
use rayon::prelude::*;
use sagittal_image::{Volume, io};
use sagittal_metrics::LabelName;

use super::pairs::Pair;
use crate::messages::{Messages, Unit};

/// More different values than this, undeclared, are the greys of an image rather than labels.
const MOST_UNDECLARED: usize = 256;

/// The values of a label map, ascending.
pub(crate) fn of(labels: &Volume<u16>) -> Vec<u16> {
    let mut occurs = vec![false; usize::from(u16::MAX) + 1];
    for &value in labels.voxels() {
        occurs[usize::from(value)] = true;
    }
    (0..=u16::MAX).filter(|&value| occurs[usize::from(value)]).collect()
}

/// The values that occur in any of the files, background left out, as labels without a better name.
///
/// Predictions count too: a structure that only they hold is an error that must show. Files that cannot be read are
/// left out here and fail when they are scored.
pub(crate) fn labels_found(pairs: &[Pair], messages: &Messages) -> anyhow::Result<Vec<LabelName>> {
    let counter = messages.progress("looking for labels", Unit::Cases, pairs.len() as u64);
    let found: Vec<Vec<u16>> = pairs
        .par_iter()
        .map(|pair| {
            let maps = [&pair.prediction, &pair.reference].map(|path| io::read_label_map(path).ok());
            counter.advance();
            maps.iter().flatten().flat_map(|map| of(&map.labels)).collect()
        })
        .collect();
    let mut values: Vec<u16> = found.into_iter().flatten().filter(|&value| value != 0).collect();
    values.sort_unstable();
    values.dedup();
    ensure!(
        values.len() <= MOST_UNDECLARED,
        "found {} different values, expected labels, at most {MOST_UNDECLARED}; if they are labels, declare them with --labels dataset.json",
        values.len()
    );
    Ok(values.into_iter().map(|value| LabelName { value, name: format!("label {value}") }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_ascending_and_without_repetition() {
        assert_eq!(of(&Volume::new([1, 2, 3], vec![7, 0, 65535, 7, 3, 0])), [0, 3, 7, 65535]);
        assert!(of(&Volume::new([0, 2, 3], vec![])).is_empty());
    }
}
