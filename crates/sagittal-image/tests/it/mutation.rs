//! Thousands of damaged files of every format: reading any of them ends in an image or an error, never in a panic.

use std::path::Path;

use flate2::read::GzDecoder;
use sagittal_image::io::{image_stem, read_image, read_label_map};

/// Damaged files per sound one.
const MUTATIONS: u64 = 40;

/// Numbers that look random and are the same in every run (splitmix64; Steele et al. 2014).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n.max(1) as u64) as usize
    }
}

fn mutate(bytes: &mut Vec<u8>, numbers: &mut Numbers) {
    for _ in 0..=numbers.below(3) {
        let at = numbers.below(bytes.len());
        let interesting = [0, 1, 0x7f, 0x80, 0xff, b'-', b'9', b' ', b'\n'];
        match numbers.below(6) {
            0 => bytes[at] = numbers.below(256) as u8,
            1 => bytes[at] = interesting[numbers.below(interesting.len())],
            2 => bytes[at] ^= 1 << numbers.below(8),
            3 => {
                let end = (at + 1 + numbers.below(8)).min(bytes.len());
                bytes[at..end].fill(interesting[numbers.below(interesting.len())]);
            }
            4 => bytes.insert(at, interesting[numbers.below(interesting.len())]),
            _ if numbers.below(4) == 0 => bytes.truncate(at.max(1)),
            _ => {
                bytes.remove(at);
            }
        }
        if bytes.is_empty() {
            bytes.push(0);
        }
    }
}

#[test]
fn no_damaged_file_panics() {
    let folder = tempfile::tempdir().unwrap();
    let mut numbers = Numbers(1);
    let (mut read, mut refused) = (0, 0);
    let mut paths: Vec<_> = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/files"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    for path in paths.iter().filter(|path| image_stem(path).is_some()) {
        let name = path.file_name().unwrap();
        let mut sound = std::fs::read(path).unwrap();
        // Damage to a compressed file mostly ends at its checksum; what lies inside is reached without compression.
        if name.to_string_lossy().ends_with(".nii.gz") {
            let mut inside = Vec::new();
            std::io::Read::read_to_end(&mut GzDecoder::new(sound.as_slice()), &mut inside).unwrap();
            sound = inside;
        }
        let target = folder.path().join(name);
        for _ in 0..MUTATIONS {
            let mut bytes = sound.clone();
            mutate(&mut bytes, &mut numbers);
            std::fs::write(&target, bytes).unwrap();
            match read_image(&target) {
                Ok(image) => {
                    read += 1;
                    assert!(image.channels.iter().all(|channel| channel.shape() == image.geometry.shape));
                    let numbers = image.geometry.affine();
                    assert!(numbers.as_flattened().iter().all(|number| number.is_finite()), "{name:?}");
                }
                Err(error) => {
                    refused += 1;
                    assert!(error.to_string().contains(&*name.to_string_lossy()), "{error}");
                }
            }
            // Labels go the same way and one step further.
            if (read + refused) % 8 == 0 {
                let _ = read_label_map(&target);
            }
        }
    }
    println!("{read} damaged files read, {refused} refused");
    assert!(read + refused >= 3500 && refused > 500);
}
