//! What a reader finds wrong, before it is known which file it is in.

use std::{
    fmt::Display,
    io::{Error, ErrorKind},
    path::Path,
};

use crate::ImageError;

/// A fault of a file's content or of the system; [`Fault::at`] adds the file's name.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The system's or the decompressor's complaint.
    Io(Error),
    /// The content is not what the format asks for.
    Malformed { finding: String, cure: String },
    /// The content is sound but not supported.
    Unsupported { finding: String, cure: String },
    /// Labels were asked for, and a voxel is none: [`super::labels`] says which.
    NotLabels,
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Io(error)
    }
}

/// The cure for most damaged files.
pub(crate) const COPY_AGAIN: &str = "copy or download the file again";

impl Fault {
    /// Content that breaks its format's rules.
    pub(crate) fn malformed(finding: impl Display, cure: impl Display) -> Self {
        Self::Malformed { finding: finding.to_string(), cure: cure.to_string() }
    }

    /// Content that this crate does not handle.
    pub(crate) fn unsupported(finding: impl Display, cure: impl Display) -> Self {
        Self::Unsupported { finding: finding.to_string(), cure: cure.to_string() }
    }

    /// The same fault, saying which file it is about and whether that was being read or written.
    pub(crate) fn at(self, act: &'static str, path: &Path) -> ImageError {
        let path = path.to_owned();
        match self {
            Self::Malformed { finding, cure } => ImageError::Malformed { path, finding, cure },
            Self::Unsupported { finding, cure } => ImageError::Unsupported { path, finding, cure },
            Self::NotLabels => {
                ImageError::NotLabels { path, finding: "expected labels, found other numbers".into(), cure: COPY_AGAIN.into() }
            }
            Self::Io(source) if act == "read" && is_damage(&source) => {
                ImageError::Malformed { path, finding: format!("the data are damaged or cut short ({source})"), cure: COPY_AGAIN.into() }
            }
            Self::Io(source) => ImageError::File { act, path, source },
        }
    }
}

/// Whether the complaint is the decompressor's about the content, not the system's about the file.
fn is_damage(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::InvalidData | ErrorKind::InvalidInput)
}
