#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::{Overlap, VolumeUnit};

fn score(label: u16, true_positive: u64, false_positive: u64, false_negative: u64) -> LabelScore {
    let overlap = Overlap { true_positive, false_positive, false_negative, true_negative: 10 };
    LabelScore::new(label, overlap, 0.5, VolumeUnit::SquareMillimetre)
}

fn metrics() -> Metrics {
    let labels = vec![LabelName { value: 1, name: "head, \"front\"".into() }, LabelName { value: 4, name: "tail".into() }];
    let cases = vec![
        CaseScore::new("a", vec![score(1, 4, 0, 0), score(4, 1, 1, 1)]),
        CaseScore::new("b", vec![score(1, 3, 2, 0), score(4, 0, 0, 0)]),
    ];
    let failed = vec![FailedCase { case: "c".into(), reason: "no prediction".into() }];
    Metrics::new(labels, ScoredRegion::FieldOfView, cases, failed, &Bootstrap::default())
}

#[test]
fn means_are_those_by_hand() {
    let metrics = metrics();
    // a: (1 + 1/2) / 2; b: 6/8 alone, as its second label is empty in both masks
    assert_eq!(metrics.cases.iter().map(|case| case.mean_dice).collect::<Vec<_>>(), [Some(0.75), Some(0.75)]);
    assert_eq!(metrics.foreground_dice.mean, Some(0.75));
    // label 1: (1 + 6/8) / 2; label 4: 1/2
    assert_eq!(metrics.summary[0].dice.mean, Some(0.875));
    assert_eq!((metrics.summary[1].dice.mean, metrics.summary[1].dice.n_undefined), (Some(0.5), 1));
    assert_eq!(metrics.mean_of_label_means, Some(0.6875));
}

#[test]
fn csv_has_a_row_per_case_and_label() {
    let csv = metrics().to_csv();
    let rows: Vec<&str> = csv.lines().collect();
    assert_eq!(rows.len(), 5);
    assert!(
        rows[0].ends_with(",volume_unit,precision,sensitivity,specificity,accuracy,volume_difference,relative_volume_difference"),
        "{}",
        rows[0]
    );
    assert_eq!(rows[1], "a,1,\"head, \"\"front\"\"\",1,1,4,0,0,10,2,2,mm2,1,1,1,1,0,0");
    assert_eq!(rows[4], "b,4,tail,,,0,0,0,10,0,0,mm2,,,1,1,0,");
}

#[test]
fn json_comes_back_as_it_was() {
    let metrics = metrics();
    assert_eq!(Metrics::from_json(&metrics.to_json()).unwrap(), metrics);
    let newer = metrics.to_json().replace("\"format_version\": 1", "\"format_version\": 2");
    assert!(Metrics::from_json(&newer).unwrap_err().to_string().contains("format_version is 2"));
    for text in ["", "{}", "[1, 2", "null", "{\"format_version\": 1}"] {
        assert!(Metrics::from_json(text).is_err(), "{text}");
    }
}

#[test]
fn no_cases_at_all_are_no_fault() {
    let metrics = Metrics::new(vec![], ScoredRegion::WholeImage, vec![], vec![], &Bootstrap::default());
    assert_eq!((metrics.foreground_dice.mean, metrics.mean_of_label_means), (None, None));
    assert_eq!(Metrics::from_json(&metrics.to_json()).unwrap(), metrics);
}

#[test]
fn files_of_before_are_still_read() {
    let old = r#"{"format_version": 1, "region": "whole_image", "labels": [{"value": 1, "name": "x"}], "foreground_dice": {"n": 1, "n_undefined": 0,
        "mean": 0.5, "sd": null, "min": 0.5, "q1": 0.5, "median": 0.5, "q3": 0.5, "max": 0.5, "mean_interval": null}, "mean_of_label_means": 0.5,
        "summary": [], "cases": [{"case": "a", "mean_dice": 0.5, "labels": [{"label": 1, "dice": 0.5, "iou": 0.3, "true_positive": 1,
        "false_positive": 1, "false_negative": 1, "true_negative": 1, "volume_unit": "ml", "reference_volume": 1.0, "prediction_volume": 1.0}]}]}"#;
    let metrics = Metrics::from_json(old).unwrap();
    assert_eq!((metrics.cases[0].labels[0].surface, metrics.cases[0].group.as_deref()), (None, None));
}

#[test]
fn groups_are_summarised_by_themselves() {
    let labels = vec![LabelName { value: 1, name: "x".into() }];
    let case = |name: &str, tp, group: Option<&str>| CaseScore {
        group: group.map(str::to_owned),
        ..CaseScore::new(name, vec![score(1, tp, 2, 2)])
    };
    let cases = vec![case("a", 2, Some("east")), case("b", 8, Some("west")), case("c", 6, Some("east")), case("d", 6, None)];
    let metrics = Metrics::new(labels, ScoredRegion::WholeImage, cases, vec![], &Bootstrap::default());
    let found: Vec<_> = metrics.groups.iter().map(|group| (&*group.group, group.n_cases, group.foreground_dice.mean)).collect();
    assert_eq!(found, [("east", 2, Some((0.5 + 0.75) / 2.0)), ("west", 1, Some(0.8))]);
    assert_eq!(metrics.groups[0].summary[0].scores[&Score::Iou].n, 2);
    assert!(metrics.to_csv().lines().nth(1).unwrap().ends_with(",east"));
}
