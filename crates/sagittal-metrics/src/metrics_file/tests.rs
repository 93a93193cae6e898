#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::{Overlap, VolumeUnit};

fn score(label: u16, true_positive: u64, false_positive: u64, false_negative: u64) -> LabelScore {
    let overlap = Overlap { true_positive, false_positive, false_negative, true_negative: 10 };
    LabelScore {
        label,
        dice: overlap.dice(),
        iou: overlap.iou(),
        overlap,
        volume_unit: VolumeUnit::SquareMillimetre,
        reference_volume: overlap.n_reference() as f64 * 0.5,
        prediction_volume: overlap.n_prediction() as f64 * 0.5,
    }
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
    assert_eq!(rows[1], "a,1,\"head, \"\"front\"\"\",1,1,4,0,0,10,2,2,mm2");
    assert_eq!(rows[4], "b,4,tail,,,0,0,0,10,0,0,mm2");
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
