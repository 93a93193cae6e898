//! What tiles, mirrored copies and networks add up to: mean logits of each voxel, as exactly as the plan says.
//!
//! In float32 the order does not matter, so everything is added to one sum. In float16 it does, and is nnU-Net's: the mirrored
//! copies of a tile are averaged in float32; each network has sums of its own, rounded after each tile; their means are added up
//! and divided, rounded each time.

use crate::{
    InferError,
    front::{Front, Outside, TilePlace, TileValues},
    members::Members,
    mirroring::add_flipped,
    region::Region,
    soft::Head,
};
use half::{f16, slice::HalfFloatSliceExt};
use rayon::prelude::*;
use sagittal_data::plan::LogitPrecision;
use std::{borrow::Cow, collections::BTreeMap, ops::Range};

/// What sums are made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts {
    pub(crate) head: Head,
    pub(crate) tile: [usize; 3],
    pub(crate) n_classes: usize,
    pub(crate) n_networks: usize,
    /// Copies of each tile that every network sees.
    pub(crate) n_mirrors: usize,
    pub(crate) precision: LogitPrecision,
    /// Whether a last value says how far the members differ.
    pub(crate) disagreement: bool,
}

/// Sums of the slices that tiles still add to.
pub(crate) struct Sums<'a> {
    parts: Parts,
    fronts: Fronts<'a>,
    /// What the members say of tiles that not all have seen yet, by the tile's first voxel.
    members: BTreeMap<[usize; 3], (Members, usize)>,
}

#[allow(clippy::large_enum_variant, reason = "a prediction has one")]
enum Fronts<'a> {
    /// The disagreement is a last value of each voxel.
    Single(Front<'a, f32>),
    Half {
        logits: Front<'a, f16>,
        disagreement: Option<Front<'a, f32>>,
        /// Sums of the copies so far, by the tile's first voxel and the network.
        copies: BTreeMap<([usize; 3], usize), (Vec<f32>, usize)>,
        /// The slice that is handed on, `[Y, X, V]`.
        slice: Vec<f32>,
    },
}

impl<'a> Sums<'a> {
    /// Nothing added yet to the rows `rows` and all `n_x` columns. `weights` are those of a tile's voxels; outside of a region there
    /// is background.
    pub(crate) fn new(parts: Parts, rows: Range<usize>, n_x: usize, weights: Vec<f32>, region: Option<&'a Region>) -> Self {
        let Parts { head, n_classes, n_networks, precision, disagreement, .. } = parts;
        let outside = |values: Vec<f32>| region.map(|region| Outside { inside: &region.inside, values });
        let background = |n_values| outside(head.background(n_classes, n_values));
        let fronts = match precision {
            LogitPrecision::Single => {
                let n_values = n_classes + usize::from(disagreement);
                Fronts::Single(Front::new(rows, n_x, [1, n_values], weights, background(n_values)))
            }
            LogitPrecision::Half => Fronts::Half {
                disagreement: disagreement.then(|| Front::new(rows.clone(), n_x, [1, 1], weights.clone(), outside(vec![0.0]))),
                logits: Front::new(rows, n_x, [n_networks, n_classes], weights, background(n_classes)),
                copies: BTreeMap::new(),
                slice: Vec::new(),
            },
        };
        Self { parts, fronts, members: BTreeMap::new() }
    }

    /// Makes room up to slice `end` of the image.
    pub(crate) fn reach(&mut self, end: usize) {
        match &mut self.fronts {
            Fronts::Single(front) => front.reach(end),
            Fronts::Half { logits, disagreement, .. } => {
                logits.reach(end);
                disagreement.iter_mut().for_each(|front| front.reach(end));
            }
        }
    }

    /// Adds what a network says of a copy of a tile, `[Z, Y, X, K]`, mirrored along some axes.
    pub(crate) fn add(&mut self, place: &TilePlace, network: usize, values: &[f32], mirrored: &[usize]) {
        let Parts { tile: size, n_classes, n_networks, n_mirrors, disagreement, .. } = self.parts;
        let share = 1.0 / (n_mirrors * n_networks) as f32;
        let tile = TileValues { values, n_values: n_classes, mirrored, share };
        // Mean logits and behind them the disagreement, once all have seen the tile.
        let together = if disagreement { self.heard(place, tile) } else { None };
        match &mut self.fronts {
            Fronts::Single(front) if !disagreement => front.add(place, 0, tile),
            Fronts::Single(front) => {
                if let Some(values) = together {
                    front.add(place, 0, TileValues { values: &values, n_values: n_classes + 1, mirrored: &[], share: 1.0 });
                }
            }
            Fronts::Half { logits, disagreement, copies, .. } => {
                let upright = if n_mirrors == 1 {
                    Some(Cow::Borrowed(values))
                } else {
                    let key = (place.origin, network);
                    let (sums, n_heard) = copies.entry(key).or_insert_with(|| (vec![0.0; values.len()], 0));
                    add_flipped(sums, values, size, n_classes, mirrored);
                    *n_heard += 1;
                    if *n_heard == n_mirrors { copies.remove(&key).map(|(sums, _)| Cow::Owned(mean(sums, n_mirrors))) } else { None }
                };
                if let Some(values) = upright {
                    logits.add(place, network, TileValues { values: &values, n_values: n_classes, mirrored: &[], share: 1.0 });
                }
                if let (Some(front), Some(values)) = (disagreement, together) {
                    let values: Vec<f32> = values.chunks_exact(n_classes + 1).map(|voxel| voxel[n_classes]).collect();
                    front.add(place, 0, TileValues { values: &values, n_values: 1, mirrored: &[], share: 1.0 });
                }
            }
        }
    }

    /// What the members say together of a tile with this copy, if it is the last.
    fn heard(&mut self, place: &TilePlace, tile: TileValues<'_>) -> Option<Vec<f32>> {
        let Parts { head, tile: size, n_classes, n_networks, n_mirrors, .. } = self.parts;
        let (members, n_heard) = self.members.entry(place.origin).or_insert_with(|| (Members::new(head, size, n_classes), 0));
        members.add(tile);
        *n_heard += 1;
        if *n_heard < n_mirrors * n_networks {
            return None;
        }
        self.members.remove(&place.origin).map(|(members, _)| members.values())
    }

    /// Hands all slices before `end` to `sink`, of which one after the other is made if there is none: no tile touches them.
    ///
    /// # Errors
    /// As [`Sums::finish`].
    pub(crate) fn pass(&mut self, end: usize, sink: &mut dyn FnMut(&[f32])) -> Result<(), InferError> {
        let first = match &self.fronts {
            Fronts::Single(front) => front.first(),
            Fronts::Half { logits, .. } => logits.first(),
        };
        (first..end).try_for_each(|slice| {
            self.reach(slice + 1);
            self.finish(slice + 1, sink)
        })
    }

    /// Hands the means of all slices before `end`, which no further tile touches, to `sink` in order: `[Y, X, V]`.
    ///
    /// # Errors
    /// [`InferError::HalfOverflow`] if a mean in float16 is not finite.
    pub(crate) fn finish(&mut self, end: usize, sink: &mut dyn FnMut(&[f32])) -> Result<(), InferError> {
        match &mut self.fronts {
            Fronts::Single(front) => {
                while let Some(slice) = front.next_before(end) {
                    sink(slice);
                }
            }
            Fronts::Half { logits, disagreement, slice, .. } => {
                let (k, v) = (self.parts.n_classes, self.parts.n_classes + usize::from(self.parts.disagreement));
                while let Some(sums) = logits.next_before(end) {
                    let means = mean_of_networks(sums, self.parts.n_networks)?;
                    let Some(differences) = disagreement.as_mut().and_then(|front| front.next_before(end)) else {
                        sink(&means);
                        continue;
                    };
                    slice.resize(differences.len() * v, 0.0);
                    for ((to, logits), difference) in slice.chunks_exact_mut(v).zip(means.chunks_exact(k)).zip(differences) {
                        to[..k].copy_from_slice(logits);
                        to[k] = *difference;
                    }
                    sink(slice);
                }
            }
        }
        Ok(())
    }
}

fn mean(mut sums: Vec<f32>, n: usize) -> Vec<f32> {
    sums.par_iter_mut().with_min_len(1 << 14).for_each(|sum| *sum /= n as f32);
    sums
}

/// Numbers that are converted at a time.
const CHUNK: usize = 1 << 12;

/// The mean of `n` parts of `values`, each of the same length, one after the other: added up and divided in float16.
fn mean_of_networks(values: &[f16], n: usize) -> Result<Vec<f32>, InferError> {
    let len = values.len() / n;
    let mut means = vec![0.0; len];
    let is_finite = means.par_chunks_mut(CHUNK).enumerate().map(|(chunk, means)| {
        let n_here = means.len();
        let of = |network: usize| &values[network * len + chunk * CHUNK..][..n_here];
        let mut sums = of(0).to_vec();
        let mut other = vec![0.0; sums.len()];
        sums.convert_to_f32_slice(means);
        for network in 1..n {
            of(network).convert_to_f32_slice(&mut other);
            means.iter_mut().zip(&other).for_each(|(sum, value)| *sum += value);
            sums.convert_from_f32_slice(means);
            sums.convert_to_f32_slice(means);
        }
        if n > 1 {
            means.iter_mut().for_each(|sum| *sum /= n as f32);
            sums.convert_from_f32_slice(means);
            sums.convert_to_f32_slice(means);
        }
        means.iter().all(|mean| mean.is_finite())
    });
    if is_finite.reduce(|| true, |a, b| a && b) { Ok(means) } else { Err(InferError::HalfOverflow) }
}

#[cfg(test)]
mod tests;
