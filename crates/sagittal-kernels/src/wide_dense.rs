//! The first dense layer of a voxel classifier for every voxel of a region at once: a convolution whose kernel is the whole
//! patch that is left of the convolutions before it, [16, 16, 16] taps for thousands of pairs of channels.
//!
//! Kernels of this size are multiplied as spectra: the features are cut into tiles that overlap by the kernel (overlap-save),
//! each is brought to frequencies once, and for every frequency the products of all tiles with all units are a small complex
//! matrix product. Units come in blocks of 16, because the spectra of all weights together would be many times as large as
//! the weights: a block's are computed, used for all tiles, and forgotten. What the units of a block say goes through the
//! activation and into the sums of the next layer at once, so that no voxel ever keeps its thousand units.
//!
//! Sums run in an order that the shapes fix. Source of the method: Mathieu, Henaff and LeCun 2014, "Fast training of
//! convolutional networks through FFTs"; overlap-save is older than that.

mod choice;
pub mod naive;
mod product;
mod spectrum;
#[cfg(test)]
mod tests;

use crate::{buffer::overwritten_vec, scratch::with_buffer, shared::Shared, simd::simd};
use choice::Cut;
use product::Product;
use rayon::prelude::*;
use spectrum::{COMPLEX, Forward, Inverse, LANES};

/// Features that units look at, and how far.
#[derive(Clone, Copy, Debug)]
pub struct WideTower<'a> {
    /// `[Z, Y, X, C]`.
    pub features: &'a [f32],
    /// `[Z, Y, X]` of them.
    pub size: [usize; 3],
    /// `C`.
    pub channels: usize,
    /// Taps `[KZ, KY, KX]`.
    pub kernel: [usize; 3],
}

/// The layer and the one after it.
#[derive(Clone, Copy)]
pub struct WideLayer<'a> {
    /// `[U, W]`, where a row holds `[C, KZ, KY, KX]` of every tower, one after the other.
    pub weight: &'a [f32],
    /// `[U]`.
    pub bias: &'a [f32],
    /// What follows each unit, in place; it gets many units of many voxels at a time.
    pub activation: &'a (dyn Fn(&mut [f32]) + Sync),
    /// `[K, U]` of the next layer.
    pub next_weight: &'a [f32],
    /// `[K]`.
    pub next_bias: &'a [f32],
}

impl WideTower<'_> {
    /// Voxels that the layer has a value for, `[Z, Y, X]`.
    ///
    /// # Panics
    /// If the kernel is larger than the features.
    pub fn size_out(&self) -> [usize; 3] {
        std::array::from_fn(|axis| {
            assert!(self.size[axis] >= self.kernel[axis], "axis {axis}: {} taps on {} voxels", self.kernel[axis], self.size[axis]);
            self.size[axis] - self.kernel[axis] + 1
        })
    }

    /// Weights of a unit.
    fn n_weights(&self) -> usize {
        self.channels * self.kernel.iter().product::<usize>()
    }
}

/// Whether [`wide_dense`] takes less time than a product for every voxel.
pub fn wide_dense_pays(towers: &[WideTower<'_>]) -> bool {
    let direct: f64 = towers.iter().map(|tower| tower.size_out().iter().product::<usize>() as f64 * tower.n_weights() as f64).sum();
    towers.iter().map(|tower| Cut::of(tower).cost).sum::<f64>() < direct
}

/// Bytes that [`wide_dense`] needs for a tower beside its arguments.
pub fn wide_dense_bytes(size: [usize; 3], channels: usize, kernel: [usize; 3]) -> u64 {
    let tower = WideTower { features: &[], size, channels, kernel };
    let cut = Cut::of(&tower);
    let [groups, tiles, frequencies] = [channels.div_ceil(LANES), cut.n_tiles(), cut.transform.n_frequencies()].map(|n| n as u64);
    4 * COMPLEX as u64 * frequencies * (tiles * (groups + 1) + channels as u64)
        + 4 * (LANES * tower.size_out().iter().product::<usize>()) as u64
}

/// The next layer's sums for every voxel: units of all towers together, their activation, and the next layer's weights.
///
/// # Shapes
/// - `output`: `[Z, Y, X, K]`, the towers' common [`WideTower::size_out`], overwritten
///
/// # Panics
/// If shapes do not fit each other.
pub fn wide_dense(towers: &[WideTower<'_>], layer: &WideLayer<'_>, output: &mut [f32]) {
    let (n_units, n_next) = (layer.bias.len(), layer.next_bias.len());
    let size_out = towers.first().map_or([0; 3], WideTower::size_out);
    let n_voxels = size_out.iter().product::<usize>();
    let row = towers.iter().map(WideTower::n_weights).sum::<usize>();
    for tower in towers {
        assert_eq!(tower.size_out(), size_out, "towers speak of the same voxels");
        assert_eq!(tower.features.len(), tower.size.iter().product::<usize>() * tower.channels, "features of a tower");
    }
    assert_eq!(layer.weight.len(), n_units * row, "weights of the layer");
    assert_eq!(layer.next_weight.len(), n_next * n_units, "weights of the next layer");
    assert_eq!(output.len(), n_voxels * n_next, "the output");
    for voxel in output.chunks_exact_mut(n_next.max(1)) {
        voxel.copy_from_slice(layer.next_bias);
    }
    let mut offset = 0;
    let prepared: Vec<Prepared<'_>> = towers
        .iter()
        .map(|tower| {
            offset += tower.n_weights();
            Prepared::new(tower, offset - tower.n_weights())
        })
        .collect();
    let mut units = overwritten_vec(n_voxels * LANES);
    let n_spectrum = prepared.iter().map(|tower| tower.tower.channels * tower.cut.transform.n_numbers()).max().unwrap_or(0);
    let n_products = prepared.iter().map(|tower| tower.cut.n_tiles() * tower.cut.transform.n_numbers()).max().unwrap_or(0);
    let (mut weights, mut products) = (overwritten_vec(n_spectrum), overwritten_vec(n_products));
    for first in (0..n_units).step_by(LANES) {
        let n = LANES.min(n_units - first);
        let mut bias = [0.0; LANES];
        bias[..n].copy_from_slice(&layer.bias[first..first + n]);
        units.par_chunks_exact_mut(LANES).with_min_len(4096).for_each(|voxel| voxel.copy_from_slice(&bias));
        for tower in &prepared {
            tower.add_units(layer.weight, row, first..first + n, &mut weights, &mut products, &mut units);
        }
        let pieces = output.par_chunks_mut(PIECE * n_next.max(1)).zip(units.par_chunks_mut(PIECE * LANES));
        pieces.for_each(|(sums, units)| {
            (layer.activation)(units);
            for (sums, units) in sums.chunks_exact_mut(n_next.max(1)).zip(units.chunks_exact(LANES)) {
                for (sum, weights) in sums.iter_mut().zip(layer.next_weight.chunks_exact(n_units)) {
                    *sum += units[..n].iter().zip(&weights[first..first + n]).map(|(unit, weight)| unit * weight).sum::<f32>();
                }
            }
        });
    }
}

/// A tower with the spectra of its tiles.
struct Prepared<'a> {
    tower: &'a WideTower<'a>,
    cut: Cut,
    /// Where its weights begin in a unit's row.
    offset: usize,
    /// `[frequency, tile, group of channels]`.
    spectra: Vec<f32>,
}

impl<'a> Prepared<'a> {
    fn new(tower: &'a WideTower<'a>, offset: usize) -> Self {
        let cut = Cut::of(tower);
        let (tiles, groups, transform) = (cut.n_tiles(), tower.channels.div_ceil(LANES), &cut.transform);
        let mut spectra = overwritten_vec(tiles * groups * transform.n_numbers());
        let (simd, to) = (simd(), Shared::of(&mut spectra));
        let strides = cut.strides(tower.size).map(|stride| stride * tower.channels);
        (0..tiles * groups).into_par_iter().for_each(|task| {
            let (tile, group) = (task / groups, task % groups);
            let (start, first) = (cut.start(tile), group * LANES);
            let lanes = LANES.min(tower.channels - first);
            let from = (0..3).map(|axis| start[axis] * strides[axis]).sum::<usize>() + first;
            let size = std::array::from_fn(|axis| transform.size[axis].min(cut.size_in[axis] - start[axis]));
            with_buffer(transform.n_numbers() + transform.line_numbers(), |room| {
                let (buffer, line) = room.split_at_mut(transform.n_numbers());
                let from = &tower.features[from..];
                simd.run(Forward { transform, from, lane_stride: 1, lanes, strides, size, buffer: &mut *buffer, line });
                for (frequency, number) in buffer.chunks_exact(COMPLEX).enumerate() {
                    // SAFETY: the place lies in `spectra`, which holds one for every frequency, tile and group, and no other
                    // task has this tile and group.
                    unsafe {
                        let place = ((frequency * tiles + tile) * groups + group) * COMPLEX;
                        std::ptr::copy_nonoverlapping(number.as_ptr(), to.get().add(place), COMPLEX);
                    }
                }
            });
        });
        Self { tower, cut, offset, spectra }
    }

    /// Adds what some units see to `units`, `[voxel, 16]`.
    fn add_units(
        &self,
        weight: &[f32],
        row: usize,
        of: std::ops::Range<usize>,
        weights: &mut [f32],
        products: &mut [f32],
        units: &mut [f32],
    ) {
        let Self { tower, cut, offset, spectra } = self;
        let (transform, tiles, channels) = (&cut.transform, cut.n_tiles(), tower.channels);
        let (n_numbers, simd) = (transform.n_numbers(), simd());
        let (weights, products) = (&mut weights[..channels * n_numbers], &mut products[..tiles * n_numbers]);
        let strides = cut.strides(tower.kernel);
        let taps = tower.kernel.iter().product::<usize>();
        weights.par_chunks_exact_mut(n_numbers).enumerate().for_each(|(channel, buffer)| {
            let from = &weight[of.start * row + offset + channel * taps..];
            let lanes = of.len();
            with_buffer(transform.line_numbers(), |line| {
                simd.run(Forward { transform, from, lane_stride: row, lanes, strides, size: cut.kernel, buffer, line });
            });
        });
        let frequencies = transform.n_frequencies();
        let to = Shared::of(products);
        let weights = &*weights;
        // Neighbouring frequencies lie side by side in memory: some together, so that whole pages are read.
        (0..frequencies.div_ceil(CHUNK)).into_par_iter().for_each(|chunk| {
            let frequencies_here = chunk * CHUNK..((chunk + 1) * CHUNK).min(frequencies);
            simd.run(Product {
                spectra,
                weights,
                products: to,
                frequencies: frequencies_here,
                n_frequencies: frequencies,
                tiles,
                channels,
            });
        });
        let voxels = Shared::of(units);
        let to_strides = cut.strides(cut.unturned(cut.size_out));
        products.par_chunks_exact_mut(n_numbers).enumerate().for_each(|(tile, buffer)| {
            let start = cut.start(tile);
            let size: [usize; 3] = std::array::from_fn(|axis| cut.step[axis].min(cut.size_out[axis] - start[axis]));
            let first = (0..3).map(|axis| start[axis] * to_strides[axis]).sum::<usize>();
            with_buffer(transform.line_numbers(), |line| {
                simd.run(Inverse { transform, buffer, line, size, to: voxels, first, strides: to_strides });
            });
        });
    }
}

/// Voxels of a task behind the transforms.
const PIECE: usize = 1024;
/// Frequencies of a task.
const CHUNK: usize = 32;
