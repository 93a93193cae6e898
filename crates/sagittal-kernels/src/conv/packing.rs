//! Weights rearranged for the matrix kernels: blocks of output channels as wide as the register tile, zeros behind the
//! last channel.

use super::parts::Block;
use rayon::prelude::*;

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

/// Packs the weights of some taps as `[block, tap, C_in, width]`.
pub(super) fn pack(weights: Weights<'_>, taps: &[usize], blocks: &[Block], width: usize, packed: &mut [f32]) {
    let c_in = weights.c_in;
    if taps.is_empty() || c_in == 0 {
        return;
    }
    packed.par_chunks_mut(taps.len() * c_in * width).zip(blocks).for_each(|(packed, block)| {
        // Gathered in a small buffer first: the rows of the packed weights are so far apart, by a multiple of the page
        // size, that they would drive one another out of the cache between two lanes.
        let mut rows = vec![0.0; taps.len() * width]; // [tap, width]
        for i in 0..c_in {
            for lane in 0..block.n {
                let from = &weights.data[(block.channel + lane) * weights.out_stride + i * weights.in_stride..];
                for (row, &tap) in rows.chunks_exact_mut(width).zip(taps) {
                    row[lane] = from[tap];
                }
            }
            for (t, row) in rows.chunks_exact(width).enumerate() {
                packed[(t * c_in + i) * width..][..width].copy_from_slice(row);
            }
        }
    });
}
