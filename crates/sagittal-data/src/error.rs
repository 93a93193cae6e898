//! What can be wrong with a data set, a plan or a case.

use sagittal_image::ImageError;
use std::path::PathBuf;

/// Why a data set, a plan or a case could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// A file or folder could not be opened, read or written.
    #[error("cannot {act} {path}", path = path.display())]
    File {
        /// What was being done: `read`, `write`, `list`.
        act: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A JSON file does not parse or lacks a field.
    #[error("{path} is not the JSON that was expected; correct it, or write it anew with the program that it is from", path = path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What the parser said, with line and column.
        #[source]
        source: serde_json::Error,
    },
    /// A data set's own description contradicts itself or the folder.
    #[error("{path}: {finding}; {cure}", path = path.display())]
    Dataset {
        /// The file or folder.
        path: PathBuf,
        /// What was found where what was expected.
        finding: String,
        /// What the user can do.
        cure: String,
    },
    /// The folder has none of the known layouts.
    #[error("{path} is none of the known data-set layouts: {looked_for}; found: {found}", path = path.display())]
    UnknownLayout {
        /// The folder.
        path: PathBuf,
        /// What was looked for.
        looked_for: String,
        /// What lies there instead.
        found: String,
    },
    /// An image of a case could not be read.
    #[error("reading case {case}")]
    Image {
        /// The case.
        case: String,
        /// What was wrong.
        #[source]
        source: ImageError,
    },
    /// A case was read, but is not what the data set or the plan says.
    #[error("case {case}: {finding}; {cure}")]
    Case {
        /// The case.
        case: String,
        /// What was found where what was expected.
        finding: String,
        /// What the user can do.
        cure: String,
    },
    /// A value of a plan lies outside what is allowed.
    #[error("plan: {field} is {found}, expected {expected}")]
    Plan {
        /// The field's path in the JSON.
        field: String,
        /// The value that was found.
        found: String,
        /// The values that are allowed, with the reason.
        expected: String,
    },
    /// The cases cannot be split as asked.
    #[error("cannot split the cases: {finding}; {cure}")]
    Split {
        /// What was found where what was expected.
        finding: String,
        /// What the user can do.
        cure: String,
    },
}
