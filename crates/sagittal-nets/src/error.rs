//! What can be wrong with a network's description or its file.

use sagittal_data::DataError;
use std::path::PathBuf;

/// Why a network could not be built, read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetError {
    /// The description does not make sense.
    #[error(transparent)]
    Plan(#[from] DataError),
    /// A weight file could not be opened, read or written.
    #[error("cannot {act} {path}", path = path.display())]
    File {
        /// What was being done.
        act: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A file is not the weight file that was expected.
    #[error("{path}: {finding}; {cure}", path = path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What was expected and found.
        finding: String,
        /// What to do.
        cure: &'static str,
    },
}
