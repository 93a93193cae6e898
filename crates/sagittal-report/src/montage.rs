//! One case as a picture: planes through the middle of what was labelled, the prediction filled in, the truth as a line around it.

use sagittal_image::{Geometry, Image, LabelMap, Rank, Reorientation, Volume};

use crate::{
    Palette, Plane, ReportError, Slice,
    canvas::{Picture, Rgb},
    overlay::{self, Style},
    shade::Shade,
    text,
};

/// Ground between panels; near black, so that pictures look the same on light and dark pages.
pub(crate) const GROUND: Rgb = [17, 17, 19];
const TITLE: Rgb = [208, 208, 214];
const LETTER: Rgb = [250, 210, 90];
const GAP: usize = 10;
/// A row of planes is at most this share of the width high, so that a tall plane does not fill the screen.
const ROW_SHARE: f64 = 0.32;
/// Share of a prediction's colour over the image.
const FILL: f32 = 0.42;
/// Lines are this many pixels.
const CONTOUR: usize = 2;

/// An image with what is true and what was predicted; all on one grid.
#[derive(Clone, Copy, Debug)]
pub struct Compared<'a> {
    /// The image.
    pub image: &'a Image,
    /// The truth, drawn as contours.
    pub reference: Option<&'a LabelMap>,
    /// The prediction, drawn as fill.
    pub prediction: Option<&'a LabelMap>,
    /// Colours of the labels.
    pub palette: &'a Palette,
}

/// A case ready for drawing: turned to the canonical orientation, its window chosen.
pub struct Panels {
    image: Image,
    reference: Option<Volume<u16>>,
    prediction: Option<Volume<u16>>,
    palette: Palette,
    shade: Shade,
}

impl Panels {
    /// Prepares a case.
    ///
    /// # Errors
    /// [`ReportError::Shape`] if a label map has another shape than the image.
    pub fn new(case: &Compared<'_>) -> Result<Self, ReportError> {
        let expected = case.image.geometry.shape;
        let turn = Reorientation::of(&case.image.geometry);
        let turned = |map: Option<&LabelMap>, what| match map {
            Some(map) if map.labels.shape() != expected => Err(ReportError::Shape { what, expected, found: map.labels.shape() }),
            map => Ok(map.map(|map| turn.to_canonical(&map.labels))),
        };
        let (image, _) = sagittal_image::to_canonical(case.image);
        let shade = Shade::of(&image);
        Ok(Self {
            reference: turned(case.reference, "reference")?,
            prediction: turned(case.prediction, "prediction")?,
            palette: case.palette.clone(),
            image,
            shade,
        })
    }

    /// The grid that slices are cut from.
    pub fn geometry(&self) -> &Geometry {
        &self.image.geometry
    }

    /// The voxel in the middle of everything labelled (`[Z, Y, X]`): of the truth, else of the prediction, else of the image.
    pub fn centre(&self) -> [usize; 3] {
        let shape = self.geometry().shape;
        let labelled = [&self.reference, &self.prediction].into_iter().flatten();
        labelled.filter_map(middle).next().unwrap_or(shape.map(|n| n / 2))
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

    /// The image alone, `[height, width]` pixels.
    pub fn plain(&self, slice: &Slice, size: [usize; 2]) -> Picture {
        overlay::image(&self.image, self.shade, slice, size)
    }

    /// The image with the prediction filled in and the truth's contour over it.
    pub fn compared(&self, slice: &Slice, size: [usize; 2]) -> Picture {
        let mut picture = self.plain(slice, size);
        if let Some(prediction) = &self.prediction {
            overlay::draw(&mut picture, prediction, &self.palette, slice, Style::Fill(FILL));
        }
        if let Some(reference) = &self.reference {
            overlay::draw(&mut picture, reference, &self.palette, slice, Style::Contour(CONTOUR));
        }
        picture
    }
}

/// A case in two rows, the image alone and with labels, at most `width` pixels wide: three planes of a 3-D image through the centre of
/// its labels, at one scale in mm; a 2-D image whole, side by side.
///
/// # Errors
/// [`ReportError::Shape`] if a label map has another shape than the image.
pub fn three_planes(case: &Compared<'_>, width: usize) -> Result<Picture, ReportError> {
    let panels = Panels::new(case)?;
    let geometry = panels.geometry();
    if geometry.shape.contains(&0) {
        return Ok(Picture::filled(width.max(1), text::LINE, GROUND));
    }
    if geometry.rank == Rank::Two {
        let slice = Slice::cut(geometry, Plane::Axial, 0);
        let scale = width.saturating_sub(3 * GAP) as f64 / (2.0 * slice.extent()[1]);
        let size = slice.picture_size(scale);
        let row = [("image", panels.plain(&slice, size)), ("truth and prediction", panels.compared(&slice, size))];
        return Ok(stack(&[row.to_vec()]));
    }
    let centre = panels.centre();
    let slices = Plane::ALL.map(|plane| (plane, Slice::cut(geometry, plane, centre[plane.axis()])));
    let total: f64 = slices.iter().map(|(_, slice)| slice.extent()[1]).sum();
    let tallest = slices.iter().map(|(_, slice)| slice.extent()[0]).fold(0.0, f64::max);
    let scale = (width.saturating_sub(4 * GAP) as f64 / total).min(ROW_SHARE * width as f64 / tallest);
    let row = |draw: &dyn Fn(&Slice, [usize; 2]) -> Picture, last: bool| -> Vec<(&'static str, Picture)> {
        let panel = |(plane, slice): &(Plane, Slice)| {
            let mut picture = draw(slice, slice.picture_size(scale));
            letters(&mut picture, *plane);
            if last && geometry.spacing_mm.is_some() {
                scale_bar(&mut picture, scale);
            }
            (if last { "" } else { plane.name() }, picture)
        };
        slices.iter().map(panel).collect()
    };
    Ok(stack(&[row(&|slice, size| panels.plain(slice, size), false), row(&|slice, size| panels.compared(slice, size), true)]))
}

/// Rows of titled panels on one ground.
fn stack(rows: &[Vec<(&'static str, Picture)>]) -> Picture {
    let title_height = |row: &[(&str, Picture)]| if row.iter().any(|(title, _)| !title.is_empty()) { text::LINE + GAP / 2 } else { 0 };
    let row_height = |row: &[(&str, Picture)]| row.iter().map(|(_, picture)| picture.height()).max().unwrap_or(0);
    let height = GAP + rows.iter().map(|row| title_height(row) + row_height(row) + GAP).sum::<usize>();
    let row_width = |row: &[(&str, Picture)]| GAP + row.iter().map(|(_, panel)| panel.width() + GAP).sum::<usize>();
    let width = rows.iter().map(|row| row_width(row)).max().unwrap_or(1);
    let mut picture = Picture::filled(width, height, GROUND);
    let mut top = GAP;
    for row in rows {
        let mut left = GAP;
        for (title, panel) in row {
            text::draw(&mut picture, [left, top], title, TITLE);
            // Panels of different heights share their middle line.
            let below = top + title_height(row) + (row_height(row) - panel.height()) / 2;
            picture.paste([left, below], panel);
            left += panel.width() + GAP;
        }
        top += title_height(row) + row_height(row) + GAP;
    }
    picture
}

/// Orientation letters in the middle of each border.
fn letters(picture: &mut Picture, plane: Plane) {
    const INSET: usize = 3;
    let (width, height) = (picture.width(), picture.height());
    let letter = text::width("R");
    if width < 6 * letter || height < 6 * text::LINE {
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
        text::draw(picture, [at[0] + 1, at[1] + 1], &character.to_string(), [0; 3]);
        text::draw(picture, at, &character.to_string(), LETTER);
    }
}

/// A bar of a round number of millimetres in the lower left corner, `scale` pixels a millimetre.
fn scale_bar(picture: &mut Picture, scale: f64) {
    let longest = picture.width() as f64 * 0.35;
    let Some(length_mm) = [100.0, 50.0, 20.0, 10.0, 5.0, 2.0, 1.0].into_iter().find(|mm| mm * scale <= longest) else { return };
    let (length, height) = ((length_mm * scale) as usize, picture.height());
    let label = format!("{length_mm} mm");
    if height < 4 * text::LINE {
        return;
    }
    picture.rectangle([7, height - 10], [length + 2, 5], [0; 3]);
    picture.rectangle([8, height - 9], [length, 3], [255; 3]);
    text::draw(picture, [9, height - 11 - text::LINE], &label, [0; 3]);
    text::draw(picture, [8, height - 12 - text::LINE], &label, [255; 3]);
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
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

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
        assert!((600..=701).contains(&picture.width()), "{} pixels wide", picture.width());
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
}
