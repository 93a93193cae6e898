//! Which label values occur in label maps.

use std::path::Path;

use anyhow::ensure;
use rayon::prelude::*;
use sagittal_image::{LabelMap, Volume, io};
use sagittal_metrics::{FailedCase, LabelName};

use super::pairs::Pair;
use crate::messages::{Messages, Unit};

/// More different values than this, undeclared, are the greys of an image rather than labels.
const MOST_UNDECLARED: usize = 256;
/// So few different values are labels, however they lie.
const FEW: usize = 16;
/// Labels make up structures: more than this share of neighbours along a row have the same label, where either has one.
const LEAST_ALIKE: f64 = 0.5;

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
    /// Cases of which a file is an image rather than labels.
    pub(crate) refused: Vec<FailedCase>,
}

/// The values that occur in any of the files, background left out, as labels without a better name.
///
/// Predictions count too: a structure that only they hold is an error that must show. Files that cannot be read are
/// left out here and fail when they are scored.
pub(crate) fn labels_found(pairs: &[Pair], messages: &Messages) -> anyhow::Result<Found> {
    let counter = messages.progress("looking for labels", Unit::Cases, pairs.len() as u64);
    let read = |path: &Path| io::read_label_map(path).ok();
    let look = |pair: &Pair| -> anyhow::Result<(Vec<u16>, Option<[LabelMap; 2]>)> {
        let (prediction, reference) = rayon::join(|| read(&pair.prediction), || read(&pair.reference));
        counter.advance();
        let mut values = Vec::new();
        for (map, path) in [(&prediction, &pair.prediction), (&reference, &pair.reference)] {
            let Some(map) = map else { continue };
            let of_map = of(&map.labels);
            refuse_image(&map.labels, of_map.len(), path)?;
            values.extend(of_map);
        }
        Ok((values, prediction.zip(reference).map(|(prediction, reference)| [prediction, reference])))
    };
    let mut only = None;
    let found: Vec<anyhow::Result<Vec<u16>>> = match pairs {
        [pair] => vec![look(pair).map(|(values, maps)| {
            only = maps;
            values
        })],
        pairs => pairs.par_iter().map(|pair| Ok(look(pair)?.0)).collect(),
    };
    let refused = pairs.iter().zip(&found).filter_map(|(pair, found)| {
        let reason = format!("{:#}", found.as_ref().err()?);
        Some(FailedCase { case: pair.case.clone(), reason })
    });
    let refused = refused.collect();
    let mut values: Vec<u16> = found.into_iter().flatten().flatten().filter(|&value| value != 0).collect();
    values.sort_unstable();
    values.dedup();
    ensure!(
        values.len() <= MOST_UNDECLARED,
        "found {} different values, expected labels, at most {MOST_UNDECLARED}; if they are labels, declare them with --labels dataset.json",
        values.len()
    );
    if values.len() > FEW {
        let n = values.len();
        messages.say(format_args!(
            "note: nobody declared labels; the {n} values found are scored as labels (--labels dataset.json names them)"
        ));
    }
    Ok(Found { labels: values.into_iter().map(|value| LabelName { value, name: format!("label {value}") }).collect(), only, refused })
}

/// Refuses what holds whole numbers, but whose neighbours differ as those of an image do.
fn refuse_image(map: &Volume<u16>, n_values: usize, path: &Path) -> anyhow::Result<()> {
    if n_values <= FEW {
        return Ok(());
    }
    let alike = alike(map);
    ensure!(
        alike >= LEAST_ALIKE,
        "{} looks like an image, not like labels: {n_values} different values, and only {:.0} % of neighbours in a row are equal; \
         name a label map, or declare these values with --labels dataset.json",
        path.display(),
        100.0 * alike
    );
    Ok(())
}

/// The share of neighbours along a row that are equal, among those of which one is not 0; 1 where there are none.
fn alike(map: &Volume<u16>) -> f64 {
    let [_, _, nx] = map.shape();
    let (mut n, mut n_alike) = (0_u64, 0_u64);
    for row in map.voxels().chunks(nx.max(1)) {
        for (a, b) in row.iter().zip(&row[1..]).filter(|(a, b)| **a | **b != 0) {
            n += 1;
            n_alike += u64::from(a == b);
        }
    }
    if n == 0 { 1.0 } else { n_alike as f64 / n as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_values_that_lie_as_those_of_an_image_are_refused() {
        let map = |of: fn(usize, usize) -> u16| Volume::new([1, 40, 60], (0..2400).map(|i| of(i / 60, i % 60)).collect());
        let (labels, image) = (map(|y, x| (y / 8 * 6 + x / 10) as u16), map(|y, x| 3 * (y * 7 + x * x) as u16 % 256));
        let path = Path::new("scan.nii.gz");
        assert!(of(&labels).len() == 30 && refuse_image(&labels, 30, path).is_ok());
        let n = of(&image).len();
        let refused = refuse_image(&image, n, path).map_err(|error| error.to_string());
        assert!(
            refused.is_err_and(|error| error.starts_with("scan.nii.gz looks like an image, not like labels") && error.contains("--labels"))
        );
        // A noisy mask of few labels is one.
        assert!(refuse_image(&map(|y, x| ((x * 5 + y * 3) % 7) as u16), 7, path).is_ok());
        assert_eq!(alike(&map(|_, _| 0)), 1.0);
    }

    #[test]
    fn values_are_ascending_and_without_repetition() {
        assert_eq!(of(&Volume::new([1, 2, 3], vec![7, 0, 65535, 7, 3, 0])), [0, 3, 7, 65535]);
        assert!(of(&Volume::new([0, 2, 3], vec![])).is_empty());
    }
}
