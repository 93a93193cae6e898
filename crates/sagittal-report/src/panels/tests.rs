#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::{Look, one_slice, planes, three_planes};

fn case(geometry: Geometry, channels: usize) -> (Image, LabelMap) {
    let shape = geometry.shape;
    let image = Image { channels: vec![Volume::filled(shape, 3.0); channels], geometry: geometry.clone(), header: Default::default() };
    let mut labels = Volume::filled(shape, 0);
    let idx = labels.index([shape[0] - 1, 1, 2]);
    labels.voxels_mut()[idx] = 1;
    (image, LabelMap { labels, geometry, header: Default::default() })
}

#[test]
fn pictures_keep_proportions_in_mm() {
    // 10 x 20 x 40 mm in voxels of 5 x 1 x 2 mm
    let (image, labels) = case(Geometry::volume([2, 20, 20], [5.0, 1.0, 2.0]), 1);
    let palette = Palette::new(&[1]);
    let compared = Compared { image: &image, reference: Some(&labels), prediction: Some(&labels), palette: &palette };
    let panels = Panels::new(&compared).unwrap();
    assert_eq!(panels.centre(), [1, 1, 2]);
    assert_eq!(panels.fullest_slice(Plane::Sagittal), 2);
    let sizes = Plane::ALL.map(|plane| Slice::cut(panels.geometry(), plane, 0).picture_size(3.0));
    assert_eq!(sizes, [[60, 120], [30, 120], [30, 60]]);
    let picture = three_planes(&compared, 700).unwrap();
    assert!((600..=760).contains(&picture.width()), "{} pixels wide", picture.width());
}

#[test]
fn odd_cases_have_a_picture() {
    let palette = Palette::new(&[]);
    for (geometry, channels) in [
        (Geometry::picture([5, 9]), 3),
        (Geometry::picture([5, 9]), 1),
        (Geometry { spacing_mm: None, ..Geometry::volume([1, 3, 4], [1.0; 3]) }, 2),
        (Geometry::volume([3, 2, 3], [1.0; 3]), 0),
    ] {
        let (image, labels) = case(geometry, channels);
        for (reference, prediction) in [(None, None), (Some(&labels), None), (None, Some(&labels))] {
            three_planes(&Compared { image: &image, reference, prediction, palette: &palette }, 300).unwrap();
        }
    }
}

#[test]
fn another_shape_is_refused() {
    let (image, _) = case(Geometry::volume([3, 4, 5], [1.0; 3]), 1);
    let (_, labels) = case(Geometry::volume([3, 4, 6], [1.0; 3]), 1);
    let palette = Palette::new(&[1]);
    let error = Panels::new(&Compared { image: &image, reference: Some(&labels), prediction: None, palette: &palette }).err().unwrap();
    assert_eq!(error.to_string(), "reference is [3, 4, 6] voxels (z, y, x), the image [3, 4, 5]; both must lie on one grid");
}

/// A head of 24 mm that is brighter towards the patient's right, front and top, and has a label in its right, front, upper corner; written by a
/// file whose axes x, y, z run as `axes` says.
fn seen_by_a_scanner(axes: [[f64; 3]; 3]) -> (Image, LabelMap) {
    const SIDE: usize = 24;
    let geometry = Geometry { direction: [axes[2], axes[1], axes[0]], ..Geometry::volume([SIDE; 3], [1.0; 3]) };
    // The head lies around the middle of the grid, wherever its axes lead.
    let origin_mm = [0, 1, 2].map(|world| -(0..3).map(|axis| geometry.direction[axis][world]).sum::<f64>() * (SIDE as f64 - 1.0) / 2.0);
    let geometry = Geometry { origin_mm, ..geometry };
    let affine = geometry.affine();
    let world = |idx: usize| {
        let [x, y, z] = [idx % SIDE, idx / SIDE % SIDE, idx / SIDE / SIDE].map(|v| v as f64);
        [0, 1, 2].map(|row: usize| affine[row][0] * x + affine[row][1] * y + affine[row][2] * z + affine[row][3])
    };
    let (mut image, mut labels) = (Volume::filled([SIDE; 3], 0.0f32), Volume::filled([SIDE; 3], 0u16));
    for idx in 0..SIDE.pow(3) {
        let [right, anterior, superior] = world(idx);
        image.voxels_mut()[idx] = (100.0 + 3.0 * right + 2.0 * anterior + superior) as f32;
        labels.voxels_mut()[idx] = u16::from(right > 4.0 && anterior > 5.0 && superior > 6.0);
    }
    let header = sagittal_image::io::SourceHeader::default;
    let map = LabelMap { labels, geometry: geometry.clone(), header: header() };
    (Image { channels: vec![image], geometry, header: header() }, map)
}

/// Every way in which three axes can run along right, anterior, superior.
fn all_axes() -> Vec<[[f64; 3]; 3]> {
    let mut all = Vec::new();
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        for flips in 0..8 {
            let mut axes = [[0.0; 3]; 3];
            for axis in 0..3 {
                axes[axis][order[axis]] = if flips >> axis & 1 == 1 { -1.0 } else { 1.0 };
            }
            all.push(axes);
        }
    }
    all
}

#[test]
fn every_orientation_of_the_file_gives_the_same_picture_with_right_on_the_left() {
    let palette = Palette::new(&[1]);
    let look = Look { width: 600, over: Overlay::Fill(1.0), zoom: Zoom::Factor(1.0) };
    let mut first = None;
    for axes in all_axes() {
        let (image, labels) = seen_by_a_scanner(axes);
        let case = Compared { image: &image, reference: None, prediction: Some(&labels), palette: &palette };
        let panels = Panels::new(&case).unwrap();
        // The label lies in the corner that the letters name: right, anterior, superior.
        for plane in Plane::ALL {
            let slice = Slice::cut(panels.geometry(), plane, 20);
            let picture = panels.draw(&slice, [240, 240], Overlay::Fill(1.0));
            let is_label = |x: usize, y: usize| Some(picture.at(x, y)) == palette.colour(1);
            let corners = [is_label(5, 5), is_label(234, 5), is_label(5, 234), is_label(234, 234)];
            assert_eq!(corners, [true, false, false, false], "{plane:?} of a file along {axes:?}");
            // Brightness falls away from the same corner: sagittal pictures have anterior on the left.
            let brightness = |x: usize, y: usize| picture.at(x, y)[0];
            assert!(brightness(120, 234) > brightness(234, 234) && brightness(234, 120) > brightness(234, 234), "{plane:?}, {axes:?}");
        }
        // Titles count as the file does, so pictures with titles differ; the planes themselves do not.
        let pixels: Vec<_> =
            Plane::ALL.iter().map(|&plane| panels.draw(&Slice::cut(panels.geometry(), plane, 7), [90, 90], look.over)).collect();
        assert_eq!(first.get_or_insert_with(|| pixels.clone()), &pixels, "a file along {axes:?} looks different");
        planes(&panels, &look);
    }
}

#[test]
fn slices_are_counted_as_in_the_file() {
    // x to left, y to posterior, z to superior, as DICOM has it.
    let (image, labels) = seen_by_a_scanner([[-1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 1.0]]);
    let panels =
        Panels::new(&Compared { image: &image, reference: Some(&labels), prediction: None, palette: &Palette::new(&[1]) }).unwrap();
    assert_eq!(Plane::ALL.map(|plane| panels.file_position(plane, 2)), [2, 21, 21]);
    one_slice(
        &panels,
        Plane::Coronal,
        panels.file_position(Plane::Coronal, 0),
        &Look { width: 200, over: Overlay::Plain, zoom: Zoom::Labels },
    );
}

#[test]
fn zooms_stay_inside_the_image_and_hold_what_they_should() {
    let (image, labels) = case(Geometry::volume([10, 40, 20], [5.0, 1.0, 2.0]), 1);
    let palette = Palette::new(&[1]);
    let panels = Panels::new(&Compared { image: &image, reference: Some(&labels), prediction: None, palette: &palette }).unwrap();
    assert_eq!(panels.field(Zoom::Factor(1.0)), BoundingBox::whole([10, 40, 20]));
    // The label is at 9, 1, 2: the field is pushed back inside.
    assert_eq!(panels.field(Zoom::Factor(2.0)), BoundingBox { lower: [5, 0, 0], upper: [10, 20, 10] });
    assert_eq!(panels.field(Zoom::Factor(1e9)), BoundingBox { lower: [9, 1, 2], upper: [10, 2, 3] });
    // A voxel of 5 x 1 x 2 mm, and a quarter of 5 mm around it.
    assert_eq!(panels.field(Zoom::Labels), BoundingBox { lower: [8, 0, 1], upper: [10, 4, 4] });
    let bare = Panels::new(&Compared { image: &image, reference: None, prediction: None, palette: &palette }).unwrap();
    assert_eq!(bare.field(Zoom::Labels), BoundingBox::whole([10, 40, 20]));
}
