//! How far two arrays are apart.

/// The largest absolute difference; infinite where only one of two values is a number, or lengths differ.
pub fn largest_difference(a: &[f32], b: &[f32]) -> f64 {
    if a.len() != b.len() {
        return f64::INFINITY;
    }
    let difference = |(a, b): (&f32, &f32)| match (a.is_nan(), b.is_nan()) {
        (true, true) => 0.0,
        (false, false) if a == b => 0.0,
        (false, false) => (f64::from(*a) - f64::from(*b)).abs(),
        _ => f64::INFINITY,
    };
    a.iter().zip(b).map(difference).fold(0.0, f64::max)
}

/// The largest difference as a part of the largest magnitude in `expected`.
pub fn relative_difference(found: &[f32], expected: &[f32]) -> f64 {
    let magnitude = expected.iter().filter(|v| v.is_finite()).fold(0.0_f64, |most, v| most.max(f64::from(v.abs())));
    largest_difference(found, expected) / magnitude.max(f64::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_what_is_none_are_far_apart() {
        assert_eq!(largest_difference(&[1.0, f32::NAN], &[1.5, f32::NAN]), 0.5);
        assert_eq!(largest_difference(&[1.0], &[f32::NAN]), f64::INFINITY);
        assert_eq!(largest_difference(&[1.0], &[1.0, 2.0]), f64::INFINITY);
        assert_eq!(relative_difference(&[1.0, 4.0], &[2.0, 4.0]), 0.25);
    }
}
