//! The training GIF: what the network draws for one case, epoch by epoch, in five panels:
//! image | true mask | predicted mask | true overlay | predicted overlay.
//!
//! After each epoch the predicted slice is put into a folder as a small PNG, and the GIF is encoded anew from the
//! folder. So a training that was interrupted goes on with the same GIF, and an epoch that is repeated replaces its frame. The folder holds
//! `image.png` and `reference.png` (the slice; labels as their position in the palette) and `epoch_00012_dice_0.8312.png`, one per epoch; of networks
//! that see whole pictures also `epoch_00012_probability.png`, which is drawn in grey in the place of the predicted mask.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use image::{GrayImage, ImageFormat, RgbImage};
use sagittal_image::{Image, LabelMap, Rank, Reorientation, Volume};

use crate::{
    Compared, Overlay, Palette, Panels, Plane, ReportError, Slice,
    canvas::{Picture, Rgb, mixed},
    gif,
    sheet::GROUND,
    text,
};

/// Panels are at least this high, so that small crops can be seen.
const PANEL_HEIGHT: usize = 220;
/// And no higher than this: a GIF of full photographs would be tens of megabytes.
const HIGHEST_PANEL: usize = 400;
const GAP: usize = 8;
const OVERLAY: f32 = 0.5;
const TITLES: [&str; 5] = ["image", "true mask", "predicted mask", "true overlay", "predicted overlay"];
/// More frames than this are thinned out evenly.
const MOST_FRAMES: usize = 150;

/// The folder of a training's frames.
pub struct TrainingGif {
    folder: PathBuf,
    palette: Palette,
    panel: [usize; 2],
}

impl TrainingGif {
    /// Starts the frames of one case, or goes on with those that are in `folder`.
    ///
    /// A 2-D image is shown whole; of a 3-D one the axial, coronal or sagittal slice with the most labelled voxels.
    ///
    /// # Errors
    /// [`ReportError::Shape`] if image and truth differ, [`ReportError::File`] if the folder cannot be written.
    pub fn start(folder: &Path, image: &Image, reference: &LabelMap, palette: &Palette) -> Result<Self, ReportError> {
        let (panels, slice, panel) = Self::view(image, reference, palette)?;
        std::fs::create_dir_all(folder).map_err(|source| ReportError::File { act: "write", path: folder.into(), source })?;
        let plain = panels.draw(&slice, panel, Overlay::Plain);
        let (height, width) = (plain.height() as u32, plain.width() as u32);
        let picture = RgbImage::from_raw(width, height, plain.pixels().as_flattened().to_vec()).unwrap_or_default();
        store(&folder.join("image.png"), &image::DynamicImage::ImageRgb8(picture))?;
        let gif = Self { folder: folder.into(), palette: palette.clone(), panel };
        store(&folder.join("reference.png"), &gif.indices(image, reference, &slice)?)?;
        Ok(gif)
    }

    /// Adds the prediction of an epoch, made on the image's grid. A frame of the same epoch is replaced.
    ///
    /// # Errors
    /// [`ReportError::Shape`] if image and prediction differ, [`ReportError::File`] if the frame cannot be written.
    pub fn add(
        &self,
        epoch: usize,
        dice: Option<f64>,
        image: &Image,
        reference: &LabelMap,
        prediction: &LabelMap,
    ) -> Result<(), ReportError> {
        let (_, slice, _) = Self::view(image, reference, &self.palette)?;
        let frame = self.indices(image, prediction, &slice)?;
        let name = dice.map_or("none".into(), |dice| format!("{dice:.4}"));
        let path = self.folder.join(format!("epoch_{epoch:05}_dice_{name}.png"));
        for old in self.frames()?.into_iter().filter(|frame| frame.epoch == epoch && frame.path != path) {
            std::fs::remove_file(&old.path).map_err(|source| ReportError::File { act: "replace", path: old.path, source })?;
        }
        store(&path, &frame)
    }

    /// Adds how likely an epoch's network finds foreground, 0 to 1 on the image's grid: shown in grey instead of the predicted mask.
    ///
    /// # Errors
    /// [`ReportError::Shape`] if image and probabilities differ, [`ReportError::File`] if the frame cannot be written.
    pub fn add_probability(&self, epoch: usize, image: &Image, reference: &LabelMap, probability: &Volume<f32>) -> Result<(), ReportError> {
        let (expected, found) = (image.geometry.shape, probability.shape());
        if expected != found {
            return Err(ReportError::Shape { what: "probability", expected, found });
        }
        let (_, slice, _) = Self::view(image, reference, &self.palette)?;
        let turned = Reorientation::of(&image.geometry).to_canonical(probability);
        let grey = |voxel: &usize| (255.0 * turned.voxels()[*voxel].clamp(0.0, 1.0)).round() as u8;
        let picture = GrayImage::from_raw(slice.size[1] as u32, slice.size[0] as u32, slice.voxels.iter().map(grey).collect());
        store(&self.probability(epoch), &image::DynamicImage::ImageLuma8(picture.unwrap_or_default()))
    }

    /// Where the probabilities of an epoch lie, if it has any.
    fn probability(&self, epoch: usize) -> PathBuf {
        self.folder.join(format!("epoch_{epoch:05}_probability.png"))
    }

    /// Encodes all frames that are in the folder. The caller writes the bytes where the GIF belongs.
    ///
    /// # Errors
    /// [`ReportError::Frame`] for a frame that is damaged, [`ReportError::File`] for one that cannot be read.
    pub fn encode(&self) -> Result<Vec<u8>, ReportError> {
        let plain = self.load_image()?;
        let truth = self.load_labels(&self.folder.join("reference.png"))?;
        let mut frames = self.frames()?;
        // From now on 2-D or 3-D, grey or colour makes no difference: everything is a small picture.
        if frames.len() > MOST_FRAMES {
            let last = frames.len() - 1;
            let kept: Vec<usize> = (0..MOST_FRAMES).map(|i| i * last / (MOST_FRAMES - 1)).collect();
            frames = frames.into_iter().enumerate().filter(|(idx, _)| kept.binary_search(idx).is_ok()).map(|(_, frame)| frame).collect();
        }
        let compose = |frame: &StoredFrame| {
            let path = self.probability(frame.epoch);
            let predicted = Predicted {
                labels: self.load_labels(&frame.path)?,
                grey: if path.is_file() { Some(self.load_grey(&path)?) } else { None },
            };
            Ok(self.compose(&plain, &truth, &predicted, frame))
        };
        let pictures = frames.iter().map(compose).collect::<Result<Vec<Picture>, ReportError>>()?;
        gif::encode(&pictures, gif::Timing::of_training(pictures.len()))
    }

    /// The slice that is shown, and the size of a panel for it.
    pub(crate) fn view(image: &Image, reference: &LabelMap, palette: &Palette) -> Result<(Panels, Slice, [usize; 2]), ReportError> {
        let panels = Panels::new(&Compared { image, reference: Some(reference), prediction: None, palette })?;
        let geometry = panels.geometry();
        let slice = if geometry.rank == Rank::Two {
            Slice::cut(geometry, Plane::Axial, 0)
        } else {
            // The plane that shows most area of the labels: long structures are seen along their length.
            let shown = |plane: &Plane| {
                let slice = Slice::cut(geometry, *plane, panels.fullest_slice(*plane));
                let area = slice.pixel[0] * slice.pixel[1];
                (panels.labelled(&slice) as f64 * area * 1000.0) as u64
            };
            let plane = Plane::ALL.into_iter().max_by_key(shown).unwrap_or(Plane::Axial);
            Slice::cut(geometry, plane, panels.fullest_slice(plane))
        };
        let own_height = slice.extent()[0] / slice.pixel[0].min(slice.pixel[1]);
        let height = (own_height.round() as usize).clamp(PANEL_HEIGHT, HIGHEST_PANEL);
        let panel = slice.picture_size(height as f64 / slice.extent()[0]);
        Ok((panels, slice, panel))
    }

    /// A label map's slice, a byte per pixel: 0, or one more than the label's position in the palette.
    fn indices(&self, image: &Image, labels: &LabelMap, slice: &Slice) -> Result<image::DynamicImage, ReportError> {
        let panels = Panels::new(&Compared { image, reference: Some(labels), prediction: None, palette: &self.palette })?;
        let known = self.palette.labels();
        let index = |label: u16| known.iter().position(|&value| value == label && label != 0).map_or(0, |idx| (idx + 1).min(255) as u8);
        let pixels = panels.reference_labels(slice).map(index).collect();
        let grey = GrayImage::from_raw(slice.size[1] as u32, slice.size[0] as u32, pixels).unwrap_or_default();
        Ok(image::DynamicImage::ImageLuma8(grey))
    }

    /// The stored epochs in order.
    fn frames(&self) -> Result<Vec<StoredFrame>, ReportError> {
        let failed = |source| ReportError::File { act: "read", path: self.folder.clone(), source };
        let mut frames = Vec::new();
        for entry in std::fs::read_dir(&self.folder).map_err(failed)? {
            frames.extend(StoredFrame::of(entry.map_err(failed)?.path()));
        }
        frames.sort_by_key(|frame| frame.epoch);
        Ok(frames)
    }

    fn load_image(&self) -> Result<Picture, ReportError> {
        let path = self.folder.join("image.png");
        let rgb = load(&path)?.to_rgb8();
        let mut picture = Picture::filled(rgb.width() as usize, rgb.height() as usize, [0; 3]);
        for (x, y, pixel) in rgb.enumerate_pixels() {
            picture.put(x as usize, y as usize, pixel.0);
        }
        Ok(picture)
    }

    /// Label colours at panel size; `None` is background.
    fn load_labels(&self, path: &Path) -> Result<Vec<Option<Rgb>>, ReportError> {
        let colour = |index: u8| if index == 0 { None } else { Some(Palette::nth(usize::from(index) - 1)) };
        Ok(self.load_grey(path)?.into_iter().map(colour).collect())
    }

    /// The bytes of a stored slice at panel size.
    fn load_grey(&self, path: &Path) -> Result<Vec<u8>, ReportError> {
        let grey = load(path)?.to_luma8();
        let (width, height) = (grey.width() as usize, grey.height() as usize);
        if width == 0 || height == 0 {
            return Err(ReportError::Frame { path: path.into(), finding: "it has no pixels".into() });
        }
        let [panel_height, panel_width] = self.panel;
        let pixel = |i: usize| {
            let (y, x) = (i / panel_width * height / panel_height, i % panel_width * width / panel_width);
            grey.as_raw()[y * width + x]
        };
        Ok((0..panel_height * panel_width).map(pixel).collect())
    }

    /// One frame of the GIF.
    fn compose(&self, plain: &Picture, truth: &[Option<Rgb>], predicted: &Predicted, frame: &StoredFrame) -> Picture {
        let [height, width] = self.panel;
        let Predicted { labels: predicted, grey } = predicted;
        let cells = TITLES.map(|title| width.max(text::width(title)));
        let total = GAP + cells.iter().map(|cell| cell + GAP).sum::<usize>();
        let mut picture = Picture::filled(total, height + 2 * text::LINE + 4 * GAP, GROUND);
        let mut left = GAP;
        for (idx, (title, cell)) in TITLES.into_iter().zip(cells).enumerate() {
            text::draw(&mut picture, [left + (cell - text::width(title)) / 2, GAP], title, [208, 208, 214]);
            let inset = left + (cell - width) / 2;
            for i in 0..height * width {
                let (y, x) = (i / width, i % width);
                let ground = plain.at(x.min(plain.width() - 1), y.min(plain.height() - 1));
                let over = |label: Option<Rgb>| label.map_or(ground, |colour| mixed(ground, colour, OVERLAY));
                let colour = match idx {
                    0 => ground,
                    1 => truth[i].unwrap_or_default(),
                    2 => grey.as_ref().map_or(predicted[i].unwrap_or_default(), |grey| [grey[i]; 3]),
                    3 => over(truth[i]),
                    _ => over(predicted[i]),
                };
                picture.put(inset + x, 2 * GAP + text::LINE + y, colour);
            }
            left += cell + GAP;
        }
        let dice = frame.dice.map_or("-".into(), |dice| format!("{dice:.3}"));
        text::draw(&mut picture, [GAP, height + text::LINE + 3 * GAP], &format!("epoch {:>4}   Dice {dice}", frame.epoch), [255; 3]);
        picture
    }
}

/// What an epoch's network said, at panel size.
struct Predicted {
    labels: Vec<Option<Rgb>>,
    /// How likely it found foreground, if that is shown.
    grey: Option<Vec<u8>>,
}

/// A file of the folder, by its name.
struct StoredFrame {
    path: PathBuf,
    epoch: usize,
    dice: Option<f64>,
}

impl StoredFrame {
    /// Reads the name; `None` for files that are no frames.
    fn of(path: PathBuf) -> Option<Self> {
        let name = path.file_name()?.to_str()?.strip_prefix("epoch_")?.strip_suffix(".png")?;
        let (epoch, dice) = name.split_once("_dice_")?;
        Some(Self { epoch: epoch.parse().ok()?, dice: dice.parse().ok(), path })
    }
}

/// Writes a PNG whole or not at all: new file, fsync, rename.
fn store(path: &Path, picture: &image::DynamicImage) -> Result<(), ReportError> {
    let temporary = path.with_extension("new");
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).map_err(|error| ReportError::Encode { format: "PNG", finding: error.to_string() })?;
    let written = std::fs::File::create(&temporary).and_then(|mut file| {
        file.write_all(bytes.get_ref())?;
        file.sync_all()
    });
    written.and_then(|()| std::fs::rename(&temporary, path)).map_err(|source| ReportError::File { act: "write", path: path.into(), source })
}

fn load(path: &Path) -> Result<image::DynamicImage, ReportError> {
    let bytes = std::fs::read(path).map_err(|source| ReportError::File { act: "read", path: path.into(), source })?;
    image::load_from_memory_with_format(&bytes, ImageFormat::Png)
        .map_err(|error| ReportError::Frame { path: path.into(), finding: error.to_string() })
}

#[cfg(test)]
mod tests;
