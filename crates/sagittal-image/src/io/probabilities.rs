//! Probabilities of a prediction: `CASE.npz` as nnU-Net writes it.
//!
//! A zip file (PKZIP application note 6.3.9) with a member `probabilities.npy` (NumPy format 1.0 to 3.0): `[K, Z, Y, X]` in C order,
//! one volume per class, voxels in the order of the input's file; pictures have one slice. Written as little-endian float32, read as
//! float16, float32 or float64. One class is in memory at a time unless all are asked for.

use std::{
    fs::File,
    io::{BufReader, Read, Seek, SeekFrom, Write},
    path::Path,
};

use flate2::{Compression, Crc, read::DeflateDecoder, write::DeflateEncoder};

use super::{
    atomic,
    fault::{COPY_AGAIN, Fault},
};
use crate::{ImageError, Volume};

const MEMBER: &[u8] = b"probabilities.npy";
/// Deflate makes data at most this many times smaller.
const MOST_DEFLATED: u64 = 1032;
const CURE: &str = "write it with `sagittal predict --probabilities` or nnU-Net's --save_probabilities";

/// A file of probabilities that is open for reading, one class after the other.
pub struct ProbabilityReader {
    path: std::path::PathBuf,
    content: Box<dyn Read + Send>,
    shape: [usize; 4],
    bytes_per_number: usize,
    n_read: usize,
}

impl std::fmt::Debug for ProbabilityReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProbabilityReader").field("path", &self.path).field("shape", &self.shape).field("n_read", &self.n_read).finish()
    }
}

impl ProbabilityReader {
    /// Opens a file and reads how large its array is.
    ///
    /// # Errors
    /// If the file cannot be read, is damaged, or holds no such array.
    pub fn open(path: &Path) -> Result<Self, ImageError> {
        open(path).map_err(|fault| fault.at("read", path))
    }

    /// `[K, Z, Y, X]`.
    pub fn shape(&self) -> [usize; 4] {
        self.shape
    }

    /// Reads the next class; `None` after the last one.
    ///
    /// # Errors
    /// If the file is damaged.
    pub fn next_class(&mut self) -> Result<Option<Volume<f32>>, ImageError> {
        let [n_classes, z, y, x] = self.shape;
        if self.n_read == n_classes {
            return Ok(None);
        }
        self.n_read += 1;
        let voxels = numbers(&mut self.content, z * y * x, self.bytes_per_number);
        voxels.map(|voxels| Some(Volume::new([z, y, x], voxels))).map_err(|error| Fault::from(error).at("read", &self.path))
    }
}

/// Reads the probabilities of all classes.
///
/// # Errors
/// If the file cannot be read, is damaged, or holds no such array.
pub fn read_probabilities(path: &Path) -> Result<Vec<Volume<f32>>, ImageError> {
    let mut reader = ProbabilityReader::open(path)?;
    let mut classes = Vec::new();
    while let Some(class) = reader.next_class()? {
        classes.push(class);
    }
    Ok(classes)
}

/// Writes the probabilities of all classes, compressed; the file appears whole or not at all.
///
/// # Shapes
/// - `classes`: one volume `[Z, Y, X]` per class, of one shape
///
/// # Errors
/// If the file cannot be written.
///
/// # Panics
/// If there is no class, or shapes differ.
pub fn write_probabilities(path: &Path, classes: &[Volume<f32>]) -> Result<(), ImageError> {
    let shape = classes.first().expect("there is at least one class").shape();
    write_probabilities_by_class(path, classes.len(), shape, |class| Ok::<_, ImageError>(classes[class].clone()))
}

/// As [`write_probabilities`], but `class` is asked for one class after the other, so that not all of them are in memory.
///
/// # Errors
/// If the file cannot be written, or `class` gives an error; then there is no file.
///
/// # Panics
/// If there is no class, or one is not of `shape`, `[Z, Y, X]`.
pub fn write_probabilities_by_class<E: From<ImageError>>(
    path: &Path,
    n_classes: usize,
    shape: [usize; 3],
    mut class: impl FnMut(usize) -> Result<Volume<f32>, E>,
) -> Result<(), E> {
    assert!(n_classes > 0, "there is at least one class");
    let mut failure = None;
    let written = atomic::write(path, |out| {
        write(out, n_classes, shape, &mut |k| {
            class(k).map_err(|error| {
                failure = Some(error);
                Fault::from(std::io::Error::other("a class is missing"))
            })
        })
    });
    match failure {
        Some(error) => Err(error),
        None => Ok(written.map_err(|fault| fault.at("write", path))?),
    }
}

/// Gives a class by its number.
type Classes<'a> = &'a mut dyn FnMut(usize) -> Result<Volume<f32>, Fault>;

fn write(out: &mut (impl Write + Seek), n_classes: usize, [z, y, x]: [usize; 3], classes: Classes<'_>) -> Result<(), Fault> {
    let text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({n_classes}, {z}, {y}, {x}), }}");
    // Magic, version, length and text together are a multiple of 64 bytes, the last of them a line feed.
    let text = format!("{text:<width$}\n", width = (10 + text.len() + 1).next_multiple_of(64) - 11);
    let mut head = b"\x93NUMPY\x01\x00".to_vec();
    head.extend((text.len() as u16).to_le_bytes());
    head.extend(text.as_bytes());
    let size = head.len() as u64 + 4 * (n_classes * z * y * x) as u64;

    // The sizes stand in a zip64 field, here and below, so that large arrays need no other form.
    let mut local = b"PK\x03\x04\x2d\0\0\0\x08\0\0\0\x21\0".to_vec();
    local.extend([0; 4]); // checksum, filled in below
    local.extend([0xff; 8]);
    local.extend((MEMBER.len() as u16).to_le_bytes());
    local.extend(20_u16.to_le_bytes());
    local.extend(MEMBER);
    local.extend([1, 0, 16, 0]);
    let sizes_at = local.len() as u64;
    local.extend([0; 16]);
    out.write_all(&local)?;

    let mut crc = Crc::new();
    let mut deflate = DeflateEncoder::new(&mut *out, Compression::fast());
    crc.update(&head);
    deflate.write_all(&head)?;
    let mut bytes = Vec::new();
    for k in 0..n_classes {
        let class = classes(k)?;
        assert_eq!(class.shape(), [z, y, x], "classes differ in shape");
        for chunk in class.voxels().chunks(1 << 18) {
            bytes.clear();
            bytes.extend(chunk.iter().flat_map(|value| value.to_le_bytes()));
            crc.update(&bytes);
            deflate.write_all(&bytes)?;
        }
    }
    deflate.try_finish()?;
    let deflated = deflate.total_out();
    drop(deflate);
    let end = local.len() as u64 + deflated;
    out.seek(SeekFrom::Start(14))?;
    out.write_all(&crc.sum().to_le_bytes())?;
    out.seek(SeekFrom::Start(sizes_at))?;
    out.write_all(&size.to_le_bytes())?;
    out.write_all(&deflated.to_le_bytes())?;
    out.seek(SeekFrom::Start(end))?;

    let mut directory = b"PK\x01\x02\x2d\0\x2d\0\0\0\x08\0\0\0\x21\0".to_vec();
    directory.extend(crc.sum().to_le_bytes());
    directory.extend([0xff; 8]);
    directory.extend((MEMBER.len() as u16).to_le_bytes());
    directory.extend(20_u16.to_le_bytes());
    directory.extend([0; 14]);
    directory.extend(MEMBER);
    directory.extend([1, 0, 16, 0]);
    directory.extend(size.to_le_bytes());
    directory.extend(deflated.to_le_bytes());
    let directory_size = directory.len() as u64;
    // The zip64 end, its locator, and the end that says to look there.
    directory.extend(b"PK\x06\x06");
    directory.extend(44_u64.to_le_bytes());
    directory.extend([0x2d, 0, 0x2d, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for number in [1, 1, directory_size, end] {
        directory.extend(number.to_le_bytes());
    }
    directory.extend(b"PK\x06\x07\0\0\0\0");
    directory.extend((end + directory_size).to_le_bytes());
    directory.extend(1_u32.to_le_bytes());
    directory.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    directory.extend((directory_size as u32).to_le_bytes());
    directory.extend(u32::MAX.to_le_bytes());
    directory.extend([0; 2]);
    out.write_all(&directory)?;
    Ok(())
}

fn malformed(finding: impl std::fmt::Display) -> Fault {
    Fault::malformed(finding, CURE)
}

/// The `n` bytes at `at` as a number, little-endian.
fn number(bytes: &[u8], at: usize, n: usize) -> Result<u64, Fault> {
    let part = bytes.get(at..at + n).ok_or_else(|| Fault::malformed("the zip directory is cut short", COPY_AGAIN))?;
    Ok(part.iter().rev().fold(0, |sum, byte| (sum << 8) | u64::from(*byte)))
}

/// Where a member lies, and how.
struct Member {
    deflated: bool,
    stored_size: u64,
    size: u64,
    offset: u64,
}

fn open(path: &Path) -> Result<ProbabilityReader, Fault> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let member = find_member(&mut file, length)?;
    let mut local = [0; 30];
    file.seek(SeekFrom::Start(member.offset))?;
    file.read_exact(&mut local)?;
    let names = number(&local, 26, 2)? + number(&local, 28, 2)?;
    file.seek(SeekFrom::Start(member.offset + 30 + names))?;
    let stored = BufReader::with_capacity(1 << 18, file).take(member.stored_size);
    let mut content: Box<dyn Read + Send> = if member.deflated { Box::new(DeflateDecoder::new(stored)) } else { Box::new(stored) };

    let mut start = [0; 10];
    content.read_exact(&mut start)?;
    if !start.starts_with(b"\x93NUMPY") {
        return Err(malformed("expected a NumPy array, found something else"));
    }
    let mut n_header = number(&start, 8, 2)?;
    let mut before = 10;
    if start[6] > 1 {
        let mut more = [0; 2];
        content.read_exact(&mut more)?;
        n_header |= number(&more, 0, 2)? << 16;
        before = 12;
    }
    if n_header > 1 << 16 {
        return Err(malformed(format!("expected a short array header, found one of {n_header} bytes")));
    }
    let mut header = vec![0; n_header as usize];
    content.read_exact(&mut header)?;
    let (shape, bytes_per_number) = array_header(&String::from_utf8_lossy(&header))?;
    let n_numbers = shape.iter().try_fold(1_u64, |n, &extent| n.checked_mul(extent as u64));
    let expected = n_numbers.and_then(|n| n.checked_mul(bytes_per_number as u64)).and_then(|n| n.checked_add(before + n_header));
    if expected != Some(member.size) {
        return Err(malformed(format!("expected the bytes of an array of {shape:?} (K, Z, Y, X), found {}", member.size)));
    }
    Ok(ProbabilityReader { path: path.to_owned(), content, shape, bytes_per_number, n_read: 0 })
}

/// Looks the member up in the directory at the end of the zip file.
fn find_member(file: &mut File, length: u64) -> Result<Member, Fault> {
    let not_zip = || malformed("expected a zip file with an array `probabilities`, found another file");
    // The end record has a comment of up to 65535 bytes behind it.
    let tail_length = length.min(66_000);
    file.seek(SeekFrom::Start(length - tail_length))?;
    let mut tail = vec![0; tail_length as usize];
    file.read_exact(&mut tail)?;
    let end = tail.windows(4).rposition(|window| window == b"PK\x05\x06").ok_or_else(not_zip)?;
    number(&tail, end + 20, 2)?; // the record is whole
    let (mut size, mut offset) = (number(&tail, end + 12, 4)?, number(&tail, end + 16, 4)?);
    if let Some(large) = tail[..end].windows(4).rposition(|window| window == b"PK\x06\x06") {
        (size, offset) = (number(&tail, large + 40, 8)?, number(&tail, large + 48, 8)?);
    }
    if offset.checked_add(size).is_none_or(|end| end > length) || size > 1 << 20 {
        return Err(Fault::malformed("the zip directory does not lie in the file", COPY_AGAIN));
    }
    file.seek(SeekFrom::Start(offset))?;
    let mut directory = vec![0; size as usize];
    file.read_exact(&mut directory)?;
    let mut at = 0;
    while directory.get(at..at + 4) == Some(b"PK\x01\x02") {
        let [n_name, n_extra, n_comment] = [28, 30, 32].map(|field| number(&directory, at + field, 2).map(|n| n as usize));
        let (n_name, n_extra, n_comment) = (n_name?, n_extra?, n_comment?);
        if directory.get(at + 46..at + 46 + n_name) == Some(MEMBER) {
            let extra = directory.get(at + 46 + n_name..at + 46 + n_name + n_extra).ok_or_else(not_zip)?;
            return member(&directory[at..], extra, length);
        }
        at += 46 + n_name + n_extra + n_comment;
    }
    Err(malformed("expected an array `probabilities`, found none"))
}

fn member(entry: &[u8], mut extra: &[u8], length: u64) -> Result<Member, Fault> {
    let deflated = match number(entry, 10, 2)? {
        0 => false,
        8 => true,
        other => return Err(Fault::unsupported(format!("expected a deflated member, found compression {other}"), CURE)),
    };
    let mut fields = [number(entry, 24, 4)?, number(entry, 20, 4)?, number(entry, 42, 4)?];
    // A zip64 field holds those that are full, in this order.
    while extra.len() >= 4 {
        let (kind, n) = (number(extra, 0, 2)?, number(extra, 2, 2)? as usize);
        if kind == 1 {
            let mut at = 4;
            for field in fields.iter_mut().filter(|field| **field == u64::from(u32::MAX)) {
                *field = number(extra, at, 8)?;
                at += 8;
            }
        }
        extra = extra.get(4 + n..).unwrap_or_default();
    }
    let [size, stored_size, offset] = fields;
    let fits = offset.checked_add(stored_size).is_some_and(|end| end <= length);
    let possible = if deflated { size <= stored_size.saturating_mul(MOST_DEFLATED) } else { size == stored_size };
    if !fits || !possible {
        let finding = format!("expected a member within {length} bytes, found {stored_size} at {offset} that stand for {size}");
        return Err(Fault::malformed(finding, COPY_AGAIN));
    }
    Ok(Member { deflated, stored_size, size, offset })
}

/// Shape and bytes per number, from the Python dictionary that heads an array.
fn array_header(header: &str) -> Result<([usize; 4], usize), Fault> {
    let after = |name: &str| header.split_once(name).map(|(_, rest)| rest.trim_start_matches([' ', ':', '\'']));
    let kind = after("'descr'").and_then(|rest| rest.split('\'').next()).unwrap_or_default();
    let bytes_per_number = match kind {
        "<f2" => 2,
        "<f4" => 4,
        "<f8" => 8,
        other => return Err(malformed(format!("expected numbers of type <f4, found `{other}`"))),
    };
    if !after("'fortran_order'").is_some_and(|rest| rest.starts_with("False")) {
        return Err(malformed("expected an array in C order, found another order"));
    }
    let extents = after("'shape'").and_then(|rest| rest.split(['(', ')']).nth(1)).unwrap_or_default();
    let shape: Option<Vec<usize>> = extents.split(',').map(str::trim).filter(|e| !e.is_empty()).map(|e| e.parse().ok()).collect();
    match shape.and_then(|shape| <[usize; 4]>::try_from(shape).ok()) {
        Some(shape) if shape[0] > 0 => Ok((shape, bytes_per_number)),
        _ => Err(malformed(format!("expected an array of four axes (K, Z, Y, X), found ({extents})"))),
    }
}

/// Reads numbers in slabs, so that the only large buffer is the result.
fn numbers(content: &mut dyn Read, n: usize, bytes_per_number: usize) -> std::io::Result<Vec<f32>> {
    let mut values = Vec::new();
    let mut slab = vec![0; (1 << 17) * bytes_per_number];
    while values.len() < n {
        let part = &mut slab[..(n - values.len()).min(1 << 17) * bytes_per_number];
        content.read_exact(part)?;
        match bytes_per_number {
            2 => values.extend(part.as_chunks().0.iter().map(|b| half(u16::from_le_bytes(*b)))),
            4 => values.extend(part.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b))),
            _ => values.extend(part.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b) as f32)),
        }
    }
    Ok(values)
}

/// A float16 (IEEE 754-2008 binary16).
fn half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 1023));
    match exponent {
        0 => sign * fraction * 2.0_f32.powi(-24),
        31 if fraction > 0.0 => f32::NAN,
        31 => sign * f32::INFINITY,
        _ => sign * (1.0 + fraction / 1024.0) * 2.0_f32.powi(exponent - 15),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn classes() -> Vec<Volume<f32>> {
        let value = |i: usize| (i as f32 * 0.37).sin().abs();
        (0..3).map(|k| Volume::new([2, 3, 5], (0..30).map(|i| value(k * 30 + i)).collect())).collect()
    }

    #[test]
    fn what_is_written_is_read_and_by_other_readers_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("case.npz");
        write_probabilities(&path, &classes()).unwrap();
        assert_eq!(read_probabilities(&path).unwrap(), classes());
        assert_eq!(ProbabilityReader::open(&path).unwrap().shape(), [3, 2, 3, 5]);
    }

    #[test]
    fn damaged_files_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("case.npz");
        write_probabilities(&path, &classes()).unwrap();
        let good = std::fs::read(&path).unwrap();
        // Every byte changed once, and every length: an error or other numbers, never a panic.
        for i in 0..good.len() {
            let mut bad = good.clone();
            bad[i] ^= 0xff;
            std::fs::write(&path, &bad).unwrap();
            let _ = read_probabilities(&path);
            std::fs::write(&path, &good[..i]).unwrap();
            assert!(read_probabilities(&path).is_err(), "cut to {i} bytes");
        }
        for (text, part) in [("hello", "expected a zip file"), ("", "expected a zip file")] {
            std::fs::write(&path, text).unwrap();
            let message = read_probabilities(&path).unwrap_err().to_string();
            assert!(message.contains(part) && message.contains("case.npz"), "{message}");
        }
    }

    #[test]
    fn headers_of_other_arrays_are_refused() {
        for (header, part) in [
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }", "four axes"),
            ("{'descr': '<i4', 'fortran_order': False, 'shape': (1, 2, 3, 4), }", "type <f4"),
            ("{'descr': '<f4', 'fortran_order': True, 'shape': (1, 2, 3, 4), }", "C order"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (0, 2, 3, 4), }", "four axes"),
            ("", "type <f4"),
        ] {
            let Err(Fault::Malformed { finding, .. }) = array_header(header) else { panic!("{header} was read") };
            assert!(finding.contains(part), "{finding}");
        }
    }
}
