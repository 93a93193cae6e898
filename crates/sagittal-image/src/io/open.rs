//! Opening files, plain and compressed.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
};

use flate2::bufread::MultiGzDecoder;

use super::{
    fault::{COPY_AGAIN, Fault},
    samples::Stored,
};

/// A file that is open for reading, and its length in bytes.
pub(crate) struct Opened {
    pub(crate) reader: BufReader<File>,
    pub(crate) length: u64,
}

/// Opens a file that has content.
pub(crate) fn open(path: &Path) -> Result<Opened, Fault> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(Fault::unsupported("expected an image file, found a folder", "name the files in it"));
    }
    if metadata.len() == 0 {
        return Err(Fault::malformed("expected an image, found an empty file of 0 bytes", COPY_AGAIN));
    }
    Ok(Opened { reader: BufReader::with_capacity(1 << 18, file), length: metadata.len() })
}

/// The same file without its compression, if its first two bytes say that it is a gzip file.
///
/// Names are not trusted: uncompressed files called `.nii.gz`, and the reverse, are common and harmless.
pub(crate) fn inflate(opened: Opened) -> Result<(Box<dyn Read>, Stored), Fault> {
    let Opened { mut reader, length } = opened;
    if reader.fill_buf()?.starts_with(&[0x1f, 0x8b]) {
        Ok((Box::new(MultiGzDecoder::new(reader)), Stored::Deflated { bytes: length }))
    } else {
        Ok((Box::new(reader), Stored::Plain { bytes: length }))
    }
}

/// Reads on after the voxels, so that the checksum behind them is compared.
///
/// More data behind the voxels are left alone, and so is what is no gzip member (some programs pad with zeros).
pub(crate) fn check_end(reader: &mut dyn Read, stored: Stored) -> Result<(), Fault> {
    if matches!(stored, Stored::Plain { .. }) {
        return Ok(());
    }
    match reader.read(&mut [0]) {
        Ok(_) => Ok(()),
        Err(error) if error.to_string().contains("gzip header") => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Passes over `n` bytes.
pub(crate) fn skip(reader: &mut dyn Read, n: u64) -> Result<(), Fault> {
    let skipped = std::io::copy(&mut reader.take(n), &mut std::io::sink())?;
    if skipped < n {
        return Err(Fault::malformed(format!("expected voxels after {n} more bytes, found the end after {skipped}"), COPY_AGAIN));
    }
    Ok(())
}

/// The beginning of a file as it can be shown in a message.
pub(crate) fn excerpt(bytes: &[u8]) -> String {
    let beginning = &bytes[..bytes.len().min(16)];
    if beginning.iter().all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace()) {
        format!("text beginning with `{}`", String::from_utf8_lossy(beginning).escape_debug())
    } else {
        format!("bytes {:02x?}", &beginning[..beginning.len().min(8)])
    }
}
