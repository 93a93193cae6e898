//! One label as two masks, cut to the box that holds both.

use rayon::prelude::*;
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

impl MaskPair {
    /// Cuts `label` out of two maps on one grid, inside `bounds`; voxels outside the region are outside both masks.
    ///
    /// # Panics
    /// If the shapes differ, or the box does not lie in them.
    pub(crate) fn cut(
        label: u16,
        bounds: BoundingBox,
        [prediction, reference]: [&Volume<u16>; 2],
        region: Option<&Volume<bool>>,
        geometry: &Geometry,
    ) -> Self {
        let [_, ny, nx] = reference.shape();
        let [_, box_ny, box_nx] = bounds.shape();
        let mask = |labels: &Volume<u16>| {
            let mut mask = Volume::filled(bounds.shape(), false);
            mask.voxels_mut().par_chunks_mut(box_nx.max(1)).enumerate().for_each(|(row, mask)| {
                let (z, y) = (bounds.lower[0] + row / box_ny, bounds.lower[1] + row % box_ny);
                let begin = (z * ny + y) * nx + bounds.lower[2];
                mask.iter_mut().zip(&labels.voxels()[begin..]).for_each(|(inside, &value)| *inside = value == label);
                if let Some(region) = region {
                    mask.iter_mut().zip(&region.voxels()[begin..]).for_each(|(inside, &counts)| *inside &= counts);
                }
            });
            mask
        };
        Self { prediction: mask(prediction), reference: mask(reference), spacing: geometry.spacing_or_one(), rank: geometry.rank }
    }

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
        let in_row: u64 = row.iter().map(|&inside| u64::from(inside)).sum();
        if in_row > 0 {
            n += in_row;
            sums[0] += in_row * (row_idx / ny) as u64;
            sums[1] += in_row * (row_idx % ny) as u64;
            sums[2] += row.iter().zip(0_u64..).map(|(&inside, x)| if inside { x } else { 0 }).sum::<u64>();
        }
    }
    (n > 0).then(|| sums.map(|sum| sum as f64 / n as f64))
}
