//! Data sets: which cases there are, where their files lie, what their channels and labels are called.
//!
//! [`Dataset::open`] finds out which of the known layouts a folder has and only lists files; whether the cases are any
//! good is [`crate::check`]'s question.

mod decathlon;
mod description;
mod drive;
mod folders;
mod labels;
mod listing;
mod nnunet;
pub(crate) mod read;

pub use labels::DeclaredLabels;
pub(crate) use read::GRID_TOLERANCE;

use crate::{DataError, check::Fault};
use std::path::{Path, PathBuf};

/// A data set on disk, in one of the layouts of [`Layout`].
#[derive(Clone, Debug)]
pub struct Dataset {
    /// The folder.
    pub root: PathBuf,
    /// The data set's name: from its description, else the folder's.
    pub name: String,
    /// How the files are laid out.
    pub layout: Layout,
    /// Channel names, in order.
    pub channels: Vec<String>,
    /// Labels, background first, ascending in value.
    pub labels: Vec<Label>,
    /// What is to be found where structures overlap: unions of labels. Empty where labels exclude each other.
    pub regions: Vec<Region>,
    /// Value in label maps of voxels that nobody labelled, where there is one; it is none of the labels.
    pub ignore_label: Option<u16>,
    /// Mask values that stand for a label, where the files use others than the labels' own (255 for 1); empty where
    /// the files hold the labels' values.
    pub mask_values: Vec<MaskValue>,
    /// Cases for training, sorted by id.
    pub training: Vec<Case>,
    /// Cases for testing, sorted by id; their labels are often unknown.
    pub test: Vec<Case>,
    /// What was noticed while listing the files: labels without an image, groups of unknown cases.
    pub faults: Vec<Fault>,
}

/// How the files of a data set are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// nnU-Net v2 raw: `dataset.json`, `imagesTr/CASE_0000.ext`, `labelsTr/CASE.ext`.
    NnUnet,
    /// Medical Segmentation Decathlon: `dataset.json` with a list of file pairs; 4-D images.
    Decathlon,
    /// `images/` and `masks/` (or `labels/`) with equally named files.
    Folders,
    /// `training|test/{images,1st_manual,2nd_manual,mask}`.
    Drive,
}

/// A structure to segment.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Label {
    /// Its value in label maps; 0 is background.
    pub value: u16,
    /// Its name.
    pub name: String,
}

/// Several labels that are found as one, such as a whole tumour with all its parts.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Region {
    /// Its name.
    pub name: String,
    /// The labels that make it up.
    pub values: Vec<u16>,
    /// The label that a prediction writes where the region was found; regions later in the list write over earlier ones.
    pub painted: u16,
}

impl Region {
    /// What there is to find: the regions, or where there are none every label but the background as a region of its own.
    pub fn all(labels: &[Label], regions: &[Self]) -> Vec<Self> {
        let alone = |label: &Label| Self { name: label.name.clone(), values: vec![label.value], painted: label.value };
        match regions {
            [] => labels.iter().filter(|label| label.value != 0).map(alone).collect(),
            regions => regions.to_vec(),
        }
    }
}

/// A value found in mask files and the label it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaskValue {
    /// The value in the file.
    pub mask: u16,
    /// The label's value.
    pub label: u16,
}

/// One patient or image of a data set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Case {
    /// Its name, unique in the data set.
    pub id: String,
    /// One file per channel, or one file with all channels.
    pub images: Vec<PathBuf>,
    /// The label map, where there is one.
    pub labels: Option<PathBuf>,
    /// A second observer's label map (DRIVE).
    pub second_labels: Option<PathBuf>,
    /// The part of the picture that counts (DRIVE's field of view).
    pub region: Option<PathBuf>,
    /// The patient it belongs to, where that is known; splits never cut a group.
    pub group: Option<String>,
}

impl Dataset {
    /// Opens the data set in a folder (or the one a `dataset.json` lies in), whatever its layout.
    ///
    /// # Errors
    /// If the folder has none of the known layouts, or its description contradicts itself.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let root = if path.is_file() && path.file_name().is_some_and(|name| name == "dataset.json") {
            path.with_file_name("")
        } else {
            path.into()
        };
        let entries = listing::entries(&root)?;
        let is_dir = |name: &str| root.join(name).is_dir();
        let mut dataset = if root.join("dataset.json").is_file() {
            let description = description::Description::read(&root.join("dataset.json"))?;
            if description.lists_decathlon_files(&root) { decathlon::open(&root, description)? } else { nnunet::open(&root, description)? }
        } else if is_dir("training/images") || is_dir("test/images") && is_dir("test/1st_manual") {
            drive::open(&root)?
        } else if let (true, Some(masks)) = (is_dir("images"), folders::MASK_FOLDERS.iter().find(|name| is_dir(name))) {
            folders::open(&root, masks)?
        } else {
            let found: Vec<String> = entries.iter().take(8).map(|path| listing::file_name(path).into()).collect();
            let more = if entries.len() > 8 { ", …" } else { "" };
            return Err(DataError::UnknownLayout {
                path: root,
                looked_for: "dataset.json with imagesTr/ and labelsTr/ (nnU-Net, Decathlon), images/ with masks/ or labels/, \
                             training/images/ with training/1st_manual/ (DRIVE)"
                    .into(),
                found: if found.is_empty() { "nothing".into() } else { format!("{}{more}", found.join(", ")) },
            });
        };
        dataset.check_names(&root)?;
        dataset.assign_groups()?;
        Ok(dataset)
    }

    /// Refuses case names that lead to another folder: results are written as `CASE.ext`.
    fn check_names(&self, root: &Path) -> Result<(), DataError> {
        let is_plain = |id: &str| !id.trim().is_empty() && !id.starts_with('.') && !id.contains(['/', '\\', '\0']);
        match self.training.iter().chain(&self.test).find(|case| !is_plain(&case.id)) {
            None => Ok(()),
            Some(case) => Err(DataError::Dataset {
                path: root.into(),
                finding: format!("a case is called {:?}, which is no file's name", case.id),
                cure: "name cases without slashes and without a dot in front".into(),
            }),
        }
    }

    /// The training case of that name.
    pub fn training_case(&self, id: &str) -> Option<&Case> {
        self.training.iter().find(|case| case.id == id)
    }

    /// A path relative to the data set's folder, for messages.
    pub(crate) fn relative<'a>(&self, path: &'a Path) -> &'a Path {
        path.strip_prefix(&self.root).unwrap_or(path)
    }

    /// Reads `groups.json`, which maps cases to patients, where there is one.
    fn assign_groups(&mut self) -> Result<(), DataError> {
        let path = self.root.join("groups.json");
        if !path.is_file() {
            return Ok(());
        }
        let mut groups: std::collections::BTreeMap<String, String> = crate::json::read(&path)?;
        for case in self.training.iter_mut().chain(&mut self.test) {
            case.group = groups.remove(&case.id);
            if case.group.is_none() {
                let cure = "add the case with its patient: without, it is treated as a patient of its own";
                self.faults.push(Fault::error(&case.id, &path, "groups.json does not name this case", cure));
            }
        }
        for id in groups.into_keys() {
            self.faults.push(Fault::note(
                &id,
                &path,
                "groups.json names a case the data set does not have",
                "remove the line, or correct the name",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
