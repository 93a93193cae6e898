//! How a command ended, and the exit code that says so.

use std::process::ExitCode;

use sagittal_data::DataError;
use sagittal_infer::InferError;

/// How a command ended that did what it could.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Everything was done.
    Done,
    /// Some case failed; the rest is done and the failures were listed.
    SomeFailed,
    /// Somebody pressed Ctrl-C; what was done is whole, and the rest can be done later.
    Stopped,
}

/// Exit code of a program stopped by Ctrl-C, by the custom of shells: 128 + the signal's number.
pub(crate) const STOPPED_BY_CTRL_C: u8 = 130;

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done => Self::SUCCESS,
            Outcome::SomeFailed => Self::from(1),
            Outcome::Stopped => Self::from(STOPPED_BY_CTRL_C),
        }
    }
}

/// The command line cannot mean what it says: a path that is not there, options that exclude each other.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct WrongUse(pub(crate) String);

impl WrongUse {
    /// Refuses a path that does not exist; `what` names what was expected there.
    pub(crate) fn unless_exists(path: &std::path::Path, what: &str) -> Result<(), Self> {
        if path.exists() { Ok(()) } else { Err(Self(format!("{} does not exist; expected {what}", path.display()))) }
    }

    /// Refuses a file where a folder is to be made or filled.
    pub(crate) fn if_file(path: &std::path::Path) -> Result<(), Self> {
        if path.is_file() { Err(Self(format!("{} is a file; name a folder with -o", path.display()))) } else { Ok(()) }
    }

    /// Refuses a file that is to hold a table under a name that is neither CSV nor JSON, or where none can be written: before the work.
    pub(crate) fn unless_table(path: &std::path::Path) -> Result<(), Self> {
        let extension = path.extension().and_then(|extension| extension.to_str());
        if !matches!(extension, Some("csv" | "json")) {
            return Err(Self(format!("{} ends in neither .csv nor .json; give the file one of them", path.display())));
        }
        Self::unless_writable(path)
    }

    /// Refuses a file whose folder is not there, or whose name is a folder's: before the work.
    pub(crate) fn unless_writable(path: &std::path::Path) -> Result<(), Self> {
        match path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
            Some(folder) => Err(Self(format!("{} is no folder, so {} cannot be written; make it first", folder.display(), path.display()))),
            None => Self::if_folder(path),
        }
    }

    /// Refuses to write a file of a kind over a folder or over a file of another kind, told by its ending.
    pub(crate) fn unless_replaceable(path: &std::path::Path, extension: &str) -> Result<(), Self> {
        if path.is_file() && path.extension().is_none_or(|own| own != extension) {
            return Err(Self(format!("{} is there already and no .{extension} file; name another file with -o", path.display())));
        }
        Self::if_folder(path)
    }

    /// Refuses a folder where a file is to be written.
    pub(crate) fn if_folder(path: &std::path::Path) -> Result<(), Self> {
        if path.is_dir() { Err(Self(format!("{} is a folder; name a file with -o", path.display()))) } else { Ok(()) }
    }
}

/// Somebody pressed Ctrl-C, and nothing of what was asked for is done; what this means for files stands behind it.
#[derive(Debug, thiserror::Error)]
#[error("stopped on request{0}")]
pub(crate) struct StoppedOnRequest(pub(crate) String);

/// 2 for wrong use, 130 after Ctrl-C, 1 for everything else that stops a command.
pub(crate) fn exit_code(error: &anyhow::Error) -> ExitCode {
    // A folder that is no data set was named by mistake, too.
    let no_dataset = matches!(error.downcast_ref(), Some(DataError::UnknownLayout { .. }));
    let stopped = |cause: &(dyn std::error::Error + 'static)| {
        cause.is::<StoppedOnRequest>() || matches!(cause.downcast_ref(), Some(InferError::Stopped))
    };
    ExitCode::from(if error.is::<WrongUse>() || no_dataset {
        2
    } else if error.chain().any(stopped) {
        STOPPED_BY_CTRL_C
    } else {
        1
    })
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn wrong_use_is_two_even_with_context() {
        let wrong = Err::<(), _>(WrongUse("x".to_owned())).context("reading the arguments").expect_err("it is an error");
        assert_eq!(format!("{:?}", exit_code(&wrong)), format!("{:?}", ExitCode::from(2)));
        let stopped = Err::<(), _>(InferError::Stopped).context("case a").expect_err("it is an error");
        assert_eq!(format!("{:?}", exit_code(&stopped)), format!("{:?}", ExitCode::from(130)));
        assert_eq!(format!("{:?}", exit_code(&anyhow::anyhow!("disk full"))), format!("{:?}", ExitCode::from(1)));
    }
}
