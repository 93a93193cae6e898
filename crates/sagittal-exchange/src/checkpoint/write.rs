//! Writing a file that `torch.load` reads.

use crate::pickle::{Item, pickle};
use std::io::{Cursor, Write};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

/// Float32 numbers under their key.
#[derive(Clone, Debug)]
pub(crate) struct StorageToWrite {
    pub(crate) key: String,
    pub(crate) numbers: Vec<f32>,
}

/// The bytes of a file of `torch.save`: `data`, whose arrays refer to `storages`. `stem` is the file's name without `.pth`.
pub(crate) fn write(stem: &str, data: &Item, storages: &[StorageToWrite]) -> std::io::Result<Vec<u8>> {
    // A fixed time, so that the same model gives the same bytes.
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored).last_modified_time(zip::DateTime::default());
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let mut add = |name: &str, bytes: &[u8]| {
        archive.start_file(format!("{stem}/{name}"), options).map_err(std::io::Error::other)?;
        archive.write_all(bytes)
    };
    add("data.pkl", &pickle(data))?;
    add("byteorder", b"little")?;
    for storage in storages {
        let bytes: Vec<u8> = storage.numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        add(&format!("data/{}", storage.key), &bytes)?;
    }
    add("version", b"3\n")?;
    Ok(archive.finish().map_err(std::io::Error::other)?.into_inner())
}
