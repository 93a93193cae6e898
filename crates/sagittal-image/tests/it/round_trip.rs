//! What is written can be read, and what cannot be written is said.

use sagittal_image::{
    Geometry, Volume,
    io::{SourceHeader, read_image, read_label_map, write_image, write_label_map},
};

#[test]
fn pictures_keep_labels() {
    let out = tempfile::tempdir().unwrap();
    let geometry = Geometry::picture([3, 5]);
    for (name, most) in [("a.png", 254), ("b.png", 60_000), ("c.tif", 255), ("d.tif", 60_000), ("e.bmp", 255), ("f.gif", 255)] {
        let labels = Volume::new(geometry.shape, (0..15_u32).map(|i| (i * most / 14) as u16).collect());
        let path = out.path().join(name);
        write_label_map(&path, &labels, &geometry, &SourceHeader::default()).unwrap();
        assert_eq!(read_label_map(&path).unwrap().labels, labels, "{name}");
    }
    let left_over =
        std::fs::read_dir(out.path()).unwrap().filter(|entry| entry.as_ref().unwrap().path().extension() == Some("tmp".as_ref()));
    assert_eq!(left_over.count(), 0);
}

#[test]
fn what_a_picture_cannot_hold_is_said_with_a_cure() {
    let out = tempfile::tempdir().unwrap();
    let volume = Geometry::volume([2, 3, 4], [1.0; 3]);
    let slice = Geometry::picture([3, 4]);
    let cases = [
        ("volume.png", &volume, 1.0, "write .nii.gz instead"),
        ("fraction.png", &slice, 0.5, "scale and round"),
        ("large.bmp", &slice, 300.0, "write .png or .tif instead"),
        ("lossy.jpg", &slice, 1.0, "write .png or .tif instead"),
        ("pair.hdr", &slice, 1.0, "write .nii.gz instead"),
        ("nothing", &slice, 1.0, "readable are"),
    ];
    for (name, geometry, value, cure) in cases {
        let channel = Volume::filled(geometry.shape, value);
        let error = write_image(&out.path().join(name), &[channel], geometry, &SourceHeader::default()).unwrap_err();
        assert!(error.to_string().contains(cure) && error.to_string().contains(name), "{error}");
    }
    assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), 0);
}

#[test]
fn axes_too_long_for_nifti_1_are_written_as_nifti_2() {
    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("long.nii");
    let geometry = Geometry::volume([1, 1, 40_000], [1.0; 3]);
    write_label_map(&path, &Volume::filled(geometry.shape, 1), &geometry, &SourceHeader::default()).unwrap();
    assert_eq!(std::fs::read(&path).unwrap()[..4], 540_i32.to_le_bytes());
    assert_eq!(read_image(&path).unwrap().geometry, geometry);
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let geometry = Geometry::picture([1, 1]);
    let path = std::path::Path::new("/no/such/folder/a.png");
    let error = write_label_map(path, &Volume::filled(geometry.shape, 1), &geometry, &SourceHeader::default()).unwrap_err();
    assert_eq!(error.to_string(), "cannot write /no/such/folder/a.png");
}
