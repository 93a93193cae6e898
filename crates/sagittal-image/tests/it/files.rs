//! Files of other programs; they and what they hold are written by `tests/reference/image_files.py`.

use std::path::{Path, PathBuf};

use sagittal_image::{
    Geometry, Rank, Volume,
    io::{Format, read_image, read_label_map, write_image, write_label_map},
};

/// Headers keep float32, and NIfTI quaternions lose another digit.
const TOLERANCE: f64 = 3e-6;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/files")
}

/// What a file holds.
struct Expected {
    name: String,
    geometry: Geometry,
    channels: Vec<Volume<f32>>,
}

fn expected() -> Vec<Expected> {
    let text = std::fs::read_to_string(folder().join("expected.txt")).unwrap();
    text.lines().map(parse).collect()
}

fn parse(line: &str) -> Expected {
    let [name, rank, shape, spacing, origin, direction, values] = line.split('|').collect::<Vec<_>>()[..] else { panic!("{line}") };
    let numbers = |text: &str| text.split_whitespace().map(|token| token.parse().unwrap()).collect::<Vec<f64>>();
    let three = |text: &str| <[f64; 3]>::try_from(numbers(text)).unwrap();
    let shape = three(shape).map(|n| n as usize);
    let d = numbers(direction);
    let geometry = Geometry {
        rank: if rank == "2" { Rank::Two } else { Rank::Three },
        shape,
        spacing_mm: (spacing != "none").then(|| three(spacing)),
        origin_mm: three(origin),
        direction: [[d[0], d[1], d[2]], [d[3], d[4], d[5]], [d[6], d[7], d[8]]],
    };
    let values: Vec<f32> = values.split_whitespace().map(|token| token.parse().unwrap()).collect();
    let channels = values.chunks(geometry.n_voxels()).map(|channel| Volume::new(shape, channel.to_vec())).collect();
    Expected { name: name.to_owned(), geometry, channels }
}

#[test]
fn every_file_holds_what_its_writer_says() {
    let all = expected();
    assert!(all.len() >= 90);
    for Expected { name, geometry, channels } in all {
        let image = read_image(&folder().join(&name)).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(image.geometry.spacing_mm.is_some(), geometry.spacing_mm.is_some(), "{name}");
        geometry.same_grid(&image.geometry, TOLERANCE).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(image.channels, channels, "{name}");
    }
}

#[test]
fn every_geometry_goes_into_every_format_and_back() {
    let out = tempfile::tempdir().unwrap();
    for Expected { name, .. } in expected() {
        let image = read_image(&folder().join(&name)).unwrap();
        let labels = Volume::new(image.geometry.shape, (0..image.geometry.n_voxels() as u16).collect());
        for format in [Format::Nifti, Format::NiftiGz, Format::Nrrd, Format::NrrdDetached, Format::MetaImage, Format::MetaImageDetached] {
            let path = out.path().join(format!("a{}", format.extension()));
            write_label_map(&path, &labels, &image.geometry, &image.header).unwrap_or_else(|error| panic!("{name}: {error}"));
            let back = read_label_map(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(back.labels, labels, "{name} as {format:?}");
            let mut geometry = image.geometry.clone();
            if geometry.rank == Rank::Two {
                // NRRD and MetaImage place 2-D images in a plane.
                geometry.origin_mm[2] = back.geometry.origin_mm[2];
            }
            geometry.same_grid(&back.geometry, 1e-5).unwrap_or_else(|error| panic!("{name} as {format:?}: {error}"));
            if Format::of_path(Path::new(&name)) == Some(format) {
                assert_eq!(back.geometry, image.geometry, "{name}");
            }
            // One channel is written like labels; each write waits for the disk.
            if image.channels.len() > 1 {
                write_image(&path, &image.channels, &image.geometry, &image.header).unwrap();
                assert_eq!(read_image(&path).unwrap().channels, image.channels, "{name} as {format:?}");
            }
        }
    }
}

#[test]
fn float_labels_are_labels_and_images_are_not() {
    let labels = read_label_map(&folder().join("labels_float.nii.gz")).unwrap();
    assert_eq!(labels.labels.voxels()[..5], [0, 1, 2, 0, 1]);
    let cases = [
        ("scaled.nii", "found -16387 at voxel"),
        ("type_i2_little.nii", "found -32768 at voxel (x 0, y 0, z 0)"),
        ("rgb.png", "found 3: voxel (x 0, y 0, z 0)"),
        ("type_u8_little.nii", "at voxel (x 3, y 2, z 1)"),
    ];
    for (name, finding) in cases {
        let message = read_label_map(&folder().join(name)).unwrap_err().to_string();
        assert!(message.contains(finding) && message.contains(name), "{message}");
    }
}

#[test]
fn a_result_on_another_grid_does_not_carry_the_old_header() {
    let out = tempfile::tempdir().unwrap();
    let image = read_image(&folder().join("oblique_sform.nii.gz")).unwrap();
    let moved = Geometry { origin_mm: [1.0, 2.0, 3.0], ..image.geometry.clone() };
    let path = out.path().join("moved.nii.gz");
    write_image(&path, &image.channels, &moved, &image.header).unwrap();
    moved.same_grid(&read_image(&path).unwrap().geometry, 1e-5).unwrap();
}
