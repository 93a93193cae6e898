#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use rand::SeedableRng;
use sagittal_data::plan::{ActivationKind, NetworkPlan, UnetPlan};
use sagittal_tensor::Tensor;

fn network(classes: usize, channels: usize) -> Network {
    network_with(classes, channels, 0.0)
}

fn network_with(classes: usize, channels: usize, dropout: f64) -> Network {
    let plan = NetworkPlan::Unet(UnetPlan {
        input_channels: channels,
        classes,
        features: vec![4, 8],
        kernels: vec![[3; 3]; 2],
        strides: vec![[1; 3], [2; 3]],
        encoder_convs: vec![1, 1],
        decoder_convs: vec![1],
        deep_supervision: false,
        conv_bias: true,
        norm_epsilon: UnetPlan::NORM_EPSILON,
        leaky_slope: UnetPlan::LEAKY_SLOPE,
        activation: ActivationKind::LeakyRelu,
        dropout,
    });
    Network::new(&plan, &mut rand_chacha::ChaCha8Rng::seed_from_u64(1), &Device::cpu()).unwrap().for_prediction()
}

fn window(mirror_axes: Vec<usize>) -> SlidingWindow<'static> {
    SlidingWindow {
        tile: [8; 3],
        context: [[0; 2]; 3],
        region: None,
        weighting: Weighting::Gaussian,
        step_fraction: 0.5,
        mirror_axes,
        disagreement: false,
        precision: LogitPrecision::Single,
    }
}

fn image(shape: [usize; 4]) -> Vec<f32> {
    (0..shape.iter().product()).map(|i: usize| ((i * 37) % 101) as f32 / 50.0 - 1.0).collect()
}

fn voters(networks: &[Network]) -> Vec<Voter<'_>> {
    networks.iter().map(|network| Voter { network, dropout: Dropout::Off }).collect()
}

/// The slices of some rows, one after the other.
fn slices(networks: &[Network], data: &[f32], shape: [usize; 4], window: &SlidingWindow<'_>, rows: Range<usize>) -> Vec<f32> {
    slices_of(&voters(networks), data, shape, window, rows)
}

fn slices_of(voters: &[Voter<'_>], data: &[f32], shape: [usize; 4], window: &SlidingWindow<'_>, rows: Range<usize>) -> Vec<f32> {
    let device = Device::cpu();
    let view = View { data, shape, voters, head: Head::Classes, device: &device };
    let (mut found, mut n_done) = (Vec::new(), 0);
    let size = [shape[1], shape[2], shape[3]];
    let mut count = |n| {
        n_done += n;
        ControlFlow::Continue(())
    };
    assert!(window.run(&view, rows.clone(), &mut |slice| found.extend_from_slice(slice), &mut count).is_ok());
    assert_eq!(n_done, window.n_tiles(size, &rows), "tiles announced and done");
    found
}

fn all(networks: &[Network], data: &[f32], shape: [usize; 4], window: &SlidingWindow<'_>) -> Vec<f32> {
    slices(networks, data, shape, window, 0..shape[2])
}

#[test]
fn one_tile_gives_the_logits_of_the_network() {
    let (network, shape) = (network(3, 2), [2, 8, 8, 8]);
    let data = image(shape);
    let found = all(std::slice::from_ref(&network), &data, shape, &window(vec![]));
    let input: Vec<f32> = (0..512).flat_map(|v| [data[v], data[512 + v]]).collect();
    let input = Tensor::<5>::from_data(TensorData::new(input, [1, 8, 8, 8, 2]), Device::cpu().plain());
    let expected = network.forward(input, Outputs::Finest).swap_remove(0).into_data();
    let expected = expected.as_slice::<f32>().unwrap();
    assert_eq!(found.len(), expected.len());
    assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5));
}

/// Every tile by itself, voxel by voxel, in double precision.
fn naive(network: &Network, data: &[f32], size: [usize; 3], tile: usize) -> Vec<[f64; 2]> {
    let padded = size.map(|n| n.max(tile));
    let below: [usize; 3] = std::array::from_fn(|a| (padded[a] - size[a]) / 2);
    let index = |[z, y, x]: [usize; 3], [_, n_y, n_x]: [usize; 3]| (z * n_y + y) * n_x + x;
    let place = |v: usize| [v / (tile * tile), v / tile % tile, v % tile];
    let table = crate::importance::weights([tile; 3]);
    let weight = |at: [usize; 3]| f64::from(table[index(at, [tile; 3])]);
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
                for (v, voxel) in logits.as_slice::<f32>().unwrap().chunks_exact(2).enumerate() {
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
    for size in [[5, 13, 11], [8, 8, 19], [3, 2, 9], [21, 9, 8]] {
        let shape = [1, size[0], size[1], size[2]];
        let data = image(shape);
        let fast = all(std::slice::from_ref(&network), &data, shape, &window(vec![]));
        for (i, expected) in naive(&network, &data, size, 8).iter().enumerate() {
            for (k, expected) in expected.iter().enumerate() {
                let found = f64::from(fast[i * 2 + k]);
                assert!((found - expected).abs() < 1e-4, "{size:?}, voxel {i}, class {k}: {found}, expected {expected}");
            }
        }
    }
}

#[test]
fn blocks_of_rows_give_what_all_rows_give() {
    let (network, size) = (network(2, 1), [11, 21, 9]);
    let shape = [1, size[0], size[1], size[2]];
    let (data, window) = (image(shape), window(vec![1]));
    let whole = all(std::slice::from_ref(&network), &data, shape, &window);
    for rows in [0..1, 3..9, 15..21] {
        let block = slices(std::slice::from_ref(&network), &data, shape, &window, rows.clone());
        let mut expected = Vec::new();
        for z in 0..size[0] {
            expected.extend_from_slice(&whole[(z * size[1] + rows.start) * size[2] * 2..(z * size[1] + rows.end) * size[2] * 2]);
        }
        assert_eq!(block.len(), expected.len());
        assert!(block.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-5), "{rows:?}");
    }
}

#[test]
fn networks_of_slices_see_every_slice_by_itself() {
    let mut plan = network(2, 1).plan().clone();
    let unet = plan.unet_mut().unwrap();
    unet.kernels = vec![[1, 3, 3]; 2];
    unet.strides = vec![[1; 3], [1, 2, 2]];
    let network = Network::new(&plan, &mut rand_chacha::ChaCha8Rng::seed_from_u64(1), &Device::cpu()).unwrap();
    let (shape, window) = ([1, 37, 10, 8], SlidingWindow { tile: [1, 8, 8], ..window(vec![1, 2]) });
    let data = image(shape);
    let together = all(std::slice::from_ref(&network), &data, shape, &window);
    for z in 0..37 {
        let alone = all(std::slice::from_ref(&network), &data[z * 80..(z + 1) * 80], [1, 1, 10, 8], &window);
        assert!(alone.iter().zip(&together[z * 160..]).all(|(a, b)| (a - b).abs() < 1e-5), "slice {z}");
    }
}

#[test]
fn two_equal_networks_give_what_one_gives_and_never_disagree() {
    let (network, shape) = (network(2, 1), [1, 5, 11, 9]);
    let data = image(shape);
    let one = all(std::slice::from_ref(&network), &data, shape, &window(vec![0, 2]));
    let two = all(&[network.clone(), network.clone()], &data, shape, &window(vec![0, 2]));
    assert!(one.iter().zip(&two).all(|(a, b)| (a - b).abs() < 1e-5));
    let asked = SlidingWindow { disagreement: true, ..window(vec![]) };
    let plain = all(std::slice::from_ref(&network), &data, shape, &window(vec![]));
    let two = all(&[network.clone(), network.clone()], &data, shape, &asked);
    for (voxel, plain) in two.chunks_exact(3).zip(plain.chunks_exact(2)) {
        assert!(voxel[2].abs() < 1e-5 && (voxel[0] - plain[0]).abs() < 1e-5 && (voxel[1] - plain[1]).abs() < 1e-5);
    }
    // Mirrored copies of an untrained network do.
    let mirrored = all(std::slice::from_ref(&network), &data, shape, &SlidingWindow { disagreement: true, ..window(vec![0, 2]) });
    assert!(mirrored.chunks_exact(3).map(|voxel| voxel[2]).fold(0.0, f32::max) > 1e-4);
    assert!(mirrored.chunks_exact(3).zip(one.chunks_exact(2)).all(|(a, b)| (a[0] - b[0]).abs() < 1e-4));
}

#[test]
fn samples_of_dropout_disagree_only_where_they_leave_out_other_parts() {
    let (network, shape) = (network_with(2, 1, 0.4), [1, 5, 20, 9]);
    let (data, asked) = (image(shape), SlidingWindow { disagreement: true, ..window(vec![]) });
    let run = |seeds: &[u64], rows: Range<usize>| {
        let voters: Vec<Voter<'_>> = seeds.iter().map(|&seed| Voter { network: &network, dropout: Dropout::Alike(seed) }).collect();
        slices_of(&voters, &data, shape, &asked, rows)
    };
    let (alike, different) = (run(&[1, 1, 1], 0..20), run(&[1, 2, 3], 0..20));
    assert!(alike.chunks_exact(3).all(|voxel| voxel[2].abs() < 1e-6), "one thinned network, asked thrice, agrees with itself");
    assert!(different.chunks_exact(3).map(|voxel| voxel[2]).fold(0.0, f32::max) > 1e-4);
    // The same networks whatever tiles are predicted together.
    let rows = run(&[1, 2, 3], 3..8);
    for z in 0..5 {
        for (i, value) in rows[z * 5 * 27..(z + 1) * 5 * 27].iter().enumerate() {
            assert!((value - different[(z * 20 + 3) * 27 + i]).abs() < 1e-5, "{i} of slice {z}");
        }
    }
}

#[test]
fn mirroring_an_image_mirrors_its_prediction() {
    let (network, shape) = (network(2, 1), [1, 8, 8, 8]);
    let (data, window) = (image(shape), window(vec![0, 1, 2]));
    let upright = all(std::slice::from_ref(&network), &data, shape, &window);
    let mirrored = all(std::slice::from_ref(&network), &flipped(&data, [8; 3], 1, &[1]), shape, &window);
    let back = flipped(&mirrored, [8; 3], 2, &[1]);
    assert!(upright.iter().zip(back).all(|(a, b)| (a - b).abs() < 1e-4));
}

#[test]
fn a_prediction_can_be_broken_off() {
    let (network, shape) = (network(2, 1), [1, 20, 9, 9]);
    let data = image(shape);
    let device = Device::cpu();
    let voters = voters(std::slice::from_ref(&network));
    let view = View { data: &data, shape, voters: &voters, head: Head::Classes, device: &device };
    let mut n_calls = 0;
    let mut at_once = |_| {
        n_calls += 1;
        ControlFlow::Break(())
    };
    assert!(window(vec![]).run(&view, 0..9, &mut |_| (), &mut at_once).is_err());
    assert_eq!(n_calls, 1);
}

#[test]
fn logits_of_a_whole_case_are_those_of_its_slices_with_channels_first() {
    let (network, shape, window) = (network(3, 2), [2, 9, 12, 10], window(vec![]));
    let data = image(shape);
    let expected = all(std::slice::from_ref(&network), &data, shape, &window);
    let mut plan = crate::ensemble::tests::plan();
    plan.patch = window.tile;
    let mut n_asked = 0;
    let mut go_on = || {
        n_asked += 1;
        ControlFlow::Continue(())
    };
    let found = crate::case_logits(&network, &plan, &data, shape, &Device::cpu(), &mut go_on).unwrap();
    assert!(n_asked > 0 && found.len() == expected.len());
    let n_voxels = 9 * 12 * 10;
    assert!((0..n_voxels).all(|v| (0..3).all(|k| found[k * n_voxels + v] == expected[v * 3 + k])));
    assert_eq!(crate::case_logits(&network, &plan, &data, shape, &Device::cpu(), &mut || ControlFlow::Break(())), None);
}
