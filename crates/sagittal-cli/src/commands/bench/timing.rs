//! How a time is taken: the median of a few runs, after one that does not count.

use std::time::Instant;

/// Runs that count.
const RUNS: usize = 3;

/// Milliseconds that one run of `step` takes.
pub(super) fn median_ms(mut step: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    // The first run asks the system for memory that later ones find.
    step()?;
    let mut times_ms = [0.0; RUNS];
    for time_ms in &mut times_ms {
        let start = Instant::now();
        step()?;
        *time_ms = start.elapsed().as_secs_f64() * 1e3;
    }
    times_ms.sort_by(f64::total_cmp);
    Ok(times_ms[RUNS / 2])
}

/// Numbers between -1 and 1 without any pattern; the same in every run (Marsaglia 2003, xorshift).
pub(super) fn noise(n: usize) -> Vec<f32> {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let draw = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    std::iter::repeat_with(draw).take(n).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_has_no_mean_and_stays_within_one() {
        let values = noise(100_000);
        assert!(values.iter().all(|v| (-1.0..=1.0).contains(v)));
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        let power = values.iter().map(|v| v * v).sum::<f32>() / values.len() as f32;
        assert!(mean.abs() < 0.02 && (power - 1.0 / 3.0).abs() < 0.02, "{mean} {power}");
    }
}
