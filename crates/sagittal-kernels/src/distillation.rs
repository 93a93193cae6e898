//! How far logits are from a teacher's, with the gradient: by regression on the logits themselves (Ba and Caruana 2014), or
//! on probabilities at a temperature (Hinton, Vinyals and Dean 2015).
//!
//! Logits of classes that exclude each other are only known up to a number that all of a voxel share, because the soft-max
//! does not see it. Their mean over the classes is therefore taken off both sides before they are compared; the gradient is
//! centred by itself then. Logits of regions, each with a sigmoid, are compared as they are.

pub mod naive;
#[cfg(test)]
mod tests;

use crate::softmax::softmax;
use rayon::prelude::*;

/// Voxels that one task handles: fixed, so that sums do not depend on the threads.
const CHUNK: usize = 4096;

/// What of a teacher's logits a student is compared with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Lesson {
    /// The logits: half the squared distance, summed over the outputs, in the mean over voxels.
    Logits,
    /// Probabilities of logits that were divided by the temperature: the Kullback-Leibler divergence of the student's from the
    /// teacher's, times the temperature squared, so that gradients keep their size whatever it is; of regions the mean over
    /// them. In the mean over voxels.
    SoftTargets {
        /// Above 0.
        temperature: f32,
    },
}

/// What the outputs of a network are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputKind {
    /// Classes that exclude each other.
    Classes,
    /// Regions that may overlap.
    Regions,
}

/// What a teacher's logits ask of a student: centred logits, or probabilities.
///
/// # Shapes
/// - `logits`, result: `[V, K]`
///
/// # Panics
/// If the logits are not those of whole voxels.
pub fn lesson_targets(logits: &[f32], n_outputs: usize, lesson: Lesson, kind: OutputKind) -> Vec<f32> {
    assert_eq!(logits.len() % n_outputs, 0, "a teacher's logits of {n_outputs} outputs");
    let mut targets = logits.to_vec();
    targets.par_chunks_mut(CHUNK * n_outputs).for_each(|chunk| {
        let mut logits = vec![0.0; n_outputs];
        for voxel in chunk.chunks_exact_mut(n_outputs) {
            match (lesson, kind) {
                (Lesson::Logits, OutputKind::Classes) => centre(voxel),
                (Lesson::Logits, OutputKind::Regions) => {}
                (Lesson::SoftTargets { temperature }, OutputKind::Classes) => {
                    logits.iter_mut().zip(&*voxel).for_each(|(scaled, logit)| *scaled = logit / temperature);
                    softmax(&logits, voxel);
                }
                (Lesson::SoftTargets { temperature }, OutputKind::Regions) => {
                    voxel.iter_mut().for_each(|logit| *logit = sigmoid(*logit / temperature));
                }
            }
        }
    });
    targets
}

/// Takes the mean off.
fn centre(voxel: &mut [f32]) {
    let mean = voxel.iter().sum::<f32>() / voxel.len() as f32;
    voxel.iter_mut().for_each(|logit| *logit -= mean);
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// `ln(1 + exp(x))` without overflow.
fn softplus(x: f32) -> f32 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// `p ln p`, 0 at 0.
fn entropy_term(p: f32) -> f32 {
    if p > 0.0 { p * p.ln() } else { 0.0 }
}

/// The loss of a student's logits, times `scale`, and its gradient.
///
/// # Shapes
/// - `logits`, `d_logits`: `[V, K]`; `targets`: `[V, K]`, made by [`lesson_targets`], or means of such
/// - `counted`: `[V]`, which voxels take part; all of them where there is none
///
/// # Panics
/// If the lengths differ.
pub fn distillation(
    logits: &[f32],
    targets: &[f32],
    counted: Option<&[bool]>,
    n_outputs: usize,
    lesson: Lesson,
    kind: OutputKind,
    scale: f32,
    d_logits: &mut [f32],
) -> f64 {
    let n_voxels = logits.len() / n_outputs;
    assert_eq!((logits.len(), targets.len()), (n_voxels * n_outputs, n_voxels * n_outputs), "logits of student and teacher");
    assert_eq!(d_logits.len(), logits.len(), "gradient of the logits");
    assert!(counted.is_none_or(|counted| counted.len() == n_voxels), "voxels that count");
    let n_counted = counted.map_or(n_voxels, |counted| counted.iter().filter(|counts| **counts).count());
    let factor = scale / n_counted.max(1) as f32;
    let of_chunk = |index: usize, d_logits: &mut [f32], logits: &[f32], targets: &[f32]| {
        let mut sum = 0.0;
        let mut scaled = vec![0.0; n_outputs];
        let voxels = d_logits.chunks_exact_mut(n_outputs).zip(logits.chunks_exact(n_outputs)).zip(targets.chunks_exact(n_outputs));
        for (v, ((d_z, z), target)) in voxels.enumerate() {
            if counted.is_some_and(|counted| !counted[index * CHUNK + v]) {
                d_z.fill(0.0);
                continue;
            }
            sum += f64::from(match lesson {
                Lesson::Logits => squared(z, target, kind, factor, d_z),
                Lesson::SoftTargets { temperature } => divergence(z, target, kind, temperature, factor, &mut scaled, d_z),
            });
        }
        sum
    };
    let sums: Vec<f64> = d_logits
        .par_chunks_mut(CHUNK * n_outputs)
        .zip(logits.par_chunks(CHUNK * n_outputs))
        .zip(targets.par_chunks(CHUNK * n_outputs))
        .enumerate()
        .map(|(index, ((d_logits, logits), targets))| of_chunk(index, d_logits, logits, targets))
        .collect();
    f64::from(scale) * sums.iter().sum::<f64>() / n_counted.max(1) as f64
}

/// Half the squared distance of one voxel; `d_z = factor (z - target)`, both centred where they are classes.
fn squared(z: &[f32], target: &[f32], kind: OutputKind, factor: f32, d_z: &mut [f32]) -> f32 {
    d_z.copy_from_slice(z);
    if kind == OutputKind::Classes {
        centre(d_z);
    }
    let mut sum = 0.0;
    for (d_z, target) in d_z.iter_mut().zip(target) {
        let difference = *d_z - target;
        sum += difference * difference;
        *d_z = factor * difference;
    }
    0.5 * sum
}

/// The divergence of one voxel, times the temperature squared; `d_z = factor temperature (q - p)`.
fn divergence(z: &[f32], target: &[f32], kind: OutputKind, temperature: f32, factor: f32, scaled: &mut [f32], d_z: &mut [f32]) -> f32 {
    scaled.iter_mut().zip(z).for_each(|(scaled, logit)| *scaled = logit / temperature);
    let mut sum = 0.0;
    match kind {
        OutputKind::Classes => {
            softmax(scaled, d_z);
            let highest = scaled.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let log_sum = highest + scaled.iter().map(|logit| (logit - highest).exp()).sum::<f32>().ln();
            for ((q, &p), &logit) in d_z.iter_mut().zip(target).zip(&*scaled) {
                sum += entropy_term(p) - p * (logit - log_sum);
                *q = factor * temperature * (*q - p);
            }
        }
        OutputKind::Regions => {
            let share = 1.0 / z.len() as f32;
            for ((d_z, &p), &logit) in d_z.iter_mut().zip(target).zip(&*scaled) {
                // ln q = -softplus(-z), ln(1 - q) = -softplus(z)
                let cross = p * softplus(-logit) + (1.0 - p) * softplus(logit);
                sum += share * (entropy_term(p) + entropy_term(1.0 - p) + cross);
                *d_z = share * factor * temperature * (sigmoid(logit) - p);
            }
        }
    }
    temperature * temperature * sum
}

/// Targets on a coarser grid: of each coarse voxel the mean of the fine ones in it that count, which is what the coarse logits
/// of least loss over all of them are; and which coarse voxels count.
///
/// # Shapes
/// - `targets`: `[N, Z, Y, X, K]` of `size`; `counted`: `[N, Z, Y, X]`; results on the grid `coarse`
///
/// # Panics
/// If the coarse grid does not divide the fine one, or a length does not fit.
pub fn pool_targets(
    targets: &[f32],
    counted: Option<&[bool]>,
    n_outputs: usize,
    size: [usize; 3],
    coarse: [usize; 3],
) -> (Vec<f32>, Option<Vec<bool>>) {
    assert!((0..3).all(|axis| size[axis].is_multiple_of(coarse[axis])), "the grid {coarse:?} does not divide {size:?}");
    let n_voxels: usize = size.iter().product();
    let n_samples = targets.len() / (n_voxels * n_outputs);
    assert_eq!(targets.len(), n_samples * n_voxels * n_outputs, "targets on {size:?}");
    let step: [usize; 3] = std::array::from_fn(|axis| size[axis] / coarse[axis]);
    let n_coarse: usize = coarse.iter().product();
    let (mut pooled, mut n_in) = (vec![0.0; n_samples * n_coarse * n_outputs], vec![0u32; n_samples * n_coarse]);
    for voxel in 0..n_samples * n_voxels {
        if counted.is_some_and(|counted| !counted[voxel]) {
            continue;
        }
        let (sample, v) = (voxel / n_voxels, voxel % n_voxels);
        let at = [v / (size[1] * size[2]), v / size[2] % size[1], v % size[2]];
        let to = (0..3).fold(sample, |index, axis| index * coarse[axis] + at[axis] / step[axis]);
        n_in[to] += 1;
        let sums = pooled[to * n_outputs..][..n_outputs].iter_mut();
        sums.zip(&targets[voxel * n_outputs..][..n_outputs]).for_each(|(sum, target)| *sum += target);
    }
    for (voxel, &n) in pooled.chunks_exact_mut(n_outputs).zip(&n_in) {
        voxel.iter_mut().for_each(|sum| *sum /= n.max(1) as f32);
    }
    (pooled, counted.map(|_| n_in.iter().map(|n| *n > 0).collect()))
}
