//! Numbers as they lie in a file, turned into voxels while they are read.
//!
//! Voxels stream through one slab of about a megabyte, so that reading costs the memory of its result. Nothing is
//! allocated before the size that the header declares is compared with what the file can hold.

use std::io::Read;

use super::fault::{COPY_AGAIN, Fault};

/// How one number is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SampleType {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F32,
    F64,
}

impl SampleType {
    /// Bytes of one number.
    pub(crate) fn size(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }
}

/// Which byte of a number comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ByteOrder {
    Little,
    Big,
}

/// Where the channels of one voxel lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChannelOrder {
    /// One whole volume after another.
    Planar,
    /// The channels of one voxel beside each other.
    Interleaved,
}

/// How the numbers of a whole file are stored.
#[derive(Clone, Debug)]
pub(crate) struct Samples {
    pub(crate) sample: SampleType,
    pub(crate) byte_order: ByteOrder,
    /// `[slope, intercept]`: the voxel is `stored * slope + intercept`.
    pub(crate) scale: Option<[f64; 2]>,
    pub(crate) n_voxels: usize,
    pub(crate) n_channels: usize,
    pub(crate) channel_order: ChannelOrder,
}

/// What the voxels of a file are kept as: numbers of an image, or labels.
pub(crate) trait Voxel: Copy {
    /// # Errors
    /// [`Fault::NotLabels`] if that is what is read, and the number is none.
    fn of(number: f32) -> Result<Self, Fault>;

    /// Appends the numbers in `bytes`, which are stored as `samples` says.
    ///
    /// # Errors
    /// As [`Voxel::of`].
    fn append(samples: &Samples, bytes: &[u8], out: &mut Vec<Self>) -> Result<(), Fault>;
}

impl Voxel for f32 {
    fn of(number: f32) -> Result<Self, Fault> {
        Ok(number)
    }

    fn append(samples: &Samples, bytes: &[u8], out: &mut Vec<Self>) -> Result<(), Fault> {
        samples.convert(bytes, out);
        Ok(())
    }
}

/// How far a stored label may be from a whole number: scaled integers miss it by rounding.
const WHOLE: f32 = 1e-3;

/// A label, read without the detour of an image of numbers, which would take twice the memory.
impl Voxel for u16 {
    fn of(number: f32) -> Result<Self, Fault> {
        let nearest = number.round();
        let is_label = (number - nearest).abs() <= WHOLE && (0.0..=65535.0).contains(&nearest);
        if is_label { Ok(nearest as u16) } else { Err(Fault::NotLabels) }
    }

    fn append(samples: &Samples, bytes: &[u8], out: &mut Vec<Self>) -> Result<(), Fault> {
        if (samples.sample, samples.scale) == (SampleType::U8, None) {
            out.extend(bytes.iter().map(|&byte| u16::from(byte)));
            return Ok(());
        }
        let mut numbers = Vec::with_capacity(bytes.len() / samples.sample.size());
        samples.convert(bytes, &mut numbers);
        // Whole runs of one label are the rule.
        let mut last = (0.0, 0);
        for number in numbers {
            if number != last.0 {
                last = (number, Self::of(number)?);
            }
            out.push(last.1);
        }
        Ok(())
    }
}

/// How much of the file is left for the voxels.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stored {
    /// Bytes as they are.
    Plain { bytes: u64 },
    /// Bytes of a deflate stream (gzip or zlib).
    Deflated { bytes: u64 },
}

/// Deflate cannot expand by more than 1032 : 1; the margin covers headers.
const MOST_EXPANSION: u64 = 1100;
/// Larger images than this are taken for damaged headers: 64 GiB once read.
const MOST_SAMPLES: u64 = 1 << 34;
/// More channels than this are taken for a damaged header.
const MOST_CHANNELS: u64 = 65_535;
/// Bytes that are converted at a time.
const SLAB_BYTES: usize = 1 << 20;

/// The shape `[Z, Y, X]` of up to three file extents (x first), each checked to be at least 1 and their product to fit.
pub(crate) fn checked_shape(extents_xyz: &[i64]) -> Result<[usize; 3], Fault> {
    let mut shape = [1; 3];
    for (axis, &extent) in extents_xyz.iter().enumerate().take(3) {
        let name = ["x", "y", "z"][axis];
        if extent < 1 {
            let finding = format!("expected at least 1 voxel along {name}, found {extent} in the header");
            return Err(Fault::malformed(finding, COPY_AGAIN));
        }
        shape[2 - axis] = usize::try_from(extent).unwrap_or(usize::MAX);
    }
    let voxels = shape.iter().try_fold(1_u64, |product, &extent| product.checked_mul(extent as u64));
    match voxels {
        Some(n) if n <= MOST_SAMPLES => Ok(shape),
        _ => Err(too_large(&format!("{} x {} x {} voxels", shape[2], shape[1], shape[0]))),
    }
}

/// The number of channels that the remaining extents ask for.
pub(crate) fn checked_channels(extents: &[i64]) -> Result<usize, Fault> {
    let mut product = 1_u64;
    for &extent in extents {
        let extent = u64::try_from(extent).ok().filter(|n| *n > 0).ok_or_else(|| {
            Fault::malformed(format!("expected at least 1 channel or time point, found {extent} in the header"), COPY_AGAIN)
        })?;
        product = product.checked_mul(extent).filter(|n| *n <= MOST_CHANNELS).ok_or_else(|| {
            Fault::malformed(format!("expected at most {MOST_CHANNELS} channels, found {extents:?} in the header"), COPY_AGAIN)
        })?;
    }
    Ok(product as usize)
}

fn too_large(what: &str) -> Fault {
    Fault::malformed(format!("expected at most {MOST_SAMPLES} values, found {what} declared in the header"), COPY_AGAIN)
}

impl Samples {
    /// Bytes that the header declares.
    fn declared_bytes(&self) -> Result<u64, Fault> {
        let samples = (self.n_voxels as u64).checked_mul(self.n_channels as u64).filter(|n| *n <= MOST_SAMPLES);
        let samples = samples.ok_or_else(|| too_large(&format!("{} voxels of {} channels", self.n_voxels, self.n_channels)))?;
        Ok(samples * self.sample.size() as u64)
    }

    /// Refuses headers that declare more voxels than the file can hold.
    pub(crate) fn check_size(&self, stored: Stored) -> Result<(), Fault> {
        let needed = self.declared_bytes()?;
        let (most, has) = match stored {
            Stored::Plain { bytes } => (bytes, bytes),
            Stored::Deflated { bytes } => (bytes.saturating_mul(MOST_EXPANSION), bytes),
        };
        if needed <= most {
            return Ok(());
        }
        let how = if matches!(stored, Stored::Plain { .. }) { "" } else { " of compressed data, which cannot expand to that" };
        let finding = format!("expected {needed} bytes of voxels, as its header declares, found {has}{how}");
        Err(Fault::malformed(finding, "the file is cut short or its header is damaged: copy or download it again"))
    }

    /// Bytes of all voxels; call [`Samples::check_size`] first.
    pub(crate) fn n_bytes(&self) -> u64 {
        self.declared_bytes().unwrap_or(u64::MAX)
    }

    /// Refuses headers that declare more voxels than `bytes` of text can hold.
    pub(crate) fn check_text_size(&self, bytes: u64) -> Result<(), Fault> {
        let samples = self.declared_bytes()? / self.sample.size() as u64;
        // A number and what parts it from the next one take two characters at least.
        if samples.saturating_mul(2) <= bytes.saturating_add(1) {
            return Ok(());
        }
        Err(Fault::malformed(format!("expected {samples} numbers, as its header declares, found {bytes} bytes of text"), COPY_AGAIN))
    }

    /// Reads the voxels of every channel, `n_channels` vectors of `n_voxels`.
    ///
    /// Call [`Samples::check_size`] first.
    pub(crate) fn read<V: Voxel>(&self, reader: &mut dyn Read) -> Result<Vec<Vec<V>>, Fault> {
        let (streams, width) = match self.channel_order {
            ChannelOrder::Planar => (self.n_channels, 1),
            ChannelOrder::Interleaved => (1, self.n_channels),
        };
        let pixel_bytes = self.sample.size() * width;
        let slab_voxels = (SLAB_BYTES / pixel_bytes).clamp(1, self.n_voxels.max(1));
        let mut bytes = vec![0; slab_voxels * pixel_bytes];
        let mut converted = Vec::new();
        let mut channels = Vec::with_capacity(self.n_channels);
        for _ in 0..streams {
            let mut group = (0..width).map(|_| reserve(self.n_voxels)).collect::<Result<Vec<Vec<V>>, Fault>>()?;
            let mut left = self.n_voxels;
            while left > 0 {
                let n = left.min(slab_voxels);
                let slab = &mut bytes[..n * pixel_bytes];
                reader.read_exact(slab)?;
                if let [only] = group.as_mut_slice() {
                    V::append(self, slab, only)?;
                } else {
                    converted.clear();
                    V::append(self, slab, &mut converted)?;
                    for (c, channel) in group.iter_mut().enumerate() {
                        channel.extend(converted.iter().copied().skip(c).step_by(width));
                    }
                }
                left -= n;
            }
            channels.append(&mut group);
        }
        Ok(channels)
    }

    /// Reads the voxels from text: numbers parted by white space or commas.
    pub(crate) fn read_text<V: Voxel>(&self, reader: &mut dyn Read) -> Result<Vec<Vec<V>>, Fault> {
        // A number and its separator take two characters at least, sixty-four at most.
        let samples = self.declared_bytes()? / self.sample.size() as u64;
        let mut text = Vec::new();
        reader.take(samples.saturating_mul(64)).read_to_end(&mut text)?;
        let mut channels = (0..self.n_channels).map(|_| Vec::new()).collect::<Vec<Vec<V>>>();
        let tokens = text.split(|b| b.is_ascii_whitespace() || *b == b',').filter(|token| !token.is_empty());
        let mut n = 0_u64;
        for (i, token) in tokens.take(samples as usize).enumerate() {
            let number = std::str::from_utf8(token).ok().and_then(|token| token.parse::<f64>().ok()).ok_or_else(|| {
                Fault::malformed(format!("expected a number, found `{}`", String::from_utf8_lossy(token).escape_debug()), COPY_AGAIN)
            })?;
            let channel = if self.channel_order == ChannelOrder::Planar { i / self.n_voxels } else { i % self.n_channels };
            channels[channel].push(V::of(number as f32)?);
            n += 1;
        }
        if n < samples {
            return Err(Fault::malformed(format!("expected {samples} numbers, as its header declares, found {n}"), COPY_AGAIN));
        }
        Ok(channels)
    }

    /// Appends the numbers in `bytes` to `out`.
    fn convert(&self, bytes: &[u8], out: &mut Vec<f32>) {
        macro_rules! as_type {
            ($number:ty) => {{
                let (chunks, _) = bytes.as_chunks::<{ size_of::<$number>() }>();
                let read = match self.byte_order {
                    ByteOrder::Little => <$number>::from_le_bytes,
                    ByteOrder::Big => <$number>::from_be_bytes,
                };
                match (self.scale, self.byte_order) {
                    (Some([slope, intercept]), _) => out.extend(chunks.iter().map(|b| (read(*b) as f64 * slope + intercept) as f32)),
                    // Written out, so that the common case compiles to vector code instead of calls.
                    (None, ByteOrder::Little) => out.extend(chunks.iter().map(|b| <$number>::from_le_bytes(*b) as f32)),
                    (None, ByteOrder::Big) => out.extend(chunks.iter().map(|b| <$number>::from_be_bytes(*b) as f32)),
                }
            }};
        }
        match self.sample {
            SampleType::U8 => as_type!(u8),
            SampleType::I8 => as_type!(i8),
            SampleType::U16 => as_type!(u16),
            SampleType::I16 => as_type!(i16),
            SampleType::U32 => as_type!(u32),
            SampleType::I32 => as_type!(i32),
            SampleType::U64 => as_type!(u64),
            SampleType::I64 => as_type!(i64),
            SampleType::F32 => as_type!(f32),
            SampleType::F64 => as_type!(f64),
        }
    }
}

/// An empty vector with room for `n` voxels, or an error instead of an abort where memory does not suffice.
fn reserve<V>(n: usize) -> Result<Vec<V>, Fault> {
    let mut voxels = Vec::new();
    voxels.try_reserve_exact(n).map_err(|_| {
        let gib = n as f64 * size_of::<V>() as f64 / f64::from(1 << 30);
        Fault::unsupported(
            format!("its {n} voxels need {gib:.1} GiB, which this machine does not give"),
            "crop the image or use a larger machine",
        )
    })?;
    Ok(voxels)
}
