//! Folder listings, sorted and without hidden files.

use crate::DataError;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Entries of a folder, sorted by name. Hidden ones stay out: `._x.nii.gz` are leftovers of macOS archives, not images.
pub(super) fn entries(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let error = |source| DataError::File { act: "list", path: folder.into(), source };
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(error)? {
        let path = entry.map_err(error)?.path();
        if !file_name(&path).starts_with('.') {
            entries.push(path);
        }
    }
    entries.sort();
    Ok(entries)
}

/// Image files of a folder with their stems (`.nii.gz` counts as one extension); none where the folder is missing.
pub(super) fn images(folder: &Path) -> Result<Vec<(String, PathBuf)>, DataError> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let stem = |path: PathBuf| sagittal_image::io::image_stem(&path).map(str::to_owned).map(|stem| (stem, path));
    Ok(entries(folder)?.into_iter().filter(|path| path.is_file()).filter_map(stem).collect())
}

/// The last part of a path as text; names that are no Unicode are empty and fit no rule.
pub(super) fn file_name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// The folder's own name, as the data set's.
pub(super) fn folder_name(root: &Path) -> String {
    let full = root.canonicalize().unwrap_or_else(|_| root.into());
    file_name(&full).to_owned()
}
