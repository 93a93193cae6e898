#![allow(clippy::unwrap_used, reason = "tests")]

use sagittal_image::{Geometry, LabelMap, Volume};
use sagittal_metrics::{
    DistanceUnit, Distances, LabelName, LabelScore, Overlap, ScoreOptions, ScoredRegion, SurfaceOptions, score_case_with,
};

use super::*;

/// As it is kept, so that scores that are added later need no change here.
fn score(true_positive: u64) -> LabelScore {
    let overlap = Overlap { true_positive, false_positive: 2, false_negative: 1, true_negative: 9 };
    let kept = serde_json::json!({
        "label": 1, "dice": overlap.dice(), "iou": overlap.iou(), "true_positive": true_positive, "false_positive": 2, "false_negative": 1,
        "true_negative": 9, "volume_unit": "ml", "reference_volume": overlap.n_reference() as f64, "prediction_volume": overlap.n_prediction() as f64,
    });
    serde_json::from_value(kept).unwrap()
}

fn metrics(true_positives: &[u64]) -> Metrics {
    let cases = true_positives.iter().enumerate().map(|(i, &n)| CaseScore::new(format!("case {i}"), vec![score(n)])).collect();
    let labels = vec![LabelName { value: 1, name: "head".into() }];
    Metrics::new(labels, ScoredRegion::WholeImage, cases, vec![], &Bootstrap { n_resamples: 10, seed: 0 })
}

#[test]
fn every_score_that_some_case_has_has_a_distribution_and_what_matters_comes_first() {
    let found = distributions(&metrics(&[3, 8, 20]));
    let titles: Vec<&str> = found.iter().map(|one| one.title.as_str()).collect();
    assert_eq!(titles, ["Dice", "IoU"], "the other scores of the file are not there");
    let dice: Vec<f64> = found[0].rows[0].values.iter().map(|(_, value)| *value).collect();
    assert_eq!(dice, [6.0 / 9.0, 16.0 / 19.0, 40.0 / 43.0]);
    assert!(distributions(&metrics(&[])).is_empty());

    let map = |voxels: &[u16]| LabelMap {
        labels: Volume::new([1, 1, 6], voxels.to_vec()),
        geometry: Geometry::volume([1, 1, 6], [2.0; 3]),
        header: Default::default(),
    };
    let options = ScoreOptions { surface: Some(SurfaceOptions::default()), vessels: true, ..ScoreOptions::default() };
    let scores = score_case_with(&map(&[1, 1, 1, 0, 0, 0]), &map(&[0, 1, 1, 1, 0, 0]), &[1], None, options).unwrap();
    let labels = vec![LabelName { value: 1, name: "head".into() }];
    let case = CaseScore::new("a", scores);
    let mut all = Metrics::new(labels, ScoredRegion::WholeImage, vec![case], vec![], &Bootstrap { n_resamples: 10, seed: 0 });
    all.distances = Some(Distances::new(DistanceUnit::Millimetre, SurfaceOptions::default()));
    let titles: Vec<String> = distributions(&all).into_iter().map(|one| one.title).collect();
    assert_eq!(titles[..4], ["Dice", "HD95, mm", "Surface Dice", "clDice"], "{titles:?}");
    for title in ["Volume difference, ml", "Distance of centres, mm", "Average distance, mm", "Components too many"] {
        assert!(titles.iter().any(|found| found == title), "{title} in {titles:?}");
    }
}

#[test]
fn limits_of_agreement_are_those_of_the_textbook() {
    // Differences 1, 2, 3: bias 2, standard deviation 1.
    let sizes: Vec<(String, f64, f64)> = [(10.0, 11.0), (20.0, 22.0), (30.0, 33.0)].iter().map(|&(a, b)| ("c".to_owned(), a, b)).collect();
    let chart = bland_altman("head", 0, "ml", &sizes).unwrap();
    let levels: Vec<f64> = chart.guides.iter().map(|guide| if let Guide::Level(y, _) = guide { *y } else { f64::NAN }).collect();
    assert_eq!(levels, [2.0, 2.0 - 1.96, 2.0 + 1.96]);
    assert_eq!(chart.series[0].points, [(10.5, Some(1.0)), (21.0, Some(2.0)), (31.5, Some(3.0))]);
    assert_eq!(chart.note, "On average +2.00 ml predicted minus true; about 95 % of differences lie between +0.040 and +3.96 ml.");
    // Two cases have a bias and no limits, one has neither, equal ones no spread.
    assert_eq!(bland_altman("head", 0, "ml", &sizes[..2]).unwrap().guides.len(), 1);
    assert_eq!(bland_altman("head", 0, "ml", &sizes[..1]), None);
    assert_eq!(bland_altman("head", 0, "ml", &vec![("c".to_owned(), 1.0, 1.0); 5]).unwrap().guides.len(), 1);
    assert_eq!(bland_altman("head", 0, "ml", &[("a".into(), f64::NAN, 1.0), ("b".into(), 1.0, 1.0)]), None);
}

#[test]
fn cases_are_ranked_from_the_worst() {
    let chart = worst_to_best(&metrics(&[8, 3, 20])).unwrap();
    assert_eq!(chart.series[0].cases.as_deref().unwrap(), ["case 1", "case 0", "case 2"]);
    let dice: Vec<f64> = chart.series[0].points.iter().map(|(_, dice)| dice.unwrap()).collect();
    assert!(dice.is_sorted() && chart.note.starts_with("Lowest mean Dice: case 1 (0.667), case 0"), "{}", chart.note);
    assert_eq!(worst_to_best(&metrics(&[3])), None);
}
