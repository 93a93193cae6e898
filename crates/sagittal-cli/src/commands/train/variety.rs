//! Whether the predictions of 2-D validation cases differ as the truths do, where the cases have a common grid.

use sagittal_data::Plan;
use sagittal_image::{Rank, Volume, resize_labels};
use sagittal_metrics::{Variety, VarietyCounts};

/// Gathers the cases of a validation.
pub(super) struct CaseVariety {
    /// The size to which the network brings every picture.
    size: Option<[usize; 2]>,
    ignore_label: Option<u16>,
    state: State,
}

enum State {
    Empty,
    Counting(VarietyCounts),
    /// Volumes, or pictures of several sizes.
    NoCommonGrid,
}

impl CaseVariety {
    pub(super) fn new(plan: &Plan) -> Self {
        let state = if plan.image_rank == Rank::Two { State::Empty } else { State::NoCommonGrid };
        Self { size: plan.network.whole_image(), ignore_label: plan.ignore_label, state }
    }

    /// Adds a case. What nobody labelled is background in both.
    pub(super) fn add(&mut self, prediction: &Volume<u16>, reference: &Volume<u16>) {
        let grid = self.size.map_or(prediction.shape(), |[y, x]| [1, y, x]);
        if let State::Empty = self.state {
            self.state = State::Counting(VarietyCounts::new(grid));
        }
        let State::Counting(counts) = &mut self.state else { return };
        if counts.grid() != grid || prediction.shape() != reference.shape() {
            self.state = State::NoCommonGrid;
            return;
        }
        let ignored = |at: usize| self.ignore_label == Some(reference.voxels()[at]);
        let known = |labels: &Volume<u16>| {
            let voxels = labels.voxels().iter().enumerate().map(|(at, label)| if ignored(at) { 0 } else { *label }).collect();
            resize_labels(&Volume::new(labels.shape(), voxels), grid)
        };
        counts.add(&known(prediction), &known(reference));
    }

    /// What it comes to; `None` of fewer than two cases, or of cases without a common grid.
    pub(super) fn of_all(self) -> Option<Variety> {
        match self.state {
            State::Counting(counts) => counts.variety(),
            State::Empty | State::NoCommonGrid => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(at: usize, n: usize) -> Volume<u16> {
        Volume::new([1, n, n], (0..n * n).map(|i| u16::from((i / n) / (n / 2) == at)).collect())
    }

    fn of(size: Option<[usize; 2]>, cases: &[(Volume<u16>, Volume<u16>)]) -> Option<Variety> {
        let mut variety = CaseVariety { size, ignore_label: Some(9), state: State::Empty };
        cases.iter().for_each(|(prediction, reference)| variety.add(prediction, reference));
        variety.of_all()
    }

    #[test]
    fn pictures_of_several_sizes_are_compared_on_the_grid_of_the_network_only() {
        let cases = [(square(0, 4), square(0, 4)), (square(0, 8), square(1, 8))];
        assert_eq!(of(None, &cases), None);
        let found = of(Some([2, 2]), &cases).map(|found| (found.prediction, found.reference, found.grid));
        assert_eq!(found, Some((0.0, 0.25, [1, 2, 2])));
    }

    #[test]
    fn what_nobody_labelled_is_no_difference() {
        let unlabelled = square(1, 4).map(|label| if *label == 1 { 9 } else { 0 });
        let found = of(None, &[(square(1, 4), square(1, 4)), (square(1, 4), unlabelled)]);
        // Where the second truth says nothing its prediction says nothing either.
        assert_eq!(found.and_then(|found| found.ratio), Some(1.0));
    }
}
