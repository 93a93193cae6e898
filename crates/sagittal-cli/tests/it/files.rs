//! Small label maps and images, good ones and damaged ones.

use std::{fs, io::Write, path::Path};

use flate2::{Compression, write::GzEncoder};
use sagittal_image::{Geometry, Volume, io};

/// Writes a cube of label 1 with `side` voxels in a corner of an 8 x 8 x 8 grid of 1 mm; voxel `[7, 7, 7]` has label 2.
pub(crate) fn write_cube(path: &Path, side: usize) {
    write_cube_with_spacing(path, side, 1.0);
}

pub(crate) fn write_cube_with_spacing(path: &Path, side: usize, spacing_mm: f64) {
    let mut labels = Volume::filled([8; 3], 0u16);
    for idx in 0..512 {
        let inside = [idx / 64, idx / 8 % 8, idx % 8].iter().all(|&position| position < side);
        labels.voxels_mut()[idx] = u16::from(inside) + 2 * u16::from(idx == 511);
    }
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    io::write_label_map(path, &labels, &Geometry::volume([8; 3], [spacing_mm; 3]), &Default::default()).unwrap();
}

/// Writes an 8 x 8 x 8 image whose values rise along x from `first` on.
pub(crate) fn write_image(path: &Path, first: u16) {
    let image = Volume::new([8; 3], (0..512u16).map(|idx| f32::from(first + idx % 8)).collect());
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    io::write_image(path, &[image], &Geometry::volume([8; 3], [1.0; 3]), &Default::default()).unwrap();
}

/// A NIfTI-1 file of float32 voxels, to be damaged; offsets are those of the standard's header.
fn nifti(shape: [i16; 3], spacing: f32, voxels: &[f32]) -> Vec<u8> {
    let mut bytes = vec![0; 352];
    bytes[..4].copy_from_slice(&348i32.to_le_bytes());
    for (idx, value) in [3, shape[0], shape[1], shape[2], 1, 1, 1, 1].iter().enumerate() {
        bytes[40 + 2 * idx..42 + 2 * idx].copy_from_slice(&value.to_le_bytes());
    }
    bytes[70..72].copy_from_slice(&16i16.to_le_bytes());
    bytes[72..74].copy_from_slice(&32i16.to_le_bytes());
    for idx in 0..4 {
        let value = if idx == 0 { 1.0 } else { spacing };
        bytes[76 + 4 * idx..80 + 4 * idx].copy_from_slice(&value.to_le_bytes());
    }
    bytes[108..112].copy_from_slice(&352f32.to_le_bytes());
    bytes[344..348].copy_from_slice(b"n+1\0");
    bytes.extend(voxels.iter().flat_map(|value| value.to_le_bytes()));
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Files that are broken in the ways that files break, and in some that only malice finds: name of the fault, content
/// of a `.nii.gz`.
pub(crate) fn damaged() -> Vec<(&'static str, Vec<u8>)> {
    let ones = [1.0; 512];
    let good = nifti([8; 3], 1.0, &ones);
    let whole = gzip(&good);
    let mut wrong_magic = good.clone();
    wrong_magic[344..348].copy_from_slice(b"oops");
    let mut not_a_number = good.clone();
    not_a_number[352..356].copy_from_slice(&f32::NAN.to_le_bytes());
    // 64 MB of zeros after the voxels of an 8 x 8 x 8 image, in 64 kB.
    let mut bomb = good.clone();
    bomb.resize(64 << 20, 0);
    vec![
        ("empty", Vec::new()),
        ("text", b"This is a letter, not an image.".to_vec()),
        ("truncated_gzip", whole[..whole.len() / 2].to_vec()),
        ("truncated_header", gzip(&good[..200])),
        ("truncated_voxels", gzip(&good[..1000])),
        ("wrong_magic", gzip(&wrong_magic)),
        ("negative_shape", gzip(&nifti([8, -8, 8], 1.0, &ones))),
        ("empty_shape", gzip(&nifti([8, 0, 8], 1.0, &[]))),
        ("overflowing_shape", gzip(&nifti([i16::MAX; 3], 1.0, &ones))),
        ("zero_spacing", gzip(&nifti([8; 3], 0.0, &ones))),
        ("not_a_number", gzip(&not_a_number)),
        ("decompression_bomb", gzip(&bomb)),
    ]
}
