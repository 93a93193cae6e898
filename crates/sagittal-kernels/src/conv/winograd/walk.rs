//! How a Winograd pass walks through the volume, and how its buffers are laid out.
//!
//! A step covers some rows of tiles of some consecutive slices. Steps run along Z first, so that the next step finds the
//! transformed input slices that it shares with the one before.

use super::super::direct::Grid;
use super::super::parts::Source;
use super::super::phase::Phase;
use super::Tile;
use crate::simd::Simd;
use std::ops::Range;

/// Tiles of a step, about: each transformed weight that comes from the second cache is used for so many products, and the
/// buffers of a step still fit into that cache. Measured at 32 and 64 channels in 2-D and 3-D, forward and backward: 32 to
/// 64 tiles in 3 to 7 slices are equally fast within the noise, 24 are slower by some percent.
const TILES: usize = 40;
/// As [`TILES`] where the transformed weights are larger than the second cache many times over.
const TILES_FOR_LARGE_WEIGHTS: usize = 96;
/// Slices of a step, about, where the kernel has several: neighbouring slices share transformed inputs.
const SLICES: usize = 4;
/// What counts as large, in numbers.
const LARGE_WEIGHTS: usize = 2 << 20;

/// The cut of a volume into steps.
#[derive(Clone, Debug)]
pub(super) struct Tiling {
    pub(super) tile: Tile,
    /// Samples and slices per sample, in and out.
    batch: usize,
    pub(super) slices_in: usize,
    pub(super) slices_out: usize,
    /// Input and output size of the plane, `[Y, X]`.
    pub(super) plane_in: [usize; 2],
    pub(super) plane_out: [usize; 2],
    /// Input position of output `[0, 0, 0]`'s first tap.
    first: [isize; 3],
    pub(super) taps_z: usize,
    pub(super) c_in: usize,
    /// Channels of a transformed tile: `c_in`, and room for the last vector of each part.
    pub(super) input_channels: usize,
    /// Channels of a product.
    pub(super) columns: usize,
    /// Rows of tiles of the plane, tiles of a row.
    tile_rows: usize,
    tile_columns: usize,
    /// Slices, rows and columns of tiles of a full step.
    step_slices: usize,
    step_rows: usize,
    step_columns: usize,
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) sample: usize,
    pub(super) first_slice: usize,
    pub(super) n_slices: usize,
    /// Rows and columns of tiles.
    pub(super) first_row: usize,
    pub(super) first_column: usize,
    pub(super) n_columns: usize,
    /// Tiles of a slice.
    pub(super) n_tiles: usize,
}

impl Step {
    /// Row and column of a tile of the step.
    #[inline(always)]
    pub(super) fn place(&self, tile: usize) -> (usize, usize) {
        (self.first_row + tile / self.n_columns, self.first_column + tile % self.n_columns)
    }
}

/// Consecutive slices of a step that see the same taps along Z: those whose input exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// Relative to the step.
    pub(super) first_slice: usize,
    pub(super) n_slices: usize,
    pub(super) first_tap: usize,
    pub(super) n_taps: usize,
}

/// Offsets of the tiles of some slices of a step, in the order in which a matrix product takes them.
pub(super) struct Rows {
    /// In the input buffer.
    pub(super) input: Vec<usize>,
    /// In the product buffer.
    pub(super) product: Vec<usize>,
}

/// The buffers of a stretch of steps.
pub(super) struct Buffers {
    pub(super) input: *mut f32,
    pub(super) product: *mut f32,
}

impl Tiling {
    pub(super) fn new(simd: Simd, tile: Tile, grid: &Grid, phase: &Phase, source: Source<'_>, columns: usize, least_steps: usize) -> Self {
        let lanes = simd.lanes();
        let [z, y, x] = &phase.axes;
        let [(_, c0), (_, c1)] = source.parts;
        let input_channels = if c1 == 0 { c0.next_multiple_of(lanes) } else { c0 + c1.next_multiple_of(lanes) };
        // Slices that share no taps are like samples, and a step may cover several samples.
        let separate = z.taps.len() == 1 && z.in_first == 0 && z.n == grid.size_in[0];
        let (batch, slices_in, slices_out) =
            if separate { (1, grid.batch * z.n, grid.batch * z.n) } else { (grid.batch, grid.size_in[0], z.n) };
        let (tile_rows, tile_columns) = (y.n.div_ceil(tile.outputs()), x.n.div_ceil(tile.outputs()));
        let weights = tile.frequencies() * z.taps.len() * (c0 + c1) * columns;
        let tiles = if weights > LARGE_WEIGHTS { TILES_FOR_LARGE_WEIGHTS } else { TILES };
        // Smaller steps where there would be too few of them for the threads.
        let slices_wanted = if z.taps.len() == 1 { tiles.div_ceil(tile_rows * tile_columns) } else { SLICES };
        let mut step_slices = even_share(slices_out, slices_wanted);
        let mut step_rows = even_share(tile_rows, tiles.div_ceil(tile_columns * step_slices));
        let step_columns = if step_rows == 1 { even_share(tile_columns, tiles.div_ceil(step_slices)) } else { tile_columns };
        while batch * tile_rows.div_ceil(step_rows) * slices_out.div_ceil(step_slices) < least_steps && step_rows * step_slices > 1 {
            if step_rows > 1 {
                step_rows = step_rows.div_ceil(2);
            } else {
                step_slices = step_slices.div_ceil(2);
            }
        }
        Self {
            tile,
            batch,
            slices_in,
            slices_out,
            plane_in: [grid.size_in[1], grid.size_in[2]],
            plane_out: [y.n, x.n],
            first: [z.in_first, y.in_first, x.in_first],
            taps_z: z.taps.len(),
            c_in: c0 + c1,
            input_channels,
            columns,
            tile_rows,
            tile_columns,
            step_slices,
            step_rows,
            step_columns,
        }
    }

    fn steps_z(&self) -> usize {
        self.slices_out.div_ceil(self.step_slices)
    }

    /// Stacks of steps along Z in a sample: along Y and X.
    fn stacks(&self) -> [usize; 2] {
        [self.tile_rows.div_ceil(self.step_rows), self.tile_columns.div_ceil(self.step_columns)]
    }

    pub(super) fn n_steps(&self) -> usize {
        let [rows, columns] = self.stacks();
        self.batch * rows * columns * self.steps_z()
    }

    pub(super) fn step(&self, index: usize) -> Step {
        let [rows, columns] = self.stacks();
        let (stack, first_slice) = (index / self.steps_z(), index % self.steps_z() * self.step_slices);
        let (first_row, first_column) = (stack / columns % rows * self.step_rows, stack % columns * self.step_columns);
        let n_columns = self.step_columns.min(self.tile_columns - first_column);
        Step {
            sample: stack / (rows * columns),
            first_slice,
            n_slices: self.step_slices.min(self.slices_out - first_slice),
            first_row,
            first_column,
            n_columns,
            n_tiles: self.step_rows.min(self.tile_rows - first_row) * n_columns,
        }
    }

    /// Distance between frequencies in the input buffer: an odd number of cache lines, lest the stores of a tile, one
    /// per frequency, fall on few sets of the cache.
    pub(super) fn input_frequency(&self) -> usize {
        odd_lines(self.step_rows * self.step_columns * self.input_channels)
    }

    pub(super) fn input_slice(&self) -> usize {
        self.tile.frequencies() * self.input_frequency()
    }

    pub(super) fn input_len(&self) -> usize {
        (self.step_slices + self.taps_z - 1) * self.input_slice()
    }

    pub(super) fn product_frequency(&self) -> usize {
        odd_lines(self.step_rows * self.step_columns * self.columns)
    }

    pub(super) fn product_slice(&self) -> usize {
        self.tile.frequencies() * self.product_frequency()
    }

    pub(super) fn product_len(&self) -> usize {
        self.step_slices * self.product_slice()
    }

    /// Input position `[Y, X]` of the first number of a tile.
    pub(super) fn tile_origin(&self, (row, column): (usize, usize)) -> [isize; 2] {
        let m = self.tile.outputs();
        [self.first[1] + (row * m) as isize, self.first[2] + (column * m) as isize]
    }

    /// Moves the slices that the step before has transformed already to their new places, and gives the others: input
    /// slice and slot.
    ///
    /// # Safety
    /// `input` is the buffer that the step before used.
    #[inline(always)]
    pub(super) unsafe fn prepare(
        &self,
        step: &Step,
        before: Option<&Step>,
        input: *mut f32,
    ) -> impl Iterator<Item = (usize, usize)> + use<> {
        // Slot s holds input slice `base + s`.
        let base = self.first[0] + step.first_slice as isize;
        let slots = step.n_slices + self.taps_z - 1;
        let follows =
            before.filter(|b| (b.sample, b.first_row, b.first_slice + b.n_slices) == (step.sample, step.first_row, step.first_slice));
        let kept = match follows {
            Some(before) => {
                let kept = self.taps_z - 1;
                // SAFETY: both ranges lie inside the buffer.
                unsafe { std::ptr::copy(input.add(before.n_slices * self.input_slice()), input, kept * self.input_slice()) };
                kept
            }
            None => 0,
        };
        let slices_in = self.slices_in as isize;
        (kept..slots).filter_map(move |slot| {
            let slice = base + slot as isize;
            (slice >= 0 && slice < slices_in).then_some((slice as usize, slot))
        })
    }

    /// The step's slices, grouped by the taps along Z whose input exists.
    pub(super) fn runs(&self, step: &Step) -> Vec<Run> {
        let mut runs: Vec<Run> = vec![];
        for q in 0..step.n_slices {
            let Range { start, end } = self.taps_of(step.first_slice + q);
            match runs.last_mut() {
                Some(run) if (run.first_tap, run.n_taps) == (start, end - start) => run.n_slices += 1,
                _ => runs.push(Run { first_slice: q, n_slices: 1, first_tap: start, n_taps: end - start }),
            }
        }
        runs
    }

    /// The tiles of a run, relative to its first slice and tap.
    pub(super) fn rows(&self, step: &Step, run: &Run) -> Rows {
        let (mut input, mut product) = (vec![], vec![]);
        for q in run.first_slice..run.first_slice + run.n_slices {
            for t in 0..step.n_tiles {
                input.push((q + run.first_tap) * self.input_slice() + t * self.input_channels);
                product.push(q * self.product_slice() + t * self.columns);
            }
        }
        Rows { input, product }
    }

    /// The taps along Z of an output slice whose input exists.
    fn taps_of(&self, slice: usize) -> Range<usize> {
        let base = self.first[0] + slice as isize;
        let start = (-base).clamp(0, self.taps_z as isize);
        let end = (self.slices_in as isize - base).clamp(start, self.taps_z as isize);
        start as usize..end as usize
    }
}

/// The size of equal shares of `whole`, near `wanted`.
fn even_share(whole: usize, wanted: usize) -> usize {
    let shares = whole.div_ceil(wanted.max(1)).max(1);
    whole.div_ceil(shares).max(1)
}

/// At least `numbers`, as an odd number of cache lines.
pub(super) fn odd_lines(numbers: usize) -> usize {
    (numbers.div_ceil(16) | 1) * 16
}
