//! Gradient of the weights, directly: any kernel, stride and padding.
//!
//! The voxels are split into a fixed number of parts, each with its own sums; the sums are added in a fixed order at the
//! end, so the result does not depend on the threads. Within a part, a strip of output rows after another is multiplied
//! with the input rows that its taps see.

use super::ConvShape;
use super::direct::{Grid, Slab};
use super::packing::{CHANNELS, spread};
use super::parts::{Block, Source, blocks_of};
use super::phase::Phase;
use super::tile::{multiply_transposed, next_rows};
use crate::scratch::with_buffer;
use crate::shared::Shared;
use crate::simd::{Kernel, Simd, Vector};
use rayon::prelude::*;

/// Parts that the voxels are split into where the sums are small.
const MOST_PARTS: usize = 8;
/// Numbers in the sums of all parts together, at most, where there is more than one part: beyond, going through them
/// costs more than it gains, and threads share the channels instead.
const MOST_SUMS: usize = 1 << 20;
/// Output pixels whose products are added in registers before the sums are touched.
const PIXELS: usize = 96;
/// Numbers of the copied input rows of a strip: half of the second cache (512 KiB).
const SLAB: usize = 64 * 1024;

/// Adds up `d_weight` and `d_bias`.
pub(super) fn run(simd: Simd, shape: &ConvShape, source: Source<'_>, d_output: &[f32], d_weight: &mut [f32], d_bias: Option<&mut [f32]>) {
    let width = 2 * simd.lanes();
    let (grid, phase) = (Grid::forward(shape), Phase::forward(shape));
    let blocks = blocks_of([shape.c_out, 0], width);
    let sums = blocks.len() * shape.taps() * shape.c_in * width; // [block, tap, C_in, width]
    let sums_and_bias = (sums + blocks.len() * width).next_multiple_of(16);

    let [z, y, x] = &phase.axes;
    let row_numbers = ((x.n - 1) * x.in_step + x.taps.len()) * shape.c_in * z.taps.len() * y.in_step;
    let rows = PIXELS.div_ceil(x.n).min((SLAB / row_numbers.max(1)).max(1)).min(y.n);
    let strips = y.n.div_ceil(rows);
    let n_strips = shape.batch * z.n * strips;
    let parts = MOST_PARTS.min(MOST_SUMS / sums_and_bias.max(1)).clamp(1, n_strips.max(1));
    // Blocks of channels that a task sums: more than one task to a part only where there are threads for it.
    let groups = rayon::current_num_threads().div_ceil(parts).min(blocks.len());
    let blocks_per_group = blocks.len().div_ceil(groups);

    with_buffer(parts * sums_and_bias, |all_sums| {
        let shared = Shared::of(all_sums);
        (0..parts * groups).into_par_iter().with_max_len(1).for_each(|i| {
            let (part, group) = (i / groups, i % groups);
            let first_block = (group * blocks_per_group).min(blocks.len());
            let blocks = &blocks[first_block..(first_block + blocks_per_group).min(blocks.len())];
            // SAFETY: each task writes the sums of its own part and blocks.
            let (sums, bias) = unsafe {
                let base = shared.get().add(part * sums_and_bias);
                let per_block = shape.taps() * shape.c_in * width;
                (
                    std::slice::from_raw_parts_mut(base.add(first_block * per_block), blocks.len() * per_block),
                    std::slice::from_raw_parts_mut(base.add(sums + first_block * width), blocks.len() * width),
                )
            };
            sums.fill(0.0);
            bias.fill(0.0);
            for strip in part * n_strips / parts..(part + 1) * n_strips / parts {
                let (slice, first_row) = (strip / strips, strip % strips * rows);
                let (sample, slice, rows) = (slice / z.n, slice % z.n, rows.min(y.n - first_row));
                let in_place = source.parts[1].1 == 0 && shape.padding == [0; 3];
                let slab = Slab::of(&grid, &phase, source, in_place, sample, slice, first_row, rows);
                let first_voxel = ((sample * z.n + slice) * y.n + first_row) * x.n;
                let d_rows = &d_output[first_voxel * shape.c_out..][..rows * x.n * shape.c_out];
                with_buffer(slab.len, |buffer| {
                    with_buffer(rows * x.n * width, |d_buffer| {
                        let base = slab.fill(source, buffer);
                        simd.run(Strip { shape, phase: &phase, slab, base, d_rows, d_buffer, blocks, rows, sums, bias });
                    });
                });
            }
        });
        let parts: Vec<&[f32]> = all_sums.chunks_exact(sums_and_bias).take(parts).collect();
        unpack(shape, &blocks, width, &parts, d_weight);
        if let Some(d_bias) = d_bias {
            for (o, d_bias) in d_bias.iter_mut().enumerate() {
                *d_bias = parts.iter().map(|part| part[sums + o]).sum();
            }
        }
    });
}

/// Adds the parts' sums `[block, tap, C_in, width]` into `d_weight` `[C_out, C_in, taps]`.
fn unpack(shape: &ConvShape, blocks: &[Block], width: usize, parts: &[&[f32]], d_weight: &mut [f32]) {
    let (taps, c_in) = (shape.taps(), shape.c_in);
    let (shared, groups) = (Shared::of(d_weight), c_in.div_ceil(CHANNELS));
    (0..blocks.len() * groups).into_par_iter().for_each(|task| {
        let (b, first) = (task / groups, task % groups * CHANNELS);
        let channels = first..(first + CHANNELS).min(c_in);
        with_buffer(width * channels.len() * taps, |buffer| {
            for i in channels.clone() {
                for tap in 0..taps {
                    let at = ((b * taps + tap) * c_in + i) * width;
                    let mut sums = [0.0; 32];
                    for part in parts {
                        for (sum, value) in sums[..width].iter_mut().zip(&part[at..at + width]) {
                            *sum += value;
                        }
                    }
                    for (lane, sum) in sums[..width].iter().enumerate() {
                        buffer[(lane * channels.len() + i - first) * taps + tap] = *sum;
                    }
                }
            }
            // SAFETY: each task has its own block and channels.
            unsafe { spread(buffer, &blocks[b], channels, c_in, taps, shared.get()) };
        });
    });
}

/// Some output rows of one slice.
struct Strip<'a> {
    shape: &'a ConvShape,
    phase: &'a Phase,
    slab: Slab,
    /// The slab's first voxel.
    base: *const f32,
    d_rows: &'a [f32],       // [rows, X', C_out]
    d_buffer: &'a mut [f32], // [rows, X', width]
    blocks: &'a [Block],
    rows: usize,
    sums: &'a mut [f32], // [block, tap, C_in, width]
    bias: &'a mut [f32], // [block, width]
}

impl Kernel for Strip<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Self { shape, phase, slab, base, d_rows, d_buffer, blocks, rows, sums, bias } = self;
        let [z, y, x] = &phase.axes;
        let (c_in, c_out, width) = (shape.c_in, shape.c_out, 2 * V::LANES);
        let n_pixels = rows * x.n;
        let k = x.taps.len() * c_in; // left rows of a panel: taps along X and their channels
        let mut panels = vec![(std::ptr::null::<f32>(), std::ptr::null::<f32>()); rows];
        for (b, block) in blocks.iter().enumerate() {
            // SAFETY: offsets follow the layouts named at the fields; the instructions are the caller's promise.
            unsafe {
                // A block that is not full is copied, with zeros behind its last channel.
                let (d, ld) = if block.n == width {
                    (d_rows.as_ptr().add(block.channel), c_out)
                } else {
                    for p in 0..n_pixels {
                        let to = &mut d_buffer[p * width..][..width];
                        to.fill(0.0);
                        to[..block.n].copy_from_slice(&d_rows[p * c_out + block.channel..][..block.n]);
                    }
                    (d_buffer.as_ptr(), width)
                };
                let bias = bias.as_mut_ptr().add(b * width);
                let mut total = [V::load(bias), V::load(bias.add(V::LANES))];
                for p in 0..n_pixels {
                    total[0] = total[0].add(V::load(d.add(p * ld)));
                    total[1] = total[1].add(V::load(d.add(p * ld + V::LANES)));
                }
                total[0].store(bias);
                total[1].store(bias.add(V::LANES));

                for tap_row in 0..slab.n_slices * y.taps.len() {
                    let (s, ty) = (tap_row / y.taps.len(), tap_row % y.taps.len());
                    for row in 0..rows {
                        let in_row = s * slab.slice_rows + ty + row * y.in_step;
                        panels[row] = (base.add(in_row * slab.width * c_in), d.add(row * x.n * ld));
                    }
                    let tap = ((slab.first_tap + s) * y.taps.len() + ty) * x.taps.len();
                    let c = sums.as_mut_ptr().add((b * z.taps.len() * y.taps.len() * x.taps.len() + tap) * c_in * width);
                    let mut m = 0;
                    while m < k {
                        let n = next_rows::<V>(k - m);
                        multiply_transposed::<V>(n, &panels, m, x.n, (x.in_step * c_in, ld), c.add(m * width), false);
                        m += n;
                    }
                }
            }
        }
    }
}
