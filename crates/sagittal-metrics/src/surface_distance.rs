//! How far two surfaces are apart: Hausdorff distance and its 95th percentile, average and median distance, surface Dice.
//!
//! A surface consists of elements, each with a place and a size. Each element has a distance to the nearest element of the other
//! surface, and all scores are taken from these two lists, one for each direction:
//!
//! | score | definition |
//! |---|---|
//! | Hausdorff | the largest distance, of both directions the larger |
//! | HD95 | in each direction the distance that 95 % of the surface's size do not exceed; of both directions the larger |
//! | average, median, one way | mean over that surface, weighted by size; the distance that half of its size does not exceed |
//! | average, median, symmetric | the same over both surfaces together |
//! | surface Dice (NSD) | size of both surfaces that lies within the tolerance of the other one, as a part of all of it |
//!
//! [`SurfaceElements::Triangles`] (Nikolov et al. 2018, DeepMind's `surface-distance`): elements lie at the corners between
//! voxels, their size is the area of the triangles that marching cubes lays there (the length of the contour in 2-D).
//! [`SurfaceElements::BorderVoxels`] (MedPy, MONAI): voxels of the mask that have a face on its outside, each of size 1; a face on the
//! image's border counts as outside. Sums of sizes make the two differ by up to a voxel; which one is nearer the truth depends on the
//! spacing, and the size of a voxel of an anisotropic grid is the reason why triangles are the default.
//!
//! | reference | prediction | distances | surface Dice |
//! |---|---|---|---|
//! | empty | empty | `None` | `None` |
//! | empty | not empty | `None` | 0 |
//! | not empty | empty | `None` | 0 |
//!
//! No number is far enough for a structure that was missed altogether, so distances are left out there and counted as left out; the
//! surface Dice of 0 tells of it.

use std::cmp::Ordering;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    MaskPair,
    nearest_element::{Nearest, NearestElement},
    surface::{Slice, Surface},
};

/// What a surface consists of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SurfaceElements {
    /// The triangles of marching cubes, by their area: as DeepMind's `surface-distance`.
    #[default]
    Triangles,
    /// The voxels on the inner border, each as one: as MedPy and MONAI.
    BorderVoxels,
}

/// How surfaces are compared.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SurfaceOptions {
    /// What a surface consists of.
    pub elements: SurfaceElements,
    /// How far apart surfaces may lie and still count as the same, for the surface Dice; in the unit of distances.
    pub tolerance: f64,
}

impl Default for SurfaceOptions {
    fn default() -> Self {
        Self { elements: SurfaceElements::Triangles, tolerance: 1.0 }
    }
}

/// How far two surfaces are apart, in mm, or in voxels where the files have no spacing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SurfaceScore {
    /// The largest distance.
    pub hausdorff: Option<f64>,
    /// The larger of both directions' 95th percentiles.
    pub hausdorff95: Option<f64>,
    /// Mean over both surfaces.
    pub average: Option<f64>,
    /// Mean distance of the reference's surface from the prediction's.
    pub average_reference_to_prediction: Option<f64>,
    /// Mean distance of the prediction's surface from the reference's.
    pub average_prediction_to_reference: Option<f64>,
    /// Median over both surfaces.
    pub median: Option<f64>,
    /// Median distance of the reference's surface from the prediction's.
    pub median_reference_to_prediction: Option<f64>,
    /// Median distance of the prediction's surface from the reference's.
    pub median_prediction_to_reference: Option<f64>,
    /// Surface Dice at the tolerance (normalised surface distance), 0 to 1.
    pub surface_dice: Option<f64>,
}

/// An element of a surface.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Element {
    /// To the nearest element of the other surface.
    pub distance: f64,
    /// Area, length, or 1.
    pub size: f64,
}

/// The two lists of elements, each by rising distance.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SurfaceDistances {
    /// The reference's surface.
    pub reference_to_prediction: Vec<Element>,
    /// The prediction's surface.
    pub prediction_to_reference: Vec<Element>,
}

/// Shares of a surface that are equal but for rounding count as equal, whatever the order of summation.
const SAME_SHARE: f64 = 1e-12;

impl SurfaceDistances {
    /// Measures both surfaces; `None` where a mask is empty.
    pub fn between(masks: &MaskPair, elements: SurfaceElements) -> Option<Self> {
        let surface = |mask| Surface::of(mask, masks.spacing, masks.rank, elements);
        let (reference, prediction) = (surface(&masks.reference), surface(&masks.prediction));
        let (forth, back) = (distances(&reference, &prediction, masks.spacing), distances(&prediction, &reference, masks.spacing));
        (!forth.is_empty() && !back.is_empty()).then_some(Self { reference_to_prediction: forth, prediction_to_reference: back })
    }

    /// The scores that follow from the lists.
    pub fn score(&self, tolerance: f64) -> SurfaceScore {
        let Self { reference_to_prediction: forth, prediction_to_reference: back } = self;
        let both = merged(forth, back);
        let larger = |share| Some(percentile(forth, share)?.max(percentile(back, share)?));
        let within: f64 = both.iter().filter(|element| element.distance <= tolerance).fold(0.0, |sum, element| sum + element.size);
        SurfaceScore {
            hausdorff: larger(1.0),
            hausdorff95: larger(0.95),
            average: average(&both),
            average_reference_to_prediction: average(forth),
            average_prediction_to_reference: average(back),
            median: percentile(&both, 0.5),
            median_reference_to_prediction: percentile(forth, 0.5),
            median_prediction_to_reference: percentile(back, 0.5),
            surface_dice: (!both.is_empty()).then(|| within / total(&both)),
        }
    }
}

/// The scores of one label, with the table above for empty masks.
pub fn surface_score(masks: Option<&MaskPair>, options: SurfaceOptions) -> SurfaceScore {
    let Some(masks) = masks else { return SurfaceScore::default() };
    match SurfaceDistances::between(masks, options.elements) {
        Some(distances) => distances.score(options.tolerance),
        None => SurfaceScore { surface_dice: Some(0.0), ..SurfaceScore::default() },
    }
}

/// The elements of `surface` with their distances to `other`, sorted; none where `other` has none.
fn distances(surface: &Surface, other: &Surface, spacing: [f64; 3]) -> Vec<Element> {
    let elements_of_other = NearestElement::of(&other.places, spacing);
    let slices = surface.places.slices.par_iter().enumerate();
    let of_slice = |(z, slice): (usize, &Slice)| {
        let mut elements = Vec::with_capacity(slice.len());
        // Where the elements of this row are and of the last one that has some, and what is nearest to them.
        let mut before: Vec<(usize, Nearest)> = Vec::new();
        let mut here = Vec::new();
        for (y, (row, codes)) in slice.rows().enumerate().filter(|(_, (row, _))| !row.is_empty()) {
            let mut beside = 0;
            for (&x, &code) in row.iter().zip(codes) {
                // Both rows ascend, so that the nearest one of the row before is never to be looked for backwards.
                let apart = |i: usize| before.get(i).map(|(at, _)| at.abs_diff(x));
                while apart(beside + 1).is_some_and(|next| apart(beside).is_some_and(|now| next <= now)) {
                    beside += 1;
                }
                let near = [here.last(), before.get(beside)].map(|known| known.map(|(_, nearest)| nearest.at));
                let Some(nearest) = elements_of_other.to([z, y, x], near) else { return Vec::new() };
                here.push((x, nearest));
                elements.push(Element { distance: nearest.distance, size: surface.sizes[usize::from(code)] });
            }
            std::mem::swap(&mut before, &mut here);
            here.clear();
        }
        elements
    };
    let mut elements: Vec<Element> = slices.flat_map_iter(of_slice).collect();
    sort(&mut elements);
    elements
}

/// By distance, then by size, so that sums do not depend on the order of voxels.
fn order(a: &Element, b: &Element) -> Ordering {
    a.distance.total_cmp(&b.distance).then_with(|| a.size.total_cmp(&b.size))
}

fn sort(elements: &mut [Element]) {
    elements.par_sort_unstable_by(order);
}

/// Both lists as one, in the same order.
fn merged(mut a: &[Element], mut b: &[Element]) -> Vec<Element> {
    let mut both = Vec::with_capacity(a.len() + b.len());
    while let (Some((first_a, rest_a)), Some((first_b, rest_b))) = (a.split_first(), b.split_first()) {
        if order(first_a, first_b).is_le() {
            both.push(*first_a);
            a = rest_a;
        } else {
            both.push(*first_b);
            b = rest_b;
        }
    }
    both.extend_from_slice(a);
    both.extend_from_slice(b);
    both
}

fn total(elements: &[Element]) -> f64 {
    elements.iter().map(|element| element.size).sum()
}

fn average(elements: &[Element]) -> Option<f64> {
    (!elements.is_empty()).then(|| elements.iter().map(|e| e.distance * e.size).sum::<f64>() / total(elements))
}

/// The smallest distance that `share` of the surface's size does not exceed.
fn percentile(elements: &[Element], share: f64) -> Option<f64> {
    let wanted = total(elements) * (share - SAME_SHARE);
    let mut sum = 0.0;
    let reached = elements.iter().find(|element| {
        sum += element.size;
        sum >= wanted
    });
    reached.or(elements.last()).map(|element| element.distance)
}

#[cfg(test)]
mod tests;
