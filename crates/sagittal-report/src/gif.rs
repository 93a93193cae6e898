//! Pictures into an animated GIF with one palette.
//!
//! Of each frame only the pixels that changed are kept, in the smallest rectangle around them, the others transparent: most of
//! a training frame never changes. The palette is chosen by NeuQuant (Dekker 1994) from the colours of a sample of all frames.

use std::collections::{BTreeMap, HashMap};

use color_quant::NeuQuant;
use gif::{DisposalMethod, Encoder, Frame, Repeat};

use crate::{ReportError, canvas::Picture};

/// One of 256 colours is kept for "unchanged".
const COLOURS: usize = 255;
const TRANSPARENT: u8 = 255;
/// So many of them are the most frequent colours as they are.
const EXACT: usize = 24;
/// NeuQuant learns from at least so many colours, over and over where there are fewer.
const LEARNED_FROM: usize = 60_000;
/// NeuQuant's speed, 1 (best) to 30.
const SAMPLING: i32 = 6;
/// The palette is chosen from this many frames, and from about this many of their pixels.
const SAMPLED_FRAMES: usize = 9;
const SAMPLED_PIXELS: usize = 600_000;

/// How long frames are shown, in hundredths of a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timing {
    /// Every frame but the last.
    pub(crate) frame_cs: u16,
    /// The last frame.
    pub(crate) last_cs: u16,
}

impl Timing {
    /// A GIF of `n` frames that runs for about 12 seconds and then stays on its last frame for three.
    pub(crate) fn of_training(n: usize) -> Self {
        Self { frame_cs: (1200 / n.max(1)).clamp(6, 60) as u16, last_cs: 300 }
    }
}

/// Encodes pictures of one size; no pictures give an empty GIF of one pixel.
///
/// # Errors
/// [`ReportError::Encode`] if the encoder refuses a frame.
pub(crate) fn encode(pictures: &[Picture], timing: Timing) -> Result<Vec<u8>, ReportError> {
    let blank = [Picture::filled(1, 1, [0; 3])];
    let pictures = if pictures.is_empty() { &blank } else { pictures };
    let quantiser = Quantiser::of(pictures);
    let failed = |error: gif::EncodingError| ReportError::Encode { format: "GIF", finding: error.to_string() };
    let (width, height) = (pictures[0].width(), pictures[0].height());
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, width as u16, height as u16, &quantiser.palette).map_err(failed)?;
    encoder.set_repeat(Repeat::Infinite).map_err(failed)?;
    let mut shown: Option<Vec<u8>> = None;
    for (idx, picture) in pictures.iter().enumerate() {
        let indices = quantiser.indices(picture);
        let mut frame = match &shown {
            None => Frame { width: width as u16, height: height as u16, buffer: indices.clone().into(), ..Frame::default() },
            Some(before) => changes(before, &indices, width),
        };
        frame.delay = if idx + 1 == pictures.len() { timing.last_cs } else { timing.frame_cs };
        frame.dispose = DisposalMethod::Keep;
        encoder.write_frame(&frame).map_err(failed)?;
        shown = Some(indices);
    }
    drop(encoder);
    Ok(file)
}

/// The rectangle in which two frames differ.
fn changes(before: &[u8], after: &[u8], width: usize) -> Frame<'static> {
    let differs: Vec<usize> = (0..after.len()).filter(|&i| before[i] != after[i]).collect();
    let bounds = |of: fn(usize, usize) -> usize| {
        let values = differs.iter().map(|&i| of(i, width));
        (values.clone().min().unwrap_or(0), values.max().unwrap_or(0))
    };
    let ((left, right), (top, bottom)) = (bounds(|i, width| i % width), bounds(|i, width| i / width));
    let mut buffer = Vec::with_capacity((right - left + 1) * (bottom - top + 1));
    for y in top..=bottom {
        for x in left..=right {
            let i = y * width + x;
            buffer.push(if before[i] == after[i] { TRANSPARENT } else { after[i] });
        }
    }
    Frame {
        left: left as u16,
        top: top as u16,
        width: (right - left + 1) as u16,
        height: (bottom - top + 1) as u16,
        transparent: Some(TRANSPARENT),
        buffer: buffer.into(),
        ..Frame::default()
    }
}

/// The nearest of 255 colours; found once per colour.
struct Quantiser {
    /// Where the colours of the largest areas are.
    exact: HashMap<[u8; 3], u8>,
    network: NeuQuant,
    palette: Vec<u8>,
}

impl Quantiser {
    fn of(pictures: &[Picture]) -> Self {
        // From the first frame to the last, because labels appear and vanish in between.
        let n = SAMPLED_FRAMES.min(pictures.len());
        let sample: Vec<&Picture> = (0..n).map(|i| &pictures[i * (pictures.len() - 1) / (n - 1).max(1)]).collect();
        let n_pixels: usize = sample.iter().map(|picture| picture.pixels().len()).sum();
        let step = (n_pixels / SAMPLED_PIXELS) | 1;
        let mut counts: BTreeMap<[u8; 3], usize> = BTreeMap::new();
        for &pixel in sample.iter().flat_map(|picture| picture.pixels()).step_by(step) {
            *counts.entry(pixel).or_default() += 1;
        }
        // The largest areas keep their very colours: the ground, the text, labels on it.
        let mut by_count: Vec<([u8; 3], usize)> = counts.iter().map(|(&colour, &n)| (colour, n)).collect();
        by_count.sort_by_key(|&(_, n)| std::cmp::Reverse(n));
        let exact: Vec<[u8; 3]> = by_count.iter().take(EXACT).map(|&(colour, _)| colour).collect();
        // All others count alike, however much of a picture is grey: labels must not turn grey with it.
        let once: Vec<u8> = counts.keys().flat_map(|&[r, g, b]| [r, g, b, 255]).collect();
        let network = NeuQuant::new(SAMPLING, COLOURS - EXACT, &once.repeat(LEARNED_FROM.div_ceil(counts.len().max(1))));
        let mut palette: Vec<u8> = exact.concat();
        palette.resize(3 * EXACT, 0);
        palette.extend(network.color_map_rgb());
        palette.resize(3 * (COLOURS + 1), 0);
        let exact = exact.into_iter().zip(0..).collect();
        Self { exact, network, palette }
    }

    fn indices(&self, picture: &Picture) -> Vec<u8> {
        let mut known: HashMap<[u8; 3], u8> = self.exact.clone();
        let index = |[r, g, b]: [u8; 3]| (EXACT + self.network.index_of(&[r, g, b, 255])).min(COLOURS - 1) as u8;
        picture.pixels().iter().map(|&colour| *known.entry(colour).or_insert_with(|| index(colour))).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_colours_of_a_small_label_do_not_turn_grey() {
        // Noise in all greys, and one pixel of a thousand a light or a dark shade of blue.
        let mut state = 3_u64;
        let mut next = |n: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % n
        };
        let mut picture = Picture::filled(300, 200, [0; 3]);
        for i in 0..300 * 200 {
            let grey = next(256) as u8;
            let colour = if i % 1000 == 0 { [grey / 2 + 28, grey / 2 + 63, grey / 2 + 82] } else { [grey; 3] };
            picture.put(i % 300, i / 300, colour);
        }
        let file = encode(std::slice::from_ref(&picture), Timing { frame_cs: 10, last_cs: 10 }).unwrap();
        let decoder = image::codecs::gif::GifDecoder::new(std::io::Cursor::new(file)).unwrap();
        let frame = image::AnimationDecoder::into_frames(decoder).next().unwrap().unwrap();
        for (expected, found) in picture.pixels().iter().zip(frame.buffer().pixels()) {
            let farthest = (0..3).map(|channel| expected[channel].abs_diff(found.0[channel])).max().unwrap();
            assert!(farthest <= 20, "{expected:?} became {found:?}");
        }
    }
}
