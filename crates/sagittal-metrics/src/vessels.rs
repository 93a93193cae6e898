//! Vessels and other thin structures: whether the lines were found, and whether they hang together.
//!
//! Centre-line Dice (clDice: Shit et al. 2021, section 3): precision is the share of the prediction's centre line that lies in the
//! reference mask, sensitivity the share of the reference's centre line that lies in the predicted mask, and clDice their harmonic
//! mean. Centre lines are those of [`centre_lines`]. Components are connected by faces, edges and corners.
//!
//! | reference | prediction | clDice | precision | sensitivity |
//! |---|---|---|---|---|
//! | empty | empty | `None` | `None` | `None` |
//! | empty | not empty | 0 | 0 | `None` |
//! | not empty | empty | 0 | `None` | 0 |
//!
//! Where both masks hold something and one of them has no centre line (a solid block can be thinned until nothing is left, as with
//! scikit-image), clDice is `None`.

use sagittal_image::{Components, Volume};
use serde::{Deserialize, Serialize};

use crate::{MaskPair, thinning::centre_lines};

/// The lines of one label of one case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VesselScore {
    /// clDice, 0 to 1.
    pub centreline_dice: Option<f64>,
    /// Share of the prediction's centre line inside the reference.
    pub centreline_precision: Option<f64>,
    /// Share of the reference's centre line inside the prediction.
    pub centreline_sensitivity: Option<f64>,
    /// Connected components of the reference.
    pub n_components_reference: usize,
    /// Connected components of the prediction.
    pub n_components_prediction: usize,
}

/// Thins both masks of a label and compares.
pub fn vessel_score(masks: Option<&MaskPair>) -> VesselScore {
    let Some(masks) = masks else { return VesselScore::default() };
    let inside = |line: &Volume<bool>, mask: &Volume<bool>| {
        let (mut n, mut n_inside) = (0_u64, 0_u64);
        for (_, &mask) in line.voxels().iter().zip(mask.voxels()).filter(|(line, _)| **line) {
            n += 1;
            n_inside += u64::from(mask);
        }
        (n > 0).then(|| n_inside as f64 / n as f64)
    };
    let (predicted_line, reference_line) = rayon::join(|| centre_lines(&masks.prediction), || centre_lines(&masks.reference));
    let precision = inside(&predicted_line, &masks.reference);
    let sensitivity = inside(&reference_line, &masks.prediction);
    let harmonic = |p: f64, s: f64| if p + s > 0.0 { 2.0 * p * s / (p + s) } else { 0.0 };
    let is_empty = |mask: &Volume<bool>| !mask.voxels().contains(&true);
    let dice = match (precision, sensitivity) {
        (Some(p), Some(s)) => Some(harmonic(p, s)),
        // One mask holds nothing; or it holds something that has no centre line, of which nothing can be said.
        _ => (is_empty(&masks.prediction) != is_empty(&masks.reference)).then_some(0.0),
    };
    VesselScore {
        centreline_dice: dice,
        centreline_precision: precision,
        centreline_sensitivity: sensitivity,
        n_components_reference: Components::of(&masks.reference).sizes.len(),
        n_components_prediction: Components::of(&masks.prediction).sizes.len(),
    }
}

#[cfg(test)]
mod tests {
    use sagittal_image::Rank;

    use super::*;

    fn score(reference: &str, prediction: &str) -> [Option<f64>; 3] {
        let mask = |drawing: &str| Volume::new([1, 1, drawing.len()], drawing.bytes().map(|b| b == b'#').collect());
        let masks = MaskPair { prediction: mask(prediction), reference: mask(reference), spacing: [1.0; 3], rank: Rank::Two };
        let score = vessel_score(Some(&masks));
        [score.centreline_dice, score.centreline_precision, score.centreline_sensitivity]
    }

    #[test]
    fn the_empty_mask_table_holds() {
        assert_eq!(score("...", "..."), [None; 3]);
        assert_eq!(score("...", ".#."), [Some(0.0), Some(0.0), None]);
        assert_eq!(score(".#.", "..."), [Some(0.0), None, Some(0.0)]);
        assert_eq!(score("#..", "..#"), [Some(0.0); 3]);
        // A line of four of which two are found, and nothing else.
        assert_eq!(score("####", "##.."), [Some(2.0 / 3.0), Some(1.0), Some(0.5)]);
    }

    #[test]
    fn a_block_that_is_thinned_to_nothing_has_no_score() {
        let mask = |n_slices: usize| Volume::new([4, 4, 4], (0..64).map(|i| i / 16 < n_slices).collect::<Vec<bool>>());
        let (block, none) = (mask(4), mask(0));
        assert!(!centre_lines(&block).voxels().contains(&true), "as scikit-image's");
        let line = Volume::new([4, 4, 4], (0..64).map(|i| i / 4 == 5).collect::<Vec<bool>>());
        let score = |prediction: &Volume<bool>, reference: &Volume<bool>| {
            let (prediction, reference) = (prediction.clone(), reference.clone());
            vessel_score(Some(&MaskPair { prediction, reference, spacing: [1.0; 3], rank: Rank::Three })).centreline_dice
        };
        assert_eq!([score(&block, &line), score(&line, &block), score(&block, &block)], [None; 3]);
        // What should not be there, or is missed, is known even so.
        assert_eq!([score(&block, &none), score(&none, &block)], [Some(0.0); 2]);
        assert_eq!(score(&line, &line), Some(1.0));
    }
}
