//! Voxels as bytes of a file, little endian.

use std::io::{Result, Write};

use super::samples::SampleType;
use crate::Volume;

/// Speed against size; higher levels cost several times the time for a few percent.
pub(crate) const COMPRESSION: u32 = 4;
/// Voxels that are turned into bytes at a time.
const SLAB_VOXELS: usize = 1 << 16;

/// `u8` if it holds every label and 255 stays free, as nnU-Net writes them; else `u16`.
pub(crate) fn label_type(labels: &Volume<u16>) -> SampleType {
    if labels.voxels().iter().all(|label| *label < 255) { SampleType::U8 } else { SampleType::U16 }
}

/// Writes labels as `u8` or `u16`.
pub(crate) fn write_labels(out: &mut dyn Write, labels: &Volume<u16>, sample: SampleType) -> Result<()> {
    if sample == SampleType::U8 {
        write(out, labels.voxels(), |label| [*label as u8])
    } else {
        write(out, labels.voxels(), |label| label.to_le_bytes())
    }
}

/// Writes voxels as float32.
pub(crate) fn write_floats(out: &mut dyn Write, voxels: &[f32]) -> Result<()> {
    write(out, voxels, |voxel| voxel.to_le_bytes())
}

/// Writes channels as float32, those of one voxel beside each other.
pub(crate) fn write_interleaved(out: &mut dyn Write, channels: &[Volume<f32>]) -> Result<()> {
    if let [only] = channels {
        return write_floats(out, only.voxels());
    }
    let n_voxels = channels.first().map_or(0, |channel| channel.voxels().len());
    let mut bytes = Vec::with_capacity(SLAB_VOXELS.min(n_voxels) * channels.len() * size_of::<f32>());
    for start in (0..n_voxels).step_by(SLAB_VOXELS) {
        bytes.clear();
        for i in start..(start + SLAB_VOXELS).min(n_voxels) {
            channels.iter().for_each(|channel| bytes.extend_from_slice(&channel.voxels()[i].to_le_bytes()));
        }
        out.write_all(&bytes)?;
    }
    Ok(())
}

fn write<T, const N: usize>(out: &mut dyn Write, voxels: &[T], to_bytes: impl Fn(&T) -> [u8; N]) -> Result<()> {
    let mut bytes = Vec::with_capacity(SLAB_VOXELS.min(voxels.len()) * N);
    for slab in voxels.chunks(SLAB_VOXELS) {
        bytes.clear();
        slab.iter().for_each(|voxel| bytes.extend_from_slice(&to_bytes(voxel)));
        out.write_all(&bytes)?;
    }
    Ok(())
}
