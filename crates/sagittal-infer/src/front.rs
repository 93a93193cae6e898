//! The slices of an image that tiles still add to: all that prediction holds of its logits.
//!
//! Tiles come in the order of their first slice. Once no further tile begins before a slice, its sums are final, and the
//! slice is handed on and forgotten: memory grows with the thickness of a tile, not with that of the image.

use rayon::prelude::*;
use sagittal_image::Volume;
use std::{collections::VecDeque, ops::Range};

/// Where a tile lies in an image that was padded with zeros to at least a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TilePlace {
    /// Its first voxel in the padded image, `[Z, Y, X]`.
    pub(crate) origin: [usize; 3],
    /// Its size.
    pub(crate) size: [usize; 3],
    /// Voxels of padding before the image.
    pub(crate) below: [usize; 3],
}

impl TilePlace {
    /// Of the voxels `of` of the image along an axis those under the tile, and the tile's voxel at the first of them.
    pub(crate) fn overlap(&self, axis: usize, of: &Range<usize>) -> (Range<usize>, usize) {
        let (origin, below) = (self.origin[axis], self.below[axis]);
        let first = origin.saturating_sub(below).max(of.start);
        let end = (origin + self.size[axis]).saturating_sub(below).min(of.end).max(first);
        (first..end, (first + below).saturating_sub(origin))
    }
}

/// What a tile says: values of every voxel, and how they are to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TileValues<'a> {
    /// `[Z, Y, X, V]`.
    pub(crate) values: &'a [f32],
    /// `V`, at most the front's.
    pub(crate) n_values: usize,
    /// Axes along which they are mirrored.
    pub(crate) mirrored: &'a [usize],
    /// They count this much, besides their place in the tile.
    pub(crate) share: f32,
}

/// What is said of voxels in which nothing is to be found.
pub(crate) struct Outside<'a> {
    /// Where something is, `[Z, Y, X]`.
    pub(crate) inside: &'a Volume<bool>,
    /// Values of all others.
    pub(crate) values: Vec<f32>,
}

/// Sums of weighted tiles over some slices and rows.
pub(crate) struct Front<'a> {
    rows: Range<usize>,
    n_x: usize,
    n_values: usize,
    /// Of a tile's voxels, `[Z, Y, X]`.
    weights: Vec<f32>,
    /// Slice of the image that `slices[0]` is.
    first: usize,
    slices: VecDeque<Slice>,
    spare: Vec<Slice>,
    outside: Option<Outside<'a>>,
}

/// Sums of one slice.
struct Slice {
    /// Values times weights, `[Y, X, V]`.
    sums: Vec<f32>,
    /// Weights, `[Y, X]`.
    totals: Vec<f32>,
}

impl<'a> Front<'a> {
    /// Sums of `n_values` for each voxel of the rows `rows` and all `n_x` columns, with nothing added yet. `weights` are those of
    /// a tile's voxels.
    pub(crate) fn new(rows: Range<usize>, n_x: usize, n_values: usize, weights: Vec<f32>, outside: Option<Outside<'a>>) -> Self {
        Self { rows, n_x, n_values, weights, first: 0, slices: VecDeque::new(), spare: Vec::new(), outside }
    }

    /// Hands all slices before `end` to `sink`, of which one after the other is made if there is none: no tile touches them.
    pub(crate) fn pass(&mut self, end: usize, sink: &mut dyn FnMut(&[f32])) {
        while self.first < end {
            self.reach(self.first + 1);
            self.finish(self.first + 1, sink);
        }
    }

    /// Makes room up to slice `end` of the image.
    pub(crate) fn reach(&mut self, end: usize) {
        let n_voxels = self.rows.len() * self.n_x;
        while self.first + self.slices.len() < end {
            let slice = self.spare.pop().map_or_else(
                || Slice { sums: vec![0.0; n_voxels * self.n_values], totals: vec![0.0; n_voxels] },
                |mut slice| {
                    slice.sums.fill(0.0);
                    slice.totals.fill(0.0);
                    slice
                },
            );
            self.slices.push_back(slice);
        }
    }

    /// Adds a tile, weighted by the place of each voxel in it.
    pub(crate) fn add(&mut self, place: &TilePlace, tile: TileValues<'_>) {
        let TileValues { values, n_values, mirrored, share } = tile;
        let [n_z, n_y, n_x] = place.size;
        let slices = self.first..self.first + self.slices.len();
        let (zs, tile_z) = place.overlap(0, &slices);
        let (ys, tile_y) = place.overlap(1, &self.rows);
        let (xs, tile_x) = place.overlap(2, &(0..self.n_x));
        let at = |axis: usize, i: usize, n: usize| if mirrored.contains(&axis) { n - 1 - i } else { i };
        let (first, rows, n_own, columns, weights) = (self.first, &self.rows, self.n_values, self.n_x, &self.weights);
        let touched = self.slices.par_iter_mut().enumerate().skip(zs.start - first).take(zs.len());
        touched.for_each(|(i, slice)| {
            let z = tile_z + first + i - zs.start;
            for (row, y) in ys.clone().zip(tile_y..) {
                let weights = &weights[(z * n_y + y) * n_x + tile_x..][..xs.len()];
                let from = &values[(at(0, z, n_z) * n_y + at(1, y, n_y)) * n_x * n_values..][..n_x * n_values];
                let place = (row - rows.start) * columns + xs.start;
                let to = slice.sums[place * n_own..][..xs.len() * n_own].chunks_exact_mut(n_own);
                let totals = &mut slice.totals[place..][..xs.len()];
                for (x, ((sums, total), weight)) in (tile_x..).zip(to.zip(totals).zip(weights)) {
                    let weight = share * weight;
                    *total += weight;
                    let voxel = &from[at(2, x, n_x) * n_values..][..n_values];
                    sums.iter_mut().zip(voxel).for_each(|(sum, value)| *sum += weight * value);
                }
            }
        });
    }

    /// Hands the means of all slices before `end`, which no further tile touches, to `sink` in order: `[Y, X, V]`.
    pub(crate) fn finish(&mut self, end: usize, sink: &mut dyn FnMut(&[f32])) {
        while self.first < end {
            let Some(mut slice) = self.slices.pop_front() else { return };
            let (n_values, first_row) = (self.n_values, self.rows.start);
            let inside = self.outside.as_ref().map(|outside| {
                let [_, n_y, n_x] = outside.inside.shape();
                (&outside.inside.voxels()[self.first * n_y * n_x..][..n_y * n_x], &outside.values[..])
            });
            slice.sums.par_chunks_mut(self.n_x * n_values).zip(slice.totals.par_chunks(self.n_x)).enumerate().for_each(
                |(y, (row, totals))| {
                    for (x, (voxel, total)) in row.chunks_exact_mut(n_values).zip(totals).enumerate() {
                        match inside {
                            Some((inside, values)) if !inside[(first_row + y) * totals.len() + x] => voxel.copy_from_slice(values),
                            _ => voxel.iter_mut().for_each(|value| *value /= total),
                        }
                    }
                },
            );
            sink(&slice.sums);
            self.spare.push(slice);
            self.first += 1;
        }
    }
}
