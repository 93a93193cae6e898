//! Writing MetaImage: `.mha` in one file, `.mhd` with its voxels in `.raw` beside it.

use std::{io::Write, path::Path};

use flate2::{Compression, write::ZlibEncoder};

use super::frame::Frame;
use crate::{
    Geometry, Rank, Volume,
    io::{Format, SourceHeader, atomic, fault::Fault, format::sibling, header::Source, samples::SampleType, voxel_bytes},
};

/// Writes labels as the smallest unsigned type that holds them, compressed in one file and plain beside a header.
pub(crate) fn write_label_map(
    path: &Path,
    format: Format,
    labels: &Volume<u16>,
    geometry: &Geometry,
    header: &SourceHeader,
) -> Result<(), Fault> {
    let sample = voxel_bytes::label_type(labels);
    let head = head(sample, 1, geometry, header);
    if format == Format::MetaImageDetached {
        return write(path, format, head, |out| voxel_bytes::write_labels(out, labels, sample));
    }
    // The header says how long the compressed voxels are, so that they are there first; labels compress well.
    let mut compressed = ZlibEncoder::new(Vec::new(), Compression::new(voxel_bytes::COMPRESSION));
    voxel_bytes::write_labels(&mut compressed, labels, sample)?;
    let compressed = compressed.finish()?;
    let head = head + &format!("CompressedData = True\nCompressedDataSize = {}\n", compressed.len());
    write(path, format, head, |out| out.write_all(&compressed))
}

/// Writes channels as float32, several ones beside each other in every voxel.
pub(crate) fn write_image(
    path: &Path,
    format: Format,
    channels: &[Volume<f32>],
    geometry: &Geometry,
    header: &SourceHeader,
) -> Result<(), Fault> {
    let head = head(SampleType::F32, channels.len(), geometry, header);
    write(path, format, head, |out| voxel_bytes::write_interleaved(out, channels))
}

fn write(path: &Path, format: Format, head: String, voxels: impl Fn(&mut dyn Write) -> std::io::Result<()>) -> Result<(), Fault> {
    if format == Format::MetaImageDetached {
        let voxel_file = sibling(path, ".raw");
        atomic::write(&voxel_file, |out| Ok(voxels(out)?))?;
        let name = voxel_file.file_name().unwrap_or_default().to_string_lossy();
        return atomic::write(path, |out| Ok(writeln!(out, "{head}ElementDataFile = {name}")?));
    }
    atomic::write(path, |out| {
        writeln!(out, "{head}ElementDataFile = LOCAL")?;
        Ok(voxels(out)?)
    })
}

/// The header's lines but those on compression and the last one.
fn head(sample: SampleType, n_channels: usize, geometry: &Geometry, header: &SourceHeader) -> String {
    let frame = match header.source_for(geometry) {
        Some(Source::Meta(frame)) => (**frame).clone(),
        _ => Frame::of_geometry(geometry),
    };
    let [z, y, x] = geometry.shape;
    let (n_dims, size) = if geometry.rank == Rank::Two { (2, format!("{x} {y}")) } else { (3, format!("{x} {y} {z}")) };
    let type_name = match sample {
        SampleType::U8 => "MET_UCHAR",
        SampleType::U16 => "MET_USHORT",
        // Nothing else is written.
        _ => "MET_FLOAT",
    };
    let mut head = format!("ObjectType = Image\nNDims = {n_dims}\nBinaryData = True\nBinaryDataByteOrderMSB = False\n");
    head += &frame.lines();
    head += &format!("DimSize = {size}\nElementType = {type_name}\n");
    if n_channels > 1 {
        head += &format!("ElementNumberOfChannels = {n_channels}\n");
    }
    head
}
