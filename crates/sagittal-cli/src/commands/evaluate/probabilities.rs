//! The probabilities beside a prediction, ranked label by label.

use std::path::PathBuf;

use anyhow::ensure;
use sagittal_image::{
    LabelMap, Volume,
    io::{ProbabilityReader, image_stem},
};
use sagittal_metrics::{MetricsError, Ranking, ScoredRegion};

use super::{pairs::Pair, structures::Structures};

/// Where the probabilities of a prediction are, if it has any.
pub(crate) fn file_of(pair: &Pair) -> PathBuf {
    let stem = image_stem(&pair.prediction).unwrap_or(&pair.case);
    pair.prediction.with_file_name(format!("{stem}.npz"))
}

/// Ranks the voxels inside of a region (everywhere if `None`) by the probability of one label, or of a union of `labels`.
pub(crate) fn rank_label(
    probabilities: &Volume<f32>,
    reference: &LabelMap,
    labels: &[u16],
    inside: Option<&Volume<bool>>,
) -> Result<Ranking, MetricsError> {
    let counts = |i: usize| inside.is_none_or(|inside| inside.voxels()[i]);
    Ranking::of(probabilities.voxels(), |i| counts(i).then(|| labels.contains(&reference.labels.voxels()[i])))
}

/// Ranks the voxels of every structure, for each region that is scored; nothing where there is no `CASE.npz`.
///
/// A file of as many classes as labels holds the labels, one of one class more the background before them; both in order of value. Regions are in
/// the order in which they are declared.
pub(crate) fn rank(
    pair: &Pair,
    reference: &LabelMap,
    structures: &Structures,
    insides: &[(ScoredRegion, Option<Volume<bool>>)],
) -> anyhow::Result<Vec<(ScoredRegion, Vec<Ranking>)>> {
    let path = file_of(pair);
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let structures: Vec<&[u16]> = structures.labels().collect();
    let mut reader = ProbabilityReader::open(&path)?;
    let [n_classes, z, y, x] = reader.shape();
    let shape = reference.labels.shape();
    ensure!([z, y, x] == shape, "{} holds {:?} voxels (Z, Y, X), its reference {shape:?}; write it anew", path.display(), [z, y, x]);
    let n_before = n_classes.checked_sub(structures.len()).filter(|n| *n <= 1);
    let Some(n_before) = n_before else {
        let n = structures.len();
        anyhow::bail!("{} holds {n_classes} classes, expected {n} labels, or background and {n} labels", path.display());
    };
    let mut rankings: Vec<(ScoredRegion, Vec<Ranking>)> = insides.iter().map(|(region, _)| (*region, Vec::new())).collect();
    for class in 0..n_classes {
        let Some(probabilities) = reader.next_class()? else { break };
        let Some(labels) = class.checked_sub(n_before).and_then(|idx| structures.get(idx)) else { continue };
        for ((_, inside), (_, rankings)) in insides.iter().zip(&mut rankings) {
            let ranking = rank_label(&probabilities, reference, labels, inside.as_ref());
            rankings.push(ranking.map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?);
        }
    }
    Ok(rankings)
}
