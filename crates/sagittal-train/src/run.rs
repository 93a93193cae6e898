//! The training loop: from the first step, or the last checkpoint, to the end of the budget.

use crate::checkpoint::write_checkpoint;
use crate::run_record::write_progress;
use crate::schedule::learning_rate;
use crate::{Budget, EpochRecord, Events, Progress, TrainError, Trainer};
use sagittal_data::{Batch, DataError, plan::RateSchedule};
use sagittal_nets::ModelFile;
use serde_json::Value;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A training by time is cut into at most this many epochs, so that its curves and its picture have that many points,
const EPOCHS_IN_A_TIME: f64 = 60.0;
/// and into fewer where an epoch would be shorter than this: each ends with validation and with files to write.
const SHORTEST_EPOCH_S: f64 = 5.0;
/// and where writing its files would take more than a part of it: so many bytes are written after it for every number that is
/// learned (weights and best weights, and in the checkpoint the weights with two buffers), on a disk that nobody would call fast.
const WRITTEN_BYTES_PER_PARAMETER: f64 = 20.0;
const DISK_BYTES_PER_S: f64 = 300e6;
/// Part of an epoch that its files may take.
const LARGEST_PART_FOR_FILES: f64 = 0.1;
/// Steps that are timed before the epochs of a training by time are laid out; the first is slower and not counted.
const TIMED_STEPS: u64 = 4;

/// Where the results of one fold go.
#[derive(Clone, Debug)]
pub struct FoldFolder(pub PathBuf);

impl FoldFolder {
    /// The latest weights, complete at every moment after the first epoch.
    pub fn model(&self) -> PathBuf {
        self.0.join("model.safetensors")
    }

    /// The weights of the epoch with the best smoothed validation Dice.
    pub fn best(&self) -> PathBuf {
        self.0.join("best.safetensors")
    }

    /// What `--resume` needs.
    pub fn checkpoint(&self) -> PathBuf {
        self.0.join("checkpoint")
    }

    /// How layers learned without labels, if they did.
    pub fn pretraining(&self) -> PathBuf {
        self.0.join("pretraining.json")
    }

    /// One line an epoch.
    pub fn progress(&self) -> PathBuf {
        self.0.join("progress.jsonl")
    }
}

/// What drives a training besides the trainer.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// What ends it.
    pub budget: Budget,
    /// Steps of an epoch; in a training by time the most that an epoch has.
    pub steps_per_epoch: u64,
    /// Stop after this many epochs without a better smoothed validation Dice.
    pub patience: Option<u64>,
    /// How the learning rate goes on from the trainer's.
    pub schedule: RateSchedule,
    /// Which training this is, for its checkpoint.
    pub identity: Value,
    /// What goes into the header of its models: plan, labels, provenance.
    pub facts: Value,
}

/// Why a training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The budget is used up.
    Done,
    /// No better for as many epochs as `patience` allows.
    Patience,
    /// Somebody asked for it; `--resume` goes on.
    Requested,
}

/// How a training ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Why.
    pub reason: StopReason,
    /// Steps done in all.
    pub steps: u64,
    /// Time trained in all.
    pub elapsed: Duration,
}

/// Trains until the budget is used up, patience is lost, or `events` asks to stop.
///
/// After every epoch, and when it stops, the folder holds a complete model, a checkpoint and the progress so far.
/// `batches` starts at step `trainer.progress.step`.
///
/// # Errors
/// [`TrainError`]; what was saved before stays.
pub fn run(
    trainer: &mut Trainer,
    batches: &mut dyn Iterator<Item = Result<Batch, DataError>>,
    validation: &[Batch],
    folder: &FoldFolder,
    options: &RunOptions,
    events: &mut dyn Events,
) -> Result<Outcome, TrainError> {
    std::fs::create_dir_all(&folder.0).map_err(|source| TrainError::File { act: "create", path: folder.0.clone(), source })?;
    let start = Instant::now();
    let before = Duration::from_secs_f64(trainer.progress.elapsed_s);
    // What layers learned without labels took its part of the time; the rest is a whole training with its learning rate.
    let alone = Duration::from_secs_f64(trainer.progress.pretraining_s);
    let budget = options.budget.less(alone);
    let used =
        |progress: &Progress, elapsed: Duration| budget.fraction(progress.step, progress.steps_per_epoch, elapsed.saturating_sub(alone));
    if let Budget::Epochs(_) = options.budget {
        trainer.progress.steps_per_epoch = options.steps_per_epoch;
    }
    let mut epoch_clock = EpochClock::default();
    let mut timed = Vec::new();
    loop {
        let elapsed = before + start.elapsed();
        let fraction = used(&trainer.progress, elapsed);
        let requested = events.stop_requested();
        if requested || fraction >= 1.0 || out_of_patience(trainer, options) {
            let reason = match (requested, fraction >= 1.0) {
                (_, true) => StopReason::Done,
                (true, false) => StopReason::Requested,
                (false, false) => StopReason::Patience,
            };
            // A stop on request keeps the epoch open, so that resuming it gives what no stop would have given.
            let is_over = reason != StopReason::Requested;
            if is_over && trainer.progress.epoch_steps > 0 {
                end_epoch(trainer, validation, folder, options, fraction, elapsed, &mut epoch_clock, events)?;
            } else {
                trainer.progress.elapsed_s = elapsed.as_secs_f64();
                save(trainer, folder, options)?;
            }
            return Ok(Outcome { reason, steps: trainer.progress.step, elapsed });
        }
        let rate = learning_rate(options.schedule, trainer.options().learning_rate, fraction);
        let step_start;
        let loss = match trainer.full_batch() {
            Some(all) => {
                step_start = Instant::now();
                epoch_clock.samples += all.iter().map(|batch| batch.shape[0]).sum::<usize>();
                trainer.step_on(&all, rate)?
            }
            None => {
                let Some(batch) = batches.next() else { return Err(TrainError::NoBatches) };
                let batch = batch?;
                step_start = Instant::now();
                epoch_clock.samples += batch.shape[0];
                trainer.step(&batch, rate)?
            }
        };
        epoch_clock.time += step_start.elapsed();
        let elapsed = before + start.elapsed();
        events.step(trainer, loss, rate, used(&trainer.progress, elapsed), elapsed);
        if let (Budget::Time(time), 0) = (budget, trainer.progress.steps_per_epoch) {
            timed.push(step_start.elapsed());
            // Not by the number of steps: a training that was stopped before this has none timed when it resumes.
            if timed.len() as u64 >= TIMED_STEPS {
                let typical = timed[1..].iter().min().copied().unwrap_or_default().as_secs_f64().max(1e-6);
                let files_s = trainer.network.parameters().count() as f64 * WRITTEN_BYTES_PER_PARAMETER / DISK_BYTES_PER_S;
                let epoch_s = (time.as_secs_f64() / EPOCHS_IN_A_TIME).max(SHORTEST_EPOCH_S).max(files_s / LARGEST_PART_FOR_FILES);
                let steps = (epoch_s / typical).round() as u64;
                trainer.progress.steps_per_epoch = steps.clamp(TIMED_STEPS, options.steps_per_epoch.max(TIMED_STEPS));
            }
        }
        if trainer.progress.steps_per_epoch > 0 && trainer.progress.epoch_steps >= trainer.progress.steps_per_epoch {
            let fraction = used(&trainer.progress, elapsed);
            end_epoch(trainer, validation, folder, options, fraction, elapsed, &mut epoch_clock, events)?;
        }
    }
}

/// Time spent in steps of the present epoch.
#[derive(Debug, Default)]
struct EpochClock {
    samples: usize,
    time: Duration,
}

impl EpochClock {
    fn samples_per_s(&mut self) -> f64 {
        let rate = self.samples as f64 / self.time.as_secs_f64().max(1e-9);
        *self = Self::default();
        rate
    }
}

fn out_of_patience(trainer: &Trainer, options: &RunOptions) -> bool {
    let (Some(patience), Some((_, best_epoch))) = (options.patience, trainer.progress.best) else { return false };
    trainer.progress.epochs.len() as u64 >= best_epoch + patience
}

#[allow(clippy::too_many_arguments, reason = "the state of one loop, cut out of it to keep it readable")]
fn end_epoch(
    trainer: &mut Trainer,
    validation: &[Batch],
    folder: &FoldFolder,
    options: &RunOptions,
    fraction: f64,
    elapsed: Duration,
    clock: &mut EpochClock,
    events: &mut dyn Events,
) -> Result<(), TrainError> {
    let validation = &validation[..n_validation_batches(validation.len(), trainer.progress.steps_per_epoch, options.steps_per_epoch)];
    let scores = (!validation.is_empty()).then(|| trainer.validate(validation));
    let gradients = trainer.progress.epoch_gradients.take(trainer.network.parameters());
    let progress = &mut trainer.progress;
    let record = EpochRecord {
        epoch: progress.epochs.len() as u64 + 1,
        step: progress.step,
        elapsed_s: elapsed.as_secs_f64(),
        learning_rate: learning_rate(options.schedule, trainer.options().learning_rate, fraction),
        training_loss: trainer.progress.epoch_loss / trainer.progress.epoch_steps.max(1) as f64,
        validation_loss: scores.as_ref().map(|s| s.loss),
        validation_dice: scores.as_ref().map_or_else(Vec::new, |s| s.dice.clone()),
        samples_per_s: clock.samples_per_s(),
        gradients,
    };
    let progress = &mut trainer.progress;
    let mut is_best = false;
    if let Some(dice) = scores.and_then(|s| s.mean_dice()) {
        let smoothed = progress.smoothed_dice.map_or(dice, |old| 0.9 * old + 0.1 * dice);
        progress.smoothed_dice = Some(smoothed);
        is_best = progress.best.is_none_or(|(best, _)| smoothed > best);
        if is_best {
            progress.best = Some((smoothed, record.epoch));
        }
    }
    progress.epochs.push(record.clone());
    (progress.epoch_loss, progress.epoch_steps) = (0.0, 0);
    progress.elapsed_s = elapsed.as_secs_f64();
    if is_best {
        ModelFile::write(&folder.best(), &trainer.result(), &options.facts)?;
    }
    // Before the checkpoint, so that whoever is killed in between repeats the epoch with all that belongs to it.
    events.epoch(&record, &trainer.result());
    save(trainer, folder, options)
}

/// Short epochs are scored on fewer batches, so that scoring takes the same part of the time; never on fewer than two.
fn n_validation_batches(available: usize, steps: u64, full_steps: u64) -> usize {
    let share = (available as u64 * steps).div_ceil(full_steps.max(1)) as usize;
    share.max(2).min(available)
}

/// The checkpoint comes last: once it is there, everything that it stands for is there too.
pub(crate) fn save(trainer: &Trainer, folder: &FoldFolder, options: &RunOptions) -> Result<(), TrainError> {
    ModelFile::write(&folder.model(), &trainer.result(), &options.facts)?;
    write_progress(&folder.progress(), &trainer.progress.epochs)?;
    write_checkpoint(&folder.checkpoint(), trainer, &options.identity)
}
