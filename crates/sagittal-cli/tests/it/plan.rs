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

#[test]
fn nnu_nets_plans_can_be_asked_for_by_name() {
    let place = tempfile::tempdir().unwrap();
    sagittal(place.path(), &["phantom", "hippocampus", "-o", "set", "--cases", "6", "--test-cases", "0"]).exits(0);
    let plan = |words: &[&str]| sagittal(place.path(), &[&["plan", "set", "--like", "nnunet", "--json"], words].concat()).exits(0).json();
    let full = plan(&[]);
    assert_eq!((full["training"]["optimizer"].as_str(), full["training"]["epochs"].as_u64()), (Some("sgd"), Some(1000)));
    assert_eq!((full["network"]["features"][0].as_u64(), full["orientation"].as_str()), (Some(32), Some("file")));
    let flat = plan(&["--configuration", "2d", "--preset", "resenc-m", "--memory", "4G"]);
    assert_eq!((flat["patch"][0].as_u64(), flat["network"]["kind"].as_str()), (Some(1), Some("residual_unet")));
    assert_eq!(flat["network"]["encoder_convs"][1], 3);
    sagittal(place.path(), &["plan", "set", "--like", "nnunet"]).exits(0).prints("nnU-Net plans of this data set: 2d, 3d_fullres");
    sagittal(place.path(), &["plan", "set", "--like", "nnunet", "--configuration", "3d_lowres"])
        .exits(2)
        .says("nnU-Net makes no 3d_lowres of this data set; choose among 2d, 3d_fullres");
}

#[test]
fn a_plan_for_a_time_trains_for_that_time_and_edited_plans_are_told_as_they_are() {
    let place = tempfile::tempdir().unwrap();
    sagittal(place.path(), &["phantom", "hippocampus", "-o", "set", "--cases", "6", "--test-cases", "0"]).exits(0);
    sagittal(place.path(), &["plan", "set", "--time", "3s", "-o", "plan.json"]).exits(0).prints("a step takes").prints("1000 epochs of");
    let read = |file: &str| -> serde_json::Value { serde_json::from_slice(&std::fs::read(place.path().join(file)).unwrap()).unwrap() };
    let mut plan = read("plan.json");
    assert_eq!(plan["training"]["time_s"], 3.0);
    super::shrink_network(&mut plan, [4, 8]);
    plan["patch"] = serde_json::json!([16, 16, 16]);
    std::fs::write(place.path().join("plan.json"), plan.to_string()).unwrap();
    sagittal(place.path(), &["train", "set", "-o", "run", "--plan", "plan.json", "--memory", "10M"])
        .exits(2)
        .says("training by this plan takes about")
        .says("--memory allows 10 MB");
    let call = sagittal(place.path(), &["train", "set", "-o", "run", "--plan", "plan.json"]).exits(0);
    let parameters = |plan: &serde_json::Value| plan["estimate"]["parameters"].as_u64().unwrap();
    let now = parameters(&read("run/plan.json"));
    assert!(now < parameters(&plan));
    call.says("3 seconds, as many steps as that allows").says(&format!("{now} parameters"));
}
