//! Which cases the inputs of `predict` are: files, folders of files, data sets.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::Context;
use sagittal_data::{Case, Dataset};
use sagittal_image::io::{self, Format, image_stem};

use crate::outcome::WrongUse;

/// All cases of all inputs; every name once.
///
/// A file `CASE_0000.ext` is a channel of a case by nnU-Net's rule, and its other channels are looked for beside it; any other
/// file is a case of its own. A data set stands for its test cases, or its training cases where it has no others.
pub(super) fn find(inputs: &[PathBuf], n_channels: usize) -> anyhow::Result<Vec<Case>> {
    let (mut files, mut found) = (Vec::new(), Vec::new());
    for input in inputs {
        WrongUse::unless_exists(input, "an image, a folder of images or a data set")?;
        if input.is_dir() {
            found.extend(in_folder(input, n_channels)?);
        } else if !files.contains(input) {
            files.push(input.clone());
        }
    }
    // Together and in order, because a shell names all channels of a case.
    files.sort();
    found.extend(group(&files, n_channels));
    let mut cases: BTreeMap<String, Case> = BTreeMap::new();
    for case in found {
        if let Some(other) = cases.insert(case.id.clone(), case.clone()) {
            let (a, b) = (other.images[0].display(), case.images[0].display());
            return Err(WrongUse(format!("{a} and {b} would both be written as {}; predict them into two folders", case.id)).into());
        }
    }
    Ok(cases.into_values().collect())
}

fn in_folder(folder: &Path, n_channels: usize) -> anyhow::Result<Vec<Case>> {
    let files = image_files(folder)?;
    if files.is_empty() || folder.join("dataset.json").is_file() {
        let dataset = Dataset::open(folder).map_err(|error| {
            let cure = "name the folder that holds the images";
            WrongUse(format!("{} is neither a folder of images nor a data set; {cure}: {:#}", folder.display(), anyhow::Error::from(error)))
        })?;
        return Ok(if dataset.test.is_empty() { dataset.training } else { dataset.test });
    }
    Ok(group(&files, n_channels))
}

/// What is called an image in a folder, hidden files left out. What is no file after all is a case that fails, not one
/// that is missing.
fn image_files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let act = || format!("cannot list {}", folder.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(act)? {
        let path = entry.with_context(act)?.path();
        let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !is_hidden && Format::of_path(&path).is_some() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Puts the channels of a case together. No file is left out.
fn group(files: &[PathBuf], n_channels: usize) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for path in files {
        let stem =
            image_stem(path).map(str::to_owned).unwrap_or_else(|| path.file_stem().unwrap_or_default().to_string_lossy().into_owned());
        let of_case = channel_of(&stem).and_then(|(id, channel)| {
            let images = channels_of_case(&sibling(path, &stem, &id, 0), &id, n_channels);
            (channel == 0 || images.contains(path)).then_some(Case { id, images, ..Case::default() })
        });
        let case = of_case.unwrap_or_else(|| Case { id: stem, images: vec![path.clone()], ..Case::default() });
        // Every channel of a case finds the same case.
        if cases.last().is_none_or(|last| last.images != case.images) {
            cases.push(case);
        }
    }
    cases
}

/// The files of a case whose first one is `first`: that one alone if it holds all channels, as colour pictures do.
fn channels_of_case(first: &Path, id: &str, n_channels: usize) -> Vec<PathBuf> {
    let stem = image_stem(first).unwrap_or_default();
    let others: Vec<PathBuf> = (1..n_channels).map(|channel| sibling(first, stem, id, channel)).filter(|path| path.is_file()).collect();
    let has_all = || {
        Format::of_path(first).is_some_and(Format::is_picture)
            && io::read_image(first).is_ok_and(|image| image.channels.len() == n_channels)
    };
    // Without a first one they are no channels, but files that are numbered.
    let others = if others.is_empty() || !first.is_file() || has_all() { Vec::new() } else { others };
    std::iter::once(first.to_owned()).chain(others).collect()
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
    use sagittal_image::{Geometry, Volume, io::SourceHeader};

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
    fn numbered_files_without_a_first_channel_are_cases() {
        let owned = |cases: &[(&str, usize)]| cases.iter().map(|(id, n)| ((*id).to_owned(), *n)).collect::<Vec<_>>();
        assert_eq!(ids(&["photo_0001.png", "photo_0002.png"], 3), owned(&[("photo_0001", 1), ("photo_0002", 1)]));
    }

    #[test]
    fn numbered_colour_pictures_are_cases() {
        let place = tempfile::tempdir().unwrap();
        for name in ["photo_0000.png", "photo_0001.png"] {
            let flat = |value| Volume::filled([1, 4, 4], value);
            let geometry = Geometry::picture([4, 4]);
            io::write_image(&place.path().join(name), &[flat(1.0), flat(2.0), flat(3.0)], &geometry, &SourceHeader::default()).unwrap();
        }
        let cases = find(&[place.path().to_owned()], 3).unwrap();
        let ids: Vec<_> = cases.iter().map(|case| (case.id.as_str(), case.images.len())).collect();
        assert_eq!(ids, [("photo", 1), ("photo_0001", 1)]);
    }

    #[test]
    fn channels_may_be_named_one_by_one() {
        let place = tempfile::tempdir().unwrap();
        let files = ["a_0000.nii.gz", "a_0001.nii.gz"].map(|name| place.path().join(name));
        files.iter().for_each(|file| std::fs::write(file, "").unwrap());
        for named in [&files[..], &files[1..]] {
            let cases = find(named, 2).unwrap();
            assert_eq!(cases.len(), 1);
            assert_eq!(cases[0].images, files);
        }
    }

    #[test]
    fn what_is_called_an_image_is_a_case() {
        let place = tempfile::tempdir().unwrap();
        std::fs::create_dir(place.path().join("folder.nii.gz")).unwrap();
        std::fs::write(place.path().join("b.nii.gz"), "").unwrap();
        assert_eq!(find(&[place.path().to_owned()], 1).unwrap().len(), 2);
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
