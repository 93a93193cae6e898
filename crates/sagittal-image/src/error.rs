//! What can be wrong with an image or its file.

use std::path::PathBuf;

/// Why an image could not be read, written or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The file could not be opened, read or written.
    #[error("cannot {act} {path}", path = path.display())]
    File {
        /// What was being done: `read`, `write`.
        act: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file's content is not what its format asks for.
    #[error("{path}: {finding}; {cure}", path = path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What was found where what was expected.
        finding: String,
        /// What the user can do.
        cure: String,
    },
    /// The file is sound, but holds or asks for what is not supported here.
    #[error("{path}: {finding}; {cure}", path = path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What was found, and what is supported.
        finding: String,
        /// What the user can do.
        cure: String,
    },
    /// The file is an image, but its voxels are not labels.
    #[error("{path}: {finding}; {cure}", path = path.display())]
    NotLabels {
        /// The file.
        path: PathBuf,
        /// Which voxel holds what.
        finding: String,
        /// What the user can do.
        cure: String,
    },
    /// The file's name or content belongs to no format that is read here.
    #[error("{path}: {finding}; readable are .nii .nii.gz .hdr .nrrd .nhdr .mha .mhd .png .jpg .tif .bmp .gif", path = path.display())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
        /// What was found.
        finding: String,
    },
}
