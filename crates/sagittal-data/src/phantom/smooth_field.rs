//! A smooth random function of space: random numbers on a coarse lattice, blended between (Perlin 1985's value noise).
//!
//! Serves as anatomical deformation, tissue texture and uneven illumination, in 3-D and (with one coordinate fixed) 2-D.

use rand_chacha::ChaCha8Rng;

use super::normal;

/// Lattice points along each axis; the field repeats beyond them.
const NODES: usize = 16;

/// A random function of mean 0 and a standard deviation of about 0.6, varying over one wavelength.
pub(super) struct SmoothField {
    wavelength: f64,
    nodes: Vec<f64>,
}

impl SmoothField {
    /// Draws a field that changes over distances of `wavelength` (in the unit of the points it will be asked for).
    pub(super) fn sample(rng: &mut ChaCha8Rng, wavelength: f64) -> Self {
        Self { wavelength, nodes: (0..NODES.pow(3)).map(|_| normal(rng)).collect() }
    }

    /// The value at a point.
    pub(super) fn at(&self, point: [f64; 3]) -> f64 {
        let mut lower = [0usize; 3];
        let mut weight = [0.0; 3];
        for axis in 0..3 {
            let position = point[axis] / self.wavelength;
            let floor = position.floor();
            let t = position - floor;
            lower[axis] = (floor as i64).rem_euclid(NODES as i64) as usize;
            weight[axis] = t * t * (3.0 - 2.0 * t);
        }
        let mut sum = 0.0;
        for corner in 0..8usize {
            let mut idx = 0;
            let mut w = 1.0;
            for axis in 0..3 {
                let upper = corner >> axis & 1;
                idx = idx * NODES + (lower[axis] + upper) % NODES;
                w *= if upper == 1 { weight[axis] } else { 1.0 - weight[axis] };
            }
            sum += w * self.nodes[idx];
        }
        sum
    }
}
