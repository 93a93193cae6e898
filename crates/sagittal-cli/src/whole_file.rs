//! Files that are there as a whole or not at all: written under another name, synced, renamed.

use std::path::Path;

use anyhow::Context;

/// Writes `content` to `path`; who reads the file sees the old content or the new one, and nothing in between.
pub(crate) fn write(path: &Path, content: impl AsRef<[u8]>) -> anyhow::Result<()> {
    sagittal_nets::write_whole(path, content.as_ref()).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::fs;

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
