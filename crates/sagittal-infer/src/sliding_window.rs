//! An image larger than a network's patch: tiles that overlap, mirrored copies, several networks, averaged.

use crate::{
    front::{Front, TilePlace, TileValues},
    members::Members,
    mirroring::{combinations, flipped},
    soft::Head,
    tiles::tile_starts,
};
use sagittal_nets::{Dropout, Network, Outputs};
use sagittal_tensor::{Device, Tensor, TensorData};
use std::{
    collections::BTreeMap,
    ops::{ControlFlow, Range},
};

/// How an image is cut and looked at.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SlidingWindow {
    /// Size of a tile, `[Z, Y, X]`: the patch that the network was trained on.
    pub(crate) tile: [usize; 3],
    /// Distance between tiles as a part of a tile, at most.
    pub(crate) step_fraction: f64,
    /// Every tile is also predicted mirrored along each combination of these axes, and the logits averaged.
    pub(crate) mirror_axes: Vec<usize>,
    /// Whether a last value says how far members differ.
    pub(crate) disagreement: bool,
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

/// How many tiles a batch holds.
pub(crate) fn tiles_per_batch(tile: [usize; 3]) -> usize {
    (BATCH_VOXELS / tile.iter().product::<usize>()).max(1)
}

impl SlidingWindow {
    /// Mean logits of some rows `rows` of every slice, in order: `sink` gets `[Y, X, K]`, or `[Y, X, K + 1]` with
    /// [`SlidingWindow::disagreement`].
    ///
    /// Tiles overlap; each voxel becomes the weighted mean of all tiles that cover it (Isensee et al. 2021). An image
    /// smaller than a tile is padded with zeros around its middle. `progress` hears how many further tiles are done, and
    /// may break off.
    ///
    /// # Panics
    /// If the shape does not fit the data or the networks.
    pub(crate) fn run(
        &self,
        view: &View<'_>,
        rows: Range<usize>,
        sink: &mut dyn FnMut(&[f32]),
        progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let [_, size @ ..] = view.shape;
        assert_eq!(view.data.len(), view.shape.iter().product::<usize>(), "data of an image");
        let (below, starts) = self.layout(size);
        let n_classes = view.voters[0].network.plan().classes();
        let n_values = n_classes + usize::from(self.disagreement);
        let mut front = Front::new(rows.clone(), size[2], n_values, self.tile);
        let place = |origin| TilePlace { origin, size: self.tile, below };
        let mirrors = combinations(&self.mirror_axes);
        // Slices of 2-D networks are so small that several of them make one batch.
        let in_plane = self.in_plane(size, &rows);
        let at_once = (tiles_per_batch(self.tile) / (in_plane.len() * mirrors.len()).max(1)).max(1);
        for (group, zs) in starts[0].chunks(at_once).enumerate() {
            let last = zs[zs.len() - 1];
            front.reach((last + self.tile[0]).saturating_sub(below[0]).min(size[0]));
            let places: Vec<TilePlace> = zs.iter().flat_map(|&z| in_plane.iter().map(move |&[y, x]| [z, y, x])).map(place).collect();
            self.add_tiles(view, &places, &mirrors, &mut front, progress)?;
            let next = starts[0].get((group + 1) * at_once);
            front.finish(next.map_or(size[0], |next| next.saturating_sub(below[0]).min(size[0])), sink);
        }
        ControlFlow::Continue(())
    }

    /// Number of tiles that [`SlidingWindow::run`] looks at for some rows of an image of `size`.
    pub(crate) fn n_tiles(&self, size: [usize; 3], rows: &Range<usize>) -> usize {
        self.layout(size).1[0].len() * self.in_plane(size, rows).len()
    }

    /// Padding before the image, starts of tiles along each axis of the padded image.
    fn layout(&self, size: [usize; 3]) -> ([usize; 3], [Vec<usize>; 3]) {
        let padded: [usize; 3] = std::array::from_fn(|a| size[a].max(self.tile[a]));
        let below = std::array::from_fn(|a| (padded[a] - size[a]) / 2);
        (below, std::array::from_fn(|a| tile_starts(padded[a], self.tile[a], self.step_fraction)))
    }

    /// Starts `[y, x]` of the tiles that touch some rows.
    fn in_plane(&self, size: [usize; 3], rows: &Range<usize>) -> Vec<[usize; 2]> {
        let (below, starts) = self.layout(size);
        let touches = |y: usize| !TilePlace { origin: [0, y, 0], size: self.tile, below }.overlap(1, rows).0.is_empty();
        starts[1].iter().filter(|y| touches(**y)).flat_map(|&y| starts[2].iter().map(move |&x| [y, x])).collect()
    }

    /// Predicts tiles and all their mirrored copies, in batches, and adds them to the front.
    fn add_tiles(
        &self,
        view: &View<'_>,
        places: &[TilePlace],
        mirrors: &[Vec<usize>],
        front: &mut Front,
        progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let [n_channels, size @ ..] = view.shape;
        let n_classes = view.voters[0].network.plan().classes();
        let n_voxels = self.tile.iter().product::<usize>();
        let share = 1.0 / (mirrors.len() * view.voters.len()) as f32;
        let copies: Vec<(usize, &[usize])> = (0..places.len()).flat_map(|p| mirrors.iter().map(move |axes| (p, &axes[..]))).collect();
        // What the members say of each tile that not all have seen yet.
        let mut open: BTreeMap<usize, (Members, usize)> = BTreeMap::new();
        for batch in copies.chunks(tiles_per_batch(self.tile)) {
            let mut input = Vec::with_capacity(batch.len() * n_voxels * n_channels);
            for (place, mirrored) in batch {
                let upright = cut(view.data, n_channels, size, &places[*place]);
                input.extend_from_slice(&flipped(&upright, self.tile, n_channels, mirrored));
            }
            let [z, y, x] = self.tile;
            let input = Tensor::<5>::from_data(TensorData::new(input, [batch.len(), z, y, x, n_channels]), view.device.plain());
            for Voter { network, dropout } in view.voters {
                let logits = network.forward_with(network.parameters(), input.clone(), Outputs::Finest, *dropout);
                let logits = network.as_classes(logits.into_iter().next().expect("the finest logits")).into_data();
                let logits = logits.as_slice::<f32>().expect("logits are f32");
                for ((place, mirrored), values) in batch.iter().zip(logits.chunks_exact(n_voxels * n_classes)) {
                    let tile = TileValues { values, n_values: n_classes, mirrored, share };
                    if !self.disagreement {
                        front.add(&places[*place], tile);
                        continue;
                    }
                    let (members, n_heard) = open.entry(*place).or_insert_with(|| (Members::new(view.head, self.tile, n_classes), 0));
                    members.add(tile);
                    *n_heard += 1;
                    if *n_heard == mirrors.len() * view.voters.len() {
                        let values = members.values();
                        front.add(&places[*place], TileValues { values: &values, n_values: n_classes + 1, mirrored: &[], share: 1.0 });
                        open.remove(place);
                    }
                }
            }
            // A tile is done with its last copy.
            progress(batch.iter().filter(|(_, mirrored)| mirrored.len() == self.mirror_axes.len()).count())?;
        }
        ControlFlow::Continue(())
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
