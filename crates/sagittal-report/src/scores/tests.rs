#![allow(clippy::unwrap_used, reason = "tests")]

use sagittal_metrics::{LabelName, Overlap, ScoredRegion};

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
fn every_score_that_is_kept_has_a_distribution_and_counts_have_none() {
    let found = distributions(&metrics(&[3, 8, 20]));
    let titles: Vec<&str> = found.iter().map(|one| one.title.as_str()).collect();
    assert!(titles.starts_with(&["Dice", "IoU"]), "{titles:?}");
    assert!(!titles.iter().any(|title| title.contains("positive") || title.contains("volume") || *title == "Label"), "{titles:?}");
    let dice: Vec<f64> = found[0].rows[0].values.iter().map(|(_, value)| *value).collect();
    assert_eq!(dice, [6.0 / 9.0, 16.0 / 19.0, 40.0 / 43.0]);
    assert!(distributions(&metrics(&[])).is_empty());
}

#[test]
fn scores_of_tomorrow_are_found_by_their_fields() {
    let value = serde_json::json!({
        "label": 1, "dice": 0.5, "true_positive": 4, "distance_unit": "mm", "hausdorff": 3.0,
        "surface": { "average_mm": 0.25, "n_points": 7, "tolerance": 2.0, "surface_dice": null, "list": [1.0] },
        "lesions": { "precision": 0.75, "n_found": 3 }, "probability": { "roc_auc": 0.5, "at_threshold": { "threshold": 0.4, "dice": 0.6 } },
    });
    let mut numbers = Vec::new();
    collect(&value, None, &mut numbers);
    let titles: Vec<(String, f64)> = numbers.iter().map(|(key, number, unit)| (title(key, unit.as_deref()), *number)).collect();
    let expected = [
        ("Dice", 0.5),
        ("Hausdorff distance, mm", 3.0),
        ("Average surface distance, mm", 0.25),
        ("Lesions precision", 0.75),
        ("Area under the ROC", 0.5),
        ("At threshold dice", 0.6),
    ];
    assert_eq!(titles, expected.map(|(title, number)| (title.to_owned(), number)));
    assert_eq!(title("net_volume_error", None), "Net volume error");
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
