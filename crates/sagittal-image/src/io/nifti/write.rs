//! Writing NIfTI in one file.

use std::{io::Write, path::Path};

use flate2::{Compression, write::GzEncoder};

use super::{
    frame::{Frame, Version},
    header::{SIZE_1, SIZE_2},
};
use crate::{
    Geometry, Rank, Volume,
    io::{SourceHeader, atomic, fault::Fault, header::Source, samples::SampleType, voxel_bytes},
};

/// The largest extent that NIfTI-1 can say.
const MOST_IN_1: usize = i16::MAX as usize;

/// Whether the file is to be compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    Plain,
    Gzip,
}

/// Writes labels as the smallest unsigned type that holds them.
pub(crate) fn write_label_map(
    path: &Path,
    packing: Packing,
    labels: &Volume<u16>,
    geometry: &Geometry,
    header: &SourceHeader,
) -> Result<(), Fault> {
    let sample = voxel_bytes::label_type(labels);
    write(path, packing, &head(sample, 1, geometry, header), |out| voxel_bytes::write_labels(out, labels, sample))
}

/// Writes channels as float32, several ones along the fourth axis.
pub(crate) fn write_image(
    path: &Path,
    packing: Packing,
    channels: &[Volume<f32>],
    geometry: &Geometry,
    header: &SourceHeader,
) -> Result<(), Fault> {
    write(path, packing, &head(SampleType::F32, channels.len(), geometry, header), |out| {
        channels.iter().try_for_each(|channel| voxel_bytes::write_floats(out, channel.voxels()))
    })
}

fn write(path: &Path, packing: Packing, head: &[u8], voxels: impl Fn(&mut dyn Write) -> std::io::Result<()>) -> Result<(), Fault> {
    atomic::write(path, |out| {
        match packing {
            Packing::Plain => {
                out.write_all(head)?;
                voxels(out)?;
            }
            Packing::Gzip => {
                let mut out = GzEncoder::new(out, Compression::new(voxel_bytes::COMPRESSION));
                out.write_all(head)?;
                voxels(&mut out)?;
                out.finish()?;
            }
        }
        Ok(())
    })
}

/// The header, and the four bytes behind it that say that no extension follows.
fn head(sample: SampleType, n_channels: usize, geometry: &Geometry, header: &SourceHeader) -> Vec<u8> {
    let [z, y, x] = geometry.shape;
    let too_wide = [x, y, z, n_channels].iter().any(|extent| *extent > MOST_IN_1);
    let mut frame = match header.source_for(geometry) {
        Some(Source::Nifti(frame)) => (**frame).clone(),
        _ => Frame::of_geometry(geometry, Version::One),
    };
    if too_wide {
        frame.version = Version::Two;
    }
    let n_axes = match (geometry.rank, n_channels) {
        (_, 2..) => 4,
        (Rank::Three, _) => 3,
        (Rank::Two, _) => 2,
    };
    let dim = [n_axes, x, y, z, n_channels.max(1), 1, 1, 1];
    match frame.version {
        Version::One => head_1(&frame, sample, dim),
        Version::Two => head_2(&frame, sample, dim),
    }
}

fn datatype(sample: SampleType) -> i16 {
    match sample {
        SampleType::U8 => 2,
        SampleType::U16 => 512,
        // Nothing else is written.
        _ => 16,
    }
}

struct Head(Vec<u8>);

impl Head {
    fn put<const N: usize>(&mut self, at: usize, bytes: [u8; N]) {
        self.0[at..at + N].copy_from_slice(&bytes);
    }
    fn f32s(&mut self, at: usize, values: &[f64]) {
        values.iter().enumerate().for_each(|(i, value)| self.put(at + 4 * i, (*value as f32).to_le_bytes()));
    }
    fn f64s(&mut self, at: usize, values: &[f64]) {
        values.iter().enumerate().for_each(|(i, value)| self.put(at + 8 * i, value.to_le_bytes()));
    }
}

fn head_1(frame: &Frame, sample: SampleType, dim: [usize; 8]) -> Vec<u8> {
    let mut head = Head(vec![0; SIZE_1 + 4]);
    head.put(0, (SIZE_1 as i32).to_le_bytes());
    head.put(38, *b"r");
    dim.iter().enumerate().for_each(|(i, extent)| head.put(40 + 2 * i, (*extent as i16).to_le_bytes()));
    head.put(70, datatype(sample).to_le_bytes());
    head.put(72, (8 * sample.size() as i16).to_le_bytes());
    head.f32s(76, &frame.pixdim);
    head.f32s(108, &[(SIZE_1 + 4) as f64, 1.0]);
    head.put(123, [frame.xyzt_units as u8]);
    head.put(252, (frame.qform_code as i16).to_le_bytes());
    head.put(254, (frame.sform_code as i16).to_le_bytes());
    head.f32s(256, &frame.quatern);
    head.f32s(268, &frame.qoffset);
    head.f32s(280, frame.srow.as_flattened());
    head.put(344, *b"n+1\0");
    head.0
}

fn head_2(frame: &Frame, sample: SampleType, dim: [usize; 8]) -> Vec<u8> {
    let mut head = Head(vec![0; SIZE_2 + 4]);
    head.put(0, (SIZE_2 as i32).to_le_bytes());
    head.put(4, *b"n+2\0\r\n\x1a\n");
    head.put(12, datatype(sample).to_le_bytes());
    head.put(14, (8 * sample.size() as i16).to_le_bytes());
    dim.iter().enumerate().for_each(|(i, extent)| head.put(16 + 8 * i, (*extent as i64).to_le_bytes()));
    head.f64s(104, &frame.pixdim);
    head.put(168, ((SIZE_2 + 4) as i64).to_le_bytes());
    head.f64s(176, &[1.0]);
    head.put(344, frame.qform_code.to_le_bytes());
    head.put(348, frame.sform_code.to_le_bytes());
    head.f64s(352, &frame.quatern);
    head.f64s(376, &frame.qoffset);
    head.f64s(400, frame.srow.as_flattened());
    head.put(500, frame.xyzt_units.to_le_bytes());
    head.0
}
