//! How far the members of a prediction (models, mirrored copies) differ about a tile.

use crate::{front::TileValues, mirroring::flipped, soft::Head};
use rayon::prelude::*;

/// What the members have said of one tile so far.
pub(crate) struct Members {
    head: Head,
    size: [usize; 3],
    n_classes: usize,
    /// `[Z, Y, X, K]`.
    logits: Vec<f32>,
    probabilities: Vec<f32>,
    /// `[Z, Y, X]`.
    entropies: Vec<f32>,
    total: f32,
}

impl Members {
    pub(crate) fn new(head: Head, size: [usize; 3], n_classes: usize) -> Self {
        let n = size.iter().product::<usize>();
        Self {
            head,
            size,
            n_classes,
            logits: vec![0.0; n * n_classes],
            probabilities: vec![0.0; n * n_classes],
            entropies: vec![0.0; n],
            total: 0.0,
        }
    }

    /// Adds what one member says.
    pub(crate) fn add(&mut self, tile: TileValues<'_>) {
        let upright = flipped(tile.values, self.size, self.n_classes, tile.mirrored);
        let (head, share, k) = (self.head, tile.share, self.n_classes);
        let sums = self.logits.par_chunks_mut(k).zip(self.probabilities.par_chunks_mut(k)).zip(&mut self.entropies);
        sums.zip(upright.par_chunks(k)).with_min_len(4096).for_each_init(
            || vec![0.0; k],
            |own, (((logits, probabilities), entropy), values)| {
                own.copy_from_slice(values);
                head.probabilities(own);
                *entropy += share * head.entropy(own);
                logits.iter_mut().zip(values).for_each(|(sum, value)| *sum += share * value);
                probabilities.iter_mut().zip(&*own).for_each(|(sum, value)| *sum += share * value);
            },
        );
        self.total += share;
    }

    /// The mean logits of every voxel and behind them the disagreement, `[Z, Y, X, K + 1]`: the entropy of the members'
    /// mean probabilities minus the mean of their entropies (their mutual information, Houlsby et al. 2011), 0 where all
    /// say the same and at most 1.
    pub(crate) fn values(&self) -> Vec<f32> {
        let (k, scale) = (self.n_classes, 1.0 / self.total);
        let mut values = vec![0.0; self.entropies.len() * (k + 1)];
        let voxels = values.par_chunks_mut(k + 1).zip(self.logits.par_chunks(k)).zip(self.probabilities.par_chunks(k));
        voxels.zip(&self.entropies).with_min_len(4096).for_each_init(
            || vec![0.0; k],
            |mean, (((to, logits), probabilities), entropy)| {
                to.iter_mut().zip(logits).for_each(|(to, sum)| *to = scale * sum);
                mean.iter_mut().zip(probabilities).for_each(|(mean, sum)| *mean = scale * sum);
                to[k] = (self.head.entropy(mean) - scale * entropy).max(0.0);
            },
        );
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_that_agree_do_not_disagree_and_opposite_ones_do_wholly() {
        let sure = [20.0f32, -20.0, 0.0, 0.0];
        let other = [-20.0f32, 20.0, 0.0, 0.0];
        let of = |tiles: &[&[f32]]| {
            let mut members = Members::new(Head::Classes, [1, 1, 2], 2);
            tiles.iter().for_each(|values| members.add(TileValues { values, n_values: 2, mirrored: &[], share: 0.5 }));
            members.values()
        };
        let same = of(&[&sure, &sure]);
        assert!(same[2].abs() < 1e-6 && same[5].abs() < 1e-6 && (same[0] - 20.0).abs() < 1e-5, "{same:?}");
        // The second voxel is unsure for each member: no disagreement.
        let opposite = of(&[&sure, &other]);
        assert!((opposite[2] - 1.0).abs() < 1e-4 && opposite[5].abs() < 1e-6 && opposite[0].abs() < 1e-5, "{opposite:?}");
        // A mirrored member is turned back first.
        let mut members = Members::new(Head::Classes, [1, 1, 2], 2);
        members.add(TileValues { values: &[0.0, 0.0, 20.0, -20.0], n_values: 2, mirrored: &[2], share: 1.0 });
        assert_eq!(members.values()[..2], [20.0, -20.0]);
    }
}
