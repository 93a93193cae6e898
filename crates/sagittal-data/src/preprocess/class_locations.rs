//! Voxels of every class, from which patches are centred on what is to be found (nnU-Net's `_sample_foreground_locations`).

use crate::Seed;
use rand::seq::index;
use sagittal_image::Volume;

/// A class keeps all its voxels up to this number, and at least this many.
const AT_LEAST: usize = 10_000;
/// The part kept of a large class.
const PART: f64 = 0.01;
/// nnU-Net's seed for this; the choice is random but always the same.
const SEED: Seed = Seed(1234);

/// Up to `max(10000, 1 %)` voxels of every class, chosen at random, in memory order; none of class 0, on which no
/// patch is centred.
pub(super) fn sample(classes: &Volume<i16>, n_classes: usize) -> Vec<Vec<[u32; 3]>> {
    let mut all: Vec<Vec<u32>> = vec![Vec::new(); n_classes];
    let [_, n_y, n_x] = classes.shape();
    for (row, voxels) in classes.voxels().chunks(n_x.max(1)).enumerate() {
        for (x, &class) in voxels.iter().enumerate().filter(|(_, class)| **class > 0) {
            all[class as usize].push((row * n_x + x) as u32);
        }
    }
    let chosen = |(class, voxels): (usize, Vec<u32>)| {
        let amount = AT_LEAST.max((voxels.len() as f64 * PART).ceil() as usize).min(voxels.len());
        let mut chosen = if amount == voxels.len() {
            voxels
        } else {
            index::sample(&mut SEED.stream(&[class as u64]), voxels.len(), amount).into_iter().map(|index| voxels[index]).collect()
        };
        chosen.sort_unstable();
        let (n_x, n_yx) = (n_x as u32, (n_y * n_x) as u32);
        chosen.into_iter().map(|voxel| [voxel / n_yx, voxel / n_x % n_y as u32, voxel % n_x]).collect()
    };
    all.into_iter().enumerate().map(chosen).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_classes_are_kept_whole_and_large_ones_capped() {
        let mut classes = Volume::filled([30, 40, 50], 1i16);
        classes.voxels_mut()[7] = 2;
        classes.voxels_mut()[8] = -1;
        classes.voxels_mut()[9] = 0;
        let locations = sample(&classes, 4);
        assert_eq!(locations.iter().map(Vec::len).collect::<Vec<_>>(), [0, 10_000, 1, 0]);
        assert_eq!(locations[2], [[0, 0, 7]]);
        assert!(locations[1].iter().all(|&[z, y, x]| *classes.at([z as usize, y as usize, x as usize]) == 1));
        assert!(locations[1].windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(locations, sample(&classes, 4));
    }
}
