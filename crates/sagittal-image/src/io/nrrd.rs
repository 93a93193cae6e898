//! NRRD: `.nrrd`, and `.nhdr` beside its voxels.
//!
//! Source: "Definition of NRRD File Format" (teem.sourceforge.net/nrrd/format.html). Read: raw, gzip and text encoding;
//! one axis of channels, first or last. Not read: bzip2 and hex encoding, blocks, voxels spread over several files.

mod frame;
mod header;
mod read;
mod write;

pub(crate) use frame::Frame;
pub(crate) use read::read;
pub(crate) use write::{write_image, write_label_map};
