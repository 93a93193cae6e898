//! Writing NRRD, compressed with gzip: `.nrrd` in one file, `.nhdr` with its voxels in `.raw.gz` beside it.

use std::{io::Write, path::Path};

use flate2::{Compression, write::GzEncoder};

use super::frame::Frame;
use crate::{
    Geometry, Rank, Volume,
    io::{Format, SourceHeader, atomic, fault::Fault, format::sibling, header::Source, samples::SampleType, voxel_bytes},
};

/// Writes labels as the smallest unsigned type that holds them.
pub(crate) fn write_label_map(
    path: &Path,
    format: Format,
    labels: &Volume<u16>,
    geometry: &Geometry,
    header: &SourceHeader,
) -> Result<(), Fault> {
    let sample = voxel_bytes::label_type(labels);
    write(path, format, head(sample, 1, geometry, header), |out| voxel_bytes::write_labels(out, labels, sample))
}

/// Writes channels as float32, several ones along the last axis.
pub(crate) fn write_image(
    path: &Path,
    format: Format,
    channels: &[Volume<f32>],
    geometry: &Geometry,
    header: &SourceHeader,
) -> Result<(), Fault> {
    write(path, format, head(SampleType::F32, channels.len(), geometry, header), |out| {
        channels.iter().try_for_each(|channel| voxel_bytes::write_floats(out, channel.voxels()))
    })
}

fn write(path: &Path, format: Format, mut head: String, voxels: impl Fn(&mut dyn Write) -> std::io::Result<()>) -> Result<(), Fault> {
    let compressed = |out: &mut dyn Write| -> Result<(), Fault> {
        let mut out = GzEncoder::new(out, Compression::new(voxel_bytes::COMPRESSION));
        voxels(&mut out)?;
        out.finish()?;
        Ok(())
    };
    if format == Format::NrrdDetached {
        let voxel_file = sibling(path, ".raw.gz");
        atomic::write(&voxel_file, |out| compressed(out))?;
        let name = voxel_file.file_name().unwrap_or_default().to_string_lossy();
        head += &format!("data file: {name}\n");
        return atomic::write(path, |out| Ok(out.write_all(head.as_bytes())?));
    }
    head.push('\n');
    atomic::write(path, |out| {
        out.write_all(head.as_bytes())?;
        compressed(out)
    })
}

/// The header's lines, without the empty one that ends them.
fn head(sample: SampleType, n_channels: usize, geometry: &Geometry, header: &SourceHeader) -> String {
    let frame = match header.source_for(geometry) {
        Some(Source::Nrrd(frame)) => (**frame).clone(),
        _ => Frame::of_geometry(geometry),
    };
    let [z, y, x] = geometry.shape;
    let mut sizes = if geometry.rank == Rank::Two { vec![x, y] } else { vec![x, y, z] };
    let mut kinds = vec!["domain"; sizes.len()];
    let n_more = usize::from(n_channels > 1);
    if n_more == 1 {
        sizes.push(n_channels);
        kinds.push("list");
    }
    let type_name = match sample {
        SampleType::U8 => "uint8",
        SampleType::U16 => "uint16",
        // Nothing else is written.
        _ => "float",
    };
    let sizes_text: Vec<String> = sizes.iter().map(usize::to_string).collect();
    let mut lines = vec!["NRRD0004".to_owned(), format!("type: {type_name}"), format!("dimension: {}", sizes.len())];
    lines.push(format!("sizes: {}", sizes_text.join(" ")));
    // After `dimension` and `sizes`, on which these lines depend.
    lines.append(&mut frame.lines(n_more));
    lines.push(format!("kinds: {}", kinds.join(" ")));
    lines.push("endian: little".to_owned());
    lines.push("encoding: gzip".to_owned());
    lines.join("\n") + "\n"
}
