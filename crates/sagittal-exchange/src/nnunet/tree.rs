//! Where a model lies: in a folder, or in a zip of one.

use crate::{
    ExchangeError,
    checkpoint::{Source, names},
};
use std::{
    collections::BTreeSet,
    fs::File,
    io::{Read, Seek},
    path::{Path, PathBuf},
};
use zip::ZipArchive;

/// Levels of folders that are searched: `nnUNet_results/Dataset/TRAINER__PLANS__CONFIG/fold_0/FILE`.
const DEEPEST: usize = 6;
/// Files of a tree beyond which it is no model.
const MOST_FILES: usize = 200_000;
/// Bytes of a JSON file.
const MOST_TEXT_BYTES: u64 = 64 << 20;
/// Folders in which there is nothing to read, but many files.
const SKIPPED: [&str; 3] = ["validation", "imagesTr", "labelsTr"];

/// A tree of files.
pub(super) enum Tree {
    Folder { root: PathBuf, files: BTreeSet<String> },
    Zip { path: PathBuf, archive: ZipArchive<Box<dyn Source>>, files: BTreeSet<String> },
}

impl Tree {
    pub(super) fn open(path: &Path) -> Result<Self, ExchangeError> {
        let place = path.display().to_string();
        if path.is_dir() {
            let mut files = BTreeSet::new();
            list(path, "", DEEPEST, &mut files)?;
            return Ok(Self::Folder { root: path.to_owned(), files });
        }
        let file = File::open(path).map_err(|source| ExchangeError::File { act: "open", place: place.clone(), source })?;
        let archive = ZipArchive::new(Box::new(file) as Box<dyn Source>).map_err(|error| {
            let finding = format!("neither a folder nor a zip ({error})");
            ExchangeError::malformed(&place, finding, "name the folder of a trained model of nnU-Net, or the zip that it exports")
        })?;
        let files = names(&archive, &place)?.into_iter().filter(|name| !name.ends_with('/')).collect();
        Ok(Self::Zip { path: path.to_owned(), archive, files })
    }

    /// All files, as paths below the root with `/` between folders.
    pub(super) fn files(&self) -> &BTreeSet<String> {
        match self {
            Self::Folder { files, .. } | Self::Zip { files, .. } => files,
        }
    }

    /// How a file is called in messages.
    pub(super) fn place(&self, file: &str) -> String {
        match self {
            Self::Folder { root, .. } => root.join(file).display().to_string(),
            Self::Zip { path, .. } => format!("{}: {file}", path.display()),
        }
    }

    /// A JSON file.
    pub(super) fn json(&mut self, file: &str) -> Result<serde_json::Value, ExchangeError> {
        let place = self.place(file);
        let failed = |source| ExchangeError::File { act: "read", place: place.clone(), source };
        let mut text = Vec::new();
        match self {
            Self::Folder { root, .. } => {
                let file = File::open(root.join(file)).map_err(failed)?;
                file.take(MOST_TEXT_BYTES).read_to_end(&mut text).map_err(failed)?;
            }
            Self::Zip { archive, .. } => {
                let file = archive.by_name(file).map_err(|error| failed(std::io::Error::other(error)))?;
                file.take(MOST_TEXT_BYTES).read_to_end(&mut text).map_err(failed)?;
            }
        }
        serde_json::from_slice(&text)
            .map_err(|error| ExchangeError::malformed(&place, format!("not JSON ({error})"), "copy it again from the trained model"))
    }

    /// A large file, to be read in any order. One in a zip is unpacked to a file without a name, which goes with the program.
    pub(super) fn source(&mut self, file: &str) -> Result<Box<dyn Source>, ExchangeError> {
        let place = self.place(file);
        let failed = |act| {
            let place = place.clone();
            move |source| ExchangeError::File { act, place, source }
        };
        match self {
            Self::Folder { root, .. } => Ok(Box::new(File::open(root.join(file)).map_err(failed("open"))?)),
            Self::Zip { archive, .. } => {
                /// Weights hardly shrink; what unfolds to more than this is a bomb.
                const MOST_UNFOLDED: u64 = 100;
                let entry = archive.by_name(file).map_err(|error| failed("read")(std::io::Error::other(error)))?;
                let most = entry.compressed_size().saturating_mul(MOST_UNFOLDED).saturating_add(1 << 20);
                if entry.size() > most {
                    let finding = format!("unfolds from {} to {} bytes, as no weights do", entry.compressed_size(), entry.size());
                    return Err(ExchangeError::malformed(&place, finding, "get the file from a source that you trust"));
                }
                let mut unpacked = tempfile::tempfile().map_err(failed("make a temporary file for"))?;
                std::io::copy(&mut entry.take(most), &mut unpacked).map_err(failed("unpack"))?;
                unpacked.rewind().map_err(failed("unpack"))?;
                Ok(Box::new(unpacked))
            }
        }
    }
}

fn list(folder: &Path, prefix: &str, levels: usize, files: &mut BTreeSet<String>) -> Result<(), ExchangeError> {
    let failed = |source| ExchangeError::File { act: "list", place: folder.display().to_string(), source };
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = entry.path();
        if path.is_dir() {
            if levels > 1 && !SKIPPED.contains(&&*name) {
                list(&path, &format!("{prefix}{name}/"), levels - 1, files)?;
            }
        } else if files.len() < MOST_FILES {
            files.insert(format!("{prefix}{name}"));
        }
    }
    Ok(())
}
