//! What is written into a picture of a slice: orientation letters and a scale bar.

use crate::{
    Plane,
    canvas::{Picture, Rgb},
    text,
};

pub(crate) const LETTER: Rgb = [250, 210, 90];

/// Lengths of the bar, in mm.
const LENGTHS_MM: [f64; 19] =
    [500.0, 200.0, 100.0, 50.0, 20.0, 10.0, 5.0, 2.0, 1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0005];
/// At most this share of the picture's width.
const LONGEST: f64 = 0.35;

/// Orientation letters in the middle of each border; left out of pictures in which they would hide too much.
pub(crate) fn letters(picture: &mut Picture, plane: Plane) {
    const INSET: usize = 3;
    let (width, height) = (picture.width(), picture.height());
    let letter = text::width("R");
    if width < 6 * letter || height < 4 * text::LINE {
        return;
    }
    let [left, right, top, bottom] = plane.letters();
    let (middle_x, middle_y) = ((width - letter) / 2, (height - text::LINE) / 2);
    for (at, character) in [
        ([INSET, middle_y], left),
        ([width - letter - INSET, middle_y], right),
        ([middle_x, INSET], top),
        ([middle_x, height - text::LINE - INSET], bottom),
    ] {
        rimmed(picture, at, &character.to_string(), LETTER);
    }
}

/// A bar of a round length in the lower left corner, `scale` pixels a millimetre. Pictures side by side get the bar for the `narrowest`
/// of their widths, so that equal lengths look equal.
pub(crate) fn scale_bar(picture: &mut Picture, scale: f64, narrowest: usize) {
    let longest = narrowest.min(picture.width()) as f64 * LONGEST;
    let Some(length_mm) = LENGTHS_MM.into_iter().find(|mm| mm * scale <= longest) else { return };
    let (length, height) = (((length_mm * scale).round() as usize).max(1), picture.height());
    let label = if length_mm >= 1.0 { format!("{length_mm} mm") } else { format!("{} µm", (length_mm * 1e4).round() / 10.0) };
    if height < 3 * text::LINE || text::width(&label) + 8 > picture.width() / 2 {
        return;
    }
    picture.rectangle([7, height - 10], [length + 2, 5], [0; 3]);
    picture.rectangle([8, height - 9], [length, 3], [255; 3]);
    rimmed(picture, [8, height - 12 - text::LINE], &label, [255; 3]);
}

/// Text with a dark rim, so that it shows on any ground.
pub(crate) fn rimmed(picture: &mut Picture, [x, y]: [usize; 2], words: &str, colour: Rgb) {
    for [dx, dy] in [[0, 1], [2, 1], [1, 0], [1, 2], [2, 2]] {
        text::draw(picture, [(x + dx).saturating_sub(1), (y + dy).saturating_sub(1)], words, [0; 3]);
    }
    text::draw(picture, [x, y], words, colour);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_has_the_length_it_says() {
        // pixels a millimetre, the bar's length in pixels: 50 mm, 10 mm, 0.1 mm
        for (scale, expected) in [(2.0, 100), (9.0, 90), (1000.0, 100)] {
            let mut picture = Picture::filled(300, 200, [40; 3]);
            scale_bar(&mut picture, scale, 300);
            let row = picture.height() - 8;
            let length = (0..300).filter(|&x| picture.at(x, row) == [255; 3]).count();
            assert_eq!(length, expected, "{scale} pixels a mm");
        }
    }

    #[test]
    fn small_pictures_stay_free() {
        let mut picture = Picture::filled(30, 30, [40; 3]);
        let before = picture.clone();
        letters(&mut picture, Plane::Axial);
        scale_bar(&mut picture, 1.0, 30);
        assert_eq!(picture, before);
    }
}
