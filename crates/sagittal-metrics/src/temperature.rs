//! Temperature scaling: one number that makes probabilities as sure as they are right (Guo et al. 2017).
//!
//! Networks are mostly too sure of themselves. Dividing their logits by a temperature above 1 before the soft-max softens the
//! probabilities and changes no label. Logits are known from probabilities up to a constant that the soft-max takes out again:
//! they are their logarithms.

/// Probabilities below this are taken for this: its logarithm is finite.
const LEAST_PROBABILITY: f32 = 1e-30;
/// The search ends there.
const RANGE: [f64; 2] = [0.05, 20.0];
/// Steps of the search; each narrows the range to 0.62 of it.
const N_STEPS: usize = 40;
/// Bins of the calibration error.
const N_BINS: usize = 15;

/// Voxels with their probabilities and the truth.
#[derive(Clone, Debug, Default)]
pub struct Calibration {
    /// Of each voxel the logarithms of its probabilities, one after the other.
    logs: Vec<f32>,
    /// Where each voxel's begin, and its true class.
    voxels: Vec<(usize, usize)>,
}

/// How well probabilities fit the truth at one temperature.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// The temperature.
    pub temperature: f64,
    /// Mean of minus the logarithm of the true class's probability.
    pub negative_log_likelihood: f64,
    /// Expected calibration error of the likeliest class, 15 bins of equal width (Naeini et al. 2015).
    pub calibration_error: f64,
}

impl Calibration {
    /// Adds a voxel: the probability of each class, of sum 1, and the true class.
    ///
    /// # Panics
    /// If the class is none of them.
    pub fn add(&mut self, probabilities: impl IntoIterator<Item = f32>, truth: usize) {
        let first = self.logs.len();
        self.logs.extend(probabilities.into_iter().map(|p| p.max(LEAST_PROBABILITY).ln()));
        assert!(truth < self.logs.len() - first, "class {truth} has no probability");
        self.voxels.push((first, truth));
    }

    /// Number of voxels.
    pub fn n_voxels(&self) -> usize {
        self.voxels.len()
    }

    /// The fit at a temperature.
    pub fn at(&self, temperature: f64) -> Fit {
        let (mut loss, mut bins) = (0.0, [[0.0_f64; 3]; N_BINS]);
        for (i, &(first, truth)) in self.voxels.iter().enumerate() {
            let end = self.voxels.get(i + 1).map_or(self.logs.len(), |next| next.0);
            let logs = &self.logs[first..end];
            let (best, highest) =
                logs.iter().enumerate().fold((0, f32::NEG_INFINITY), |best, (k, log)| if *log > best.1 { (k, *log) } else { best });
            let sum: f64 = logs.iter().map(|log| (f64::from(log - highest) / temperature).exp()).sum();
            loss += sum.ln() - f64::from(logs[truth] - highest) / temperature;
            let confidence = 1.0 / sum;
            let bin = &mut bins[((confidence * N_BINS as f64) as usize).min(N_BINS - 1)];
            *bin = [bin[0] + 1.0, bin[1] + confidence, bin[2] + f64::from(u8::from(best == truth))];
        }
        let n = self.voxels.len().max(1) as f64;
        let error: f64 = bins.iter().map(|[_, confidence, right]| (confidence - right).abs()).sum();
        Fit { temperature, negative_log_likelihood: loss / n, calibration_error: error / n }
    }

    /// The temperature at which the truth is likeliest, by golden sections of its logarithm (the loss has one minimum);
    /// `None` without voxels.
    pub fn best(&self) -> Option<Fit> {
        if self.voxels.is_empty() {
            return None;
        }
        let part = (5.0_f64.sqrt() - 1.0) / 2.0;
        let loss = |log: f64| self.at(log.exp()).negative_log_likelihood;
        let [mut low, mut high] = RANGE.map(f64::ln);
        for _ in 0..N_STEPS {
            let (a, b) = (high - part * (high - low), low + part * (high - low));
            if loss(a) <= loss(b) { high = b } else { low = a }
        }
        Some(self.at(((low + high) / 2.0).exp()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Voxels of two classes that are right as often as 0.8 says, shown with probabilities as of logits `sharper` times as
    /// large.
    fn too_sure(sharper: f32) -> Calibration {
        let mut calibration = Calibration::default();
        let logit = sharper * (0.8_f32 / 0.2).ln();
        let p = 1.0 / (1.0 + (-logit).exp());
        for i in 0..1000 {
            calibration.add([p, 1.0 - p], usize::from(i % 5 == 0));
        }
        calibration
    }

    #[test]
    fn the_temperature_undoes_what_made_probabilities_too_sure() {
        for sharper in [0.5, 1.0, 3.0] {
            let calibration = too_sure(sharper);
            let best = calibration.best().expect("there are voxels");
            assert!((best.temperature - f64::from(sharper)).abs() < 1e-3, "{sharper}: {best:?}");
            assert!(best.calibration_error < 1e-3 && best.negative_log_likelihood <= calibration.at(1.0).negative_log_likelihood + 1e-9);
        }
        // As they are, they are wrong by what they are too sure.
        let error = too_sure(3.0).at(1.0).calibration_error;
        assert!((error - (64.0 / 65.0 - 0.8)).abs() < 1e-4, "{error}");
    }

    #[test]
    fn impossible_truths_and_no_voxels_are_no_problem() {
        assert_eq!(Calibration::default().best(), None);
        let mut calibration = Calibration::default();
        calibration.add([1.0, 0.0, 0.0], 2);
        calibration.add([1.0, 0.0, 0.0], 0);
        assert!(calibration.best().is_some_and(|fit| fit.negative_log_likelihood.is_finite() && fit.temperature > 1.0));
    }
}
