//! Which prediction belongs to which reference: by case name, in two folders or as two files.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow};
use sagittal_image::{
    Geometry,
    io::{Format, image_stem},
};
use sagittal_metrics::{FailedCase, GRID_TOLERANCE};

use super::truth::Truth;
use crate::outcome::WrongUse;

/// A prediction and its reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) case: String,
    pub(crate) prediction: PathBuf,
    pub(crate) reference: PathBuf,
    /// The data set's field of view.
    pub(crate) region: Option<PathBuf>,
    /// A second observer's labels, where the reference is the first one's.
    pub(crate) second: Option<PathBuf>,
    /// The patient that the data set says the case is of.
    pub(crate) patient: Option<String>,
}

impl Pair {
    /// A pair, with the field of view, the second observer's labels and the patient, as far as the data set has them.
    fn of(case: String, prediction: PathBuf, reference: PathBuf, truth: &Truth) -> Self {
        let known = truth.case_of(&reference);
        let is_reference = |path: &Path| path.canonicalize().ok() == reference.canonicalize().ok();
        let second = known.and_then(|known| known.second_labels.clone()).filter(|second| !is_reference(second));
        let (region, patient) = (known.and_then(|known| known.region.clone()), known.and_then(|known| known.group.clone()));
        Self { case, prediction, reference, region, second, patient }
    }
}

/// All pairs, and what found no partner.
#[derive(Debug, Default)]
pub(crate) struct Pairing {
    pub(crate) pairs: Vec<Pair>,
    /// References without a prediction, and names that stand for several files.
    pub(crate) failed: Vec<FailedCase>,
    /// Predictions without a reference.
    pub(crate) unused: Vec<PathBuf>,
}

/// Pairs two files, or the files of two folders.
pub(crate) fn find(predictions: &Path, reference: &Path, truth: &Truth) -> anyhow::Result<Pairing> {
    match (predictions.is_dir(), reference.is_dir()) {
        (true, true) => pair_folders(predictions, reference, truth),
        (false, false) => {
            let pair = Pair::of(name(predictions), predictions.into(), reference.into(), truth);
            Ok(Pairing { pairs: vec![pair], ..Pairing::default() })
        }
        (true, false) => Err(different_kinds(predictions, reference).into()),
        (false, true) => Err(different_kinds(reference, predictions).into()),
    }
}

fn pair_folders(predictions: &Path, reference: &Path, truth: &Truth) -> anyhow::Result<Pairing> {
    // A data set names its cases, which need not be the names of its files: 21_manual1.gif is case 21.
    let of_reference = |path: &Path| truth.case_of(path).map_or_else(|| name(path), |case| case.id.clone());
    let mut predicted = by_case(predictions, name)?;
    let references = by_case(reference, of_reference)?;
    if references.is_empty() {
        let cure = "name the folder of the label maps themselves, such as DATASET/labelsTr";
        return Err(WrongUse(format!("{} holds no image file; {cure}", reference.display())).into());
    }
    let mut pairing = Pairing::default();
    for (case, reference) in references {
        let prediction = predicted.remove(&case).unwrap_or_default();
        match (&reference[..], &prediction[..]) {
            ([reference], [prediction]) => {
                pairing.pairs.push(Pair::of(case, prediction.clone(), reference.clone(), truth));
            }
            ([_], []) => {
                let reason = format!("has no prediction; expected {case} with an image's extension in {}", predictions.display());
                pairing.failed.push(FailedCase { case, reason });
            }
            (several, [_] | []) | (_, several) => {
                let names: Vec<String> = several.iter().map(|path| path.display().to_string()).collect();
                let reason = format!("stands for several files: {}; leave one of them", names.join(", "));
                pairing.failed.push(FailedCase { case, reason });
            }
        }
    }
    pairing.unused = predicted.into_values().flatten().collect();
    Ok(pairing)
}

/// The image files of a folder by the case that they belong to.
pub(crate) fn by_case(folder: &Path, case_of: impl Fn(&Path) -> String) -> anyhow::Result<BTreeMap<String, Vec<PathBuf>>> {
    let act = || format!("cannot list {}", folder.display());
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(act)? {
        let path = entry.with_context(act)?.path();
        let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !is_hidden && path.is_file() && Format::of_path(&path).is_some() {
            files.push(path);
        }
    }
    files.sort();
    let mut cases: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for path in files {
        cases.entry(case_of(&path)).or_default().push(path);
    }
    Ok(cases)
}

/// The file's name without an image's extension.
pub(crate) fn name(path: &Path) -> String {
    image_stem(path).map_or_else(|| path.file_name().unwrap_or_default().to_string_lossy().into_owned(), str::to_owned)
}

/// Refuses a file that lies on another grid than `reference`, whose grid is `expected`.
pub(crate) fn on_grid_of(reference: &Path, expected: &Geometry, file: &Path, found: &Geometry) -> anyhow::Result<()> {
    expected.same_grid(found, GRID_TOLERANCE).map_err(|mismatch| {
        anyhow!("{} is not on the grid of {}: {mismatch}; resample one onto the other's grid first", file.display(), reference.display())
    })
}

pub(crate) fn different_kinds(folder: &Path, file: &Path) -> WrongUse {
    WrongUse(format!("{} is a folder and {} a file; name two folders or two files", folder.display(), file.display()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// Two folders with empty files of these names.
    fn folders(predictions: &[&str], references: &[&str]) -> (tempfile::TempDir, Pairing) {
        let place = tempfile::tempdir().unwrap();
        for (folder, names) in [("p", predictions), ("r", references)] {
            std::fs::create_dir(place.path().join(folder)).unwrap();
            for name in names {
                std::fs::write(place.path().join(folder).join(name), "").unwrap();
            }
        }
        let pairing = find(&place.path().join("p"), &place.path().join("r"), &Truth::default()).unwrap();
        (place, pairing)
    }

    #[test]
    fn folders_are_paired_by_case_whatever_the_format() {
        let (_place, pairing) = folders(&["b.nii.gz", "a.nii", "c.png", "._a.nii", "notes.txt"], &["a.nii.gz", "b.nrrd", "d.png"]);
        let cases: Vec<&str> = pairing.pairs.iter().map(|pair| &*pair.case).collect();
        assert_eq!(cases, ["a", "b"]);
        assert!(pairing.failed.len() == 1 && pairing.failed[0].case == "d" && pairing.failed[0].reason.contains("no prediction"));
        assert!(pairing.unused.len() == 1 && pairing.unused[0].ends_with("p/c.png"), "{:?}", pairing.unused);
    }

    #[test]
    fn one_name_for_several_files_is_a_failure() {
        for (predictions, references, files) in [
            (&["a.nii", "a.png"][..], &["a.nii"][..], "p/a.png"),
            (&["a.nii"], &["a.nii", "a.png"], "r/a.png"),
            (&[], &["a.nii", "a.png"], "r/a.png"),
        ] {
            let (_place, pairing) = folders(predictions, references);
            assert!(pairing.pairs.is_empty() && pairing.failed.len() == 1, "{pairing:?}");
            assert!(pairing.failed[0].reason.contains("several files") && pairing.failed[0].reason.contains(files), "{pairing:?}");
        }
    }
}
