use std::{
    fs,
    path::{Path, PathBuf},
};

use tar::{Builder, EntryType, Header};
use tempfile::TempDir;

use super::unpack;

/// An entry as an attacker writes it: the path goes into the header unchecked.
struct Raw {
    path: &'static str,
    kind: EntryType,
    link: &'static str,
}

fn file(path: &'static str) -> Raw {
    Raw { path, kind: EntryType::Regular, link: "" }
}

fn link(path: &'static str, kind: EntryType, link: &'static str) -> Raw {
    Raw { path, kind, link }
}

/// Writes `entries` as `set.tar`, every file with the seven bytes `content`.
fn write_archive(place: &Path, entries: &[Raw]) -> PathBuf {
    let mut builder = Builder::new(Vec::new());
    for Raw { path, kind, link } in entries {
        let content: &[u8] = if *kind == EntryType::Regular { b"content" } else { b"" };
        let mut header = Header::new_old();
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(*kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o777);
        header.set_cksum();
        builder.append(&header, content).unwrap();
    }
    let archive = place.join("set.tar");
    fs::write(&archive, builder.into_inner().unwrap()).unwrap();
    archive
}

/// Unpacks the folder `set` of an archive of `entries` into the folder `out`, with room for `limit_bytes`.
fn try_unpack(entries: &[Raw], limit_bytes: u64) -> (TempDir, anyhow::Result<PathBuf>) {
    let place = tempfile::tempdir().unwrap();
    let archive = write_archive(place.path(), entries);
    fs::create_dir(place.path().join("out")).unwrap();
    let result = unpack(&archive, &place.path().join("out"), "set", limit_bytes);
    (place, result)
}

#[test]
fn files_and_folders_are_unpacked_without_resource_forks() {
    let entries = [
        file("./._set"),
        link("set/imagesTr/", EntryType::Directory, ""),
        file("./set/imagesTr/a.nii.gz"),
        file("set/imagesTr/._a.nii.gz"),
        file("set/dataset.json"),
    ];
    let (place, result) = try_unpack(&entries, 100);
    let target = result.unwrap();
    assert_eq!(target, place.path().join("out/set"));
    assert_eq!(fs::read(target.join("imagesTr/a.nii.gz")).unwrap(), b"content");
    assert!(target.join("dataset.json").exists() && !target.join("imagesTr/._a.nii.gz").exists());
    assert_eq!(fs::read_dir(place.path().join("out")).unwrap().count(), 1, "only the target remains");
}

#[test]
fn dangerous_archives_are_refused_whole() {
    use EntryType as Kind;
    let not_plain = "neither a file nor a folder";
    let cases: [(&str, Vec<Raw>, &str); 12] = [
        ("parent", vec![file("set/a"), file("../evil")], "leads outside"),
        ("parent in the middle", vec![file("set/../../evil")], "leads outside"),
        ("absolute", vec![file("/tmp/sagittal-evil")], "leads outside"),
        ("other folder", vec![file("other/a")], "outside the folder set"),
        ("beside the folder", vec![file("set-evil")], "outside the folder set"),
        ("symbolic link", vec![link("set/a", Kind::Symlink, "/etc"), file("set/a/evil")], not_plain),
        ("hard link", vec![link("set/a", Kind::Link, "/etc/passwd")], not_plain),
        ("device", vec![link("set/a", Kind::Char, "")], not_plain),
        ("pipe", vec![link("set/a", Kind::Fifo, "")], not_plain),
        ("link named like a resource fork", vec![link("set/._a", Kind::Symlink, "/etc")], not_plain),
        ("one name twice", vec![file("set/a"), file("set/a")], "set/a"),
        ("too much", vec![file("set/a"), file("set/b"), file("set/c")], "more than 20 bytes"),
    ];
    for (name, entries, part) in cases {
        let (place, result) = try_unpack(&entries, 20);
        let message = format!("{:#}", result.expect_err(name));
        assert!(message.contains(part) && message.contains("set.tar"), "{name}: {message}");
        let left: Vec<_> = fs::read_dir(place.path().join("out")).unwrap().collect();
        assert!(left.is_empty(), "{name} leaves nothing behind: {left:?}");
        assert!(!place.path().join("evil").exists(), "{name}");
    }
}

#[test]
fn a_part_of_an_archive_is_an_error() {
    let place = tempfile::tempdir().unwrap();
    let archive = write_archive(place.path(), &[file("set/a"), file("set/b")]);
    let bytes = fs::read(&archive).unwrap();
    for length in [1, 100, 513, 515, 1025, 1540] {
        fs::write(&archive, &bytes[..length]).unwrap();
        let error = unpack(&archive, place.path(), "set", 100).expect_err("it is cut");
        assert!(format!("{error:#}").contains("set.tar"), "{length}: {error:#}");
    }
}

#[test]
fn bytes_that_are_no_archive_are_an_error() {
    let place = tempfile::tempdir().unwrap();
    let archive = place.path().join("set.tar");
    fs::write(&archive, "<html>not found</html>".repeat(100)).unwrap();
    assert!(unpack(&archive, place.path(), "set", 100).is_err());
}

#[test]
fn an_existing_target_is_left_alone() {
    let (place, first) = try_unpack(&[file("set/a")], 100);
    let target = first.unwrap();
    let error = unpack(&place.path().join("set.tar"), &place.path().join("out"), "set", 100).expect_err("it is there");
    assert!(error.to_string().contains("exists already"), "{error:#}");
    assert!(target.join("a").exists());
}
