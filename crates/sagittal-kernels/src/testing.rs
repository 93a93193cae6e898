//! What the tests of several kernels share.

use crate::Simd;

/// Numbers of roughly unit variance, the same for the same seed.
pub(crate) fn noise(n: usize, seed: u64) -> Vec<f32> {
    let mut state = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    (0..n).map(|_| (0..4).map(|_| state.unit() - 0.5).sum::<f32>() * 1.732).collect()
}

/// A small generator (xorshift64) for shapes and values in tests.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1_u64 << 24) as f32
    }

    /// A whole number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: usize, high: usize) -> usize {
        low + (self.next() >> 33) as usize % (high - low + 1)
    }

    /// One of the given values.
    pub(crate) fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.between(0, choices.len() - 1)]
    }
}

pub(crate) fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

/// Largest difference relative to the root mean square of the reference.
pub(crate) fn relative_error(found: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let rms = (expected.iter().map(|e| e * e).sum::<f64>() / expected.len().max(1) as f64).sqrt();
    let worst = found
        .iter()
        .zip(expected)
        .map(|(&f, e)| (f64::from(f) - e).abs())
        .fold(0.0, |a: f64, d| if d.is_nan() { f64::INFINITY } else { a.max(d) });
    if worst == 0.0 { 0.0 } else { worst / rms.max(1e-30) }
}

/// Runs `f` in a pool of its own.
pub(crate) fn with_threads<R: Send>(threads: usize, f: impl FnOnce() -> R + Send) -> R {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a small pool can be built").install(f)
}

/// The instruction sets that this machine can be tested with: its own best, and the portable one.
pub(crate) fn instruction_sets() -> Vec<Simd> {
    Simd::ALL.into_iter().filter(|s| s.is_available()).collect()
}

/// Compares a gradient with central differences of the function, at every position.
pub(crate) fn check_gradient(at: &[f64], gradient: &[f64], tolerance: f64, value: impl Fn(&[f64]) -> f64) {
    const STEP: f64 = 1e-5;
    for i in 0..at.len() {
        let moved = |by: f64| {
            let mut at = at.to_vec();
            at[i] += by;
            value(&at)
        };
        let difference = (moved(STEP) - moved(-STEP)) / (2.0 * STEP);
        assert!((difference - gradient[i]).abs() < tolerance * (1.0 + difference.abs()), "[{i}]: {} is not {difference}", gradient[i]);
    }
}
