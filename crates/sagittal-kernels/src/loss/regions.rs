//! Regions that may overlap: a sigmoid and a binary cross entropy for each.

use super::{IGNORED, LossOptions, LossShape, LossValue, Rule, Sums, loss_by};

/// Which regions the voxels of each class belong to: the way from one label per voxel to one answer per voxel and region.
#[derive(Clone, Debug, PartialEq)]
pub struct RegionTable {
    n_regions: usize,
    /// `[classes, K]`, 1 where the class belongs to the region, else 0.
    members: Vec<f32>,
}

impl RegionTable {
    /// From the regions of every class, as positions below `n_regions`; a class may belong to none.
    ///
    /// # Panics
    /// If there is no region, or a position is none.
    pub fn new(n_regions: usize, regions_of_classes: &[Vec<usize>]) -> Self {
        assert!(n_regions > 0, "a network of regions has at least one");
        let mut members = vec![0.0; regions_of_classes.len() * n_regions];
        for (of_class, row) in regions_of_classes.iter().zip(members.chunks_exact_mut(n_regions)) {
            of_class.iter().for_each(|&region| row[region] = 1.0);
        }
        Self { n_regions, members }
    }

    /// `K`.
    pub fn n_regions(&self) -> usize {
        self.n_regions
    }

    /// Number of classes.
    pub fn n_classes(&self) -> usize {
        self.members.len() / self.n_regions
    }

    /// `[classes, K]`, 1 where the class belongs to the region, else 0.
    pub fn members(&self) -> &[f32] {
        &self.members
    }

    /// The regions of a class, 1 or 0 for each.
    ///
    /// # Panics
    /// If there is no such class.
    pub fn of(&self, class: u8) -> &[f32] {
        let at = usize::from(class) * self.n_regions;
        let row = self.members.get(at..at + self.n_regions);
        row.unwrap_or_else(|| panic!("target {class} is neither one of the {} classes nor {IGNORED}", self.n_classes()))
    }
}

/// Binary cross entropy minus soft Dice of every region, and its gradient where `d_logits` is given.
///
/// As [`super::dice_cross_entropy`], with the sigmoid of each logit as its probability. The cross entropy is the mean over
/// voxels *and* regions; every region takes part in the Dice.
///
/// # Shapes
/// - `logits`, `d_logits`: `[N, V, K]`, `K` regions
/// - `target`: `[N, V]`, classes of `table`, or [`IGNORED`]
///
/// # Panics
/// If a slice does not fit `shape`, the table has another number of regions, or a target is neither a class nor [`IGNORED`].
pub fn dice_binary_cross_entropy(
    shape: &LossShape,
    logits: &[f32],
    target: &[u8],
    table: &RegionTable,
    options: LossOptions,
    d_logits: Option<&mut [f32]>,
) -> LossValue {
    assert_eq!(table.n_regions, shape.classes, "regions of the table and logits of a voxel");
    loss_by(table, shape, logits, target, options, d_logits)
}

/// `1 / (1 + exp(-z))` and `ln(1 + exp(-|z|))`, by one exponential that cannot overflow.
#[inline]
fn sigmoid_and_softplus(z: f32) -> (f32, f32) {
    let e = (-z.abs()).exp();
    let near_one = 1.0 / (1.0 + e);
    (if z >= 0.0 { near_one } else { e * near_one }, e.ln_1p())
}

impl Rule for RegionTable {
    fn first_class(&self) -> usize {
        0
    }

    fn terms_per_voxel(&self) -> usize {
        self.n_regions
    }

    fn add(&self, logits: &[f32], target: &[u8], sums: &mut Sums) {
        for (z, &t) in logits.chunks_exact(self.n_regions).zip(target) {
            if t == IGNORED {
                continue;
            }
            let member = self.of(t);
            let mut cross_entropy = 0.0;
            for k in 0..self.n_regions {
                let (p, softplus) = sigmoid_and_softplus(z[k]);
                // -t ln p - (1 - t) ln (1 - p) = max(z, 0) - z t + ln(1 + exp(-|z|))
                cross_entropy += z[k].max(0.0) - z[k] * member[k] + softplus;
                sums.probability[k] += f64::from(p);
                sums.intersection[k] += f64::from(p * member[k]);
                let (predicted, is_member) = (u64::from(z[k] > 0.0), member[k] as u64);
                sums.counts[k].predicted += predicted;
                sums.counts[k].reference += is_member;
                sums.counts[k].intersection += predicted * is_member;
            }
            sums.cross_entropy += f64::from(cross_entropy);
            sums.n_scored += 1;
        }
    }

    fn gradient(&self, logits: &[f32], target: &[u8], ce_factor: f32, slopes: &[[f32; 2]], d_logits: &mut [f32]) {
        let n = self.n_regions;
        for ((z, &t), d_z) in logits.chunks_exact(n).zip(target).zip(d_logits.chunks_exact_mut(n)) {
            if t == IGNORED {
                d_z.fill(0.0);
                continue;
            }
            let member = self.of(t);
            for k in 0..n {
                let (p, _) = sigmoid_and_softplus(z[k]);
                // d_z = p (1 - p) d_p for the Dice, p - t for the cross entropy
                d_z[k] = p * (1.0 - p) * (slopes[k][0] + slopes[k][1] * member[k]) + ce_factor * (p - member[k]);
            }
        }
    }
}
