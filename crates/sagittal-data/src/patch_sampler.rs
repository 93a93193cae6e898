//! Which part of which case the network sees next (nnU-Net's `nnUNetDataLoader`).
//!
//! Most of a medical image is background; so a part of every batch is centred on a labelled voxel, of a class drawn
//! first and a voxel drawn second, so that small structures are seen as often as large ones. Patches may hang over the
//! border of an image: otherwise voxels near it would hardly ever be in the middle.
//!
//! A voxel classifier sees every class equally often, background among them, inside its region of interest (Lai 2015): then
//! cases keep voxels of the background too, and all of every batch is centred on one of a class.

use crate::{
    Seed,
    plan::Plan,
    training_set::{StoredCase, TrainingSet},
};
use rand::{Rng, RngExt, seq::SliceRandom};

/// Stream of the order in which whole pictures come; those of single samples begin with their purpose, which is smaller.
const ORDER: u64 = u64::MAX;

/// Draws places of patches.
#[derive(Clone, Debug)]
pub struct PatchSampler {
    /// Size of the box that is drawn: the patch, or what its rotations may need.
    pub(crate) size: [usize; 3],
    /// Size of what is labelled in the middle of it.
    pub(crate) patch: [usize; 3],
    batch_size: usize,
    foreground_fraction: f64,
    /// Whether there are voxels that nobody labelled: then every patch is centred on one that somebody did.
    has_ignore: bool,
    /// Whether the network sees whole pictures: then there is one place for the patch.
    is_whole: bool,
}

/// Where a patch is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Index of the case in the set.
    pub case: usize,
    /// First voxel of the box, `[z, y, x]`; negative where it hangs over.
    pub lower: [i64; 3],
}

impl PatchSampler {
    /// For training: boxes large enough for the plan's rotations and scalings.
    pub fn training(plan: &Plan) -> Self {
        Self { size: crate::augment::source_size(plan), ..Self::validation(plan) }
    }

    /// For validation: the patch itself.
    pub fn validation(plan: &Plan) -> Self {
        Self {
            size: plan.input_size(),
            patch: plan.patch,
            batch_size: plan.batch_size,
            foreground_fraction: plan.training.foreground_fraction,
            has_ignore: plan.ignore_label.is_some(),
            is_whole: plan.network.whole_image().is_some(),
        }
    }

    /// For learning without labels: patches anywhere, as if there were none.
    pub fn unlabelled(plan: &Plan) -> Self {
        Self { foreground_fraction: 0.0, has_ignore: false, ..Self::validation(plan) }
    }

    /// The place of a sample of a step where the network sees whole pictures, else nothing: every case comes once before any
    /// comes again, as in the epochs of a textbook, in a new order each time where `shuffle` gives one.
    ///
    /// # Panics
    /// If the set is empty.
    pub fn in_turn(&self, set: &TrainingSet, step: u64, index: usize, shuffle: Option<Seed>) -> Option<Place> {
        if !self.is_whole {
            return None;
        }
        let n = set.cases().len();
        let count = step * self.batch_size as u64 + index as u64;
        let (round, place) = (count / n as u64, (count % n as u64) as usize);
        let mut order: Vec<usize> = (0..n).collect();
        if let Some(seed) = shuffle {
            order.shuffle(&mut seed.stream(&[ORDER, round]));
        }
        Some(Place { case: order[place], lower: [0; 3] })
    }

    /// Draws the place of sample `index` of a batch.
    ///
    /// # Panics
    /// If the set is empty.
    pub fn sample(&self, set: &TrainingSet, index: usize, rng: &mut impl Rng) -> Place {
        let case = rng.random_range(0..set.cases().len());
        let stored = &set.cases()[case];
        let [_, z, y, x] = stored.shape();
        let shape = [z, y, x];
        let lowest: [i64; 3] = std::array::from_fn(|axis| -(self.overhang(shape, axis) + 1) / 2);
        if let Some(voxels) = self.candidates(stored, index, rng) {
            let voxel = voxels[rng.random_range(0..voxels.len())];
            let lower = std::array::from_fn(|axis| lowest[axis].max(i64::from(voxel[axis]) - (self.size[axis] / 2) as i64));
            return Place { case, lower };
        }
        let lower = std::array::from_fn(|axis| {
            let overhang = self.overhang(shape, axis);
            let highest = shape[axis] as i64 + overhang / 2 + overhang % 2 - self.size[axis] as i64;
            rng.random_range(lowest[axis]..=highest.max(lowest[axis]))
        });
        Place { case, lower }
    }

    /// The voxels one of which is to be the centre; none where any place will do.
    fn candidates<'a>(&self, stored: &'a StoredCase, index: usize, rng: &mut impl Rng) -> Option<&'a Vec<[u32; 3]>> {
        let labelled = Some(&stored.labelled_locations).filter(|voxels| self.has_ignore && !voxels.is_empty());
        if !self.is_foreground(index, rng) {
            return labelled;
        }
        let present: Vec<&Vec<[u32; 3]>> = stored.class_locations.iter().filter(|voxels| !voxels.is_empty()).collect();
        if present.is_empty() { labelled } else { Some(present[rng.random_range(0..present.len())]) }
    }

    /// By how much boxes may hang over along an axis, both sides together.
    fn overhang(&self, shape: [usize; 3], axis: usize) -> i64 {
        let enlarged = self.size[axis] as i64 - self.patch[axis] as i64;
        enlarged.max(self.size[axis] as i64 - shape[axis] as i64)
    }

    /// The last samples of a batch are centred on foreground; in batches so small that this would be none, each is with
    /// the probability asked for.
    fn is_foreground(&self, index: usize, rng: &mut impl Rng) -> bool {
        let first = (self.batch_size as f64 * (1.0 - self.foreground_fraction)).round_ties_even() as usize;
        if first >= self.batch_size { rng.random_bool(self.foreground_fraction) } else { index >= first }
    }
}

#[cfg(test)]
mod tests;
