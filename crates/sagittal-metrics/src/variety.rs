//! Whether predictions differ from image to image as the truth does.
//!
//! A network that has learned the mean mask draws the same mask for every image, and its Dice can look passable where structures
//! lie in the same place. What gives it away is the variance across images: at every voxel, of the predicted foreground over
//! the images, averaged over the voxels, and the same of the truth. Their ratio is 0 for the same mask everywhere, about 1 for
//! predictions as various as the truth; that they are also right is for other scores to say.

use sagittal_image::Volume;
use serde::{Deserialize, Serialize};

/// Below this ratio predictions are called the same for every image. Between a mean mask (0) and predictions as various as
/// the truth (1) nothing speaks for a particular number; a tenth is far from both.
const SAME: f64 = 0.1;

/// How various predictions and truths are across images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Variety {
    /// The grid on which they were compared, `[Z, Y, X]`.
    pub grid: [usize; 3],
    /// Number of images.
    pub n_cases: usize,
    /// Variance of the predicted foreground (0 or 1) across images, the mean over voxels: 0 to 1/4.
    pub prediction: f64,
    /// The same of the truth.
    pub reference: f64,
    /// The first as a part of the second; `None` where the truth is the same in every image.
    pub ratio: Option<f64>,
}

impl Variety {
    /// What it comes to, in a sentence: `from image to image predictions differ 0.01 times as much as the truth: ...`.
    pub fn in_words(&self) -> String {
        let [_, y, x] = self.grid;
        let grid = format!("variance of the foreground across {} images, {y} x {x}", self.n_cases);
        match self.ratio {
            None => format!("the truth is the same in every image, so nothing is said of how predictions differ ({grid})"),
            Some(ratio) => {
                let verdict = if self.is_collapsed() { ": as good as the same mask for every image" } else { "" };
                format!("from image to image predictions differ {ratio:.2} times as much as the truth ({grid}){verdict}")
            }
        }
    }

    /// Whether the predictions are as good as the same for every image, though the truth is not.
    pub fn is_collapsed(&self) -> bool {
        self.ratio.is_some_and(|ratio| ratio < SAME)
    }
}

/// Counts, voxel by voxel, of the images added so far.
#[derive(Clone, Debug)]
pub struct VarietyCounts {
    grid: [usize; 3],
    n_cases: usize,
    /// Images whose prediction is foreground there.
    prediction: Vec<u32>,
    /// Images whose truth is.
    reference: Vec<u32>,
}

impl VarietyCounts {
    /// Nothing added yet.
    pub fn new(grid: [usize; 3]) -> Self {
        let n = grid.iter().product();
        Self { grid, n_cases: 0, prediction: vec![0; n], reference: vec![0; n] }
    }

    /// The grid on which images are compared.
    pub fn grid(&self) -> [usize; 3] {
        self.grid
    }

    /// Adds an image; every label but 0 is foreground.
    ///
    /// # Panics
    /// If a label map is not of the grid.
    pub fn add(&mut self, prediction: &Volume<u16>, reference: &Volume<u16>) {
        assert_eq!((prediction.shape(), reference.shape()), (self.grid, self.grid), "label maps on one grid");
        for (counts, labels) in [(&mut self.prediction, prediction), (&mut self.reference, reference)] {
            counts.iter_mut().zip(labels.voxels()).for_each(|(count, label)| *count += u32::from(*label != 0));
        }
        self.n_cases += 1;
    }

    /// The variances; `None` of fewer than two images, or of a grid without voxels.
    pub fn variety(&self) -> Option<Variety> {
        if self.n_cases < 2 || self.prediction.is_empty() {
            return None;
        }
        let n = self.n_cases as f64;
        // Of a number that is 0 or 1 the variance is p (1 - p).
        let variance = |counts: &[u32]| {
            let of = |count: &u32| f64::from(*count) / n * (1.0 - f64::from(*count) / n);
            counts.iter().map(of).sum::<f64>() / counts.len() as f64
        };
        let (prediction, reference) = (variance(&self.prediction), variance(&self.reference));
        let ratio = (reference > 0.0).then(|| prediction / reference);
        Some(Variety { grid: self.grid, n_cases: self.n_cases, prediction, reference, ratio })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of images of four voxels, predictions and truths.
    fn variety(images: &[([u16; 4], [u16; 4])]) -> Option<Variety> {
        let mut counts = VarietyCounts::new([1, 2, 2]);
        let map = |labels: &[u16; 4]| Volume::new([1, 2, 2], labels.to_vec());
        images.iter().for_each(|(prediction, reference)| counts.add(&map(prediction), &map(reference)));
        counts.variety()
    }

    #[test]
    fn variances_are_those_of_zeros_and_ones() {
        struct Case {
            images: &'static [([u16; 4], [u16; 4])],
            /// Of the prediction, of the truth, and their ratio.
            expected: Option<(f64, f64, Option<f64>)>,
        }
        let cases = [
            // One image has no variance.
            Case { images: &[([1, 0, 0, 0], [1, 0, 0, 0])], expected: None },
            // The same mask for both images, whatever is true: half the voxels of the truth change.
            Case { images: &[([1, 1, 0, 0], [1, 0, 0, 0]), ([1, 1, 0, 0], [0, 2, 0, 0])], expected: Some((0.0, 0.125, Some(0.0))) },
            // As various as the truth, though never right; any label is foreground.
            Case { images: &[([0, 3, 0, 0], [1, 0, 0, 0]), ([1, 0, 0, 0], [0, 2, 0, 0])], expected: Some((0.125, 0.125, Some(1.0))) },
            // The truth never changes: nothing to compare with.
            Case { images: &[([0; 4], [1; 4]), ([1; 4], [1; 4])], expected: Some((0.25, 0.0, None)) },
            // One of four images: 1/4 times 3/4 at one voxel of four.
            Case {
                images: &[([1, 0, 0, 0], [1, 1, 0, 0]), ([0; 4], [0; 4]), ([0; 4], [0; 4]), ([0; 4], [0; 4])],
                expected: Some((0.1875 / 4.0, 0.375 / 4.0, Some(0.5))),
            },
        ];
        for case in cases {
            let found = variety(case.images);
            let numbers = found.as_ref().map(|found| (found.prediction, found.reference, found.ratio));
            assert_eq!(numbers, case.expected, "{:?}", case.images);
            assert_eq!(found.is_some_and(|found| found.is_collapsed()), numbers.is_some_and(|(_, _, ratio)| ratio == Some(0.0)));
        }
    }
}
