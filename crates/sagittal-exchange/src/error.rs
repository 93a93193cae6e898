//! What can be wrong with a model of another program.

use sagittal_data::DataError;
use sagittal_nets::NetError;

/// Why a model could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// A file could not be opened, read or written.
    #[error("cannot {act} {place}")]
    File {
        /// What was being done.
        act: &'static str,
        /// The file; for a part of an archive the archive and the part.
        place: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("{place}: {finding}; {cure}")]
    Malformed {
        /// The file.
        place: String,
        /// What was expected and found.
        finding: String,
        /// What to do.
        cure: &'static str,
    },
    /// A file asks for code to be run.
    #[error(
        "{place}: asks to run {name}, which no trained model needs; nothing was run. Get the file from a source that you trust, or save it again with torch.save"
    )]
    Forbidden {
        /// The file.
        place: String,
        /// What it asks for, `module.name`.
        name: String,
    },
    /// A model that was made in a way that this program does not know.
    #[error("{place}: {field} is {found}, which is not supported; supported: {supported}")]
    Unsupported {
        /// The file.
        place: String,
        /// Which setting.
        field: String,
        /// Its value.
        found: String,
        /// The values that are known.
        supported: &'static str,
    },
    /// A model's network cannot be built, read or written.
    #[error(transparent)]
    Net(#[from] NetError),
    /// A model's plan does not make sense.
    #[error("{place}: its plan cannot be taken over")]
    Plan {
        /// The file.
        place: String,
        /// Which field and why.
        #[source]
        source: Box<DataError>,
    },
}

impl ExchangeError {
    /// A file that is not what it should be.
    pub(crate) fn malformed(place: &str, finding: impl Into<String>, cure: &'static str) -> Self {
        Self::Malformed { place: place.to_owned(), finding: finding.into(), cure }
    }
}
