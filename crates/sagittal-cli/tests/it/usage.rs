//! Wrong use: exit code 2 and a sentence that says what was expected.

use super::sagittal;

#[test]
fn wrong_use_exits_with_two_and_says_what_was_expected() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("file.nii.gz"), "").unwrap();
    let cases: [(&[&str], &str); 21] = [
        (&[], "Usage: sagittal"),
        (&["draw"], "unrecognized subcommand 'draw'"),
        (&["check"], "<DATASET>"),
        (&["check", "nowhere"], "nowhere does not exist; expected the folder of a data set"),
        (&["plan", "nowhere"], "nowhere does not exist"),
        (&["plan", ".", "--memory", "8"], "8 has no unit; write a number with its unit, such as 8G"),
        (&["plan", ".", "-o", "."], ". is a folder; name a file with -o"),
        (&["plan", ".", "--preset", "resenc-m"], "--like <PROGRAM>"),
        (&["plan", ".", "--like", "nnunet", "--configuration", "4d"], "possible values: 2d, 3d_fullres, 3d_lowres, 3d_cascade_fullres"),
        (&["plan", ".", "--like", "nnunet", "--time", "60m"], "cannot be used with"),
        (&["phantom", "retina", "-o", "file.nii.gz"], "file.nii.gz is a file; name a folder with -o"),
        (&["train", ".", "-o", "file.nii.gz"], "file.nii.gz is a file; name a folder with -o"),
        (&["check", ".", "--threads", "0"], "expected at least 1"),
        (&["phantom", "spleen", "-o", "x"], "possible values: hippocampus, retina"),
        (&["evaluate", "nowhere", "."], "nowhere does not exist; expected a label map or a folder of them"),
        (&["evaluate", "file.nii.gz", "."], ". is a folder and file.nii.gz a file; name two folders or two files"),
        (&["fetch", "spleen"], "possible values: hippocampus"),
        (&["check", ".", "--seed", "1"], "unexpected argument '--seed'"),
        (&["train", ".", "-o", "x", "--device", "tpu"], "tpu is no device; this build has: cpu"),
        (&["bench", "--device", "cuda:one"], "cuda:one is no device"),
        (&["predict", "a.safetensors", "b.nii", "-o", "x", "--device", "CPU"], "CPU is no device"),
    ];
    for (words, part) in cases {
        sagittal(place.path(), words).exits(2).says(part);
    }
}

#[test]
fn help_and_version_are_results() {
    let place = tempfile::tempdir().unwrap();
    sagittal(place.path(), &["--help"]).exits(0).prints("Exit codes: 0 done");
    sagittal(place.path(), &["--version"]).exits(0).prints("sagittal 0.");
    sagittal(place.path(), &["evaluate", "--help"]).exits(0).prints("sagittal evaluate labels");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    use std::process::{Command, Stdio};
    let place = tempfile::tempdir().unwrap();
    super::files::write_cube(&place.path().join("a.nii"), 3);
    let mut child = Command::new(env!("CARGO_BIN_EXE_sagittal"))
        .args(["evaluate", "a.nii", "a.nii", "--json"])
        .current_dir(place.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !err.contains("panicked"), "{err}");
}
