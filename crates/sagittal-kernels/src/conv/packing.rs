//! Weights rearranged for the matrix kernels: blocks of output channels as wide as the register tile, zeros behind the
//! last channel.

use super::parts::Block;
use crate::scratch::with_buffer;
use rayon::prelude::*;
use std::ops::Range;

/// Weights `[C_out, C_in, KZ, KY, KX]` seen from the pass that uses them: in the backward-input pass what goes in are the
/// convolution's output channels.
#[derive(Clone, Copy)]
pub(super) struct Weights<'a> {
    pub(super) data: &'a [f32],
    /// Distance between the weights of one output channel (of the pass) and the next.
    pub(super) out_stride: usize,
    /// Distance between the weights of one input channel (of the pass) and the next.
    pub(super) in_stride: usize,
    /// Input channels of the pass.
    pub(super) c_in: usize,
}

impl<'a> Weights<'a> {
    pub(super) fn forward(data: &'a [f32], c_in: usize, taps: usize) -> Self {
        Self { data, out_stride: c_in * taps, in_stride: taps, c_in }
    }

    pub(super) fn backward(data: &'a [f32], c_in: usize, c_out: usize, taps: usize) -> Self {
        Self { data, out_stride: taps, in_stride: c_in * taps, c_in: c_out }
    }
}

/// Numbers that [`pack`] writes.
pub(super) fn packed_len(blocks: &[Block], n_taps: usize, c_in: usize, width: usize) -> usize {
    blocks.len() * n_taps * c_in * width
}

/// Input channels that [`gather`] is called for at a time: with 27 taps and a block of 16 channels the result just fits
/// into the first cache.
pub(super) const CHANNELS: usize = 16;

/// Collects the weights of one block and some input channels as `[C_in, tap, width]`, zeros behind the block's last channel.
///
/// Reads runs of memory from end to end. One weight here and one there would be slow: output channels are often a multiple
/// of the page size apart, so that the cache cannot hold a line of each.
pub(super) fn gather(weights: Weights<'_>, taps: &[usize], block: &Block, channels: Range<usize>, width: usize, to: &mut [f32]) {
    let n_taps = taps.len();
    if block.n < width {
        to[..channels.len() * n_taps * width].fill(0.0);
    }
    let mut one = |lane: usize, i: usize| {
        let from = &weights.data[(block.channel + lane) * weights.out_stride + (channels.start + i) * weights.in_stride..];
        let to = &mut to[i * n_taps * width..][..n_taps * width];
        for (row, &tap) in to.chunks_exact_mut(width).zip(taps) {
            row[lane] = from[tap];
        }
    };
    if weights.out_stride > weights.in_stride {
        for lane in 0..block.n {
            for i in 0..channels.len() {
                one(lane, i);
            }
        }
    } else {
        for i in 0..channels.len() {
            for lane in 0..block.n {
                one(lane, i);
            }
        }
    }
}

/// Packs the weights of some taps as `[block, tap, C_in, width]`.
pub(super) fn pack(weights: Weights<'_>, taps: &[usize], blocks: &[Block], width: usize, packed: &mut [f32]) {
    let c_in = weights.c_in;
    if taps.is_empty() || c_in == 0 {
        return;
    }
    packed.par_chunks_mut(taps.len() * c_in * width).zip(blocks).for_each(|(packed, block)| {
        with_buffer(CHANNELS * taps.len() * width, |buffer| {
            for first in (0..c_in).step_by(CHANNELS) {
                let channels = first..(first + CHANNELS).min(c_in);
                gather(weights, taps, block, channels.clone(), width, buffer);
                for t in 0..taps.len() {
                    for i in channels.clone() {
                        let from = ((i - first) * taps.len() + t) * width;
                        packed[(t * c_in + i) * width..][..width].copy_from_slice(&buffer[from..from + width]);
                    }
                }
            }
        });
    });
}

/// The reverse of [`gather`] for the forward orientation: spreads `[lane, C_in, tap]` of one block and some input channels
/// over the gradient `[C_out, C_in, taps]`.
///
/// # Safety
/// `d_weight` is valid for the whole gradient, and the block's weights of these channels are written by nobody else.
pub(super) unsafe fn spread(from: &[f32], block: &Block, channels: Range<usize>, c_in: usize, n_taps: usize, d_weight: *mut f32) {
    let run = channels.len() * n_taps;
    for (lane, from) in from.chunks_exact(run).take(block.n).enumerate() {
        // SAFETY: the run lies inside the weights of output channel `block.channel + lane`; the rest is the caller's promise.
        unsafe {
            let to = d_weight.add(((block.channel + lane) * c_in + channels.start) * n_taps);
            std::ptr::copy_nonoverlapping(from.as_ptr(), to, run);
        }
    }
}
