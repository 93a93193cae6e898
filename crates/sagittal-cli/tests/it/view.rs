//! `sagittal view`: every form is written, the same head looks the same from every file, and what cannot be shown is said.

use std::{fs, path::Path};

use sagittal_image::{Geometry, Volume, io};

use super::{files::write_cube, sagittal};

const SIDE: usize = 20;

/// Writes `NAME_image` and `NAME_labels`: a head with one label in its right, front, upper corner; the file's axes x, y, z run along `axes`
/// (right, anterior, superior).
fn write_head(place: &Path, name: &str, extension: &str, axes: [[f64; 3]; 3]) {
    let mut geometry = Geometry { direction: [axes[2], axes[1], axes[0]], ..Geometry::volume([SIDE; 3], [1.0; 3]) };
    let half = (SIDE as f64 - 1.0) / 2.0;
    geometry.origin_mm = [0, 1, 2].map(|world| -(0..3).map(|axis| geometry.direction[axis][world]).sum::<f64>() * half);
    let affine = geometry.affine();
    let world = |idx: usize| {
        let at = [idx % SIDE, idx / SIDE % SIDE, idx / SIDE / SIDE].map(|v| v as f64);
        [0, 1, 2].map(|row: usize| (0..3).map(|k| affine[row][k] * at[k]).sum::<f64>() + affine[row][3])
    };
    let places: Vec<[f64; 3]> = (0..SIDE.pow(3)).map(world).collect();
    let grey = places.iter().map(|[r, a, s]| (100.0 + 3.0 * r + 2.0 * a + s) as f32).collect();
    let labels = places.iter().map(|[r, a, s]| u16::from(*r > 2.0 && *a > 3.0 && *s > 1.0)).collect();
    let path = |what: &str| place.join(format!("{name}_{what}{extension}"));
    io::write_image(&path("image"), &[Volume::new([SIDE; 3], grey)], &geometry, &Default::default()).unwrap();
    io::write_label_map(&path("labels"), &Volume::new([SIDE; 3], labels), &geometry, &Default::default()).unwrap();
}

/// Red, green and blue of a PNG, and its width.
fn pixels(path: &Path) -> (Vec<[u8; 3]>, usize) {
    let picture = io::read_image(path).unwrap();
    let at = |i: usize| [0, 1, 2].map(|c: usize| picture.channels[c].voxels()[i] as u8);
    ((0..picture.geometry.n_voxels()).map(at).collect(), picture.geometry.shape[2])
}

#[test]
fn every_form_is_written_and_moving_ones_move() {
    let place = tempfile::tempdir().unwrap();
    write_head(place.path(), "a", ".nii.gz", [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]);
    let show = |words: &[&str]| sagittal(place.path(), &[&["view", "a_image.nii.gz", "a_labels.nii.gz"], words].concat());
    let reference = ["--reference", "a_labels.nii.gz"];
    for (words, form) in [
        (&["-o", "x.png"][..], "planes"),
        (&["-o", "x.png", "--plane", "coronal", "--slice", "3", "--zoom", "labels"], "planes"),
        (&["-o", "x.png", "--as", "montage", "--count", "5", "--draw", "contour", "--window", "-10,200"], "montage"),
        (&["-o", "x.png", "--as", "surface", "--opacity", "0.5"], "surface"),
        (&[&["-o", "x.png"][..], &reference].concat(), "compare"),
        (&[&["-o", "x.png", "--as", "errors"][..], &reference].concat(), "errors"),
        (&["-o", "x.gif", "--size", "150", "--count", "6"], "sweep"),
        (&["-o", "x.gif", "--as", "surface", "--size", "150", "--count", "6"], "surface"),
    ] {
        let json = show(&[words, &["--json"]].concat()).exits(0).json();
        assert_eq!((json["form"].as_str(), &json["labels"]), (Some(form), &serde_json::json!([1])), "{words:?}");
        let file = fs::read(place.path().join(words[1])).unwrap();
        assert_eq!(json["bytes"].as_u64(), Some(file.len() as u64));
        let magic: &[u8] = if words[1].ends_with("png") { b"\x89PNG" } else { b"GIF89a" };
        assert!(file.starts_with(magic), "{words:?}");
    }
}

#[test]
fn one_head_looks_the_same_from_every_file() {
    let place = tempfile::tempdir().unwrap();
    let files = [
        ("ras", ".nii.gz", [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
        ("lps", ".nrrd", [[-1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 1.0]]),
        ("pir", ".nii", [[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]]),
        ("asl", ".mha", [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [-1.0, 0.0, 0.0]]),
    ];
    let mut first = None;
    for (name, extension, axes) in files {
        write_head(place.path(), name, extension, axes);
        let [image, labels] = ["image", "labels"].map(|what| format!("{name}_{what}{extension}"));
        // A montage writes numbers that differ from file to file; a single slice of the middle has one title only.
        let words = ["view", &image, &labels, "-o", "x.png", "--as", "surface", "--size", "600"];
        sagittal(place.path(), &words).exits(0);
        let surface = pixels(&place.path().join("x.png"));
        let words = ["view", &image, &labels, "-o", "x.png", "--plane", "axial", "--size", "400", "--draw", "fill", "--opacity", "1"];
        sagittal(place.path(), &words).exits(0);
        let (slice, width) = pixels(&place.path().join("x.png"));
        // The label is the only thing that is orange. It lies at the patient's right, and in front: left and above.
        let orange: Vec<usize> = (0..slice.len()).filter(|&i| slice[i] == [230, 159, 0] && i / width < 420).collect();
        let middle = |of: fn(usize, usize) -> usize| orange.iter().map(|&i| of(i, width)).sum::<usize>() / orange.len();
        assert!(middle(|i, width| i % width) < 180 && middle(|i, width| i / width) < 180, "{name} is mirrored");
        // Below the title, which counts slices as the file does, everything is equal.
        let below_title = slice[32 * width..].to_vec();
        assert_eq!(first.get_or_insert((surface.clone(), below_title.clone())), &(surface, below_title), "{name} looks different");
    }
}

#[test]
fn photographs_are_shown_in_colour_and_labels_by_the_names_beside_them() {
    let place = tempfile::tempdir().unwrap();
    sagittal(place.path(), &["phantom", "retina", "-o", "set", "--cases", "1", "--test-cases", "1"]).exits(0);
    let image = "set/training/images/21_training.tif";
    sagittal(place.path(), &["view", image, "set/training/1st_manual/21_manual1.gif", "-o", "x.png", "--names", "vessel"]).exits(0);
    let (colours, width) = pixels(&place.path().join("x.png"));
    assert!(width >= 900, "{width} pixels wide");
    assert!(colours.iter().any(|[r, g, b]| *r > 120 && *b < 60 && *g < 100), "the fundus is not red");
    sagittal(place.path(), &["view", image, "-o", "x.gif"])
        .exits(1)
        .says("a sweep needs a 3-D image, and this one is 2-D; show it as planes");
    sagittal(place.path(), &["view", image, "-o", "x.png", "--slice", "3"])
        .exits(2)
        .says("--slice has no effect on --as planes of a 2-D image");
}

#[test]
fn what_cannot_be_shown_is_said_with_its_cure() {
    let place = tempfile::tempdir().unwrap();
    write_cube(&place.path().join("cube.nii.gz"), 3);
    super::files::write_cube_with_spacing(&place.path().join("other.nii.gz"), 3, 1.5);
    fs::write(place.path().join("text.nii.gz"), "This is a letter, not an image.").unwrap();
    let cases: [(&[&str], i32, &str); 15] = [
        (&["cube.nii.gz", "-o", "x.gif", "--size", "8000", "--count", "6"], 2, "6 frames of 8000 x 8000 pixels are too many for x.gif"),
        (&["cube.nii.gz", "-o", "x.jpg"], 2, "x.jpg is neither .png nor .gif"),
        (&["nowhere.nii.gz", "-o", "x.png"], 2, "nowhere.nii.gz does not exist; expected an image"),
        (&["text.nii.gz", "-o", "x.png"], 1, "text.nii.gz"),
        (&["cube.nii.gz", "other.nii.gz", "-o", "x.png"], 1, "other.nii.gz is not on the grid of cube.nii.gz: expected a spacing of 1 mm"),
        (&["cube.nii.gz", "cube.nii.gz", "--reference", "other.nii.gz", "-o", "x.png"], 1, "other.nii.gz is not on the grid of"),
        (&["cube.nii.gz", "-o", "x.png", "--as", "sweep"], 2, "--as sweep moves; write it to a .gif"),
        (&["cube.nii.gz", "-o", "x.gif", "--as", "montage"], 2, "--as montage does not move; write it to a .png"),
        (&["cube.nii.gz", "-o", "x.png", "--as", "surface"], 2, "--as surface draws labels; name a label map after the image"),
        (&["cube.nii.gz", "cube.nii.gz", "-o", "x.png", "--as", "errors"], 2, "one with --reference"),
        (
            &["cube.nii.gz", "-o", "x.png", "--plane", "axial", "--slice", "8"],
            2,
            "has 8 axial slices, and --slice 8 is none of them; choose 0 to 7",
        ),
        (&["cube.nii.gz", "-o", "x.png", "--channel", "1"], 2, "has 1 channels, and --channel 1 is none of them"),
        (&["cube.nii.gz", "-o", "x.png", "--opacity", "0.5"], 2, "--opacity has no effect on --as planes of a 3-D image without labels"),
        (&["cube.nii.gz", "-o", "x.png", "--window", "heart"], 2, "`heart` is no window; write two numbers"),
        (&["cube.nii.gz", "cube.nii.gz", "-o", "x.png", "--names", "none.json"], 2, "none.json does not exist"),
    ];
    for (words, code, part) in cases {
        sagittal(place.path(), &[&["view"], words].concat()).exits(code).says(part);
        assert!(!place.path().join("x.png").exists() && !place.path().join("x.gif").exists(), "{words:?} wrote a picture");
    }
}
