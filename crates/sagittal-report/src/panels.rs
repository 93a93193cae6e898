//! A case ready for drawing: turned to the canonical orientation, its window chosen, its label maps beside it.

use std::cell::OnceCell;

use sagittal_image::{BoundingBox, Geometry, Image, LabelExtent, LabelMap, Orientation, Rank, Reorientation, Volume, label_extents};

use crate::{Palette, Plane, ReportError, Slice, Window, agreement, canvas::Picture, overlay, shade::Shade};

/// Lines are this many pixels.
const CONTOUR: usize = 2;
/// Around the labels stays this share of their size.
const MARGIN: f64 = 0.25;

/// An image with what is true and what was predicted; all on one grid.
#[derive(Clone, Copy, Debug)]
pub struct Compared<'a> {
    /// The image.
    pub image: &'a Image,
    /// The truth, drawn as contours.
    pub reference: Option<&'a LabelMap>,
    /// The prediction, drawn as fill.
    pub prediction: Option<&'a LabelMap>,
    /// Colours and names of the labels.
    pub palette: &'a Palette,
}

/// What is drawn over the image. Opacities are 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Overlay {
    /// Nothing.
    Plain,
    /// Each label of the prediction (of the truth if there is none) filled.
    Fill(f32),
    /// Their borders.
    Contour,
    /// Both.
    FillAndContour(f32),
    /// The prediction filled, the truth as a line around it.
    Compared(f32),
    /// Where prediction and truth agree, and where not, each in a colour.
    Agreement(f32),
    /// As [`Overlay::Agreement`], and what agrees left free.
    Errors(f32),
}

/// How much of the image is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Zoom {
    /// Everything magnified so many times, around the middle of the labels; 1 is the whole image.
    Factor(f64),
    /// The labels and a little around them.
    Labels,
}

/// A case ready for drawing.
pub struct Panels {
    image: Image,
    reference: Option<Volume<u16>>,
    prediction: Option<Volume<u16>>,
    agreement: OnceCell<Volume<u16>>,
    palette: Palette,
    shade: Shade,
    /// For canonical axes `[Z, Y, X]`: whether the file counts its slices the other way.
    reversed: [bool; 3],
}

impl Panels {
    /// Prepares a case.
    ///
    /// # Errors
    /// [`ReportError::Shape`] if a label map has another shape than the image, [`ReportError::Empty`] if there is no voxel.
    pub fn new(case: &Compared<'_>) -> Result<Self, ReportError> {
        let expected = case.image.geometry.shape;
        if expected.contains(&0) {
            return Err(ReportError::Empty { shape: expected });
        }
        let turn = Reorientation::of(&case.image.geometry);
        let turned = |map: Option<&LabelMap>, what| match map {
            Some(map) if map.labels.shape() != expected => Err(ReportError::Shape { what, expected, found: map.labels.shape() }),
            map => Ok(map.map(|map| turn.to_canonical(&map.labels))),
        };
        let (image, _) = sagittal_image::to_canonical(case.image);
        let shade = Shade::of(&image);
        let letters = Orientation::of(&case.image.geometry).to_string();
        let is_picture = case.image.geometry.rank == Rank::Two;
        Ok(Self {
            reference: turned(case.reference, "reference")?,
            prediction: turned(case.prediction, "prediction")?,
            agreement: OnceCell::new(),
            palette: case.palette.clone(),
            image,
            shade,
            reversed: ['I', 'P', 'L'].map(|letter| !is_picture && letters.contains(letter)),
        })
    }

    /// The same case through a window that somebody chose.
    #[must_use]
    pub fn through(self, window: Window) -> Self {
        Self { shade: self.shade.through(window), ..self }
    }

    /// The intensities of black and white.
    pub fn window(&self) -> Window {
        self.shade.window()
    }

    /// The grid that slices are cut from.
    pub fn geometry(&self) -> &Geometry {
        &self.image.geometry
    }

    /// Colours and names of the labels.
    pub fn palette(&self) -> &Palette {
        &self.palette
    }

    /// The prediction, or the truth where there is none.
    pub(crate) fn labels(&self) -> Option<&Volume<u16>> {
        self.prediction.as_ref().or(self.reference.as_ref())
    }

    pub(crate) fn reference(&self) -> Option<&Volume<u16>> {
        self.reference.as_ref()
    }

    pub(crate) fn prediction(&self) -> Option<&Volume<u16>> {
        self.prediction.as_ref()
    }

    /// Where prediction and truth agree; everything is background where one of them is missing.
    pub(crate) fn agreement(&self) -> &Volume<u16> {
        self.agreement.get_or_init(|| match (&self.prediction, &self.reference) {
            (Some(prediction), Some(reference)) => agreement::of(prediction, reference),
            _ => Volume::filled(self.geometry().shape, 0),
        })
    }

    /// The number that the image's file gives to the canonical slice `position`, counted from 0; and the other way round.
    pub fn file_position(&self, plane: Plane, position: usize) -> usize {
        let axis = plane.axis();
        if self.reversed[axis] { self.geometry().shape[axis] - 1 - position } else { position }
    }

    /// The voxel in the middle of everything labelled (`[Z, Y, X]`): of the truth, else of the prediction, else of the image.
    pub fn centre(&self) -> [usize; 3] {
        let shape = self.geometry().shape;
        let labelled = [&self.reference, &self.prediction].into_iter().flatten();
        labelled.filter_map(middle).next().unwrap_or(shape.map(|n| n / 2))
    }

    /// The box around everything that truth or prediction label.
    pub fn labelled_box(&self) -> Option<BoundingBox> {
        let boxes = self.extents().into_iter().map(|extent| extent.bounds);
        boxes.reduce(|a, b| BoundingBox {
            lower: [0, 1, 2].map(|axis| a.lower[axis].min(b.lower[axis])),
            upper: [0, 1, 2].map(|axis| a.upper[axis].max(b.upper[axis])),
        })
    }

    /// The part of the image that a zoom shows.
    pub fn field(&self, zoom: Zoom) -> BoundingBox {
        let shape = self.geometry().shape;
        match (zoom, self.labelled_box()) {
            (Zoom::Labels, Some(labelled)) => {
                let spacing = self.geometry().spacing_or_one();
                let largest = (0..3).map(|axis| (labelled.upper[axis] - labelled.lower[axis]) as f64 * spacing[axis]).fold(0.0, f64::max);
                let margin = spacing.map(|step| (MARGIN * largest / step).ceil() as usize);
                BoundingBox {
                    lower: [0, 1, 2].map(|axis| labelled.lower[axis].saturating_sub(margin[axis])),
                    upper: [0, 1, 2].map(|axis| (labelled.upper[axis] + margin[axis]).min(shape[axis])),
                }
            }
            (Zoom::Labels, None) => BoundingBox::whole(shape),
            (Zoom::Factor(factor), _) => {
                let centre = self.centre();
                let size = shape.map(|n| ((n as f64 / factor.max(1.0)).round() as usize).clamp(1, n));
                let lower = [0, 1, 2].map(|axis| centre[axis].saturating_sub(size[axis] / 2).min(shape[axis] - size[axis]));
                BoundingBox { lower, upper: [0, 1, 2].map(|axis| lower[axis] + size[axis]) }
            }
        }
    }

    /// The slice across `plane` with the most labelled voxels, of the truth if there is one; the middle one if there are none.
    pub fn fullest_slice(&self, plane: Plane) -> usize {
        let (shape, axis) = (self.geometry().shape, plane.axis());
        let mut counts = vec![0u64; shape[axis]];
        if let Some(labels) = self.reference.as_ref().or(self.prediction.as_ref()) {
            for (idx, _) in labels.voxels().iter().enumerate().filter(|(_, label)| **label > 0) {
                counts[position(shape, idx)[axis]] += 1;
            }
        }
        let most = counts.iter().copied().max().unwrap_or(0);
        if most == 0 { shape[axis] / 2 } else { counts.iter().position(|&count| count == most).unwrap_or(0) }
    }

    /// The truth's labels in a slice, pixel by pixel; background without a truth.
    pub(crate) fn reference_labels<'a>(&'a self, slice: &'a Slice) -> impl Iterator<Item = u16> + 'a {
        slice.voxels.iter().map(|&voxel| self.reference.as_ref().map_or(0, |labels| labels.voxels()[voxel]))
    }

    /// How many pixels of a slice the truth labels.
    pub(crate) fn labelled(&self, slice: &Slice) -> usize {
        self.reference_labels(slice).filter(|&label| label > 0).count()
    }

    /// The values that prediction and truth hold, ascending, without background.
    pub fn values(&self) -> Vec<u16> {
        let mut values: Vec<u16> = self.extents().into_iter().map(|extent| extent.label).collect();
        values.sort_unstable();
        values.dedup();
        values
    }

    /// The labels of prediction and truth, without background.
    fn extents(&self) -> Vec<LabelExtent> {
        let maps = [&self.reference, &self.prediction].into_iter().flatten();
        maps.flat_map(label_extents).filter(|extent| extent.label > 0).collect()
    }

    /// A slice with what is drawn over it, `[height, width]` pixels.
    pub fn draw(&self, slice: &Slice, size: [usize; 2], over: Overlay) -> Picture {
        use overlay::Style::{Contour, Fill};
        let mut picture = overlay::image(&self.image, self.shade, slice, size);
        let mut put = |labels: Option<&Volume<u16>>, palette: &Palette, style| {
            if let Some(labels) = labels {
                overlay::draw(&mut picture, labels, palette, slice, style);
            }
        };
        match over {
            Overlay::Plain => {}
            Overlay::Fill(opacity) => put(self.labels(), &self.palette, Fill(opacity)),
            Overlay::Contour => put(self.labels(), &self.palette, Contour(CONTOUR)),
            Overlay::FillAndContour(opacity) => {
                put(self.labels(), &self.palette, Fill(opacity));
                put(self.labels(), &self.palette, Contour(1));
            }
            Overlay::Compared(opacity) => {
                put(self.prediction.as_ref(), &self.palette, Fill(opacity));
                put(self.reference.as_ref(), &self.palette, Contour(CONTOUR));
            }
            Overlay::Agreement(opacity) => put(Some(self.agreement()), &agreement::palette(), Fill(opacity)),
            Overlay::Errors(opacity) => {
                let errors = self.agreement().map(|&class| if class == agreement::AGREE { 0 } else { class });
                put(Some(&errors), &agreement::palette(), Fill(opacity));
            }
        }
        picture
    }
}

/// The voxel nearest to the mean position of all labelled voxels.
fn middle(labels: &Volume<u16>) -> Option<[usize; 3]> {
    let mut sum = [0u64; 3];
    let mut n = 0;
    for (idx, _) in labels.voxels().iter().enumerate().filter(|(_, label)| **label > 0) {
        let at = position(labels.shape(), idx);
        (0..3).for_each(|axis| sum[axis] += at[axis] as u64);
        n += 1;
    }
    (n > 0).then(|| sum.map(|total| ((total + n / 2) / n) as usize))
}

fn position([_, height, width]: [usize; 3], idx: usize) -> [usize; 3] {
    [idx / (height * width), idx / width % height, idx % width]
}

#[cfg(test)]
mod tests;
