//! A picture in memory: pixels, lines, text's ground, and its PNG.

use image::{ExtendedColorType, ImageEncoder, codecs::png};

use crate::ReportError;

/// Red, green, blue.
pub(crate) type Rgb = [u8; 3];

/// An RGB picture, rows from the top.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    width: usize,
    height: usize,
    pixels: Vec<Rgb>,
}

impl Picture {
    /// A picture of one colour.
    pub fn filled(width: usize, height: usize, colour: [u8; 3]) -> Self {
        Self { width, height, pixels: vec![colour; width * height] }
    }

    /// Pixels across.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Pixels down.
    pub fn height(&self) -> usize {
        self.height
    }

    /// All pixels, row by row from the top.
    pub fn pixels(&self) -> &[[u8; 3]] {
        &self.pixels
    }

    /// The picture as a PNG file.
    ///
    /// # Errors
    /// [`ReportError::Encode`] if the encoder refuses it (an empty picture).
    pub fn to_png(&self) -> Result<Vec<u8>, ReportError> {
        let mut file = Vec::new();
        png::PngEncoder::new_with_quality(&mut file, png::CompressionType::Best, png::FilterType::Adaptive)
            .write_image(self.pixels.as_flattened(), self.width as u32, self.height as u32, ExtendedColorType::Rgb8)
            .map_err(|error| ReportError::Encode { format: "PNG", finding: error.to_string() })?;
        Ok(file)
    }

    /// Sets a pixel; outside the picture nothing happens.
    pub(crate) fn put(&mut self, x: usize, y: usize, colour: Rgb) {
        if x < self.width && y < self.height {
            self.pixels[y * self.width + x] = colour;
        }
    }

    /// The pixel at `x`, `y`, which must be inside.
    pub(crate) fn at(&self, x: usize, y: usize) -> Rgb {
        self.pixels[y * self.width + x]
    }

    /// Mixes a colour into a pixel: 0 leaves it, 1 replaces it.
    pub(crate) fn mix(&mut self, x: usize, y: usize, colour: Rgb, share: f32) {
        if x < self.width && y < self.height {
            let pixel = &mut self.pixels[y * self.width + x];
            *pixel = mixed(*pixel, colour, share);
        }
    }

    /// Fills a rectangle.
    pub(crate) fn rectangle(&mut self, [x, y]: [usize; 2], [width, height]: [usize; 2], colour: Rgb) {
        for row in y..(y + height).min(self.height) {
            for column in x..(x + width).min(self.width) {
                self.put(column, row, colour);
            }
        }
    }

    /// Copies another picture in, its top left corner at `x`, `y`.
    pub(crate) fn paste(&mut self, [x, y]: [usize; 2], other: &Picture) {
        for row in 0..other.height {
            for column in 0..other.width {
                self.put(x + column, y + row, other.at(column, row));
            }
        }
    }

    /// A smooth straight line of `thickness` pixels.
    pub(crate) fn line(&mut self, from: [f64; 2], to: [f64; 2], thickness: f64, colour: Rgb) {
        let reach = thickness / 2.0 + 1.0;
        let span = |a: f64, b: f64, limit: usize| {
            let low = (a.min(b) - reach).floor().clamp(0.0, limit as f64) as usize;
            let high = (a.max(b) + reach).ceil().clamp(0.0, limit as f64) as usize;
            low..high
        };
        let (dx, dy) = (to[0] - from[0], to[1] - from[1]);
        let length2 = (dx * dx + dy * dy).max(1e-9);
        for y in span(from[1], to[1], self.height) {
            for x in span(from[0], to[0], self.width) {
                let (px, py) = (x as f64 + 0.5 - from[0], y as f64 + 0.5 - from[1]);
                let t = ((px * dx + py * dy) / length2).clamp(0.0, 1.0);
                let distance = (px - t * dx).hypot(py - t * dy);
                let share = (thickness / 2.0 + 0.5 - distance).clamp(0.0, 1.0);
                if share > 0.0 {
                    self.mix(x, y, colour, share as f32);
                }
            }
        }
    }
}

/// `share` of `over` and the rest of `under`.
pub(crate) fn mixed(under: Rgb, over: Rgb, share: f32) -> Rgb {
    [0, 1, 2].map(|c| (f32::from(under[c]) * (1.0 - share) + f32::from(over[c]) * share).round() as u8)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_png_comes_back_as_it_was() {
        let mut picture = Picture::filled(5, 3, [1, 2, 3]);
        picture.put(4, 2, [255, 0, 7]);
        picture.put(5, 0, [9; 3]);
        let read = image::load_from_memory(&picture.to_png().unwrap()).unwrap().to_rgb8();
        assert_eq!(read.dimensions(), (5, 3));
        assert_eq!(read.as_raw().as_slice(), picture.pixels().as_flattened());
    }
}
