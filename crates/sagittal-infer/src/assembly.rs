//! From the slices that tiles have finished to a decision for every voxel of the input's part that was predicted.
//!
//! Slices come in order on the network's grid, are brought to the input's spacing as they come, and are decided and
//! forgotten. The label is decided after resampling, not before, which would cost accuracy at borders.

use crate::{decision::Decision, number::nearest_half, probabilities::OnDisk, soft::Promise};
use rayon::prelude::*;
use sagittal_data::plan::LogitPrecision;
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

/// How slices are brought to the input's spacing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resampling<'a> {
    /// Of each axis of the input's part.
    pub(crate) taps: &'a [Vec<Tap>; 3],
    /// Shape on the network's grid, `[Z, Y, X]`.
    pub(crate) size_in: [usize; 3],
    pub(crate) precision: LogitPrecision,
}

/// Collects the slices of some rows.
pub(crate) struct Assembly<'a> {
    grid: &'a Resampling<'a>,
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
    /// The slice before the one that comes and that one: in float32 already of the input's spacing within slices, in float16 as
    /// they came, because there is to be one rounding, of all together.
    before: Vec<f32>,
    here: Vec<f32>,
    between: Vec<f32>,
}

impl<'a> Assembly<'a> {
    /// Decides the rows `rows_out` of `result` from slices of which the rows [`rows_needed`] come.
    pub(crate) fn new(
        grid: &'a Resampling<'a>,
        rows_out: Range<usize>,
        n_values: usize,
        decision: &'a Decision,
        result: &'a mut OnCrop,
    ) -> Self {
        let rows_in = rows_needed(&grid.taps[1], &rows_out);
        let len_out = rows_out.len() * grid.taps[2].len() * n_values;
        let len_kept = match grid.precision {
            LogitPrecision::Single => len_out,
            LogitPrecision::Half => rows_in.len() * grid.size_in[2] * n_values,
        };
        let (before, here, between) = (vec![0.0; len_kept], vec![0.0; len_kept], vec![0.0; len_out]);
        Self { grid, rows_in, rows_out, n_values, decision, result, next: [0; 2], before, here, between }
    }

    /// Takes the next slice, `[Y, X, V]`.
    pub(crate) fn push(&mut self, slice: &[f32]) {
        std::mem::swap(&mut self.before, &mut self.here);
        match self.grid.precision {
            LogitPrecision::Single => self.resample_within(slice),
            LogitPrecision::Half => self.here.copy_from_slice(slice),
        }
        let [z, _] = self.next;
        let grid = self.grid;
        let along_z = &grid.taps[0];
        while let Some(tap) = along_z.get(self.next[1]).filter(|tap| tap.voxels[1] <= z) {
            match self.grid.precision {
                LogitPrecision::Single => self.resample_between(tap),
                LogitPrecision::Half => self.resample_rounded(tap),
            }
            self.decision.slice(&mut self.between, self.next[1], &self.rows_out, self.n_values, self.result);
            self.next[1] += 1;
        }
        self.next[0] += 1;
    }

    /// The kept slices that a slice of the input lies between.
    fn kept(&self, tap: &Tap) -> [&[f32]; 2] {
        tap.voxels.map(|voxel| if voxel == self.next[0] { &self.here[..] } else { &self.before[..] })
    }

    /// Brings two slices to one of the input: [`Assembly::between`].
    fn resample_between(&mut self, tap: &Tap) {
        let mut between = std::mem::take(&mut self.between);
        let [first, second] = self.kept(tap);
        let [a, b] = tap.weights.map(|weight| weight as f32);
        if b == 0.0 || tap.voxels[0] == tap.voxels[1] {
            between.copy_from_slice(first);
        } else {
            let pairs = between.par_iter_mut().zip(first).zip(second).with_min_len(1 << 14);
            pairs.for_each(|((to, first), second)| *to = a * first + b * second);
        }
        self.between = between;
    }

    /// Brings a slice to the input's rows and columns: [`Assembly::here`].
    fn resample_within(&mut self, slice: &[f32]) {
        let (along_y, along_x, v) = (&self.grid.taps[1][self.rows_out.clone()], &self.grid.taps[2], self.n_values);
        let n_x_in = slice.len() / (self.rows_in.len() * v);
        let row = |y: usize| &slice[(y - self.rows_in.start) * n_x_in * v..][..n_x_in * v];
        self.here.par_chunks_exact_mut(along_x.len() * v).zip(along_y).for_each(|(to, y)| {
            let rows = y.voxels.map(row);
            for (voxel, x) in to.chunks_exact_mut(v).zip(along_x) {
                let [[a, b], [c, d]] = rows.map(|row| x.voxels.map(|x| &row[x * v..][..v]));
                let [[wa, wb], [wc, wd]] = y.weights.map(|y| x.weights.map(|x| y as f32 * x as f32));
                for (k, to) in voxel.iter_mut().enumerate() {
                    *to = wa * a[k] + wb * b[k] + wc * c[k] + wd * d[k];
                }
            }
        });
    }

    /// Brings two slices as they came to one of the input, summed in float64 in the order of `scipy.ndimage.zoom` and rounded once
    /// to float16: [`Assembly::between`].
    fn resample_rounded(&mut self, z: &Tap) {
        let mut between = std::mem::take(&mut self.between);
        let (along_y, along_x, v) = (&self.grid.taps[1][self.rows_out.clone()], &self.grid.taps[2], self.n_values);
        let (slices, n_x_in, first_row) = (self.kept(z), self.grid.size_in[2], self.rows_in.start);
        let n_row = along_x.len() * v;
        between.par_chunks_exact_mut(n_row).zip(along_y).for_each_init(Vec::new, |sums: &mut Vec<f64>, (to, y)| {
            sums.clear();
            sums.resize(n_row, 0.0);
            for (slice, z_weight) in slices.into_iter().zip(z.weights).filter(|(_, weight)| *weight != 0.0) {
                for (row, y_weight) in y.voxels.into_iter().zip(y.weights).filter(|(_, weight)| *weight != 0.0) {
                    let row = &slice[(row - first_row) * n_x_in * v..][..n_x_in * v];
                    for (sums, x) in sums.chunks_exact_mut(v).zip(along_x) {
                        for (x, x_weight) in x.voxels.into_iter().zip(x.weights).filter(|(_, weight)| *weight != 0.0) {
                            let voxel = &row[x * v..][..v];
                            let values = sums.iter_mut().zip(voxel);
                            values.for_each(|(sum, value)| *sum += f64::from(*value) * z_weight * y_weight * x_weight);
                        }
                    }
                }
            }
            to.iter_mut().zip(&*sums).for_each(|(to, sum)| *to = nearest_half(*sum));
        });
        self.between = between;
    }
}

/// The rows of the network's grid on which some rows of the input depend.
pub(crate) fn rows_needed(along_y: &[Tap], rows_out: &Range<usize>) -> Range<usize> {
    let voxels = along_y[rows_out.clone()].iter().flat_map(|tap| tap.voxels);
    let (first, last) = voxels.fold((usize::MAX, 0), |(first, last), voxel| (first.min(voxel), last.max(voxel)));
    first..last + 1
}
