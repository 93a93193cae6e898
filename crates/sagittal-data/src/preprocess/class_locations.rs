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

/// Up to `max(10000, 1 %)` voxels of every target, a set of classes, chosen at random, in memory order; of those `inside`, where
/// that is given. Background outside the image's nonzero part is background.
pub(super) fn sample(classes: &Volume<i16>, n_classes: usize, targets: &[Vec<usize>], inside: Option<&Volume<bool>>) -> Vec<Vec<[u32; 3]>> {
    let mut targets_of = vec![Vec::new(); n_classes];
    for (target, of) in targets.iter().enumerate() {
        of.iter().for_each(|&class| targets_of[class].push(target));
    }
    let mut all: Vec<Vec<u32>> = vec![Vec::new(); targets.len()];
    let is_inside = |index: usize| inside.is_none_or(|inside| inside.voxels()[index]);
    for (index, &class) in classes.voxels().iter().enumerate().filter(|(index, _)| is_inside(*index)) {
        // The class beyond the last is that of voxels nobody labelled.
        for &target in targets_of.get(class.max(0) as usize).into_iter().flatten() {
            all[target].push(index as u32);
        }
    }
    all.into_iter().enumerate().map(|(target, voxels)| choose(voxels, target as u64, classes.shape())).collect()
}

/// Voxels of every class, of those `inside`, where that is given. Background outside the image's nonzero part is background.
pub(super) fn sizes(classes: &Volume<i16>, n_classes: usize, inside: Option<&Volume<bool>>) -> Vec<u64> {
    let mut sizes = vec![0; n_classes];
    for (index, &class) in classes.voxels().iter().enumerate() {
        // The class beyond the last is that of voxels nobody labelled.
        if let Some(size) = sizes.get_mut(class.max(0) as usize)
            && inside.is_none_or(|inside| inside.voxels()[index])
        {
            *size += 1;
        }
    }
    sizes
}

/// As many of all voxels that somebody labelled, the outside of the image among them.
pub(super) fn sample_labelled(classes: &Volume<i16>, n_classes: usize) -> Vec<[u32; 3]> {
    let is_labelled = |(_, class): &(usize, &i16)| **class < n_classes as i16;
    let voxels = classes.voxels().iter().enumerate().filter(is_labelled).map(|(index, _)| index as u32).collect();
    choose(voxels, u64::MAX, classes.shape())
}

/// Some voxels of a list of indices, as positions; `stream` makes the choice of each list its own.
fn choose(voxels: Vec<u32>, stream: u64, [_, n_y, n_x]: [usize; 3]) -> Vec<[u32; 3]> {
    let amount = AT_LEAST.max((voxels.len() as f64 * PART).ceil() as usize).min(voxels.len());
    let mut chosen = if amount == voxels.len() {
        voxels
    } else {
        index::sample(&mut SEED.stream(&[stream]), voxels.len(), amount).into_iter().map(|index| voxels[index]).collect()
    };
    chosen.sort_unstable();
    let (n_x, n_yx) = (n_x as u32, (n_y * n_x) as u32);
    chosen.into_iter().map(|voxel| [voxel / n_yx, voxel / n_x % n_y as u32, voxel % n_x]).collect()
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
        let each = [vec![], vec![1], vec![2], vec![3]];
        let locations = sample(&classes, 4, &each, None);
        assert_eq!(locations.iter().map(Vec::len).collect::<Vec<_>>(), [0, 10_000, 1, 0]);
        assert_eq!(locations[2], [[0, 0, 7]]);
        assert!(locations[1].iter().all(|&[z, y, x]| *classes.at([z as usize, y as usize, x as usize]) == 1));
        assert!(locations[1].windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(locations, sample(&classes, 4, &each, None));
    }

    #[test]
    fn regions_hold_all_their_classes_and_what_nobody_labelled_belongs_to_none() {
        let classes = Volume::new([1, 1, 6], vec![0i16, 1, 2, 3, -1, 1]);
        // Class 3 is that of voxels nobody labelled.
        let x = |voxels: &[[u32; 3]]| voxels.iter().map(|voxel| voxel[2]).collect::<Vec<_>>();
        let regions = sample(&classes, 3, &[vec![1, 2], vec![2]], None);
        assert_eq!((x(&regions[0]), x(&regions[1])), (vec![1, 2, 5], vec![2]));
        assert_eq!(x(&sample_labelled(&classes, 3)), [0, 1, 2, 4, 5]);
    }

    #[test]
    fn background_is_kept_where_it_is_wanted_and_nothing_outside_the_region() {
        let classes = Volume::new([1, 1, 6], vec![0i16, 1, 2, 3, -1, 1]);
        let inside = Volume::new([1, 1, 6], vec![false, true, true, true, true, false]);
        let x = |voxels: &[[u32; 3]]| voxels.iter().map(|voxel| voxel[2]).collect::<Vec<_>>();
        let each = [vec![0], vec![1], vec![2]];
        let found: Vec<_> = sample(&classes, 3, &each, Some(&inside)).iter().map(|voxels| x(voxels)).collect();
        assert_eq!(found, [vec![4], vec![1], vec![2]]);
        assert_eq!(x(&sample(&classes, 3, &each, None)[0]), [0, 4]);
        assert_eq!((sizes(&classes, 3, Some(&inside)), sizes(&classes, 3, None)), (vec![1, 1, 1], vec![2, 2, 1]));
    }
}
