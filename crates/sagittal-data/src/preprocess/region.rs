//! The region of interest on a grid of the network.

use super::{Preprocessor, Restore};
use crate::{DataError, plan::RegionOfInterest};
use sagittal_image::{LabelMap, Volume};

impl Preprocessor {
    /// Which voxels of the preprocessed image lie in the region of interest; `None` where all do. `mask` is that of the
    /// image, where the plan asks for one; `case` names it in errors.
    ///
    /// # Shapes
    /// - result: `shape`, that of the preprocessed image or of its part before it was resampled
    ///
    /// # Errors
    /// If the plan asks for a mask and there is none, or it has another shape than the image.
    pub fn region(
        &self,
        case: &str,
        restore: &Restore,
        shape: [usize; 3],
        mask: Option<&LabelMap>,
    ) -> Result<Option<Volume<bool>>, DataError> {
        match (&self.region_of_interest, mask) {
            (None, _) => Ok(None),
            (Some(RegionOfInterest::Box(bounds)), _) => {
                let of = |axis: usize| {
                    let crop = [restore.crop.lower[axis], restore.crop.upper[axis]];
                    RegionOfInterest::voxels(bounds[axis], shape[axis], crop, restore.shape_before_crop[axis])
                };
                let [z, y, x] = [of(0), of(1), of(2)];
                let mut inside = Volume::filled(shape, false);
                for row in (z[0]..z[1]).flat_map(|z| (y[0]..y[1]).map(move |y| z * shape[1] + y)) {
                    inside.voxels_mut()[row * shape[2]..][x[0]..x[1]].fill(true);
                }
                Ok(Some(inside))
            }
            (Some(RegionOfInterest::Masks), Some(mask)) => {
                let original = restore.reorientation.to_original(&Volume::filled(self.unpermuted(restore.shape_before_crop), ())).shape();
                if mask.labels.shape() != original {
                    return Err(DataError::Case {
                        case: case.into(),
                        finding: format!("the mask of its region has shape {:?}, the image {original:?} (z, y, x)", mask.labels.shape()),
                        cure: "draw both on the image's grid".into(),
                    });
                }
                let inside = mask.labels.map(|&value| u16::from(value != 0));
                Ok(Some(self.on_working_grid(&inside, restore, shape).map(|&value| value != 0)))
            }
            (Some(RegionOfInterest::Masks), None) => Err(DataError::Case {
                case: case.into(),
                finding: "the model labels what lies inside a mask, and this image has none".into(),
                cure: "name the folder of the masks with --roi".into(),
            }),
        }
    }

    /// A shape in the plan's axes in the order of the working orientation.
    fn unpermuted(&self, shape: [usize; 3]) -> [usize; 3] {
        let mut before = [0; 3];
        for (axis, from) in self.axis_order.into_iter().enumerate() {
            before[from] = shape[axis];
        }
        before
    }
}
