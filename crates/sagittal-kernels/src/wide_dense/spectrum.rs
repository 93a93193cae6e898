//! Fourier transforms of three axes, 16 of them at a time: side by side in memory, so that every step is one of vectors.
//!
//! A complex number is 16 real and 16 imaginary parts. Transforms are of real numbers, so the last axis keeps its first
//! `n / 2 + 1` frequencies. Lines that hold zeros alone are not transformed, nor those nobody looks at.

use crate::{
    shared::Shared,
    simd::{Kernel, Vector},
};
use std::f64::consts::TAU;

/// Transforms that run side by side.
pub(super) const LANES: usize = 16;
/// Numbers of a complex one of all lanes.
pub(super) const COMPLEX: usize = 2 * LANES;

/// Sizes and tables.
#[derive(Clone, Debug)]
pub(super) struct Transform {
    /// Powers of two.
    pub(super) size: [usize; 3],
    axes: [Axis; 3],
}

#[derive(Clone, Debug)]
struct Axis {
    /// Place of each element in reversed order of bits.
    reversed: Vec<usize>,
    /// `exp(-2 pi i j / length)` for `j < length / 2`, for every length from 4 on, real and imaginary parts in turn.
    twiddles: Vec<[f32; 2]>,
}

impl Axis {
    fn new(n: usize) -> Self {
        assert!(n.is_power_of_two(), "a transform of {n}");
        let bits = n.trailing_zeros();
        let reversed = (0..n).map(|i| if bits == 0 { 0 } else { i.reverse_bits() >> (usize::BITS - bits) }).collect();
        let lengths = (2..=bits).map(|bit| 1usize << bit);
        let twiddle = |j: usize, length: usize| {
            let (sin, cos) = (-TAU * j as f64 / length as f64).sin_cos();
            [cos as f32, sin as f32]
        };
        let twiddles = lengths.flat_map(|length| (0..length / 2).map(move |j| twiddle(j, length))).collect();
        Self { reversed, twiddles }
    }
}

impl Transform {
    pub(super) fn new(size: [usize; 3]) -> Self {
        Self { size, axes: size.map(Axis::new) }
    }

    /// Frequencies that are kept along each axis.
    fn kept(&self) -> [usize; 3] {
        let [a, b, c] = self.size;
        [a, b, c / 2 + 1]
    }

    /// Frequencies that are kept.
    pub(super) fn n_frequencies(&self) -> usize {
        self.kept().iter().product()
    }

    /// Numbers of a spectrum.
    pub(super) fn n_numbers(&self) -> usize {
        self.n_frequencies() * COMPLEX
    }

    /// Numbers of the longest line.
    pub(super) fn line_numbers(&self) -> usize {
        self.size.into_iter().max().unwrap_or(1) * COMPLEX
    }

    /// Butterflies of a transform of a box of `size` numbers, or to one.
    pub(super) fn steps(&self, size: [usize; 3]) -> f64 {
        let [_, b, c] = self.kept();
        let lines = [b * c, size[0] * c, size[0] * size[1]];
        // A line is moved there and back, which takes about as long as two passes.
        let of_line = |n: usize| if n == 1 { 0.0 } else { n as f64 / 2.0 * (n.trailing_zeros() as f64 + 2.0) };
        (0..3).map(|axis| lines[axis] as f64 * of_line(self.size[axis])).sum()
    }
}

/// A transform in place of a line of `n` complex numbers that were put in reversed order of bits.
///
/// # Safety
/// `re` and `im` point to `n` groups of lanes, [`COMPLEX`] numbers apart, that nobody else looks at; the axis has length `n`;
/// the machine has the instructions.
#[inline(always)]
unsafe fn transform_line<V: Vector>(re: *mut f32, im: *mut f32, n: usize, axis: &Axis) {
    // SAFETY: `i`, `i + half < n`, and a group has 16 lanes, a multiple of the vector's.
    unsafe {
        let mut i = 0;
        while i < n && n > 1 {
            let mut lane = 0;
            while lane < LANES {
                let (a, b) = (i * COMPLEX + lane, (i + 1) * COMPLEX + lane);
                for part in [re, im] {
                    let (x, y) = (V::load(part.add(a)), V::load(part.add(b)));
                    x.add(y).store(part.add(a));
                    x.sub(y).store(part.add(b));
                }
                lane += V::LANES;
            }
            i += 2;
        }
        let mut twiddles = axis.twiddles.as_ptr();
        let mut length = 4;
        while length <= n {
            let half = length / 2;
            let mut start = 0;
            while start < n {
                let mut j = 0;
                while j < half {
                    let [wr, wi] = *twiddles.add(j);
                    let (wr, wi) = (V::splat(wr), V::splat(wi));
                    let mut lane = 0;
                    while lane < LANES {
                        let (a, b) = ((start + j) * COMPLEX + lane, (start + j + half) * COMPLEX + lane);
                        let (br, bi) = (V::load(re.add(b)), V::load(im.add(b)));
                        let (tr, ti) = (bi.neg_mul_add(wi, br.mul(wr)), bi.mul_add(wr, br.mul(wi)));
                        let (ar, ai) = (V::load(re.add(a)), V::load(im.add(a)));
                        ar.add(tr).store(re.add(a));
                        ai.add(ti).store(im.add(a));
                        ar.sub(tr).store(re.add(b));
                        ai.sub(ti).store(im.add(b));
                        lane += V::LANES;
                    }
                    j += 1;
                }
                start += length;
            }
            twiddles = twiddles.add(half);
            length *= 2;
        }
    }
}

/// Copies one complex number.
///
/// # Safety
/// Both hold one, apart from each other; the machine has the instructions.
#[inline(always)]
unsafe fn move_number<V: Vector>(from: *const f32, to: *mut f32) {
    let mut lane = 0;
    while lane < COMPLEX {
        // SAFETY: the caller promises as many numbers.
        unsafe { V::load(from.add(lane)).store(to.add(lane)) };
        lane += V::LANES;
    }
}

/// # Safety
/// As [`move_number`].
#[inline(always)]
unsafe fn clear_number<V: Vector>(to: *mut f32) {
    let mut lane = 0;
    while lane < COMPLEX {
        // SAFETY: the caller promises as many numbers.
        unsafe { V::zero().store(to.add(lane)) };
        lane += V::LANES;
    }
}

/// A line of a spectrum: where its first number lies, the distance between numbers, and how many are read (the others are 0) and
/// written (the others are not wanted).
struct Line {
    at: usize,
    step: usize,
    read: usize,
    written: usize,
}

/// Transforms a line of a spectrum in place, there (`forward`) or back.
///
/// # Safety
/// The line lies in `buffer`, `scratch` holds a line of the axis; the machine has the instructions.
#[inline(always)]
unsafe fn transform_in_spectrum<V: Vector>(buffer: *mut f32, line: Line, n: usize, axis: &Axis, is_forward: bool, scratch: *mut f32) {
    if n == 1 {
        return;
    }
    // SAFETY: `i < n`, places in reversed order are below `n` too; the caller promises the rest.
    unsafe {
        let mut i = 0;
        while i < n {
            let to = scratch.add(*axis.reversed.get_unchecked(i) * COMPLEX);
            if i < line.read {
                move_number::<V>(buffer.add((line.at + i * line.step) * COMPLEX), to)
            } else {
                clear_number::<V>(to)
            }
            i += 1;
        }
        // With real and imaginary parts exchanged the same steps lead back.
        let (re, im) = if is_forward { (scratch, scratch.add(LANES)) } else { (scratch.add(LANES), scratch) };
        transform_line::<V>(re, im, n, axis);
        let mut i = 0;
        while i < line.written {
            move_number::<V>(scratch.add(i * COMPLEX), buffer.add((line.at + i * line.step) * COMPLEX));
            i += 1;
        }
    }
}

/// The spectrum of a box of real numbers, zeros behind it.
pub(super) struct Forward<'a> {
    pub(super) transform: &'a Transform,
    /// Of the first voxel of the first lane on.
    pub(super) from: &'a [f32],
    /// From one lane to the next.
    pub(super) lane_stride: usize,
    /// Lanes that there are; those behind are 0.
    pub(super) lanes: usize,
    pub(super) strides: [usize; 3],
    pub(super) size: [usize; 3],
    /// The spectrum, overwritten.
    pub(super) buffer: &'a mut [f32],
    /// Room for [`Transform::line_numbers`].
    pub(super) line: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Self { transform, from, lane_stride, lanes, strides, size, buffer, line } = self;
        let [_, _, kept] = transform.kept();
        let last = (0..3).map(|axis| (size[axis] - 1) * strides[axis]).sum::<usize>() + (lanes - 1) * lane_stride;
        assert!((0..3).all(|axis| size[axis] <= transform.size[axis]) && lanes <= LANES && last < from.len(), "a box of {size:?}");
        assert_eq!(buffer.len(), transform.n_numbers(), "a spectrum");
        assert_eq!(line.len(), transform.line_numbers(), "room for a line");
        // SAFETY: checked above: all that is read lies in `from`, lines in the buffer and in `line`.
        unsafe { forward::<V>(transform, from, lane_stride, lanes, strides, size, buffer.as_mut_ptr(), line.as_mut_ptr(), kept) }
    }
}

/// # Safety
/// As in [`Forward`], which checks it.
#[inline(always)]
unsafe fn forward<V: Vector>(
    transform: &Transform,
    from: &[f32],
    lane_stride: usize,
    lanes: usize,
    strides: [usize; 3],
    size: [usize; 3],
    buffer: *mut f32,
    line: *mut f32,
    kept: usize,
) {
    let [n_a, n_b, n_c] = transform.size;
    // SAFETY: the caller promises it.
    unsafe {
        for a in 0..size[0] {
            for b in 0..size[1] {
                for c in 0..n_c {
                    let to = line.add(*transform.axes[2].reversed.get_unchecked(c) * COMPLEX);
                    clear_number::<V>(to);
                    if c >= size[2] {
                        continue;
                    }
                    let at = from.as_ptr().add(a * strides[0] + b * strides[1] + c * strides[2]);
                    for lane in 0..lanes {
                        *to.add(lane) = *at.add(lane * lane_stride);
                    }
                }
                transform_line::<V>(line, line.add(LANES), n_c, &transform.axes[2]);
                for c in 0..kept {
                    move_number::<V>(line.add(c * COMPLEX), buffer.add(((a * n_b + b) * kept + c) * COMPLEX));
                }
            }
        }
        for a in 0..size[0] {
            for c in 0..kept {
                let along = Line { at: a * n_b * kept + c, step: kept, read: size[1], written: n_b };
                transform_in_spectrum::<V>(buffer, along, n_b, &transform.axes[1], true, line);
            }
        }
        for place in 0..n_b * kept {
            let along = Line { at: place, step: n_b * kept, read: size[0], written: n_a };
            transform_in_spectrum::<V>(buffer, along, n_a, &transform.axes[0], true, line);
        }
    }
}

/// Back to a box of real numbers at the beginning of the tile, which are added to `to`, `[voxel, 16]`.
pub(super) struct Inverse<'a> {
    pub(super) transform: &'a Transform,
    /// The spectrum, of which nothing is left.
    pub(super) buffer: &'a mut [f32],
    /// Room for [`Transform::line_numbers`].
    pub(super) line: &'a mut [f32],
    pub(super) size: [usize; 3],
    /// Voxels that no other task writes to.
    pub(super) to: Shared,
    /// The voxel of the box's first number, and the distances between voxels.
    pub(super) first: usize,
    pub(super) strides: [usize; 3],
}

impl Kernel for Inverse<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Self { transform, buffer, line, size, to, first, strides } = self;
        assert!((0..3).all(|axis| size[axis] <= transform.size[axis]), "a box of {size:?}");
        assert_eq!(buffer.len(), transform.n_numbers(), "a spectrum");
        assert_eq!(line.len(), transform.line_numbers(), "room for a line");
        // SAFETY: lines lie in the buffer and in `line`; whoever made the task says that the voxels are its own.
        unsafe { inverse::<V>(transform, buffer.as_mut_ptr(), size, to.get(), first, strides, line.as_mut_ptr()) }
    }
}

/// # Safety
/// As in [`Inverse`], which checks it.
#[inline(always)]
unsafe fn inverse<V: Vector>(
    transform: &Transform,
    buffer: *mut f32,
    size: [usize; 3],
    to: *mut f32,
    first: usize,
    strides: [usize; 3],
    line: *mut f32,
) {
    let ([n_a, n_b, n_c], [_, _, kept]) = (transform.size, transform.kept());
    // SAFETY: the caller promises it.
    unsafe {
        let scale = V::splat(1.0 / (n_a * n_b * n_c) as f32);
        for place in 0..n_b * kept {
            let along = Line { at: place, step: n_b * kept, read: n_a, written: size[0] };
            transform_in_spectrum::<V>(buffer, along, n_a, &transform.axes[0], false, line);
        }
        for a in 0..size[0] {
            for c in 0..kept {
                let along = Line { at: a * n_b * kept + c, step: kept, read: n_b, written: size[1] };
                transform_in_spectrum::<V>(buffer, along, n_b, &transform.axes[1], false, line);
            }
        }
        for a in 0..size[0] {
            for b in 0..size[1] {
                for c in 0..n_c {
                    // What was not kept is the conjugate of its mirror image; parts are exchanged, as the way back wants it.
                    let from = buffer.add(((a * n_b + b) * kept + if c < kept { c } else { n_c - c }) * COMPLEX);
                    let to = line.add(*transform.axes[2].reversed.get_unchecked(c) * COMPLEX);
                    let mut lane = 0;
                    while lane < LANES {
                        let (re, im) = (V::load(from.add(lane)), V::load(from.add(LANES + lane)));
                        re.store(to.add(lane));
                        (if c < kept { im } else { V::zero().sub(im) }).store(to.add(LANES + lane));
                        lane += V::LANES;
                    }
                }
                transform_line::<V>(line.add(LANES), line, n_c, &transform.axes[2]);
                for c in 0..size[2] {
                    let voxel = to.add((first + a * strides[0] + b * strides[1] + c * strides[2]) * LANES);
                    let mut lane = 0;
                    while lane < LANES {
                        V::load(line.add(c * COMPLEX + lane)).mul_add(scale, V::load(voxel.add(lane))).store(voxel.add(lane));
                        lane += V::LANES;
                    }
                }
            }
        }
    }
}
