//! How large a mask is: millilitres, square millimetres, or plain counts where the file has no physical size.

use std::fmt;

use sagittal_image::{Geometry, Rank};
use serde::{Deserialize, Serialize};

/// The unit of a mask's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum VolumeUnit {
    /// Millilitres: 3-D images with spacing.
    #[serde(rename = "ml")]
    Millilitre,
    /// Square millimetres: 2-D images with spacing.
    #[serde(rename = "mm2")]
    SquareMillimetre,
    /// Voxels: 3-D images without spacing.
    #[serde(rename = "voxels")]
    Voxel,
    /// Pixels: 2-D images without spacing.
    #[serde(rename = "pixels")]
    Pixel,
}

impl fmt::Display for VolumeUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Millilitre => "ml",
            Self::SquareMillimetre => "mm²",
            Self::Voxel => "voxels",
            Self::Pixel => "pixels",
        })
    }
}

/// The size of one voxel on a grid, and its unit.
///
/// Voxel axes are taken as perpendicular, as every format read here stores them (an oblique grid is rotated, not sheared).
pub fn voxel_size(geometry: &Geometry) -> (f64, VolumeUnit) {
    const MM3_PER_ML: f64 = 1000.0;
    match (geometry.rank, geometry.spacing_mm) {
        (Rank::Three, Some([z, y, x])) => (z * y * x / MM3_PER_ML, VolumeUnit::Millilitre),
        (Rank::Three, None) => (1.0, VolumeUnit::Voxel),
        (Rank::Two, Some([_, y, x])) => (y * x, VolumeUnit::SquareMillimetre),
        (Rank::Two, None) => (1.0, VolumeUnit::Pixel),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_follow_rank_and_spacing() {
        let picture = Geometry::picture([4, 4]);
        let scan = Geometry::volume([4, 4, 4], [3.0, 0.5, 0.5]);
        for (geometry, expected) in [
            (scan.clone(), (0.00075, VolumeUnit::Millilitre)),
            (Geometry { spacing_mm: None, ..scan }, (1.0, VolumeUnit::Voxel)),
            // the spacing between slices is no part of an area
            (Geometry { spacing_mm: Some([7.0, 0.5, 0.25]), ..picture.clone() }, (0.125, VolumeUnit::SquareMillimetre)),
            (picture, (1.0, VolumeUnit::Pixel)),
        ] {
            assert_eq!(voxel_size(&geometry), expected);
        }
    }
}
