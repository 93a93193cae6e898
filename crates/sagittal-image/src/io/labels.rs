//! Voxels that must be labels.

use std::path::Path;

use super::samples::Voxel;
use crate::{Image, ImageError, LabelMap, Volume};

/// Takes an image for a label map.
pub(super) fn of_image(image: Image, path: &Path) -> Result<LabelMap, ImageError> {
    let refuse = |finding: String, cure: &str| Err(ImageError::NotLabels { path: path.to_owned(), finding, cure: cure.to_owned() });
    let Image { channels, geometry, header } = image;
    let first = match channels.as_slice() {
        [] => return refuse("expected labels, found no channel".into(), "copy or download the file again"),
        [only] => only,
        [first, others @ ..] => {
            if let Some((c, at)) = others.iter().enumerate().find_map(|(c, other)| first_difference(first, other).map(|at| (c, at))) {
                let [z, y, x] = at;
                let finding = format!(
                    "expected one channel of labels, found {}: voxel (x {x}, y {y}, z {z}) is {} in channel 0 and {} in channel {}",
                    channels.len(),
                    first.at(at),
                    others[c].at(at),
                    c + 1
                );
                return refuse(finding, "store the labels as one channel of whole numbers");
            }
            first
        }
    };
    let mut labels = Vec::with_capacity(first.voxels().len());
    for (index, &value) in first.voxels().iter().enumerate() {
        let Ok(label) = u16::of(value) else {
            let [z, y, x] = position(first, index);
            let finding = format!("expected labels that are whole numbers from 0 to 65535, found {value} at voxel (x {x}, y {y}, z {z})");
            return refuse(finding, "is this an image instead of its labels? otherwise round the labels and store them as integers");
        };
        labels.push(label);
    }
    Ok(LabelMap { labels: Volume::new(first.shape(), labels), geometry, header })
}

fn first_difference(a: &Volume<f32>, b: &Volume<f32>) -> Option<[usize; 3]> {
    let index = a.voxels().iter().zip(b.voxels()).position(|(a, b)| a != b)?;
    Some(position(a, index))
}

fn position(volume: &Volume<f32>, index: usize) -> [usize; 3] {
    let [_, n_y, n_x] = volume.shape();
    [index / (n_y * n_x), index / n_x % n_y, index % n_x]
}
