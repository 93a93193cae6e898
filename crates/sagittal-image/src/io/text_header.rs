//! Headers of text lines in front of voxels, as NRRD and MetaImage have them.

use std::{
    io::{BufRead, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use super::{
    fault::{COPY_AGAIN, Fault},
    open::{Opened, open},
};
use crate::{Geometry, Rank};

/// A header that goes on for longer is none.
const MOST_BYTES: u64 = 1 << 20;

/// Reads lines up to and with the one that `is_last`, or to the end of the file; says how many bytes they took.
///
/// White space around lines and empty lines at the end of the file are dropped.
pub(super) fn read_lines(reader: &mut impl BufRead, is_last: impl Fn(&str) -> bool) -> Result<(Vec<String>, u64), Fault> {
    let (mut lines, mut taken) = (Vec::new(), 0);
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        let n = reader.take(MOST_BYTES).read_until(b'\n', &mut bytes)? as u64;
        taken += n;
        if n == 0 {
            return Ok((lines, taken));
        }
        if taken >= MOST_BYTES {
            let finding = format!("expected a header of text lines, found no end of it within {MOST_BYTES} bytes");
            return Err(Fault::malformed(finding, COPY_AGAIN));
        }
        let line = String::from_utf8_lossy(&bytes).trim().to_owned();
        let last = is_last(&line);
        lines.push(line);
        if last {
            return Ok((lines, taken));
        }
    }
}

/// Numbers parted by white space or commas.
///
/// # Errors
/// If one is no number, or there are not `n` of them.
pub(super) fn numbers(field: &str, text: &str, n: usize) -> Result<Vec<f64>, Fault> {
    let tokens = text.split(|c: char| c.is_whitespace() || c == ',').filter(|token| !token.is_empty());
    let found = tokens.map(|token| token.parse::<f64>().ok()).collect::<Option<Vec<f64>>>();
    found.filter(|found| found.len() == n).ok_or_else(|| {
        Fault::malformed(format!("expected {n} numbers in the header's `{field}`, found `{}`", text.escape_debug()), COPY_AGAIN)
    })
}

/// One number of a kind that the caller's type says.
pub(super) fn number<T: std::str::FromStr>(field: &str, text: &str) -> Result<T, Fault> {
    let finding = || format!("expected a number in the header's `{field}`, found `{}`", text.escape_debug());
    text.trim().parse().map_err(|_| Fault::malformed(finding(), COPY_AGAIN))
}

/// Opens the file of voxels that the header at `path` names, beside it.
pub(super) fn open_beside(path: &Path, name: &str) -> Result<Opened, Fault> {
    let beside: PathBuf = path.with_file_name(name);
    if name.is_empty() || !beside.is_file() {
        let finding = format!("expected its voxels in {}, found no such file", beside.display());
        return Err(Fault::malformed(finding, "put the file of voxels beside its header, under the name in the header"));
    }
    open(&beside)
}

/// Goes to the last `n` bytes of the file, for headers that do not say where voxels begin.
pub(super) fn seek_to_last(opened: &mut Opened, n: u64) -> Result<(), Fault> {
    opened.reader.seek(SeekFrom::Start(opened.length.saturating_sub(n)))?;
    Ok(())
}

/// ITK's and DICOM's world axes, left, posterior, superior, to or from ours.
pub(super) fn lps([a, b, c]: [f64; 3]) -> [f64; 3] {
    // Subtraction instead of negation keeps zeros positive.
    [0.0 - a, 0.0 - b, c]
}

/// The steps between voxels along file axes x, y(, z), in mm along left, posterior(, superior), and the first voxel's
/// place: vectors of two numbers for 2-D images, of three for volumes.
///
/// A 2-D image that does not lie in the left-posterior plane loses its direction: these formats cannot say it.
pub(super) fn lps_vectors(geometry: &Geometry) -> (Vec<Vec<f64>>, Vec<f64>) {
    let n = if geometry.rank == Rank::Two { 2 } else { 3 };
    let in_plane = n == 3 || geometry.direction[1..].iter().all(|unit| unit[2].abs() < 1e-6);
    let unit = |file_axis: usize| {
        let upright = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]][file_axis];
        if in_plane { lps(geometry.direction[2 - file_axis]) } else { upright }
    };
    let units = (0..n).map(|file_axis| unit(file_axis)[..n].to_vec()).collect();
    (units, lps(geometry.origin_mm)[..n].to_vec())
}
