//! Unpacks a tar archive that nobody vouches for.
//!
//! Only plain files and folders below one named folder are written, into a folder of their own that becomes the target
//! when everything is there. Links, devices, absolute paths and `..` are refused, not skipped: an archive that holds one
//! is not what it claims to be. No permissions, owners or times are taken over.

use std::{
    fs::{self, File},
    io::Read,
    path::{Component, Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use tar::{Archive, Entry, EntryType};

/// Unpacks the folder `folder` of `archive` as `parent/folder`, which must not exist yet, and returns its path.
///
/// `limit_bytes` bounds what is written in all.
pub(crate) fn unpack(archive: &Path, parent: &Path, folder: &str, limit_bytes: u64) -> anyhow::Result<PathBuf> {
    let target = parent.join(folder);
    ensure!(!target.exists(), "{} exists already; move it away first", target.display());
    let workplace = parent.join(format!(".{folder}.unpacking"));
    remove_folder(&workplace)?;
    fs::create_dir_all(&workplace).with_context(|| format!("cannot make {}", workplace.display()))?;
    let unpacked = unpack_entries(archive, &workplace, folder, limit_bytes).with_context(|| format!("cannot unpack {}", archive.display()));
    let moved =
        unpacked.and_then(|()| fs::rename(workplace.join(folder), &target).with_context(|| format!("cannot make {}", target.display())));
    remove_folder(&workplace)?;
    moved.map(|()| target)
}

fn unpack_entries(archive: &Path, workplace: &Path, folder: &str, limit_bytes: u64) -> anyhow::Result<()> {
    let mut archive = Archive::new(File::open(archive)?);
    let mut n_bytes_left = limit_bytes;
    fs::create_dir_all(workplace.join(folder))?;
    for entry in archive.entries()? {
        let mut entry = entry.context("the archive is damaged; remove it and fetch it again")?;
        let shown = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        match safe_path(&entry, folder).with_context(|| format!("entry `{shown}`"))? {
            Unpack::Nothing => {}
            Unpack::Folder(path) => fs::create_dir_all(workplace.join(path))?,
            Unpack::File(path) => {
                n_bytes_left = n_bytes_left.checked_sub(entry.size()).with_context(|| {
                    format!("entry `{shown}` would make more than {limit_bytes} bytes; the archive is not the one that is known here")
                })?;
                write_file(&mut entry, &workplace.join(path)).with_context(|| format!("entry `{shown}`"))?;
            }
        }
    }
    Ok(())
}

/// What to make of an entry, with its path below the target's parent.
enum Unpack {
    Nothing,
    Folder(PathBuf),
    File(PathBuf),
}

fn safe_path(entry: &Entry<impl Read>, folder: &str) -> anyhow::Result<Unpack> {
    let kind = entry.header().entry_type();
    // A comment for the archive as a whole, such as git writes.
    if kind == EntryType::XGlobalHeader {
        return Ok(Unpack::Nothing);
    }
    let mut safe = PathBuf::new();
    for component in entry.path()?.components() {
        match component {
            Component::Normal(name) => safe.push(name),
            Component::CurDir => {}
            _ => bail!("leads outside the target folder; the archive was tampered with, do not use it"),
        }
    }
    let is_apple_double = safe.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"._"));
    match kind {
        // macOS puts a resource fork beside every file; it is no image, but its name ends like one.
        EntryType::Regular | EntryType::Continuous | EntryType::Directory if is_apple_double => Ok(Unpack::Nothing),
        EntryType::Directory if safe.as_os_str().is_empty() => Ok(Unpack::Nothing),
        _ if !safe.starts_with(folder) => bail!("lies outside the folder {folder} that was expected"),
        EntryType::Directory => Ok(Unpack::Folder(safe)),
        EntryType::Regular | EntryType::Continuous => Ok(Unpack::File(safe)),
        other => bail!("is neither a file nor a folder but {other:?}; the archive was tampered with, do not use it"),
    }
}

fn write_file(entry: &mut Entry<impl Read>, path: &Path) -> anyhow::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    // A name that comes twice is refused as well: the second would replace what was looked at.
    let mut file = File::create_new(path)?;
    let n_written = std::io::copy(entry, &mut file)?;
    ensure!(n_written == entry.size(), "ends after {n_written} of {} bytes; remove the archive and fetch it again", entry.size());
    Ok(())
}

fn remove_folder(path: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests;
