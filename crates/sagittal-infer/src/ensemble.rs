//! One or several models, and what they say about an image.

use crate::{
    Cost, InferError,
    committee::Committee,
    decision::Decision,
    postprocess::{keep_parts, voxel_size},
    probabilities::{OnDisk, Probabilities, failed},
    soft::{Head, Promise},
};
use sagittal_data::{Plan, Seed};
use sagittal_image::{Geometry, Image, LabelMap, Volume};
use sagittal_nets::{Dropout, ModelFile, Network};
use sagittal_tensor::Device;
use std::{
    num::NonZeroUsize,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

/// How an image is predicted, and what is wanted of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PredictOptions {
    /// Whether tiles are also predicted mirrored.
    pub mirror: bool,
    /// Distance between tiles as a part of a tile.
    pub step_fraction: f64,
    /// Whether the probabilities are wanted: a number per class and voxel, which lie on the disk.
    pub probabilities: bool,
    /// Whether it is wanted how sure the labels are.
    pub uncertainty: bool,
    /// Memory that must not be exceeded; larger images are worked on in blocks, in which some tiles are predicted twice.
    pub memory_bytes: Option<u64>,
    /// Whether every model is asked several times, each time with other parts left out; `None` for once, with nothing left out.
    pub dropout: Option<DropoutSamples>,
}

/// Monte-Carlo dropout: a network that was trained with dropout, thinned at random, stands for the many networks that the training
/// could have given (Gal and Ghahramani 2016).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DropoutSamples {
    /// How many thinned networks each model is made into.
    pub n: NonZeroUsize,
    /// What is left out follows from it.
    pub seed: Seed,
}

impl DropoutSamples {
    /// What each sample of a model leaves out.
    pub(crate) fn of_model(samples: Option<Self>, model: usize) -> Vec<Dropout> {
        match samples {
            None => vec![Dropout::Off],
            Some(Self { n, seed }) => (0..n.get()).map(|i| Dropout::Alike(seed.derived(&[DROPOUT, model as u64, i as u64]).0)).collect(),
        }
    }
}

/// The stream of randomness that samples draw from.
const DROPOUT: u64 = 0xD409;

impl Default for PredictOptions {
    /// nnU-Net's: mirrored, half a tile; labels alone, all at once, nothing left out.
    fn default() -> Self {
        Self { mirror: true, step_fraction: 0.5, probabilities: false, uncertainty: false, memory_bytes: None, dropout: None }
    }
}

/// What some models ask for besides an image, on the image's own grid.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shown<'a> {
    /// The labels that the stage before gave, in a cascade.
    pub found: Option<&'a Volume<u16>>,
    /// The mask of the region of interest.
    pub region: Option<&'a LabelMap>,
}

/// What was found, on the input's own grid.
#[derive(Debug)]
pub struct Prediction {
    /// The label of every voxel.
    pub labels: Volume<u16>,
    /// The probability of every class, or of every region; `None` if not asked for.
    pub probabilities: Option<Probabilities>,
    /// How sure the labels are; `None` if not asked for.
    pub uncertainty: Option<Uncertainty>,
}

/// How sure labels are, voxel by voxel; 0 outside of what was predicted.
#[derive(Clone, Debug, PartialEq)]
pub struct Uncertainty {
    /// Entropy of the probabilities as a part of the largest possible: 0 = sure, 1 = all classes alike.
    pub entropy: Volume<f32>,
    /// How far models and mirrored copies differ: the entropy of their mean minus their mean entropy (the mutual
    /// information between a voxel's class and who is asked; Houlsby et al. 2011), on the same scale.
    pub disagreement: Volume<f32>,
    /// For every label but the background (or every region), the Dice that the probabilities promise: `2 sum(p l) / (sum p +
    /// sum l)` with the probability `p` and the label `l` (0 or 1) of each voxel; `None` where a label was neither given nor
    /// thought possible. As right as the probabilities are.
    pub expected_dice: Vec<Option<f64>>,
}

/// Models that are averaged: the logits of those with one plan, then the probabilities of those with different ones.
///
/// Models whose plan has a previous stage (nnU-Net's cascade) are shown the labels that all other models give together.
#[derive(Clone, Debug)]
pub struct Ensemble {
    /// Give the labels that the others are shown; empty without a cascade.
    lower: Vec<Committee>,
    committees: Vec<Committee>,
}

impl Ensemble {
    /// Reads models. They must agree in the channels and labels of their images. Tiles are mirrored along the axes that all
    /// models of a plan were trained to be mirrored along.
    ///
    /// # Errors
    /// [`InferError`] names the file and what is wrong with it.
    pub fn load(paths: &[PathBuf], device: &Device) -> Result<Self, InferError> {
        let mut committees: Vec<(PathBuf, Committee)> = Vec::new();
        for path in paths {
            let (network, plan, temperature) = read_model(path, device)?;
            if let Some((first_path, first)) = committees.first() {
                agree(first_path, first.plan(), path, &plan)?;
            }
            match committees.iter_mut().find(|(_, committee)| same_view(committee.plan(), &plan)) {
                Some((_, committee)) => committee.join(network, &plan, temperature),
                None => committees.push((path.clone(), Committee::of_one(network, plan, temperature, device))),
            }
        }
        let (of_stage, others): (Vec<_>, Vec<_>) = committees.into_iter().partition(|(_, c)| c.plan().previous_stage.is_some());
        let committees_of = |list: Vec<(PathBuf, Committee)>| list.into_iter().map(|(_, committee)| committee).collect::<Vec<_>>();
        match (of_stage.first(), others.is_empty()) {
            (None, true) => Err(InferError::NoModel),
            (None, false) => Ok(Self { lower: Vec::new(), committees: committees_of(others) }),
            (Some((path, committee)), true) => {
                let stage = committee.plan().previous_stage.clone().unwrap_or_default();
                Err(InferError::NoLowerStage { path: path.clone(), stage })
            }
            (Some(_), false) => Ok(Self { lower: committees_of(others), committees: committees_of(of_stage) }),
        }
    }

    /// Networks that were trained by one plan. If that has a previous stage, they predict by [`Ensemble::predict_shown`] only.
    ///
    /// # Panics
    /// If there is no network.
    pub fn new(networks: Vec<Network>, plan: Plan, device: &Device) -> Self {
        assert!(!networks.is_empty(), "an ensemble has a network");
        Self { lower: Vec::new(), committees: vec![Committee::new(networks, plan, device)] }
    }

    /// The plan of the models; of several plans the first, which all agree with about channels and labels.
    pub fn plan(&self) -> &Plan {
        self.committees[0].plan()
    }

    /// Whether all models that decide labels were trained with dropout, so that they can be asked with it.
    pub fn has_dropout(&self) -> bool {
        self.committees.iter().all(|committee| committee.plan().network.dropout() > 0.0)
    }

    /// Number of models.
    pub fn n_models(&self) -> usize {
        self.lower.iter().chain(&self.committees).map(Committee::n_models).sum()
    }

    /// What `options` ask for about `image`, on its own grid; `case` names it in errors. `progress` hears how many tiles of
    /// how many are done, and may break off.
    ///
    /// # Errors
    /// [`InferError::Data`] if the image is not such as the models were trained on, [`InferError::Memory`] if it cannot be
    /// predicted within the memory, [`InferError::NoDropout`] if samples of dropout are asked for and a model has none,
    /// [`InferError::Stopped`] if `progress` broke off.
    ///
    /// # Panics
    /// If the models are the last stage of a cascade alone, which [`Ensemble::load`] does not allow.
    pub fn predict(
        &self,
        case: &str,
        image: Image,
        options: PredictOptions,
        progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
    ) -> Result<Prediction, InferError> {
        self.predict_in(case, image, None, options, progress)
    }

    /// The same with the mask of the region of interest, where the models ask for one.
    ///
    /// # Errors
    /// As [`Ensemble::predict`], and [`InferError::Data`] if the models ask for a mask and there is none, or it is of another shape.
    ///
    /// # Panics
    /// As [`Ensemble::predict`].
    pub fn predict_in(
        &self,
        case: &str,
        image: Image,
        region: Option<&LabelMap>,
        options: PredictOptions,
        progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
    ) -> Result<Prediction, InferError> {
        let lower = if self.lower.is_empty() {
            assert!(self.plan().previous_stage.is_none(), "the last stage of a cascade is to be shown labels");
            None
        } else {
            let options = PredictOptions { probabilities: false, uncertainty: false, ..options };
            let shown = Shown { found: None, region };
            Some(together(&self.lower, case, image.clone(), shown, options, progress)?.labels)
        };
        together(&self.committees, case, image, Shown { found: lower.as_ref(), region }, options, progress)
    }

    /// The same by models that are shown what they need: the last stage of a cascade the labels that the stage before found, on
    /// the image's own grid. What the models do not ask for is not looked at.
    ///
    /// # Errors
    /// As [`Ensemble::predict_in`].
    ///
    /// # Panics
    /// If `shown.found` is of another shape than the image, or there is none though the models' plan has a previous stage.
    pub fn predict_shown(
        &self,
        case: &str,
        image: Image,
        shown: Shown<'_>,
        options: PredictOptions,
        progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
    ) -> Result<Prediction, InferError> {
        let found = if self.plan().previous_stage.is_some() { shown.found } else { None };
        assert_eq!(found.is_some(), self.plan().previous_stage.is_some(), "what the previous stage found");
        assert!(found.is_none_or(|found| found.shape() == image.geometry.shape), "labels and image on one grid");
        together(&self.committees, case, image, Shown { found, ..shown }, options, progress)
    }

    /// What predicting an image on `grid` takes at most.
    ///
    /// # Errors
    /// [`InferError::Memory`] if it does not fit.
    pub fn cost(&self, grid: &Geometry, options: PredictOptions) -> Result<Cost, InferError> {
        let n_committees = self.committees.len().max(self.lower.len());
        let options = PredictOptions { probabilities: options.probabilities || n_committees > 1, ..options };
        let mut most = Cost { bytes: 0, n_blocks: 1, disk_bytes: 0 };
        for committee in self.lower.iter().chain(&self.committees) {
            let mut cost = committee.cost(grid, options)?;
            if n_committees > 1 {
                // The image is kept for the next, and what the ones before are unsure of.
                let volumes = self.plan().channels.len() + if options.uncertainty { 2 * n_committees } else { 0 };
                cost.bytes += 4 * (grid.n_voxels() * volumes) as u64;
                cost.disk_bytes *= n_committees as u64 + 1;
            }
            most = Cost {
                bytes: most.bytes.max(cost.bytes),
                n_blocks: most.n_blocks.max(cost.n_blocks),
                disk_bytes: most.disk_bytes.max(cost.disk_bytes),
            };
        }
        Ok(most)
    }
}

/// What several committees say together: the mean of their probabilities, decided.
fn together(
    committees: &[Committee],
    case: &str,
    image: Image,
    shown: Shown<'_>,
    options: PredictOptions,
    progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
) -> Result<Prediction, InferError> {
    if options.dropout.is_some() && committees.iter().any(|committee| committee.plan().network.dropout() == 0.0) {
        return Err(InferError::NoDropout);
    }
    let (first, others) = (&committees[0], &committees[1..]);
    let voxel_size = voxel_size(&image.geometry);
    if others.is_empty() {
        let mut prediction = first.predict(case, image, shown, options, progress)?;
        prediction.labels = keep_parts(prediction.labels, &first.plan().postprocessing, voxel_size);
        return Ok(prediction);
    }
    let wanted = PredictOptions { probabilities: true, ..options };
    let mut image = Some(image);
    let mut members = Vec::with_capacity(committees.len());
    for (i, committee) in committees.iter().enumerate() {
        let last = i + 1 == committees.len();
        let own = if last { image.take() } else { image.clone() };
        let Some(own) = own else { break };
        let Prediction { probabilities, uncertainty, .. } = committee.predict(case, own, shown, wanted, progress)?;
        members.extend(probabilities.map(|probabilities| Member { probabilities, uncertainty }));
    }
    let mut prediction = mean(members, first.decision(), committees[0].decision().n_classes(), options)?;
    prediction.labels = keep_parts(prediction.labels, &first.plan().postprocessing, voxel_size);
    Ok(prediction)
}

/// What one of several committees says.
struct Member {
    probabilities: Probabilities,
    uncertainty: Option<Uncertainty>,
}

/// The mean of the probabilities of all members, and its labels; one class is in memory at a time.
fn mean(members: Vec<Member>, decision: &Decision, n_classes: usize, options: PredictOptions) -> Result<Prediction, InferError> {
    let share = 1.0 / members.len() as f32;
    let head = decision.head;
    let mean_of = |class: usize| -> Result<Volume<f32>, InferError> {
        let mut sum = members[0].probabilities.class(class)?;
        for member in &members[1..] {
            let other = member.probabilities.class(class)?;
            sum.voxels_mut().iter_mut().zip(other.voxels()).for_each(|(sum, value)| *sum += value);
        }
        sum.voxels_mut().iter_mut().for_each(|value| *value *= share);
        Ok(sum)
    };
    let first = mean_of(0)?;
    let shape = first.shape();
    let kept = options.probabilities.then(|| OnDisk::new(n_classes, shape)).transpose()?;
    // The background of classes; no region.
    let mut labels = Volume::filled(shape, if head == Head::Classes { decision.value(0) } else { 0 });
    let mut highest = first;
    let mut entropy = options.uncertainty.then(|| Volume::filled(shape, 0.0f32));
    for class in 0..n_classes {
        let probabilities = mean_of(class)?;
        for ((label, highest), p) in labels.voxels_mut().iter_mut().zip(highest.voxels_mut()).zip(probabilities.voxels()) {
            // As `Decision::label`: the first of the highest, or the last region that holds more than half.
            if if head == Head::Classes { *p > *highest } else { *p > 0.5 } {
                (*label, *highest) = (decision.value(class), *p);
            }
        }
        if let Some(entropy) = &mut entropy {
            let voxels = entropy.voxels_mut().iter_mut().zip(probabilities.voxels());
            voxels.for_each(|(sum, p)| *sum += head.entropy_part(*p, n_classes));
        }
        if let Some(kept) = &kept {
            kept.put(class, 0, &mut probabilities.voxels().iter().copied()).map_err(failed)?;
        }
    }
    let uncertainty = match entropy {
        None => None,
        Some(entropy) => {
            let mut promise = Promise::new(n_classes);
            for class in 0..n_classes {
                let (probabilities, value) = (mean_of(class)?, decision.value(class));
                let is_decided = |label: u16, p: f32| if head == Head::Classes { label == value } else { p > 0.5 };
                let voxels = labels.voxels().iter().zip(probabilities.voxels());
                voxels.for_each(|(label, p)| promise.add_class(class, *p, is_decided(*label, *p)));
            }
            // The information of all members about each other: what the committees share and what is within each.
            let mut disagreement = entropy.clone();
            for found in members.iter().filter_map(|member| member.uncertainty.as_ref()) {
                let voxels = disagreement.voxels_mut().iter_mut().zip(found.disagreement.voxels()).zip(found.entropy.voxels());
                voxels.for_each(|((sum, within), entropy)| *sum += share * (within - entropy));
            }
            disagreement.voxels_mut().iter_mut().for_each(|value| *value = value.max(0.0));
            Some(Uncertainty { entropy, disagreement, expected_dice: promise.dice(head) })
        }
    };
    Ok(Prediction { labels, probabilities: kept.map(Probabilities::on_grid), uncertainty })
}

/// Whether models see the same tiles of an image.
fn same_view(a: &Plan, b: &Plan) -> bool {
    a.preprocessing_key() == b.preprocessing_key() && a.patch == b.patch && a.previous_stage == b.previous_stage && a.logits == b.logits
}

/// Refuses models that speak of different things.
fn agree(first_path: &Path, first: &Plan, path: &Path, plan: &Plan) -> Result<(), InferError> {
    let difference = [
        (
            "their channels",
            first.channels.len() != plan.channels.len() || !first.channels.iter().zip(&plan.channels).all(|(a, b)| a.name == b.name),
        ),
        ("their labels", first.labels != plan.labels || first.regions != plan.regions),
        ("the rank of their images", first.image_rank != plan.image_rank),
    ];
    match difference.into_iter().find(|(_, differs)| *differs) {
        Some((difference, _)) => Err(InferError::Ensemble { first: first_path.to_owned(), path: path.to_owned(), difference }),
        None => Ok(()),
    }
}

/// The header entry of a model's temperature; a model without it has 1.
pub const TEMPERATURE_KEY: &str = "temperature";

fn read_model(path: &Path, device: &Device) -> Result<(Network, Plan, f32), InferError> {
    let ModelFile { network, header } = ModelFile::read(path, device)?;
    let wrong = |finding: String| InferError::Header { path: path.to_owned(), finding };
    let plan: Plan =
        serde_json::from_value(header["plan"].clone()).map_err(|error| wrong(format!("its plan is not understood ({error})")))?;
    plan.validate().map_err(|error| wrong(error.to_string()))?;
    let (classes, expected) = (network.plan().classes(), if plan.regions.is_empty() { plan.labels.len() } else { plan.regions.len() });
    if classes != expected {
        return Err(wrong(format!("expected a network of {expected} outputs as the plan has labels or regions, found {classes}")));
    }
    let shown = if plan.previous_stage.is_some() { plan.labels.len() - 1 } else { 0 };
    let (inputs, channels) = (network.plan().input_channels(), plan.channels.len() + shown);
    if inputs != channels {
        return Err(wrong(format!("expected a network of {channels} channels as the plan has, found {inputs}")));
    }
    let divisor = network.plan().total_stride();
    if (0..3).any(|a| !plan.patch[a].is_multiple_of(divisor[a])) {
        return Err(wrong(format!("the patch {:?} is not divisible by the strides of the network, {divisor:?}", plan.patch)));
    }
    let temperature = match &header[TEMPERATURE_KEY] {
        serde_json::Value::Null => 1.0,
        value => value
            .as_f64()
            .filter(|t| (1e-3..=1e3).contains(t))
            .ok_or_else(|| wrong(format!("its temperature is {value}, expected a number from 0.001 to 1000")))?,
    };
    Ok((network, plan, temperature as f32))
}

#[cfg(test)]
pub(crate) mod tests;
