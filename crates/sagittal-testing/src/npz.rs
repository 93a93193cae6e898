//! Arrays that NumPy saved: `.npz`, a zip file of `.npy`.
//!
//! Only what goldens need: stored and deflated members below 4 GiB, C order, little-endian numbers up to 64 bits, which
//! become `f32`.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use flate2::read::DeflateDecoder;

/// An array, slowest axis first.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Extents.
    pub shape: Vec<usize>,
    /// Values in C order.
    pub values: Vec<f32>,
}

/// Why an array could not be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read array `{key}` of {path}: {finding}", path = path.display())]
pub struct NpzError {
    path: PathBuf,
    key: String,
    finding: String,
}

/// Reads the array `key` of a `.npz` file.
///
/// # Errors
/// If there is no such file or array, or it is of a kind that is not read here.
pub fn read_npz(path: &Path, key: &str) -> Result<Array, NpzError> {
    let fail = |finding: String| NpzError { path: path.to_owned(), key: key.to_owned(), finding };
    let file = std::fs::read(path).map_err(|error| fail(error.to_string()))?;
    let member = member(&file, &format!("{key}.npy")).ok_or_else(|| fail("expected a zip file with that member, found none".into()))?;
    array(&member).map_err(fail)
}

fn number(bytes: &[u8], at: usize, n: usize) -> Option<usize> {
    Some(bytes.get(at..at + n)?.iter().rev().fold(0, |sum, byte| (sum << 8) | usize::from(*byte)))
}

/// The content of a zip file's member (PKZIP application note, 4.3).
fn member(file: &[u8], name: &str) -> Option<Vec<u8>> {
    let end = file.windows(4).rposition(|window| window == b"PK\x05\x06")?;
    let (n_members, mut at) = (number(file, end + 10, 2)?, number(file, end + 16, 4)?);
    for _ in 0..n_members {
        let (method, size) = (number(file, at + 10, 2)?, number(file, at + 20, 4)?);
        let lengths = [number(file, at + 28, 2)?, number(file, at + 30, 2)?, number(file, at + 32, 2)?];
        let local = number(file, at + 42, 4)?;
        if file.get(at + 46..at + 46 + lengths[0])? == name.as_bytes() {
            let start = local + 30 + number(file, local + 26, 2)? + number(file, local + 28, 2)?;
            let stored = file.get(start..start + size)?;
            if method == 0 {
                return Some(stored.to_vec());
            }
            let mut content = Vec::new();
            DeflateDecoder::new(stored).read_to_end(&mut content).ok()?;
            return Some(content);
        }
        at += 46 + lengths.iter().sum::<usize>();
    }
    None
}

/// The array of a `.npy` file.
fn array(file: &[u8]) -> Result<Array, String> {
    let (start, length) = match file.get(6) {
        Some(1) => (10, number(file, 8, 2)),
        _ => (12, number(file, 8, 4)),
    };
    let length = length.ok_or("expected a header, found the end")?;
    let header = file.get(start..start + length).ok_or("expected a header, found the end")?;
    let header = String::from_utf8_lossy(header);
    let after = |name: &str| header.split_once(name).map(|(_, rest)| rest.trim_start_matches([' ', ':', '\'']));
    let kind = after("'descr'").and_then(|rest| rest.split('\'').next()).ok_or("expected a type, found none")?;
    if !after("'fortran_order'").is_some_and(|rest| rest.starts_with("False")) {
        return Err("expected C order, found Fortran order".into());
    }
    let extents = after("'shape'").and_then(|rest| rest.split(['(', ')']).nth(1)).ok_or("expected a shape, found none")?;
    let shape: Vec<usize> = extents.split(',').filter_map(|extent| extent.trim().parse().ok()).collect();
    let data = &file[start + length..];
    macro_rules! values {
        ($number:ty) => {
            data.as_chunks::<{ size_of::<$number>() }>().0.iter().map(|b| <$number>::from_le_bytes(*b) as f32).collect()
        };
    }
    let values: Vec<f32> = match kind {
        "<f2" => data.as_chunks::<2>().0.iter().map(|b| half(u16::from_le_bytes(*b))).collect(),
        "<f4" => values!(f32),
        "<f8" => values!(f64),
        "|u1" => values!(u8),
        "|i1" => values!(i8),
        "<i2" => values!(i16),
        "<i4" => values!(i32),
        "<i8" => values!(i64),
        other => return Err(format!("expected numbers, found type {other}")),
    };
    if values.len() != shape.iter().product::<usize>() {
        return Err(format!("expected {shape:?} values, found {}", values.len()));
    }
    Ok(Array { shape, values })
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
    use super::half;

    #[test]
    fn float16_values_are_exact() {
        for (bits, value) in [(0x3c00, 1.0), (0xc000, -2.0), (0x0001, 5.960_464_5e-8), (0x7bff, 65504.0), (0x3555, 0.333_251_95)] {
            assert_eq!(half(bits), value, "{bits:#06x}");
        }
    }
}
