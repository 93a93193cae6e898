//! From logits to probabilities, and how sure they are.

/// What the numbers of a voxel mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Head {
    /// Classes, of which a voxel has one: probabilities by soft-max.
    Classes,
    /// Regions, of which a voxel may lie in several or none: a probability each, by the logistic function.
    Regions,
}

/// The logit of what is certain.
const CERTAIN: f32 = 30.0;

impl Head {
    /// Values of a voxel in which nothing is to be found: logits of `n_classes`, zeros behind them.
    pub(crate) fn background(self, n_classes: usize, n_values: usize) -> Vec<f32> {
        let logit = |class: usize| match self {
            Self::Classes if class == 0 => CERTAIN,
            Self::Classes => 0.0,
            Self::Regions => -CERTAIN,
        };
        (0..n_values).map(|k| if k < n_classes { logit(k) } else { 0.0 }).collect()
    }

    /// Turns the logits of a voxel into probabilities.
    pub(crate) fn probabilities(self, logits: &mut [f32]) {
        match self {
            Self::Classes => {
                let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let mut sum = 0.0;
                for value in &mut *logits {
                    *value = (*value - highest).exp();
                    sum += *value;
                }
                logits.iter_mut().for_each(|value| *value /= sum);
            }
            Self::Regions => logits.iter_mut().for_each(|value| *value = 1.0 / (1.0 + (-*value).exp())),
        }
    }

    /// What one class (or region) of `n` adds to the entropy of a voxel.
    pub(crate) fn entropy_part(self, p: f32, n: usize) -> f32 {
        let part = |p: f32| if p > 0.0 { -p * p.ln() } else { 0.0 };
        match self {
            Self::Classes => part(p) / (n as f32).ln(),
            Self::Regions => (part(p) + part(1.0 - p)) / (n as f32 * std::f32::consts::LN_2),
        }
    }

    /// Entropy of the probabilities of a voxel as a part of the largest possible: 0 = sure, 1 = all the same. Of regions
    /// the mean.
    pub(crate) fn entropy(self, probabilities: &[f32]) -> f32 {
        probabilities.iter().map(|p| self.entropy_part(*p, probabilities.len())).sum()
    }
}

/// Sums from which follows the Dice that probabilities promise, see [`crate::Uncertainty::expected_dice`].
#[derive(Clone, Debug)]
pub(crate) struct Promise {
    /// Of every class or region: probability where it was decided, probability everywhere, voxels decided.
    sums: Vec<[f64; 3]>,
}

impl Promise {
    pub(crate) fn new(n_classes: usize) -> Self {
        Self { sums: vec![[0.0; 3]; n_classes] }
    }

    /// Adds a voxel by its probabilities.
    pub(crate) fn add(&mut self, head: Head, probabilities: &[f32]) {
        let mut best = 0;
        for (k, p) in probabilities.iter().enumerate().skip(1) {
            if *p > probabilities[best] {
                best = k;
            }
        }
        for (k, p) in probabilities.iter().enumerate() {
            let is_decided = match head {
                Head::Classes => k == best,
                Head::Regions => *p > 0.5,
            };
            self.add_class(k, *p, is_decided);
        }
    }

    /// Adds one class of a voxel, and whether it was decided for.
    pub(crate) fn add_class(&mut self, class: usize, p: f32, is_decided: bool) {
        let sums = &mut self.sums[class];
        sums[1] += f64::from(p);
        if is_decided {
            sums[0] += f64::from(p);
            sums[2] += 1.0;
        }
    }

    /// Adds what was found elsewhere.
    pub(crate) fn plus(mut self, other: &Self) -> Self {
        for (own, other) in self.sums.iter_mut().zip(&other.sums) {
            own.iter_mut().zip(other).for_each(|(own, other)| *own += other);
        }
        self
    }

    /// The Dice of every label but the background, or of every region. Less than half a voxel of probability for a label
    /// that was not given is none.
    pub(crate) fn dice(&self, head: Head) -> Vec<Option<f64>> {
        let first = usize::from(head == Head::Classes);
        let dice = |[both, soft, decided]: &[f64; 3]| (soft + decided > 0.5).then(|| 2.0 * both / (soft + decided));
        self.sums[first..].iter().map(dice).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_and_entropies_of_simple_voxels() {
        struct Case {
            head: Head,
            logits: &'static [f32],
            probabilities: &'static [f32],
            entropy: f32,
        }
        let cases = [
            Case { head: Head::Classes, logits: &[2.0, 2.0], probabilities: &[0.5, 0.5], entropy: 1.0 },
            Case { head: Head::Classes, logits: &[-900.0, 900.0], probabilities: &[0.0, 1.0], entropy: 0.0 },
            Case { head: Head::Classes, logits: &[0.0, 1.098_612_3], probabilities: &[0.25, 0.75], entropy: 0.811_278 },
            Case { head: Head::Regions, logits: &[0.0, 500.0, -500.0], probabilities: &[0.5, 1.0, 0.0], entropy: 1.0 / 3.0 },
        ];
        for case in cases {
            let mut found = case.logits.to_vec();
            case.head.probabilities(&mut found);
            assert!(found.iter().zip(case.probabilities).all(|(a, b)| (a - b).abs() < 1e-6), "{:?}: {found:?}", case.logits);
            let entropy = case.head.entropy(&found);
            assert!((entropy - case.entropy).abs() < 1e-5, "{:?}: {entropy}", case.logits);
        }
    }

    #[test]
    fn sure_voxels_promise_a_dice_of_one_and_unsure_ones_less() {
        let of = |voxels: &[[f32; 3]]| {
            let mut promise = Promise::new(3);
            voxels.iter().for_each(|voxel| promise.add(Head::Classes, voxel));
            promise.dice(Head::Classes)
        };
        assert_eq!(of(&[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]), [Some(1.0), None]);
        // Labelled with 0.8, and 0.2 of a voxel missed: 2 * 0.8 / (1.0 + 1).
        let found = of(&[[0.2, 0.8, 0.0], [0.8, 0.2, 0.0]]);
        assert!((found[0].unwrap_or(0.0) - 0.8).abs() < 1e-6 && found[1].is_none(), "{found:?}");
        let regions = {
            let mut promise = Promise::new(2);
            promise.add(Head::Regions, &[0.75, 0.75]);
            promise.plus(&Promise::new(2)).dice(Head::Regions)
        };
        assert!(regions.iter().all(|dice| dice.is_some_and(|d| (d - 1.5 / 1.75).abs() < 1e-6)), "{regions:?}");
    }
}
