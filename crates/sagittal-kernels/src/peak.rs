//! The arithmetic that this machine can do at best: the yardstick of every speed figure.

use crate::simd::{Kernel, Vector, simd};
use rayon::prelude::*;
use std::hint::black_box;
use std::time::Instant;

/// Vectors multiplied and added independently of one another: enough to hide the latency of two units.
const CHAINS: usize = 12;

/// Measures, for about a tenth of a second, how many billion multiplications and additions a second the threads of the
/// current pool do together, all in registers. Kernels reach about 80 % of it at best.
pub fn measured_peak_gflops() -> f64 {
    let (simd, threads) = (simd(), rayon::current_num_threads());
    let flops = |steps: usize| (threads * steps * CHAINS * simd.lanes() * 2) as f64;
    let timed = |steps: usize| {
        let start = Instant::now();
        (0..threads).into_par_iter().with_max_len(1).for_each(|_| {
            black_box(simd.run(Chains(black_box(steps))));
        });
        start.elapsed().as_secs_f64()
    };
    // The best of several short runs: other programs only ever take speed away.
    (0..20).map(|_| flops(200_000) / timed(200_000) / 1e9).fold(0.0, f64::max)
}

struct Chains(usize);

impl Kernel for Chains {
    type Output = f32;

    #[inline(always)]
    unsafe fn run<V: Vector>(self) -> f32 {
        // SAFETY: only registers, and an array of `LANES <= 16` numbers.
        unsafe {
            let (factor, addend) = (V::splat(black_box(0.999)), V::splat(black_box(0.001)));
            let mut sums = [V::splat(1.0); CHAINS];
            for _ in 0..self.0 {
                for sum in &mut sums {
                    *sum = sum.mul_add(factor, addend);
                }
            }
            let mut total = sums[0];
            for sum in &sums[1..] {
                total = total.add(*sum);
            }
            let mut lanes = [0.0; 16];
            total.store(lanes.as_mut_ptr());
            lanes.iter().sum()
        }
    }
}
