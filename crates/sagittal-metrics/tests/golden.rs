//! Every score against independent programs, on 240 random pairs of masks and other random data.
//!
//! `tests/reference/metrics.py` wrote the numbers in `tests/data`; both sides draw the data by the same recipe.
#![allow(clippy::unwrap_used, reason = "tests")]

use sagittal_image::{Components, Geometry, LabelMap, Rank, Volume};
use sagittal_metrics::{
    LabelScore, MaskPair, Ranking, ScoreOptions, SignedRank, SurfaceDistances, SurfaceElements, SurfaceOptions, lesions::lesion_score,
    score_case_with, surface_distance::Element, thinning::centre_lines,
};

/// The recipe's source of numbers.
struct Lcg(u64);

impl Lcg {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn below(&mut self, n: usize) -> usize {
        self.next() as usize % n
    }
}

fn positions(shape: [usize; 3]) -> impl Iterator<Item = [usize; 3]> {
    (0..shape.iter().product()).map(move |i| [i / (shape[1] * shape[2]), i / shape[2] % shape[1], i % shape[2]])
}

fn draw(rng: &mut Lcg, shape: [usize; 3], kind: usize) -> Volume<bool> {
    let n: usize = shape.iter().product();
    let mut mask = Volume::filled(shape, kind == 4);
    match kind {
        0 | 1 => {
            let one_in = if kind == 0 { 2 } else { 9 };
            mask.voxels_mut().iter_mut().for_each(|voxel| *voxel = rng.below(one_in) == 0);
        }
        2 => {
            for _ in 0..1 + rng.below(3) {
                let ends = shape.map(|extent| {
                    let (a, b) = (rng.below(extent), rng.below(extent));
                    (a.min(b), a.max(b))
                });
                for (voxel, at) in mask.voxels_mut().iter_mut().zip(positions(shape)) {
                    *voxel |= (0..3).all(|axis| (ends[axis].0..=ends[axis].1).contains(&at[axis]));
                }
            }
        }
        3 => mask.voxels_mut()[rng.below(n)] = true,
        4 => mask.voxels_mut()[rng.below(n)] = false,
        _ => {
            let centre = shape.map(|extent| rng.below(extent));
            let most = *shape.iter().max().unwrap();
            let squared = 1 + rng.below(most * most / 3 + 1);
            for (voxel, at) in mask.voxels_mut().iter_mut().zip(positions(shape)) {
                *voxel = (0..3).map(|axis| at[axis].abs_diff(centre[axis]).pow(2)).sum::<usize>() <= squared;
            }
        }
    }
    mask
}

const SPACINGS: [[f64; 3]; 5] = [[1.0; 3], [3.0, 0.7, 0.7], [0.5, 2.0, 0.31], [2.5, 1.0, 1.0], [0.8, 0.8, 5.0]];

fn pair(i: usize) -> (MaskPair, f64) {
    let mut rng = Lcg(1000 + i as u64);
    let flat = i.is_multiple_of(3);
    let shape = if flat { [1, 2 + rng.below(14), 2 + rng.below(14)] } else { [1 + rng.below(9), 2 + rng.below(10), 2 + rng.below(10)] };
    let spacing = SPACINGS[rng.below(5)];
    let tolerance = [1.0, 0.7, 2.5][rng.below(3)];
    let reference = draw(&mut rng, shape, i % 6);
    let kind = rng.below(6);
    let prediction = draw(&mut rng, shape, kind);
    (MaskPair { prediction, reference, spacing, rank: if flat { Rank::Two } else { Rank::Three } }, tolerance)
}

fn rows(text: &str) -> Vec<Vec<f64>> {
    text.lines().map(|line| line.split(' ').map(|word| word.parse().unwrap()).collect()).collect()
}

/// The largest difference seen of each score, and how far it may go.
#[derive(Default)]
struct Differences(Vec<(&'static str, f64, f64, usize)>);

impl Differences {
    fn see(&mut self, name: &'static str, most: f64, found: f64, expected: f64, place: usize) {
        let difference = if found.is_nan() && expected.is_nan() { 0.0 } else { (found - expected).abs() };
        assert!(difference <= most, "{name} of pair {place}: {found} instead of {expected}");
        match self.0.iter_mut().find(|entry| entry.0 == name) {
            Some(entry) => (entry.1, entry.3) = (entry.1.max(difference), entry.3 + 1),
            None => self.0.push((name, difference, most, 1)),
        }
    }
}

impl Drop for Differences {
    fn drop(&mut self) {
        for (name, difference, most, n) in &self.0 {
            println!("{name:40} {n:4} compared, largest difference {difference:.1e}, allowed {most:.0e}");
        }
    }
}

/// NumPy's percentile, linear between neighbours.
fn percentile(sorted: &[f64], share: f64) -> f64 {
    let at = share * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    low + (high - low) * at.fract()
}

fn distances(elements: &[Element]) -> Vec<f64> {
    elements.iter().map(|element| element.distance).collect()
}

fn whole_score(masks: &MaskPair, options: ScoreOptions) -> LabelScore {
    let shape = masks.reference.shape();
    let geometry = match masks.rank {
        Rank::Three => Geometry::volume(shape, masks.spacing),
        Rank::Two => Geometry { spacing_mm: Some(masks.spacing), ..Geometry::picture([shape[1], shape[2]]) },
    };
    let map = |mask: &Volume<bool>| LabelMap {
        labels: mask.map(|&inside| 3 * u16::from(inside)),
        geometry: geometry.clone(),
        header: Default::default(),
    };
    score_case_with(&map(&masks.prediction), &map(&masks.reference), &[3], None, options).unwrap().remove(0)
}

#[test]
fn masks_score_as_in_other_programs() {
    let rows = rows(include_str!("data/pairs.txt"));
    assert_eq!(rows.len(), 240);
    let mut seen = Differences::default();
    for (i, row) in rows.iter().enumerate() {
        let (masks, tolerance) = pair(i);
        let count = |mask: &Volume<bool>| mask.voxels().iter().filter(|inside| **inside).count() as f64;
        assert_eq!([count(&masks.reference), count(&masks.prediction)], row[..2], "the recipes differ in pair {i}");
        let options = |elements| ScoreOptions { surface: Some(SurfaceOptions { elements, tolerance }), ..ScoreOptions::default() };
        let score = whole_score(&masks, options(SurfaceElements::Triangles));
        let surface = score.surface.unwrap();
        if let Some(measured) = SurfaceDistances::between(&masks, SurfaceElements::Triangles) {
            seen.see("surface-distance: Hausdorff", 1e-12, surface.hausdorff.unwrap(), row[2], i);
            seen.see("surface-distance: HD95", 1e-12, surface.hausdorff95.unwrap(), row[3], i);
            seen.see("surface-distance: average to prediction", 1e-12, surface.average_reference_to_prediction.unwrap(), row[4], i);
            seen.see("surface-distance: average to reference", 1e-12, surface.average_prediction_to_reference.unwrap(), row[5], i);
            seen.see("surface-distance: surface Dice", 1e-12, surface.surface_dice.unwrap(), row[6], i);
            let area: f64 = measured.reference_to_prediction.iter().map(|element| element.size).sum();
            seen.see("surface-distance: area", 1e-9, area, row[7], i);

            let border = SurfaceDistances::between(&masks, SurfaceElements::BorderVoxels).unwrap();
            let (forth, back) = (distances(&border.reference_to_prediction), distances(&border.prediction_to_reference));
            let mut both = [forth.clone(), back.clone()].concat();
            both.sort_by(f64::total_cmp);
            let border = border.score(tolerance);
            seen.see("MedPy: Hausdorff", 1e-12, border.hausdorff.unwrap(), row[8], i);
            seen.see("MedPy: HD95 (of both lists together)", 1e-12, percentile(&both, 0.95), row[9], i);
            seen.see("MedPy: ASD", 1e-12, border.average_prediction_to_reference.unwrap(), row[10], i);
            seen.see("MedPy: ASSD (of both lists together)", 1e-12, border.average.unwrap(), row[11], i);
            // MONAI computes in float32.
            seen.see("MONAI: HD95 (interpolated)", 1e-5, percentile(&forth, 0.95).max(percentile(&back, 0.95)), row[12], i);
            seen.see("MONAI: ASSD (of both lists together)", 1e-5, border.average.unwrap(), row[13], i);
            seen.see("MONAI: surface Dice", 1e-5, border.surface_dice.unwrap(), row[14], i);
            seen.see("SimpleITK: Hausdorff (of all voxels)", 1e-5, hausdorff_of_voxels(&masks), row[15], i);
            seen.see("SimpleITK: Dice", 1e-12, score.dice.unwrap(), row[16], i);
            seen.see("SimpleITK: Jaccard", 1e-12, score.iou.unwrap(), row[17], i);
            seen.see("SciPy: distance of centres", 1e-12, score.centre_distance.unwrap(), row[18], i);
        } else {
            assert!(row[2].is_nan() && surface.hausdorff.is_none(), "pair {i}");
        }
        let lesions = lesion_score(Some(&masks), 1.0);
        let counts = [lesions.n_reference, lesions.n_prediction, lesions.n_found, lesions.n_false].map(|n| n as f64);
        assert_eq!(counts, row[19..23], "lesions of pair {i}");
        seen.see("SciPy: Dice per lesion", 1e-12, lesions.mean_dice.unwrap_or(f64::NAN), row[23], i);
        assert_eq!(Components::of(&masks.reference).sizes.len() as f64, row[19]);

        let lines = [centre_lines(&masks.reference), centre_lines(&masks.prediction)];
        assert_eq!(lines.each_ref().map(count), row[24..26], "voxels of the centre lines of pair {i}");
        let share = |mask: &Volume<bool>, line: &Volume<bool>| {
            let on_line = || mask.voxels().iter().zip(line.voxels()).filter(|(_, line)| **line);
            on_line().filter(|(mask, _)| **mask).count() as f64 / on_line().count() as f64
        };
        seen.see("scikit-image: clDice precision", 1e-12, share(&masks.reference, &lines[1]), row[26], i);
        seen.see("scikit-image: clDice sensitivity", 1e-12, share(&masks.prediction, &lines[0]), row[27], i);
    }
}

/// The distance of sets of voxels, not of surfaces: a voxel inside the other mask is no distance from it.
fn hausdorff_of_voxels(masks: &MaskPair) -> f64 {
    let far = |from: &Volume<bool>, to: &Volume<bool>| {
        let nearest = sagittal_image::NearestSet::of(to, masks.spacing, |inside| *inside);
        let inside = positions(from.shape()).filter(|at| *from.at(*at));
        inside.map(|at| nearest.distance(at).unwrap()).fold(0.0, f64::max)
    };
    far(&masks.reference, &masks.prediction).max(far(&masks.prediction, &masks.reference))
}

#[test]
fn probabilities_score_as_in_scikit_learn() {
    let mut seen = Differences::default();
    for (i, row) in rows(include_str!("data/probabilities.txt")).iter().enumerate() {
        let mut rng = Lcg(5000 + i as u64);
        let n = 2 + rng.below(300);
        let steps = [4, 1000, 1 << 24][i % 3];
        let p: Vec<f32> = (0..n).map(|_| (rng.below(steps + 1) as f64 / steps as f64) as f32).collect();
        let mut y: Vec<bool> = p.iter().map(|&p| (rng.below(100) as f64) < 20.0 + 60.0 * f64::from(p)).collect();
        if y.iter().all(|y| *y) || !y.contains(&true) {
            y[0] = !y[0];
        }
        let score = Ranking::of(&p, |i| Some(y[i])).unwrap().score();
        seen.see("scikit-learn: ROC AUC", 1e-12, score.roc_auc.unwrap(), row[0], i);
        seen.see("scikit-learn: average precision", 1e-12, score.average_precision.unwrap(), row[1], i);
        seen.see("scikit-learn: Brier", 1e-12, score.brier.unwrap(), row[2], i);
        seen.see("NumPy: calibration error", 1e-12, score.calibration_error.unwrap(), row[3], i);
    }
}

#[test]
fn pairs_are_tested_as_in_scipy() {
    let mut seen = Differences::default();
    for (i, row) in rows(include_str!("data/wilcoxon.txt")).iter().enumerate() {
        let mut rng = Lcg(9000 + i as u64);
        let n = 1 + rng.below(80);
        let steps = [5, 1_000_000][i % 2];
        let d: Vec<f64> = (0..n).map(|_| (rng.below(2 * steps + 1) as f64 - steps as f64 + rng.below(3) as f64) / 1024.0).collect();
        let found = SignedRank::of(&d);
        assert_eq!(found.n as f64, row[0]);
        seen.see("SciPy: p value of the signed-rank test", 1e-12, found.p_value.unwrap_or(f64::NAN), row[1], i);
        seen.see("SciPy: rank sum", 1e-12, found.rank_sum_positive, row[2], i);
    }
}
