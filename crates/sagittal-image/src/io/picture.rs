//! PNG, JPEG, TIFF, BMP and GIF, by way of the `image` crate: grids without a place in the world.
//!
//! Grey and RGB with 8 or 16 bits, or floats; opacity is dropped, palettes become their colours. A GIF gives its first
//! frame. GIF and BMP know colours only: they count as grey if all their colours are.

use std::path::Path;

use image::{ColorType, DynamicImage, ExtendedColorType, ImageDecoder, ImageEncoder, ImageReader, Limits};

use super::{
    Format, SourceHeader, atomic,
    fault::{COPY_AGAIN, Fault},
    open::open,
};
use crate::{Geometry, Image, Volume};

mod tiff_pages;

/// Bytes that a decoder may allocate; four of the largest microscopy tiles that are usual.
const MOST_BYTES: u64 = 4 << 30;
/// The longest side that is read.
const MOST_SIDE: u32 = 1 << 17;

/// Reads a picture.
pub(super) fn read(path: &Path, format: Format) -> Result<Image, Fault> {
    let mut opened = open(path)?;
    if format == Format::Tiff {
        tiff_pages::check_single(&mut opened.reader)?;
    }
    let mut reader = ImageReader::new(opened.reader).with_guessed_format()?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(MOST_BYTES);
    limits.max_image_width = Some(MOST_SIDE);
    limits.max_image_height = Some(MOST_SIDE);
    reader.limits(limits);
    if reader.format().is_none() {
        return Err(Fault::malformed(format!("expected a {} picture, found other content", format.extension()), COPY_AGAIN));
    }
    let decoder = reader.into_decoder().map_err(fault)?;
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        return Err(Fault::malformed(format!("expected at least one pixel, found {width} x {height}"), COPY_AGAIN));
    }
    // Deflate, run lengths and JPEG blocks all stay below this expansion; a header that asks for more is damaged.
    if decoder.total_bytes() / 20_000 > opened.length {
        let finding = format!("expected a picture that {} bytes can hold, found {width} x {height} pixels declared", opened.length);
        return Err(Fault::malformed(finding, COPY_AGAIN));
    }
    let picture = DynamicImage::from_decoder(decoder).map_err(fault)?;
    let mut channels = channels(picture, [1, height as usize, width as usize]);
    if matches!(format, Format::Gif | Format::Bmp) && channels.windows(2).all(|pair| pair[0] == pair[1]) {
        channels.truncate(1);
    }
    Ok(Image { channels, geometry: Geometry::picture([height as usize, width as usize]), header: SourceHeader::default() })
}

fn fault(error: image::ImageError) -> Fault {
    // Some decoders say it on several lines.
    let said = error.to_string().split_whitespace().collect::<Vec<&str>>().join(" ");
    match error {
        image::ImageError::IoError(error) => Fault::Io(error),
        image::ImageError::Unsupported(_) => {
            Fault::unsupported(format!("its kind of picture is not supported ({said})"), "save it as grey or RGB with 8 or 16 bits")
        }
        image::ImageError::Limits(_) => {
            Fault::unsupported(format!("expected at most {MOST_SIDE} pixels a side and 4 GiB, found more ({said})"), "cut it into tiles")
        }
        _ => Fault::malformed(format!("the picture is damaged ({said})"), COPY_AGAIN),
    }
}

/// One volume per colour, without opacity.
fn channels(picture: DynamicImage, shape: [usize; 3]) -> Vec<Volume<f32>> {
    let grey = matches!(picture.color(), ColorType::L8 | ColorType::La8 | ColorType::L16 | ColorType::La16);
    let stored = picture.color().channel_count() as usize;
    let kept = if grey { 1 } else { 3 };
    let part = |voxels: &dyn Fn(usize) -> Vec<f32>| (0..kept).map(|c| Volume::new(shape, voxels(c))).collect();
    match &picture {
        DynamicImage::ImageLuma8(_) | DynamicImage::ImageLumaA8(_) | DynamicImage::ImageRgb8(_) | DynamicImage::ImageRgba8(_) => {
            let samples = picture.as_bytes();
            part(&|c| samples[c..].iter().step_by(stored).map(|v| f32::from(*v)).collect())
        }
        DynamicImage::ImageLuma16(p) => part(&|c| p.as_raw()[c..].iter().step_by(stored).map(|v| f32::from(*v)).collect()),
        DynamicImage::ImageLumaA16(p) => part(&|c| p.as_raw()[c..].iter().step_by(stored).map(|v| f32::from(*v)).collect()),
        DynamicImage::ImageRgb16(p) => part(&|c| p.as_raw()[c..].iter().step_by(stored).map(|v| f32::from(*v)).collect()),
        DynamicImage::ImageRgba16(p) => part(&|c| p.as_raw()[c..].iter().step_by(stored).map(|v| f32::from(*v)).collect()),
        _ => {
            let p = picture.to_rgb32f();
            part(&|c| p.as_raw()[c..].iter().step_by(3).copied().collect())
        }
    }
}

/// Writes labels as grey values.
pub(super) fn write_label_map(path: &Path, format: Format, labels: &Volume<u16>) -> Result<(), Fault> {
    let most = labels.voxels().iter().copied().max().unwrap_or(0);
    let values = labels.voxels();
    encode(path, format, labels.shape(), 1, most, &|i| values[i])
}

/// Writes one grey or three colour channels whose voxels are whole numbers.
pub(super) fn write_image(path: &Path, format: Format, channels: &[Volume<f32>]) -> Result<(), Fault> {
    if !matches!(channels.len(), 1 | 3) {
        let finding = format!("expected one channel (grey) or three (red, green, blue) for a picture, found {}", channels.len());
        return Err(Fault::unsupported(finding, "write .nii.gz instead"));
    }
    let mut most = 0.0_f32;
    for &value in channels.iter().flat_map(|channel| channel.voxels()) {
        if !(value.fract() == 0.0 && (0.0..=65535.0).contains(&value)) {
            let finding = format!("expected whole numbers from 0 to 65535 for a picture, found {value}");
            return Err(Fault::unsupported(finding, "write .nii.gz instead, or scale and round the values"));
        }
        most = most.max(value);
    }
    let n = channels.len();
    encode(path, format, channels[0].shape(), n, most as u16, &|i| channels[i % n].voxels()[i / n] as u16)
}

/// Encodes `value(i)`, channels interleaved, with 8 bits if `most` fits.
fn encode(path: &Path, format: Format, shape: [usize; 3], n_channels: usize, most: u16, value: &dyn Fn(usize) -> u16) -> Result<(), Fault> {
    let [z, y, x] = shape;
    let sides = u32::try_from(x).ok().zip(u32::try_from(y).ok()).filter(|_| z == 1);
    let Some((width, height)) = sides else {
        return Err(Fault::unsupported(format!("expected one slice for a picture, found {x} x {y} x {z} voxels"), "write .nii.gz instead"));
    };
    let wide = most > 255;
    if wide && matches!(format, Format::Bmp | Format::Gif) {
        let finding = format!("expected values up to 255 for a {} picture, found {most}", format.extension());
        return Err(Fault::unsupported(finding, "write .png or .tif instead, which hold values up to 65535"));
    }
    let n = x * y * n_channels;
    // The encoders take wide samples in the machine's byte order.
    let bytes: Vec<u8> =
        if wide { (0..n).flat_map(|i| value(i).to_ne_bytes()).collect() } else { (0..n).map(|i| value(i) as u8).collect() };
    let color = match (n_channels, wide) {
        (1, false) => ExtendedColorType::L8,
        (1, true) => ExtendedColorType::L16,
        (_, false) => ExtendedColorType::Rgb8,
        (_, true) => ExtendedColorType::Rgb16,
    };
    // The TIFF encoder goes back to fill in offsets, hence a buffer in memory for all of them.
    let mut file = std::io::Cursor::new(Vec::new());
    let encoded = match format {
        Format::Png => image::codecs::png::PngEncoder::new(&mut file).write_image(&bytes, width, height, color),
        Format::Tiff => image::codecs::tiff::TiffEncoder::new(&mut file).write_image(&bytes, width, height, color),
        Format::Bmp => image::codecs::bmp::BmpEncoder::new(&mut file).write_image(&bytes, width, height, color),
        _ => return encode_gif(path, &bytes, width, height),
    };
    encoded.map_err(fault)?;
    atomic::write(path, |out| Ok(std::io::Write::write_all(out, file.get_ref())?))
}

/// A GIF whose palette entry `v` is the grey value `v`, so that indices and colours both are the labels.
fn encode_gif(path: &Path, values: &[u8], width: u32, height: u32) -> Result<(), Fault> {
    let sides = u16::try_from(width).ok().zip(u16::try_from(height).ok());
    let Some((width, height)) = sides else {
        return Err(Fault::unsupported(
            format!("expected at most 65535 pixels a side for a GIF, found {width} x {height}"),
            "write .png instead",
        ));
    };
    let palette: Vec<u8> = (0..=255).flat_map(|grey| [grey; 3]).collect();
    let damaged = |error: gif::EncodingError| Fault::Io(std::io::Error::other(error));
    atomic::write(path, |out| {
        let mut encoder = gif::Encoder::new(out, width, height, &palette).map_err(damaged)?;
        let frame = gif::Frame { width, height, buffer: values.into(), ..gif::Frame::default() };
        encoder.write_frame(&frame).map_err(damaged)
    })
}
