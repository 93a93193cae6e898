//! The way back from the plan's grid to the grid of the input.

use super::axes::{inverse, permute};
use sagittal_image::{BoundingBox, Reorientation, Volume, resample_probabilities, uncrop};

/// Everything needed to bring a result on the plan's grid back to the grid of the input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Restore {
    /// How the input was turned to the working orientation.
    pub reorientation: Reorientation,
    /// The order in which the plan takes the axes.
    pub axis_order: [usize; 3],
    /// Shape in plan axes before the crop, `[Z, Y, X]`.
    pub shape_before_crop: [usize; 3],
    /// The nonzero box that was cut out, in plan axes.
    pub crop: BoundingBox,
    /// Spacing of the input in plan axes; `None` where the file has no physical size.
    pub spacing_mm: Option<[f64; 3]>,
    /// Spacing of the preprocessed array in plan axes.
    pub working_spacing_mm: Option<[f64; 3]>,
}

impl Restore {
    /// The shape to which logits are resampled before the best class is taken: the input's, cropped, in plan axes.
    pub fn shape_before_resampling(&self) -> [usize; 3] {
        self.crop.shape()
    }

    /// Logits or probabilities of one class, from the plan's grid to the cropped input's grid (linear, as nnU-Net's).
    pub fn resample_to_crop(&self, class: &Volume<f32>) -> Volume<f32> {
        let shape = self.crop.shape();
        match (self.spacing_mm, self.working_spacing_mm) {
            _ if class.shape() == shape => class.clone(),
            (Some(own), Some(working)) => resample_probabilities(class, working, own, shape),
            _ => sagittal_image::resize(class, shape, sagittal_image::Interpolation::Linear),
        }
    }

    /// A label map of the crop's shape on the input's own grid, background around it.
    ///
    /// # Panics
    /// If `labels_on_crop` is not of [`Restore::shape_before_resampling`].
    pub fn labels_to_original(&self, labels_on_crop: &Volume<u16>) -> Volume<u16> {
        self.to_original(labels_on_crop, 0)
    }

    /// Any array of the crop's shape on the input's own grid, `fill` around it.
    ///
    /// # Panics
    /// If `on_crop` is not of [`Restore::shape_before_resampling`].
    pub fn to_original<T: Copy>(&self, on_crop: &Volume<T>, fill: T) -> Volume<T> {
        let whole = uncrop(on_crop, self.crop, self.shape_before_crop, fill);
        self.reorientation.to_original(&permute(&whole, inverse(self.axis_order)))
    }
}
