//! Which label values occur in label maps.

use std::path::Path;

use anyhow::ensure;
use rayon::prelude::*;
use sagittal_image::{LabelMap, Volume, io};
use sagittal_metrics::LabelName;

use super::pairs::Pair;
use crate::messages::{Messages, Unit};

/// More different values than this, undeclared, are the greys of an image rather than labels.
const MOST_UNDECLARED: usize = 256;

/// Voxels that one thread takes at a time.
const PART: usize = 1 << 20;
/// Voxels that are compared together.
const BLOCK: usize = 64;

/// The values of a label map, ascending.
pub(crate) fn of(labels: &Volume<u16>) -> Vec<u16> {
    let found = labels.voxels().par_chunks(PART).map(|part| {
        let mut occurs = vec![false; usize::from(u16::MAX) + 1];
        let mut last = part[0];
        for block in part.chunks(BLOCK) {
            // Most blocks hold one value, that of the block before: to see that is quicker than to note it for every voxel.
            if block.iter().fold(0, |differ, value| differ | (value ^ last)) != 0 {
                block.iter().for_each(|&value| occurs[usize::from(value)] = true);
                last = block[block.len() - 1];
            }
        }
        occurs[usize::from(part[0])] = true;
        (0..=u16::MAX).filter(|&value| occurs[usize::from(value)]).collect::<Vec<u16>>()
    });
    let mut values = found.reduce(Vec::new, |a, b| [a, b].concat());
    values.sort_unstable();
    values.dedup();
    values
}

/// The labels that occur, and the maps of the only pair, prediction first, so that large files are not read twice.
pub(crate) struct Found {
    pub(crate) labels: Vec<LabelName>,
    pub(crate) only: Option<[LabelMap; 2]>,
}

/// The values that occur in any of the files, background left out, as labels without a better name.
///
/// Predictions count too: a structure that only they hold is an error that must show. Files that cannot be read are
/// left out here and fail when they are scored.
pub(crate) fn labels_found(pairs: &[Pair], messages: &Messages) -> anyhow::Result<Found> {
    let counter = messages.progress("looking for labels", Unit::Cases, pairs.len() as u64);
    let read = |path: &Path| io::read_label_map(path).ok();
    let look = |pair: &Pair| {
        let (prediction, reference) = rayon::join(|| read(&pair.prediction), || read(&pair.reference));
        let values: Vec<u16> = [&prediction, &reference].into_iter().flatten().flat_map(|map| of(&map.labels)).collect();
        counter.advance();
        (values, prediction.zip(reference))
    };
    let (found, only) = match pairs {
        [pair] => {
            let (values, maps) = look(pair);
            (vec![values], maps.map(|(prediction, reference)| [prediction, reference]))
        }
        pairs => (pairs.par_iter().map(|pair| look(pair).0).collect::<Vec<_>>(), None),
    };
    let mut values: Vec<u16> = found.into_iter().flatten().filter(|&value| value != 0).collect();
    values.sort_unstable();
    values.dedup();
    ensure!(
        values.len() <= MOST_UNDECLARED,
        "found {} different values, expected labels, at most {MOST_UNDECLARED}; if they are labels, declare them with --labels dataset.json",
        values.len()
    );
    Ok(Found { labels: values.into_iter().map(|value| LabelName { value, name: format!("label {value}") }).collect(), only })
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
