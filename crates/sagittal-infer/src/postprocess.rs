//! What is done to labels after they were decided.

use sagittal_data::plan::KeepParts;
use sagittal_image::{Components, Geometry, Rank, Volume};

/// Size of a voxel in mm³, of a pixel in mm²; 1 where the image has no physical size.
pub fn voxel_size(geometry: &Geometry) -> f64 {
    geometry.spacing_mm.map_or(1.0, |[z, y, x]| if geometry.rank == Rank::Two { y * x } else { z * y * x })
}

/// Keeps of the voxels with some values the components that each step names, one step after the other; all others become
/// background. `voxel_size` is that of a voxel in the steps' unit, see [`voxel_size`].
pub fn keep_parts(mut labels: Volume<u16>, steps: &[KeepParts], voxel_size: f64) -> Volume<u16> {
    for KeepParts { values, at_least } in steps {
        let mask = labels.map(|label| values.contains(label));
        let components = Components::of(&mask);
        let kept = match at_least {
            None => components.largest(),
            Some(size) => components
                .numbers
                .map(|number| number.checked_sub(1).is_some_and(|i| components.sizes[i as usize] as f64 * voxel_size >= *size)),
        };
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
        let one = keep_parts(labels.clone(), &[KeepParts::largest(vec![1])], 1.0);
        assert_eq!(one.voxels(), [1, 1, 0, 0, 0, 2, 2, 1, 2, 0, 0, 0, 3, 3]);
        // Together 1 and 2 have a part of four voxels and smaller ones.
        let both = keep_parts(labels, &[KeepParts::largest(vec![1, 2])], 1.0);
        assert_eq!(both.voxels(), [1, 1, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 3, 3]);
    }

    #[test]
    fn parts_stay_from_a_size_on() {
        let labels = Volume::new([1, 1, 8], vec![1, 0, 1, 1, 0, 1, 1, 1]);
        let from = |size| keep_parts(labels.clone(), &[KeepParts { values: vec![1], at_least: Some(size) }], 0.5).voxels().to_vec();
        assert_eq!(from(0.5), [1, 0, 1, 1, 0, 1, 1, 1]);
        assert_eq!(from(0.9), [0, 0, 1, 1, 0, 1, 1, 1]);
        assert_eq!(from(2.0), [0; 8]);
    }

    #[test]
    fn pixels_have_an_area_and_images_without_a_spacing_count() {
        assert_eq!(voxel_size(&Geometry::volume([2, 2, 2], [3.0, 2.0, 0.5])), 3.0);
        assert_eq!(voxel_size(&Geometry::picture([4, 4])), 1.0);
    }
}
