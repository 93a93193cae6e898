//! For every frequency the complex products of all tiles with the units of a block.

use super::spectrum::{COMPLEX, LANES};
use crate::{
    shared::Shared,
    simd::{Kernel, Vector},
};
use std::ops::Range;

/// Tiles that are multiplied together: as many as fit the registers.
const ROWS: usize = 4;

/// Products of some frequencies.
pub(super) struct Product<'a> {
    /// Of the tiles, `[frequency, tile, group of channels]`.
    pub(super) spectra: &'a [f32],
    /// Of the units, `[channel, frequency]`.
    pub(super) weights: &'a [f32],
    /// `[tile, frequency]`, overwritten where these frequencies are; no other task has them.
    pub(super) products: Shared,
    pub(super) frequencies: Range<usize>,
    pub(super) n_frequencies: usize,
    pub(super) tiles: usize,
    pub(super) channels: usize,
}

impl Kernel for Product<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let groups = self.channels.div_ceil(LANES);
        assert_eq!(self.spectra.len(), self.n_frequencies * self.tiles * groups * COMPLEX, "spectra of the tiles");
        assert_eq!(self.weights.len(), self.n_frequencies * self.channels * COMPLEX, "spectra of the units");
        assert!(self.frequencies.end <= self.n_frequencies, "frequencies");
        for frequency in self.frequencies.clone() {
            let mut tile = 0;
            while tile < self.tiles {
                // SAFETY: the arrays have the sizes that were checked above.
                unsafe {
                    match self.tiles - tile {
                        1 => rows::<V, 1>(&self, frequency, tile),
                        2 => rows::<V, 2>(&self, frequency, tile),
                        3 => rows::<V, 3>(&self, frequency, tile),
                        _ => rows::<V, ROWS>(&self, frequency, tile),
                    }
                }
                tile += ROWS;
            }
        }
    }
}

/// Products of `N` tiles from `tile` on. The kernel slides over the features without being mirrored, so the weights' spectra are
/// conjugated: `x conj(w)`.
///
/// # Safety
/// The arrays have their sizes, and the machine the instructions.
#[inline(always)]
unsafe fn rows<V: Vector, const N: usize>(work: &Product<'_>, frequency: usize, tile: usize) {
    let groups = work.channels.div_ceil(LANES);
    // SAFETY: `frequency`, `tile + N` and channels are within the sizes.
    unsafe {
        let x = work.spectra.as_ptr().add((frequency * work.tiles + tile) * groups * COMPLEX);
        let w = work.weights.as_ptr().add(frequency * COMPLEX);
        let mut lane = 0;
        while lane < LANES {
            let (mut re, mut im) = ([V::zero(); N], [V::zero(); N]);
            for channel in 0..work.channels {
                let w = w.add(channel * work.n_frequencies * COMPLEX + lane);
                let (wr, wi) = (V::load(w), V::load(w.add(LANES)));
                let place = channel / LANES * COMPLEX + channel % LANES;
                for n in 0..N {
                    let x = x.add(n * groups * COMPLEX + place);
                    let (xr, xi) = (V::splat(*x), V::splat(*x.add(LANES)));
                    re[n] = xi.mul_add(wi, xr.mul_add(wr, re[n]));
                    im[n] = xr.neg_mul_add(wi, xi.mul_add(wr, im[n]));
                }
            }
            for n in 0..N {
                let to = work.products.get().add(((tile + n) * work.n_frequencies + frequency) * COMPLEX + lane);
                re[n].store(to);
                im[n].store(to.add(LANES));
            }
            lane += V::LANES;
        }
    }
}
