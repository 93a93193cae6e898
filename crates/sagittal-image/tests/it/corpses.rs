//! Damaged files: each gives an error that names the file, what is wrong and a cure, and none a panic.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use flate2::{Compression, write::GzEncoder};
use sagittal_image::io::{read_image, read_label_map};

fn data(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/files").join(name)).unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// `bytes` with `patch` at `at`.
fn patched(bytes: &[u8], at: usize, patch: &[u8]) -> Vec<u8> {
    let mut patched = bytes.to_vec();
    patched[at..at + patch.len()].copy_from_slice(patch);
    patched
}

/// A text header of a file with `from` replaced by `to`.
fn edited(name: &str, from: &str, to: &str) -> Vec<u8> {
    let bytes = data(name);
    let at = bytes.windows(from.len()).position(|window| window == from.as_bytes()).unwrap_or_else(|| panic!("no {from} in {name}"));
    [&bytes[..at], to.as_bytes(), &bytes[at + from.len()..]].concat()
}

#[test]
fn damaged_files_are_named_with_a_cure() {
    struct Case(&'static str, Vec<u8>, &'static str);
    let nifti = data("type_i2_little.nii");
    let packed = data("oblique_sform.nii.gz");
    let i16s = |values: &[i16]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    let f32s = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    let cases = [
        // Not an image at all.
        Case("empty.nii.gz", vec![], "found an empty file of 0 bytes"),
        Case("text.nii.gz", b"hello, this is no image\n".to_vec(), "found text beginning with `hello, this is n`"),
        Case("text.nrrd", b"hello\n".to_vec(), "found text beginning with `hello`"),
        Case("text.mha", b"hello\n".to_vec(), "found text beginning with `hello`"),
        Case("text.png", b"hello, this is no image\n".to_vec(), "expected a .png picture"),
        Case("short.nii", nifti[..100].to_vec(), "found the end after 100"),
        // Cut short.
        Case("cut_header.nii.gz", packed[..60].to_vec(), "damaged or cut short"),
        Case("cut.nii.gz", packed[..packed.len() - 20].to_vec(), "damaged or cut short"),
        Case("cut_checksum.nii.gz", packed[..packed.len() - 4].to_vec(), "damaged or cut short"),
        Case("checksum.nii.gz", patched(&packed, packed.len() - 8, &[1, 2, 3, 4]), "damaged or cut short"),
        Case("cut.nii", nifti[..380].to_vec(), "expected 48 bytes of voxels, as its header declares, found 28"),
        Case(
            "cut.nrrd",
            {
                let d = data("itk_i2.nrrd");
                d[..d.len() - 5].to_vec()
            },
            "expected 48 bytes",
        ),
        Case(
            "cut_packed.nrrd",
            {
                let d = data("itk_i2_packed.nrrd");
                d[..d.len() - 12].to_vec()
            },
            "cut short",
        ),
        Case(
            "cut.mha",
            {
                let d = data("itk_i2.mha");
                d[..d.len() - 5].to_vec()
            },
            "expected 48 bytes",
        ),
        Case(
            "cut_packed.mha",
            {
                let d = data("itk_i2_packed.mha");
                d[..d.len() - 12].to_vec()
            },
            "cut short",
        ),
        Case("cut.png", data("rgb.png")[..80].to_vec(), "cut.png"),
        Case("cut.tif", data("wide.tif")[..60].to_vec(), "cut.tif"),
        Case("cut.gif", data("mask.gif")[..40].to_vec(), "cut.gif"),
        Case("cut.jpg", data("flat.jpg")[..100].to_vec(), "cut.jpg"),
        Case("cut.bmp", data("rgb.bmp")[..60].to_vec(), "cut.bmp"),
        // NIfTI headers.
        Case("magic.nii", patched(&nifti, 344, b"abc\0"), "magic word"),
        Case("analyze.nii", patched(&nifti, 344, &[0; 4]), "Analyze 7.5"),
        Case("no_axes.nii", patched(&nifti, 40, &i16s(&[0])), "1 to 7 axes"),
        Case("negative_axes.nii", patched(&nifti, 40, &i16s(&[-3])), "1 to 7 axes"),
        Case("one_axis.nii", patched(&nifti, 40, &i16s(&[1])), "2 or 3 spatial axes"),
        Case("negative.nii", patched(&nifti, 42, &i16s(&[-4])), "at least 1 voxel along x, found -4"),
        Case("zero.nii", patched(&nifti, 46, &i16s(&[0])), "at least 1 voxel along z, found 0"),
        Case("huge.nii", patched(&nifti, 42, &i16s(&[i16::MAX; 3])), "declared in the header"),
        Case("overflow.nii", patched(&nifti, 40, &i16s(&[7, 32767, 32767, 32767, 32767, 32767, 32767, 32767])), "in the header"),
        Case("channels.nii", patched(&nifti, 40, &i16s(&[5, 4, 3, 2, 32767, 32767])), "at most 65535 channels"),
        Case("complex.nii", patched(&nifti, 70, &i16s(&[32])), "complex64"),
        Case("type.nii", patched(&nifti, 70, &i16s(&[77])), "found code 77"),
        Case("offset.nii", patched(&nifti, 108, &f32s(&[17.0])), "vox_offset 17"),
        Case("offset_nan.nii", patched(&nifti, 108, &f32s(&[f32::NAN])), "vox_offset NaN"),
        Case("offset_far.nii", patched(&nifti, 108, &f32s(&[1e9])), "found 0"),
        Case("singular.nii", patched(&nifti, 280, &[0; 48]), "above 0 mm, found 0"),
        Case("parallel.nii", patched(&nifti, 280, &f32s(&[1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0])), "singular affine"),
        Case("origin.nii", patched(&nifti, 292, &f32s(&[f32::NAN])), "expected an origin in mm"),
        Case("spacing.nii", patched(&patched(&nifti, 252, &[0; 4]), 80, &f32s(&[0.0])), "along x above 0 mm, found 0"),
        Case("spacing_nan.nii", patched(&patched(&nifti, 252, &[0; 4]), 84, &f32s(&[f32::NAN])), "along y above 0 mm, found NaN"),
        Case("quaternion.nii", patched(&patched(&nifti, 254, &[0; 2]), 256, &f32s(&[f32::NAN])), "quaternion"),
        Case("no_img.hdr", data("pair.hdr"), "no_img.img, found no such file"),
        // A small file that declares 30 GB.
        Case("bomb.nii.gz", gzip(&patched(&nifti, 42, &i16s(&[2500, 2500, 2500]))), "which cannot expand to that"),
        // NRRD headers.
        Case("dimension.nrrd", edited("itk_i2.nrrd", "dimension: 3", "dimension: 99"), "dimension 99"),
        Case("sizes.nrrd", edited("itk_i2.nrrd", "sizes: 4 3 2", "sizes: 4 3"), "3 sizes"),
        Case("negative.nrrd", edited("itk_i2.nrrd", "sizes: 4 3 2", "sizes: 4 -3 2"), "along y, found -3"),
        Case("huge.nrrd", edited("itk_i2.nrrd", "sizes: 4 3 2", "sizes: 9999999999 9999999999 9999999999"), "declared in the header"),
        Case("bomb.nrrd", edited("itk_i2_packed.nrrd", "sizes: 4 3 2", "sizes: 2000 2000 2000"), "cannot expand"),
        Case("block.nrrd", edited("itk_i2.nrrd", "type: short", "type: block"), "found `block`"),
        Case("bzip2.nrrd", edited("itk_i2.nrrd", "encoding: raw", "encoding: bzip2"), "found `bzip2`"),
        Case("endian.nrrd", edited("itk_i2.nrrd", "endian: little", "comment: little"), "`endian: little`"),
        Case("directions.nrrd", edited("itk_i2.nrrd", "space directions: (", "space directions: (nan,0,0) ("), "directions.nrrd"),
        Case("text_words.nrrd", edited("hand_text.nrrd", "\n\n", "\n\nword "), "expected a number, found `word`"),
        Case("text_short.nrrd", edited("hand_text.nrrd", "sizes: 4 3 2", "sizes: 4 3 3"), "expected 36 numbers"),
        // MetaImage headers.
        Case("dims.mha", edited("itk_i2.mha", "NDims = 3", "NDims = 9"), "NDims = 9"),
        Case("huge.mha", edited("itk_i2.mha", "DimSize = 4 3 2", "DimSize = 99999999 99999999 99999999"), "declared in the header"),
        Case("bomb.mha", edited("itk_i2_packed.mha", "DimSize = 4 3 2", "DimSize = 2000 2000 2000"), "cannot expand"),
        Case("type.mha", edited("itk_i2.mha", "MET_SHORT", "MET_OTHER"), "found `MET_OTHER`"),
        Case(
            "matrix.mha",
            edited("itk_i2.mha", "TransformMatrix = ", "TransformMatrix = 1 "),
            "9 numbers in the header's `TransformMatrix`",
        ),
        Case("spacing.mha", edited("itk_i2.mha", "ElementSpacing = 0.75", "ElementSpacing = 0"), "along x above 0 mm"),
        Case("beside.mhd", edited("itk_i2.mhd", "itk_i2.raw", "missing.raw"), "missing.raw, found no such file"),
        // Pictures.
        Case("pages.tif", std::fs::read(corpse("two_pages.tif")).unwrap(), "one page, found several"),
        Case("huge.bmp", patched(&data("grey.bmp"), 18, &[255, 255, 255, 127, 255, 255, 255, 127]), "huge.bmp"),
        Case("huge.gif", patched(&data("mask.gif"), 6, &[255; 4]), "huge.gif"),
    ];
    let folder = tempfile::tempdir().unwrap();
    for Case(name, bytes, finding) in cases {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let Err(error) = read_image(&path) else { panic!("{name} was read") };
        let message = error.to_string();
        assert!(message.contains(finding), "{name}: expected `{finding}` in `{message}`");
        assert!(message.contains(name), "{message} names no file");
        assert!(message.contains("; "), "{message} names no cure");
        assert!(!message.contains('\n') && !message.ends_with('.'), "{message}");
        assert!(read_label_map(&path).is_err());
    }
}

fn corpse(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/corpses").join(name)
}

#[test]
fn what_is_odd_but_sound_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let nifti = data("type_i2_little.nii");
    let plain = read_image(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/files/type_i2_little.nii")).unwrap();
    let cases = [
        // Names that lie about compression.
        ("plain.nii.gz", nifti.clone()),
        ("packed.nii", gzip(&nifti)),
        // Zeros and further data behind the voxels.
        ("padded.nii.gz", [gzip(&nifti), vec![0; 100]].concat()),
        ("longer.nii.gz", gzip(&[&nifti[..], &[7; 1000]].concat())),
        // Several gzip members, as bgzip writes them.
        ("members.nii.gz", [gzip(&nifti[..200]), gzip(&nifti[200..])].concat()),
        // No offset to the voxels.
        ("offset.nii", patched(&nifti, 108, &[0; 4])),
    ];
    for (name, bytes) in cases {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let image = read_image(&path).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((image.channels, image.geometry), (plain.channels.clone(), plain.geometry.clone()), "{name}");
    }
}

#[test]
fn missing_files_and_folders_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = read_image(&folder.path().join("missing.nii.gz")).unwrap_err();
    assert!(missing.to_string().starts_with("cannot read") && missing.to_string().ends_with("missing.nii.gz"), "{missing}");
    let path = folder.path().join("folder.nii.gz");
    std::fs::create_dir(&path).unwrap();
    assert!(read_image(&path).unwrap_err().to_string().contains("found a folder"));
    let other = read_image(&folder.path().join("a.xyz")).unwrap_err();
    assert!(other.to_string().contains("found extension `.xyz`"), "{other}");
}
