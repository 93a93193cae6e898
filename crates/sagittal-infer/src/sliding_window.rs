//! An image larger than a network's patch: tiles that overlap, mirrored copies, several networks, averaged.

use crate::{
    InferError,
    front::TilePlace,
    importance::Weighting,
    mirroring::{combinations, flipped},
    region::Region,
    soft::Head,
    sums::{Parts, Sums},
    tiles::tile_starts,
};
use sagittal_data::plan::LogitPrecision;
use sagittal_nets::{Dropout, Network, Outputs};
use sagittal_tensor::{Device, Tensor, TensorData};
use std::ops::{ControlFlow, Range};

/// How an image is cut and looked at.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SlidingWindow<'a> {
    /// Size of a tile, `[Z, Y, X]`: the patch that the network was trained on, or of a voxel classifier the largest that is
    /// labelled at once.
    pub(crate) tile: [usize; 3],
    /// Voxels around a tile that the network sees, too, `[Z, Y, X]` before and after.
    pub(crate) context: [[usize; 2]; 3],
    /// Where something is to be found; all else is background and not looked at.
    pub(crate) region: Option<&'a Region>,
    /// How much each voxel of a tile counts.
    pub(crate) weighting: Weighting,
    /// Distance between tiles as a part of a tile, at most.
    pub(crate) step_fraction: f64,
    /// Every tile is also predicted mirrored along each combination of these axes, and the logits averaged.
    pub(crate) mirror_axes: Vec<usize>,
    /// Whether a last value says how far members differ.
    pub(crate) disagreement: bool,
    /// How exactly logits are added up.
    pub(crate) precision: LogitPrecision,
}

/// A network as it looks at tiles: whole, or with parts left out.
#[derive(Clone, Copy)]
pub(crate) struct Voter<'a> {
    pub(crate) network: &'a Network,
    pub(crate) dropout: Dropout,
}

/// A preprocessed image and the networks that look at it.
pub(crate) struct View<'a> {
    /// `[C, Z, Y, X]`.
    pub(crate) data: &'a [f32],
    /// Of `data`.
    pub(crate) shape: [usize; 4],
    pub(crate) voters: &'a [Voter<'a>],
    pub(crate) head: Head,
    pub(crate) device: &'a Device,
}

/// Voxels that one batch holds at most, unless a single tile has more: small tiles together keep all threads busy and share
/// one pass over the weights.
const BATCH_VOXELS: usize = 1 << 18;

/// How many tiles of a U-Net a batch holds.
fn tiles_per_batch(tile: [usize; 3]) -> usize {
    (BATCH_VOXELS / tile.iter().product::<usize>()).max(1)
}

impl SlidingWindow<'_> {
    /// Mean logits of some rows `rows` of every slice, in order: `sink` gets `[Y, X, K]`, or `[Y, X, K + 1]` with
    /// [`SlidingWindow::disagreement`].
    ///
    /// Tiles overlap; each voxel becomes the weighted mean of all tiles that cover it (Isensee et al. 2021). An image
    /// smaller than a tile is padded with zeros around its middle. `progress` hears how many further tiles are done, and
    /// may break off.
    ///
    /// # Errors
    /// [`InferError::Stopped`] if `progress` broke off, [`InferError::HalfOverflow`] if a logit is too large for float16.
    ///
    /// # Panics
    /// If the shape does not fit the data or the networks.
    pub(crate) fn run(
        &self,
        view: &View<'_>,
        rows: Range<usize>,
        sink: &mut dyn FnMut(&[f32]),
        progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<(), InferError> {
        let [_, size @ ..] = view.shape;
        assert_eq!(view.data.len(), view.shape.iter().product::<usize>(), "data of an image");
        let layout = self.layout(size, &rows);
        let Layout { tile, below, starts } = &layout;
        let (tile, below) = (*tile, *below);
        let mirrors = combinations(&self.mirror_axes);
        let parts = Parts {
            head: view.head,
            tile,
            n_classes: view.voters[0].network.plan().classes(),
            n_networks: view.voters.len(),
            n_mirrors: mirrors.len(),
            precision: self.precision,
            disagreement: self.disagreement,
        };
        let mut sums = Sums::new(parts, rows, size[2], self.weighting.of(tile), self.region);
        let place = |origin| TilePlace { origin, size: tile, below };
        // Slices of 2-D networks are so small that several of them make one batch.
        let in_plane = layout.in_plane();
        let at_once = (self.tiles_per_batch(tile) / (in_plane.len() * mirrors.len()).max(1)).max(1);
        sums.pass(starts[0].first().map_or(size[0], |first| first.saturating_sub(below[0])), sink)?;
        for (group, zs) in starts[0].chunks(at_once).enumerate() {
            let last = zs[zs.len() - 1];
            sums.reach((last + tile[0]).saturating_sub(below[0]).min(size[0]));
            let places: Vec<TilePlace> = zs.iter().flat_map(|&z| in_plane.iter().map(move |&[y, x]| [z, y, x])).map(place).collect();
            if self.add_tiles(view, tile, &places, &mirrors, &mut sums, progress).is_break() {
                return Err(InferError::Stopped);
            }
            let next = starts[0].get((group + 1) * at_once);
            sums.finish(next.map_or(size[0], |next| next.saturating_sub(below[0]).min(size[0])), sink)?;
        }
        // What lies behind the last tile.
        sums.pass(size[0], sink)
    }

    /// Number of tiles that [`SlidingWindow::run`] looks at for some rows of an image of `size`.
    pub(crate) fn n_tiles(&self, size: [usize; 3], rows: &Range<usize>) -> usize {
        let layout = self.layout(size, rows);
        layout.starts[0].len() * layout.in_plane().len()
    }

    /// Whether every voxel is labelled from its own surroundings, so that tiles need not overlap.
    pub(crate) fn is_dense(&self) -> bool {
        self.context != [[0; 2]; 3]
    }

    /// How many tiles a batch holds.
    pub(crate) fn tiles_per_batch(&self, tile: [usize; 3]) -> usize {
        // A voxel classifier's tiles are as large as memory allows.
        if self.is_dense() { 1 } else { tiles_per_batch(tile) }
    }

    /// The tiles that touch some rows of an image of `size`.
    fn layout(&self, size: [usize; 3], rows: &Range<usize>) -> Layout {
        if !self.is_dense() {
            let tile = self.tile;
            let padded: [usize; 3] = std::array::from_fn(|a| size[a].max(tile[a]));
            let below = std::array::from_fn(|a| (padded[a] - size[a]) / 2);
            let mut starts: [Vec<usize>; 3] = std::array::from_fn(|a| tile_starts(padded[a], tile[a], self.step_fraction));
            starts[1].retain(|&y| !TilePlace { origin: [0, y, 0], size: tile, below }.overlap(1, rows).0.is_empty());
            return Layout { tile, below, starts };
        }
        // What is labelled does not depend on the tile: nothing need overlap, and nothing is looked at that is not wanted.
        let mut bounds = self.region.map_or(size.map(|n| 0..n), |region| region.bounds.clone());
        bounds[1] = bounds[1].start.max(rows.start)..bounds[1].end.min(rows.end);
        let tile: [usize; 3] = std::array::from_fn(|a| self.tile[a].min(bounds[a].len()).max(1));
        let starts = std::array::from_fn(|a| match bounds[a].len() {
            0 => Vec::new(),
            n => tile_starts(n, tile[a], 1.0).into_iter().map(|start| bounds[a].start + start).collect(),
        });
        Layout { tile, below: [0; 3], starts }
    }

    /// A tile with what is seen around it.
    fn seen(&self, place: &TilePlace) -> TilePlace {
        let TilePlace { origin, size, below } = *place;
        let around = |a: usize| self.context[a][0] + size[a] + self.context[a][1];
        TilePlace { origin, size: std::array::from_fn(around), below: std::array::from_fn(|a| below[a] + self.context[a][0]) }
    }

    /// Predicts tiles and all their mirrored copies, in batches, and adds them up.
    fn add_tiles(
        &self,
        view: &View<'_>,
        tile: [usize; 3],
        places: &[TilePlace],
        mirrors: &[Vec<usize>],
        sums: &mut Sums<'_>,
        progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let [n_channels, size @ ..] = view.shape;
        let n_classes = view.voters[0].network.plan().classes();
        let n_voxels = tile.iter().product::<usize>();
        // What the network sees of a tile.
        let seen: [usize; 3] = std::array::from_fn(|a| self.context[a][0] + tile[a] + self.context[a][1]);
        let copies: Vec<(&TilePlace, &[usize])> =
            places.iter().flat_map(|place| mirrors.iter().map(move |axes| (place, &axes[..]))).collect();
        for batch in copies.chunks(self.tiles_per_batch(tile)) {
            let mut input = Vec::with_capacity(batch.len() * seen.iter().product::<usize>() * n_channels);
            for (place, mirrored) in batch {
                let upright = cut(view.data, n_channels, size, &self.seen(place));
                input.extend_from_slice(&flipped(&upright, seen, n_channels, mirrored));
            }
            let [z, y, x] = seen;
            let input = Tensor::<5>::from_data(TensorData::new(input, [batch.len(), z, y, x, n_channels]), view.device.plain());
            for (index, Voter { network, dropout }) in view.voters.iter().enumerate() {
                let logits = network.forward_with(network.parameters(), input.clone(), Outputs::Finest, *dropout);
                let logits = network.as_classes(logits.into_iter().next().expect("the finest logits")).into_data();
                let logits = logits.as_slice::<f32>().expect("logits are f32");
                for ((place, mirrored), values) in batch.iter().zip(logits.chunks_exact(n_voxels * n_classes)) {
                    sums.add(place, index, values, mirrored);
                }
            }
            // A tile is done with its last copy.
            progress(batch.iter().filter(|(_, mirrored)| mirrored.len() == self.mirror_axes.len()).count())?;
        }
        ControlFlow::Continue(())
    }
}

/// Where tiles lie that touch some rows.
struct Layout {
    tile: [usize; 3],
    /// Padding before the image.
    below: [usize; 3],
    /// Along each axis of the padded image.
    starts: [Vec<usize>; 3],
}

impl Layout {
    /// Starts `[y, x]`.
    fn in_plane(&self) -> Vec<[usize; 2]> {
        self.starts[1].iter().flat_map(|&y| self.starts[2].iter().map(move |&x| [y, x])).collect()
    }
}

/// One tile of the padded image: `[C, Z, Y, X]` => `[Z, Y, X, C]`.
fn cut(data: &[f32], n_channels: usize, size: [usize; 3], place: &TilePlace) -> Vec<f32> {
    let tile = place.size;
    let mut result = vec![0.0; tile.iter().product::<usize>() * n_channels];
    let [(zs, tile_z), (ys, tile_y), (xs, tile_x)] = std::array::from_fn(|a| place.overlap(a, &(0..size[a])));
    for c in 0..n_channels {
        for (z, to_z) in zs.clone().zip(tile_z..) {
            for (y, to_y) in ys.clone().zip(tile_y..) {
                let from = &data[((c * size[0] + z) * size[1] + y) * size[2] + xs.start..][..xs.len()];
                let to = &mut result[((to_z * tile[1] + to_y) * tile[2] + tile_x) * n_channels..];
                for (voxel, value) in to.chunks_exact_mut(n_channels).zip(from) {
                    voxel[c] = *value;
                }
            }
        }
    }
    result
}

#[cfg(test)]
mod tests;
