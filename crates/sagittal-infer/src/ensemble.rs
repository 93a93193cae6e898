//! One or several models with one plan, and what they say about an image.

use crate::{InferError, Logits, SlidingWindow, labels_on_crop, sliding_window};
use sagittal_data::{Plan, preprocess::Preprocessor};
use sagittal_image::{Geometry, Image, Volume};
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
    /// Reads models. Their plans must agree in everything that concerns the image and its labels. Tiles are mirrored along
    /// the axes that all of them were trained to be mirrored along.
    ///
    /// # Errors
    /// [`InferError`] names the file and what is wrong with it.
    pub fn load(paths: &[PathBuf], device: &Device) -> Result<Self, InferError> {
        let (first_path, others) = paths.split_first().ok_or(InferError::NoModel)?;
        let (first, mut plan) = read_model(first_path, device)?;
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
            plan.training.mirror_axes.retain(|axis| other.training.mirror_axes.contains(axis));
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

    /// Bytes that predicting an image on `grid` takes at its peak, tiles left out: the image with its channels as read, as
    /// turned and as preprocessed, or a number per class and voxel of the network's grid.
    pub fn estimated_bytes(&self, grid: &Geometry) -> u64 {
        let (channels, classes) = (self.plan.channels.len() as f64, self.plan.labels.len() as f64);
        let input = grid.n_voxels() as f64;
        let working = match (grid.spacing_mm, self.plan.spacing_mm) {
            (Some(own), Some(plan)) => input * own.iter().product::<f64>() / plan.iter().product::<f64>(),
            _ => input,
        };
        // The masks of what is not zero take less than one more number.
        let preprocessing = input * (2.0 * channels + 1.0) + working * channels;
        let predicting = working * (channels + classes);
        // Labels of two bytes in three forms, and the best logit so far.
        let deciding = working * (classes + 1.0) + 1.5 * input;
        (4.0 * preprocessing.max(predicting).max(deciding)) as u64
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use rand::SeedableRng;
    use sagittal_data::{
        Fingerprint, Label, PlanOptions,
        fingerprint::{CaseFingerprint, Intensities},
    };
    use sagittal_image::{Geometry, Rank, Reorientation};
    use sagittal_tensor::{Tensor, TensorData};

    /// A plan for small volumes with the labels 2 and 5.
    fn plan() -> Plan {
        let shape = [16, 20, 24];
        let case = |id: &str| CaseFingerprint { id: id.into(), spacing_mm: Some([1.0; 3]), shape, shape_after_crop: shape };
        let fingerprint = Fingerprint {
            format_version: Fingerprint::FORMAT_VERSION,
            dataset: "test".into(),
            image_rank: Rank::Three,
            channels: vec!["MRI".into()],
            labels: [(0, "background"), (2, "two"), (5, "five")].map(|(value, name)| Label { value, name: name.into() }).into(),
            cases: vec![case("a"), case("b")],
            intensities: vec![Intensities::default()],
            median_relative_size_after_cropping: 1.0,
        };
        Plan::make(&fingerprint, &PlanOptions { base_features: Some(4), ..PlanOptions::default() }).unwrap()
    }

    /// A network that never says background.
    fn ensemble() -> Ensemble {
        let (plan, device) = (plan(), Device::cpu());
        let config = serde_json::from_value(serde_json::to_value(&plan.network).unwrap()).unwrap();
        let mut network = Network::new(&config, &mut rand_chacha::ChaCha8Rng::seed_from_u64(2), &device).unwrap();
        let mut n_heads = 0;
        for parameter in network.parameters_mut().iter_mut() {
            if parameter.name.starts_with("decoder.seg_layers") && parameter.name.ends_with(".bias") {
                parameter.value = Tensor::from_data(TensorData::new(vec![-1e6f32, 0.0, 0.0], [3]), device.plain());
                n_heads += 1;
            }
        }
        assert!(n_heads > 0, "the heads have another name now");
        Ensemble::new(vec![network], plan, &device)
    }

    #[test]
    fn models_are_mirrored_only_as_all_of_them_were_trained() {
        let folder = tempfile::tempdir().unwrap();
        let ensemble = ensemble();
        let mut paths = Vec::new();
        for (name, axes) in [("a", vec![0, 1, 2]), ("b", vec![1, 2]), ("c", vec![0, 1])] {
            let mut plan = ensemble.plan().clone();
            plan.training.mirror_axes = axes;
            paths.push(folder.path().join(format!("{name}.safetensors")));
            ModelFile::write(paths.last().unwrap(), &ensemble.networks[0], &serde_json::json!({ "plan": plan })).unwrap();
        }
        let together = Ensemble::load(&paths, &Device::cpu()).unwrap();
        assert_eq!((together.n_models(), &together.plan().training.mirror_axes[..]), (3, &[1][..]));
    }

    fn predict(channel: &Volume<f32>, geometry: &Geometry) -> Volume<u16> {
        let image = Image { channels: vec![channel.clone()], geometry: geometry.clone(), header: Default::default() };
        ensemble().predict("x", image, PredictOptions::default(), &mut |_, _| {}).unwrap()
    }

    #[test]
    fn labels_lie_where_the_image_does_whatever_its_orientation() {
        // Slices of 2 mm, resampled to 1 mm; a frame of zeros, different on every side, is cut off and comes back as background.
        let upright = Geometry::volume([10, 16, 20], [2.0, 1.0, 1.0]);
        let inside = |[z, y, x]: [usize; 3]| (1..8).contains(&z) && (2..15).contains(&y) && (3..16).contains(&x);
        let positions: Vec<[usize; 3]> = (0..10 * 16 * 20).map(|v| [v / 320, v / 20 % 16, v % 20]).collect();
        let voxels = positions.iter().map(|&at| if inside(at) { 1.0 + (at[0] * 31 + at[1] * 17 + at[2] * 7) as f32 % 13.0 } else { 0.0 });
        let channel = Volume::new(upright.shape, voxels.collect());
        let labels = predict(&channel, &upright);
        assert_eq!(labels.shape(), upright.shape);
        for (&at, &label) in positions.iter().zip(labels.voxels()) {
            assert!(if inside(at) { label == 2 || label == 5 } else { label == 0 }, "{label} at {at:?}");
        }
        for direction in [
            [[0.0, 0.0, -1.0], [0.0, -1.0, 0.0], [-1.0, 0.0, 0.0]],
            [[-1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]],
            [[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]],
        ] {
            // The same voxels of the world, stored along other axes.
            let world_axis = direction.map(|along: [f64; 3]| along.iter().position(|component| *component != 0.0).unwrap());
            let of_upright = |axis: usize| 2 - world_axis[axis];
            let geometry = Geometry {
                shape: std::array::from_fn(|axis| upright.shape[of_upright(axis)]),
                spacing_mm: upright.spacing_mm.map(|mm| std::array::from_fn(|axis| mm[of_upright(axis)])),
                direction,
                ..upright.clone()
            };
            let turn = Reorientation::of(&geometry);
            let turned = turn.to_original(&channel);
            assert_eq!(turned.shape(), geometry.shape);
            assert_eq!(predict(&turned, &geometry), turn.to_original(&labels), "{direction:?}");
        }
    }
}
