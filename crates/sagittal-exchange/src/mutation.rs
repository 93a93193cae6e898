//! Damaged models by the thousand: reading any of them ends in a model or an error, never in a panic.
#![allow(clippy::unwrap_used, reason = "tests")]

use crate::{
    checkpoint::Checkpoint,
    nnunet::{self, Model, Which},
    pickle::unpickle,
};
use rand::SeedableRng;
use sagittal_data::{Plan, plan::Region};
use sagittal_nets::Network;
use sagittal_tensor::Device;
use std::{
    io::{Cursor, Read, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use zip::{CompressionMethod, ZipArchive, ZipWriter, write::SimpleFileOptions};

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

/// Changes some bytes; pieces of `alphabet` are what the format's readers look at most.
fn mutate(bytes: &mut Vec<u8>, alphabet: &[&[u8]], numbers: &mut Numbers) {
    // Mostly one change: the less is wrong, the deeper it is read.
    for _ in 0..[1, 1, 1, 2, 5][numbers.below(5)] {
        let at = numbers.below(bytes.len());
        let piece = alphabet[numbers.below(alphabet.len())];
        match numbers.below(8) {
            0 => bytes[at] = numbers.below(256) as u8,
            1 => bytes[at] ^= 1 << numbers.below(8),
            2 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][numbers.below(5)],
            3 => drop(bytes.splice(at..at, piece.iter().copied())),
            4 => {
                let end = (at + piece.len()).min(bytes.len());
                bytes.splice(at..end, piece.iter().copied());
            }
            5 => drop(bytes.drain(at..(at + 1 + numbers.below(16)).min(bytes.len()))),
            6 => {
                // A piece from elsewhere.
                let from = numbers.below(bytes.len());
                let copy = bytes[from..(from + 1 + numbers.below(40)).min(bytes.len())].to_vec();
                bytes.splice(at..at, copy);
            }
            _ if numbers.below(4) == 0 => bytes.truncate(at.max(1)),
            _ => bytes[at] = bytes[at].wrapping_add(1),
        }
        if bytes.is_empty() {
            bytes.push(0);
        }
    }
}

const PICKLE: [&[u8]; 16] = [
    b"R",
    b"b",
    b"Q",
    b"t",
    b"(",
    b"u",
    b"e",
    b"]",
    b"}",
    b"\x85",
    b"\x86",
    b"h\x01",
    b"q\x01",
    b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f",
    b"0",
    b"2",
];
const JSON: [&[u8]; 16] = [
    b"-1",
    b"0",
    b"1e300",
    b"99999999999999999999",
    b"4294967295",
    b"null",
    b"[]",
    b"{}",
    b"\"\"",
    b"true",
    b"[1,2]",
    b",",
    b"[",
    b"}",
    b"\"ignore\":3,",
    b"0.5",
];

/// The data.pkl of a zip, and the zip with another one in its place.
fn pickle_of(zip: &[u8]) -> Vec<u8> {
    let mut archive = ZipArchive::new(Cursor::new(zip)).unwrap();
    let name = archive.file_names().map(|name| name.unwrap().into_owned()).find(|name| name.ends_with("/data.pkl")).unwrap();
    let mut bytes = Vec::new();
    archive.by_name(&name).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

fn with_pickle(zip: &[u8], pickle: &[u8]) -> Vec<u8> {
    let mut archive = ZipArchive::new(Cursor::new(zip)).unwrap();
    let mut written = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).unwrap();
        let name = entry.name().unwrap().into_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        written.start_file(&name, options).unwrap();
        written.write_all(if name.ends_with("/data.pkl") { pickle } else { &bytes }).unwrap();
    }
    written.finish().unwrap().into_inner()
}

fn read_all(bytes: Vec<u8>) -> bool {
    let read = Checkpoint::open(Box::new(Cursor::new(bytes)), "x.pth").and_then(|mut checkpoint| {
        for key in ["init_args", "inference_allowed_mirroring_axes", "trainer_name", "logging"] {
            checkpoint.json(key);
        }
        let arrays = checkpoint.arrays("network_weights")?;
        arrays.iter().try_for_each(|(name, tensor)| checkpoint.numbers(name, tensor).map(drop))
    });
    if let Err(error) = &read {
        assert!(error.to_string().contains("x.pth"), "{error}");
    }
    read.is_ok()
}

/// A folder of nnU-Net with a network of two stages.
fn model(folder: &Path, with_regions: bool) -> PathBuf {
    let text = include_str!("../tests/data/plan.json");
    let mut plan: Plan = serde_json::from_str(text).unwrap();
    if with_regions {
        let region = |name: &str, values: &[u16], painted| Region { name: name.into(), values: values.to_vec(), painted };
        plan.regions = vec![region("whole", &[1, 2], 1), region("core", &[2], 2), region("other", &[1], 1)];
        plan.ignore_label = Some(3);
    }
    plan.validate().unwrap();
    let network = Network::new(&plan.network, &mut rand_chacha::ChaCha8Rng::seed_from_u64(1), &Device::cpu()).unwrap();
    let folder = folder.join(if with_regions { "regions" } else { "labels" });
    nnunet::export(&plan, &[("0".into(), network)], &folder).unwrap();
    let steps = r#"{"postprocessing_fns":["remove_all_but_largest_component_from_segmentation"],"postprocessing_kwargs":[{"labels_or_regions":[1,[1,2]]}]}"#;
    std::fs::write(folder.join("postprocessing.json"), steps).unwrap();
    folder
}

fn read_model(folder: &Path) -> bool {
    let read = Model::open(folder, &Which::default()).and_then(|mut model| {
        let folds = model.folds().to_vec();
        folds.iter().try_for_each(|fold| model.fold(fold, &Device::cpu()).map(drop))
    });
    if let Err(error) = &read {
        assert!(!error.to_string().is_empty());
    }
    read.is_ok()
}

/// How many were read and refused.
fn run(seed: u64, until: &mut dyn FnMut() -> bool) -> [usize; 2] {
    let place = tempfile::tempdir().unwrap();
    let mut numbers = Numbers(seed);
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let sound: Vec<Vec<u8>> = ["zip.pth", "legacy.pth", "types.pth"].iter().map(|name| std::fs::read(data.join(name)).unwrap()).collect();
    assert!(sound.iter().all(|bytes| read_all(bytes.clone())));
    let pickles = [pickle_of(&sound[0]), pickle_of(&sound[2])];
    let models = [model(place.path(), false), model(place.path(), true)];
    assert!(models.iter().all(|folder| read_model(folder)), "{:?}", Model::open(&models[1], &Which::default()));
    let mut counts = [0; 2];
    let mut count = |is_read: bool| counts[usize::from(!is_read)] += 1;
    while until() {
        // Bytes of a whole file, most of which end at a checksum.
        let mut bytes = sound[numbers.below(sound.len())].clone();
        mutate(&mut bytes, &PICKLE, &mut numbers);
        count(read_all(bytes));
        // The pickle within.
        let which = numbers.below(2);
        let mut bytes = pickles[which].clone();
        mutate(&mut bytes, &PICKLE, &mut numbers);
        if let Ok((heap, value, _)) = unpickle(&bytes) {
            heap.json(value, 30, &mut 10_000);
        }
        count(read_all(with_pickle(&sound[2 * which], &bytes)));
        // The JSON files beside it.
        let folder = &models[numbers.below(2)];
        let file = folder.join(["plans.json", "dataset.json", "postprocessing.json"][numbers.below(3)]);
        let original = std::fs::read(&file).unwrap();
        let mut bytes = original.clone();
        mutate(&mut bytes, &JSON, &mut numbers);
        std::fs::write(&file, bytes).unwrap();
        count(read_model(folder));
        std::fs::write(&file, original).unwrap();
    }
    counts
}

#[test]
fn no_damaged_model_panics() {
    let mut rounds = 1500;
    let [read, refused] = run(1, &mut || {
        rounds -= 1;
        rounds > 0
    });
    println!("{read} damaged models read, {refused} refused");
    assert!(read > 200 && refused > 1500);
}

#[test]
#[ignore = "takes ten minutes"]
fn no_damaged_model_panics_in_ten_minutes() {
    let (start, seed) = (Instant::now(), std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs());
    let [read, refused] = run(seed, &mut || start.elapsed() < Duration::from_secs(600));
    println!("seed {seed}: {read} damaged models read, {refused} refused");
    assert!(read > 1000 && refused > 1000);
}
