//! Logits of a whole image from overlapping tiles.

use crate::importance::{axis_totals, axis_weights};
use crate::mirroring::{combinations, flipped};
use crate::tiles::tile_starts;
use rayon::prelude::*;
use sagittal_image::Volume;
use sagittal_nets::{Network, Outputs};
use sagittal_tensor::{Device, Tensor, TensorData};

/// How an image is cut and looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct SlidingWindow {
    /// Size of a tile, `[Z, Y, X]`: the patch that the network was trained on.
    pub tile: [usize; 3],
    /// Distance between tiles as a part of a tile, at most.
    pub step_fraction: f64,
    /// Every tile is also predicted mirrored along each combination of these axes, and the logits averaged.
    pub mirror_axes: Vec<usize>,
}

/// The logits of an image, a volume for each class.
#[derive(Clone, Debug)]
pub struct Logits {
    /// `[K]` volumes `[Z, Y, X]`.
    pub classes: Vec<Volume<f32>>,
}

/// Mean logits of several networks over the tiles of an image.
///
/// Tiles overlap; each voxel becomes the weighted mean of all tiles that cover it (Isensee et al. 2021). An image smaller
/// than a tile is padded with zeros around its middle. `progress` hears how many tiles of how many are done.
///
/// # Shapes
/// - `data`: `[C, Z, Y, X]` of `shape`
///
/// # Panics
/// If the shape does not fit the data or the networks.
pub fn sliding_window(
    networks: &[Network],
    data: &[f32],
    shape: [usize; 4],
    window: &SlidingWindow,
    device: &Device,
    progress: &mut dyn FnMut(usize, usize),
) -> Logits {
    let [n_channels, size @ ..] = shape;
    assert_eq!(data.len(), shape.iter().product::<usize>(), "data of an image");
    let n_classes = networks[0].config().classes;
    let tile = window.tile;
    let padded: [usize; 3] = std::array::from_fn(|a| size[a].max(tile[a]));
    let below: [usize; 3] = std::array::from_fn(|a| (padded[a] - size[a]) / 2);
    let starts: [Vec<usize>; 3] = std::array::from_fn(|a| tile_starts(padded[a], tile[a], window.step_fraction));
    let weights: [Vec<f32>; 3] = std::array::from_fn(|a| axis_weights(tile[a]));
    let totals: [Vec<f32>; 3] = std::array::from_fn(|a| axis_totals(padded[a], &starts[a], &weights[a]));
    let n_tiles = starts.iter().map(Vec::len).product();
    let mirrors = combinations(&window.mirror_axes);
    let share = 1.0 / (mirrors.len() * networks.len()) as f32;

    let mut classes = vec![Volume::filled(size, 0.0f32); n_classes];
    let mut done = 0;
    for &z in &starts[0] {
        for &y in &starts[1] {
            for &x in &starts[2] {
                let origin = [z, y, x];
                let input = cut(data, n_channels, size, tile, origin, below);
                let mut sum = vec![0.0f32; tile.iter().product::<usize>() * n_classes];
                for axes in &mirrors {
                    let input = flipped(&input, tile, n_channels, axes);
                    let input = TensorData::new(input, [1, tile[0], tile[1], tile[2], n_channels]);
                    let input = Tensor::<5>::from_data(input, device.plain());
                    for network in networks {
                        let logits = network.forward(input.clone(), Outputs::Finest).swap_remove(0).into_data();
                        let logits = logits.as_slice::<f32>().expect("logits are f32");
                        let upright = flipped(logits, tile, n_classes, axes);
                        sum.iter_mut().zip(upright).for_each(|(sum, logit)| *sum += share * logit);
                    }
                }
                add(&mut classes, &sum, tile, origin, below, &weights);
                done += 1;
                progress(done, n_tiles);
            }
        }
    }
    // The weights of all tiles together are a product too, because tiles lie on a grid.
    classes.par_iter_mut().for_each(|class| {
        for (row_index, row) in class.voxels_mut().chunks_exact_mut(size[2]).enumerate() {
            let (z, y) = (row_index / size[1] + below[0], row_index % size[1] + below[1]);
            let total = totals[0][z] * totals[1][y];
            row.iter_mut().zip(&totals[2][below[2]..]).for_each(|(value, x_total)| *value /= total * x_total);
        }
    });
    Logits { classes }
}

/// The part of a tile along an axis that lies inside the image: first voxel of the tile, of the image, and how many.
fn overlap(size: usize, tile: usize, origin: usize, below: usize) -> (usize, usize, usize) {
    let first = below.saturating_sub(origin);
    let end = (below + size).saturating_sub(origin).min(tile);
    (first, (origin + first).saturating_sub(below), end.saturating_sub(first))
}

/// One tile of the padded image: `[C, Z, Y, X]` => `[Z, Y, X, C]`.
fn cut(data: &[f32], n_channels: usize, size: [usize; 3], tile: [usize; 3], origin: [usize; 3], below: [usize; 3]) -> Vec<f32> {
    let mut result = vec![0.0; tile.iter().product::<usize>() * n_channels];
    let [(tz, iz, nz), (ty, iy, ny), (tx, ix, nx)] = std::array::from_fn(|a| overlap(size[a], tile[a], origin[a], below[a]));
    for c in 0..n_channels {
        for z in 0..nz {
            for y in 0..ny {
                let from = &data[((c * size[0] + iz + z) * size[1] + iy + y) * size[2] + ix..][..nx];
                let to = &mut result[(((tz + z) * tile[1] + ty + y) * tile[2] + tx) * n_channels..];
                for (voxel, value) in to.chunks_exact_mut(n_channels).zip(from) {
                    voxel[c] = *value;
                }
            }
        }
    }
    result
}

/// Adds the weighted logits of a tile, `[Z, Y, X, K]`, to the sums of the image.
fn add(classes: &mut [Volume<f32>], logits: &[f32], tile: [usize; 3], origin: [usize; 3], below: [usize; 3], weights: &[Vec<f32>; 3]) {
    let n_classes = classes.len();
    classes.par_iter_mut().enumerate().for_each(|(k, class)| {
        let size = class.shape();
        let [(tz, iz, nz), (ty, iy, ny), (tx, ix, nx)] = std::array::from_fn(|a| overlap(size[a], tile[a], origin[a], below[a]));
        let sums = class.voxels_mut();
        for z in 0..nz {
            for y in 0..ny {
                let row_weight = weights[0][tz + z] * weights[1][ty + y];
                let from = &logits[(((tz + z) * tile[1] + ty + y) * tile[2] + tx) * n_classes..];
                let to = &mut sums[((iz + z) * size[1] + iy + y) * size[2] + ix..][..nx];
                for ((sum, voxel), x_weight) in to.iter_mut().zip(from.chunks_exact(n_classes)).zip(&weights[2][tx..]) {
                    *sum += row_weight * x_weight * voxel[k];
                }
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use sagittal_nets::{NetworkConfig, NetworkKind};

    fn network(classes: usize, channels: usize) -> Network {
        let config = NetworkConfig {
            kind: NetworkKind::Unet,
            input_channels: channels,
            classes,
            features: vec![4, 8],
            kernels: vec![[3; 3]; 2],
            strides: vec![[1; 3], [2; 3]],
            encoder_convs: vec![1, 1],
            decoder_convs: vec![1],
            deep_supervision: false,
        };
        Network::new(&config, &mut rand_chacha::ChaCha8Rng::seed_from_u64(1), &Device::cpu()).expect("a valid network")
    }

    fn image(shape: [usize; 4]) -> Vec<f32> {
        (0..shape.iter().product()).map(|i: usize| ((i * 37) % 101) as f32 / 50.0 - 1.0).collect()
    }

    #[test]
    fn one_tile_gives_the_logits_of_the_network() {
        let (network, shape) = (network(3, 2), [2, 8, 8, 8]);
        let data = image(shape);
        let window = SlidingWindow { tile: [8; 3], step_fraction: 0.5, mirror_axes: vec![] };
        let logits = sliding_window(std::slice::from_ref(&network), &data, shape, &window, &Device::cpu(), &mut |_, _| {});
        let input: Vec<f32> = (0..512).flat_map(|v| [data[v], data[512 + v]]).collect();
        let input = Tensor::<5>::from_data(TensorData::new(input, [1, 8, 8, 8, 2]), Device::cpu().plain());
        let expected = network.forward(input, Outputs::Finest).swap_remove(0).into_data();
        let expected = expected.as_slice::<f32>().expect("f32");
        for v in 0..512 {
            for k in 0..3 {
                assert!((logits.classes[k].voxels()[v] - expected[v * 3 + k]).abs() < 1e-5);
            }
        }
    }

    /// Every tile by itself, voxel by voxel, in double precision.
    fn naive(network: &Network, data: &[f32], size: [usize; 3], tile: usize) -> Vec<[f64; 2]> {
        let padded = size.map(|n| n.max(tile));
        let below: [usize; 3] = std::array::from_fn(|a| (padded[a] - size[a]) / 2);
        let index = |[z, y, x]: [usize; 3], [_, n_y, n_x]: [usize; 3]| (z * n_y + y) * n_x + x;
        let place = |v: usize| [v / (tile * tile), v / tile % tile, v % tile];
        let weight = |at: [usize; 3]| -> f64 {
            at.iter().map(|&i| (-0.5 * ((i as f64 - (tile / 2) as f64) / (tile as f64 / 8.0)).powi(2)).exp()).product()
        };
        let (mut sums, mut weights) = (vec![[0.0; 2]; size.iter().product()], vec![0.0; size.iter().product()]);
        for z in tile_starts(padded[0], tile, 0.5) {
            for y in tile_starts(padded[1], tile, 0.5) {
                for x in tile_starts(padded[2], tile, 0.5) {
                    let start = [z, y, x];
                    // Where a voxel of the tile lies in the image, if it does.
                    let in_image = |v: usize| -> Option<usize> {
                        let (at, mut position) = (place(v), [0; 3]);
                        for a in 0..3 {
                            position[a] = (start[a] + at[a]).checked_sub(below[a]).filter(|&p| p < size[a])?;
                        }
                        Some(index(position, size))
                    };
                    let input: Vec<f32> = (0..tile.pow(3)).map(|v| in_image(v).map_or(0.0, |i| data[i])).collect();
                    let input = Tensor::<5>::from_data(TensorData::new(input, [1, tile, tile, tile, 1]), Device::cpu().plain());
                    let logits = network.forward(input, Outputs::Finest).swap_remove(0).into_data();
                    let logits = logits.as_slice::<f32>().expect("f32");
                    for (v, voxel) in logits.chunks_exact(2).enumerate() {
                        let Some(i) = in_image(v) else { continue };
                        weights[i] += weight(place(v));
                        (0..2).for_each(|k| sums[i][k] += weight(place(v)) * f64::from(voxel[k]));
                    }
                }
            }
        }
        sums.iter().zip(&weights).map(|(sum, weight)| sum.map(|sum| sum / weight)).collect()
    }

    #[test]
    fn tiles_are_put_together_as_the_naive_way_does() {
        let network = network(2, 1);
        // Smaller than a tile along one axis, larger by odd numbers along the others.
        for size in [[5, 13, 11], [8, 8, 19], [3, 2, 9]] {
            let shape = [1, size[0], size[1], size[2]];
            let data = image(shape);
            let window = SlidingWindow { tile: [8; 3], step_fraction: 0.5, mirror_axes: vec![] };
            let fast = sliding_window(std::slice::from_ref(&network), &data, shape, &window, &Device::cpu(), &mut |_, _| {});
            for (i, expected) in naive(&network, &data, size, 8).iter().enumerate() {
                for (k, expected) in expected.iter().enumerate() {
                    let found = f64::from(fast.classes[k].voxels()[i]);
                    assert!((found - expected).abs() < 1e-4, "{size:?}, voxel {i}, class {k}: {found}, expected {expected}");
                }
            }
        }
    }

    #[test]
    fn two_equal_networks_give_what_one_gives() {
        let (network, shape) = (network(2, 1), [1, 5, 11, 9]);
        let data = image(shape);
        let window = SlidingWindow { tile: [8; 3], step_fraction: 0.5, mirror_axes: vec![0, 2] };
        let predict = |networks: &[Network]| sliding_window(networks, &data, shape, &window, &Device::cpu(), &mut |_, _| {});
        let (one, two) = (predict(std::slice::from_ref(&network)), predict(&[network.clone(), network.clone()]));
        assert_eq!(one.classes[0].shape(), [5, 11, 9]);
        for (a, b) in one.classes.iter().zip(&two.classes) {
            assert!(a.voxels().iter().zip(b.voxels()).all(|(a, b)| (a - b).abs() < 1e-5));
        }
    }

    #[test]
    fn mirroring_an_image_mirrors_its_prediction() {
        let (network, shape) = (network(2, 1), [1, 8, 8, 8]);
        let data = image(shape);
        let window = SlidingWindow { tile: [8; 3], step_fraction: 0.5, mirror_axes: vec![0, 1, 2] };
        let predict = |data: &[f32]| sliding_window(std::slice::from_ref(&network), data, shape, &window, &Device::cpu(), &mut |_, _| {});
        let upright = predict(&data);
        let mirrored = predict(&flipped(&data, [8; 3], 1, &[1]));
        let back = flipped(mirrored.classes[1].voxels(), [8; 3], 1, &[1]);
        assert!(upright.classes[1].voxels().iter().zip(back).all(|(a, b)| (a - b).abs() < 1e-4));
    }
}
