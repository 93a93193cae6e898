//! Medians and percentiles as NumPy defines them (linear between neighbours).

/// The median; 0 of nothing. Sorts its input.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    percentile(values, 50.0)
}

/// The `percent`-th percentile; 0 of nothing. Sorts its input.
pub(crate) fn percentile(values: &mut [f64], percent: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let Some(last) = values.len().checked_sub(1) else { return 0.0 };
    let place = percent * last as f64 / 100.0;
    let (low, high) = (values[place.floor() as usize], values[place.ceil() as usize]);
    low + (high - low) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_percentiles_are_numpys() {
        assert_eq!(median(&mut []), 0.0);
        assert_eq!(median(&mut [3.0, 1.0]), 2.0);
        assert_eq!(median(&mut [3.0, 1.0, 7.0]), 3.0);
        assert_eq!(percentile(&mut [0.0, 10.0, 20.0, 30.0], 10.0), 3.0);
    }
}
