//! One or several models with one plan, and what they say about an image.

use crate::{InferError, Logits, SlidingWindow, labels_on_crop, sliding_window};
use sagittal_data::{Plan, preprocess::Preprocessor};
use sagittal_image::{Image, Volume};
use sagittal_nets::{ModelFile, Network};
use sagittal_tensor::Device;
use std::path::{Path, PathBuf};

/// How an image is predicted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PredictOptions {
    /// Whether tiles are also predicted mirrored.
    pub mirror: bool,
    /// Distance between tiles as a part of a tile.
    pub step_fraction: f64,
}

impl Default for PredictOptions {
    /// nnU-Net's: mirrored, half a tile.
    fn default() -> Self {
        Self { mirror: true, step_fraction: 0.5 }
    }
}

/// Models whose logits are averaged.
#[derive(Clone, Debug)]
pub struct Ensemble {
    networks: Vec<Network>,
    plan: Plan,
    preprocessor: Preprocessor,
    device: Device,
}

impl Ensemble {
    /// Reads models. Their plans must agree in everything that concerns the image and its labels.
    ///
    /// # Errors
    /// [`InferError`] names the file and what is wrong with it.
    pub fn load(paths: &[PathBuf], device: &Device) -> Result<Self, InferError> {
        let (first_path, others) = paths.split_first().ok_or(InferError::NoModel)?;
        let (first, plan) = read_model(first_path, device)?;
        let mut networks = vec![first];
        for path in others {
            let (network, other) = read_model(path, device)?;
            let difference = [
                ("their channels", plan.channels != other.channels),
                ("their labels", plan.labels != other.labels),
                ("their spacing, orientation or normalisation", plan.preprocessing_key() != other.preprocessing_key()),
                ("their patch", plan.patch != other.patch),
            ];
            if let Some((difference, _)) = difference.into_iter().find(|(_, differs)| *differs) {
                return Err(InferError::Ensemble { first: first_path.clone(), path: path.clone(), difference });
            }
            networks.push(network);
        }
        Ok(Self::new(networks, plan, device))
    }

    /// Networks that were trained by one plan.
    pub fn new(networks: Vec<Network>, plan: Plan, device: &Device) -> Self {
        let preprocessor = Preprocessor::new(&plan);
        Self { networks, plan, preprocessor, device: device.clone() }
    }

    /// The plan of the models.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Number of models.
    pub fn n_models(&self) -> usize {
        self.networks.len()
    }

    /// Mean logits of a preprocessed image `[C, Z, Y, X]` on the network's own grid.
    ///
    /// # Panics
    /// If the shape does not fit the data or the networks.
    pub fn logits(&self, data: &[f32], shape: [usize; 4], options: PredictOptions, progress: &mut dyn FnMut(usize, usize)) -> Logits {
        let mirror_axes = if options.mirror { self.plan.training.mirror_axes.clone() } else { Vec::new() };
        let window = SlidingWindow { tile: self.plan.patch, step_fraction: options.step_fraction, mirror_axes };
        sliding_window(&self.networks, data, shape, &window, &self.device, progress)
    }

    /// The label of every voxel of `image`, on its own grid; `case` names it in errors.
    ///
    /// # Errors
    /// [`InferError::Data`] if the image is not such as the models were trained on.
    pub fn predict(
        &self,
        case: &str,
        image: Image,
        options: PredictOptions,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Volume<u16>, InferError> {
        let preprocessed = self.preprocessor.run(case, &image)?;
        // Voxels are needed in one form at a time: large images would otherwise not fit.
        drop(image);
        let logits = self.logits(&preprocessed.data, preprocessed.shape, options, progress);
        drop(preprocessed.data);
        let restore = preprocessed.restore;
        let mut labels = labels_on_crop(logits, &restore);
        for label in labels.voxels_mut() {
            *label = self.plan.labels[usize::from(*label)].value;
        }
        Ok(restore.labels_to_original(&labels))
    }

    /// Bytes that predicting an image of `n_voxels` on the network's grid takes at its peak, tiles left out: the image
    /// with its channels, as read and as preprocessed, and a number per voxel and class.
    pub fn estimated_bytes(&self, n_voxels: usize) -> u64 {
        let (channels, classes) = (self.plan.channels.len() as u64, self.plan.labels.len() as u64);
        let preprocessing = 2 * channels;
        let deciding = classes + 2;
        4 * n_voxels as u64 * (channels + classes).max(preprocessing).max(deciding)
    }
}

fn read_model(path: &Path, device: &Device) -> Result<(Network, Plan), InferError> {
    let ModelFile { network, header } = ModelFile::read(path, device)?;
    let wrong = |finding: String| InferError::Header { path: path.to_owned(), finding };
    let plan: Plan =
        serde_json::from_value(header["plan"].clone()).map_err(|error| wrong(format!("its plan is not understood ({error})")))?;
    plan.validate().map_err(|error| wrong(error.to_string()))?;
    let (classes, labels) = (network.config().classes, plan.labels.len());
    if classes != labels {
        return Err(wrong(format!("expected a network of {labels} classes as the plan has labels, found {classes}")));
    }
    let (inputs, channels) = (network.config().input_channels, plan.channels.len());
    if inputs != channels {
        return Err(wrong(format!("expected a network of {channels} channels as the plan has, found {inputs}")));
    }
    let divisor = network.config().divisor();
    if (0..3).any(|a| !plan.patch[a].is_multiple_of(divisor[a])) {
        return Err(wrong(format!("the patch {:?} is not divisible by the strides of the network, {divisor:?}", plan.patch)));
    }
    Ok((network, plan))
}
