//! `dataset.json` of nnU-Net (version 2 and the older one) and of the Medical Segmentation Decathlon.

use super::DeclaredLabels;
use crate::DataError;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// What a `dataset.json` says.
#[derive(Deserialize)]
pub(super) struct Description {
    pub(super) name: Option<String>,
    /// nnU-Net v2: `{"0": "T1"}`.
    channel_names: Option<Map<String, Value>>,
    /// nnU-Net v1 and Decathlon: the same.
    modality: Option<Map<String, Value>>,
    /// `{"background": 0}`, or in the older form `{"0": "background"}`.
    labels: Map<String, Value>,
    /// nnU-Net v2: what is painted for every region.
    regions_class_order: Option<Value>,
    pub(super) file_ending: Option<String>,
    /// Decathlon's list of pairs.
    #[serde(default)]
    training: Vec<ListedCase>,
    #[serde(default)]
    test: Vec<ListedCase>,
    /// nnU-Net v2's explicit lists.
    dataset: Option<Map<String, Value>>,
    #[serde(skip)]
    path: PathBuf,
}

/// An entry of Decathlon's lists: a pair, or an image alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum ListedCase {
    Pair { image: String, label: Option<String> },
    Image(String),
}

/// One case of a list, relative to the data set's folder.
pub(super) struct Listed {
    pub(super) id: Option<String>,
    pub(super) images: Vec<String>,
    pub(super) label: Option<String>,
}

impl Description {
    pub(super) fn read(path: &Path) -> Result<Self, DataError> {
        let description: Self = crate::json::read(path)?;
        Ok(Self { path: path.into(), ..description })
    }

    /// Whether the file lists Decathlon's pairs, and means them: nnU-Net's first version copied the list, but its files
    /// end in `_0000`.
    pub(super) fn lists_decathlon_files(&self, root: &Path) -> bool {
        let Some(first) = self.decathlon_training().into_iter().next() else { return false };
        let file = root.join(&first.images[0]);
        let stem = sagittal_image::io::image_stem(&file).unwrap_or_default().to_owned();
        let name = super::listing::file_name(&file);
        let with_channel = file.with_file_name(name.replacen(&stem, &format!("{stem}_0000"), 1));
        file.is_file() || !with_channel.is_file()
    }

    /// Channel names in the order of their numbers.
    pub(super) fn channels(&self) -> Result<Vec<String>, DataError> {
        let Some(names) = self.channel_names.as_ref().or(self.modality.as_ref()) else {
            return Err(self.error("there is neither channel_names nor modality".into(), "add \"channel_names\": {\"0\": \"NAME\"}"));
        };
        let mut channels = vec![None; names.len()];
        for (key, name) in names {
            let slot = key.parse::<usize>().ok().and_then(|index| channels.get_mut(index));
            let (Some(slot), Some(name)) = (slot, name.as_str()) else {
                return Err(self.error(
                    format!("channel {key:?}: {name} is no name at a number below {}", names.len()),
                    "number the channels \"0\", \"1\", …",
                ));
            };
            *slot = Some(name.to_owned());
        }
        let channels: Vec<String> = channels.into_iter().flatten().collect();
        if channels.len() < names.len() || channels.is_empty() {
            return Err(self.error("the channels are not numbered 0, 1, …".into(), "number them without a gap"));
        }
        Ok(channels)
    }

    /// Labels, ascending in value, background first; with regions and the ignore label.
    pub(super) fn labels(&self) -> Result<DeclaredLabels, DataError> {
        let declared = DeclaredLabels::of(&self.labels, self.regions_class_order.as_ref(), &self.path)?;
        match declared.labels.first() {
            Some(background) if background.value == 0 && declared.labels.len() > 1 => Ok(declared),
            Some(background) if background.value == 0 => {
                Err(self.error("labels has only the background".into(), "add the structures to segment"))
            }
            _ => Err(self.error("labels has no background of value 0".into(), "add \"background\": 0")),
        }
    }

    /// Decathlon's training list without hidden files.
    pub(super) fn decathlon_training(&self) -> Vec<Listed> {
        visible(&self.training)
    }

    /// Decathlon's test list without hidden files.
    pub(super) fn decathlon_test(&self) -> Vec<Listed> {
        visible(&self.test)
    }

    /// nnU-Net's explicit lists, where there are any.
    pub(super) fn explicit_cases(&self) -> Result<Option<Vec<Listed>>, DataError> {
        let Some(cases) = &self.dataset else { return Ok(None) };
        let case = |(id, entry): (&String, &Value)| {
            let images =
                entry["images"].as_array().map(|images| images.iter().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>());
            match images {
                Some(images) if !images.is_empty() => {
                    Ok(Listed { id: Some(id.clone()), images, label: entry["label"].as_str().map(str::to_owned) })
                }
                _ => Err(self.error(
                    format!("dataset entry {id:?} has no list of images"),
                    "write {\"images\": [\"FILE\", …], \"label\": \"FILE\"}",
                )),
            }
        };
        cases.iter().map(case).collect::<Result<Vec<_>, _>>().map(Some)
    }

    pub(super) fn error(&self, finding: String, cure: &str) -> DataError {
        DataError::Dataset { path: self.path.clone(), finding, cure: cure.into() }
    }
}

fn visible(list: &[ListedCase]) -> Vec<Listed> {
    let listed = |case: &ListedCase| match case {
        ListedCase::Pair { image, label } => Listed { id: None, images: vec![image.clone()], label: label.clone() },
        ListedCase::Image(image) => Listed { id: None, images: vec![image.clone()], label: None },
    };
    let hidden = |case: &Listed| super::listing::file_name(Path::new(&case.images[0])).starts_with('.');
    list.iter().map(listed).filter(|case| !hidden(case)).collect()
}
