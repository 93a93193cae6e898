#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::{
    plan::{Channel, ImageToMaskPlan, NetworkPlan},
    planner::example_plan,
};
use sagittal_image::{Geometry, io::SourceHeader};

fn image(geometry: Geometry, f: impl Fn([usize; 3]) -> f32) -> Image {
    let [z, y, x] = geometry.shape;
    let voxels = (0..z * y * x).map(|index| f([index / (y * x), index / x % y, index % x])).collect();
    Image { channels: vec![Volume::new(geometry.shape, voxels)], geometry, header: SourceHeader::default() }
}

fn plan(normalization: Normalization) -> Plan {
    let mut plan = example_plan();
    plan.channels = vec![Channel { name: "x".into(), normalization }];
    plan
}

/// A bright box in a dark frame.
fn framed([z, y, x]: [usize; 3]) -> f32 {
    if (2..8).contains(&z) && (3..9).contains(&y) && (1..7).contains(&x) { (1 + z * 100 + y * 10 + x) as f32 } else { 0.0 }
}

#[test]
fn restoring_undoes_orientation_order_and_crop() {
    for (directions, axis_order) in [
        (Geometry::AXES, [0, 1, 2]),
        (Geometry::AXES, [2, 0, 1]),
        ([[0.0, 0.0, -1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]], [0, 1, 2]),
        ([[-1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]], [1, 0, 2]),
    ] {
        let mut geometry = Geometry::volume([10, 11, 12], [1.0; 3]);
        geometry.direction = directions;
        let image = image(geometry, framed);
        let mut plan = plan(Normalization::None);
        plan.axis_order = axis_order;
        let done = Preprocessor::new(&plan).run("x", &image).unwrap();
        assert_eq!(done.shape, [1, 6, 6, 6]);
        assert_eq!(done.restore.shape_before_resampling(), [6, 6, 6]);
        let voxels = done.data.iter().map(|&voxel| voxel as u16).collect();
        let back = done.restore.labels_to_original(&Volume::new([6, 6, 6], voxels));
        assert_eq!(back, image.channels[0].map(|&voxel| voxel as u16), "{directions:?} {axis_order:?}");
    }
}

#[test]
fn shapes_follow_the_spacing_and_a_slice_network_keeps_its_slices() {
    let image = image(Geometry::volume([10, 20, 30], [3.0, 0.5, 2.0]), |[z, y, x]| (1 + z + y + x) as f32);
    let volume_plan = plan(Normalization::Zscore { masked: false });
    let done = Preprocessor::new(&volume_plan).run("x", &image).unwrap();
    assert_eq!(done.shape, [1, 30, 10, 60]);
    let probabilities = Volume::new([30, 10, 60], done.data.clone());
    assert_eq!(done.restore.resample_to_crop(&probabilities).shape(), [10, 20, 30]);
    let mut slice_plan = volume_plan;
    slice_plan.patch[0] = 1;
    assert_eq!(Preprocessor::new(&slice_plan).run("x", &image).unwrap().shape, [1, 10, 10, 60]);
}

#[test]
fn background_outside_the_image_is_told_from_background_inside() {
    let geometry = Geometry::volume([10, 11, 12], [1.0; 3]);
    // Inside the box one corner is outside the image; somebody labelled a voxel of it.
    let image = image(geometry.clone(), |at| if at[0] == 2 && at[1] < 6 { 0.0 } else { framed(at) });
    let mut labels = Volume::filled(geometry.shape, 0u16);
    *labels.voxels_mut().get_mut(image.channels[0].index([2, 4, 4])).unwrap() = 2;
    *labels.voxels_mut().get_mut(image.channels[0].index([5, 5, 5])).unwrap() = 1;
    let map = LabelMap { labels, geometry, header: SourceHeader::default() };
    let case = Preprocessor::new(&plan(Normalization::Zscore { masked: true })).run_training("x", &image, &map).unwrap();
    assert_eq!(case.shape, [1, 6, 6, 6]);
    let at = |[z, y, x]: [usize; 3]| (z - 2) * 36 + (y - 3) * 6 + (x - 1);
    assert_eq!(case.labels[at([2, 4, 3])], OUTSIDE);
    assert_eq!((case.labels[at([2, 4, 4])], case.labels[at([5, 5, 5])], case.labels[at([2, 7, 3])]), (2, 1, 0));
    assert_eq!(case.data[at([2, 4, 3])], 0.0);
    assert_eq!(case.class_locations, [vec![], vec![[3, 2, 4]], vec![[0, 1, 3]]]);
}

#[test]
fn label_values_become_positions_in_the_plan() {
    let geometry = Geometry::volume([4, 4, 4], [1.0; 3]);
    let image = image(geometry.clone(), |[z, y, x]| (1 + z + y + x) as f32);
    let map =
        LabelMap { labels: Volume::new([4; 3], (0..64).map(|i| [0, 3, 7, 7][i % 4]).collect()), geometry, header: SourceHeader::default() };
    let mut plan = plan(Normalization::None);
    (plan.labels[1].value, plan.labels[2].value) = (3, 7);
    let case = Preprocessor::new(&plan).run_training("x", &image, &map).unwrap();
    assert_eq!(case.labels[..4], [0, 1, 2, 2]);
    plan.labels[2].value = 8;
    let message = Preprocessor::new(&plan).run_training("x", &image, &map).unwrap_err().to_string();
    assert!(message.contains("value 7") && message.contains("[0, 3, 8]"), "{message}");
}

#[test]
fn images_that_do_not_fit_the_plan_say_so() {
    let preprocessor = Preprocessor::new(&plan(Normalization::Zscore { masked: false }));
    let good = image(Geometry::volume([4; 3], [1.0; 3]), |[z, y, x]| (1 + z + y + x) as f32);
    let message = |image: &Image| preprocessor.run("case_7", image).unwrap_err().to_string();
    let flat = image(Geometry::picture([4, 5]), |_| 1.0);
    assert!(message(&flat).contains("case case_7: the image is 2-D, the plan is for 3-D images"));
    let mut unknown = good.clone();
    unknown.geometry.spacing_mm = None;
    assert!(message(&unknown).contains("no spacing"));
    let mut zero = good.clone();
    zero.geometry.spacing_mm = Some([0.0, 1.0, 1.0]);
    assert!(message(&zero).contains("[0.0, 1.0, 1.0] mm"));
    // Metres in the place of millimetres: a million times the voxels along each axis.
    let mut blown_up = good.clone();
    blown_up.geometry.spacing_mm = Some([1e6; 3]);
    assert!(message(&blown_up).contains("voxels on the plan's [1.0, 1.0, 1.0] mm; write the true spacing"), "{}", message(&blown_up));
    let mut two = good.clone();
    two.channels.push(two.channels[0].clone());
    assert!(message(&two).contains("2 channel(s), the plan 1"));
    let mut odd = good.clone();
    odd.channels[0].voxels_mut()[5] = f32::NAN;
    assert!(message(&odd).contains("NaN"));
    let other =
        LabelMap { labels: Volume::filled([4, 4, 5], 0), geometry: Geometry::volume([4, 4, 5], [1.0; 3]), header: SourceHeader::default() };
    assert!(preprocessor.run_training("c", &good, &other).unwrap_err().to_string().contains("another grid"));
}

#[test]
fn an_empty_image_survives() {
    let black = image(Geometry::volume([5, 6, 7], [1.0; 3]), |_| 0.0);
    for normalization in [Normalization::Zscore { masked: false }, Normalization::Zscore { masked: true }, Normalization::MinMax] {
        let done = Preprocessor::new(&plan(normalization)).run("x", &black).unwrap();
        assert_eq!(done.shape, [1, 5, 6, 7]);
        assert!(done.data.iter().all(|voxel| *voxel == 0.0));
    }
}

#[test]
fn unlabelled_voxels_have_their_own_class_and_regions_their_own_voxels() {
    let geometry = Geometry::volume([4, 4, 4], [1.0; 3]);
    let image = image(geometry.clone(), |[z, y, x]| (1 + z + y + x) as f32);
    let voxels = (0..64).map(|index| [0, 1, 2, 3][index % 4]).collect();
    let map = LabelMap { labels: Volume::new([4; 3], voxels), geometry, header: SourceHeader::default() };
    let mut plan = plan(Normalization::None);
    plan.ignore_label = Some(3);
    let case = Preprocessor::new(&plan).run_training("x", &image, &map).unwrap();
    assert_eq!(case.labels[..4], [0, 1, 2, 3]);
    assert_eq!(case.class_locations.iter().map(Vec::len).collect::<Vec<_>>(), [0, 16, 16]);
    assert_eq!((case.labelled_locations.len(), case.labelled_locations[3]), (48, [0, 1, 0]));
    let region = |values: &[u16], painted| Region { name: "r".into(), values: values.into(), painted };
    plan.regions = vec![region(&[1, 2], 1), region(&[2], 2)];
    assert_eq!(plan.regions_of_classes(), [vec![], vec![0], vec![0, 1]]);
    let case = Preprocessor::new(&plan).run_training("x", &image, &map).unwrap();
    assert_eq!(case.class_locations.iter().map(Vec::len).collect::<Vec<_>>(), [32, 16]);
    assert_eq!(case.class_locations[0][..3], [[0, 0, 1], [0, 0, 2], [0, 1, 1]]);
    plan.ignore_label = None;
    assert!(Preprocessor::new(&plan).run_training("x", &image, &map).unwrap_err().to_string().contains("value 3"));
}

/// A plan for whole pictures of 8 x 6.
fn picture_plan() -> Plan {
    let mut plan = plan(Normalization::MinMax);
    let mask = ImageToMaskPlan { size: [8, 6], ..ImageToMaskPlan::post(1, plan.labels.len()) };
    (plan.image_rank, plan.spacing_mm, plan.patch) = (Rank::Two, None, [1, 8, 6]);
    plan.network = NetworkPlan::ImageToMask(mask);
    plan
}

#[test]
fn whole_pictures_are_brought_to_one_size_whatever_their_spacing_and_back() {
    // A frame of zeros that other networks would cut off; 24 x 12 pixels, so that each of 8 x 6 is the middle of 3 x 2.
    let bright = |[_, y, x]: [usize; 3]| if (3..21).contains(&y) && (2..10).contains(&x) { (2 * y) as f32 } else { 0.0 };
    for spacing_mm in [None, Some([1.0, 0.25, 4.0])] {
        let geometry = Geometry { spacing_mm, ..Geometry::picture([24, 12]) };
        let image = image(geometry.clone(), bright);
        let done = Preprocessor::new(&picture_plan()).run("x", &image).unwrap();
        assert_eq!((done.shape, done.restore.shape_before_resampling()), ([1, 1, 8, 6], [1, 24, 12]));
        // The middle of three rows, as a part of the brightest, 2 * 20; between two equal columns nothing changes.
        for (y, row) in done.data.chunks(6).enumerate() {
            let expected = if (1..7).contains(&y) { (2 * (3 * y + 1)) as f32 / 40.0 } else { 0.0 };
            let columns = [0.0, expected, expected, expected, expected, 0.0];
            assert!(row.iter().zip(columns).all(|(found, expected)| (found - expected).abs() < 1e-6), "row {y}: {row:?}");
        }
        let class = Volume::new([1, 8, 6], done.data.clone());
        let back = done.restore.resample_to_crop(&class);
        assert_eq!(back, sagittal_image::resize(&class, [1, 24, 12], sagittal_image::Interpolation::Linear));
        let labels = Volume::new([1, 24, 12], (0..288).map(|i| u16::from(bright([0, i / 12, i % 12]) > 20.0)).collect());
        let map = LabelMap { labels, geometry, header: SourceHeader::default() };
        let case = Preprocessor::new(&picture_plan()).run_training("x", &image, &map).unwrap();
        assert_eq!(case.shape, [1, 1, 8, 6]);
        // Rows 11 to 20 are labelled: the middle of rows 12 to 14 is, that of 9 to 11 is not.
        let rows: Vec<bool> = case.labels.chunks(6).map(|row| row[2] == 1).collect();
        assert_eq!(rows, [false, false, false, false, true, true, true, false]);
    }
}

#[test]
fn a_network_of_another_size_does_not_share_the_cache() {
    let (one, mut other) = (picture_plan(), picture_plan());
    let NetworkPlan::ImageToMask(mask) = &mut other.network else { unreachable!("made above") };
    mask.size = [16, 6];
    assert_ne!(one.preprocessing_key(), other.preprocessing_key());
}
