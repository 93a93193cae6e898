//! Pictures into an animated GIF with one palette.
//!
//! Of each frame only the pixels that changed are kept, in the smallest rectangle around them, the others transparent: most of
//! a training frame never changes. The palette is chosen by NeuQuant (Dekker 1994) from a sample of all frames.

use color_quant::NeuQuant;
use gif::{DisposalMethod, Encoder, Frame, Repeat};

use crate::{ReportError, canvas::Picture};

/// One of 256 colours is kept for "unchanged".
const COLOURS: usize = 255;
const TRANSPARENT: u8 = 255;
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
        let rgba: Vec<u8> = sample.iter().flat_map(|p| p.pixels()).step_by(step).flat_map(|&[r, g, b]| [r, g, b, 255]).collect();
        let network = NeuQuant::new(SAMPLING, COLOURS, &rgba);
        let mut palette = network.color_map_rgb();
        palette.resize(3 * (COLOURS + 1), 0);
        Self { network, palette }
    }

    fn indices(&self, picture: &Picture) -> Vec<u8> {
        let mut known = std::collections::HashMap::new();
        let index = |[r, g, b]: [u8; 3]| self.network.index_of(&[r, g, b, 255]).min(COLOURS - 1) as u8;
        picture.pixels().iter().map(|&colour| *known.entry(colour).or_insert_with(|| index(colour))).collect()
    }
}
