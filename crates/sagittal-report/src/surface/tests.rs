#![allow(clippy::unwrap_used, reason = "tests")]

use image::AnimationDecoder;
use sagittal_image::{Geometry, Image, LabelMap};

use super::*;
use crate::{Compared, Overlay, Palette, Zoom};

const LOOK: Look = Look { width: 900, over: Overlay::Plain, zoom: Zoom::Factor(1.0) };

/// A case whose labels are `of` of the position in mm from the middle: right, anterior, superior.
fn panels(shape: [usize; 3], spacing_mm: [f64; 3], of: impl Fn([f64; 3]) -> u16) -> Panels {
    let geometry = Geometry::volume(shape, spacing_mm);
    let label = |i: usize| {
        let at = [i / (shape[1] * shape[2]), i / shape[2] % shape[1], i % shape[2]];
        of([2, 1, 0].map(|axis| (at[axis] as f64 - (shape[axis] as f64 - 1.0) / 2.0) * spacing_mm[axis]))
    };
    let labels = Volume::new(shape, (0..geometry.n_voxels()).map(label).collect());
    let image = Image { channels: vec![Volume::filled(shape, 0.0)], geometry: geometry.clone(), header: Default::default() };
    let labels = LabelMap { labels, geometry, header: Default::default() };
    Panels::new(&Compared { image: &image, reference: None, prediction: Some(&labels), palette: &Palette::new(&[1, 2]) }).unwrap()
}

/// Height and width of what is not ground, and how much of its box it fills.
fn silhouette(picture: &Picture) -> ([usize; 2], f64) {
    let hits: Vec<[usize; 2]> = (0..picture.height())
        .flat_map(|y| (0..picture.width()).map(move |x| [y, x]))
        .filter(|[y, x]| picture.at(*x, *y) != GROUND)
        .collect();
    let size = [0, 1].map(|k| hits.iter().map(|hit| hit[k]).max().unwrap() - hits.iter().map(|hit| hit[k]).min().unwrap() + 1);
    (size, hits.len() as f64 / (size[0] * size[1]) as f64)
}

#[test]
fn a_ball_in_slices_of_five_mm_looks_round_from_everywhere() {
    // Where a ball ends between two slices is not in the mask: half a slice at either end, here 6 % of its diameter, is open.
    const RADIUS_MM: f64 = 21.5;
    let ball = |[x, y, z]: [f64; 3]| u16::from(x * x + y * y + z * z <= RADIUS_MM * RADIUS_MM);
    let panels = panels([13, 101, 101], [5.0, 0.5, 0.5], ball);
    let ([solids, _], _) = bodies_of_all(&panels, [panels.labels(), None]).unwrap();
    let views = Plane::ALL.map(Camera::of_plane).into_iter().chain([Camera::around(0.6, 0.3), Camera::around(2.0, -0.8)]);
    for camera in views {
        let centre_mm = [25.0, 25.0, 30.0];
        let picture = render(&solids, camera, Frame { centre_mm, scale: 6.0, size: [300, 300] }, 1.0, GROUND);
        let ([height, width], filled) = silhouette(&picture);
        assert!((height as f64 / width as f64 - 1.0).abs() < 0.07, "{camera:?}: {height} high, {width} wide");
        assert!((height as f64 / (12.0 * RADIUS_MM) - 1.0).abs() < 0.06, "{camera:?}: {height} pixels high");
        assert!((filled / std::f64::consts::FRAC_PI_4 - 1.0).abs() < 0.05, "{camera:?}: fills {filled:.3} of its square");
    }
}

#[test]
fn right_is_on_the_left_and_what_is_in_front_hides_what_is_behind() {
    // Label 1 on the patient's right; label 2 in front of the middle, label 1 behind it.
    let of = |[x, y, _]: [f64; 3]| match (x > 8.0, x.abs() < 4.0, y > 4.0, y < -4.0) {
        (true, ..) => 1,
        (_, true, true, _) => 2,
        (_, true, _, true) => 1,
        _ => 0,
    };
    let panels = panels([20, 24, 30], [1.0; 3], of);
    let ([solids, _], _) = bodies_of_all(&panels, [panels.labels(), None]).unwrap();
    let frame = Frame { centre_mm: [14.5, 11.5, 9.5], scale: 4.0, size: [120, 160] };
    let picture = render(&solids, Camera::of_plane(Plane::Coronal), frame, 1.0, GROUND);
    // Orange (label 1) is redder than blue, sky blue (label 2) the other way round.
    let is_first = |x: usize| picture.at(x, 60)[0] > picture.at(x, 60)[2];
    assert!(is_first(25), "the patient's right is not on the left");
    assert_eq!(picture.at(135, 60), GROUND);
    assert!(!is_first(80) && picture.at(80, 60) != GROUND, "what is in front does not hide what is behind");
    let through = render(&solids, Camera::of_plane(Plane::Coronal), frame, 0.4, GROUND);
    assert!(through.at(80, 60)[0] > GROUND[0] && through.at(80, 60) != picture.at(80, 60));
}

#[test]
fn pictures_and_gifs_are_made_and_what_has_no_surface_is_refused() {
    let panels_of = |of: fn([f64; 3]) -> u16| panels([8, 9, 10], [2.0, 1.0, 1.0], of);
    let block = panels_of(|[x, _, z]| u16::from(x < 0.0) + u16::from(z > 4.0));
    let picture = surface(&block, &LOOK, 1.0).unwrap();
    assert!((700..=920).contains(&picture.width()), "{} pixels wide", picture.width());
    let gif = turning_surface(&block, 5, &Look { width: 200, ..LOOK }, 0.5).unwrap();
    let frames = image::codecs::gif::GifDecoder::new(std::io::Cursor::new(gif)).unwrap().into_frames().collect_frames().unwrap();
    assert_eq!(frames.len(), 5);
    let error = surface(&panels_of(|_| 0), &LOOK, 1.0).unwrap_err();
    assert_eq!(error.to_string(), "there is no surface to draw: no voxel is labelled");
}

#[test]
fn large_labels_are_thinned_out_in_their_true_place() {
    let labels = Volume::filled([2, 6000, 6000], 3u16);
    let mask = cut_out(&labels, 3, BoundingBox::whole(labels.shape()), [4.0, 1.0, 1.0]);
    assert!(mask.inside.len() <= MOST_VOXELS);
    assert_eq!((mask.spacing_mm[0], mask.shape[0]), (4.0, 4));
    let length_mm = mask.spacing_mm[2] * mask.shape[2] as f64;
    assert!((6000.0..6010.0).contains(&length_mm), "{length_mm} mm");
}
