//! The inner loops of the norm: a stretch of voxels, two vectors of channels at a time.

use crate::simd::{Kernel, Vector};

/// Vectors of channels that a loop over the voxels handles: what their constants leave room for in 16 registers.
const GROUP: usize = 2;

/// Up to [`GROUP`] vectors of channels: their place, and the channels of each.
#[derive(Clone, Copy)]
struct Group {
    first: usize,
    n: [usize; GROUP],
}

/// Cuts the channels into groups.
#[inline(always)]
fn groups<V: Vector>(channels: usize) -> impl Iterator<Item = Group> {
    (0..channels)
        .step_by(GROUP * V::LANES)
        .map(move |first| Group { first, n: std::array::from_fn(|v| channels.saturating_sub(first + v * V::LANES).min(V::LANES)) })
}

/// # Safety
/// The machine has the instructions of `V`; `from` is valid for the group's channels.
#[inline(always)]
unsafe fn load<V: Vector>(from: *const f32, n: [usize; GROUP]) -> [V; GROUP] {
    // SAFETY: the caller's promise; vectors without channels are not read.
    unsafe {
        let mut r = [V::zero(); GROUP];
        for v in 0..GROUP {
            let from = from.wrapping_add(v * V::LANES);
            if n[v] == V::LANES {
                r[v] = V::load(from);
            } else if n[v] > 0 {
                r[v] = V::load_first(from, n[v]);
            }
        }
        r
    }
}

/// # Safety
/// The machine has the instructions of `V`; `to` is valid for the group's channels.
#[inline(always)]
unsafe fn store<V: Vector>(values: [V; GROUP], to: *mut f32, n: [usize; GROUP]) {
    // SAFETY: the caller's promise; vectors without channels are not written.
    unsafe {
        for v in 0..GROUP {
            let to = to.wrapping_add(v * V::LANES);
            if n[v] == V::LANES {
                values[v].store(to);
            } else if n[v] > 0 {
                values[v].store_first(to, n[v]);
            }
        }
    }
}

/// Sums of `x - first` and of its square, into `sums` `[2, C]`.
pub(super) struct Sums<'a> {
    pub(super) channels: usize,
    pub(super) x: &'a [f32],     // [voxel, C]
    pub(super) first: &'a [f32], // [C]
    pub(super) sums: &'a mut [f32],
}

impl Kernel for Sums<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Self { channels, x, first, sums } = self;
        let to = sums.as_mut_ptr();
        for group in groups::<V>(channels) {
            // SAFETY: offsets are channels of a voxel of `x`, and of `first` and `sums`.
            unsafe {
                let first = load::<V>(first.as_ptr().add(group.first), group.n);
                let (mut sum, mut squares) = ([V::zero(); GROUP], [V::zero(); GROUP]);
                let mut from = x.as_ptr().wrapping_add(group.first);
                for _ in 0..x.len() / channels {
                    let x = load::<V>(from, group.n);
                    for v in 0..GROUP {
                        let d = x[v].sub(first[v]);
                        sum[v] = sum[v].add(d);
                        squares[v] = d.mul_add(d, squares[v]);
                    }
                    from = from.wrapping_add(channels);
                }
                store(sum, to.add(group.first), group.n);
                store(squares, to.add(channels + group.first), group.n);
            }
        }
    }
}

/// `y = leaky(factor * x + addend)`.
pub(super) struct Apply<'a> {
    pub(super) channels: usize,
    pub(super) x: *const f32, // [voxel, C]
    pub(super) y: *mut f32,   // [voxel, C], may be x
    pub(super) len: usize,
    pub(super) factor: &'a [f32], // [C]
    pub(super) addend: &'a [f32], // [C]
    pub(super) slope: f32,
}

impl Kernel for Apply<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Self { channels, x, y, len, factor, addend, slope } = self;
        for group in groups::<V>(channels) {
            // SAFETY: offsets are channels of a voxel; x and y are valid for `len` numbers.
            unsafe {
                let factor = load::<V>(factor.as_ptr().add(group.first), group.n);
                let addend = load::<V>(addend.as_ptr().add(group.first), group.n);
                let slope = V::splat(slope);
                let (mut from, mut to) = (x.wrapping_add(group.first), y.wrapping_add(group.first));
                for _ in 0..len / channels {
                    let mut values = load::<V>(from, group.n);
                    for v in 0..GROUP {
                        let pre = values[v].mul_add(factor[v], addend[v]);
                        values[v] = pre.where_positive(pre, pre.mul(slope));
                    }
                    store(values, to, group.n);
                    from = from.wrapping_add(channels);
                    to = to.wrapping_add(channels);
                }
            }
        }
    }
}

/// Sums of `d_pre` and of `d_pre * (x - mean)`, into `sums` `[2, C]`.
pub(super) struct BackwardSums<'a> {
    pub(super) channels: usize,
    pub(super) x: &'a [f32],      // [voxel, C]
    pub(super) d_y: *const f32,   // [voxel, C]
    pub(super) factor: &'a [f32], // [C]
    pub(super) addend: &'a [f32], // [C]
    pub(super) mean: &'a [f32],   // [C]
    pub(super) slope: f32,
    pub(super) sums: &'a mut [f32],
}

impl Kernel for BackwardSums<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Self { channels, x, d_y, factor, addend, mean, slope, sums } = self;
        let to = sums.as_mut_ptr();
        for group in groups::<V>(channels) {
            // SAFETY: offsets are channels of a voxel of `x` and `d_y`, and of the lines of channels.
            unsafe {
                let factor = load::<V>(factor.as_ptr().add(group.first), group.n);
                let addend = load::<V>(addend.as_ptr().add(group.first), group.n);
                let mean = load::<V>(mean.as_ptr().add(group.first), group.n);
                let slope = V::splat(slope);
                let (mut sum, mut with_x) = ([V::zero(); GROUP], [V::zero(); GROUP]);
                let (mut from, mut d_from) = (x.as_ptr().wrapping_add(group.first), d_y.wrapping_add(group.first));
                for _ in 0..x.len() / channels {
                    let (x, d) = (load::<V>(from, group.n), load::<V>(d_from, group.n));
                    for v in 0..GROUP {
                        let d = x[v].mul_add(factor[v], addend[v]).where_positive(d[v], d[v].mul(slope));
                        sum[v] = sum[v].add(d);
                        with_x[v] = d.mul_add(x[v].sub(mean[v]), with_x[v]);
                    }
                    from = from.wrapping_add(channels);
                    d_from = d_from.wrapping_add(channels);
                }
                store(sum, to.add(group.first), group.n);
                store(with_x, to.add(channels + group.first), group.n);
            }
        }
    }
}

/// `d_x = d_factor * d_pre + x_factor * x + d_addend`.
pub(super) struct Backward<'a> {
    pub(super) channels: usize,
    pub(super) x: &'a [f32],        // [voxel, C]
    pub(super) d_y: *const f32,     // [voxel, C]
    pub(super) d_x: *mut f32,       // [voxel, C], may be d_y
    pub(super) factor: &'a [f32],   // [C]
    pub(super) addend: &'a [f32],   // [C]
    pub(super) d_factor: &'a [f32], // [C]
    pub(super) x_factor: &'a [f32], // [C]
    pub(super) d_addend: &'a [f32], // [C]
    pub(super) slope: f32,
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Self { channels, x, d_y, d_x, factor, addend, d_factor, x_factor, d_addend, slope } = self;
        for group in groups::<V>(channels) {
            // SAFETY: offsets are channels of a voxel of `x`, `d_y` and `d_x`, and of the lines of channels.
            unsafe {
                let factor = load::<V>(factor.as_ptr().add(group.first), group.n);
                let addend = load::<V>(addend.as_ptr().add(group.first), group.n);
                let d_factor = load::<V>(d_factor.as_ptr().add(group.first), group.n);
                let x_factor = load::<V>(x_factor.as_ptr().add(group.first), group.n);
                let d_addend = load::<V>(d_addend.as_ptr().add(group.first), group.n);
                let slope = V::splat(slope);
                let mut at = group.first;
                for _ in 0..x.len() / channels {
                    let (x, mut d) = (load::<V>(x.as_ptr().wrapping_add(at), group.n), load::<V>(d_y.wrapping_add(at), group.n));
                    for v in 0..GROUP {
                        let d_pre = x[v].mul_add(factor[v], addend[v]).where_positive(d[v], d[v].mul(slope));
                        d[v] = d_pre.mul_add(d_factor[v], x[v].mul_add(x_factor[v], d_addend[v]));
                    }
                    store(d, d_x.wrapping_add(at), group.n);
                    at += channels;
                }
            }
        }
    }
}
