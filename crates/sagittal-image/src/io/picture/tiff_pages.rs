//! How many pages a TIFF file has: decoders show the first one and do not say that there are more.

use std::io::{Read, Seek, SeekFrom};

use crate::io::fault::Fault;

/// Refuses files of several pages and goes back to the beginning.
///
/// Only the chain of directories is followed (TIFF 6.0 §2; BigTIFF). What is damaged is left to the decoder to report.
pub(super) fn check_single(reader: &mut (impl Read + Seek)) -> Result<(), Fault> {
    let pages = has_second_page(reader);
    reader.seek(SeekFrom::Start(0))?;
    if pages.unwrap_or(false) {
        let finding = "expected a TIFF of one page, found several";
        return Err(Fault::unsupported(finding, "store volumes as .nii.gz or .nrrd, and series of pictures as one file each"));
    }
    Ok(())
}

fn has_second_page(reader: &mut (impl Read + Seek)) -> std::io::Result<bool> {
    let mut head = [0; 16];
    reader.read_exact(&mut head)?;
    let big_endian = head[0] == b'M';
    let number = |bytes: &[u8]| {
        let join = |sum: u64, byte: &u8| (sum << 8) | u64::from(*byte);
        if big_endian { bytes.iter().fold(0, join) } else { bytes.iter().rev().fold(0, join) }
    };
    // BigTIFF widens offsets, counts and entries.
    let (first, count_bytes, entry_bytes, offset_bytes) = match number(&head[2..4]) {
        42 => (number(&head[4..8]), 2, 12, 4),
        43 => (number(&head[8..16]), 8, 20, 8),
        _ => return Ok(false),
    };
    let mut field = [0; 8];
    reader.seek(SeekFrom::Start(first))?;
    reader.read_exact(&mut field[..count_bytes])?;
    let entries = number(&field[..count_bytes]).min(1 << 20);
    let next = first.saturating_add(count_bytes as u64 + entries * entry_bytes);
    reader.seek(SeekFrom::Start(next))?;
    reader.read_exact(&mut field[..offset_bytes])?;
    Ok(number(&field[..offset_bytes]) != 0)
}
