#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::{
    assembly::{Assembly, OnCrop, Resampling},
    decision::Decision,
    importance::weights,
    mirroring::combinations,
    tiles::tile_starts,
};
use sagittal_image::{Volume, probability_taps};
use serde::Deserialize;

/// What `tests/reference/half_logits.py` writes.
#[derive(Deserialize)]
struct Golden {
    tile: [usize; 3],
    size: [usize; 3],
    classes: usize,
    folds: usize,
    mirrored: Vec<usize>,
    /// `[Z, Y, X, K]`.
    logits: Vec<f32>,
    resampled: Vec<Resampled>,
}

#[derive(Deserialize)]
struct Resampled {
    shape: [usize; 3],
    spacings: [[f64; 3]; 2],
    /// A digit per voxel.
    labels: String,
    labels_in_float32: String,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../../tests/data/half_logits.json")).unwrap()
}

/// What the script's network says when it is asked for the `call`th time, `[Z, Y, X, K]`.
fn logits(call: usize, n_voxels: usize, n_classes: usize) -> Vec<f32> {
    let hashed = |i: usize| ((i as u32).wrapping_mul(2_654_435_761) >> 16) as f32;
    let of_voxel = |v: usize| {
        let voxel = call * n_voxels + v;
        let common = hashed(voxel) / 1024.0 - 32.0;
        (0..n_classes).map(move |k| common + (hashed(voxel * n_classes + k + 1) / 16.0).floor() / 262_144.0)
    };
    (0..n_voxels).flat_map(of_voxel).collect()
}

/// The mean logits of every slice.
fn slices(golden: &Golden, precision: LogitPrecision, disagreement: bool) -> Vec<Vec<f32>> {
    let Golden { tile, size, classes, folds, mirrored, .. } = golden;
    let mirrors = combinations(mirrored);
    let parts = Parts {
        head: Head::Classes,
        tile: *tile,
        n_classes: *classes,
        n_networks: *folds,
        n_mirrors: mirrors.len(),
        precision,
        disagreement,
    };
    let starts: [Vec<usize>; 3] = std::array::from_fn(|a| tile_starts(size[a], tile[a], 0.5));
    let in_plane: Vec<[usize; 2]> = starts[1].iter().flat_map(|&y| starts[2].iter().map(move |&x| [y, x])).collect();
    let (n_tiles, n_voxels) = (starts[0].len() * in_plane.len(), tile.iter().product());
    let mut sums = Sums::new(parts, 0..size[1], size[2], weights(*tile), None);
    let (mut found, mut tile_index) = (Vec::new(), 0);
    for (i, &z) in starts[0].iter().enumerate() {
        sums.reach(z + tile[0]);
        for &[y, x] in &in_plane {
            let place = TilePlace { origin: [z, y, x], size: *tile, below: [0; 3] };
            for (mirror, axes) in mirrors.iter().enumerate() {
                for network in 0..*folds {
                    let call = (network * n_tiles + tile_index) * mirrors.len() + mirror;
                    sums.add(&place, network, &logits(call, n_voxels, *classes), axes);
                }
            }
            tile_index += 1;
        }
        let end = starts[0].get(i + 1).copied().unwrap_or(size[0]);
        sums.finish(end, &mut |slice| found.push(slice.to_vec())).unwrap();
    }
    found
}

#[test]
fn halves_are_added_up_and_averaged_as_nnunet_does() {
    let golden = golden();
    let found = slices(&golden, LogitPrecision::Half, false);
    assert_eq!(found.concat(), golden.logits);
    // What is asked for beside does not change them.
    let beside: Vec<f32> = slices(&golden, LogitPrecision::Half, true).concat();
    let (k, disagreements): (Vec<f32>, Vec<f32>) = {
        let voxels = beside.chunks_exact(golden.classes + 1);
        (voxels.clone().flat_map(|v| v[..golden.classes].to_vec()).collect(), voxels.map(|v| v[golden.classes]).collect())
    };
    assert_eq!(k, golden.logits);
    let single: Vec<f32> = slices(&golden, LogitPrecision::Single, true).concat();
    let expected = single.chunks_exact(golden.classes + 1).map(|voxel| voxel[golden.classes]);
    assert!(disagreements.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5 && *a >= 0.0));
    // They are those of float32 but for the rounding.
    let single: Vec<f32> = slices(&golden, LogitPrecision::Single, false).concat();
    let largest = golden.logits.iter().fold(0.0f32, |most, logit| most.max(logit.abs()));
    let worst = single.iter().zip(&golden.logits).fold(0.0f32, |worst, (a, b)| worst.max((a - b).abs()));
    // Up to eight tiles are added up, in numbers of 11 bits that are rounded after each; before they partly cancel each other, sums are
    // a few times what is left of them.
    assert!(worst > 0.0 && worst < 4.0 * 8.0 / 2048.0 * largest, "{worst} of {largest}");
}

#[test]
fn halves_are_resampled_and_decided_as_nnunet_does() {
    let golden = golden();
    for Resampled { shape, spacings: [old_mm, new_mm], labels, labels_in_float32 } in &golden.resampled {
        for (precision, expected) in [(LogitPrecision::Half, labels), (LogitPrecision::Single, labels_in_float32)] {
            let taps = probability_taps(golden.size, *shape, Some((*old_mm, *new_mm)));
            let grid = Resampling { taps: &taps, size_in: golden.size, precision };
            let decision = Decision::of_labels((0..golden.classes as u16).collect());
            let mut result = OnCrop { labels: Volume::filled(*shape, 0), probabilities: None, failure: None, uncertainty: None };
            for rows in [0..2, 2..shape[1]] {
                let mut assembly = Assembly::new(&grid, rows.clone(), golden.classes, &decision, &mut result);
                let needed = crate::assembly::rows_needed(&taps[1], &rows);
                let n_row = golden.size[2] * golden.classes;
                slices(&golden, precision, false).iter().for_each(|slice| assembly.push(&slice[needed.start * n_row..needed.end * n_row]));
            }
            let found: String = result.labels.voxels().iter().map(u16::to_string).collect();
            let n_different = found.chars().zip(expected.chars()).filter(|(a, b)| a != b).count();
            // Sums in float32 depend on the order of tiles in the last bit.
            let allowed = if precision == LogitPrecision::Half { 0 } else { expected.len() / 100 };
            assert!(found.len() == expected.len() && n_different <= allowed, "{n_different} labels differ, {precision:?} to {shape:?}");
        }
    }
}

#[test]
fn logits_that_float16_cannot_hold_are_refused() {
    let parts = Parts {
        head: Head::Classes,
        tile: [1, 1, 2],
        n_classes: 1,
        n_networks: 1,
        n_mirrors: 1,
        precision: LogitPrecision::Half,
        disagreement: false,
    };
    // The weight of the centre is 10.
    for (logit, fits) in [(6000.0, true), (7000.0, false)] {
        let mut sums = Sums::new(parts, 0..1, 2, weights([1, 1, 2]), None);
        sums.reach(1);
        sums.add(&TilePlace { origin: [0; 3], size: [1, 1, 2], below: [0; 3] }, 0, &[logit, logit], &[]);
        let result = sums.finish(1, &mut |_| ());
        assert_eq!(matches!(result, Err(InferError::HalfOverflow)), !fits, "{logit}");
    }
}
