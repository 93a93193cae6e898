//! The transforms of tiles: inputs, outputs, and output gradients, a vector of channels at a time.

use super::super::parts::{Block, Sink, Source};
use super::walk::{Step, Tiling};
use crate::simd::Vector;

/// `G`: weights into frequencies, for `T = M + 2`.
pub(super) fn weight_matrix<const T: usize>() -> [[f32; 3]; T] {
    const TWO: [[f32; 3]; 4] = [[1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.0, 0.0, 1.0]];
    const FOUR: [[f32; 3]; 6] = [
        [0.25, 0.0, 0.0],
        [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
        [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
        [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
        [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
        [0.0, 0.0, 1.0],
    ];
    std::array::from_fn(|f| if T == 6 { FOUR[f] } else { TWO[f] })
}

/// `B^T d`: inputs into frequencies along one axis.
///
/// # Safety
/// The machine has the instructions of `V`.
#[inline(always)]
unsafe fn forward<V: Vector, const T: usize>(d: [V; T]) -> [V; T] {
    let mut r = d;
    // SAFETY: registers only.
    unsafe {
        if T == 6 {
            let (two, four, five) = (V::splat(2.0), V::splat(4.0), V::splat(5.0));
            let a = d[2].neg_mul_add(four, d[4]); // d4 - 4 d2
            let b = d[1].neg_mul_add(four, d[3]); // d3 - 4 d1
            let c = d[4].sub(d[2]);
            let e = two.mul(d[3].sub(d[1]));
            r[0] = four.mul_add(d[0], five.neg_mul_add(d[2], d[4]));
            r[1] = a.add(b);
            r[2] = a.sub(b);
            r[3] = c.add(e);
            r[4] = c.sub(e);
            r[5] = four.mul_add(d[1], five.neg_mul_add(d[3], d[5]));
        } else {
            r[0] = d[0].sub(d[2]);
            r[1] = d[1].add(d[2]);
            r[2] = d[2].sub(d[1]);
            r[3] = d[1].sub(d[3]);
        }
    }
    r
}

/// `A^T m`: frequencies into outputs along one axis.
///
/// # Safety
/// The machine has the instructions of `V`.
#[inline(always)]
unsafe fn back<V: Vector, const M: usize, const T: usize>(m: [V; T]) -> [V; M] {
    // SAFETY: registers only.
    unsafe {
        let mut r = [V::zero(); M];
        if M == 4 {
            let (two, four, eight) = (V::splat(2.0), V::splat(4.0), V::splat(8.0));
            let (s12, d12, s34, d34) = (m[1].add(m[2]), m[1].sub(m[2]), m[3].add(m[4]), m[3].sub(m[4]));
            r[0] = m[0].add(s12).add(s34);
            r[1] = two.mul_add(d34, d12);
            r[2] = four.mul_add(s34, s12);
            r[3] = eight.mul_add(d34, d12).add(m[5]);
        } else {
            r[0] = m[0].add(m[1]).add(m[2]);
            r[1] = m[1].sub(m[2]).sub(m[3]);
        }
        r
    }
}

/// `A y`: output gradients into frequencies along one axis.
///
/// # Safety
/// The machine has the instructions of `V`.
#[inline(always)]
unsafe fn spread<V: Vector, const M: usize, const T: usize>(y: [V; M]) -> [V; T] {
    // SAFETY: registers only.
    unsafe {
        let mut r = [V::zero(); T];
        if M == 4 {
            let (two, four, eight) = (V::splat(2.0), V::splat(4.0), V::splat(8.0));
            let (e, o) = (y[0].add(y[2]), y[1].add(y[3]));
            let e2 = four.mul_add(y[2], y[0]);
            let o2 = eight.mul_add(y[3], two.mul(y[1]));
            r[0] = y[0];
            r[1] = e.add(o);
            r[2] = e.sub(o);
            r[3] = e2.add(o2);
            r[4] = e2.sub(o2);
            r[5] = y[3];
        } else {
            r[0] = y[0];
            r[1] = y[0].add(y[1]);
            r[2] = y[0].sub(y[1]);
            r[3] = V::zero().sub(y[1]);
        }
        r
    }
}

/// Transforms a step's tiles of one input slice into `to` `[frequency, tile, C_in]`.
///
/// # Safety
/// The machine has the instructions of `V`; `slice` exists; `to` is valid for a slice of the input buffer.
#[inline(always)]
pub(super) unsafe fn input_tiles<V: Vector, const T: usize>(
    tiling: &Tiling,
    step: &Step,
    source: Source<'_>,
    slice: usize,
    m: usize,
    to: *mut f32,
) {
    debug_assert_eq!(m + 2, T);
    let [size_y, size_x] = tiling.plane_in;
    let first_voxel = (step.sample * tiling.slices_in + slice) * size_y * size_x;
    let stride = tiling.input_frequency();
    let mut first_channel = 0;
    for (part, channels) in source.parts {
        let plane = part.as_ptr().wrapping_add(first_voxel * channels);
        for t in 0..step.n_tiles {
            let [y, x] = tiling.tile_origin(step.place(t));
            // Rows and columns of the tile that lie inside the plane.
            let clamp =
                |first: isize, size: usize| ((-first).clamp(0, T as isize) as usize, (size as isize - first).clamp(0, T as isize) as usize);
            let ((y0, y1), (x0, x1)) = (clamp(y, size_y), clamp(x, size_x));
            let corner = plane.wrapping_offset((y * size_x as isize + x) * channels as isize);
            let mut c = 0;
            while c < channels {
                let n = V::LANES.min(channels - c);
                let full = n == V::LANES;
                // SAFETY: only positions inside the plane are read; the buffer has room for whole vectors.
                unsafe {
                    let mut rows = [[V::zero(); T]; T];
                    for j in 0..T {
                        let mut column = [V::zero(); T];
                        let from = corner.wrapping_add(j * channels + c);
                        if full && (y0, y1, x0, x1) == (0, T, 0, T) {
                            for i in 0..T {
                                column[i] = V::load(from.add(i * size_x * channels));
                            }
                        } else if j >= x0 && j < x1 {
                            for i in 0..T {
                                if i >= y0 && i < y1 {
                                    let from = from.wrapping_add(i * size_x * channels);
                                    column[i] = if full { V::load(from) } else { V::load_first(from, n) };
                                }
                            }
                        }
                        let column = forward(column);
                        for i in 0..T {
                            rows[i][j] = column[i];
                        }
                    }
                    let to = to.add(t * tiling.input_channels + first_channel + c);
                    for i in 0..T {
                        let row = forward(rows[i]);
                        for j in 0..T {
                            row[j].store(to.add((i * T + j) * stride));
                        }
                    }
                }
                c += V::LANES;
            }
        }
        first_channel += channels;
    }
}

/// Transforms a step's products of one slice, `from` `[frequency, tile, columns]`, into outputs.
///
/// # Safety
/// The machine has the instructions of `V`; `slice` exists and the step's tiles of it are this task's alone; `from` is a
/// slice of the product buffer.
#[inline(always)]
pub(super) unsafe fn output_tiles<V: Vector, const M: usize, const T: usize>(
    tiling: &Tiling,
    step: &Step,
    slice: usize,
    from: *const f32,
    blocks: &[Block],
    bias: Option<&[f32]>,
    sink: Sink<'_>,
) {
    let [size_y, size_x] = tiling.plane_out;
    let first_voxel = (step.sample * tiling.slices_out + slice) * size_y * size_x;
    let stride = tiling.product_frequency();
    for t in 0..step.n_tiles {
        let (row, column) = step.place(t);
        let (y, x) = (row * M, column * M);
        let (n_y, n_x) = (M.min(size_y - y), M.min(size_x - x));
        for (b, block) in blocks.iter().enumerate() {
            let (out, channels) = sink.parts[block.part];
            for half in 0..2 {
                let c = half * V::LANES;
                if c >= block.n {
                    break;
                }
                let n = V::LANES.min(block.n - c);
                // SAFETY: only outputs inside the plane are written, `n` channels of each.
                unsafe {
                    let from = from.add(t * tiling.columns + b * 2 * V::LANES + c);
                    let mut rows = [[V::zero(); T]; M];
                    for j in 0..T {
                        let mut column = [V::zero(); T];
                        for i in 0..T {
                            column[i] = V::load(from.add((i * T + j) * stride));
                        }
                        let column = back::<V, M, T>(column);
                        for i in 0..M {
                            rows[i][j] = column[i];
                        }
                    }
                    let bias = match bias {
                        Some(bias) => V::load_first(bias.as_ptr().add(block.channel + c), n),
                        None => V::zero(),
                    };
                    for i in 0..n_y {
                        let row = back::<V, M, T>(rows[i]);
                        let to = out.add((first_voxel + (y + i) * size_x + x) * channels + block.offset + c);
                        for j in 0..M {
                            if j < n_x {
                                let value = row[j].add(bias);
                                if n == V::LANES {
                                    value.store(to.add(j * channels));
                                } else {
                                    value.store_first(to.add(j * channels), n);
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Transforms a step's tiles of one slice of the output's gradient `[voxel, C_out]` into `to` `[frequency, tile,
/// columns]`, for some blocks of channels, zeros behind the last channel.
///
/// # Safety
/// The machine has the instructions of `V`; `slice` exists; `to` is valid for a slice of the product buffer.
#[inline(always)]
pub(super) unsafe fn gradient_tiles<V: Vector, const M: usize, const T: usize>(
    tiling: &Tiling,
    step: &Step,
    d_output: &[f32],
    channels: usize,
    slice: usize,
    blocks: &[Block],
    to: *mut f32,
) {
    let [size_y, size_x] = tiling.plane_out;
    let first_voxel = (step.sample * tiling.slices_out + slice) * size_y * size_x;
    let stride = tiling.product_frequency();
    for t in 0..step.n_tiles {
        let (row, column) = step.place(t);
        let (y, x) = (row * M, column * M);
        let (n_y, n_x) = (M.min(size_y - y), M.min(size_x - x));
        for (b, block) in blocks.iter().enumerate() {
            for half in 0..2 {
                let c = half * V::LANES;
                let n = V::LANES.min(block.n.saturating_sub(c));
                // SAFETY: only gradients inside the plane are read, `n` channels of each.
                unsafe {
                    let mut rows = [[V::zero(); M]; T];
                    for j in 0..M {
                        let mut column = [V::zero(); M];
                        if j < n_x {
                            let from = d_output.as_ptr().wrapping_add((first_voxel + y * size_x + x + j) * channels + block.channel + c);
                            for i in 0..M {
                                if i < n_y {
                                    let from = from.wrapping_add(i * size_x * channels);
                                    column[i] = if n == V::LANES { V::load(from) } else { V::load_first(from, n) };
                                }
                            }
                        }
                        let column = spread::<V, M, T>(column);
                        for i in 0..T {
                            rows[i][j] = column[i];
                        }
                    }
                    let to = to.add(t * tiling.columns + b * 2 * V::LANES + c);
                    for i in 0..T {
                        let row = spread::<V, M, T>(rows[i]);
                        for j in 0..T {
                            row[j].store(to.add((i * T + j) * stride));
                        }
                    }
                }
            }
        }
    }
}
