//! nnU-Net v2 raw: `imagesTr/CASE_0000.ext`, one file per channel, and `labelsTr/CASE.ext`; `imagesTs` and `labelsTs`
//! for testing; or explicit lists in `dataset.json`.

use super::{
    Case, Dataset, Layout,
    description::{Description, Listed},
    listing,
};
use crate::{DataError, check::Fault};
use std::{
    collections::{BTreeMap, HashSet},
    path::{Path, PathBuf},
};

/// Opens a folder that has an nnU-Net `dataset.json`.
pub(super) fn open(root: &Path, description: Description) -> Result<Dataset, DataError> {
    let channels = description.channels()?;
    let declared = description.labels()?;
    let mut faults = Vec::new();
    let ending = description.file_ending.clone().unwrap_or_else(|| ".nii.gz".into());
    let mut training: Vec<Case> = match description.explicit_cases()? {
        Some(listed) => listed.into_iter().map(|listed| explicit_case(root, listed)).collect(),
        None => folder_cases(root, "Tr", &ending, channels.len(), &mut faults)?,
    };
    training.sort_by(|a, b| a.id.cmp(&b.id));
    if training.is_empty() {
        let finding = format!("there is no image imagesTr/CASE_0000{ending}");
        return Err(description.error(finding, "correct file_ending, or name the files CASE_0000 for the first channel"));
    }
    let test = folder_cases(root, "Ts", &ending, channels.len(), &mut faults)?;
    Ok(Dataset {
        root: root.into(),
        name: description.name.clone().filter(|name| !name.trim().is_empty()).unwrap_or_else(|| listing::folder_name(root)),
        layout: Layout::NnUnet,
        channels,
        labels: declared.labels,
        regions: declared.regions,
        ignore_label: declared.ignore,
        mask_values: Vec::new(),
        training,
        test,
        faults,
    })
}

fn explicit_case(root: &Path, listed: Listed) -> Case {
    let images = listed.images.iter().map(|image| root.join(image)).collect();
    Case { id: listed.id.unwrap_or_default(), images, labels: listed.label.map(|label| root.join(label)), ..Case::default() }
}

/// The cases of `images{part}` with their labels in `labels{part}`.
fn folder_cases(root: &Path, part: &str, ending: &str, n_channels: usize, faults: &mut Vec<Fault>) -> Result<Vec<Case>, DataError> {
    let folder = root.join(format!("images{part}"));
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut files: BTreeMap<String, BTreeMap<usize, PathBuf>> = BTreeMap::new();
    for path in listing::entries(&folder)? {
        match split_name(listing::file_name(&path), ending) {
            Some((id, channel)) => _ = files.entry(id.to_owned()).or_default().insert(channel, path),
            None => {
                let cure = format!("name it CASE_0000{ending} with the channel's number in four digits, or move it away");
                faults.push(Fault::note("", &path, "this is not named as an image of the data set and is not used", &cure));
            }
        }
    }
    // A colour picture is one file with three channels; but as soon as one case has several files, all need them.
    let one_file = files.values().all(|channels| channels.len() == 1 && channels.contains_key(&0));
    let n_files = if one_file { 1 } else { n_channels };
    let labels_folder = root.join(format!("labels{part}"));
    let mut unused: HashSet<PathBuf> = if labels_folder.is_dir() {
        listing::entries(&labels_folder)?.into_iter().filter(|path| listing::file_name(path).ends_with(ending)).collect()
    } else {
        HashSet::new()
    };
    let mut cases = Vec::new();
    for (id, channels) in files {
        for (_, path) in channels.range(n_files..) {
            let finding = format!("the data set has {n_channels} channel(s), this is another one");
            faults.push(Fault::error(&id, path, &finding, "remove the file, or add its name to channel_names"));
        }
        let images = (0..n_files).map(|channel| folder.join(format!("{id}_{channel:04}{ending}"))).collect();
        let labels = labels_folder.join(format!("{id}{ending}"));
        let labels = unused.remove(&labels).then_some(labels);
        cases.push(Case { id, images, labels, ..Case::default() });
    }
    let mut unused: Vec<PathBuf> = unused.into_iter().collect();
    unused.sort();
    for path in unused {
        let id = listing::file_name(&path).strip_suffix(ending).unwrap_or_default().to_owned();
        let finding = format!("these labels have no image images{part}/{id}_0000{ending}");
        faults.push(Fault::error(&id, &path, &finding, "add the image, or remove the labels"));
    }
    Ok(cases)
}

/// `liver_12_0003.nii.gz` as (`liver_12`, 3).
fn split_name<'a>(name: &'a str, ending: &str) -> Option<(&'a str, usize)> {
    let (id, channel) = name.strip_suffix(ending)?.rsplit_once('_')?;
    let digits = channel.len() == 4 && channel.bytes().all(|byte| byte.is_ascii_digit());
    (digits && !id.is_empty()).then(|| channel.parse().ok().map(|channel| (id, channel)))?
}
