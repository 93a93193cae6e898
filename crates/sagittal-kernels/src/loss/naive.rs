//! The loss as its definition says, in f64: the reference of the fast kernel. Its gradient is tested by differences.

use super::{IGNORED, LossOptions, LossShape, RegionTable};

/// The loss of [`super::dice_cross_entropy`].
pub fn dice_cross_entropy(shape: &LossShape, logits: &[f64], target: &[u8], options: LossOptions) -> f64 {
    let &LossShape { batch, voxels, classes } = shape;
    let probability = |v: usize, k: usize| {
        let z = &logits[v * classes..][..classes];
        1.0 / z.iter().map(|other| (other - z[k]).exp()).sum::<f64>()
    };
    let scored: Vec<usize> = (0..batch * voxels).filter(|&v| target[v] != IGNORED).collect();
    let cross_entropy = -scored.iter().map(|&v| probability(v, usize::from(target[v])).ln()).sum::<f64>() / scored.len().max(1) as f64;

    let smooth = f64::from(options.smooth);
    let mut dices = vec![];
    for group in 0..if options.batch_dice { 1 } else { batch } {
        for k in usize::from(!options.do_background)..classes {
            let (mut intersection, mut predicted, mut reference) = (0.0, 0.0, 0.0);
            for &v in scored.iter().filter(|&&v| options.batch_dice || v / voxels == group) {
                let hot = if usize::from(target[v]) == k { 1.0 } else { 0.0 };
                intersection += probability(v, k) * hot;
                predicted += probability(v, k);
                reference += hot;
            }
            dices.push((2.0 * intersection + smooth) / (reference + predicted + smooth).max(1e-8));
        }
    }
    let dice = dices.iter().sum::<f64>() / dices.len().max(1) as f64;
    f64::from(options.scale) * (f64::from(options.ce_weight) * cross_entropy - f64::from(options.dice_weight) * dice)
}

/// The loss of [`super::dice_binary_cross_entropy`].
pub fn dice_binary_cross_entropy(shape: &LossShape, logits: &[f64], target: &[u8], table: &RegionTable, options: LossOptions) -> f64 {
    let &LossShape { batch, voxels, classes: regions } = shape;
    let probability = |v: usize, k: usize| 1.0 / (1.0 + (-logits[v * regions + k]).exp());
    let is_member = |v: usize, k: usize| f64::from(table.of(target[v])[k]);
    let scored: Vec<usize> = (0..batch * voxels).filter(|&v| target[v] != IGNORED).collect();
    let smooth = f64::from(options.smooth);
    let (mut cross_entropy, mut dices) = (0.0, vec![]);
    for k in 0..regions {
        for &v in &scored {
            let (p, t) = (probability(v, k), is_member(v, k));
            cross_entropy -= t * p.ln() + (1.0 - t) * (1.0 - p).ln();
        }
        for group in 0..if options.batch_dice { 1 } else { batch } {
            let own = || scored.iter().copied().filter(|&v| options.batch_dice || v / voxels == group);
            let intersection: f64 = own().map(|v| probability(v, k) * is_member(v, k)).sum();
            let sum: f64 = own().map(|v| probability(v, k) + is_member(v, k)).sum();
            dices.push((2.0 * intersection + smooth) / (sum + smooth).max(1e-8));
        }
    }
    let cross_entropy = cross_entropy / (scored.len().max(1) * regions) as f64;
    let dice = dices.iter().sum::<f64>() / dices.len().max(1) as f64;
    f64::from(options.scale) * (f64::from(options.ce_weight) * cross_entropy - f64::from(options.dice_weight) * dice)
}
