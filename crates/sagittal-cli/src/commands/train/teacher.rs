//! The model that a training learns from: `--teacher`.

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use sagittal_data::{
    Dataset, FoldChoice, Plan, Preprocessor, TrainingSet, TrainingSetOptions,
    loader::Places,
    plan::{DistillationPlan, NetworkPlan, Normalization, OrientationRule},
};
use sagittal_infer::case_logits;
use sagittal_nets::{ModelFile, Network};
use sagittal_tensor::{Device, OutputKind};
use sagittal_train::{Distillation, Teacher};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::run_folder::{RunFolder, fold_name};
use crate::{
    args::TrainArgs,
    messages::{Messages, Unit},
    outcome::WrongUse,
    stop::Stop,
};

/// The model named by `--teacher`, or that the run was begun with.
#[derive(Debug)]
pub(super) struct TeacherModel {
    path: PathBuf,
    sha256: String,
    network: Network,
    plan: Plan,
    /// Where it comes from, as its file says.
    provenance: Value,
}

/// How a teacher looks at what the student sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum View {
    /// At every batch.
    Batches,
    /// At whole cases, once.
    Cases,
}

impl TeacherModel {
    /// The teacher of a training by `plan`; `None` where it has none.
    pub(super) fn find(args: &TrainArgs, plan: &Plan, folder: &RunFolder, device: &Device) -> anyhow::Result<Option<Self>> {
        let begun_with = folder.teacher(args.fold)?;
        let path = match (&plan.training.distillation, &args.teacher, begun_with) {
            (None, None, _) => return Ok(None),
            (None, Some(_), _) => {
                let cure = "leave --teacher out, or name another folder with -o";
                let own = folder.root.join(Plan::FILE_NAME);
                return Err(WrongUse(format!("the plan of the run, {}, has no teacher; {cure}", own.display())).into());
            }
            (Some(_), Some(named), _) => of_fold(named, args.fold),
            (Some(_), None, Some(begun_with)) => begun_with,
            (Some(_), None, None) => {
                let cure = "name its model with --teacher, or take training.distillation out of the plan";
                return Err(WrongUse(format!("the plan's training.distillation asks for a teacher; {cure}")).into());
            }
        };
        WrongUse::unless_exists(&path, "the model (.safetensors) of the teacher")?;
        let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let sha256: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        let ModelFile { network, header } = ModelFile::read(&path, device)?;
        let its_plan: Plan = serde_json::from_value(header["plan"].clone())
            .with_context(|| format!("{}: its plan is not understood; train or import it again with this version", path.display()))?;
        its_plan.validate().with_context(|| format!("{}: its plan is no good", path.display()))?;
        let teacher = Self { path, sha256, network, plan: its_plan, provenance: header["provenance"].clone() };
        teacher.refuse_unless_it_sees_what(plan)?;
        Ok(Some(teacher))
    }

    /// What the run's record and the model's header say of it.
    pub(super) fn record(&self) -> Value {
        json!({ "path": super::absolute(&self.path), "sha256": self.sha256 })
    }

    /// What must be the same when the training is resumed.
    pub(super) fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Refuses a teacher that was trained for other images or labels.
    fn refuse_unless_it_sees_what(&self, plan: &Plan) -> anyhow::Result<()> {
        let path = self.path.display();
        let Some((what, its, own, cure)) = difference(&self.plan, plan) else { return Ok(()) };
        Err(WrongUse(format!("a teacher must see what its student sees: {what} of {path} is {its}, of the plan {own}; {cure}")).into())
    }

    /// How it looks at what the student sees.
    fn view(&self, plan: &Plan) -> View {
        let sees_around = |network: &NetworkPlan| network.context() != [[0; 2]; 3];
        let stride = self.plan.network.total_stride();
        let divides = (0..3).all(|axis| plan.patch[axis].is_multiple_of(stride[axis]));
        let same_rank = self.plan.network_rank() == plan.network_rank();
        let can_look = divides && same_rank && !sees_around(&self.plan.network) && !sees_around(&plan.network);
        let beforehand = plan.training.distillation.is_some_and(|rule| rule.beforehand);
        if can_look && !beforehand { View::Batches } else { View::Cases }
    }

    /// The learning from it. `set` holds the cases of the training, `places` says where the patches of its batches lie; `None` if
    /// somebody asked to stop.
    #[allow(clippy::too_many_arguments, reason = "a teacher, a student and what both look at")]
    pub(super) fn teach(
        self,
        rule: DistillationPlan,
        plan: &Plan,
        dataset: &Dataset,
        set: &TrainingSet,
        places: Places,
        options: &TrainingSetOptions,
        fold: FoldChoice,
        device: &Device,
        messages: &Messages,
        stop: &Stop,
    ) -> anyhow::Result<Option<Distillation>> {
        let kind = if plan.regions.is_empty() { OutputKind::Classes } else { OutputKind::Regions };
        let path = self.path.display().to_string();
        let fold = fold_name(fold);
        if let Some(its_fold) = self.provenance["fold"].as_str().filter(|its_fold| *its_fold != fold && *its_fold != "none") {
            messages.say(format_args!(
                "note: the teacher was trained on fold {its_fold}, so it may have seen cases that fold {fold} is validated on"
            ));
        }
        let teacher = match self.view(plan) {
            View::Batches => {
                messages.say(format_args!("learning from {path}, which looks at every batch"));
                Teacher::OfBatches(self.network)
            }
            View::Cases => {
                refuse_moved_voxels(plan, &path)?;
                if plan.previous_stage.is_some() {
                    let cure = "make the plan's patch divisible by the teacher's strides, so that it can look at every batch";
                    return Err(WrongUse(format!("{path} would have to see whole cases with what the previous stage found; {cure}")).into());
                }
                let Some(logits) = self.whole_cases(plan, dataset, set, options, device, messages, stop)? else { return Ok(None) };
                messages.say(format_args!("learning from {path}, which has looked at all training cases as a whole"));
                Teacher::OfCases { logits: Arc::new(logits), places }
            }
        };
        Ok(Some(Distillation::new(teacher, rule, kind)))
    }

    /// What it says of every case as a whole, on the student's grid.
    #[allow(clippy::too_many_arguments, reason = "a teacher, a student and what both look at")]
    fn whole_cases(
        self,
        plan: &Plan,
        dataset: &Dataset,
        set: &TrainingSet,
        options: &TrainingSetOptions,
        device: &Device,
        messages: &Messages,
        stop: &Stop,
    ) -> anyhow::Result<Option<TrainingSet>> {
        let network = self.network.clone().for_prediction();
        // A network of slices keeps each image's own spacing between them. Where it differs from the other's, the grids do.
        let own_grid = self.plan.network_rank() != plan.network_rank();
        let preprocessor = own_grid.then(|| Preprocessor::new(&self.plan));
        let progress = messages.progress("the teacher looks at whole cases", Unit::Cases, set.cases().len() as u64);
        let mut failure = None;
        let mut make = |id: &str, data: &[f32], shape: [usize; 4]| {
            let preprocessed = match &preprocessor {
                None => None,
                Some(preprocessor) => match self.on_same_grid(id, shape, preprocessor, dataset) {
                    Ok(data) => Some(data),
                    Err(error) => {
                        failure = Some(error);
                        return None;
                    }
                },
            };
            let data = preprocessed.as_deref().unwrap_or(data);
            let mut go_on = || if stop.requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
            let logits = case_logits(&network, &self.plan, data, shape, device, &mut go_on);
            progress.advance();
            logits
        };
        let logits = set.derive(plan.n_outputs(), &format!("teacher {}", self.sha256), options, &mut make)?;
        match failure {
            Some(error) => Err(error),
            None => Ok(logits),
        }
    }

    /// A case as the teacher wants it, where that is on the student's grid.
    fn on_same_grid(&self, id: &str, shape: [usize; 4], preprocessor: &Preprocessor, dataset: &Dataset) -> anyhow::Result<Vec<f32>> {
        let case = dataset.training_case(id).with_context(|| format!("the data set has no case {id} any more"))?;
        let preprocessed = preprocessor.run(id, &dataset.read_image(case)?)?;
        if preprocessed.shape == shape {
            return Ok(preprocessed.data);
        }
        Err(WrongUse(format!(
            "the teacher {} sees case {id} on {:?} voxels, the student on {:?}, because one of them keeps each image's own distance of slices; \
             choose a teacher that is a network of slices if and only if the student is one",
            self.path.display(),
            &preprocessed.shape[1..],
            &shape[1..]
        ))
        .into())
    }
}

/// The model itself; of a run the one of the same fold.
fn of_fold(named: &Path, fold: FoldChoice) -> PathBuf {
    if named.is_dir() { RunFolder::new(named, fold).fold.model() } else { named.to_owned() }
}

/// Refuses an augmentation that moves voxels away from what a teacher said of them.
fn refuse_moved_voxels(plan: &Plan, teacher: &str) -> Result<(), WrongUse> {
    let augmentation = &plan.training.augmentation;
    if !augmentation.enabled {
        return Ok(());
    }
    let mirrored = if plan.training.mirror_axes.is_empty() { 0.0 } else { augmentation.mirror_probability };
    let moving = [
        ("training.augmentation.rotation.probability", augmentation.rotation.probability),
        ("training.augmentation.scaling.probability", augmentation.scaling.probability),
        ("training.augmentation.mirror_probability", mirrored),
    ];
    let wrong: Vec<&str> = moving.into_iter().filter(|(_, probability)| *probability > 0.0).map(|(field, _)| field).collect();
    if wrong.is_empty() {
        return Ok(());
    }
    let why = match plan.training.distillation {
        Some(rule) if rule.beforehand => "training.distillation.beforehand is set",
        _ => "it needs more around a voxel than the student's patches hold, or a multiple of its strides",
    };
    Err(WrongUse(format!(
        "{teacher} looks at whole cases before the training, because {why}, and patches must lie where it looked: set {} to 0 in the plan",
        wrong.join(", ")
    )))
}

/// The first thing in which what a teacher sees or tells differs from the plan: what, as the teacher has it, as the plan has it,
/// and what to do.
fn difference(teacher: &Plan, plan: &Plan) -> Option<(&'static str, String, String, &'static str)> {
    let trained_on = "choose a teacher that was trained on this data set";
    let values = |plan: &Plan| plan.labels.iter().map(|label| label.value).collect::<Vec<_>>();
    let regions = |plan: &Plan| plan.regions.iter().map(|region| region.values.clone()).collect::<Vec<_>>();
    let normalizations = |plan: &Plan| plan.channels.iter().map(|channel| channel.normalization).collect::<Vec<Normalization>>();
    let orientation = |plan: &Plan| match plan.orientation {
        OrientationRule::Canonical => "canonical",
        OrientationRule::File => "file",
    };
    // The distance of slices is not the plan's where a network sees single ones.
    let in_slices = teacher.patch[0] == 1 || plan.patch[0] == 1;
    let spacing = |plan: &Plan| plan.spacing_mm.map(|mm| if in_slices { mm[1..].to_vec() } else { mm.to_vec() });
    let output = |plan: &Plan| plan.network.kind();
    macro_rules! compare {
        ($what:literal, $of:expr, $cure:expr) => {
            if $of(teacher) != $of(plan) {
                return Some(($what, format!("{:?}", $of(teacher)), format!("{:?}", $of(plan)), $cure));
            }
        };
    }
    compare!("the list of label values", values, trained_on);
    compare!("the list of regions", regions, trained_on);
    compare!("the number of channels", |plan: &Plan| plan.channels.len(), trained_on);
    compare!("the previous stage", |plan: &Plan| plan.previous_stage.clone(), "choose a teacher of the same stage of the cascade");
    let copy = "copy that field from the teacher's plan.json into the student's, or train a teacher by the student's";
    compare!("orientation", orientation, copy);
    compare!("axis_order", |plan: &Plan| plan.axis_order, copy);
    compare!("spacing_mm", spacing, copy);
    compare!("the normalisation of channels", normalizations, copy);
    let outputs_pixels = |plan: &Plan| !tells_no_classes(plan);
    if !outputs_pixels(teacher) || !outputs_pixels(plan) {
        let cure = "set network.output to classes_of_pixels in the plan of the image-to-mask network";
        return Some(("the output", words_of(teacher, output(teacher)), words_of(plan, output(plan)), cure));
    }
    None
}

/// Whether pixels compete with each other, so that logits are not those of classes.
fn tells_no_classes(plan: &Plan) -> bool {
    matches!(&plan.network, NetworkPlan::ImageToMask(mask) if mask.n_maps() != mask.classes)
}

fn words_of(plan: &Plan, kind: &str) -> String {
    if tells_no_classes(plan) { "a soft-max over all pixels".to_owned() } else { format!("the classes of each pixel ({kind})") }
}
