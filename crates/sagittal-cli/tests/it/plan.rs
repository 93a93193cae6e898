//! `sagittal plan`: words on standard output, JSON where it was asked for.

use super::sagittal;

#[test]
fn a_plan_is_told_in_words_and_written_as_json() {
    let place = tempfile::tempdir().unwrap();
    sagittal(place.path(), &["phantom", "hippocampus", "-o", "set", "--cases", "6", "--test-cases", "0"]).exits(0);
    sagittal(place.path(), &["plan", "set"]).exits(0).prints("anterior");
    assert!(!place.path().join("plan.json").exists(), "nothing is written unless it was asked for");
    let told = sagittal(place.path(), &["plan", "set", "--json"]).exits(0).json();
    sagittal(place.path(), &["plan", "set", "-o", "plan.json"]).exits(0).says("wrote plan.json");
    let written: serde_json::Value = serde_json::from_slice(&std::fs::read(place.path().join("plan.json")).unwrap()).unwrap();
    assert_eq!(told, written);
    assert_eq!(written["format_version"], 1);
}

#[test]
fn less_memory_never_gives_a_larger_estimate() {
    let place = tempfile::tempdir().unwrap();
    sagittal(place.path(), &["phantom", "hippocampus", "-o", "set", "--cases", "6", "--test-cases", "0"]).exits(0);
    let memory = |limit: &str| {
        let json = sagittal(place.path(), &["plan", "set", "--json", "--memory", limit]).exits(0).json();
        json["estimate"]["memory_bytes"].as_u64().unwrap()
    };
    let (little, much) = (memory("600M"), memory("16G"));
    assert!(little <= much && little <= 600 << 20, "{little} and {much} bytes");
}
