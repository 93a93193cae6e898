//! Medians and percentiles as NumPy defines them (linear between neighbours).

/// The median, `numpy.median`: the mean of the two in the middle; 0 of nothing. Sorts its input.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        n if n % 2 == 1 => values[n / 2],
        n => (values[n / 2 - 1] + values[n / 2]) / 2.0,
    }
}

/// The `percent`-th percentile, `numpy.percentile`, down to the order in which it rounds; 0 of nothing. Sorts its input.
pub(crate) fn percentile(values: &mut [f64], percent: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let Some(last) = values.len().checked_sub(1) else { return 0.0 };
    let place = last as f64 * (percent / 100.0);
    let (low, high) = (values[place.floor() as usize], values[(place.floor() as usize + 1).min(last)]);
    let part = place.fract();
    if part >= 0.5 { high - (high - low) * (1.0 - part) } else { low + (high - low) * part }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_percentiles_are_numpys() {
        assert_eq!(median(&mut []), 0.0);
        assert_eq!(median(&mut [3.0, 1.0]), 2.0);
        assert_eq!(median(&mut [3.0, 1.0, 7.0]), 3.0);
        // numpy.percentile([0, 10, 20, 30], 10), and of six numbers at 90.
        assert_eq!(percentile(&mut [0.0, 10.0, 20.0, 30.0], 10.0), 3.000_000_000_000_000_4);
        assert_eq!(percentile(&mut [0.1, 0.2, 0.3, 0.4, 0.5, 0.7], 90.0), 0.6);
    }
}
