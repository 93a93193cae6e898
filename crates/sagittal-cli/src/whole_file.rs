//! Files that are there as a whole or not at all: written under another name, synced, renamed.

use std::{fs, io::Write, path::Path};

use anyhow::Context;

/// Writes `content` to `path`; who reads the file sees the old content or the new one, and nothing in between.
pub(crate) fn write(path: &Path, content: impl AsRef<[u8]>) -> anyhow::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    // Two programs may write the same file: each its own temporary one.
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let written = fs::File::create(&temporary).and_then(|mut file| {
        file.write_all(content.as_ref())?;
        file.sync_all()
    });
    let renamed = written.and_then(|()| fs::rename(&temporary, path));
    if renamed.is_err() {
        // Nothing more can be done if this fails too; the first error says why.
        let _ = fs::remove_file(&temporary);
    }
    renamed.with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_a_failure_leaves_nothing() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("a.json");
        write(&file, "1").unwrap();
        write(&file, "2").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "2");
        fs::create_dir(place.path().join("taken")).unwrap();
        let error = write(&place.path().join("taken"), "3").unwrap_err();
        assert!(error.to_string().contains("taken"), "{error:#}");
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 2);
    }
}
