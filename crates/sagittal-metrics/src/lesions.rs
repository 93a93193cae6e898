//! Lesion by lesion: which were found, and how well.
//!
//! A lesion is a connected component: voxels that touch by a face, an edge or a corner. A reference lesion is found if the prediction
//! holds at least one voxel of it; a predicted lesion is false if it holds no voxel of the reference (the counting of ISLES 2022,
//! Hernandez Petzsche et al. 2022). The Dice of a reference lesion compares it with all predicted lesions that touch it, together
//! (BraTS 2023, without its dilation); a missed one has 0.
//!
//! With found `TP`, missed `FN` and false `FP`: F1 `2 TP / (2 TP + FP + FN)`, sensitivity `TP / (TP + FN)`, precision
//! `1 - FP / predicted lesions`.
//!
//! | reference | prediction | F1 | sensitivity | precision | mean Dice |
//! |---|---|---|---|---|---|
//! | no lesion | no lesion | `None` | `None` | `None` | `None` |
//! | no lesion | lesions | 0 | `None` | 0 | `None` |
//! | lesions | no lesion | 0 | 0 | `None` | 0 |

use std::collections::BTreeMap;

use sagittal_image::Components;
use serde::{Deserialize, Serialize};

use crate::MaskPair;

/// The lesions of one label of one case.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LesionScore {
    /// Lesions of the reference.
    pub n_reference: usize,
    /// Predicted lesions.
    pub n_prediction: usize,
    /// Reference lesions of which a voxel is predicted.
    pub n_found: usize,
    /// Predicted lesions without a voxel of the reference.
    pub n_false: usize,
    /// 0 to 1.
    pub f1: Option<f64>,
    /// Share of the predicted lesions that touch the reference.
    pub precision: Option<f64>,
    /// Share of the reference lesions that are found.
    pub sensitivity: Option<f64>,
    /// Mean over the reference lesions.
    pub mean_dice: Option<f64>,
    /// Every reference lesion, in memory order of their first voxels.
    pub lesions: Vec<Lesion>,
}

/// A lesion of the reference.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lesion {
    /// How large it is, in the label's unit of volume.
    pub volume: f64,
    /// Against the predicted lesions that touch it; 0 if none does.
    pub dice: f64,
}

/// Counts the lesions of a label; `voxel_size` is the volume of one voxel.
pub fn lesion_score(masks: Option<&MaskPair>, voxel_size: f64) -> LesionScore {
    let Some(masks) = masks else { return LesionScore::default() };
    let (reference, prediction) = (Components::of(&masks.reference), Components::of(&masks.prediction));
    let mut shared: BTreeMap<(u32, u32), u64> = BTreeMap::new();
    let numbers = reference.numbers.voxels().iter().zip(prediction.numbers.voxels());
    for (&r, &p) in numbers.filter(|(r, p)| **r != 0 && **p != 0) {
        *shared.entry((r, p)).or_default() += 1;
    }
    let mut touched = vec![false; prediction.sizes.len()];
    // Of every reference lesion, the voxels in common, and those of all predicted lesions that touch it.
    let mut overlaps = vec![(0_u64, 0_u64); reference.sizes.len()];
    for (&(r, p), &n) in &shared {
        touched[p as usize - 1] = true;
        overlaps[r as usize - 1].0 += n;
        overlaps[r as usize - 1].1 += prediction.sizes[p as usize - 1] as u64;
    }
    let lesions: Vec<Lesion> = (reference.sizes.iter().zip(&overlaps))
        .map(|(&size, &(n, predicted))| Lesion {
            volume: size as f64 * voxel_size,
            dice: 2.0 * n as f64 / (size as u64 + predicted) as f64,
        })
        .collect();
    let (n_reference, n_prediction) = (lesions.len(), touched.len());
    let n_found = overlaps.iter().filter(|(n, _)| *n > 0).count();
    let n_false = touched.iter().filter(|touched| !**touched).count();
    let share = |part: usize, whole: usize| (whole > 0).then(|| part as f64 / whole as f64);
    LesionScore {
        n_reference,
        n_prediction,
        n_found,
        n_false,
        // TP + (TP + FN) + FP
        f1: share(2 * n_found, n_found + n_reference + n_false),
        precision: share(n_prediction - n_false, n_prediction),
        sensitivity: share(n_found, n_reference),
        mean_dice: (n_reference > 0).then(|| lesions.iter().map(|lesion| lesion.dice).sum::<f64>() / n_reference as f64),
        lesions,
    }
}

#[cfg(test)]
mod tests {
    use sagittal_image::{Rank, Volume};

    use super::*;

    fn masks(reference: &str, prediction: &str) -> MaskPair {
        let mask = |drawing: &str| Volume::new([1, 1, drawing.len()], drawing.bytes().map(|b| b == b'#').collect());
        MaskPair { prediction: mask(prediction), reference: mask(reference), spacing: [1.0; 3], rank: Rank::Two }
    }

    #[test]
    fn lesions_are_counted_as_by_hand() {
        // Three lesions; the first is found by two, the second is missed, the third exact; one prediction is false.
        let score = lesion_score(Some(&masks("####.##..##...", "#.##....##..#.")), 0.5);
        assert_eq!((score.n_reference, score.n_prediction, score.n_found, score.n_false), (3, 4, 2, 1));
        assert_eq!(score.f1, Some(4.0 / 6.0));
        assert_eq!((score.precision, score.sensitivity), (Some(0.75), Some(2.0 / 3.0)));
        // The first: 3 in common, sizes 4 and 3. The third is shifted by one: 1 in common, sizes 2 and 2.
        let dice: Vec<f64> = score.lesions.iter().map(|lesion| lesion.dice).collect();
        assert_eq!(dice, [6.0 / 7.0, 0.0, 0.5]);
        assert_eq!(score.lesions[0].volume, 2.0);
    }

    #[test]
    fn the_empty_mask_table_holds() {
        let found = |reference, prediction| {
            let score = lesion_score(Some(&masks(reference, prediction)), 1.0);
            [score.f1, score.sensitivity, score.precision, score.mean_dice]
        };
        assert_eq!(found("...", "..."), [None; 4]);
        assert_eq!(lesion_score(None, 1.0), LesionScore::default());
        assert_eq!(found("...", "#.#"), [Some(0.0), None, Some(0.0), None]);
        assert_eq!(found("#.#", "..."), [Some(0.0), Some(0.0), None, Some(0.0)]);
        assert_eq!(found("#", "#"), [Some(1.0); 4]);
    }
}
