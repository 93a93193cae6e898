//! Reading NRRD.

use std::{
    io::{BufRead, Read},
    path::Path,
};

use flate2::bufread::MultiGzDecoder;

use super::{
    frame::Frame,
    header::{Encoding, Header},
};
use crate::{
    Rank, Volume,
    io::{
        Grid, SourceHeader,
        fault::Fault,
        header::Source,
        open::{check_end, open, skip},
        samples::{ChannelOrder, Samples, Stored, Voxel, checked_channels, checked_shape},
        text_header::{number, open_beside, read_lines, seek_to_last},
    },
};

/// Reads an image; an axis that is not one of space (`list`, `vector`, `RGB-color`, …) becomes channels.
pub(crate) fn read<V: Voxel>(path: &Path) -> Result<Grid<V>, Fault> {
    let mut opened = open(path)?;
    let (lines, header_bytes) = read_lines(&mut opened.reader, str::is_empty)?;
    let header = Header::parse(&lines)?;
    let axes = Axes::of_header(&header)?;
    let shape = checked_shape(&axes.extents)?;
    let frame = Frame::of_header(&header, &axes.spatial);
    let geometry = frame.geometry(&header, axes.rank, shape)?;
    let (sample, encoding) = (header.sample()?, header.encoding()?);
    let samples = Samples {
        sample,
        byte_order: header.byte_order(sample, encoding)?,
        scale: None,
        n_voxels: shape.iter().product(),
        n_channels: axes.n_channels,
        channel_order: axes.channel_order,
    };
    let mut before = header_bytes;
    if let Some(name) = header.get("data file") {
        if name.starts_with("LIST") || name.contains('%') {
            return Err(Fault::unsupported("expected its voxels in one file, found several", "save the image as one .nrrd file"));
        }
        (opened, before) = (open_beside(path, name)?, 0);
    }
    let line_skip: u64 = header.get("line skip").map_or(Ok(0), |text| number("line skip", text))?;
    for _ in 0..line_skip {
        if opened.reader.skip_until(b'\n')? == 0 {
            break;
        }
    }
    let byte_skip: i64 = header.get("byte skip").map_or(Ok(0), |text| number("byte skip", text))?;
    let channels = match encoding {
        Encoding::Raw => {
            let stored = Stored::Plain { bytes: opened.length.saturating_sub(before) };
            samples.check_size(stored)?;
            match u64::try_from(byte_skip) {
                Ok(n) => skip(&mut opened.reader, n)?,
                // A negative number means that voxels are what the file ends with.
                Err(_) => seek_to_last(&mut opened, samples.n_bytes())?,
            }
            samples.read(&mut opened.reader)?
        }
        Encoding::Gzip => {
            let stored = Stored::Deflated { bytes: opened.length.saturating_sub(before) };
            samples.check_size(stored)?;
            let mut reader = MultiGzDecoder::new(opened.reader);
            skip(&mut reader, u64::try_from(byte_skip).unwrap_or(0))?;
            let channels = samples.read(&mut reader)?;
            check_end(&mut reader, stored)?;
            channels
        }
        Encoding::Text => {
            samples.check_text_size(opened.length.saturating_sub(before))?;
            samples.read_text(&mut opened.reader.by_ref())?
        }
    };
    let channels = channels.into_iter().take(axes.n_kept).map(|voxels| Volume::new(shape, voxels)).collect();
    let header = SourceHeader::new(Source::Nrrd(Box::new(frame)), &geometry);
    Ok(Grid { channels, geometry, header })
}

/// Which axes are of space, and which one holds channels.
struct Axes {
    rank: Rank,
    spatial: Vec<usize>,
    extents: Vec<i64>,
    n_channels: usize,
    /// Fewer than `n_channels` where the last one is opacity.
    n_kept: usize,
    channel_order: ChannelOrder,
}

impl Axes {
    fn of_header(header: &Header) -> Result<Self, Fault> {
        let sizes = header.sizes()?;
        let kinds: Vec<&str> = header.get("kinds").unwrap_or_default().split_whitespace().collect();
        let is_spatial = |axis: usize| match header.space_directions() {
            Some(directions) => directions.get(axis).is_some_and(|entry| !entry.eq_ignore_ascii_case("none")),
            None => match kinds.get(axis) {
                Some(kind) => matches!(*kind, "domain" | "space" | "none" | "???"),
                None => axis < 3,
            },
        };
        let (spatial, others): (Vec<usize>, Vec<usize>) = (0..sizes.len()).partition(|axis| is_spatial(*axis));
        let rank = match spatial.len() {
            2 => Rank::Two,
            3 => Rank::Three,
            n => {
                let finding = format!("expected 2 or 3 axes of space, found {n} (kinds `{}`)", kinds.join(" "));
                return Err(Fault::unsupported(finding, "store one image a file, with `kinds` that tell space from channels"));
            }
        };
        let channel_order = match others.as_slice() {
            [] => ChannelOrder::Planar,
            [0] => ChannelOrder::Interleaved,
            [last] if *last == sizes.len() - 1 => ChannelOrder::Planar,
            _ => {
                let finding = format!("expected one axis of channels, the first or the last, found axes {others:?}");
                return Err(Fault::unsupported(finding, "save the image with its channels last"));
            }
        };
        let n_channels = checked_channels(&others.iter().map(|axis| sizes[*axis]).collect::<Vec<i64>>())?;
        if others.iter().any(|axis| kinds.get(*axis) == Some(&"complex")) {
            return Err(Fault::unsupported("expected real voxels, found complex ones", "store the magnitude"));
        }
        let opacity = others.iter().any(|axis| kinds.get(*axis) == Some(&"RGBA-color")) && n_channels == 4;
        let extents = spatial.iter().map(|axis| sizes[*axis]).collect();
        Ok(Self { rank, spatial, extents, n_channels, n_kept: if opacity { 3 } else { n_channels }, channel_order })
    }
}
