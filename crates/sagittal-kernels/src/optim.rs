//! Optimiser steps in one pass over the parameters, as PyTorch defines them.

use rayon::prelude::*;

/// Parameters that one task updates or sums: fixed, so that sums do not depend on the threads.
const CHUNK: usize = 16 * 1024;

/// Settings of [`sgd_step`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SgdOptions {
    /// Learning rate.
    pub lr: f32,
    /// Share of the previous step that is kept.
    pub momentum: f32,
    /// Looks one step ahead (Nesterov).
    pub nesterov: bool,
    /// L2 penalty, added to the gradient.
    pub weight_decay: f32,
    /// The gradient is multiplied by this first: 1, or less when the global norm is clipped.
    pub grad_scale: f32,
}

/// One step of stochastic gradient descent with momentum; the buffer starts at zero, and may be empty where the momentum is 0.
///
/// # Panics
/// If the slices differ in length.
pub fn sgd_step(weight: &mut [f32], grad: &[f32], momentum_buffer: &mut [f32], options: SgdOptions) {
    assert_eq!(weight.len(), grad.len(), "weight and gradient differ in length");
    let SgdOptions { lr, momentum, nesterov, weight_decay, grad_scale } = options;
    if momentum == 0.0 && momentum_buffer.is_empty() {
        weight.par_chunks_mut(CHUNK).zip(grad.par_chunks(CHUNK)).for_each(|(w, g)| {
            for (w, &g) in w.iter_mut().zip(g) {
                *w -= lr * (g * grad_scale + weight_decay * *w);
            }
        });
        return;
    }
    assert_eq!(weight.len(), momentum_buffer.len(), "weight and momentum differ in length");
    weight.par_chunks_mut(CHUNK).zip(grad.par_chunks(CHUNK)).zip(momentum_buffer.par_chunks_mut(CHUNK)).for_each(|((w, g), m)| {
        for ((w, &g), m) in w.iter_mut().zip(g).zip(m) {
            let g = g * grad_scale + weight_decay * *w;
            *m = momentum * *m + g;
            *w -= lr * if nesterov { g + momentum * *m } else { *m };
        }
    });
}

/// Settings of [`adamw_step`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamwOptions {
    /// Learning rate.
    pub lr: f32,
    /// Decay of the mean of the gradient and of its square.
    pub betas: [f32; 2],
    /// Added to the root of the second moment.
    pub eps: f32,
    /// Decoupled weight decay.
    pub weight_decay: f32,
    /// The gradient is multiplied by this first: 1, or less when the global norm is clipped.
    pub grad_scale: f32,
    /// Number of this step, from 1: the moments start at zero and are corrected for it.
    pub step: u64,
}

/// One step of Adam with decoupled weight decay (Loshchilov and Hutter 2019); both moments start at zero.
///
/// # Panics
/// If the slices differ in length, or `options.step` is 0.
pub fn adamw_step(weight: &mut [f32], grad: &[f32], first_moment: &mut [f32], second_moment: &mut [f32], options: AdamwOptions) {
    assert_eq!(weight.len(), grad.len(), "weight and gradient differ in length");
    assert_eq!((weight.len(), weight.len()), (first_moment.len(), second_moment.len()), "weight and moments differ in length");
    assert!(options.step > 0, "steps are counted from 1");
    let AdamwOptions { lr, betas: [b1, b2], eps, weight_decay, grad_scale, step } = options;
    let step = step.min(i32::MAX as u64) as i32;
    let rate = (f64::from(lr) / (1.0 - f64::from(b1).powi(step))) as f32;
    let inv_root = (1.0 / (1.0 - f64::from(b2).powi(step)).sqrt()) as f32;
    let moments = first_moment.par_chunks_mut(CHUNK).zip(second_moment.par_chunks_mut(CHUNK));
    weight.par_chunks_mut(CHUNK).zip(grad.par_chunks(CHUNK)).zip(moments).for_each(|((w, g), (m, v))| {
        for (((w, &g), m), v) in w.iter_mut().zip(g).zip(m).zip(v) {
            let g = g * grad_scale;
            *m = b1 * *m + (1.0 - b1) * g;
            *v = b2 * *v + (1.0 - b2) * g * g;
            *w -= lr * weight_decay * *w;
            *w -= rate * *m / (v.sqrt() * inv_root + eps);
        }
    });
}

/// Settings of [`rmsprop_step`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RmspropOptions {
    /// Learning rate.
    pub lr: f32,
    /// Share of the mean of squares that is kept.
    pub decay: f32,
    /// Added to the root of that mean.
    pub eps: f32,
    /// Share of the previous step that is kept.
    pub momentum: f32,
    /// L2 penalty, added to the gradient.
    pub weight_decay: f32,
    /// The gradient is multiplied by this first: 1, or less when the global norm is clipped.
    pub grad_scale: f32,
}

/// One step of RMSprop (Tieleman and Hinton 2012) with momentum, not centred; both buffers start at zero.
///
/// # Panics
/// If the slices differ in length.
pub fn rmsprop_step(weight: &mut [f32], grad: &[f32], mean_square: &mut [f32], momentum_buffer: &mut [f32], options: RmspropOptions) {
    assert_eq!(weight.len(), grad.len(), "weight and gradient differ in length");
    assert_eq!((weight.len(), weight.len()), (mean_square.len(), momentum_buffer.len()), "weight and buffers differ in length");
    let RmspropOptions { lr, decay, eps, momentum, weight_decay, grad_scale } = options;
    let buffers = mean_square.par_chunks_mut(CHUNK).zip(momentum_buffer.par_chunks_mut(CHUNK));
    weight.par_chunks_mut(CHUNK).zip(grad.par_chunks(CHUNK)).zip(buffers).for_each(|((w, g), (v, m))| {
        for (((w, &g), v), m) in w.iter_mut().zip(g).zip(v).zip(m) {
            let g = g * grad_scale + weight_decay * *w;
            *v = decay * *v + (1.0 - decay) * g * g;
            *m = momentum * *m + g / (v.sqrt() + eps);
            *w -= lr * *m;
        }
    });
}

/// Settings of [`rprop_step`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RpropOptions {
    /// Factor of a step size after the gradient has changed its sign, below 1.
    pub shrink: f32,
    /// Factor of a step size after the gradient has kept its sign, above 1.
    pub grow: f32,
    /// Smallest and largest step size.
    pub bounds: [f32; 2],
    /// Whether a step after which the gradient changed its sign is taken back (Riedmiller and Braun 1993), or left as it
    /// is (Igel and Huesken's iRprop-, PyTorch's).
    pub backtracking: bool,
}

/// One step of Rprop (Riedmiller and Braun 1993), which uses only the sign of each gradient; `previous` (the gradient
/// before) starts at zero, `step_size` at the first step.
///
/// After a change of sign the gradient counts as zero, so that the next step neither grows nor shrinks.
///
/// # Panics
/// If the slices differ in length.
pub fn rprop_step(weight: &mut [f32], grad: &[f32], previous: &mut [f32], step_size: &mut [f32], options: RpropOptions) {
    assert_eq!(weight.len(), grad.len(), "weight and gradient differ in length");
    assert_eq!((weight.len(), weight.len()), (previous.len(), step_size.len()), "weight and buffers differ in length");
    let RpropOptions { shrink, grow, bounds: [smallest, largest], backtracking } = options;
    let buffers = previous.par_chunks_mut(CHUNK).zip(step_size.par_chunks_mut(CHUNK));
    weight.par_chunks_mut(CHUNK).zip(grad.par_chunks(CHUNK)).zip(buffers).for_each(|((w, g), (p, s))| {
        for (((w, &g), p), s) in w.iter_mut().zip(g).zip(p).zip(s) {
            let sign_before = if *p > 0.0 {
                1.0
            } else if *p < 0.0 {
                -1.0
            } else {
                0.0
            };
            let agreement = g * sign_before;
            if agreement < 0.0 {
                if backtracking {
                    // The step size has not changed since.
                    *w += sign_before * *s;
                }
                *s = (*s * shrink).max(smallest);
                *p = 0.0;
                continue;
            }
            if agreement > 0.0 {
                *s = (*s * grow).min(largest);
            }
            if g != 0.0 {
                *w -= g.signum() * *s;
            }
            *p = g;
        }
    });
}

/// Sum of the squares in f64, for clipping by the global norm; the same whatever the number of threads.
pub fn sum_of_squares(x: &[f32]) -> f64 {
    let sums: Vec<f64> = x
        .par_chunks(CHUNK)
        .map(|x| {
            // Eight independent sums keep the adder busy; f64 keeps the order of little account.
            let mut sums = [0.0_f64; 8];
            for x in x.chunks(8) {
                for (sum, &x) in sums.iter_mut().zip(x) {
                    *sum += f64::from(x) * f64::from(x);
                }
            }
            sums.iter().sum()
        })
        .collect();
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SGD: SgdOptions = SgdOptions { lr: 0.1, momentum: 0.9, nesterov: true, weight_decay: 0.01, grad_scale: 0.5 };

    #[test]
    fn sgd_follows_its_recurrence() {
        let (mut w, mut m) = ([1.0_f32], [0.0_f32]);
        let (mut expected_w, mut expected_m) = (1.0_f64, 0.0_f64);
        for g in [0.5_f32, -1.0, 2.0] {
            sgd_step(&mut w, &[g], &mut m, SGD);
            let g = f64::from(g) * 0.5 + 0.01 * expected_w;
            expected_m = 0.9 * expected_m + g;
            expected_w -= 0.1 * (g + 0.9 * expected_m);
            assert!((f64::from(w[0]) - expected_w).abs() < 1e-6, "{} is not {expected_w}", w[0]);
        }
    }

    #[test]
    fn first_adamw_step_moves_by_the_learning_rate() {
        let (mut w, mut m, mut v) = ([2.0_f32, 2.0], [0.0; 2], [0.0; 2]);
        let options = AdamwOptions { lr: 0.1, betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0.0, grad_scale: 1.0, step: 1 };
        adamw_step(&mut w, &[3.0, -0.01], &mut m, &mut v, options);
        assert!((w[0] - 1.9).abs() < 1e-5 && (w[1] - 2.1).abs() < 1e-5, "{w:?}");
    }

    #[test]
    fn adamw_follows_its_recurrence() {
        let (mut w, mut m, mut v) = ([1.0_f32], [0.0], [0.0]);
        let (mut ew, mut em, mut ev) = (1.0_f64, 0.0_f64, 0.0_f64);
        for (t, g) in [(1, 0.5_f32), (2, -1.0), (3, 2.0)] {
            let options = AdamwOptions { lr: 0.01, betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0.1, grad_scale: 1.0, step: t };
            adamw_step(&mut w, &[g], &mut m, &mut v, options);
            let g = f64::from(g);
            (em, ev) = (0.9 * em + 0.1 * g, 0.999 * ev + 0.001 * g * g);
            ew -= 0.01 * 0.1 * ew;
            ew -= 0.01 * (em / (1.0 - 0.9_f64.powi(t as i32))) / ((ev / (1.0 - 0.999_f64.powi(t as i32))).sqrt() + 1e-8);
            assert!((f64::from(w[0]) - ew).abs() < 1e-6, "{} is not {ew}", w[0]);
        }
    }

    #[test]
    fn rmsprop_follows_its_recurrence() {
        let options = RmspropOptions { lr: 0.01, decay: 0.9, eps: 1e-8, momentum: 0.5, weight_decay: 0.1, grad_scale: 0.5 };
        let (mut w, mut v, mut m) = ([1.0_f32], [0.0], [0.0]);
        let (mut ew, mut ev, mut em) = (1.0_f64, 0.0_f64, 0.0_f64);
        for g in [0.5_f32, -1.0, 2.0] {
            rmsprop_step(&mut w, &[g], &mut v, &mut m, options);
            let g = f64::from(g) * 0.5 + 0.1 * ew;
            ev = 0.9 * ev + 0.1 * g * g;
            em = 0.5 * em + g / (ev.sqrt() + 1e-8);
            ew -= 0.01 * em;
            assert!((f64::from(w[0]) - ew).abs() < 1e-6, "{} is not {ew}", w[0]);
        }
    }

    #[test]
    fn rprop_grows_shrinks_and_takes_back() {
        let run = |backtracking| {
            let options = RpropOptions { shrink: 0.5, grow: 1.2, bounds: [1e-6, 50.0], backtracking };
            let (mut w, mut p, mut s) = ([1.0_f32], [0.0], [0.1]);
            let mut path = Vec::new();
            for g in [3.0_f32, 0.2, -7.0, -1.0, -1.0] {
                rprop_step(&mut w, &[g], &mut p, &mut s, options);
                path.push(w[0]);
            }
            path
        };
        let assert_path = |found: Vec<f32>, expected: [f32; 5]| {
            assert!(found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-6), "{found:?} is not {expected:?}");
        };
        // Steps of 0.1, 0.12, none (halved to 0.06), 0.06, 0.072.
        assert_path(run(false), [0.9, 0.78, 0.78, 0.84, 0.912]);
        assert_path(run(true), [0.9, 0.78, 0.9, 0.96, 1.032]);
    }

    #[test]
    fn sum_of_squares_does_not_depend_on_the_threads() {
        let x: Vec<f32> = (0..100_003).map(|i| (i as f32 * 0.37).sin()).collect();
        let expected: f64 = x.iter().map(|&x| f64::from(x).powi(2)).sum();
        assert!((sum_of_squares(&x) / expected - 1.0).abs() < 1e-12);
        let one = crate::testing::with_threads(1, || sum_of_squares(&x));
        let three = crate::testing::with_threads(3, || sum_of_squares(&x));
        assert_eq!(one.to_bits(), three.to_bits());
    }
}
