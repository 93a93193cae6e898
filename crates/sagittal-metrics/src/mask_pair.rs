//! One label as two masks, cut to the box that holds both.

use sagittal_image::{BoundingBox, Geometry, Rank, Volume};
use serde::{Deserialize, Serialize};

/// A label in both maps: inside the smallest box that holds the label in either.
#[derive(Clone, Debug)]
pub struct MaskPair {
    /// Where the prediction has the label, `[Z, Y, X]`.
    pub prediction: Volume<bool>,
    /// Where the reference has it.
    pub reference: Volume<bool>,
    /// Distance between voxels; 1 where the files have no physical size.
    pub spacing: [f64; 3], // Z Y X
    /// 2-D or 3-D.
    pub rank: Rank,
}

/// The unit of distances.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DistanceUnit {
    /// Millimetres: the files have a spacing.
    #[default]
    #[serde(rename = "mm")]
    Millimetre,
    /// Voxels or pixels: they have none.
    #[serde(rename = "voxels")]
    Voxel,
}

impl DistanceUnit {
    /// The unit of distances on a grid.
    pub fn of(geometry: &Geometry) -> Self {
        if geometry.spacing_mm.is_some() { Self::Millimetre } else { Self::Voxel }
    }

    /// As it is written behind a number.
    pub fn name(self) -> &'static str {
        match self {
            Self::Millimetre => "mm",
            Self::Voxel => "voxels",
        }
    }
}

/// Cuts every label of `labels` out of two maps on one grid; `None` for a label that is in neither, inside the region.
///
/// The masks are made when they are asked for, one label after the other: all at once they would take much memory.
///
/// # Panics
/// If the shapes differ.
pub(crate) fn mask_pairs<'a>(
    prediction: &'a Volume<u16>,
    reference: &'a Volume<u16>,
    labels: &'a [u16],
    region: Option<&'a Volume<bool>>,
    geometry: &'a Geometry,
) -> impl Iterator<Item = Option<MaskPair>> + 'a {
    let boxes = union_boxes(prediction, reference, labels, region);
    labels.iter().zip(boxes).map(move |(&label, bounds)| {
        let bounds = bounds?;
        let mask = |labels: &Volume<u16>| {
            let [_, ny, nx] = labels.shape();
            let mut voxels = Vec::with_capacity(bounds.shape().iter().product());
            for z in bounds.lower[0]..bounds.upper[0] {
                for y in bounds.lower[1]..bounds.upper[1] {
                    let row = (z * ny + y) * nx;
                    let row = row + bounds.lower[2]..row + bounds.upper[2];
                    match region {
                        None => voxels.extend(labels.voxels()[row].iter().map(|&value| value == label)),
                        Some(region) => {
                            let pairs = labels.voxels()[row.clone()].iter().zip(&region.voxels()[row]);
                            voxels.extend(pairs.map(|(&value, &inside)| inside && value == label));
                        }
                    }
                }
            }
            Volume::new(bounds.shape(), voxels)
        };
        let spacing = geometry.spacing_or_one();
        Some(MaskPair { prediction: mask(prediction), reference: mask(reference), spacing, rank: geometry.rank })
    })
}

/// The box of every label in either map, in one pass.
fn union_boxes(
    prediction: &Volume<u16>,
    reference: &Volume<u16>,
    labels: &[u16],
    region: Option<&Volume<bool>>,
) -> Vec<Option<BoundingBox>> {
    let [_, ny, nx] = reference.shape();
    let mut boxes: Vec<Option<BoundingBox>> = vec![None; usize::from(u16::MAX) + 1];
    let mut wanted = vec![false; boxes.len()];
    labels.iter().for_each(|&label| wanted[usize::from(label)] = true);
    for map in [prediction, reference] {
        for (row_idx, row) in map.voxels().chunks(nx.max(1)).enumerate() {
            let (z, y) = (row_idx / ny, row_idx % ny);
            let mut x = 0;
            for run in row.chunk_by(|a, b| a == b) {
                let begin = x;
                x += run.len();
                if !wanted[usize::from(run[0])] {
                    continue;
                }
                let (mut first, mut last) = (begin, x - 1);
                if let Some(region) = region {
                    let inside = &region.voxels()[row_idx * nx + begin..row_idx * nx + x];
                    let (Some(from), Some(to)) = (inside.iter().position(|i| *i), inside.iter().rposition(|i| *i)) else { continue };
                    (first, last) = (begin + from, begin + to);
                }
                let slot = &mut boxes[usize::from(run[0])];
                let b = slot.get_or_insert(BoundingBox { lower: [z, y, first], upper: [z + 1, y + 1, last + 1] });
                b.lower = [b.lower[0].min(z), b.lower[1].min(y), b.lower[2].min(first)];
                b.upper = [b.upper[0].max(z + 1), b.upper[1].max(y + 1), b.upper[2].max(last + 1)];
            }
        }
    }
    labels.iter().map(|&label| boxes[usize::from(label)]).collect()
}

impl MaskPair {
    /// How far the centres of gravity are apart; `None` where a mask is empty.
    pub fn centre_distance(&self) -> Option<f64> {
        let [a, b] = [centre(&self.prediction)?, centre(&self.reference)?];
        Some((0..3).map(|axis| ((a[axis] - b[axis]) * self.spacing[axis]).powi(2)).sum::<f64>().sqrt())
    }
}

/// The mean position of a mask's voxels, in voxels.
fn centre(mask: &Volume<bool>) -> Option<[f64; 3]> {
    let [_, ny, nx] = mask.shape();
    let (mut n, mut sums) = (0_u64, [0_u64; 3]);
    for (row_idx, row) in mask.voxels().chunks(nx.max(1)).enumerate() {
        let before = n;
        for (x, _) in row.iter().enumerate().filter(|(_, inside)| **inside) {
            n += 1;
            sums[2] += x as u64;
        }
        sums[0] += (n - before) * (row_idx / ny) as u64;
        sums[1] += (n - before) * (row_idx % ny) as u64;
    }
    (n > 0).then(|| sums.map(|sum| sum as f64 / n as f64))
}
