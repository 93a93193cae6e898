//! From the slices that tiles have finished to a decision for every voxel of the input's part that was predicted.
//!
//! Slices come in order on the network's grid, are brought to the input's spacing as they come, and are decided and
//! forgotten. The label is decided after resampling, not before, which would cost accuracy at borders.

use crate::{decision::Decision, probabilities::OnDisk, soft::Promise};
use rayon::prelude::*;
use sagittal_image::{Tap, Volume};
use std::ops::Range;

/// What is known of every voxel in the end, `[Z, Y, X]` each.
#[derive(Debug)]
pub(crate) struct OnCrop {
    pub(crate) labels: Volume<u16>,
    /// If they were asked for.
    pub(crate) probabilities: Option<OnDisk>,
    /// Why probabilities could not be kept.
    pub(crate) failure: Option<std::io::Error>,
    /// If it was asked for.
    pub(crate) uncertainty: Option<UncertaintyOnCrop>,
}

/// How sure the labels are, see [`crate::Uncertainty`].
#[derive(Clone, Debug)]
pub(crate) struct UncertaintyOnCrop {
    pub(crate) entropy: Volume<f32>,
    pub(crate) disagreement: Volume<f32>,
    pub(crate) promise: Promise,
}

/// Collects the slices of some rows.
pub(crate) struct Assembly<'a> {
    taps: &'a [Vec<Tap>; 3],
    /// Rows that come.
    rows_in: Range<usize>,
    /// Rows that are decided.
    rows_out: Range<usize>,
    /// Values of a voxel that comes.
    n_values: usize,
    decision: &'a Decision,
    result: &'a mut OnCrop,
    /// The next slice to come, and the next to decide.
    next: [usize; 2],
    /// The slice before the one that comes and that one, within slices already of the input's spacing.
    before: Vec<f32>,
    here: Vec<f32>,
    between: Vec<f32>,
}

impl<'a> Assembly<'a> {
    /// Decides the rows `rows_out` of `result` from slices of which the rows [`rows_needed`] come.
    pub(crate) fn new(
        taps: &'a [Vec<Tap>; 3],
        rows_out: Range<usize>,
        n_values: usize,
        decision: &'a Decision,
        result: &'a mut OnCrop,
    ) -> Self {
        let rows_in = rows_needed(&taps[1], &rows_out);
        let len = rows_out.len() * taps[2].len() * n_values;
        let slice = || vec![0.0; len];
        Self { taps, rows_in, rows_out, n_values, decision, result, next: [0; 2], before: slice(), here: slice(), between: slice() }
    }

    /// Takes the next slice, `[Y, X, V]`.
    pub(crate) fn push(&mut self, slice: &[f32]) {
        std::mem::swap(&mut self.before, &mut self.here);
        self.resample_within(slice);
        let [z, _] = self.next;
        let along_z = &self.taps[0];
        while let Some(tap) = along_z.get(self.next[1]).filter(|tap| tap.voxels[1] <= z) {
            let [first, second] = tap.voxels.map(|voxel| if voxel == z { &self.here } else { &self.before });
            let [a, b] = tap.weights;
            if b == 0.0 || tap.voxels[0] == tap.voxels[1] {
                self.between.copy_from_slice(first);
            } else {
                let pairs = self.between.par_iter_mut().zip(first).zip(second).with_min_len(1 << 14);
                pairs.for_each(|((to, first), second)| *to = a * first + b * second);
            }
            self.decision.slice(&mut self.between, self.next[1], &self.rows_out, self.n_values, self.result);
            self.next[1] += 1;
        }
        self.next[0] += 1;
    }

    /// Brings a slice to the input's rows and columns: [`Assembly::here`].
    fn resample_within(&mut self, slice: &[f32]) {
        let (along_y, along_x, v) = (&self.taps[1][self.rows_out.clone()], &self.taps[2], self.n_values);
        let n_x_in = slice.len() / (self.rows_in.len() * v);
        let row = |y: usize| &slice[(y - self.rows_in.start) * n_x_in * v..][..n_x_in * v];
        self.here.par_chunks_exact_mut(along_x.len() * v).zip(along_y).for_each(|(to, y)| {
            let rows = y.voxels.map(row);
            for (voxel, x) in to.chunks_exact_mut(v).zip(along_x) {
                let [[a, b], [c, d]] = rows.map(|row| x.voxels.map(|x| &row[x * v..][..v]));
                let [[wa, wb], [wc, wd]] = y.weights.map(|y| x.weights.map(|x| y * x));
                for (k, to) in voxel.iter_mut().enumerate() {
                    *to = wa * a[k] + wb * b[k] + wc * c[k] + wd * d[k];
                }
            }
        });
    }
}

/// The rows of the network's grid on which some rows of the input depend.
pub(crate) fn rows_needed(along_y: &[Tap], rows_out: &Range<usize>) -> Range<usize> {
    let voxels = along_y[rows_out.clone()].iter().flat_map(|tap| tap.voxels);
    let (first, last) = voxels.fold((usize::MAX, 0), |(first, last), voxel| (first.min(voxel), last.max(voxel)));
    first..last + 1
}
