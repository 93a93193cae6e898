//! The bytes of a NIfTI header, as fields.

use super::frame::{Frame, Version};
use crate::io::{
    fault::{COPY_AGAIN, Fault},
    open::excerpt,
    samples::ByteOrder,
};

/// Bytes of the NIfTI-1 header.
pub(super) const SIZE_1: usize = 348;
/// Bytes of the NIfTI-2 header.
pub(super) const SIZE_2: usize = 540;

/// A header's fields that this crate uses.
#[derive(Clone, Debug)]
pub(super) struct Header {
    pub(super) byte_order: ByteOrder,
    /// Whether the voxels lie in a file of their own.
    pub(super) detached: bool,
    /// `dim[0]` axes, then their extents, x first.
    pub(super) dim: [i64; 8],
    pub(super) datatype: i32,
    /// Where the voxels begin, in bytes.
    pub(super) vox_offset: f64,
    pub(super) slope: f64,
    pub(super) intercept: f64,
    pub(super) frame: Frame,
}

/// Numbers at places in a header.
struct Fields<'a> {
    bytes: &'a [u8; SIZE_2],
    byte_order: ByteOrder,
}

impl Fields<'_> {
    fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut field = [0; N];
        field.copy_from_slice(&self.bytes[at..at + N]);
        if self.byte_order == ByteOrder::Big {
            field.reverse();
        }
        field
    }
    fn i16(&self, at: usize) -> i64 {
        i16::from_le_bytes(self.array(at)).into()
    }
    fn i32(&self, at: usize) -> i32 {
        i32::from_le_bytes(self.array(at))
    }
    fn i64(&self, at: usize) -> i64 {
        i64::from_le_bytes(self.array(at))
    }
    fn f32(&self, at: usize) -> f64 {
        f32::from_le_bytes(self.array(at)).into()
    }
    fn f64(&self, at: usize) -> f64 {
        f64::from_le_bytes(self.array(at))
    }
}

/// Which version and byte order the first bytes tell.
///
/// # Errors
/// If they are no NIfTI header's.
pub(super) fn recognise(beginning: &[u8]) -> Result<(Version, ByteOrder), Fault> {
    let size = beginning.first_chunk::<4>().map(|b| (i32::from_le_bytes(*b), i32::from_be_bytes(*b)));
    match size {
        Some((348, _)) => Ok((Version::One, ByteOrder::Little)),
        Some((_, 348)) => Ok((Version::One, ByteOrder::Big)),
        Some((540, _)) => Ok((Version::Two, ByteOrder::Little)),
        Some((_, 540)) => Ok((Version::Two, ByteOrder::Big)),
        _ => {
            let finding = format!("expected a NIfTI header, which begins with the number 348 or 540, found {}", excerpt(beginning));
            Err(Fault::malformed(finding, "copy or download the file again, or give it the extension of what it is"))
        }
    }
}

impl Header {
    /// Takes the fields out of a header, whose unused end is zero for NIfTI-1.
    ///
    /// # Errors
    /// If the magic word is not NIfTI's.
    pub(super) fn parse(bytes: &[u8; SIZE_2], version: Version, byte_order: ByteOrder) -> Result<Self, Fault> {
        let fields = Fields { bytes, byte_order };
        let magic: &[u8] = if version == Version::One { &bytes[344..348] } else { &bytes[4..8] };
        let detached = match magic {
            b"n+1\0" | b"n+2\0" => false,
            b"ni1\0" | b"ni2\0" => true,
            [0, 0, 0, 0] => {
                let finding =
                    "expected the magic word `n+1` of NIfTI, found none: this is an Analyze 7.5 image, which does not say left from right";
                return Err(Fault::unsupported(finding, "convert it to NIfTI with the program it came from"));
            }
            other => {
                let finding = format!("expected the magic word `n+1` or `n+2` of NIfTI, found {other:02x?}");
                return Err(Fault::malformed(finding, COPY_AGAIN));
            }
        };
        let frame = match version {
            Version::One => Frame {
                version,
                pixdim: std::array::from_fn(|i| fields.f32(76 + 4 * i)),
                qform_code: fields.i16(252) as i32,
                sform_code: fields.i16(254) as i32,
                quatern: std::array::from_fn(|i| fields.f32(256 + 4 * i)),
                qoffset: std::array::from_fn(|i| fields.f32(268 + 4 * i)),
                srow: std::array::from_fn(|r| std::array::from_fn(|c| fields.f32(280 + 16 * r + 4 * c))),
                xyzt_units: bytes[123].into(),
            },
            Version::Two => Frame {
                version,
                pixdim: std::array::from_fn(|i| fields.f64(104 + 8 * i)),
                qform_code: fields.i32(344),
                sform_code: fields.i32(348),
                quatern: std::array::from_fn(|i| fields.f64(352 + 8 * i)),
                qoffset: std::array::from_fn(|i| fields.f64(376 + 8 * i)),
                srow: std::array::from_fn(|r| std::array::from_fn(|c| fields.f64(400 + 32 * r + 8 * c))),
                xyzt_units: fields.i32(500),
            },
        };
        Ok(match version {
            Version::One => Self {
                byte_order,
                detached,
                dim: std::array::from_fn(|i| fields.i16(40 + 2 * i)),
                datatype: fields.i16(70) as i32,
                vox_offset: fields.f32(108),
                slope: fields.f32(112),
                intercept: fields.f32(116),
                frame,
            },
            Version::Two => Self {
                byte_order,
                detached,
                dim: std::array::from_fn(|i| fields.i64(16 + 8 * i)),
                datatype: fields.i16(12) as i32,
                vox_offset: fields.i64(168) as f64,
                slope: fields.f64(176),
                intercept: fields.f64(184),
                frame,
            },
        })
    }
}
