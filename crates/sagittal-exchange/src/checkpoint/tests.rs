//! Files that PyTorch wrote (`tests/reference/checkpoints.py`), and files that nobody should have written.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::pickle::Item;
use std::io::{Cursor, Write};
use zip::{ZipWriter, write::SimpleFileOptions};

fn open(bytes: Vec<u8>) -> Result<Checkpoint, ExchangeError> {
    Checkpoint::open(Box::new(Cursor::new(bytes)), "x.pth")
}

fn golden(name: &str) -> Vec<u8> {
    std::fs::read(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)).unwrap()
}

/// A zip of these entries, stored or deflated.
fn archive(entries: &[(&str, &[u8])], method: CompressionMethod) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        archive.start_file(*name, SimpleFileOptions::default().compression_method(method)).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn numbers(checkpoint: &mut Checkpoint, name: &str) -> Array {
    let arrays = checkpoint.arrays("network_weights").unwrap();
    let (_, tensor) = arrays.iter().find(|(found, _)| found == name).unwrap();
    checkpoint.numbers(name, tensor).unwrap()
}

#[test]
fn views_of_shared_numbers_are_read_in_both_layouts() {
    for name in ["zip.pth", "legacy.pth"] {
        let mut checkpoint = open(golden(name)).unwrap();
        let whole = numbers(&mut checkpoint, "whole");
        assert_eq!(whole.shape, [2, 3, 4], "{name}");
        assert_eq!(whole.numbers, (0..24).map(|i| i as f32).collect::<Vec<_>>(), "{name}");
        let transposed = numbers(&mut checkpoint, "transposed");
        assert_eq!(transposed.shape, [4, 3, 2]);
        assert_eq!(transposed.numbers[..8], [0.0, 12.0, 4.0, 16.0, 8.0, 20.0, 1.0, 13.0], "{name}");
        assert_eq!(numbers(&mut checkpoint, "part").numbers, [5.0, 6.0, 7.0, 8.0, 9.0, 10.0]);
        assert_eq!(numbers(&mut checkpoint, "every_third").numbers, [1.0, 4.0, 7.0, 10.0, 13.0, 16.0, 19.0, 22.0]);
        assert_eq!(numbers(&mut checkpoint, "scalar"), Array { shape: vec![], numbers: vec![7.5] });
        assert_eq!(numbers(&mut checkpoint, "empty"), Array { shape: vec![0, 3], numbers: vec![] });
        assert_eq!(numbers(&mut checkpoint, "parameter").numbers, [0.0, 1.0, 2.0]);
        assert_eq!(checkpoint.json("_best_ema"), 0.5);
        assert_eq!(checkpoint.json("inference_allowed_mirroring_axes"), serde_json::json!([0, 2]));
        assert_eq!(checkpoint.json("init_args")["configuration"], "3d_fullres");
        assert_eq!(checkpoint.json("logging")["dice"], serde_json::json!([0.25, -3]));
        assert_eq!(checkpoint.json("nothing"), serde_json::Value::Null);
    }
}

#[test]
fn every_number_type_becomes_float() {
    let mut checkpoint = open(golden("types.pth")).unwrap();
    for kind in ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8"] {
        assert_eq!(numbers(&mut checkpoint, kind).numbers, [0.0, 1.0, 2.0, 3.0, 4.0], "{kind}");
    }
    assert_eq!(numbers(&mut checkpoint, "bool").numbers, [0.0, 1.0, 1.0, 1.0, 1.0]);
}

#[test]
fn what_is_written_is_read() {
    let data = Item::Dict(vec![
        ("network_weights".into(), Item::Dict(vec![("a".into(), Item::Tensor { key: "0".into(), shape: vec![2, 1] })])),
        ("x".into(), Item::Tuple(vec![Item::Int(1)])),
    ]);
    let bytes = write("stem", &data, &[StorageToWrite { key: "0".into(), numbers: vec![1.5, -2.0] }]).unwrap();
    let mut checkpoint = open(bytes).unwrap();
    assert_eq!(numbers(&mut checkpoint, "a"), Array { shape: vec![2, 1], numbers: vec![1.5, -2.0] });
    assert_eq!(checkpoint.json("x"), serde_json::json!([1]));
}

#[test]
fn code_is_named_and_not_run() {
    let message = open(golden("hostile.pth")).unwrap_err().to_string();
    assert!(message.contains("x.pth: asks to run posix.system") && message.contains("nothing was run"), "{message}");
}

/// A file with one array `a` of this pickled shape.
fn with_tensor(key: &str, n_numbers: i64, offset: i64, shape: &[i64], strides: &[i64]) -> Vec<u8> {
    let mut pickle = b"\x80\x02}X\x0f\0\0\0network_weights}X\x01\0\0\0actorch._utils\n_rebuild_tensor_v2\n((".to_vec();
    let int = |value: i64| [&[0x8a, 8][..], &value.to_le_bytes()].concat();
    let text = |text: &str| [&b"X"[..], &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat();
    let tuple = |values: &[i64]| [&b"("[..], &values.iter().flat_map(|v| int(*v)).collect::<Vec<_>>(), b"t"].concat();
    pickle.extend([text("storage"), b"ctorch\nFloatStorage\n".to_vec(), text(key), text("cpu"), int(n_numbers)].concat());
    pickle.extend(b"tQ");
    pickle.extend([int(offset), tuple(shape), tuple(strides)].concat());
    pickle.extend(b"\x89}tRss.");
    let data = [0u8; 16];
    archive(&[("m/data.pkl", &pickle), ("m/byteorder", b"little"), ("m/data/0", &data)], CompressionMethod::Stored)
}

#[test]
fn sizes_are_checked_before_anything_is_allocated() {
    let sound = || {
        let mut checkpoint = open(with_tensor("0", 4, 1, &[3], &[1])).unwrap();
        numbers(&mut checkpoint, "a").numbers
    };
    assert_eq!(sound(), [0.0; 3]);
    struct Case {
        key: &'static str,
        n_numbers: i64,
        offset: i64,
        shape: &'static [i64],
        strides: &'static [i64],
        message: &'static str,
    }
    let huge = i64::MAX;
    let case = |n_numbers, offset, shape, strides, message| Case { key: "0", n_numbers, offset, shape, strides, message };
    let cases = [
        case(huge, 0, &[4], &[1], "but the whole file has"),
        case(1 << 40, 0, &[1 << 40], &[1], "but the whole file has"),
        case(100, 0, &[4], &[1], "bytes"),
        case(4, 2, &[3], &[1], "reaches beyond its numbers"),
        case(4, huge, &[1], &[1], "reaches beyond its numbers"),
        case(4, 0, &[2, 2], &[1 << 62, 4], "reaches beyond its numbers"),
        case(4, 0, &[1 << 32, 1 << 32], &[1, 1], "reaches beyond its numbers"),
        // A number shown a million million times.
        case(4, 0, &[1 << 40], &[0], "reaches beyond its numbers"),
        Case { key: "../../etc/passwd", ..case(4, 0, &[4], &[1], "cannot read its entry") },
    ];
    for Case { key, n_numbers, offset, shape, strides, message } in cases {
        let mut checkpoint = open(with_tensor(key, n_numbers, offset, shape, strides)).unwrap();
        let (name, tensor) = checkpoint.arrays("network_weights").unwrap().swap_remove(0);
        let found = checkpoint.numbers(&name, &tensor).unwrap_err().to_string();
        assert!(found.contains(message) && found.contains("array a"), "{found}");
    }
    for (n_numbers, shape) in [(-1, 4), (4, -4)] {
        let found = open(with_tensor("0", n_numbers, 0, &[shape], &[1])).unwrap_err().to_string();
        assert!(found.contains("negative size"), "{found}");
    }
}

#[test]
fn archives_that_torch_does_not_write_are_refused() {
    let pickle = b"\x80\x02}.";
    let big: &[(&str, &[u8])] = &[("m/data.pkl", pickle), ("m/byteorder", b"big")];
    let slip: &[(&str, &[u8])] = &[("m/data.pkl", pickle), ("../../.bashrc", b"echo pwned")];
    let slip_back: &[(&str, &[u8])] = &[("m/data.pkl", pickle), ("m\\..\\..\\x", b"")];
    let rooted: &[(&str, &[u8])] = &[("/etc/cron.d/x", b""), ("m/data.pkl", pickle)];
    let other: &[(&str, &[u8])] = &[("word/document.xml", b"<x/>")];
    let stored = CompressionMethod::Stored;
    for (bytes, message) in [
        (archive(big, stored), "its order of bytes is big"),
        (archive(slip, stored), "leads out of the archive"),
        (archive(slip_back, stored), "leads out of the archive"),
        (archive(rooted, stored), "leads out of the archive"),
        (archive(other, stored), "holds no data.pkl"),
        (archive(&[("m/data.pkl", pickle)], CompressionMethod::Deflated), "is compressed"),
        (b"not a checkpoint".to_vec(), "not a file of torch.save"),
        (Vec::new(), "not a file of torch.save"),
        (golden("zip.pth")[..700].to_vec(), "it breaks off after 700 bytes"),
    ] {
        let found = open(bytes).unwrap_err().to_string();
        assert!(found.contains(message) && found.starts_with("x.pth"), "{found}");
    }
    let found = open(archive(&[("m/data.pkl", pickle)], stored)).unwrap().arrays("network_weights").unwrap_err().to_string();
    assert!(found.contains("it has no network_weights"), "{found}");
}

#[test]
fn a_file_that_breaks_off_is_refused() {
    for name in ["zip.pth", "legacy.pth"] {
        let whole = golden(name);
        for part in 1..50 {
            let cut = whole[..whole.len() * part / 50].to_vec();
            let read = open(cut).and_then(|mut checkpoint| {
                let arrays = checkpoint.arrays("network_weights")?;
                arrays.iter().map(|(name, tensor)| checkpoint.numbers(name, tensor)).collect::<Result<Vec<_>, _>>()
            });
            assert!(read.is_err(), "{name}: {part} of 50");
        }
    }
}
