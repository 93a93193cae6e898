//! How features are cut into tiles: by estimated work.

use super::{
    WideTower,
    spectrum::{COMPLEX, LANES, Transform},
};

/// A tower in tiles. Axes are turned so that those the kernel does not reach along come first.
pub(super) struct Cut {
    /// `order[i]` is the tower's axis that is axis `i` here.
    pub(super) order: [usize; 3],
    /// Of the features, in the turned order.
    pub(super) size_in: [usize; 3],
    /// Of the kernel.
    pub(super) kernel: [usize; 3],
    /// Of the values.
    pub(super) size_out: [usize; 3],
    /// From one tile to the next, and the values of a tile.
    pub(super) step: [usize; 3],
    pub(super) transform: Transform,
    /// Estimated work of a block of units, in products of one unit.
    pub(super) cost: f64,
}

/// The largest edge of a tile.
const LARGEST: usize = 128;
/// Bytes that the spectra of a block of units may take, unless the smallest tile's already do.
const SPECTRA_BYTES: usize = 256 << 20;
/// Products that a complex product of a vector of units costs as much time as: four multiplications, and more loads than a dense
/// matrix product has.
const PRODUCT: f64 = 5.0;
/// The same of a step of a transform: three additions and as many multiplications of a complex pair, and moving it.
const BUTTERFLY: f64 = 6.0;

impl Cut {
    /// The cheapest.
    pub(super) fn of(tower: &WideTower<'_>) -> Self {
        let mut order = [0, 1, 2];
        // Stable: wide axes keep their order.
        order.sort_by_key(|&axis| tower.kernel[axis] > 1);
        let kernel = order.map(|axis| tower.kernel[axis]);
        let size_out = order.map(|axis| tower.size_out()[axis]);
        let size_in = order.map(|axis| tower.size[axis]);
        let smallest = kernel.map(usize::next_power_of_two);
        let mut best: Option<Self> = None;
        for scale in [1, 2, 4, 8] {
            let size: [usize; 3] = std::array::from_fn(|axis| {
                if kernel[axis] == 1 {
                    return 1;
                }
                // No larger than what holds all.
                (smallest[axis] * scale).min(size_in[axis].next_power_of_two()).min(LARGEST.max(smallest[axis]))
            });
            let transform = Transform::new(size);
            if best.is_some() && tower.channels * transform.n_numbers() * 4 > SPECTRA_BYTES {
                break;
            }
            let step = std::array::from_fn(|axis| size[axis] - kernel[axis] + 1);
            let mut cut = Self { order, size_in, kernel, size_out, step, transform, cost: 0.0 };
            let (channels, tiles) = (tower.channels as f64, cut.n_tiles() as f64);
            let products = tiles * cut.transform.n_frequencies() as f64 * channels * PRODUCT;
            cut.cost = products + (channels * cut.transform.steps(kernel) + tiles * cut.transform.steps(step)) * BUTTERFLY;
            if best.as_ref().is_none_or(|best| cut.cost < best.cost) {
                best = Some(cut);
            }
        }
        best.expect("the smallest tile is always considered")
    }

    fn tiles(&self) -> [usize; 3] {
        std::array::from_fn(|axis| self.size_out[axis].div_ceil(self.step[axis]))
    }

    pub(super) fn n_tiles(&self) -> usize {
        self.tiles().iter().product()
    }

    /// First voxel of a tile.
    pub(super) fn start(&self, tile: usize) -> [usize; 3] {
        let [_, n, m] = self.tiles();
        let place = [tile / (n * m), tile / m % n, tile % m];
        std::array::from_fn(|axis| place[axis] * self.step[axis])
    }

    /// Distances in memory along the turned axes of an array of `size` `[Z, Y, X]`.
    pub(super) fn strides(&self, size: [usize; 3]) -> [usize; 3] {
        let strides = [size[1] * size[2], size[2], 1];
        self.order.map(|axis| strides[axis])
    }

    /// A size in the tower's own order of axes.
    pub(super) fn unturned(&self, size: [usize; 3]) -> [usize; 3] {
        let mut own = [0; 3];
        for (turned, &axis) in self.order.iter().enumerate() {
            own[axis] = size[turned];
        }
        own
    }
}

const _: () = assert!(COMPLEX == 2 * LANES);
