//! The end of a residual block: a sum and its leaky ReLU in one pass (He et al. 2016).

use rayon::prelude::*;

/// Numbers of a piece of work: 64 KiB of each of two arrays.
const PIECE: usize = 16_384;

/// `x = leaky(x + shortcut)`, number by number.
///
/// # Panics
/// If the slices differ in length.
pub fn add_leaky_in_place(x: &mut [f32], shortcut: &[f32], slope: f32) {
    assert_eq!(x.len(), shortcut.len(), "a sum of equal shapes");
    x.par_chunks_mut(PIECE).zip(shortcut.par_chunks(PIECE)).for_each(|(x, shortcut)| {
        for (x, shortcut) in x.iter_mut().zip(shortcut) {
            let sum = *x + shortcut;
            *x = if sum > 0.0 { sum } else { slope * sum };
        }
    });
}

/// Gradient of [`add_leaky_in_place`] with respect to either summand, written over `d_y`; `y` is its result.
///
/// # Panics
/// If the slices differ in length.
pub fn add_leaky_backward_in_place(y: &[f32], d_y: &mut [f32], slope: f32) {
    assert_eq!(y.len(), d_y.len(), "a gradient of equal shape");
    d_y.par_chunks_mut(PIECE).zip(y.par_chunks(PIECE)).for_each(|(d_y, y)| {
        for (d_y, y) in d_y.iter_mut().zip(y) {
            // The slope is not negative, so the result has the sign of the sum; with a slope of 0 it is 0 where the sum is below.
            *d_y = if *y > 0.0 { *d_y } else { slope * *d_y };
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::noise;

    #[test]
    fn sums_and_gradients_agree_with_the_definition() {
        for (n, slope) in [(0, 0.01), (1, 0.01), (17, 0.0), (PIECE + 3, 0.01), (100, 1.0)] {
            let (x, shortcut, d_y) = (noise(n, 1), noise(n, 2), noise(n, 3));
            let (mut y, mut d_x) = (x.clone(), d_y.clone());
            add_leaky_in_place(&mut y, &shortcut, slope);
            add_leaky_backward_in_place(&y, &mut d_x, slope);
            for i in 0..n {
                let sum = f64::from(x[i]) + f64::from(shortcut[i]);
                let factor = if sum > 0.0 { 1.0 } else { f64::from(slope) };
                assert!((f64::from(y[i]) - factor * sum).abs() < 1e-6, "{n} {slope}");
                assert!((f64::from(d_x[i]) - factor * f64::from(d_y[i])).abs() < 1e-6, "{n} {slope}");
            }
        }
    }
}
