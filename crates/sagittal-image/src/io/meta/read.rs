//! Reading MetaImage.

use std::{
    io::{BufRead, Read},
    path::Path,
};

use flate2::bufread::{MultiGzDecoder, ZlibDecoder};

use super::frame::{Fields, Frame};
use crate::{
    Rank, Volume,
    io::{
        Grid, SourceHeader,
        fault::{COPY_AGAIN, Fault},
        header::Source,
        open::{check_end, excerpt, open, skip},
        samples::{ByteOrder, ChannelOrder, SampleType, Samples, Stored, Voxel, checked_channels, checked_shape},
        text_header::{number, open_beside, read_lines, seek_to_last},
    },
};

/// Reads an image; the fourth axis becomes channels, and so do the components of a voxel.
pub(crate) fn read<V: Voxel>(path: &Path) -> Result<Grid<V>, Fault> {
    let mut opened = open(path)?;
    let (lines, header_bytes) = read_lines(&mut opened.reader, |line| line.starts_with("ElementDataFile"))?;
    let fields = parse(&lines)?;
    let extents = extents(&fields)?;
    let shape = checked_shape(&extents)?;
    let rank = if extents.len() == 2 { Rank::Two } else { Rank::Three };
    let frame = Frame::of_header(&fields);
    let geometry = frame.geometry(extents.len(), rank, shape)?;
    let samples = samples(&fields, &extents, shape)?;
    let data_file = require(&fields, "ElementDataFile")?;
    let mut before = header_bytes;
    if data_file.starts_with("LIST") || data_file.contains('%') {
        return Err(Fault::unsupported("expected its voxels in one file, found several", "save the image as one .mha file"));
    }
    if !data_file.eq_ignore_ascii_case("LOCAL") {
        (opened, before) = (open_beside(path, data_file)?, 0);
    }
    let available = opened.length.saturating_sub(before);
    let header_size: i64 = fields.get("HeaderSize").map_or(Ok(0), |text| number("HeaderSize", text))?;
    let channels = if flag(&fields, &["CompressedData"], false)? {
        let stored = Stored::Deflated { bytes: available };
        samples.check_size(stored)?;
        let is_gzip = opened.reader.fill_buf()?.starts_with(&[0x1f, 0x8b]);
        let mut reader: Box<dyn Read> =
            if is_gzip { Box::new(MultiGzDecoder::new(opened.reader)) } else { Box::new(ZlibDecoder::new(opened.reader)) };
        let channels = samples.read(&mut reader)?;
        check_end(&mut reader, stored)?;
        channels
    } else if flag(&fields, &["BinaryData"], true)? {
        samples.check_size(Stored::Plain { bytes: available })?;
        match u64::try_from(header_size) {
            Ok(n) => skip(&mut opened.reader, n)?,
            // A negative number means that voxels are what the file ends with.
            Err(_) => seek_to_last(&mut opened, samples.n_bytes())?,
        }
        samples.read(&mut opened.reader)?
    } else {
        samples.check_text_size(available)?;
        samples.read_text(&mut opened.reader)?
    };
    let channels = channels.into_iter().map(|voxels| Volume::new(shape, voxels)).collect();
    // Fields of four axes place no volume of three.
    let header = if extents.len() <= 3 { SourceHeader::new(Source::Meta(Box::new(frame)), &geometry) } else { SourceHeader::default() };
    Ok(Grid { channels, geometry, header })
}

fn parse(lines: &[String]) -> Result<Fields, Fault> {
    let fields: Fields = lines
        .iter()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
        .collect();
    if !fields.contains_key("NDims") {
        let beginning = lines.first().map_or("", String::as_str);
        let finding = format!("expected a MetaImage header with `NDims = `, found {}", excerpt(beginning.as_bytes()));
        return Err(Fault::malformed(finding, "copy or download the file again, or give it the extension of what it is"));
    }
    Ok(fields)
}

fn require<'a>(fields: &'a Fields, name: &str) -> Result<&'a str, Fault> {
    let found = fields.get(name).map(String::as_str);
    found.ok_or_else(|| Fault::malformed(format!("expected `{name} = ` in the header, found none"), COPY_AGAIN))
}

/// Voxels along each axis, x first.
fn extents(fields: &Fields) -> Result<Vec<i64>, Fault> {
    let n_dims: usize = number("NDims", require(fields, "NDims")?)?;
    if !(2..=4).contains(&n_dims) {
        return Err(Fault::unsupported(format!("expected 2 to 4 axes, found NDims = {n_dims}"), "store one image of 2 or 3 axes a file"));
    }
    let sizes = require(fields, "DimSize")?.split_whitespace().map(|size| number("DimSize", size)).collect::<Result<Vec<i64>, Fault>>()?;
    if sizes.len() != n_dims {
        return Err(Fault::malformed(format!("expected {n_dims} numbers in DimSize, as NDims says, found {}", sizes.len()), COPY_AGAIN));
    }
    Ok(sizes)
}

fn samples(fields: &Fields, extents: &[i64], shape: [usize; 3]) -> Result<Samples, Fault> {
    let name = require(fields, "ElementType")?;
    let sample = match name.trim_end_matches("_ARRAY") {
        "MET_CHAR" => SampleType::I8,
        "MET_UCHAR" => SampleType::U8,
        "MET_SHORT" => SampleType::I16,
        "MET_USHORT" => SampleType::U16,
        // MetaIO's `long` has four bytes on every machine.
        "MET_INT" | "MET_LONG" => SampleType::I32,
        "MET_UINT" | "MET_ULONG" => SampleType::U32,
        "MET_LONG_LONG" => SampleType::I64,
        "MET_ULONG_LONG" => SampleType::U64,
        "MET_FLOAT" => SampleType::F32,
        "MET_DOUBLE" => SampleType::F64,
        other => {
            let finding = format!("expected an integer or float ElementType, found `{}`", other.escape_debug());
            return Err(Fault::unsupported(finding, "store the image as MET_SHORT or MET_FLOAT"));
        }
    };
    let components: i64 = fields.get("ElementNumberOfChannels").map_or(Ok(1), |text| number("ElementNumberOfChannels", text))?;
    let volumes = checked_channels(&extents[extents.len().min(3)..])?;
    let components = checked_channels(&[components])?;
    if volumes > 1 && components > 1 {
        let finding = format!("expected channels either on a fourth axis or in a voxel, found {volumes} and {components}");
        return Err(Fault::unsupported(finding, "store each time point as a file of its own"));
    }
    let big_endian = flag(fields, &["BinaryDataByteOrderMSB", "ElementByteOrderMSB"], false)?;
    Ok(Samples {
        sample,
        byte_order: if big_endian { ByteOrder::Big } else { ByteOrder::Little },
        scale: None,
        n_voxels: shape.iter().product(),
        n_channels: volumes * components,
        channel_order: if components > 1 { ChannelOrder::Interleaved } else { ChannelOrder::Planar },
    })
}

/// A field that is true or false, under the first of its names that the header has.
fn flag(fields: &Fields, names: &[&str], default: bool) -> Result<bool, Fault> {
    let Some((name, text)) = names.iter().find_map(|name| fields.get(*name).map(|text| (name, text))) else {
        return Ok(default);
    };
    match text.to_ascii_lowercase().as_str() {
        "true" | "t" | "1" => Ok(true),
        "false" | "f" | "0" => Ok(false),
        other => {
            Err(Fault::malformed(format!("expected True or False in the header's `{name}`, found `{}`", other.escape_debug()), COPY_AGAIN))
        }
    }
}
