//! Direct convolution, forward and backward-input: any kernel, stride and padding.
//!
//! A task makes a few rows of one output slice. It copies the input rows that they need, padded, next to one another (or
//! reads them in place where nothing is padded); then the taps of a kernel row and their channels are contiguous in memory
//! and make one panel of a matrix product whose left rows are the pixels. The weights of a few panels stay in the first
//! cache while all pixels of the task go by.

use super::ConvShape;
use super::packing::{Weights, pack, packed_len};
use super::parts::{Block, Sink, Source, blocks_of};
use super::phase::Phase;
use super::tile::{MOST_ROWS, Start, multiply, next_rows};
use crate::scratch::with_buffer;
use crate::simd::{Kernel, Simd, Vector};
use rayon::prelude::*;

/// Bytes of weights that stay in the first cache (32 KiB) beside the pixels.
const WEIGHT_BYTES: usize = 20 * 1024;
/// Pixels of a task: enough to use each weight that came from a far cache many times.
const PIXELS: usize = 128;
/// Numbers of the copied input rows of a task: half of the second cache (512 KiB).
const SLAB: usize = 64 * 1024;

/// The tensors' sizes from the point of view of the pass.
#[derive(Clone, Copy)]
pub(super) struct Grid {
    pub(super) batch: usize,
    pub(super) size_in: [usize; 3],
    pub(super) size_out: [usize; 3],
    pub(super) kernel: [usize; 3],
}

impl Grid {
    pub(super) fn forward(shape: &ConvShape) -> Self {
        Self { batch: shape.batch, size_in: shape.size, size_out: shape.size_out(), kernel: shape.kernel }
    }

    pub(super) fn backward(shape: &ConvShape) -> Self {
        Self { batch: shape.batch, size_in: shape.size_out(), size_out: shape.size, kernel: shape.kernel }
    }
}

/// Packs the weights and runs one phase.
pub(super) fn run(simd: Simd, grid: &Grid, phase: &Phase, source: Source<'_>, weights: Weights<'_>, bias: Option<&[f32]>, sink: Sink<'_>) {
    let (taps, blocks) = (phase.taps(grid.kernel), blocks_of(sink.channels(), 2 * simd.lanes()));
    with_buffer(packed_len(&blocks, taps.len(), weights.c_in, 2 * simd.lanes()), |packed| {
        pack(weights, &taps, &blocks, 2 * simd.lanes(), packed);
        run_packed(simd, grid, phase, source, packed, &blocks, bias, sink);
    });
}

/// Runs one phase with weights `[block, tap, C_in, 2 * LANES]`.
pub(super) fn run_packed(
    simd: Simd,
    grid: &Grid,
    phase: &Phase,
    source: Source<'_>,
    packed: &[f32],
    blocks: &[Block],
    bias: Option<&[f32]>,
    sink: Sink<'_>,
) {
    let c_in = source.parts[0].1 + source.parts[1].1;
    let [z, y, x] = &phase.axes;
    if z.n * y.n * x.n == 0 {
        return;
    }
    let in_place = source.parts[1].1 == 0
        && (0..3).all(|a| {
            let axis = &phase.axes[a];
            axis.in_first >= 0 && axis.in_first as usize + (axis.n - 1) * axis.in_step + axis.taps.len() <= grid.size_in[a]
        });
    let width = (x.n - 1) * x.in_step + x.taps.len();
    let row_numbers = width * c_in * z.taps.len() * y.in_step.max(1);
    let most_rows = if in_place { y.n } else { (SLAB / row_numbers.max(1)).saturating_sub(y.taps.len() / y.in_step.max(1)).max(1) };
    let slices = grid.batch * z.n;
    // Every thread should have a few tasks; outputs do not depend on the split.
    let fair = (slices * y.n).div_ceil(4 * rayon::current_num_threads());
    let rows = PIXELS.div_ceil(x.n).min(most_rows).min(y.n).min(fair).max(1);
    let strips = y.n.div_ceil(rows);
    (0..slices * strips).into_par_iter().for_each(|i| {
        let (slice, first_row) = (i / strips, i % strips * rows);
        let (sample, slice, rows) = (slice / z.n, slice % z.n, rows.min(y.n - first_row));
        let slab = Slab::of(grid, phase, source, in_place, sample, slice, first_row, rows);
        with_buffer(slab.len, |buffer| {
            let base = slab.fill(source, buffer);
            simd.run(Task { grid, phase, slab, base, packed, blocks, bias, sink, sample, slice, first_row, rows });
        });
    });
}

/// Some output rows of one slice.
struct Task<'a> {
    grid: &'a Grid,
    phase: &'a Phase,
    slab: Slab,
    /// The slab's first voxel.
    base: *const f32,
    packed: &'a [f32],
    blocks: &'a [Block],
    bias: Option<&'a [f32]>,
    sink: Sink<'a>,
    sample: usize,
    slice: usize,
    first_row: usize,
    rows: usize,
}

impl Kernel for Task<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        // SAFETY: the instructions are the caller's promise; the slab was filled for these rows.
        unsafe { rows_of::<V>(&self) }
    }
}

/// Makes the outputs of a task.
///
/// # Safety
/// The machine has the instructions of `V`; `task.base` points to a filled slab.
#[inline(always)]
unsafe fn rows_of<V: Vector>(task: &Task<'_>) {
    let &Task { ref slab, base, rows, .. } = task;
    let [z, y, x] = &task.phase.axes;
    let (c_in, width) = (slab.c_in, 2 * V::LANES);
    let k = x.taps.len() * c_in;
    let n_taps = z.taps.len() * y.taps.len() * x.taps.len();
    let n_pixels = rows * x.n;
    let panels: Vec<isize> = (0..slab.n_slices * y.taps.len())
        .map(|p| (((p / y.taps.len()) * slab.slice_rows + p % y.taps.len()) * slab.width * c_in) as isize)
        .collect();
    let group = (WEIGHT_BYTES / (k * width * 4).max(1)).max(1);
    let [_, size_y, size_x] = task.grid.size_out;
    let out_z = z.out_first + task.slice * z.out_step;
    let mut a = [std::ptr::null(); MOST_ROWS];
    let mut c = [std::ptr::null_mut(); MOST_ROWS];
    for (b, block) in task.blocks.iter().enumerate() {
        if block.n * 4 <= V::LANES {
            // SAFETY: the caller's promise.
            unsafe { narrow_rows_of::<V>(task, b, &panels) };
            continue;
        }
        let (out, channels) = task.sink.parts[block.part];
        // SAFETY: offsets follow the layouts of packed weights, slab and output; each pixel belongs to this task alone.
        unsafe {
            let first_tap = slab.first_tap * y.taps.len() * x.taps.len();
            let weights = task.packed.as_ptr().add((b * n_taps + first_tap) * c_in * width);
            let mut start = task.bias.map_or(Start::Zero, |bias| Start::Row(bias.as_ptr().add(block.channel)));
            let mut first_panel = 0;
            loop {
                let panels = &panels[first_panel..panels.len().min(first_panel + group)];
                let weights = weights.add(first_panel * k * width);
                let mut pixel = 0;
                let (mut row, mut column) = (0, 0);
                while pixel < n_pixels {
                    let n = next_rows::<V>(n_pixels - pixel);
                    for r in 0..n {
                        a[r] = base.add((row * y.in_step * slab.width + column * x.in_step) * c_in);
                        let out_y = y.out_first + (task.first_row + row) * y.out_step;
                        let out_x = x.out_first + column * x.out_step;
                        let voxel = ((task.sample * task.grid.size_out[0] + out_z) * size_y + out_y) * size_x + out_x;
                        c[r] = out.add(voxel * channels + block.offset);
                        column += 1;
                        if column == x.n {
                            (row, column) = (row + 1, 0);
                        }
                    }
                    multiply::<V>(&a[..n], panels, k, weights, start, &c[..n], block.n);
                    pixel += n;
                }
                first_panel += panels.len();
                if panels.is_empty() || first_panel == slab.n_slices * y.taps.len() {
                    break;
                }
                start = Start::Output;
            }
        }
    }
}

/// Makes the outputs of a task in a block of so few channels that the register tile would be nearly empty: lanes stand for
/// input channels and are added up at the end.
///
/// The gradient of one input channel from 32 at 40x56x40 took 16 times the arithmetic that it needs.
///
/// # Safety
/// As [`rows_of`]; `panels` are its offsets.
#[inline(always)]
unsafe fn narrow_rows_of<V: Vector>(task: &Task<'_>, b: usize, panels: &[isize]) {
    const ROWS: usize = 4;
    let (slab, block) = (&task.slab, &task.blocks[b]);
    let [z, y, x] = &task.phase.axes;
    let (width, k) = (2 * V::LANES, x.taps.len() * slab.c_in);
    let n_taps = z.taps.len() * y.taps.len() * x.taps.len();
    let (out, channels) = task.sink.parts[block.part];
    let [_, size_y, size_x] = task.grid.size_out;
    let out_z = z.out_first + task.slice * z.out_step;
    let n_pixels = task.rows * x.n;
    let first_weight = (b * n_taps + slab.first_tap * y.taps.len() * x.taps.len()) * slab.c_in * width;
    let mut weights = vec![0.0; panels.len() * k]; // [panel, k] of one channel
    for lane in 0..block.n {
        for (i, weight) in weights.iter_mut().enumerate() {
            *weight = task.packed[first_weight + i * width + lane];
        }
        let bias = task.bias.map_or(0.0, |bias| bias[block.channel + lane]);
        for first in (0..n_pixels).step_by(ROWS) {
            // SAFETY: pixels beyond the last are computed like the last and not stored; offsets follow the layouts of slab
            // and output; each pixel belongs to this task alone.
            unsafe {
                let mut a = [task.base; ROWS];
                for r in 0..ROWS {
                    let pixel = (first + r).min(n_pixels - 1);
                    let (row, column) = (pixel / x.n, pixel % x.n);
                    a[r] = task.base.wrapping_add((row * y.in_step * slab.width + column * x.in_step) * slab.c_in);
                }
                let sums = narrow_sums::<V, ROWS>(&a, panels, k, weights.as_ptr());
                for r in 0..ROWS.min(n_pixels - first) {
                    let (row, column) = ((first + r) / x.n, (first + r) % x.n);
                    let out_y = y.out_first + (task.first_row + row) * y.out_step;
                    let out_x = x.out_first + column * x.out_step;
                    let voxel = ((task.sample * task.grid.size_out[0] + out_z) * size_y + out_y) * size_x + out_x;
                    let mut lanes = [0.0; 16];
                    sums[r].store(lanes.as_mut_ptr());
                    *out.add(voxel * channels + block.offset + lane) = bias + lanes.iter().sum::<f32>();
                }
            }
        }
    }
}

/// Per lane, the sum over panels of `a[r][panel + i] * weights[panel][i]`.
///
/// # Safety
/// The machine has the instructions of `V`; the rows hold `k` numbers at each panel, `weights` `k` for each panel.
#[inline(always)]
unsafe fn narrow_sums<V: Vector, const R: usize>(a: &[*const f32; R], panels: &[isize], k: usize, mut weights: *const f32) -> [V; R] {
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums = [V::zero(); R];
        for &panel in panels {
            let mut i = 0;
            while i + V::LANES <= k {
                let weight = V::load(weights.add(i));
                for r in 0..R {
                    sums[r] = V::load(a[r].offset(panel).add(i)).mul_add(weight, sums[r]);
                }
                i += V::LANES;
            }
            if i < k {
                let weight = V::load_first(weights.add(i), k - i);
                for r in 0..R {
                    sums[r] = V::load_first(a[r].offset(panel).add(i), k - i).mul_add(weight, sums[r]);
                }
            }
            weights = weights.add(k);
        }
        sums
    }
}

/// The input rows that some output rows of one slice need, as `[tap slice, row, x, C_in]`.
pub(super) struct Slab {
    pub(super) c_in: usize,
    /// Numbers to copy; 0 where the input is read in place.
    pub(super) len: usize,
    /// The first of the kernel's slices that lies inside the input, and how many do.
    pub(super) first_tap: usize,
    pub(super) n_slices: usize,
    /// Rows of a slice of the slab, and voxels of a row.
    pub(super) slice_rows: usize,
    pub(super) width: usize,
    size_in: [usize; 3],
    /// Input position of the slab's first voxel.
    sample: usize,
    first: [isize; 3],
    in_place: bool,
}

impl Slab {
    pub(super) fn of(
        grid: &Grid,
        phase: &Phase,
        source: Source<'_>,
        in_place: bool,
        sample: usize,
        slice: usize,
        first_row: usize,
        rows: usize,
    ) -> Self {
        let [z, y, x] = &phase.axes;
        let c_in = source.parts[0].1 + source.parts[1].1;
        let first_z = z.in_first + (slice * z.in_step) as isize;
        let first_tap = (-first_z).clamp(0, z.taps.len() as isize) as usize;
        let end_tap = (grid.size_in[0] as isize - first_z).clamp(first_tap as isize, z.taps.len() as isize) as usize;
        let first = [first_z + first_tap as isize, y.in_first + (first_row * y.in_step) as isize, x.in_first];
        let n_slices = if y.taps.is_empty() || x.taps.is_empty() { 0 } else { end_tap - first_tap };
        let (slice_rows, width) = if in_place {
            (grid.size_in[1], grid.size_in[2])
        } else {
            ((rows - 1) * y.in_step + y.taps.len(), (x.n - 1) * x.in_step + x.taps.len())
        };
        let len = if in_place { 0 } else { n_slices * slice_rows * width * c_in };
        Self { c_in, len, first_tap, n_slices, slice_rows, width, size_in: grid.size_in, sample, first, in_place }
    }

    /// Copies the rows and gives the address of the first voxel.
    pub(super) fn fill(&self, source: Source<'_>, buffer: &mut [f32]) -> *const f32 {
        let ([sz, sy, sx], c_in) = (self.size_in, self.c_in);
        if self.in_place {
            let [z, y, x] = self.first.map(|i| i as usize);
            // Without any tap nothing is read, and the position may lie outside.
            return source.parts[0].0.as_ptr().wrapping_add((((self.sample * sz + z) * sy + y) * sx + x) * c_in);
        }
        // Columns left of the input, inside it, and right of it.
        let left = (-self.first[2]).clamp(0, self.width as isize) as usize;
        let inside = (sx as isize - self.first[2]).clamp(left as isize, self.width as isize) as usize - left;
        for s in 0..self.n_slices {
            let z = (self.first[0] + s as isize) as usize;
            for r in 0..self.slice_rows {
                let row = &mut buffer[(s * self.slice_rows + r) * self.width * c_in..][..self.width * c_in];
                let y = self.first[1] + r as isize;
                if y < 0 || y >= sy as isize || inside == 0 {
                    row.fill(0.0);
                    continue;
                }
                row[..left * c_in].fill(0.0);
                row[(left + inside) * c_in..].fill(0.0);
                let voxel = ((self.sample * sz + z) * sy + y as usize) * sx + (self.first[2] + left as isize) as usize;
                let row = &mut row[left * c_in..(left + inside) * c_in];
                let [(first, c0), (second, c1)] = source.parts;
                if c1 == 0 {
                    row.copy_from_slice(&first[voxel * c0..][..inside * c0]);
                } else {
                    for x in 0..inside {
                        row[x * c_in..][..c0].copy_from_slice(&first[(voxel + x) * c0..][..c0]);
                        row[x * c_in + c0..][..c1].copy_from_slice(&second[(voxel + x) * c1..][..c1]);
                    }
                }
            }
        }
        buffer.as_ptr()
    }
}
