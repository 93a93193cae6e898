//! Soft-max over the channels of each voxel.

use rayon::prelude::*;

/// Voxels that one task handles.
const CHUNK: usize = 4096;

/// Soft-max over the last axis.
///
/// # Shapes
/// - `logits`, `probabilities`: `[.., K]` with `K = channels`
///
/// # Panics
/// If the slices differ in length or are not a multiple of `channels`.
pub fn softmax_channels(channels: usize, logits: &[f32], probabilities: &mut [f32]) {
    assert_eq!(logits.len(), probabilities.len(), "logits and probabilities differ in length");
    assert!(channels > 0 && logits.len().is_multiple_of(channels), "{} logits are no multiple of {channels} channels", logits.len());
    let chunks = logits.par_chunks(CHUNK * channels).zip(probabilities.par_chunks_mut(CHUNK * channels));
    chunks.for_each(|(logits, probabilities)| {
        for (z, p) in logits.chunks_exact(channels).zip(probabilities.chunks_exact_mut(channels)) {
            softmax(z, p);
        }
    });
}

/// Soft-max of one voxel.
pub(crate) fn softmax(logits: &[f32], probabilities: &mut [f32]) {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for (p, &z) in probabilities.iter_mut().zip(logits) {
        *p = (z - highest).exp();
        sum += *p;
    }
    let inv = 1.0 / sum;
    for p in probabilities {
        *p *= inv;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_add_up_to_one_for_any_logits() {
        let logits = [1.0, 2.0, 3.0, 1e4, -1e4, 0.0, -50.0, -50.0, -50.0];
        let mut p = [0.0; 9];
        softmax_channels(3, &logits, &mut p);
        for p in p.chunks(3) {
            assert!((p.iter().sum::<f32>() - 1.0).abs() < 1e-6, "{p:?}");
        }
        assert!((p[2] - 0.665_240_94).abs() < 1e-6, "{p:?}");
        assert_eq!(p[3..6], [1.0, 0.0, 0.0]);
    }
}
