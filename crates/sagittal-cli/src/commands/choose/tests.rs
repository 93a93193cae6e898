#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use sagittal_image::{Geometry, Rank, Volume, io::SourceHeader};
use serde::Deserialize;

/// What `tests/reference/choose.py` writes: nnU-Net's own choices.
#[derive(Deserialize)]
struct Golden {
    shape: [usize; 3],
    folds: usize,
    scenarios: Vec<Scenario>,
}

#[derive(Deserialize)]
struct Scenario {
    name: String,
    labels: Value,
    regions_class_order: Option<Vec<u16>>,
    /// Of each case the truth, what two models found, and what their average did; a digit per voxel.
    cases: Vec<[String; 4]>,
    /// Mean Dice of the models and of their average.
    scores: [f64; 3],
    /// Which of these was chosen.
    best: usize,
    postprocessing: Vec<Vec<u16>>,
    result: f64,
}

fn volume(digits: &str, shape: [usize; 3]) -> Volume<u16> {
    Volume::new(shape, digits.bytes().map(|digit| u16::from(digit - b'0')).collect())
}

/// Writes a data set with these references, and what every model found beside.
fn lay_out(place: &Path, scenario: &Scenario, shape: [usize; 3], folds: usize) {
    let geometry = Geometry::volume(shape, [1.0; 3]);
    assert_eq!(geometry.rank, Rank::Three);
    let header = SourceHeader::default();
    for folder in ["imagesTr", "labelsTr"] {
        std::fs::create_dir_all(place.join(folder)).unwrap();
    }
    for (idx, [truth, found @ ..]) in scenario.cases.iter().enumerate() {
        io::write_image(&place.join(format!("imagesTr/case_{idx}_0000.nii.gz")), &[Volume::filled(shape, 1.0)], &geometry, &header)
            .unwrap();
        io::write_label_map(&place.join(format!("labelsTr/case_{idx}.nii.gz")), &volume(truth, shape), &geometry, &header).unwrap();
        for (model, digits) in found.iter().enumerate() {
            let folder = place.join(format!("found_{model}_{}", idx % folds));
            std::fs::create_dir_all(&folder).unwrap();
            io::write_label_map(&folder.join(format!("case_{idx}.nii.gz")), &volume(digits, shape), &geometry, &header).unwrap();
        }
    }
    let mut dataset = serde_json::json!({
        "channel_names": { "0": "MR" }, "file_ending": ".nii.gz", "numTraining": scenario.cases.len(), "labels": scenario.labels,
    });
    if let Some(order) = &scenario.regions_class_order {
        dataset["regions_class_order"] = serde_json::json!(order);
    }
    std::fs::write(place.join("dataset.json"), dataset.to_string()).unwrap();
}

#[test]
fn what_is_chosen_is_what_nnunet_chooses() {
    let golden: Golden = serde_json::from_str(include_str!("choose.json")).unwrap();
    let (messages, stop) = (Messages::new(true), Stop::never());
    assert!(golden.scenarios.len() >= 7);
    for scenario in &golden.scenarios {
        let place = tempfile::tempdir().unwrap();
        lay_out(place.path(), scenario, golden.shape, golden.folds);
        let dataset = Dataset::open(place.path()).unwrap();
        let structures = sagittal_data::plan::Region::all(&dataset.labels, &dataset.regions);
        let structures = structures.into_iter().map(|region| Structure { name: region.name, values: region.values }).collect();
        let cases = (0..scenario.cases.len()).map(|idx| (format!("case_{idx}"), idx % golden.folds)).collect();
        let held_out = HeldOut { dataset: &dataset, structures, cases };
        let mut candidates = Vec::new();
        for (model, expected) in scenario.scores.iter().enumerate() {
            let folders = (0..golden.folds).map(|fold| (fold, place.path().join(format!("found_{model}_{fold}")))).collect();
            let candidate = Candidate::scored(vec![model.to_string()], folders, &held_out, &messages, &stop).unwrap();
            let dice = candidate.scores.mean_dice.unwrap();
            assert!((dice - expected).abs() < 1e-12, "{}, model {model}: {dice}, nnU-Net {expected}", scenario.name);
            candidates.push(candidate);
        }
        let best = candidates::best(&candidates).unwrap();
        assert_eq!(best, scenario.best, "{}", scenario.name);
        let (steps, _, result) = postprocessing::choose(&candidates[best], &held_out, &messages, &stop).unwrap();
        let steps: Vec<Vec<u16>> = steps.into_iter().map(|step| step.values).collect();
        assert_eq!(steps, scenario.postprocessing, "{}", scenario.name);
        assert!((result.mean_dice.unwrap() - scenario.result).abs() < 1e-12, "{}: {result:?}", scenario.name);
    }
}
