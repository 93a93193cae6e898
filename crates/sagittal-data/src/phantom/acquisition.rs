//! What a machine makes of a scene: finite voxels, uneven gain, noise.
//!
//! * Partial volume: a voxel's signal is the mean over `3 x 3 x 3` points inside it; its label is the one that fills most of it.
//! * Bias field: a smooth gain `exp(b)`, from the uneven sensitivity of receiver coils.
//! * Rician noise: the magnitude of a complex signal with normal noise in both parts (Gudbjartsson and Patz 1995).

use rand_chacha::ChaCha8Rng;
use sagittal_image::Volume;

use super::{between, normal, smooth_field::SmoothField};

/// Points per voxel along each axis. Odd, so that a voxel on a flat border has a majority.
const POINTS: usize = 3;

/// What is at a point: how bright, and which label.
#[derive(Clone, Copy)]
pub(super) struct Material {
    /// Signal, 1 = white matter.
    pub(super) signal: f64,
    /// 0 = background.
    pub(super) label: u16,
}

/// The faults of one acquisition.
pub(super) struct Acquisition {
    bias: SmoothField,
    bias_strength: f64,
    noise_sd: f64,
    gain: f64,
}

impl Acquisition {
    /// Draws the faults. Scanners differ by orders of magnitude in the unit of their signal, hence the range of the gain.
    pub(super) fn sample(rng: &mut ChaCha8Rng) -> Self {
        Self {
            bias: SmoothField::sample(rng, 40.0),
            bias_strength: between(rng, 0.1, 0.25),
            noise_sd: between(rng, 0.025, 0.055),
            gain: (between(rng, 60f64.ln(), 4000f64.ln())).exp(),
        }
    }

    /// Photographs `scene`, which maps a point (right, anterior, superior; mm from the centre) to its material, on a grid of 1 mm.
    ///
    /// `deform` moves points before the scene is asked; it is smooth, so it is evaluated once a voxel.
    ///
    /// # Shapes
    /// - `shape` and both results: `[Z, Y, X]`
    pub(super) fn take(
        &self,
        shape: [usize; 3],
        deform: impl Fn([f64; 3]) -> [f64; 3],
        scene: impl Fn([f64; 3]) -> Material,
        rng: &mut ChaCha8Rng,
    ) -> (Volume<f32>, Volume<u16>) {
        let n_voxels = shape.iter().product();
        let mut signal = Vec::with_capacity(n_voxels);
        let mut labels = Vec::with_capacity(n_voxels);
        for z in 0..shape[0] {
            for y in 0..shape[1] {
                for x in 0..shape[2] {
                    let centre = [(x, 2), (y, 1), (z, 0)].map(|(i, axis)| i as f64 - (shape[axis] as f64 - 1.0) / 2.0);
                    let (mean, label) = voxel(deform(centre), &scene);
                    let clean = mean * (self.bias_strength * self.bias.at(centre)).exp();
                    let (real, imaginary) = (clean + self.noise_sd * normal(rng), self.noise_sd * normal(rng));
                    signal.push((self.gain * real.hypot(imaginary)) as f32);
                    labels.push(label);
                }
            }
        }
        (Volume::new(shape, signal), Volume::new(shape, labels))
    }
}

/// Mean signal and most frequent label of the voxel around `centre`.
fn voxel(centre: [f64; 3], scene: &impl Fn([f64; 3]) -> Material) -> (f64, u16) {
    const MAX_LABELS: usize = 3;
    let mut votes = [0u32; MAX_LABELS];
    let mut sum = 0.0;
    let offset = |i: usize| (i as f64 + 0.5) / POINTS as f64 - 0.5;
    for i in 0..POINTS.pow(3) {
        let steps = [offset(i % POINTS), offset(i / POINTS % POINTS), offset(i / POINTS / POINTS)];
        let material = scene([centre[0] + steps[0], centre[1] + steps[1], centre[2] + steps[2]]);
        sum += material.signal;
        votes[usize::from(material.label)] += 1;
    }
    let winner = (0..MAX_LABELS).rev().max_by_key(|&label| votes[label]).unwrap_or(0);
    (sum / POINTS.pow(3) as f64, winner as u16)
}
