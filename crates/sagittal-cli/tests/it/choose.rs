//! `sagittal train --cross-validate` and `sagittal choose`.

use std::{fs, path::Path};

use sagittal_image::io;

use super::{sagittal, train::prepare};

/// Trains every fold of the phantom, and makes what it found of each held-out case the truth with a crumb in a corner.
fn run_with_crumbs(place: &Path) {
    prepare(place);
    sagittal(place, &["train", "set", "--plan", "plan.json", "--epochs", "1", "--cross-validate", "-o", "a"])
        .exits(0)
        .says("fold 4")
        .prints("5 cases scored");
    copy(&place.join("a"), &place.join("b"));
    for fold in 0..5 {
        let folder = place.join(format!("a/fold_{fold}/validation"));
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "gz") {
                let mut truth = io::read_label_map(&place.join("set/labelsTr").join(path.file_name().unwrap())).unwrap();
                truth.labels.voxels_mut()[0] = 1;
                io::write_label_map(&path, &truth.labels, &truth.geometry, &truth.header).unwrap();
            }
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

#[test]
fn the_better_run_is_chosen_with_the_post_processing_that_helps_it() {
    let place = tempfile::tempdir().unwrap();
    run_with_crumbs(place.path());
    // What is finished is not trained again.
    let again = ["train", "set", "--plan", "plan.json", "--epochs", "1", "--cross-validate", "-o", "a", "--resume"];
    sagittal(place.path(), &again).exits(0).says("fold 4 is trained and scored already");

    sagittal(place.path(), &["choose", "a", "b", "-o", "best"])
        .exits(0)
        .prints("a (chosen)")
        .prints("a + b")
        .prints("largest part of all foreground: kept")
        .prints("sagittal predict best IMAGES");
    let choice: serde_json::Value = serde_json::from_slice(&fs::read(place.path().join("best/choice.json")).unwrap()).unwrap();
    assert_eq!((&choice["chosen"], choice["n_cases"].as_u64()), (&"a".into(), Some(5)));
    assert_eq!(choice["postprocessing"], serde_json::json!([{ "values": [1, 2] }]));
    assert_eq!(choice["result"]["mean_dice"], 1.0);
    assert!(choice["candidates"][0]["scores"]["mean_dice"].as_f64().unwrap() < 1.0);

    let image = fs::read_dir(place.path().join("set/imagesTr")).unwrap().next().unwrap().unwrap().path();
    sagittal(place.path(), &["predict", "best", image.to_str().unwrap(), "-o", "labels", "--no-mirror"]).exits(0).says("with 5 model(s)");
    sagittal(place.path(), &["choose", "a", "-o", "best"]).exits(2).says("best is not empty");
    sagittal(place.path(), &["choose", "set", "-o", "other"]).exits(2).says("set holds no run.json");
    sagittal(place.path(), &["choose", "a", "a", "-o", "other"]).exits(2).says("two runs are called a");
    fs::remove_file(
        fs::read_dir(place.path().join("a/fold_0/validation"))
            .unwrap()
            .map(|e| e.unwrap().path())
            .find(|p| p.extension().unwrap() == "gz")
            .unwrap(),
    )
    .unwrap();
    sagittal(place.path(), &["choose", "a", "-o", "third"]).exits(1).says("case ");
    fs::remove_dir_all(place.path().join("b/fold_0")).unwrap();
    let call = sagittal(place.path(), &["choose", "b", "--no-ensembles", "-o", "fewer"]).exits(0);
    call.says("note: only fold(s) 1, 2, 3, 4 of 5 are trained in every run");
}
