//! MetaImage: `.mha`, and `.mhd` beside its voxels.
//!
//! Source: MetaIO's documentation and `metaImage.cxx` (ITK). `TransformMatrix` holds the direction of one file axis
//! after the other, in left, posterior, superior. Not read: voxels spread over several files.

mod frame;
mod read;
mod write;

pub(crate) use frame::Frame;
pub(crate) use read::read;
pub(crate) use write::{write_image, write_label_map};
