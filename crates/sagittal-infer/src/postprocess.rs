//! What is done to labels after they were decided.

use sagittal_data::plan::KeepLargest;
use sagittal_image::{Components, Volume};

/// Keeps of the voxels with some values only the largest component, one step after the other; all others become
/// background.
pub fn keep_largest(mut labels: Volume<u16>, steps: &[KeepLargest]) -> Volume<u16> {
    for KeepLargest { values } in steps {
        let mask = labels.map(|label| values.contains(label));
        let kept = Components::of(&mask).largest();
        let voxels = labels.voxels_mut().iter_mut().zip(mask.voxels()).zip(kept.voxels());
        voxels.filter(|((_, inside), kept)| **inside && !**kept).for_each(|((label, _), _)| *label = 0);
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_largest_part_of_the_named_labels_stays() {
        let labels = Volume::new([1, 2, 7], vec![1, 1, 0, 1, 0, 2, 2, 1, 2, 0, 0, 0, 3, 3]);
        let one = keep_largest(labels.clone(), &[KeepLargest { values: vec![1] }]);
        assert_eq!(one.voxels(), [1, 1, 0, 0, 0, 2, 2, 1, 2, 0, 0, 0, 3, 3]);
        // Together 1 and 2 have a part of four voxels and smaller ones.
        let both = keep_largest(labels, &[KeepLargest { values: vec![1, 2] }]);
        assert_eq!(both.voxels(), [1, 1, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 3, 3]);
    }
}
