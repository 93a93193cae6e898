//! From logits on the network's grid back to labels on the input's.

use crate::Logits;
use rayon::prelude::*;
use sagittal_data::preprocess::Restore;
use sagittal_image::Volume;

/// The class of every voxel of the part that was cut out of the input, on the input's spacing.
///
/// Logits are brought to that grid class by class, each is dropped after its turn, and only the best so far is kept: on
/// top of the logits, memory does not grow with the number of classes. The class is decided after resampling, not
/// before, which would cost accuracy at borders.
///
/// # Panics
/// If there are no classes, or more than 65,536.
pub fn labels_on_crop(logits: Logits, restore: &Restore) -> Volume<u16> {
    let mut classes = logits.classes.into_iter();
    let on_crop =
        |class: Volume<f32>| if class.shape() == restore.shape_before_resampling() { class } else { restore.resample_to_crop(&class) };
    let mut best = on_crop(classes.next().expect("a network has at least two classes"));
    let mut labels = Volume::filled(best.shape(), 0u16);
    for (index, class) in classes.enumerate() {
        let class = on_crop(class);
        let label = u16::try_from(index + 1).expect("classes are few");
        let voxels = labels.voxels_mut().par_iter_mut().zip(best.voxels_mut()).zip(class.voxels());
        voxels.for_each(|((label_here, best), value)| {
            if value > best {
                (*best, *label_here) = (*value, label);
            }
        });
    }
    labels
}
