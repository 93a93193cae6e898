//! Resampling against scikit-image and scipy; the files are written by `tests/reference/image_resample.py`.

use std::{collections::BTreeMap, path::Path};

use sagittal_image::{
    Interpolation, Volume, resample_image, resample_labels, resample_probabilities, resize, resize_labels, separate_axis,
};
use sagittal_testing::relative_difference;

/// Voxels are `f32` between the two passes and in the result: two roundings of 6e-8, and weights that sum them up.
const TOLERANCE: f64 = 3e-7;

struct Golden(BTreeMap<String, String>);

impl Golden {
    fn numbers<T: std::str::FromStr>(&self, field: &str) -> Vec<T> {
        self.0[field].split_whitespace().map(|token| token.parse().ok().unwrap()).collect()
    }
    fn three<T: std::str::FromStr + Copy>(&self, field: &str) -> [T; 3] {
        let numbers = self.numbers(field);
        [numbers[0], numbers[1], numbers[2]]
    }
    fn volume<T: std::str::FromStr>(&self) -> Volume<T> {
        Volume::new(self.three("shape"), self.numbers("input"))
    }
}

#[test]
fn scipy_and_scikit_image_agree() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/resample");
    let (mut worst, mut n) = (0.0_f64, 0);
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let golden = Golden(text.lines().filter_map(|line| line.split_once(": ")).map(|(k, v)| (k.into(), v.into())).collect());
        let (old, new, shape) = (golden.three("old_spacing"), golden.three("new_spacing"), golden.three("new_shape"));
        n += 1;
        let found = match golden.0["kind"].as_str() {
            "nearest" => resize(&golden.volume(), shape, Interpolation::Nearest),
            "linear" => resize(&golden.volume(), shape, Interpolation::Linear),
            "cubic" => resize(&golden.volume(), shape, Interpolation::Cubic),
            "image" => resample_image(&golden.volume(), old, new, shape),
            "probabilities" => resample_probabilities(&golden.volume(), old, new, shape),
            "labels" => {
                assert_eq!(resize_labels(&golden.volume::<i16>(), shape).voxels(), golden.numbers::<i16>("output"), "{}", path.display());
                continue;
            }
            "separate_labels" => {
                let found = resample_labels(&golden.volume::<i16>(), old, new, shape);
                assert_eq!(found.voxels(), golden.numbers::<i16>("output"), "{}", path.display());
                continue;
            }
            other => panic!("{other} is no kind of golden"),
        };
        assert_eq!(found.shape(), shape);
        let difference = relative_difference(found.voxels(), &golden.numbers::<f32>("output"));
        assert!(difference < TOLERANCE, "{}: {difference:e}", path.display());
        worst = worst.max(difference);
    }
    assert!(n >= 29, "only {n} goldens");
    println!("{n} goldens, largest relative difference {worst:e}");
}

#[test]
fn the_separate_axis_follows_nnunet() {
    let cases = [
        // Isotropic.
        ([1.0, 1.0, 1.0], [2.0, 2.0, 2.0], None),
        // Exactly three times is not yet anisotropic.
        ([3.0, 1.0, 1.0], [1.0, 1.0, 1.0], None),
        ([3.1, 1.0, 1.0], [1.0, 1.0, 1.0], Some(0)),
        ([1.0, 5.0, 1.0], [1.0, 1.0, 1.0], Some(1)),
        // The old spacing goes first.
        ([1.0, 1.0, 4.0], [9.0, 1.0, 1.0], Some(2)),
        ([1.0, 1.0, 1.0], [9.0, 1.0, 1.0], Some(0)),
        // Two axes share the largest spacing.
        ([4.0, 4.0, 1.0], [1.0, 1.0, 1.0], None),
        ([4.0, 4.0, 1.0], [9.0, 1.0, 1.0], None),
    ];
    for (old, new, axis) in cases {
        assert_eq!(separate_axis(old, new), axis, "{old:?} to {new:?}");
    }
}

#[test]
fn one_voxel_and_no_change_are_fine() {
    let one = Volume::filled([1, 1, 1], 7.0);
    for interpolation in [Interpolation::Nearest, Interpolation::Linear, Interpolation::Cubic] {
        assert_eq!(resize(&one, [3, 2, 5], interpolation), Volume::filled([3, 2, 5], 7.0));
        assert_eq!(resize(&one, [1, 1, 1], interpolation), one);
    }
    assert_eq!(resize_labels(&Volume::filled([1, 1, 1], 3_u16), [2, 2, 2]), Volume::filled([2, 2, 2], 3));
}
