//! Intensities of the labelled voxels over all cases.
//!
//! nnU-Net draws the same number of voxels from every case, with replacement, and pools them. Its expectation is
//! computed here instead of drawn: all voxels count, those of a case share one unit of weight. There is no chance in
//! it, and nothing is drawn twice.

use super::Intensities;

/// Labelled voxels of one case, sorted; thinned out evenly where there are many.
pub(super) struct Sample {
    sorted: Vec<f32>,
    mean: f64,
    mean_of_squares: f64,
    range: (f32, f32),
}

impl Sample {
    pub(super) fn of(mut values: Vec<f32>, most: usize) -> Self {
        values.sort_unstable_by(f32::total_cmp);
        let n = values.len() as f64;
        let sum = |f: fn(f64) -> f64| values.iter().map(|&value| f(f64::from(value))).sum::<f64>();
        let (mean, mean_of_squares) = (sum(|value| value) / n, sum(|value| value * value) / n);
        let range = (values.first().copied().unwrap_or_default(), values.last().copied().unwrap_or_default());
        if values.len() > most {
            // Each value kept is the middle one of an equal share.
            values = (0..most).map(|index| values[((index as f64 + 0.5) * n / most as f64) as usize]).collect();
        }
        Self { sorted: values, mean, mean_of_squares, range }
    }
}

/// Statistics over cases, each with the same weight; cases without labelled voxels have none.
pub(super) fn pooled(samples: &[&Sample]) -> Intensities {
    let samples: Vec<&&Sample> = samples.iter().filter(|sample| !sample.sorted.is_empty()).collect();
    if samples.is_empty() {
        return Intensities::default();
    }
    let n = samples.len() as f64;
    let mean = samples.iter().map(|sample| sample.mean).sum::<f64>() / n;
    let mean_of_squares = samples.iter().map(|sample| sample.mean_of_squares).sum::<f64>() / n;
    let mut weighted: Vec<(f32, f64)> = samples
        .iter()
        .flat_map(|sample| {
            let weight = 1.0 / sample.sorted.len() as f64;
            sample.sorted.iter().map(move |&value| (value, weight))
        })
        .collect();
    weighted.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let mut below = 0.0;
    let mut quantiles = [0.005, 0.5, 0.995].into_iter().peekable();
    let mut found = Vec::with_capacity(3);
    for &(value, weight) in &weighted {
        below += weight;
        while quantiles.next_if(|quantile| below >= quantile * n).is_some() {
            found.push(f64::from(value));
        }
    }
    let highest = samples.iter().map(|sample| sample.range.1).fold(f32::NEG_INFINITY, f32::max);
    // Rounding of the weights can leave the last quantile open.
    found.resize(3, f64::from(highest));
    Intensities {
        mean,
        median: found[1],
        std: (mean_of_squares - mean * mean).max(0.0).sqrt(),
        min: f64::from(samples.iter().map(|sample| sample.range.0).fold(f32::INFINITY, f32::min)),
        max: f64::from(highest),
        percentile_00_5: found[0],
        percentile_99_5: found[2],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_counts_the_same() {
        let (few, many, none) = (Sample::of(vec![10.0; 3], 100), Sample::of(vec![0.0; 50], 100), Sample::of(vec![], 100));
        let found = pooled(&[&few, &many, &none]);
        assert_eq!((found.mean, found.std, found.min, found.max), (5.0, 5.0, 0.0, 10.0));
        assert_eq!((found.percentile_00_5, found.percentile_99_5), (0.0, 10.0));
        assert_eq!(pooled(&[&none]), Intensities::default());
    }

    #[test]
    fn thinning_keeps_the_distribution() {
        let sample = Sample::of((0..100_000).map(|value| value as f32).collect(), 1000);
        let found = pooled(&[&sample]);
        assert!((found.median - 50_000.0).abs() < 100.0 && (found.percentile_99_5 - 99_500.0).abs() < 100.0, "{found:?}");
        assert_eq!((found.min, found.max, found.mean), (0.0, 99_999.0, 49_999.5));
    }
}
