//! The slices of an image that tiles still add to: all that prediction holds of its logits.
//!
//! Tiles come in the order of their first slice. Once no further tile begins before a slice, its sums are final, and the
//! slice is handed on and forgotten: memory grows with the thickness of a tile, not with that of the image.

use crate::number::{Number, Row};
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
#[derive(Clone)]
pub(crate) struct Outside<'a> {
    /// Where something is, `[Z, Y, X]`.
    pub(crate) inside: &'a Volume<bool>,
    /// Values of all others.
    pub(crate) values: Vec<f32>,
}

/// Sums of weighted tiles over some slices and rows, kept in numbers `T`.
pub(crate) struct Front<'a, T> {
    rows: Range<usize>,
    n_x: usize,
    n_values: usize,
    /// Sums that are kept apart from each other, over the same weights.
    n_members: usize,
    /// Of a tile's voxels, `[Z, Y, X]`.
    weights: Vec<f32>,
    /// Slice of the image that `slices[0]` is.
    first: usize,
    slices: VecDeque<Slice<T>>,
    /// Room for further slices; the last one to be added was handed on last.
    spare: Vec<Slice<T>>,
    outside: Option<Outside<'a>>,
}

/// Sums of one slice.
struct Slice<T> {
    /// Values times weights, `[M, Y, X, V]`.
    sums: Vec<T>,
    /// Weights, `[Y, X]`.
    totals: Vec<T>,
}

impl<'a, T: Number> Front<'a, T> {
    /// `n_members` times sums of `n_values` for each voxel of the rows `rows` and all `n_x` columns, with nothing added yet.
    /// `weights` are those of a tile's voxels.
    pub(crate) fn new(
        rows: Range<usize>,
        n_x: usize,
        [n_members, n_values]: [usize; 2],
        weights: Vec<f32>,
        outside: Option<Outside<'a>>,
    ) -> Self {
        Self { rows, n_x, n_values, n_members, weights, first: 0, slices: VecDeque::new(), spare: Vec::new(), outside }
    }

    /// The first slice that was not handed on yet.
    pub(crate) fn first(&self) -> usize {
        self.first
    }

    /// Makes room up to slice `end` of the image.
    pub(crate) fn reach(&mut self, end: usize) {
        let n_voxels = self.rows.len() * self.n_x;
        let n_sums = self.n_members * n_voxels * self.n_values;
        while self.first + self.slices.len() < end {
            let slice = self.spare.pop().map_or_else(
                || Slice { sums: vec![T::default(); n_sums], totals: vec![T::default(); n_voxels] },
                |mut slice| {
                    slice.sums.fill(T::default());
                    slice.totals.fill(T::default());
                    slice
                },
            );
            self.slices.push_back(slice);
        }
    }

    /// Adds a tile of a member, weighted by the place of each voxel in it. The weights are those of the first member: the
    /// others add the same tiles.
    pub(crate) fn add(&mut self, place: &TilePlace, member: usize, tile: TileValues<'_>) {
        let TileValues { values, n_values, mirrored, share } = tile;
        let [n_z, n_y, n_x] = place.size;
        let slices = self.first..self.first + self.slices.len();
        let (zs, tile_z) = place.overlap(0, &slices);
        let (ys, tile_y) = place.overlap(1, &self.rows);
        let (xs, tile_x) = place.overlap(2, &(0..self.n_x));
        let at = |axis: usize, i: usize, n: usize| if mirrored.contains(&axis) { n - 1 - i } else { i };
        let (first, rows, n_own, columns, weights) = (self.first, &self.rows, self.n_values, self.n_x, &self.weights);
        let own = member * rows.len() * columns;
        let touched = self.slices.par_iter_mut().enumerate().skip(zs.start - first).take(zs.len());
        touched.for_each_init(Vec::new, |room, (i, slice)| {
            let z = tile_z + first + i - zs.start;
            for (row, y) in ys.clone().zip(tile_y..) {
                let weights = &weights[(z * n_y + y) * n_x + tile_x..][..xs.len()];
                let values = &values[(at(0, z, n_z) * n_y + at(1, y, n_y)) * n_x * n_values..][..n_x * n_values];
                let place = (row - rows.start) * columns + xs.start;
                let sums = &mut slice.sums[(own + place) * n_own..][..xs.len() * n_own];
                T::add_row(sums, n_own, Row { values, n_values, first: tile_x, is_mirrored: mirrored.contains(&2), weights, share }, room);
                if member == 0 {
                    T::add_weights(&mut slice.totals[place..][..xs.len()], weights, share, room);
                }
            }
        });
    }

    /// The means of the next slice before `end`, which no further tile touches, `[M, Y, X, V]`; `None` when all were handed on.
    pub(crate) fn next_before(&mut self, end: usize) -> Option<&[T]> {
        let mut slice = if self.first < end { self.slices.pop_front()? } else { return None };
        let (n_x, n_values, n_rows, first_row) = (self.n_x, self.n_values, self.rows.len(), self.rows.start);
        let inside = self.outside.as_ref().map(|outside| {
            let [_, n_y, n_x] = outside.inside.shape();
            (&outside.inside.voxels()[self.first * n_y * n_x..][..n_y * n_x], &outside.values[..])
        });
        let totals = slice.totals.chunks(n_x).cycle();
        let rows: Vec<_> = slice.sums.chunks_mut(n_x * n_values).zip(totals).collect();
        rows.into_par_iter().enumerate().for_each_init(Vec::new, |room, (i, (row, totals))| {
            T::divide_row(row, n_values, totals, room);
            let Some((inside, values)) = inside else { return };
            let inside = &inside[(first_row + i % n_rows) * n_x..][..n_x];
            for (voxel, _) in row.chunks_exact_mut(n_values).zip(inside).filter(|(_, inside)| !**inside) {
                voxel.iter_mut().zip(values).for_each(|(to, value)| *to = T::of(*value));
            }
        });
        self.first += 1;
        self.spare.push(slice);
        self.spare.last().map(|slice| &slice.sums[..])
    }
}
