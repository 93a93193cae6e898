#![allow(clippy::unwrap_used, reason = "tests")]

use sagittal_image::{Rank, Volume};

use super::*;

fn ball(shape: [usize; 3], spacing: [f64; 3], radius: f64, offset: f64) -> Volume<bool> {
    let inside = |index: usize| {
        let at = [index / (shape[1] * shape[2]), index / shape[2] % shape[1], index % shape[2]];
        let mm = [0, 1, 2].map(|a| (at[a] as f64 - (shape[a] as f64 - 1.0) / 2.0) * spacing[a]);
        mm[0].powi(2) + mm[1].powi(2) + (mm[2] - offset).powi(2) <= radius * radius
    };
    Volume::new(shape, (0..shape.iter().product()).map(inside).collect())
}

fn pair(reference: Volume<bool>, prediction: Volume<bool>, spacing: [f64; 3], rank: Rank) -> MaskPair {
    MaskPair { prediction, reference, spacing, rank }
}

#[test]
fn balls_of_one_centre_are_their_difference_of_radii_apart() {
    let (shape, spacing) = ([40, 70, 70], [1.5, 0.8, 0.8]);
    let masks = pair(ball(shape, spacing, 20.0, 0.0), ball(shape, spacing, 24.0, 0.0), spacing, Rank::Three);
    for elements in [SurfaceElements::Triangles, SurfaceElements::BorderVoxels] {
        let score = surface_score(Some(&masks), SurfaceOptions { elements, tolerance: 5.5 });
        // Within a voxel of the closed form, 4 mm, in every score and both directions.
        for found in [score.hausdorff, score.hausdorff95, score.average, score.median, score.average_reference_to_prediction] {
            assert!((found.unwrap() - 4.0).abs() < 1.0, "{elements:?}: {score:?}");
        }
        assert_eq!(score.surface_dice, Some(1.0));
        assert!(surface_score(Some(&masks), SurfaceOptions { elements, tolerance: 2.5 }).surface_dice.unwrap() < 0.01);
    }
}

#[test]
fn boxes_that_are_shifted_have_the_shift_as_hausdorff_distance() {
    for (spacing, rank) in [([1.0; 3], Rank::Three), ([3.0, 0.5, 0.25], Rank::Three), ([9.0, 0.5, 0.25], Rank::Two)] {
        let depth = if rank == Rank::Two { 1 } else { 3 };
        let boxed = |from: usize| {
            let mut mask = Volume::filled([depth, 8, 20], false);
            mask.voxels_mut()
                .iter_mut()
                .enumerate()
                .for_each(|(i, m)| *m = (from..from + 8).contains(&(i % 20)) && (1..7).contains(&(i / 20 % 8)));
            mask
        };
        let masks = pair(boxed(2), boxed(7), spacing, rank);
        for elements in [SurfaceElements::Triangles, SurfaceElements::BorderVoxels] {
            let score = surface_score(Some(&masks), SurfaceOptions { elements, tolerance: 5.0 * spacing[2] });
            assert_eq!(score.hausdorff, Some(5.0 * spacing[2]), "{spacing:?} {elements:?}");
            assert_eq!(score.surface_dice, Some(1.0), "what is as far as the tolerance is within it");
        }
        assert_eq!(masks.centre_distance(), Some(5.0 * spacing[2]));
    }
}

#[test]
fn the_empty_mask_table_holds() {
    let (empty, full) = (Volume::filled([2; 3], false), Volume::filled([2; 3], true));
    let score = |r: &Volume<bool>, p: &Volume<bool>| {
        surface_score(Some(&pair(r.clone(), p.clone(), [1.0; 3], Rank::Three)), SurfaceOptions::default())
    };
    assert_eq!(surface_score(None, SurfaceOptions::default()), SurfaceScore::default());
    for found in [score(&empty, &full), score(&full, &empty)] {
        assert_eq!(found, SurfaceScore { surface_dice: Some(0.0), ..SurfaceScore::default() });
    }
    let same = score(&full, &full);
    assert_eq!((same.hausdorff, same.hausdorff95, same.average, same.surface_dice), (Some(0.0), Some(0.0), Some(0.0), Some(1.0)));
}

#[test]
fn hd95_is_the_larger_of_both_directions() {
    // A line of 40 pixels, and the same with a spur of one pixel 10 away: 95 % of both surfaces lie on the line.
    let mut line = Volume::filled([1, 20, 42], false);
    line.voxels_mut()[42 + 1..42 + 41].fill(true);
    let mut spur = line.clone();
    spur.voxels_mut()[11 * 42 + 20] = true;
    let score = surface_score(Some(&pair(line, spur, [1.0; 3], Rank::Two)), SurfaceOptions::default());
    assert_eq!(score.hausdorff95, Some(0.0));
    // The spur's lowest corner is 10 below the line's.
    assert_eq!(score.hausdorff, Some(10.0));
}
