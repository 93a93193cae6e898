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
use sagittal_image::{Rank, Volume};
use serde::{Deserialize, Serialize};

use crate::{
    MaskPair,
    nearest_element::{Known, NearestElement},
    neighbour_codes::{contour_lengths, surface_areas},
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
        let (forth, back) = (reference.distances_to(&prediction, masks.spacing), prediction.distances_to(&reference, masks.spacing));
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

/// The surface of `mask`: its size in mm² (in mm in 2-D), by the triangles of marching cubes.
pub(crate) fn surface_size(mask: &Volume<bool>, spacing: [f64; 3], rank: Rank) -> f64 {
    let surface = Surface::of(mask, spacing, rank, SurfaceElements::Triangles);
    surface.grid.voxels().iter().map(|&code| surface.sizes[usize::from(code)]).sum()
}

/// A grid of codes, and the size of the element that each code stands for; 0 where there is none.
struct Surface {
    grid: Volume<u8>,
    sizes: [f64; 256],
    /// The code of a place with nothing but inside around it, which is no element, and neither is 0.
    inside: u8,
}

impl Surface {
    fn of(mask: &Volume<bool>, spacing: [f64; 3], rank: Rank, elements: SurfaceElements) -> Self {
        let [_, y, x] = spacing;
        match (elements, rank) {
            (SurfaceElements::Triangles, Rank::Three) => {
                Self { grid: corner_codes(mask, rank), sizes: surface_areas(spacing), inside: 0b1111_1111 }
            }
            (SurfaceElements::Triangles, Rank::Two) => {
                Self { grid: corner_codes(mask, rank), sizes: contour_lengths([y, x]), inside: 0b1111 }
            }
            (SurfaceElements::BorderVoxels, _) => {
                let mut sizes = [0.0; 256];
                sizes[1] = 1.0;
                Self { grid: border_voxels(mask, rank), sizes, inside: 0 }
            }
        }
    }

    fn is_element(&self, code: u8) -> bool {
        (code != 0) & (code != self.inside)
    }

    /// The elements with their distances to `other`, sorted; none where `other` has none.
    fn distances_to(&self, other: &Self, spacing: [f64; 3]) -> Vec<Element> {
        let nearest = NearestElement::of(&other.grid, spacing, |code| other.is_element(code));
        let [_, ny, nx] = self.grid.shape();
        let slices = self.grid.voxels().par_chunks((ny * nx).max(1)).enumerate();
        let mut elements: Vec<Element> = slices
            .flat_map_iter(|(z, slice)| {
                let (mut elements, mut near) = (Vec::new(), None);
                for (y, row) in slice.chunks(nx).enumerate() {
                    for (block_idx, block) in row.chunks(BLOCK).enumerate() {
                        // Most blocks hold no element; to see that is quicker for all of one together.
                        if !block.iter().fold(false, |any, &code| any | self.is_element(code)) {
                            continue;
                        }
                        for (x, &code) in block.iter().enumerate().filter(|(_, code)| self.is_element(**code)) {
                            let at = [z, y, block_idx * BLOCK + x];
                            let distance = nearest.distance(at, near);
                            near = Some(Known { at, distance });
                            elements.push(Element { distance, size: self.sizes[usize::from(code)] });
                        }
                    }
                }
                elements
            })
            .collect();
        if elements.first().is_some_and(|element| element.distance.is_infinite()) {
            return Vec::new();
        }
        sort(&mut elements);
        elements
    }
}

/// Places of a row that are looked at together.
const BLOCK: usize = 32;

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

/// The code of every corner, one more of them than voxels along every axis (along y and x in 2-D).
pub(crate) fn corner_codes(mask: &Volume<bool>, rank: Rank) -> Volume<u8> {
    let [nz, ny, nx] = mask.shape();
    let corners_z = if rank == Rank::Two { nz } else { nz + 1 };
    let row = |z: Option<usize>, y: Option<usize>| {
        let (z, y) = (z.filter(|z| *z < nz)?, y.filter(|y| *y < ny)?);
        Some(&mask.voxels()[(z * ny + y) * nx..][..nx])
    };
    let mut codes = vec![0_u8; corners_z * (ny + 1) * (nx + 1)];
    codes.par_chunks_mut((ny + 1) * (nx + 1)).enumerate().for_each(|(z, codes)| {
        let before_z = if rank == Rank::Two { None } else { z.checked_sub(1) };
        for (y, codes) in codes.chunks_mut(nx + 1).enumerate() {
            let before_y = y.checked_sub(1);
            let rows = [(before_z, before_y, 6), (before_z, Some(y), 4), (Some(z), before_y, 2), (Some(z), Some(y), 0)];
            for (z, y, bit) in rows {
                // A voxel stands right of the corner before it and left of the one after it. In two loops, so that both compile to
                // vector code.
                let row = row(z, y).unwrap_or_default();
                codes.iter_mut().zip(row).for_each(|(code, &inside)| *code |= u8::from(inside) << bit);
                codes[1..].iter_mut().zip(row).for_each(|(code, &inside)| *code |= u8::from(inside) << (bit + 1));
            }
        }
    });
    Volume::new([corners_z, ny + 1, nx + 1], codes)
}

/// 1 for every voxel of the mask with a face on its outside.
fn border_voxels(mask: &Volume<bool>, rank: Rank) -> Volume<u8> {
    let [nz, ny, nx] = mask.shape();
    let outside = vec![false; nx];
    let row = |z: Option<usize>, y: Option<usize>| match (z.filter(|z| *z < nz), y.filter(|y| *y < ny)) {
        (Some(z), Some(y)) => &mask.voxels()[(z * ny + y) * nx..][..nx],
        _ => &outside,
    };
    let mut border = vec![0_u8; mask.voxels().len()];
    border.par_chunks_mut((ny * nx).max(1)).enumerate().for_each(|(z, border)| {
        let mut surrounded = vec![false; nx];
        for (y, border) in border.chunks_mut(nx.max(1)).enumerate() {
            let here = row(Some(z), Some(y));
            // The neighbours along x; the first and the last voxel lack one.
            surrounded.fill(false);
            if nx > 2 {
                let sides = here.iter().zip(&here[2..]);
                surrounded[1..nx - 1].iter_mut().zip(sides).for_each(|(surrounded, (before, after))| *surrounded = before & after);
            }
            let across_y = [row(Some(z), y.checked_sub(1)), row(Some(z), Some(y + 1))];
            let across_z = [row(z.checked_sub(1), Some(y)), row(Some(z + 1), Some(y))];
            for neighbours in across_y.iter().chain(across_z.iter().filter(|_| rank == Rank::Three)) {
                surrounded.iter_mut().zip(*neighbours).for_each(|(surrounded, inside)| *surrounded &= inside);
            }
            for ((border, &inside), &surrounded) in border.iter_mut().zip(here).zip(&surrounded) {
                *border = u8::from(inside & !surrounded);
            }
        }
    });
    Volume::new(mask.shape(), border)
}

#[cfg(test)]
mod tests;
