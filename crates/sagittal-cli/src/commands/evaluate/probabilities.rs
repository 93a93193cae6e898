//! The probabilities beside a prediction, ranked label by label.

use anyhow::ensure;
use sagittal_image::{
    LabelMap, Volume,
    io::{ProbabilityReader, image_stem},
};
use sagittal_metrics::{LabelName, Ranking, ScoredRegion};

use super::pairs::Pair;

/// Ranks the voxels of every label, for each region; nothing where there is no `CASE.npz`.
///
/// A file of as many classes as labels holds the labels, one of one class more the background before them; both in order of value.
pub(crate) fn rank(
    pair: &Pair,
    reference: &LabelMap,
    labels: &[LabelName],
    insides: &[(ScoredRegion, Option<Volume<bool>>)],
) -> anyhow::Result<Vec<(ScoredRegion, Vec<Ranking>)>> {
    let stem = image_stem(&pair.prediction).unwrap_or(&pair.case);
    let path = pair.prediction.with_file_name(format!("{stem}.npz"));
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let mut reader = ProbabilityReader::open(&path)?;
    let [n_classes, z, y, x] = reader.shape();
    let shape = reference.labels.shape();
    ensure!([z, y, x] == shape, "{} holds {:?} voxels (Z, Y, X), its reference {shape:?}; write it anew", path.display(), [z, y, x]);
    let n_before = n_classes.checked_sub(labels.len()).filter(|n| *n <= 1);
    let Some(n_before) = n_before else {
        let n = labels.len();
        anyhow::bail!("{} holds {n_classes} classes, expected {n} labels, or background and {n} labels", path.display());
    };
    let mut rankings: Vec<(ScoredRegion, Vec<Ranking>)> = insides.iter().map(|(region, _)| (*region, Vec::new())).collect();
    for class in 0..n_classes {
        let Some(probabilities) = reader.next_class()? else { break };
        let Some(label) = class.checked_sub(n_before).and_then(|idx| labels.get(idx)) else { continue };
        for ((_, inside), (_, rankings)) in insides.iter().zip(&mut rankings) {
            let truth = |i: usize| {
                let counts = inside.as_ref().is_none_or(|inside| inside.voxels()[i]);
                counts.then(|| reference.labels.voxels()[i] == label.value)
            };
            rankings.push(Ranking::of(probabilities.voxels(), truth).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?);
        }
    }
    Ok(rankings)
}
