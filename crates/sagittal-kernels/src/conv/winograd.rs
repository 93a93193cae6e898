//! Winograd convolution F(M x M, 3 x 3) over Y and X, the taps along Z summed in the transformed domain.
//!
//! The plane is cut into tiles of M x M outputs. A tile's (M + 2) x (M + 2) inputs, its outputs and the 3 x 3 weights are
//! transformed so that the convolution becomes (M + 2)^2 products per channel pair instead of 9 M^2: a quarter with
//! M = 4, and 4/9 with M = 2. What is left is one matrix product per transformed position ("frequency"): tiles x
//! channels in, times channels in x channels out, summed over the taps along Z.
//!
//! Source: Lavin and Gray 2016, "Fast algorithms for convolutional neural networks"; points 0, ±1, ±2, ∞. The transforms
//! cost accuracy: about ten times the rounding of the direct kernel for M = 4 (see the test that prints it).

mod transform;
mod walk;
pub(super) mod weight;

use super::direct::Grid;
use super::packing::{CHANNELS, Weights, gather};
use super::parts::{Block, Sink, Source, blocks_of};
use super::phase::Phase;
use super::tile::{MOST_ROWS, Start, multiply, next_rows};
use crate::scratch::with_buffer;
use crate::shared::Shared;
use crate::simd::{Kernel, Simd, Vector};
use rayon::prelude::*;
use transform::{input_tiles, output_tiles, weight_matrix};
use walk::{Buffers, Tiling, odd_lines};

/// Transformed weights, in numbers, from which the threads share the weights instead of the volume: 4 MiB, several times
/// the second cache.
const SHARED_WEIGHTS: usize = 1 << 20;

/// Outputs of a tile along Y and X.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Tile {
    /// F(2x2, 3x3): 16 frequencies.
    Two,
    /// F(4x4, 3x3): 36 frequencies.
    Four,
}

impl Tile {
    /// Outputs along an axis.
    pub(super) fn outputs(self) -> usize {
        match self {
            Self::Two => 2,
            Self::Four => 4,
        }
    }

    /// Transformed positions of a tile.
    pub(super) fn frequencies(self) -> usize {
        (self.outputs() + 2).pow(2)
    }
}

/// Whether the algorithm applies: 3 x 3 taps in the plane and stride 1.
pub(super) fn applies(kernel: [usize; 3], stride: [usize; 3]) -> bool {
    kernel[1..] == [3, 3] && stride == [1; 3]
}

/// Distance between the transformed weights of one frequency and the next: an odd number of cache lines, lest the lines of
/// all frequencies fall on the same sets of the cache.
fn packed_frequency(taps_z: usize, c_in: usize, width: usize) -> usize {
    odd_lines(taps_z * c_in * width)
}

/// Numbers that [`pack`] writes.
pub(super) fn packed_len(tile: Tile, blocks: &[Block], taps_z: usize, c_in: usize, width: usize) -> usize {
    blocks.len() * tile.frequencies() * packed_frequency(taps_z, c_in, width)
}

/// Transforms the weights into `[block, frequency, KZ, C_in, width]`, each frequency at [`packed_frequency`].
pub(super) fn pack(simd: Simd, tile: Tile, weights: Weights<'_>, taps: &[usize], blocks: &[Block], packed: &mut [f32]) {
    let width = 2 * simd.lanes();
    let per_block = packed_len(tile, &blocks[..1], taps.len() / 9, weights.c_in, width);
    let groups = weights.c_in.div_ceil(CHANNELS);
    let shared = Shared::of(packed);
    (0..blocks.len() * groups).into_par_iter().for_each(|i| {
        let (b, first) = (i / groups, i % groups * CHANNELS);
        let channels = first..(first + CHANNELS).min(weights.c_in);
        // SAFETY: block `b` lies inside the packed weights, and its `channels` are written by this task alone.
        let to = unsafe { shared.get().add(b * per_block) };
        with_buffer(CHANNELS * taps.len() * width, |buffer| {
            gather(weights, taps, &blocks[b], channels.clone(), width, buffer);
            simd.run(PackBlock { tile, taps_z: taps.len() / 9, c_in: weights.c_in, channels, from: buffer, to });
        });
    });
}

/// The transform of the weights of one block and some input channels.
struct PackBlock<'a> {
    tile: Tile,
    taps_z: usize,
    c_in: usize,
    channels: std::ops::Range<usize>,
    from: &'a [f32], // [channel, KZ, KY, KX, width]
    to: *mut f32,    // [frequency, KZ, C_in, width]
}

impl Kernel for PackBlock<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        // SAFETY: passed on.
        unsafe {
            match self.tile {
                Tile::Two => pack_block::<V, 4>(&self),
                Tile::Four => pack_block::<V, 6>(&self),
            }
        }
    }
}

/// # Safety
/// The machine has the instructions of `V`; `task.to` is valid for the block's weights.
#[inline(always)]
unsafe fn pack_block<V: Vector, const T: usize>(task: &PackBlock<'_>) {
    let &PackBlock { taps_z, c_in, from, to, .. } = task;
    let width = 2 * V::LANES;
    let (matrix, frequency) = (weight_matrix::<T>(), packed_frequency(taps_z, c_in, width));
    for (n, i) in task.channels.clone().enumerate() {
        for z in 0..taps_z {
            let plane = &from[(n * taps_z + z) * 9 * width..][..9 * width];
            for half in [0, V::LANES] {
                // u = G g G^T, the rows first.
                // SAFETY: `plane` holds 9 rows of `width` numbers; `to` all frequencies of the block.
                unsafe {
                    let mut rows = [[V::zero(); 3]; T];
                    for kx in 0..3 {
                        let mut g = [V::zero(); 3];
                        for ky in 0..3 {
                            g[ky] = V::load(plane.as_ptr().add((ky * 3 + kx) * width + half));
                        }
                        for f in 0..T {
                            rows[f][kx] = combine(matrix[f], g);
                        }
                    }
                    for fy in 0..T {
                        for fx in 0..T {
                            let at = (fy * T + fx) * frequency + (z * c_in + i) * width + half;
                            combine(matrix[fx], rows[fy]).store(to.add(at));
                        }
                    }
                }
            }
        }
    }
}

/// # Safety
/// The machine has the instructions of `V`.
#[inline(always)]
unsafe fn combine<V: Vector>(factors: [f32; 3], values: [V; 3]) -> V {
    // SAFETY: registers only.
    unsafe {
        let sum = V::splat(factors[0]).mul(values[0]);
        let sum = V::splat(factors[1]).mul_add(values[1], sum);
        V::splat(factors[2]).mul_add(values[2], sum)
    }
}

/// Transforms the weights and runs the pass.
pub(super) fn run(
    simd: Simd,
    tile: Tile,
    grid: &Grid,
    phase: &Phase,
    source: Source<'_>,
    weights: Weights<'_>,
    bias: Option<&[f32]>,
    sink: Sink<'_>,
) {
    let (taps, blocks) = (phase.taps(grid.kernel), blocks_of(sink.channels(), 2 * simd.lanes()));
    if blocks.is_empty() || taps.is_empty() || weights.c_in == 0 {
        return super::direct::run(simd, grid, phase, source, weights, bias, sink);
    }
    with_buffer(packed_len(tile, &blocks, taps.len() / 9, weights.c_in, 2 * simd.lanes()), |packed| {
        pack(simd, tile, weights, &taps, &blocks, packed);
        run_packed(simd, tile, grid, phase, source, packed, &blocks, bias, sink);
    });
}

/// Runs the pass with weights from [`pack`].
pub(super) fn run_packed(
    simd: Simd,
    tile: Tile,
    grid: &Grid,
    phase: &Phase,
    source: Source<'_>,
    packed: &[f32],
    blocks: &[Block],
    bias: Option<&[f32]>,
    sink: Sink<'_>,
) {
    let columns = blocks.len() * 2 * simd.lanes();
    let threads = rayon::current_num_threads();
    // Many weights: the threads share them. Few: the threads share the volume, in a few stretches of steps each; a stretch
    // reuses the transformed slices of the step before.
    let groups = if packed.len() > SHARED_WEIGHTS { threads.min(blocks.len()) } else { 1 };
    let tiling = Tiling::new(simd, tile, grid, phase, source, columns, if groups == 1 { 2 * threads } else { 1 });
    let stretches = if groups == 1 { tiling.n_steps().min(4 * threads) } else { 1 };
    (0..stretches * groups).into_par_iter().with_max_len(1).for_each(|i| {
        let (stretch, group) = (i / groups, i % groups);
        let steps = stretch * tiling.n_steps() / stretches..(stretch + 1) * tiling.n_steps() / stretches;
        let (first, end) = (group * blocks.len() / groups, (group + 1) * blocks.len() / groups);
        let (packed, blocks) = (&packed[first * (packed.len() / blocks.len())..], &blocks[first..end]);
        with_buffer(tiling.input_len() + tiling.product_len(), |buffer| {
            let (input, product) = buffer.split_at_mut(tiling.input_len());
            simd.run(Stretch { tiling: &tiling, source, packed, blocks, bias, sink, steps, input, product });
        });
    });
}

/// Some steps of the forward or backward-input pass, one after another.
struct Stretch<'a> {
    tiling: &'a Tiling,
    source: Source<'a>,
    packed: &'a [f32],
    blocks: &'a [Block],
    bias: Option<&'a [f32]>,
    sink: Sink<'a>,
    steps: std::ops::Range<usize>,
    input: &'a mut [f32],   // [slice, frequency, tile, C_in]
    product: &'a mut [f32], // [slice, frequency, tile, columns]
}

impl Kernel for Stretch<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        // SAFETY: passed on.
        unsafe {
            match self.tiling.tile {
                Tile::Two => stretch::<V, 2, 4>(self),
                Tile::Four => stretch::<V, 4, 6>(self),
            }
        }
    }
}

/// # Safety
/// The machine has the instructions of `V`; the buffers are as long as the tiling says.
#[inline(always)]
unsafe fn stretch<V: Vector, const M: usize, const T: usize>(stretch: Stretch<'_>) {
    let Stretch { tiling, source, packed, blocks, bias, sink, steps, input, product } = stretch;
    let buffers = Buffers { input: input.as_mut_ptr(), product: product.as_mut_ptr() };
    let mut before = None;
    for step in steps {
        let step = tiling.step(step);
        // SAFETY: the step's slices and tiles lie inside the buffers and the tensors.
        unsafe {
            for (slice, slot) in tiling.prepare(&step, before.as_ref(), buffers.input) {
                let to = buffers.input.add(slot * tiling.input_slice());
                input_tiles::<V, T>(tiling, &step, source, slice, M, to);
            }
            products::<V>(tiling, &step, &buffers, packed, blocks);
            for q in 0..step.n_slices {
                let from = buffers.product.add(q * tiling.product_slice());
                output_tiles::<V, M, T>(tiling, &step, step.first_slice + q, from, blocks, bias, sink);
            }
        }
        before = Some(step);
    }
}

/// One matrix product per frequency and block of channels.
///
/// # Safety
/// The machine has the instructions of `V`; the step's slices are in `buffers.input`.
#[inline(always)]
unsafe fn products<V: Vector>(tiling: &Tiling, step: &walk::Step, buffers: &Buffers, packed: &[f32], blocks: &[Block]) {
    let (width, k, taps_z) = (2 * V::LANES, tiling.c_in, tiling.taps_z);
    let frequency = packed_frequency(taps_z, k, width);
    let mut a = [std::ptr::null(); MOST_ROWS];
    let mut c = [std::ptr::null_mut(); MOST_ROWS];
    for run in tiling.runs(step) {
        let panels: Vec<isize> = (0..run.n_taps).map(|t| (t * tiling.input_slice()) as isize).collect();
        let rows = tiling.rows(step, &run);
        let n_rows = rows.input.len();
        for f in 0..tiling.tile.frequencies() {
            for b in 0..blocks.len() {
                // SAFETY: all offsets follow the layouts of the buffers and the packed weights.
                unsafe {
                    let weights = packed.as_ptr().add((b * tiling.tile.frequencies() + f) * frequency + run.first_tap * k * width);
                    let a_base = buffers.input.add(f * tiling.input_frequency());
                    let c_base = buffers.product.add(f * tiling.product_frequency() + b * width);
                    let mut row = 0;
                    while row < n_rows {
                        let n = next_rows::<V>(n_rows - row);
                        for r in 0..n {
                            a[r] = a_base.add(*rows.input.get_unchecked(row + r)).cast_const();
                            c[r] = c_base.add(*rows.product.get_unchecked(row + r));
                        }
                        multiply::<V>(&a[..n], &panels, k, weights, Start::Zero, &c[..n], width);
                        row += n;
                    }
                }
            }
        }
    }
}
