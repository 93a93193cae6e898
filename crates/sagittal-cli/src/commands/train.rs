//! `sagittal train`: one fold of a data set, from its files to a model with its scores.

mod clean_up;
mod cross_validation;
mod origin;
mod own_plan;
mod pretraining;
mod previous_stage;
pub(crate) mod run_folder;
mod teacher;
mod validation;
mod variety;
mod watch;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use anyhow::{Context, bail};
use sagittal_data::{
    Batch, Dataset, Fold, FoldChoice, Plan, PlanOptions, Seed, Splits,
    loader::{Loader, LoaderOptions, Purpose},
    plan::{Length, NetworkPlan},
    training_set::{TrainingSet, TrainingSetOptions},
};
use sagittal_metrics::Metrics;
use sagittal_nets::{ModelFile, Network};
use sagittal_tensor::Device;
use sagittal_train::{
    Budget, Objective, PretrainingOutcome, RunOptions, StopReason, Trainer, TrainerOptions, has_checkpoint, read_checkpoint,
};
use serde::Serialize;
use serde_json::json;

use crate::{
    args::TrainArgs,
    commands::{evaluate, region_masks::RegionMasks},
    device,
    messages::{Messages, Unit},
    outcome::{Outcome, StoppedOnRequest, WrongUse},
    stop::Stop,
};
use origin::Origin;
use own_plan::{plan_of, refuse_masks_without_use};
use previous_stage::PreviousStage;
use run_folder::RunFolder;
use teacher::TeacherModel;
use watch::Watch;

/// Streams of randomness, so that no purpose disturbs another.
const WEIGHTS: u64 = 1;

/// Threads that prepare patches while the network computes: one keeps up with a network on the processor.
const LOADING_THREADS: usize = 1;
/// Batches that wait for the network at most.
const BATCHES_AHEAD: usize = 4;

pub(crate) fn run(args: &TrainArgs, messages: &Messages) -> anyhow::Result<Outcome> {
    let stop = Stop::on_ctrl_c()?;
    let trained =
        if args.cross_validate { cross_validation::train_every_fold(args, messages, &stop)? } else { train(args, messages, &stop)? };
    match &trained.metrics {
        Ok(metrics) => messages.result(metrics, || evaluate::in_words(metrics))?,
        Err(stopped) => messages.result(stopped, || stopped.in_words())?,
    }
    Ok(trained.outcome())
}

/// What came of a training.
pub(crate) struct Trained {
    /// Scores of the validation cases; or where it is, if somebody asked to stop before.
    pub(crate) metrics: Result<Metrics, Stopped>,
    /// Cases that could not be learned from.
    n_left_out: usize,
}

/// What `--json` says of a training that was stopped.
#[derive(Debug, Serialize)]
pub(crate) struct Stopped {
    stopped: bool,
    /// Steps done.
    steps: u64,
    /// Seconds trained.
    elapsed_s: f64,
    /// The weights so far.
    model: PathBuf,
    /// Whether only the validation of whole cases is left to do.
    trained: bool,
}

impl Stopped {
    fn in_words(&self) -> String {
        let Self { steps, model, trained, .. } = self;
        let model = model.display();
        if *trained {
            return format!("stopped before all validation cases were scored; {model} is complete, --resume scores them");
        }
        format!("stopped after {steps} steps; {model} is complete, --resume goes on")
    }
}

impl Trained {
    pub(crate) fn outcome(&self) -> Outcome {
        match &self.metrics {
            Err(_) => Outcome::Stopped,
            Ok(metrics) if self.n_left_out + metrics.failed.len() == 0 => Outcome::Done,
            Ok(_) => Outcome::SomeFailed,
        }
    }
}

/// Trains, then predicts and scores the validation cases of the fold.
pub(crate) fn train(args: &TrainArgs, messages: &Messages, stop: &Stop) -> anyhow::Result<Trained> {
    WrongUse::unless_exists(&args.dataset, "the folder of a data set")?;
    WrongUse::if_file(&args.output)?;
    let dataset = Dataset::open(&args.dataset)?;
    let folder = RunFolder::new(&args.output, args.fold);
    let is_begun = has_checkpoint(&folder.fold.checkpoint());
    match (args.resume, is_begun) {
        (false, true) => {
            let fold = folder.fold.0.display();
            return Err(WrongUse(format!("{fold} holds a training already; go on with --resume, or name another folder with -o")).into());
        }
        (true, false) => messages.say(format_args!("{} holds no checkpoint yet; starting from the beginning", folder.fold.0.display())),
        _ => {}
    }
    std::fs::create_dir_all(&folder.fold.0).with_context(|| format!("cannot make {}", folder.fold.0.display()))?;
    let device = device::open(args.on, messages)?;
    let origin = match &args.from {
        Some(_) if is_begun => None,
        Some(model) => Some(Origin::read(model, &device)?),
        None => None,
    };
    let masks = RegionMasks::open(args.roi.clone().or(folder.masks()?).as_deref())?;
    let plan = plan_of(args, origin.as_ref(), &dataset, &folder, &masks, &device, messages)?;
    refuse_masks_without_use(args, &plan)?;
    let previous_run = previous_run(args, &plan, &folder)?;
    let teacher = TeacherModel::find(args, &plan, &folder, &device)?;
    let fold = fold_of(args.fold, &dataset, &folder)?;
    let digest = dataset.digest();
    for line in plan.describe_for(length(args, &plan)).lines() {
        messages.say(line);
    }

    let previous = match &previous_run {
        Some(run) => PreviousStage::find(run, &plan, &dataset, &fold, &folder, &device, messages, stop)?,
        None => PreviousStage::default(),
    };
    let keeping = TrainingSetOptions {
        cache: Some(args.cache.clone().unwrap_or_else(|| folder.root.join("preprocessed"))),
        memory_bytes: memory_for_cases(args),
        previous_stage: previous.files.clone(),
        regions: region_files(&dataset, &fold, &masks, &plan)?,
    };
    let prepare = |ids: &[String], title: &str| {
        let progress = messages.progress(title, Unit::Cases, ids.len() as u64);
        let cases = ids.iter().filter_map(|id| dataset.training_case(id)).collect::<Vec<_>>();
        TrainingSet::prepare(&dataset, &cases, &plan, &keeping, &|done, total| progress.set(done as u64, total as u64))
            .context("cannot prepare the training; `sagittal check` lists everything that is wrong with the data set")
    };
    let training = prepare(&fold.training, "preprocessing training cases")?;
    let validation = prepare(&fold.validation, "preprocessing validation cases").unwrap_or_else(|error| {
        messages.say(format_args!("no validation case can be used, so epochs are not scored: {error:#}"));
        TrainingSet::in_memory(Vec::new())
    });
    let n_left_out = training.failures().len();
    for (case, error) in training.failures().iter().chain(validation.failures()) {
        messages.say(format_args!("case {case} is left out: {}", with_causes(error)));
    }

    let seed = Seed(args.random.seed);
    let mut network = Network::new(&plan.network, &mut seed.stream(&[WEIGHTS]), &device)?;
    if let Some(origin) = &origin {
        origin.give_to(&mut network, messages)?;
    }
    let mut trainer =
        Trainer::new(network, TrainerOptions { record_gradients: args.record_gradients, ..trainer_options(&plan, seed) }, device.clone());
    let mut options = run_options(args, &plan, &dataset, &digest, folder.origin(args)?);
    if let Some(teacher) = &teacher {
        options.facts["provenance"]["teacher"] = teacher.record();
        options.identity["teacher_sha256"] = teacher.sha256().into();
    }
    if let Some(rule) = &plan.training.pretraining {
        pretraining::refuse_impossible(rule, options.budget, &trainer)?;
    }
    if is_begun {
        read_checkpoint(&folder.fold.checkpoint(), &mut trainer, &options.identity)?;
        let step = trainer.progress.step;
        let weights = if args.from.is_some() { "; the weights are the run's own, --from was taken at its beginning" } else { "" };
        messages.say(format_args!("resuming after step {step}{weights}"));
    }
    // Not before it is clear that the training can go on: the record must not tell of one that was refused.
    folder.record(args, &dataset, &digest, previous_run.as_deref(), teacher.as_ref().map(TeacherModel::record).as_ref())?;
    let (training, validation) = (Arc::new(training), Arc::new(validation));
    let validation_batches = validation_batches(&validation, &plan, seed)?;
    let loading = LoaderOptions {
        seed,
        first_step: trainer.progress.step,
        threads: LOADING_THREADS,
        ahead: BATCHES_AHEAD,
        purpose: Purpose::Training,
    };
    let mut loader = Loader::start(Arc::clone(&training), &plan, loading);
    if let (Some(teacher), Some(rule)) = (teacher, plan.training.distillation) {
        let (cases, places) = (&training, loader.places());
        match teacher.teach(rule, &plan, &dataset, cases, places, &keeping, args.fold, &device, messages, stop)? {
            Some(distillation) => trainer.learn_from(distillation),
            None => return Err(StoppedOnRequest(" before the teacher had looked at all cases; --resume goes on".to_owned()).into()),
        }
    }
    if let Some(n) = plan.training.full_batch {
        trainer.set_full_batch(full_batch(n, &training, &plan, seed, memory_for_cases(args))?);
    }
    let mut batches = std::iter::repeat_with(move || loader.next_batch());

    let mut watch = Watch::start(
        messages,
        &folder,
        &dataset,
        &fold,
        &plan,
        &previous,
        &masks,
        &device,
        stop,
        options.budget,
        trainer.progress.epochs.clone(),
    )?;
    if let Some(rule) = plan.training.pretraining.filter(|_| trainer.progress.step == 0) {
        let memory = memory_for_cases(args);
        let done =
            pretraining::run(&rule, &mut trainer, &plan, &dataset, &training, memory, seed, &folder, &options, &mut watch, messages)?;
        let seconds = trainer.progress.pretraining_s;
        messages.say(format_args!("layers learned without labels for {seconds:.1} s, which is part of the training's time"));
        if done == PretrainingOutcome::Requested {
            let elapsed_s = trainer.progress.elapsed_s;
            let stopped = Stopped { stopped: true, steps: 0, elapsed_s, model: folder.fold.model(), trained: false };
            return Ok(Trained { metrics: Err(stopped), n_left_out });
        }
    }
    let outcome = sagittal_train::run(&mut trainer, &mut batches, &validation_batches, &folder.fold, &options, &mut watch)?;
    drop(batches);
    drop(watch);
    let (steps, minutes) = (outcome.steps, outcome.elapsed.as_secs_f64() / 60.0);
    match outcome.reason {
        StopReason::Done => messages.say(format_args!("trained {steps} steps in {minutes:.1} minutes")),
        StopReason::Patience => {
            messages.say(format_args!("trained {steps} steps in {minutes:.1} minutes; stopped because validation did not improve any more"))
        }
        StopReason::Requested => {}
    }
    let is_over = outcome.reason != StopReason::Requested;
    let elapsed_s = outcome.elapsed.as_secs_f64();
    let stopped = Stopped { stopped: true, steps, elapsed_s, model: folder.fold.model(), trained: is_over };
    if !is_over {
        return Ok(Trained { metrics: Err(stopped), n_left_out });
    }
    let (network, plan) = match trainer.result() {
        network if tries_on_training_cases(&plan) => {
            let shift = plan.training.correct_frequencies.then(|| training.frequency_shift(&plan));
            let shift = shift.as_deref();
            let Some(choice) = clean_up::choose(network, shift, &plan, &dataset, &fold, &previous, &masks, &device, messages, stop)? else {
                return Ok(Trained { metrics: Err(stopped), n_left_out });
            };
            let plan = Plan { postprocessing: choice.steps, ..plan };
            let mut facts = options.facts.clone();
            facts["plan"] = serde_json::to_value(&plan)?;
            if let Some(part) = choice.correction {
                facts["provenance"]["frequency_correction"] = part.into();
            }
            ModelFile::write(&folder.fold.model(), &choice.network, &facts)?;
            (choice.network, plan)
        }
        network => (network, plan),
    };
    let metrics = validation::score(&network, &plan, &dataset, &fold, &previous, &masks, &folder, seed, &device, messages, stop)?;
    Ok(Trained { metrics: metrics.ok_or(stopped), n_left_out })
}

/// Cases that are predicted at the end of a training: the validation cases, and those on which is tried what a voxel classifier's answers lack.
pub(crate) fn n_predicted(plan: &Plan, fold: &Fold) -> usize {
    let tried = if tries_on_training_cases(plan) { fold.training.len().min(clean_up::MOST_CASES) } else { 0 };
    fold.validation.len() + tried
}

/// Whether there is something to try: a voxel classifier's correction for frequencies, or its clean-up, where the plan does not say it.
fn tries_on_training_cases(plan: &Plan) -> bool {
    matches!(plan.network, NetworkPlan::Patch(_)) && (plan.postprocessing.is_empty() || plan.training.correct_frequencies)
}

/// Seconds to predict and score one case as a training does at its end, by a network that has learned nothing; `None` if somebody asked to
/// stop. Everything is written to `place`.
pub(crate) fn validation_s(
    plan: &Plan,
    dataset: &Dataset,
    case: &str,
    place: &Path,
    device: &Device,
    messages: &Messages,
    stop: &Stop,
) -> anyhow::Result<Option<f64>> {
    let seed = Seed(0);
    let network = Network::new(&plan.network, &mut seed.stream(&[WEIGHTS]), device)?;
    let fold = Fold { training: Vec::new(), validation: vec![case.to_owned()] };
    let folder = RunFolder::new(place, FoldChoice::Index(0));
    let masks = RegionMasks::default();
    let start = Instant::now();
    let metrics =
        validation::score(&network, plan, dataset, &fold, &PreviousStage::default(), &masks, &folder, seed, device, messages, stop)?;
    let Some(metrics) = metrics else { return Ok(None) };
    if let Some(failed) = metrics.failed.first() {
        bail!("{}", failed.reason);
    }
    Ok(Some(start.elapsed().as_secs_f64()))
}

/// The masks of the fold's cases, where the plan asks for them.
pub(crate) fn region_files(
    dataset: &Dataset,
    fold: &Fold,
    masks: &RegionMasks,
    plan: &Plan,
) -> Result<BTreeMap<String, PathBuf>, WrongUse> {
    let cases = fold.training.iter().chain(&fold.validation).filter_map(|id| dataset.training_case(id));
    let files = cases.map(|case| Ok(masks.file(case, plan)?.map(|file| (case.id.clone(), file))));
    Ok(files.collect::<Result<Vec<_>, WrongUse>>()?.into_iter().flatten().collect())
}

/// In a cascade the run of the stage before: as named, else as the run was begun with.
fn previous_run(args: &TrainArgs, plan: &Plan, folder: &RunFolder) -> anyhow::Result<Option<PathBuf>> {
    let begun_with = folder.previous_run()?;
    match (&plan.previous_stage, &args.previous, begun_with) {
        (None, None, _) => Ok(None),
        (None, Some(_), _) => {
            let cure = "train by the plan of a cascade, as `sagittal plan --like nnunet --configuration 3d_cascade_fullres` makes it";
            Err(WrongUse(format!("the plan has no previous stage, so --previous has no meaning; leave it out, or {cure}")).into())
        }
        (Some(stage), None, None) => Err(WrongUse(format!(
            "the plan is the last stage of a cascade after {stage}; train that first, all folds, and name its run with --previous"
        ))
        .into()),
        (Some(_), None, Some(begun_with)) => Ok(Some(begun_with)),
        (Some(_), Some(named), Some(begun_with)) if named.canonicalize().ok() != begun_with.canonicalize().ok() => {
            let (named, begun_with) = (named.display(), begun_with.display());
            Err(WrongUse(format!("{named} is not the run of the stage before, {begun_with}, that this run was begun with")).into())
        }
        (Some(_), Some(named), _) => Ok(Some(named.clone())),
    }
}

/// How long to train: as typed, else as planned.
fn length(args: &TrainArgs, plan: &Plan) -> Length {
    match (args.length.time, args.length.epochs) {
        (Some(time), _) => Length::Time(time),
        (None, Some(epochs)) => Length::Epochs(epochs),
        (None, None) => plan.training.length(),
    }
}

/// The cases of the fold, by the run's splits if it has them.
fn fold_of(choice: FoldChoice, dataset: &Dataset, folder: &RunFolder) -> anyhow::Result<Fold> {
    let path = folder.root.join(Splits::FILE_NAME);
    let splits = if path.is_file() {
        Splits::read(&path, dataset)?
    } else {
        let labelled = dataset.training.iter().filter(|case| case.labels.is_some()).count();
        let n_folds = Splits::N_FOLDS.min(labelled);
        let splits = Splits::make(dataset, n_folds, Splits::NNUNET_SEED)?;
        splits.write(&path)?;
        splits
    };
    Ok(splits.fold(choice).map_err(|error| WrongUse(error.to_string()))?)
}

/// How the trainer is to follow a plan.
pub(crate) fn trainer_options(plan: &Plan, seed: Seed) -> TrainerOptions {
    let training = &plan.training;
    TrainerOptions {
        optimizer: training.optimizer,
        learning_rate: training.learning_rate,
        momentum: training.momentum,
        nesterov: training.nesterov,
        weight_decay: training.weight_decay,
        gradient_clip: training.gradient_clip,
        objective: Objective::of(plan),
        ema_decay: training.ema_decay,
        seed,
        record_gradients: false,
    }
}

fn run_options(args: &TrainArgs, plan: &Plan, dataset: &Dataset, digest: &str, origin: Option<String>) -> RunOptions {
    let budget = match length(args, plan) {
        Length::Time(time) => Budget::Time(time),
        Length::Epochs(epochs) => Budget::Epochs(epochs as u64),
    };
    let fold = run_folder::fold_name(args.fold);
    let mut provenance = json!({
        "program": concat!("sagittal ", env!("CARGO_PKG_VERSION")),
        "dataset": dataset.name,
        "dataset_sha256": digest,
        "fold": fold,
        "seed": args.random.seed,
    });
    if let Some(origin) = origin {
        provenance["from"] = origin.into();
    }
    RunOptions {
        budget,
        steps_per_epoch: plan.training.iterations_per_epoch as u64,
        schedule: plan.training.schedule,
        patience: args.patience.map(|epochs| epochs as u64),
        identity: json!({ "fold": fold, "seed": args.random.seed, "dataset_sha256": digest, "plan": plan }),
        facts: json!({ "plan": plan, "provenance": provenance }),
    }
}

/// The patches on which every epoch is scored: the same ones each time, so that epochs can be compared.
fn validation_batches(set: &Arc<TrainingSet>, plan: &Plan, seed: Seed) -> anyhow::Result<Vec<Batch>> {
    if set.cases().is_empty() {
        return Ok(Vec::new());
    }
    let options = LoaderOptions { seed, first_step: 0, threads: 0, ahead: 1, purpose: Purpose::Validation };
    let mut loader = Loader::start(Arc::clone(set), plan, options);
    Ok((0..plan.training.validation_iterations).map(|_| loader.next_batch()).collect::<Result<_, _>>()?)
}

/// The batches that every step sees, where the plan asks for a full batch.
fn full_batch(n: usize, set: &Arc<TrainingSet>, plan: &Plan, seed: Seed, memory_bytes: u64) -> anyhow::Result<Vec<Batch>> {
    let options = LoaderOptions { seed, first_step: 0, threads: 0, ahead: 1, purpose: Purpose::Training };
    let mut loader = Loader::start(Arc::clone(set), plan, options);
    let (mut batches, mut bytes) = (Vec::with_capacity(n), 0);
    for _ in 0..n {
        let batch = loader.next_batch()?;
        bytes += (batch.images.len() * 4 + batch.labels.len()) as u64;
        if bytes > memory_bytes {
            let (most, n_fit) = (memory_bytes >> 20, batches.len());
            let cure = "give more with --memory, or set training.full_batch to less";
            return Err(WrongUse(format!("{n_fit} of the {n} batches of training.full_batch fit into {most} MB; {cure}")).into());
        }
        batches.push(batch);
    }
    Ok(batches)
}

/// Memory for preprocessed cases: a quarter of what may be used. Larger sets are read from disk patch by patch.
fn memory_for_cases(args: &TrainArgs) -> u64 {
    args.budget.memory.unwrap_or(PlanOptions::default().memory_bytes) / 4
}

/// An error with all that caused it, in one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |line, cause| format!("{line}: {cause}"))
}

/// A path from the root, for records.
pub(crate) fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}
