//! How much of each label two maps hold, and where: in one pass over both.

use rayon::prelude::*;
use sagittal_image::{BoundingBox, Volume};

use crate::Overlap;

/// What a pass over two maps finds of a label.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Extent {
    pub(crate) overlap: Overlap,
    /// The smallest box that holds the label in either map; `None` where it is in neither.
    pub(crate) bounds: Option<BoundingBox>,
}

/// Rows that one thread takes at a time.
const ROWS: usize = 256;

/// Voxels of a row that are compared together.
const BLOCK: usize = 32;

/// Finds each of `labels`, inside `region` (everywhere if `None`).
///
/// # Shapes
/// - result: one entry per entry of `labels`
///
/// # Panics
/// If the shapes differ.
pub(crate) fn extents(prediction: &Volume<u16>, reference: &Volume<u16>, labels: &[u16], region: Option<&Volume<bool>>) -> Vec<Extent> {
    assert_eq!(prediction.shape(), reference.shape(), "masks differ in shape");
    if let Some(region) = region {
        assert_eq!(prediction.shape(), region.shape(), "mask and region differ in shape");
    }
    let mut slot_of = vec![None; usize::from(u16::MAX) + 1];
    for (slot, &label) in labels.iter().enumerate() {
        slot_of[usize::from(label)] = Some(slot);
    }
    let [_, ny, nx] = reference.shape();
    let n_together = (ROWS * nx).max(1);
    let parts = prediction.voxels().par_chunks(n_together).zip(reference.voxels().par_chunks(n_together)).enumerate();
    let nothing = || (0, vec![Extent::default(); labels.len()]);
    let (n_inside, mut found) = parts
        .fold(nothing, |(mut n_inside, mut found), (part, (prediction, reference))| {
            let rows = prediction.chunks(nx).zip(reference.chunks(nx)).enumerate();
            for (row, (prediction, reference)) in rows.map(|(row, maps)| (part * ROWS + row, maps)) {
                let mut add = |begin: usize, end: usize| {
                    n_inside += (end - begin) as u64;
                    for_each_run(&prediction[begin..end], &reference[begin..end], |[p, r], run| {
                        let bounds = BoundingBox {
                            lower: [row / ny, row % ny, begin + run.start],
                            upper: [row / ny + 1, row % ny + 1, begin + run.end],
                        };
                        add_run(&mut found, [p, r].map(|value| slot_of[usize::from(value)]), bounds);
                    });
                };
                match region {
                    None => add(0, nx),
                    Some(region) => {
                        let mut begin = 0;
                        for run in region.voxels()[row * nx..][..nx].chunk_by(|a, b| a == b) {
                            if run[0] {
                                add(begin, begin + run.len());
                            }
                            begin += run.len();
                        }
                    }
                }
            }
            (n_inside, found)
        })
        .reduce(nothing, |(n_a, mut a), (n_b, b)| {
            a.iter_mut().zip(b).for_each(|(a, b)| a.add(b));
            (n_a + n_b, a)
        });
    for Extent { overlap, .. } in &mut found {
        overlap.true_negative = n_inside - overlap.true_positive - overlap.false_positive - overlap.false_negative;
    }
    // A label asked for twice is found in its last slot.
    labels.iter().zip(0..).map(|(&label, slot)| found[slot_of[usize::from(label)].unwrap_or(slot)]).collect()
}

impl Extent {
    fn add(&mut self, other: Self) {
        self.overlap.true_positive += other.overlap.true_positive;
        self.overlap.false_positive += other.overlap.false_positive;
        self.overlap.false_negative += other.overlap.false_negative;
        if let Some(bounds) = other.bounds {
            self.include(bounds);
        }
    }

    fn include(&mut self, other: BoundingBox) {
        let bounds = self.bounds.get_or_insert(other);
        for axis in 0..3 {
            bounds.lower[axis] = bounds.lower[axis].min(other.lower[axis]);
            bounds.upper[axis] = bounds.upper[axis].max(other.upper[axis]);
        }
    }
}

/// Adds the voxels of `bounds`, all of one label in the prediction and of one in the reference.
fn add_run(found: &mut [Extent], slots: [Option<usize>; 2], bounds: BoundingBox) {
    let n = (bounds.upper[2] - bounds.lower[2]) as u64;
    match slots {
        [None, None] => {}
        [Some(predicted), Some(referred)] if predicted == referred => {
            found[predicted].overlap.true_positive += n;
            found[predicted].include(bounds);
        }
        [predicted, referred] => {
            if let Some(slot) = predicted {
                found[slot].overlap.false_positive += n;
                found[slot].include(bounds);
            }
            if let Some(slot) = referred {
                found[slot].overlap.false_negative += n;
                found[slot].include(bounds);
            }
        }
    }
}

/// Calls `take` with the two values of every run of voxels that are equal in both maps, and where in the row it lies.
fn for_each_run(prediction: &[u16], reference: &[u16], mut take: impl FnMut([u16; 2], std::ops::Range<usize>)) {
    let mut begin = 0;
    while let (Some(&p), Some(&r)) = (prediction.get(begin), reference.get(begin)) {
        let mut end = begin;
        // Whole blocks first: they compile to vector code.
        let (blocks_p, blocks_r) = (prediction[begin..].as_chunks::<BLOCK>().0, reference[begin..].as_chunks::<BLOCK>().0);
        for (block_p, block_r) in blocks_p.iter().zip(blocks_r) {
            if block_p.iter().zip(block_r).fold(0, |differ, (a, b)| differ | (a ^ p) | (b ^ r)) != 0 {
                break;
            }
            end += BLOCK;
        }
        end += prediction[end..].iter().zip(&reference[end..]).take_while(|(a, b)| **a == p && **b == r).count();
        take([p, r], begin..end);
        begin = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Voxel by voxel.
    fn naive(prediction: &Volume<u16>, reference: &Volume<u16>, label: u16, region: Option<&Volume<bool>>) -> Extent {
        let [_, ny, nx] = reference.shape();
        let mut found = Extent::default();
        for (idx, (&p, &r)) in prediction.voxels().iter().zip(reference.voxels()).enumerate() {
            if region.is_some_and(|region| !region.voxels()[idx]) {
                continue;
            }
            let Overlap { true_positive, false_positive, false_negative, true_negative } = &mut found.overlap;
            *match (p == label, r == label) {
                (true, true) => true_positive,
                (true, false) => false_positive,
                (false, true) => false_negative,
                (false, false) => true_negative,
            } += 1;
            if p == label || r == label {
                let at = [idx / (ny * nx), idx / nx % ny, idx % nx];
                found.include(BoundingBox { lower: at, upper: at.map(|place| place + 1) });
            }
        }
        found
    }

    #[test]
    fn one_pass_finds_what_looking_at_every_voxel_finds() {
        let mut state = 5_u64;
        let mut next = move |n: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % n
        };
        for shape in [[1, 1, 1], [0, 3, 3], [3, 3, 0], [1, 5, 33], [2, 300, 7], [3, 4, 100], [1, 2, 64]] {
            let n: usize = shape.iter().product();
            for longest in [1, 5, 70, 400] {
                let mut runs = |n_values: u64| {
                    let mut values = Vec::new();
                    while values.len() < n {
                        let value = next(n_values) as u16;
                        (0..=next(longest)).for_each(|_| values.push(value));
                    }
                    values.truncate(n);
                    values
                };
                let (prediction, reference) = (Volume::new(shape, runs(4)), Volume::new(shape, runs(4)));
                let region = Volume::new(shape, runs(2).into_iter().map(|value| value == 1).collect());
                for region in [None, Some(&region)] {
                    // Label 2 is asked for twice, label 9 is nowhere.
                    let labels = [2, 1, 9, 2];
                    let expected = labels.map(|label| naive(&prediction, &reference, label, region));
                    assert_eq!(extents(&prediction, &reference, &labels, region), expected, "{shape:?}, runs up to {longest}");
                }
            }
        }
    }
}
