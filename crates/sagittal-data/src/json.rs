//! JSON files: read with the file's name in the error, written atomically.

use crate::DataError;
use serde::{Serialize, de::DeserializeOwned};
use std::{fs, io::Write, path::Path};

/// Reads a JSON file.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<T, DataError> {
    let bytes = fs::read(path).map_err(|source| DataError::File { act: "read", path: path.into(), source })?;
    // Windows editors put a byte-order mark before the text, which the parser refuses.
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    serde_json::from_slice(text).map_err(|source| DataError::Json { path: path.into(), source })
}

/// Writes a JSON file, atomically.
pub(crate) fn write<T: Serialize>(path: &Path, value: &T) -> Result<(), DataError> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|source| DataError::Json { path: path.into(), source })?;
    bytes.push(b'\n');
    write_bytes(path, &[&bytes])
}

/// Writes a file so that it is either there as a whole or not at all: new file, fsync, rename.
pub(crate) fn write_bytes(path: &Path, parts: &[&[u8]]) -> Result<(), DataError> {
    let error = |source| DataError::File { act: "write", path: path.into(), source };
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    // Two processes may write the same cache entry: each its own temporary file.
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let written = fs::File::create(&temporary).and_then(|mut file| {
        parts.iter().try_for_each(|part| file.write_all(part))?;
        file.sync_all()
    });
    if let Err(source) = written.and_then(|()| fs::rename(&temporary, path)) {
        // The first error is the one to report.
        let _ = fs::remove_file(&temporary);
        return Err(error(source));
    }
    Ok(())
}
