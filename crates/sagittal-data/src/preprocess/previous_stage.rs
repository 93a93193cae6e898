//! What the last network of a cascade is shown of the stage before it.

use super::{Preprocessor, Restore, axes::permute};
use sagittal_image::{Volume, crop, resample_labels};

impl Preprocessor {
    /// The labels that the stage before gave, on the plan's grid, a channel of zeros and ones for each label but the
    /// background, `[L, Z, Y, X]`.
    ///
    /// # Shapes
    /// - `labels`: label values on the input's own grid; `shape`: that of the preprocessed image
    ///
    /// # Panics
    /// If `labels` is not of the shape of the input that `restore` comes from.
    pub fn previous_stage(&self, labels: &Volume<u16>, restore: &Restore, shape: [usize; 3]) -> Vec<f32> {
        let resampled = self.on_working_grid(labels, restore, shape);
        let foreground = self.label_values.iter().filter(|value| **value != 0);
        foreground.flat_map(|value| resampled.voxels().iter().map(move |label| f32::from(u8::from(label == value)))).collect()
    }

    /// Labels from the input's own grid to the plan's.
    pub(super) fn on_working_grid(&self, labels: &Volume<u16>, restore: &Restore, shape: [usize; 3]) -> Volume<u16> {
        let turned = permute(&restore.reorientation.to_canonical(labels), self.axis_order);
        let cropped = crop(&turned, restore.crop);
        match (restore.spacing_mm, restore.working_spacing_mm) {
            (Some(from), Some(to)) if cropped.shape() != shape => resample_labels(&cropped, from, to, shape),
            _ => cropped,
        }
    }
}
