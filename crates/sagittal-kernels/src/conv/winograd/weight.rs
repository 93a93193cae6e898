//! Gradient of the weights in the transformed domain.
//!
//! Forward, frequency by frequency: products = inputs x weights. So the gradient of the transformed weights is inputs
//! transposed x transformed output gradients, summed over all tiles, and only the sum is transformed back.

use super::super::ConvShape;
use super::super::direct::Grid;
use super::super::packing::{CHANNELS, spread};
use super::super::parts::{Block, Source, blocks_of};
use super::super::phase::Phase;
use super::super::tile::{multiply_transposed, next_rows};
use super::transform::{gradient_tiles, input_tiles, weight_matrix};
use super::walk::{Buffers, Step, Tiling};
use super::{Tile, packed_frequency, packed_len};
use crate::scratch::with_buffer;
use crate::shared::Shared;
use crate::simd::{Kernel, Simd, Vector};
use rayon::prelude::*;

/// Parts that the tiles are split into where the sums are small.
const MOST_PARTS: usize = 8;
/// Numbers in the sums of all parts together, at most, where there is more than one part: beyond, going through them
/// costs more than it gains, and threads share the channels instead.
const MOST_SUMS: usize = 2 << 20;
/// Steps that a volume is cut into, at least: as the parts, they may not depend on the threads.
const LEAST_STEPS: usize = 4;

/// Adds up `d_weight` and `d_bias`.
pub(in super::super) fn run(
    simd: Simd,
    tile: Tile,
    shape: &ConvShape,
    source: Source<'_>,
    d_output: &[f32],
    d_weight: &mut [f32],
    d_bias: Option<&mut [f32]>,
) {
    let width = 2 * simd.lanes();
    let (grid, phase) = (Grid::forward(shape), Phase::forward(shape));
    let blocks = blocks_of([shape.c_out, 0], width);
    let sums = packed_len(tile, &blocks, shape.kernel[0], shape.c_in, width);
    let sums_and_bias = (sums + blocks.len() * width).next_multiple_of(16);
    let tiling = Tiling::new(simd, tile, &grid, &phase, source, blocks.len() * width, LEAST_STEPS);
    let parts = MOST_PARTS.min(MOST_SUMS / sums_and_bias).clamp(1, tiling.n_steps());
    // Blocks of channels that a task sums: more than one task to a part only where there are threads for it.
    let groups = rayon::current_num_threads().div_ceil(parts).min(blocks.len());
    let per_group = blocks.len().div_ceil(groups);

    with_buffer(parts * sums_and_bias, |all_sums| {
        let shared = Shared::of(all_sums);
        (0..parts * groups).into_par_iter().with_max_len(1).for_each(|i| {
            let (part, first_block) = (i / groups, (i % groups * per_group).min(blocks.len()));
            let blocks = &blocks[first_block..(first_block + per_group).min(blocks.len())];
            let per_block = sums / (tiling.columns / width);
            // SAFETY: each task writes the sums of its own part and blocks.
            let (sums, bias) = unsafe {
                let base = shared.get().add(part * sums_and_bias);
                (
                    std::slice::from_raw_parts_mut(base.add(first_block * per_block), blocks.len() * per_block),
                    std::slice::from_raw_parts_mut(base.add(sums + first_block * width), blocks.len() * width),
                )
            };
            bias.fill(0.0);
            let steps = part * tiling.n_steps() / parts..(part + 1) * tiling.n_steps() / parts;
            with_buffer(tiling.input_len() + tiling.product_len(), |buffer| {
                let (input, gradient) = buffer.split_at_mut(tiling.input_len());
                simd.run(Part { tiling: &tiling, source, d_output, c_out: shape.c_out, blocks, steps, input, gradient, sums, bias });
            });
        });
        let parts: Vec<&[f32]> = all_sums.chunks_exact(sums_and_bias).take(parts).collect();
        if let Some(d_bias) = d_bias {
            for (o, d_bias) in d_bias.iter_mut().enumerate() {
                *d_bias = parts.iter().map(|part| part[sums + o]).sum();
            }
        }
        let shared = Shared::of(d_weight);
        let groups = shape.c_in.div_ceil(CHANNELS);
        (0..blocks.len() * groups).into_par_iter().for_each(|i| {
            let (b, first) = (i / groups, i % groups * CHANNELS);
            let channels = first..(first + CHANNELS).min(shape.c_in);
            with_buffer(channels.len() * shape.taps() * width, |buffer| {
                simd.run(Back { tile, shape, b, channels: channels.clone(), parts: &parts, to: buffer });
                // SAFETY: each task has its own block and channels.
                unsafe { spread(buffer, &blocks[b], channels, shape.c_in, shape.taps(), shared.get()) };
            });
        });
    });
}

/// The sums of one part, over some blocks.
struct Part<'a> {
    tiling: &'a Tiling,
    source: Source<'a>,
    d_output: &'a [f32],
    c_out: usize,
    blocks: &'a [Block],
    steps: std::ops::Range<usize>,
    input: &'a mut [f32],    // [slice, frequency, tile, C_in]
    gradient: &'a mut [f32], // [slice, frequency, tile, columns]
    sums: &'a mut [f32],     // [block, frequency, KZ, C_in, width]
    bias: &'a mut [f32],     // [block, width]
}

impl Kernel for Part<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        // SAFETY: passed on.
        unsafe {
            match self.tiling.tile {
                Tile::Two => part::<V, 2, 4>(self),
                Tile::Four => part::<V, 4, 6>(self),
            }
        }
    }
}

/// # Safety
/// The machine has the instructions of `V`; the buffers are as long as the tiling says.
#[inline(always)]
unsafe fn part<V: Vector, const M: usize, const T: usize>(part: Part<'_>) {
    let Part { tiling, source, d_output, c_out, blocks, steps, input, gradient, sums, bias } = part;
    let buffers = Buffers { input: input.as_mut_ptr(), product: gradient.as_mut_ptr() };
    let mut before = None;
    for step in steps {
        let step = tiling.step(step);
        // SAFETY: the step's slices and tiles lie inside the buffers and the tensors.
        unsafe {
            for (slice, slot) in tiling.prepare(&step, before.as_ref(), buffers.input) {
                input_tiles::<V, T>(tiling, &step, source, slice, M, buffers.input.add(slot * tiling.input_slice()));
            }
            for q in 0..step.n_slices {
                let slice = step.first_slice + q;
                let to = buffers.product.add(q * tiling.product_slice());
                gradient_tiles::<V, M, T>(tiling, &step, d_output, c_out, slice, blocks, to);
                add_bias::<V>(tiling, &step, M, d_output, c_out, slice, blocks, bias);
            }
            products::<V>(tiling, &step, &buffers, blocks, before.is_none(), sums);
        }
        before = Some(step);
    }
}

/// Adds the step's output gradients of one slice to the sums for the bias.
///
/// # Safety
/// The machine has the instructions of `V`; `slice` exists.
#[inline(always)]
unsafe fn add_bias<V: Vector>(
    tiling: &Tiling,
    step: &Step,
    m: usize,
    d_output: &[f32],
    channels: usize,
    slice: usize,
    blocks: &[Block],
    bias: &mut [f32],
) {
    let [size_y, size_x] = tiling.plane_out;
    let (y, x) = (step.first_row * m, step.first_column * m);
    let end_y = (y + step.n_tiles / step.n_columns * m).min(size_y);
    let n_x = (step.n_columns * m).min(size_x - x);
    for (b, block) in blocks.iter().enumerate() {
        for half in 0..2 {
            let c = half * V::LANES;
            let n = V::LANES.min(block.n.saturating_sub(c));
            if n == 0 {
                break;
            }
            // SAFETY: the rows lie inside the plane; `n` channels of each voxel are read.
            unsafe {
                let to = bias.as_mut_ptr().add(b * 2 * V::LANES + c);
                let mut sum = V::load(to);
                for y in y..end_y {
                    let first_voxel = ((step.sample * tiling.slices_out + slice) * size_y + y) * size_x + x;
                    for voxel in first_voxel..first_voxel + n_x {
                        let from = d_output.as_ptr().add(voxel * channels + block.channel + c);
                        sum = sum.add(if n == V::LANES { V::load(from) } else { V::load_first(from, n) });
                    }
                }
                sum.store(to);
            }
        }
    }
}

/// Adds the products of a step to the sums; the first step of a part sets them.
///
/// # Safety
/// The machine has the instructions of `V`; the step's slices are in the buffers.
#[inline(always)]
unsafe fn products<V: Vector>(tiling: &Tiling, step: &Step, buffers: &Buffers, blocks: &[Block], first: bool, sums: &mut [f32]) {
    let (width, taps_z, frequencies) = (2 * V::LANES, tiling.taps_z, tiling.tile.frequencies());
    let frequency = packed_frequency(taps_z, tiling.c_in, width);
    let mut panels = Vec::with_capacity(step.n_slices);
    let runs = tiling.runs(step);
    for f in 0..frequencies {
        for b in 0..blocks.len() {
            for tap in 0..taps_z {
                panels.clear();
                for run in &runs {
                    if tap < run.first_tap || tap >= run.first_tap + run.n_taps {
                        continue;
                    }
                    for q in run.first_slice..run.first_slice + run.n_slices {
                        let a = buffers.input.wrapping_add((q + tap) * tiling.input_slice() + f * tiling.input_frequency());
                        let d = buffers.product.wrapping_add(q * tiling.product_slice() + f * tiling.product_frequency() + b * width);
                        panels.push((a.cast_const(), d.cast_const()));
                    }
                }
                let at = (b * frequencies + f) * frequency + tap * tiling.c_in * width;
                if panels.is_empty() {
                    if first {
                        sums[at..][..tiling.c_in * width].fill(0.0);
                    }
                    continue;
                }
                let mut m = 0;
                while m < tiling.c_in {
                    let n = next_rows::<V>(tiling.c_in - m);
                    // SAFETY: the panels are tiles of transformed slices; the sums hold every frequency, tap and channel.
                    unsafe {
                        let c = sums.as_mut_ptr().add(at + m * width);
                        multiply_transposed::<V>(n, &panels, m, step.n_tiles, (tiling.input_channels, tiling.columns), c, first);
                    }
                    m += n;
                }
            }
        }
    }
}

/// Adds up the parts and transforms them back, for one block and some input channels.
struct Back<'a> {
    tile: Tile,
    shape: &'a ConvShape,
    b: usize,
    channels: std::ops::Range<usize>,
    parts: &'a [&'a [f32]], // [block, frequency, KZ, C_in, width]
    to: &'a mut [f32],      // [width, channel, KZ, KY, KX]
}

impl Kernel for Back<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        // SAFETY: passed on.
        unsafe {
            match self.tile {
                Tile::Two => back::<V, 4>(self),
                Tile::Four => back::<V, 6>(self),
            }
        }
    }
}

/// # Safety
/// The machine has the instructions of `V`.
#[inline(always)]
unsafe fn back<V: Vector, const T: usize>(task: Back<'_>) {
    let (width, c_in, taps_z) = (2 * V::LANES, task.shape.c_in, task.shape.kernel[0]);
    let matrix = weight_matrix::<T>();
    let frequency = packed_frequency(taps_z, c_in, width);
    let mut plane = [0.0_f32; 9 * 32]; // [KY, KX, width]
    for (n, i) in task.channels.clone().enumerate() {
        for z in 0..taps_z {
            for half in [0, V::LANES] {
                // g = G^T u G, the columns of u first.
                // SAFETY: the sums hold all frequencies; `plane` 9 rows of `width <= 32` numbers.
                unsafe {
                    let mut columns = [[V::zero(); T]; 3];
                    for fx in 0..T {
                        let mut column = [V::zero(); 3];
                        for fy in 0..T {
                            let at = (task.b * T * T + fy * T + fx) * frequency + (z * c_in + i) * width + half;
                            let mut u = V::load(task.parts[0].as_ptr().add(at));
                            for part in &task.parts[1..] {
                                u = u.add(V::load(part.as_ptr().add(at)));
                            }
                            for k in 0..3 {
                                column[k] = V::splat(matrix[fy][k]).mul_add(u, column[k]);
                            }
                        }
                        for k in 0..3 {
                            columns[k][fx] = column[k];
                        }
                    }
                    for ky in 0..3 {
                        for kx in 0..3 {
                            let mut g = V::zero();
                            for fx in 0..T {
                                g = V::splat(matrix[fx][kx]).mul_add(columns[ky][fx], g);
                            }
                            g.store(plane.as_mut_ptr().add((ky * 3 + kx) * width + half));
                        }
                    }
                }
            }
            for lane in 0..width {
                let to = &mut task.to[((lane * task.channels.len() + n) * taps_z + z) * 9..][..9];
                for k in 0..9 {
                    to[k] = plane[k * width + lane];
                }
            }
        }
    }
}
