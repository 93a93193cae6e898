//! A slice as a picture of any size: the image, and label maps over it as fill or contour.
//!
//! Images are blended between voxels (bilinear), as radiology viewers show them; labels never are.

use sagittal_image::{Image, Volume};

use crate::{
    Palette, Slice,
    canvas::{Picture, mixed},
    shade::Shade,
};

/// How a label map is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Style {
    /// Labels at this share over the image.
    Fill(f32),
    /// The border of each label as a line of this many pixels, with a dark rim so that it shows on any ground.
    Contour(usize),
}

/// The slice in its own colours, `[height, width]` pixels.
pub(crate) fn image(image: &Image, shade: Shade, slice: &Slice, size: [usize; 2]) -> Picture {
    let colours: Vec<[f32; 3]> = slice.voxels.iter().map(|&voxel| shade.colour(image, voxel)).collect();
    let mut picture = Picture::filled(size[1], size[0], [0; 3]);
    for y in 0..size[0] {
        let (top, bottom, v) = neighbours(y, size[0], slice.size[0]);
        for x in 0..size[1] {
            let (left, right, u) = neighbours(x, size[1], slice.size[1]);
            let at = |row: usize, column: usize| colours[row * slice.size[1] + column];
            let corners = [at(top, left), at(top, right), at(bottom, left), at(bottom, right)];
            let weights = [(1.0 - u) * (1.0 - v), u * (1.0 - v), (1.0 - u) * v, u * v];
            let blend = |c: usize| (0..4).map(|i| weights[i] * corners[i][c]).sum::<f32>();
            picture.put(x, y, [0, 1, 2].map(|c| (blend(c) * 255.0).round().clamp(0.0, 255.0) as u8));
        }
    }
    picture
}

/// Draws labels over a picture of the same slice.
pub(crate) fn draw(picture: &mut Picture, labels: &Volume<u16>, palette: &Palette, slice: &Slice, style: Style) {
    let (height, width) = (picture.height(), picture.width());
    let grid: Vec<u16> = (0..height * width)
        .map(|pixel| {
            let (row, column) = (nearest(pixel / width, height, slice.size[0]), nearest(pixel % width, width, slice.size[1]));
            labels.voxels()[slice.voxels[row * slice.size[1] + column]]
        })
        .collect();
    match style {
        Style::Fill(share) => {
            for (pixel, &label) in grid.iter().enumerate() {
                if let Some(colour) = palette.colour(label) {
                    picture.mix(pixel % width, pixel / width, colour, share);
                }
            }
        }
        Style::Contour(thickness) => {
            let inside = |reach: i64, x: usize, y: usize| {
                let own = grid[y * width + x];
                let steps = -reach..=reach;
                steps.clone().any(|dy| {
                    steps.clone().any(|dx| {
                        let (nx, ny) = (x as i64 + dx, y as i64 + dy);
                        dx * dx + dy * dy <= reach * reach
                            && (0..width as i64).contains(&nx)
                            && (0..height as i64).contains(&ny)
                            && grid[ny as usize * width + nx as usize] != own
                    })
                })
            };
            // A line of one pixel goes with a fill, from which its dark rim sets it off.
            let lighter = if thickness > 1 { 0.35 } else { 0.15 };
            for y in 0..height {
                for x in 0..width {
                    let near = thickness as i64;
                    match palette.colour(grid[y * width + x]) {
                        Some(colour) if inside(near, x, y) => picture.put(x, y, mixed(colour, [255; 3], lighter)),
                        None if inside(1, x, y) => picture.mix(x, y, [0; 3], 0.6),
                        _ => {}
                    }
                }
            }
        }
    }
}

/// The two pixels of `n` that picture pixel `i` of `size` lies between, and how near it is to the second.
fn neighbours(i: usize, size: usize, n: usize) -> (usize, usize, f32) {
    let position = ((i as f64 + 0.5) * n as f64 / size as f64 - 0.5).clamp(0.0, n as f64 - 1.0);
    let lower = position as usize;
    (lower, (lower + 1).min(n - 1), (position - lower as f64) as f32)
}

fn nearest(i: usize, size: usize, n: usize) -> usize {
    (((i as f64 + 0.5) * n as f64 / size as f64) as usize).min(n - 1)
}

#[cfg(test)]
mod tests {
    use sagittal_image::Geometry;

    use super::*;
    use crate::Plane;

    fn square() -> (Volume<u16>, Slice, Palette) {
        let mut labels = Volume::filled([1, 8, 8], 0u16);
        for y in 2..6 {
            for x in 2..6 {
                let idx = labels.index([0, y, x]);
                labels.voxels_mut()[idx] = 1;
            }
        }
        (labels, Slice::cut(&Geometry::picture([8, 8]), Plane::Axial, 0), Palette::new(&[1]))
    }

    #[test]
    fn a_mask_keeps_its_share_of_the_picture_at_any_size() {
        let (labels, slice, palette) = square();
        for side in [8, 16, 80, 333] {
            let mut picture = Picture::filled(side, side, [0; 3]);
            draw(&mut picture, &labels, &palette, &slice, Style::Fill(1.0));
            let share = picture.pixels().iter().filter(|p| **p != [0; 3]).count() as f64 / (side * side) as f64;
            assert!((share - 0.25).abs() < 0.01, "{side}: {share}");
        }
    }

    #[test]
    fn a_contour_leaves_the_inside_free() {
        let (labels, slice, palette) = square();
        let mut picture = Picture::filled(80, 80, [100; 3]);
        draw(&mut picture, &labels, &palette, &slice, Style::Contour(2));
        assert_eq!(picture.at(40, 40), [100; 3]);
        assert_ne!(picture.at(20, 40), [100; 3]);
        assert_eq!(picture.at(5, 5), [100; 3]);
    }
}
