//! What happens before a training sees labels: its layers learn one after the other to restore their inputs.

use std::sync::Arc;

use sagittal_data::{
    Case, DataError, Dataset, Plan, Seed, TrainingSet,
    loader::{Loader, LoaderOptions, Purpose},
    plan::{PretrainingImages, PretrainingLength, PretrainingPlan, time_words},
};
use sagittal_train::{Budget, Events, PretrainingOutcome, RunOptions, Trainer, pretrain};

use super::{BATCHES_AHEAD, LOADING_THREADS, run_folder::RunFolder};
use crate::{messages::Messages, outcome::WrongUse};

/// Refuses a pre-training that leaves no time for the training, and networks that have no layers for it.
pub(super) fn refuse_impossible(rule: &PretrainingPlan, budget: Budget, trainer: &Trainer) -> Result<(), WrongUse> {
    if trainer.network.greedy_layers().is_empty() {
        let kind = trainer.network.plan().kind();
        return Err(WrongUse(format!(
            "networks of kind {kind} have no layers that learn without labels; take training.pretraining out of the plan"
        )));
    }
    match (rule.length, budget) {
        (PretrainingLength::TimeS(seconds), Budget::Time(time)) if seconds >= time.as_secs_f64() => Err(WrongUse(format!(
            "pre-training of {seconds:.0} seconds leaves nothing of {} for the training; make training.pretraining.length.time_s smaller, or \
             --time longer",
            time_words(time)
        ))),
        _ => Ok(()),
    }
}

/// Pre-trains what is not pre-trained yet.
#[allow(clippy::too_many_arguments, reason = "a training, and the images that it sees first")]
pub(super) fn run(
    rule: &PretrainingPlan,
    trainer: &mut Trainer,
    plan: &Plan,
    dataset: &Dataset,
    training: &Arc<TrainingSet>,
    memory_bytes: u64,
    seed: Seed,
    folder: &RunFolder,
    options: &RunOptions,
    events: &mut dyn Events,
    messages: &Messages,
) -> anyhow::Result<PretrainingOutcome> {
    let set = match rule.images {
        PretrainingImages::Training => Arc::clone(training),
        PretrainingImages::TrainingAndTest => with_test_images(plan, dataset, training, memory_bytes, messages)?,
    };
    let mut batches_from = |first_step: u64| {
        let loading = LoaderOptions { seed, first_step, threads: LOADING_THREADS, ahead: BATCHES_AHEAD, purpose: Purpose::Pretraining };
        let mut loader = Loader::start(Arc::clone(&set), plan, loading);
        Box::new(std::iter::repeat_with(move || loader.next_batch())) as Box<dyn Iterator<Item = _>>
    };
    Ok(pretrain(trainer, rule, seed, &mut batches_from, &folder.fold, options, events)?)
}

/// The training cases and the test images behind them, in memory.
fn with_test_images(
    plan: &Plan,
    dataset: &Dataset,
    training: &TrainingSet,
    memory_bytes: u64,
    messages: &Messages,
) -> Result<Arc<TrainingSet>, DataError> {
    let (mut set, cases) = (TrainingSet::in_memory(Vec::new()), training.cases().iter().map(|case| case.id()));
    // Of the training cases only the images are read here, too: the set is one of images without labels.
    let cases: Vec<&Case> = cases.filter_map(|id| dataset.training_case(id)).chain(&dataset.test).collect();
    let n_added = set.add_unlabelled(dataset, &cases, plan, memory_bytes);
    for (case, error) in set.failures() {
        messages.say(format_args!("image {case} is left out of the pre-training: {error}"));
    }
    let (n_training, n_test) = (training.cases().len(), dataset.test.len());
    messages.say(format_args!(
        "pre-training looks at {n_added} images: of {n_training} for training and {n_test} for testing those that can be read and fit the memory"
    ));
    if n_added == 0 {
        return Err(DataError::Dataset {
            path: dataset.root.clone(),
            finding: "no image could be taken into the pre-training".into(),
            cure: "give more --memory, or set training.pretraining.images to training in the plan".into(),
        });
    }
    Ok(Arc::new(set))
}
