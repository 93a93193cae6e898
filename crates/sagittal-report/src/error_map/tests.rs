#![allow(clippy::unwrap_used, reason = "tests")]

use sagittal_image::{Geometry, Image, LabelMap};

use super::*;
use crate::{Compared, Palette, Zoom};

/// Two label maps on a grid of 4 x 5 x 6 voxels of 5 x 1 x 2 mm.
fn panels(labels: impl Fn([usize; 3]) -> u16, reference: impl Fn([usize; 3]) -> u16) -> Panels {
    let geometry = Geometry::volume([4, 5, 6], [5.0, 1.0, 2.0]);
    let map = |of: &dyn Fn([usize; 3]) -> u16| LabelMap {
        labels: Volume::new([4, 5, 6], (0..120).map(|i| of([i / 30, i / 6 % 5, i % 6])).collect()),
        geometry: geometry.clone(),
        header: Default::default(),
    };
    let (labels, reference) = (map(&labels), map(&reference));
    let image = Image { channels: vec![Volume::filled([4, 5, 6], 0.0)], geometry: geometry.clone(), header: Default::default() };
    Panels::new(&Compared { image: &image, reference: Some(&reference), prediction: Some(&labels), palette: &Palette::new(&[1]) }).unwrap()
}

#[test]
fn thickness_is_in_mm_along_the_line_of_sight() {
    // A block of 2 x 3 x 1 voxels is extra: 10 mm high, 3 mm deep, 2 mm wide.
    let panels = panels(|[z, y, x]| u16::from(z < 2 && y < 3 && x == 4), |_| 0);
    let field = BoundingBox::whole([4, 5, 6]);
    for (plane, thick_mm, n_pixels) in [(Plane::Axial, 10.0, 3), (Plane::Coronal, 3.0, 2), (Plane::Sagittal, 2.0, 6)] {
        let found = thickness_mm(&panels, panels.agreement(), &field, plane, |kind| kind == agreement::EXTRA);
        let hits: Vec<f64> = found.into_iter().filter(|mm| *mm > 0.0).collect();
        assert_eq!(hits, vec![thick_mm; n_pixels], "{plane:?}");
    }
}

#[test]
fn every_state_has_a_map() {
    let look = Look { width: 400, over: Overlay::Plain, zoom: Zoom::Factor(1.0) };
    let square = |[z, y, x]: [usize; 3]| u16::from(z > 0 && y > 0 && x > 0);
    let perfect = error_map(&panels(square, square), &look, 0.5);
    let empty = error_map(&panels(|_| 0, |_| 0), &look, 0.5);
    let confused = error_map(&panels(square, |at| 2 * square(at)), &look, 0.5);
    let both = error_map(&panels(square, |[z, y, x]| square([3 - z, y, x])), &look, 0.5);
    assert!(both.height() > confused.height() && confused.height() > 100 && empty.height() > 50);
    let bright = |picture: &Picture| picture.pixels().iter().any(|p| *p == PLASMA[4]);
    assert!(bright(&both) && bright(&confused) && !bright(&perfect) && !bright(&empty));
}

#[test]
fn colours_rise_from_dark_to_bright() {
    assert_eq!((plasma(0.0), plasma(0.25), plasma(1.0), plasma(7.0)), (PLASMA[0], PLASMA[1], PLASMA[4], PLASMA[4]));
}
