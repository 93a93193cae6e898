//! Why a picture or a page could not be made.

use std::path::PathBuf;

/// Why a picture or a page could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// A frame or the finished file could not be read or written.
    #[error("cannot {act} {path}", path = path.display())]
    File {
        /// What was being done: `read`, `write`.
        act: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A stored frame is not what was stored.
    #[error("{path}: {finding}; delete it, the next epoch writes a new one", path = path.display())]
    Frame {
        /// The file.
        path: PathBuf,
        /// What was expected and found.
        finding: String,
    },
    /// Image and label map do not show the same voxels.
    #[error("{what} is {found:?} voxels (z, y, x), the image {expected:?}; both must lie on one grid")]
    Shape {
        /// `reference` or `prediction`.
        what: &'static str,
        /// Shape of the image.
        expected: [usize; 3],
        /// Shape of the label map.
        found: [usize; 3],
    },
    /// There is nothing to show.
    #[error("the image has no voxel: its shape is {shape:?} (z, y, x)")]
    Empty {
        /// Shape of the image.
        shape: [usize; 3],
    },
    /// A surface cannot be drawn without labels.
    #[error("there is no surface to draw: no voxel is labelled")]
    NoSurface,
    /// The form needs slices, and the image is a picture.
    #[error("a {form} needs a 3-D image, and this one is 2-D; show it as planes")]
    NotAVolume {
        /// `montage`, `sweep`, `surface`.
        form: &'static str,
    },
    /// A picture could not be compressed.
    #[error("cannot encode {format}: {finding}")]
    Encode {
        /// `PNG` or `GIF`.
        format: &'static str,
        /// What the encoder said.
        finding: String,
    },
}
