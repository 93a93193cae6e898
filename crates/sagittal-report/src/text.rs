//! Text on pictures without any font installed: Noto Sans Mono, drawn ahead of time into a crate, 16 pixels high.
//!
//! Chosen over `ab_glyph` with a font file (a megabyte and a shaping question for a few words) and over `font8x8` (jagged). Characters that
//! it lacks are shown as `?`.

use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};

use crate::canvas::{Picture, Rgb};

/// Height of a line in pixels.
pub(crate) const LINE: usize = 16;

/// Width of `text` in pixels.
pub(crate) fn width(text: &str) -> usize {
    text.chars().count() * get_raster_width(FontWeight::Regular, RasterHeight::Size16)
}

/// `text` in lines of at most `most` pixels, broken between words; a word that is wider stands alone.
pub(crate) fn wrapped(text: &str, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(line) + width(" ") + width(word) <= most => *line += &format!(" {word}"),
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Draws one line of text, its top left corner at `x`, `y`; what does not fit is cut off.
pub(crate) fn draw(picture: &mut Picture, [x, y]: [usize; 2], text: &str, colour: Rgb) {
    let mut left = x;
    for character in text.chars() {
        let raster = |c| get_raster(c, FontWeight::Regular, RasterHeight::Size16);
        let Some(glyph) = raster(character).or_else(|| raster('?')) else { continue };
        for (row, pixels) in glyph.rows().enumerate() {
            for (column, &ink) in pixels.iter().enumerate() {
                if ink > 0 {
                    picture.mix(left + column, y + row, colour, f32::from(ink) / 255.0);
                }
            }
        }
        left += glyph.width();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words() {
        let most = width("the patient's right");
        assert_eq!(wrapped("the patient's right is on the left", most), ["the patient's right", "is on the left"]);
        assert_eq!(wrapped("incomprehensibilities are", 5), ["incomprehensibilities", "are"]);
        assert!(wrapped("  ", most).is_empty());
    }

    #[test]
    fn text_leaves_ink_inside_its_box_and_unknown_characters_show() {
        let mut picture = Picture::filled(60, LINE, [0; 3]);
        draw(&mut picture, [2, 0], "Dice é", [255; 3]);
        assert!(picture.pixels().iter().any(|p| p[0] > 200));
        assert_eq!(width("Dice"), 4 * width("?"));
        let draw_one = |text| {
            let mut one = Picture::filled(20, LINE, [0; 3]);
            draw(&mut one, [0, 0], text, [255; 3]);
            one
        };
        assert_eq!(draw_one("漢"), draw_one("?"));
        // cut off at the border, no panic
        draw(&mut picture, [55, 10], "long text", [255; 3]);
    }
}
