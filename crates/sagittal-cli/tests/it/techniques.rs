//! Techniques from outside: activations explained, a training with dropout and recorded gradients, Monte-Carlo dropout.

use std::{fs, path::Path};

use serde_json::{Value, json};

use super::{sagittal, train};

fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn activations_are_explained_on_a_page_and_as_a_picture() {
    let place = tempfile::tempdir().unwrap();
    sagittal(place.path(), &["explain", "activations", "-o", "a.html"]).exits(0);
    sagittal(place.path(), &["explain", "activations", "-o", "a.svg"]).exits(0);
    sagittal(place.path(), &["explain", "activations", "-o", "a.txt"]).exits(2);
    let page = fs::read_to_string(place.path().join("a.html")).unwrap();
    assert!(page.contains("leaky_relu") && page.matches("<figure class=\"chart\">").count() == 9);
    assert_eq!(fs::read_to_string(place.path().join("a.svg")).unwrap().matches("<polyline").count(), 18);
}

#[test]
fn a_network_trained_with_dropout_is_asked_several_times_and_says_how_far_its_answers_differ() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    train::prepare(place);
    let mut plan = read_json(&place.join("plan.json"));
    (plan["network"]["dropout"], plan["network"]["activation"]) = (json!(0.2), json!("tanh"));
    plan["training"]["epochs"] = json!(2);
    fs::write(place.join("plan.json"), plan.to_string()).unwrap();
    sagittal(place, &["train", "set", "--plan", "plan.json", "-o", "run", "--record-gradients"]).exits(0);
    sagittal(place, &["report", "run"]).exits(0);
    let page = fs::read_to_string(place.join("run/report.html")).unwrap();
    assert!(page.contains("Gradient of each layer") && page.contains("epoch 2"), "the plot of gradients");

    let image = "set/imagesTr/".to_owned() + &first_image(&place.join("set/imagesTr"));
    let predict = |output: &str, more: &[&str]| {
        let words = ["predict", "run", &image, "-o", output, "--uncertainty", "--no-mirror"];
        sagittal(place, &[&words[..], more].concat())
    };
    predict("plain", &[]).exits(0);
    predict("a", &["--dropout-samples", "3"]).exits(0);
    predict("b", &["--dropout-samples", "3"]).exits(0);
    predict("c", &["--dropout-samples", "3", "--seed", "1"]).exits(0);
    let disagreement = |output: &str| {
        let folder = place.join(output).join("disagreement");
        let path = folder.join(fs::read_dir(&folder).unwrap().next().unwrap().unwrap().file_name());
        sagittal_image::io::read_image(&path).unwrap().channels[0].voxels().to_vec()
    };
    // Tiles overlap, but each is looked at once, by one network: nobody disagrees.
    assert!(disagreement("plain").iter().all(|value| *value < 1e-6));
    assert!(disagreement("a").iter().any(|value| *value > 1e-4));
    assert_eq!(disagreement("a"), disagreement("b"));
    assert_ne!(disagreement("a"), disagreement("c"));

    // Without dropout all samples would be alike.
    plan["network"]["dropout"] = json!(0.0);
    plan["training"]["epochs"] = json!(1);
    fs::write(place.join("plan.json"), plan.to_string()).unwrap();
    sagittal(place, &["train", "set", "--plan", "plan.json", "-o", "without"]).exits(0);
    sagittal(place, &["predict", "without", &image, "-o", "d", "--dropout-samples", "3"]).exits(2).says("trained without dropout");
}

fn first_image(folder: &Path) -> String {
    let mut names: Vec<String> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names.swap_remove(0)
}
