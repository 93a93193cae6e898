//! NIfTI-1 and NIfTI-2: `.nii`, `.nii.gz`, and `.hdr` beside `.img`.
//!
//! Source: the NIfTI-1 and NIfTI-2 header definitions (nifti1.h, nifti2.h; Cox et al. 2004, 2011). Written here and
//! not taken from a library, because headers come from outside and every field needs a checked reading. Not read:
//! complex and 128-bit numbers, single bits, and Analyze 7.5, which does not say left from right.

mod frame;
mod header;
mod read;
mod write;

pub(crate) use frame::Frame;
pub(crate) use read::read;
pub(crate) use write::{Packing, write_image, write_label_map};
