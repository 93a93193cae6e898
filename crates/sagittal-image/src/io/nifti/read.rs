//! Reading NIfTI.

use std::{
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
};

use super::header::{Header, SIZE_1, SIZE_2, recognise};
use crate::{
    Rank, Volume,
    io::{
        Grid, SourceHeader,
        fault::{COPY_AGAIN, Fault},
        header::Source,
        nifti::frame::Version,
        open::{check_end, inflate, open, skip},
        samples::{ChannelOrder, SampleType, Samples, Stored, Voxel, checked_channels, checked_shape},
    },
};

/// Reads an image; its axes after the third one (time, vector) become channels, the fourth one fastest.
pub(crate) fn read<V: Voxel>(path: &Path) -> Result<Grid<V>, Fault> {
    let (mut reader, stored) = inflate(open(path)?)?;
    let (header, header_bytes) = read_header(&mut reader)?;
    let pixel = Pixel::of_datatype(header.datatype)?;
    let (rank, shape, n_file_channels) = extents(&header.dim)?;
    if pixel.components > 1 && n_file_channels > 1 {
        let finding = format!("expected one volume of RGB voxels, found {n_file_channels} of them");
        return Err(Fault::unsupported(finding, "store the colours as separate volumes of a 4-D image"));
    }
    let geometry = header.frame.geometry(rank, shape)?;
    let samples = Samples {
        sample: pixel.sample,
        byte_order: header.byte_order,
        scale: scale(&header, &pixel),
        n_voxels: shape.iter().product(),
        n_channels: n_file_channels * pixel.components,
        channel_order: if pixel.components > 1 { ChannelOrder::Interleaved } else { ChannelOrder::Planar },
    };
    let (mut reader, stored) = if header.detached { inflate(open(&voxel_file(path)?)?)? } else { (reader, stored) };
    let to_skip = voxel_offset(&header, header_bytes)?;
    let available = match stored {
        Stored::Plain { bytes } => {
            let before = if header.detached { to_skip } else { to_skip + header_bytes };
            Stored::Plain { bytes: bytes.saturating_sub(before) }
        }
        deflated @ Stored::Deflated { .. } => deflated,
    };
    samples.check_size(available)?;
    skip(&mut reader, to_skip)?;
    let mut channels = samples.read(&mut reader)?;
    check_end(&mut reader, stored)?;
    channels.truncate(n_file_channels * pixel.components.min(3));
    let header = SourceHeader::new(Source::Nifti(Box::new(header.frame)), &geometry);
    Ok(Grid { channels: channels.into_iter().map(|voxels| Volume::new(shape, voxels)).collect(), geometry, header })
}

/// Reads the header and says how many bytes it took.
fn read_header(reader: &mut dyn Read) -> Result<(Header, u64), Fault> {
    let mut bytes = [0; SIZE_2];
    let found = read_up_to(reader, &mut bytes[..SIZE_1])?;
    let (version, byte_order) = recognise(&bytes[..found])?;
    let size = if version == Version::One { SIZE_1 } else { SIZE_2 };
    let found = found + if found == SIZE_1 { read_up_to(reader, &mut bytes[SIZE_1..size])? } else { 0 };
    if found < size {
        return Err(Fault::malformed(format!("expected a NIfTI header of {size} bytes, found the end after {found}"), COPY_AGAIN));
    }
    Ok((Header::parse(&bytes, version, byte_order)?, size as u64))
}

fn read_up_to(reader: &mut dyn Read, buffer: &mut [u8]) -> Result<usize, Fault> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(filled)
}

/// Rank, shape `[Z, Y, X]` and number of channels of `dim`.
fn extents(dim: &[i64; 8]) -> Result<(Rank, [usize; 3], usize), Fault> {
    let n_axes = usize::try_from(dim[0])
        .ok()
        .filter(|n| (1..=7).contains(n))
        .ok_or_else(|| Fault::malformed(format!("expected 1 to 7 axes in dim[0] of the header, found {}", dim[0]), COPY_AGAIN))?;
    if n_axes == 1 {
        return Err(Fault::unsupported("expected 2 or 3 spatial axes, found 1", "store the image with dim[0] = 2 or more"));
    }
    let extents = &dim[1..=n_axes];
    let shape = checked_shape(extents)?;
    let channels = checked_channels(extents.get(3..).unwrap_or_default())?;
    Ok((if n_axes == 2 { Rank::Two } else { Rank::Three }, shape, channels))
}

/// What one voxel of a datatype consists of.
struct Pixel {
    sample: SampleType,
    /// 3 and 4 for colours, whose fourth (opacity) is dropped.
    components: usize,
}

impl Pixel {
    fn of_datatype(datatype: i32) -> Result<Self, Fault> {
        let (sample, components) = match datatype {
            2 => (SampleType::U8, 1),
            4 => (SampleType::I16, 1),
            8 => (SampleType::I32, 1),
            16 => (SampleType::F32, 1),
            64 => (SampleType::F64, 1),
            128 => (SampleType::U8, 3),
            256 => (SampleType::I8, 1),
            512 => (SampleType::U16, 1),
            768 => (SampleType::U32, 1),
            1024 => (SampleType::I64, 1),
            1280 => (SampleType::U64, 1),
            2304 => (SampleType::U8, 4),
            other => {
                let name = match other {
                    1 => "single bits (1)",
                    32 => "complex64 (32)",
                    1536 => "float128 (1536)",
                    1792 => "complex128 (1792)",
                    2048 => "complex256 (2048)",
                    _ => return Err(Fault::malformed(format!("expected a NIfTI datatype, found code {other}"), COPY_AGAIN)),
                };
                let finding = format!("expected integer, float or RGB voxels, found datatype {name}");
                return Err(Fault::unsupported(
                    finding,
                    "store the part that shows the anatomy (for complex images, the magnitude) as float32",
                ));
            }
        };
        Ok(Self { sample, components })
    }
}

/// The scaling of stored numbers: a slope of 0 means none, and so does one that is no number.
fn scale(header: &Header, pixel: &Pixel) -> Option<[f64; 2]> {
    let intercept = if header.intercept.is_finite() { header.intercept } else { 0.0 };
    let scaled = header.slope.is_finite() && header.slope != 0.0 && pixel.components == 1;
    (scaled && (header.slope, intercept) != (1.0, 0.0)).then_some([header.slope, intercept])
}

/// How many bytes lie between the header (the beginning of the voxel file, if that is another) and the voxels.
fn voxel_offset(header: &Header, header_bytes: u64) -> Result<u64, Fault> {
    let offset = header.vox_offset;
    let wrong =
        |what: &str| Err(Fault::malformed(format!("expected voxels at {what}, found vox_offset {offset} in the header"), COPY_AGAIN));
    if !offset.is_finite() || !(0.0..1e15).contains(&offset) {
        return wrong("a byte of the file");
    }
    let offset = offset as u64;
    match (header.detached, offset) {
        (true, offset) => Ok(offset),
        // Writers that leave the field empty put voxels behind the four bytes that follow the header.
        (false, 0) => Ok(4),
        (false, offset) if offset < header_bytes => wrong("a byte after the header"),
        (false, offset) => Ok(offset - header_bytes),
    }
}

/// The file of the voxels beside a header `.hdr`.
fn voxel_file(path: &Path) -> Result<PathBuf, Fault> {
    let candidates = ["img", "img.gz", "IMG"].map(|extension| path.with_extension(extension));
    candidates.iter().find(|candidate| candidate.is_file()).cloned().ok_or_else(|| {
        let finding = format!("expected its voxels in {}, found no such file", candidates[0].display());
        Fault::malformed(finding, "put the .img file beside its .hdr")
    })
}
