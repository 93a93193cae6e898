//! Round numbers on an axis: 1, 2 or 5 times a power of ten (Heckbert 1990, "Nice numbers for graph labels").

/// The step that divides `span` into about `n` parts.
fn step(span: f64, n: usize) -> f64 {
    let rough = span / n as f64;
    let power = 10f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0].into_iter().find(|factor| factor * power >= rough * 0.999).unwrap_or(10.0);
    factor * power
}

/// Ticks from at or below `low` to at or above `high`.
pub(crate) fn cover(low: f64, high: f64, n: usize) -> Vec<f64> {
    let (low, high) = widened(low, high);
    let step = step(high - low, n);
    ticks((low / step + 1e-9).floor(), (high / step - 1e-9).ceil(), step)
}

/// Whole numbers from at or below `low` to at or above `high`, about `n` at most and two at least: exponents of ten.
pub(crate) fn powers(low: f64, high: f64, n: usize) -> Vec<f64> {
    let first = low.floor();
    let last = high.ceil().max(first + 1.0);
    let step = ((last - first) / n as f64).ceil();
    ticks((first / step).floor(), (last / step).ceil(), step)
}

/// Ticks between `low` and `high`; whole numbers only, as they count epochs.
pub(crate) fn within(low: f64, high: f64, n: usize) -> Vec<f64> {
    let step = step(high - low, n).max(1.0);
    ticks((low / step).ceil(), (high / step).floor(), step)
}

fn ticks(first: f64, last: f64, step: f64) -> Vec<f64> {
    const MOST: usize = 15;
    // A multiple of the step each, so that rounding does not add up.
    (0..MOST).map(|i| first + i as f64).take_while(|&i| i <= last).map(|i| i * step).collect()
}

fn widened(low: f64, high: f64) -> (f64, f64) {
    // Less than this apart, values are one value and its rounding.
    let least = 1e-9 * low.abs().max(high.abs()).max(1e-6);
    if high - low > least { (low, high) } else { (low - 0.1 * low.abs().max(0.1), high + 0.1 * high.abs().max(0.1)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_cover() {
        for (low, high, expected) in [
            (0.0, 1.0, vec![0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
            (-0.93, 0.4, vec![-1.0, -0.5, 0.0, 0.5]),
            (0.0, 0.01, vec![0.0, 0.002, 0.004, 0.006, 0.008, 0.01]),
        ] {
            let found = cover(low, high, 5);
            let close = found.len() == expected.len() && found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-9);
            assert!(close, "{low} to {high}: {found:?}");
        }
        assert_eq!(within(1.0, 9.0, 6), [2.0, 4.0, 6.0, 8.0]);
        assert_eq!(within(1.0, 3.0, 6), [1.0, 2.0, 3.0]);
    }
}
