//! Reading the files of a case.

use super::{Case, Dataset};
use crate::DataError;
use rayon::prelude::*;
use sagittal_image::{Image, LabelMap, Volume, io};
use sha2::{Digest, Sha256};
use std::{fs::File, path::Path};

/// Grids are the same up to this, in mm, and in the components of directions: headers store both in single precision.
pub(crate) const GRID_TOLERANCE: f64 = 1e-3;

impl Dataset {
    /// Reads all channels of a case.
    ///
    /// # Errors
    /// If a file cannot be read, the channels lie on different grids, or their number is not the data set's.
    pub fn read_image(&self, case: &Case) -> Result<Image, DataError> {
        let read = |path: &Path| io::read_image(path).map_err(|source| DataError::Image { case: case.id.clone(), source });
        let error = |finding: String, cure: &str| DataError::Case { case: case.id.clone(), finding, cure: cure.into() };
        let (first, others) = case.images.split_first().ok_or_else(|| error("it has no image file".into(), "remove the case"))?;
        let mut image = read(first)?;
        for path in others {
            let other = read(path)?;
            if let Err(mismatch) = image.geometry.same_grid(&other.geometry, GRID_TOLERANCE) {
                let finding = format!("{} is on another grid than the first channel: {mismatch}", self.relative(path).display());
                return Err(error(finding, "resample it onto the first channel's grid"));
            }
            image.channels.extend(other.channels);
        }
        if image.channels.len() != self.channels.len() {
            let finding =
                format!("it has {} channel(s), the data set {} ({})", image.channels.len(), self.channels.len(), self.channels.join(", "));
            return Err(error(finding, "convert the image, or correct the channel names"));
        }
        Ok(image)
    }

    /// Reads the labels of a case, as the data set's label values; voxels nobody labelled have [`Dataset::ignore_label`].
    ///
    /// # Errors
    /// If the case has no labels, the file cannot be read, or it holds a value that stands for no label.
    pub fn read_labels(&self, case: &Case) -> Result<LabelMap, DataError> {
        match &case.labels {
            Some(path) => self.read_label_file(case, path),
            None => Err(DataError::Case {
                case: case.id.clone(),
                finding: "it has no labels".into(),
                cure: "add its label map, or move it to the test cases".into(),
            }),
        }
    }

    /// Reads the second observer's labels, where there are any.
    ///
    /// # Errors
    /// If the file cannot be read, or holds a value that stands for no label.
    pub fn read_second_labels(&self, case: &Case) -> Result<Option<LabelMap>, DataError> {
        case.second_labels.as_ref().map(|path| self.read_label_file(case, path)).transpose()
    }

    /// Reads the part of the picture that counts, where it is given: voxels other than 0.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn read_region(&self, case: &Case) -> Result<Option<LabelMap>, DataError> {
        let read = |path| io::read_label_map(path).map_err(|source| DataError::Image { case: case.id.clone(), source });
        case.region.as_deref().map(read).transpose()
    }

    /// The voxels of a case that count in a score: inside [`Case::region`] and labelled by somebody; `None` where all do.
    ///
    /// # Errors
    /// If the region cannot be read, or has another shape than `reference`, the case's labels.
    pub fn scored_voxels(&self, case: &Case, reference: &LabelMap) -> Result<Option<Volume<bool>>, DataError> {
        let mut scored = self.read_region(case)?.map(|mask| mask.labels.map(|&value| value != 0));
        if let Some(ignored) = self.ignore_label {
            let labels = &reference.labels;
            let scored = scored.get_or_insert_with(|| Volume::filled(labels.shape(), true));
            if scored.shape() != labels.shape() {
                return Err(DataError::Case {
                    case: case.id.clone(),
                    finding: format!("the region has shape {:?}, the labels {:?} (z, y, x)", scored.shape(), labels.shape()),
                    cure: "draw both on the image's grid".into(),
                });
            }
            scored.voxels_mut().iter_mut().zip(labels.voxels()).for_each(|(scored, label)| *scored &= *label != ignored);
        }
        Ok(scored)
    }

    fn read_label_file(&self, case: &Case, path: &Path) -> Result<LabelMap, DataError> {
        let mut map = io::read_label_map(path).map_err(|source| DataError::Image { case: case.id.clone(), source })?;
        let label_of = self.label_of_mask_value();
        for (index, value) in map.labels.voxels_mut().iter_mut().enumerate() {
            match label_of[usize::from(*value)] {
                Some(label) => *value = label,
                None => {
                    let [_, y, x] = map.geometry.shape;
                    let voxel = [index / (y * x), index / x % y, index % x];
                    return Err(DataError::Case {
                        case: case.id.clone(),
                        finding: format!(
                            "{} has value {value} at voxel {voxel:?} (z, y, x), which is no label",
                            self.relative(path).display()
                        ),
                        cure: "correct the label map, or declare the label".into(),
                    });
                }
            }
        }
        Ok(map)
    }

    /// The label every possible value of a mask file stands for.
    pub(crate) fn label_of_mask_value(&self) -> Vec<Option<u16>> {
        let mut label_of = vec![None; 1 << 16];
        label_of[0] = Some(0);
        if self.mask_values.is_empty() {
            self.labels.iter().for_each(|label| label_of[usize::from(label.value)] = Some(label.value));
        }
        if let Some(ignored) = self.ignore_label {
            label_of[usize::from(ignored)] = Some(ignored);
        }
        self.mask_values.iter().for_each(|value| label_of[usize::from(value.mask)] = Some(value.label));
        label_of
    }

    /// SHA-256 of all names, labels, groups and file contents: two equal digests are the same data, wherever it lies.
    ///
    /// A file that cannot be read counts as such: it is up to whoever uses the case to fail.
    pub fn digest(&self) -> String {
        let digest_case = |case: &Case| -> Vec<u8> {
            let mut digest = Sha256::new();
            digest.update(format!("{:?}", (&case.id, &case.group)));
            for path in case.images.iter().chain(&case.labels).chain(&case.second_labels).chain(&case.region) {
                digest.update(self.relative(path).to_string_lossy().replace('\\', "/"));
                digest.update(file_digest(path).unwrap_or_else(|_| b"unreadable".to_vec()));
            }
            digest.finalize().to_vec()
        };
        let cases: Vec<&Case> = self.training.iter().chain(&self.test).collect();
        let parts: Vec<Vec<u8>> = cases.par_iter().map(|case| digest_case(case)).collect();
        let mut digest = Sha256::new();
        digest.update(format!("{:?}", (&self.channels, &self.labels, &self.mask_values, self.training.len())));
        // Said only where there is something to say, so that the digests of all other data sets stay what they were.
        if !self.regions.is_empty() || self.ignore_label.is_some() {
            digest.update(format!("{:?}", (&self.regions, self.ignore_label)));
        }
        parts.iter().for_each(|part| digest.update(part));
        hex(&digest.finalize())
    }
}

/// SHA-256 of a file's content.
pub(crate) fn file_digest(path: &Path) -> Result<Vec<u8>, DataError> {
    let error = |source| DataError::File { act: "read", path: path.into(), source };
    let mut digest = Sha256::new();
    let mut file = File::open(path).map_err(error)?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        match std::io::Read::read(&mut file, &mut buffer).map_err(error)? {
            0 => return Ok(digest.finalize().to_vec()),
            n => digest.update(&buffer[..n]),
        }
    }
}

/// Bytes as lower-case hexadecimal text.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
