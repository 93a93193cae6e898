//! Weights packed once, for inference.

use super::choice::{Algorithm, choose};
use super::direct::{self, Grid};
use super::packing::{self, Weights};
use super::parts::{Block, Parts, PartsMut, blocks_of};
use super::phase::Phase;
use super::{ConvShape, winograd};
use crate::simd::{Simd, simd};

/// A convolution with its weights packed or transformed once, for inference.
#[derive(Clone, Debug)]
pub struct PackedConv {
    shape: ConvShape,
    simd: Simd,
    algorithm: Algorithm,
    blocks: Vec<Block>,
    packed: Vec<f32>,
}

impl PackedConv {
    /// Packs the weights for the instructions that [`simd`] gives now. The size in `shape` is the typical one: it chooses
    /// the algorithm; any size may be run.
    ///
    /// # Panics
    /// If `weight` does not fit `shape`.
    pub fn new(shape: &ConvShape, weight: &[f32]) -> Self {
        assert_eq!(weight.len(), shape.n_weights(), "weights do not fit {shape:?}");
        let (simd, algorithm) = (simd(), choose(shape));
        let width = 2 * simd.lanes();
        let (taps, blocks) = (Phase::forward(shape).taps(shape.kernel), blocks_of([shape.c_out, 0], width));
        let weights = Weights::forward(weight, shape.c_in, shape.taps());
        let mut packed = vec![];
        match algorithm {
            Algorithm::Direct => {
                packed.resize(packing::packed_len(&blocks, taps.len(), shape.c_in, width), 0.0);
                packing::pack(weights, &taps, &blocks, width, &mut packed);
            }
            Algorithm::Winograd(tile) => {
                packed.resize(winograd::packed_len(tile, &blocks, shape.kernel[0], shape.c_in, width), 0.0);
                winograd::pack(simd, tile, weights, &taps, &blocks, &mut packed);
            }
        }
        Self { shape: *shape, simd, algorithm, blocks, packed }
    }

    /// Bytes of the packed weights.
    pub fn n_bytes(&self) -> usize {
        size_of_val(self.packed.as_slice())
    }

    /// Runs the convolution on an input of any batch and size; see [`super::conv`].
    ///
    /// # Panics
    /// If a slice does not fit `shape`, or channels, kernel, stride or padding are not the packed ones.
    pub fn run(&self, shape: &ConvShape, input: Parts<'_>, bias: Option<&[f32]>, output: &mut [f32]) {
        let packed_for = ConvShape { batch: shape.batch, size: shape.size, ..self.shape };
        assert_eq!(output.len(), shape.voxels_out() * shape.c_out, "the output does not fit {shape:?}");
        assert_eq!(packed_for, *shape, "this convolution was packed for other channels, kernel, stride or padding");
        assert!(bias.is_none_or(|b| b.len() == shape.c_out), "the bias does not fit {shape:?}");
        let source = input.source(shape.voxels_in(), shape.c_in);
        if output.is_empty() {
            return;
        }
        let sink = PartsMut::one(output).sink(shape.voxels_out(), shape.c_out);
        let (grid, phase) = (Grid::forward(shape), Phase::forward(shape));
        let Self { simd, packed, blocks, .. } = self;
        match self.algorithm {
            Algorithm::Direct => direct::run_packed(*simd, &grid, &phase, source, packed, blocks, bias, sink),
            Algorithm::Winograd(tile) => winograd::run_packed(*simd, tile, &grid, &phase, source, packed, blocks, bias, sink),
        }
    }
}
