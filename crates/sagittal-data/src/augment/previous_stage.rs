//! What happens to the masks of the previous stage in a cascade's training, so that the last network does not believe them
//! blindly: they grow, shrink, are closed or opened, and lose connected components.
//!
//! Source: batchgeneratorsv2, `ApplyRandomBinaryOperatorTransform` and `RemoveRandomConnectedComponentFromOneHotEncodingTransform`
//! with the parameters of nnU-Net's trainer. Where nnU-Net's ball has an even number of voxels across, and thus lies half a voxel
//! beside its middle, ours stays about the middle.

use rand::{Rng, RngExt, seq::SliceRandom};
use sagittal_image::{Components, Volume};

/// Part of the patches whose masks change their shape.
const RESHAPED: f64 = 0.4;
/// Part of the patches whose masks lose components.
const ROBBED: f64 = 0.2;
/// Part of the labels of such a patch that are changed.
const PER_LABEL: f64 = 0.5;
/// Radius of the ball, in voxels.
const RADIUS: [f64; 2] = [1.0, 8.0];
/// A component that fills this part of the patch or more stays.
const LARGEST_REMOVED: f64 = 0.15;

/// What happens to the masks of a patch, in this order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Params {
    operations: Vec<Operation>,
    removals: Vec<Removal>,
}

/// A mask changes its shape.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Operation {
    /// Index of the mask.
    label: usize,
    operator: Operator,
    /// Diameter of the ball in voxels, its middle left out: voxels up to half of it away belong to the ball.
    diameter: usize,
}

/// Morphological operators.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Operator {
    Dilation,
    Erosion,
    Closing,
    Opening,
}

/// A mask loses a component.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Removal {
    /// Index of the mask.
    label: usize,
    /// Which of the components that are small enough, as a part of their number.
    which: f64,
}

pub(super) fn sample(n_labels: usize, rng: &mut impl Rng) -> Params {
    let operations = if rng.random_bool(RESHAPED) {
        let labels = some_labels(n_labels, rng);
        labels.into_iter().map(|label| Operation { label, operator: operator(rng), diameter: diameter(rng) }).collect()
    } else {
        Vec::new()
    };
    let removals = if rng.random_bool(ROBBED) {
        let labels = some_labels(n_labels, rng);
        labels.into_iter().map(|label| Removal { label, which: rng.random() }).collect()
    } else {
        Vec::new()
    };
    Params { operations, removals }
}

/// About half of the labels, in any order: one that grows takes voxels of those that follow.
fn some_labels(n_labels: usize, rng: &mut impl Rng) -> Vec<usize> {
    let mut labels: Vec<usize> = (0..n_labels).collect();
    labels.shuffle(rng);
    labels.retain(|_| rng.random_bool(PER_LABEL));
    labels
}

fn operator(rng: &mut impl Rng) -> Operator {
    [Operator::Dilation, Operator::Erosion, Operator::Closing, Operator::Opening][rng.random_range(0..4)]
}

fn diameter(rng: &mut impl Rng) -> usize {
    (2.0 * super::draw::uniform(RADIUS, rng)) as usize
}

/// Changes the masks, `[L, Z, Y, X]`, 0 or 1.
pub(super) fn apply(params: &Params, masks: &mut [f32], patch: [usize; 3]) {
    let n_voxels: usize = patch.iter().product();
    for Operation { label, operator, diameter } in &params.operations {
        let mask: Vec<bool> = masks[label * n_voxels..][..n_voxels].iter().map(|voxel| *voxel > 0.5).collect();
        let changed = operator.run(&mask, patch, *diameter);
        for (of, voxels) in masks.chunks_exact_mut(n_voxels).enumerate() {
            for ((voxel, is), was) in voxels.iter_mut().zip(&changed).zip(&mask) {
                if of == *label {
                    *voxel = f32::from(u8::from(*is));
                } else if *is && !was {
                    *voxel = 0.0;
                }
            }
        }
    }
    for Removal { label, which } in &params.removals {
        let mask = &mut masks[label * n_voxels..][..n_voxels];
        let components = Components::of(&Volume::new(patch, mask.iter().map(|voxel| *voxel > 0.5).collect()));
        let is_small = |size: usize| (size as f64) < LARGEST_REMOVED * n_voxels as f64;
        let small: Vec<u32> = (1..).zip(&components.sizes).filter(|(_, size)| is_small(**size)).map(|(number, _)| number).collect();
        let Some(removed) = small.get((which * small.len() as f64) as usize) else { continue };
        let voxels = mask.iter_mut().zip(components.numbers.voxels());
        voxels.filter(|(_, number)| *number == removed).for_each(|(voxel, _)| *voxel = 0.0);
    }
}

impl Operator {
    fn run(self, mask: &[bool], shape: [usize; 3], diameter: usize) -> Vec<bool> {
        match self {
            Self::Dilation => dilated(mask, shape, diameter),
            Self::Erosion => eroded(mask, shape, diameter),
            Self::Closing => eroded(&dilated(mask, shape, diameter), shape, diameter),
            Self::Opening => dilated(&eroded(mask, shape, diameter), shape, diameter),
        }
    }
}

/// What is beyond the border of the patch takes nothing away.
fn eroded(mask: &[bool], shape: [usize; 3], diameter: usize) -> Vec<bool> {
    let outside: Vec<bool> = mask.iter().map(|inside| !inside).collect();
    dilated(&outside, shape, diameter).into_iter().map(|near_outside| !near_outside).collect()
}

/// Every voxel with one of the mask within half of `diameter`.
///
/// The squared distance to the mask is found axis by axis, as far as the ball reaches.
fn dilated(mask: &[bool], shape: [usize; 3], diameter: usize) -> Vec<bool> {
    const FAR: u16 = u16::MAX / 2;
    let reach = diameter / 2;
    let mut squared: Vec<u16> = mask.iter().map(|inside| if *inside { 0 } else { FAR }).collect();
    let mut next = squared.clone();
    for axis in 0..3 {
        // [outer, length, inner]: neighbours along the axis lie `inner` voxels apart.
        let (length, inner) = (shape[axis], shape[axis + 1..].iter().product::<usize>());
        for (from, to) in squared.chunks_exact(length * inner).zip(next.chunks_exact_mut(length * inner)) {
            to.copy_from_slice(from);
            for offset in 1..=reach.min(length.saturating_sub(1)) {
                let further = (offset * offset) as u16;
                let (shifted, kept) = (offset * inner, (length - offset) * inner);
                for (to, from) in to[..kept].iter_mut().zip(&from[shifted..]) {
                    *to = (*to).min(from + further);
                }
                for (to, from) in to[shifted..].iter_mut().zip(&from[..kept]) {
                    *to = (*to).min(from + further);
                }
            }
        }
        std::mem::swap(&mut squared, &mut next);
    }
    squared.into_iter().map(|squared| 4 * usize::from(squared) <= diameter * diameter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Seed;

    const SHAPE: [usize; 3] = [5, 9, 7];

    fn mask(seed: u64) -> Vec<bool> {
        let mut rng = Seed(seed).stream(&[]);
        (0..SHAPE.iter().product()).map(|_| rng.random_bool(0.05)).collect()
    }

    /// As the definition says.
    fn dilated_naive(mask: &[bool], [z, y, x]: [usize; 3], diameter: usize) -> Vec<bool> {
        let place = |index: usize| [index / (y * x), index / x % y, index % x].map(|at| at as i64);
        let near =
            |a: [i64; 3], b: [i64; 3]| 4 * (0..3).map(|axis| (a[axis] - b[axis]).pow(2)).sum::<i64>() <= (diameter * diameter) as i64;
        (0..z * y * x).map(|index| (0..mask.len()).any(|other| mask[other] && near(place(index), place(other)))).collect()
    }

    #[test]
    fn balls_grow_as_their_definition_says() {
        for shape in [SHAPE, [1, 15, 21]] {
            for diameter in [2, 3, 4, 7, 15] {
                let mask = mask(diameter as u64);
                assert_eq!(dilated(&mask, shape, diameter), dilated_naive(&mask, shape, diameter), "diameter {diameter} in {shape:?}");
            }
        }
    }

    #[test]
    fn closing_only_adds_opening_only_takes_and_borders_take_nothing() {
        let full = vec![true; SHAPE.iter().product()];
        assert_eq!(eroded(&full, SHAPE, 6), full);
        let mask = dilated(&mask(3), SHAPE, 3);
        let (closed, opened) = (Operator::Closing.run(&mask, SHAPE, 4), Operator::Opening.run(&mask, SHAPE, 4));
        assert!(mask.iter().zip(&closed).all(|(was, is)| *is || !was) && closed != mask);
        assert!(mask.iter().zip(&opened).all(|(was, is)| *was || !is) && opened != mask);
    }

    #[test]
    fn a_mask_that_grows_takes_voxels_of_the_others() {
        let mut masks = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 1.0, 0.0]].concat();
        let params = Params { operations: vec![Operation { label: 0, operator: Operator::Dilation, diameter: 2 }], ..Params::default() };
        apply(&params, &mut masks, [1, 1, 4]);
        assert_eq!(masks, [1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    }

    #[test]
    fn small_components_are_removed_and_large_ones_stay() {
        // Of 20 voxels less than 3 are small.
        let before: Vec<f32> = [1, 1, 0, 1, 1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0].map(|voxel| voxel as f32).to_vec();
        let after = |which: f64| {
            let mut masks = before.clone();
            apply(&Params { removals: vec![Removal { label: 0, which }], ..Params::default() }, &mut masks, [1, 1, 20]);
            (0..20).filter(|&at| masks[at] != before[at]).collect::<Vec<_>>()
        };
        assert_eq!((after(0.0), after(0.49), after(0.5), after(0.99)), (vec![0, 1], vec![0, 1], vec![7], vec![7]));
        let mut large = vec![1.0; 20];
        apply(&Params { removals: vec![Removal { label: 0, which: 0.5 }], ..Params::default() }, &mut large, [1, 1, 20]);
        assert_eq!(large, [1.0; 20]);
    }

    #[test]
    fn masks_are_drawn_as_often_as_nnunet_does() {
        let mut rng = Seed(1).stream(&[]);
        let drawn: Vec<Params> = (0..20_000).map(|_| sample(2, &mut rng)).collect();
        // Of two labels each with probability one half, at least one is changed in three quarters.
        let often = |f: fn(&Params) -> bool| drawn.iter().filter(|params| f(params)).count() as f64 / 20_000.0;
        assert!((often(|params| !params.operations.is_empty()) - 0.4 * 0.75).abs() < 0.015);
        assert!((often(|params| !params.removals.is_empty()) - 0.2 * 0.75).abs() < 0.015);
        let diameters = drawn.iter().flat_map(|params| &params.operations).map(|operation| operation.diameter);
        assert_eq!((diameters.clone().min(), diameters.max()), (Some(2), Some(15)));
    }
}
