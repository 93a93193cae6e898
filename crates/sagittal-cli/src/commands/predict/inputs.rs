//! Which cases the inputs of `predict` are: files, folders of files, data sets.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::Context;
use sagittal_data::{Case, Dataset};
use sagittal_image::io::{Format, image_stem};

use crate::outcome::WrongUse;

/// All cases of all inputs; every name once.
///
/// A file `CASE_0000.ext` is a channel of a case by nnU-Net's rule, and its other channels are looked for beside it; any other
/// file is a case of its own. A data set stands for its test cases, or its training cases where it has no others.
pub(super) fn find(inputs: &[PathBuf], n_channels: usize) -> anyhow::Result<Vec<Case>> {
    let mut cases: BTreeMap<String, Case> = BTreeMap::new();
    for input in inputs {
        WrongUse::unless_exists(input, "an image, a folder of images or a data set")?;
        let found = if !input.is_dir() { group(std::slice::from_ref(input), n_channels)? } else { in_folder(input, n_channels)? };
        for case in found {
            if let Some(other) = cases.insert(case.id.clone(), case.clone()) {
                let (a, b) = (other.images[0].display(), case.images[0].display());
                return Err(WrongUse(format!("{a} and {b} would both be written as {}; predict them into two folders", case.id)).into());
            }
        }
    }
    Ok(cases.into_values().collect())
}

fn in_folder(folder: &Path, n_channels: usize) -> anyhow::Result<Vec<Case>> {
    let files = image_files(folder)?;
    if files.is_empty() || folder.join("dataset.json").is_file() {
        let dataset = Dataset::open(folder).with_context(|| {
            format!("{} is neither a folder of images nor a data set; name the folder that holds the images", folder.display())
        })?;
        return Ok(if dataset.test.is_empty() { dataset.training } else { dataset.test });
    }
    group(&files, n_channels)
}

/// The images of a folder, hidden files left out.
fn image_files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let act = || format!("cannot list {}", folder.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(act)? {
        let path = entry.with_context(act)?.path();
        let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if path.is_file() && !is_hidden && Format::of_path(&path).is_some() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Puts the channels of a case together.
fn group(files: &[PathBuf], n_channels: usize) -> anyhow::Result<Vec<Case>> {
    let mut cases = Vec::new();
    for path in files {
        let stem =
            image_stem(path).map(str::to_owned).unwrap_or_else(|| path.file_stem().unwrap_or_default().to_string_lossy().into_owned());
        let case = match channel_of(&stem) {
            // The other channels come with the first.
            Some((_, channel)) if (1..n_channels).contains(&channel) => continue,
            Some((id, 0)) => {
                let images = (0..n_channels).map(|channel| sibling(path, &stem, &id, channel)).filter(|path| path.is_file());
                let images = images.collect();
                Case { id, images, ..Case::default() }
            }
            _ => Case { id: stem, images: vec![path.clone()], ..Case::default() },
        };
        cases.push(case);
    }
    Ok(cases)
}

/// `CASE_0001` => `CASE`, 1.
fn channel_of(stem: &str) -> Option<(String, usize)> {
    let (id, digits) = stem.rsplit_once('_')?;
    (digits.len() == 4 && !id.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
        .then(|| Some((id.to_owned(), digits.parse().ok()?)))?
}

/// The file of another channel of the same case.
fn sibling(path: &Path, stem: &str, id: &str, channel: usize) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{id}_{channel:04}{}", &name[stem.len()..]))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn ids(names: &[&str], n_channels: usize) -> Vec<(String, usize)> {
        let place = tempfile::tempdir().unwrap();
        for name in names {
            std::fs::write(place.path().join(name), "").unwrap();
        }
        let cases = find(&[place.path().to_owned()], n_channels).unwrap();
        cases.into_iter().map(|case| (case.id, case.images.len())).collect()
    }

    #[test]
    fn channels_of_a_case_are_put_together() {
        let owned = |cases: &[(&str, usize)]| cases.iter().map(|(id, n)| ((*id).to_owned(), *n)).collect::<Vec<_>>();
        assert_eq!(ids(&["a_0000.nii.gz", "a_0001.nii.gz", "b_0000.nii.gz", "b_0001.nii.gz"], 2), owned(&[("a", 2), ("b", 2)]));
        assert_eq!(ids(&["a_0000.png", "b.png", ".hidden.png", "notes.txt"], 1), owned(&[("a", 1), ("b", 1)]));
        assert_eq!(ids(&["SC_0120_0000.png", "SC_0121_0000.png"], 1), owned(&[("SC_0120", 1), ("SC_0121", 1)]));
        assert_eq!(ids(&["slice_0120.png", "slice_0121.png"], 1), owned(&[("slice_0120", 1), ("slice_0121", 1)]));
    }

    #[test]
    fn two_inputs_for_one_output_are_refused() {
        let place = tempfile::tempdir().unwrap();
        for name in ["a.png", "a.nii.gz"] {
            std::fs::write(place.path().join(name), "").unwrap();
        }
        let error = find(&[place.path().to_owned()], 1).unwrap_err();
        assert!(error.to_string().contains("both be written as a"), "{error:#}");
    }
}
