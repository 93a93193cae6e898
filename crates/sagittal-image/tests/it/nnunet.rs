//! Reading, cropping and resampling against what nnU-Net 2.8.1 itself made of real and constructed images.

use sagittal_image::{Volume, crop, io::read_image, nonzero_box, resample_image};
use sagittal_testing::{largest_difference, read_npz, shared_data};

/// The model's spacing, `Z Y X`: `spacing` of `3d_fullres` in its plans.json.
const MODEL_SPACING_MM: [f64; 3] = [1.0, 1.0, 1.0];
/// Z-scored voxels reach about 10; both sides round them to `f32` several times.
const TOLERANCE: f64 = 1e-5;

#[test]
fn preprocessing_equals_nnunet() {
    let Some(golden) = shared_data("goldens/hippocampus-3d") else { return };
    for case in ["hippocampus_001", "hippocampus_003", "spacing_084", "slices_4mm", "oblique", "permuted", "two_tiles", "integers"] {
        let image = read_image(&golden.join(format!("inputs/{case}_0000.nii.gz"))).unwrap();
        let expected = read_npz(&golden.join(format!("preprocessed/{case}.npz")), "data").unwrap();
        let (bounds, _) = nonzero_box(&image.channels);
        let cropped = z_scored(&crop(&image.channels[0], bounds));
        let spacing_mm = image.geometry.spacing_mm.unwrap();
        // Python rounds halves to the even neighbour.
        let shape = std::array::from_fn(|axis| {
            (spacing_mm[axis] / MODEL_SPACING_MM[axis] * cropped.shape()[axis] as f64).round_ties_even() as usize
        });
        assert_eq!(shape[..], expected.shape[1..], "{case}");
        let found = resample_image(&cropped, spacing_mm, MODEL_SPACING_MM, shape);
        let difference = largest_difference(found.voxels(), &expected.values);
        println!("{case}: {:?} to {shape:?}, largest difference {difference:e}", cropped.shape());
        assert!(difference < TOLERANCE, "{case}: {difference:e}");
    }
}

fn z_scored(volume: &Volume<f32>) -> Volume<f32> {
    let n = volume.voxels().len() as f64;
    let mean = volume.voxels().iter().map(|v| f64::from(*v)).sum::<f64>() / n;
    let variance = volume.voxels().iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / n;
    let (mean, deviation) = (mean as f32, variance.sqrt().max(1e-8) as f32);
    volume.map(|v| (v - mean) / deviation)
}
