//! Trainings of a tiny network on patches that anybody could segment.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sagittal_data::{
    Batch, DataError, Seed,
    plan::{ActivationKind, NetworkPlan, OptimizerKind, RateSchedule, UnetPlan},
};
use sagittal_nets::{ModelFile, Network};
use sagittal_tensor::Device;
use sagittal_train::{
    Budget, EpochRecord, Events, FoldFolder, Objective, Outcome, RunOptions, Silent, StopReason, TrainError, Trainer, TrainerOptions,
    has_checkpoint, read_checkpoint, read_progress, run,
};
use serde_json::json;
use std::{cell::Cell, path::Path, time::Duration};

const SIZE: usize = 8;

fn trainer(optimizer: OptimizerKind) -> Trainer {
    let plan = NetworkPlan::Unet(UnetPlan {
        input_channels: 1,
        classes: 2,
        features: vec![4, 8, 8],
        kernels: vec![[3; 3]; 3],
        strides: vec![[1; 3], [2; 3], [2; 3]],
        encoder_convs: vec![1; 3],
        decoder_convs: vec![1; 2],
        deep_supervision: true,
        conv_bias: true,
        norm_epsilon: UnetPlan::NORM_EPSILON,
        leaky_slope: UnetPlan::LEAKY_SLOPE,
        activation: ActivationKind::LeakyRelu,
        dropout: 0.0,
    });
    let network = Network::new(&plan, &mut ChaCha8Rng::seed_from_u64(3), &Device::cpu()).unwrap();
    let learning_rate = match optimizer {
        OptimizerKind::Sgd => 0.02,
        OptimizerKind::Adamw | OptimizerKind::Rmsprop => 0.003,
        OptimizerKind::Rprop | OptimizerKind::RpropBacktracking => 0.001,
    };
    let options = TrainerOptions {
        optimizer,
        learning_rate,
        momentum: 0.9,
        nesterov: true,
        weight_decay: if optimizer.is_rprop() { 0.0 } else { 1e-5 },
        gradient_clip: 12.0,
        objective: Objective::classes(false),
        ema_decay: None,
        seed: Seed(0),
        record_gradients: false,
    };
    Trainer::new(network, options, Device::cpu())
}

/// A bright box in noise; the content depends on the step alone.
fn batch(step: u64) -> Batch {
    let mut rng = ChaCha8Rng::seed_from_u64(step);
    let n = 2;
    let (mut images, mut labels) = (Vec::new(), Vec::new());
    for _ in 0..n {
        let lower: [usize; 3] = std::array::from_fn(|_| rng.random_range(0..SIZE / 2));
        for v in 0..SIZE * SIZE * SIZE {
            let at = [v / SIZE / SIZE, v / SIZE % SIZE, v % SIZE];
            let inside = (0..3).all(|a| (lower[a]..lower[a] + SIZE / 2).contains(&at[a]));
            images.push(rng.random_range(-0.3f32..0.3) + if inside { 1.0 } else { 0.0 });
            labels.push(u8::from(inside));
        }
    }
    Batch { step, images, labels, shape: [n, 1, SIZE, SIZE, SIZE] }
}

fn options(epochs: u64) -> RunOptions {
    RunOptions {
        budget: Budget::Epochs(epochs),
        steps_per_epoch: 6,
        patience: None,
        schedule: RateSchedule::Polynomial,
        identity: json!({ "seed": 3 }),
        facts: json!({ "plan": null }),
    }
}

fn train(trainer: &mut Trainer, folder: &Path, options: &RunOptions, events: &mut dyn Events) -> Result<Outcome, TrainError> {
    let first = trainer.progress.step;
    let mut batches = (first..).map(|step| Ok::<_, DataError>(batch(step)));
    let validation = [batch(1_000_001), batch(1_000_002)];
    run(trainer, &mut batches, &validation, &FoldFolder(folder.to_owned()), options, events)
}

/// Asks to stop after a number of steps, as Ctrl-C does.
struct StopAfter(Cell<u64>);

impl Events for StopAfter {
    fn stop_requested(&self) -> bool {
        let left = self.0.get();
        self.0.set(left.saturating_sub(1));
        left == 0
    }
}

#[test]
fn optimisers_of_batches_learn_to_see_the_box() {
    for optimizer in [OptimizerKind::Sgd, OptimizerKind::Adamw, OptimizerKind::Rmsprop] {
        let folder = tempfile::tempdir().unwrap();
        let mut trainer = trainer(optimizer);
        let outcome = train(&mut trainer, folder.path(), &options(20), &mut Silent).unwrap();
        assert_eq!((outcome.reason, outcome.steps), (StopReason::Done, 120));
        let records: Vec<EpochRecord> = read_progress(&folder.path().join("progress.jsonl")).unwrap();
        assert_eq!(records.len(), 20);
        let last = records.last().unwrap();
        assert!(last.training_loss < records[0].training_loss - 0.3, "{optimizer:?}: {records:?}");
        assert!(last.validation_dice[0].unwrap() > 0.9, "{optimizer:?}: {last:?}");
        assert_eq!(last.learning_rate, 0.0);
    }
}

#[test]
fn stopped_and_resumed_gives_the_weights_of_no_stop() {
    for optimizer in [OptimizerKind::Sgd, OptimizerKind::Adamw, OptimizerKind::Rmsprop, OptimizerKind::RpropBacktracking] {
        let (unbroken, broken) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        train(&mut trainer(optimizer), unbroken.path(), &options(4), &mut Silent).unwrap();
        // 6 steps an epoch: stops lie in the middle of an epoch and at its end.
        for steps in [4, 5, 3, 100] {
            let mut resumed = trainer(optimizer);
            if has_checkpoint(&broken.path().join("checkpoint")) {
                read_checkpoint(&broken.path().join("checkpoint"), &mut resumed, &json!({ "seed": 3 })).unwrap();
            }
            let outcome = train(&mut resumed, broken.path(), &options(4), &mut StopAfter(Cell::new(steps))).unwrap();
            assert_eq!(outcome.reason == StopReason::Done, steps == 100);
        }
        for file in ["model.safetensors", "best.safetensors"] {
            let read = |folder: &Path| std::fs::read(folder.join(file)).unwrap();
            assert!(read(unbroken.path()) == read(broken.path()), "{optimizer:?}: {file} differs");
        }
        let losses = |folder: &Path| -> Vec<_> {
            let records = read_progress(&folder.join("progress.jsonl")).unwrap();
            records.into_iter().map(|r| (r.epoch, r.training_loss, r.validation_loss, r.validation_dice)).collect()
        };
        assert_eq!(losses(unbroken.path()), losses(broken.path()));
    }
}

#[test]
fn a_checkpoint_of_another_training_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = trainer(OptimizerKind::Sgd);
    train(&mut first, folder.path(), &options(1), &mut Silent).unwrap();
    let error = read_checkpoint(&folder.path().join("checkpoint"), &mut first, &json!({ "seed": 4 })).unwrap_err().to_string();
    assert!(error.contains("expected seed 4, found seed 3") && error.contains("state.safetensors"), "{error}");
}

#[test]
fn the_learning_rate_falls_until_the_time_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let mut trainer = trainer(OptimizerKind::Sgd);
    let by_time = RunOptions { budget: Budget::Time(Duration::from_millis(400)), ..options(0) };
    let outcome = train(&mut trainer, folder.path(), &by_time, &mut Silent).unwrap();
    assert_eq!(outcome.reason, StopReason::Done);
    let records = read_progress(&folder.path().join("progress.jsonl")).unwrap();
    // How low it is in the last epoch depends on the clock; that it is 0 at the end is tested with the schedule.
    assert!(records.windows(2).all(|pair| pair[1].learning_rate < pair[0].learning_rate), "{records:?}");
    assert!(records.iter().all(|record| record.learning_rate < 0.02), "{records:?}");
    assert!(outcome.elapsed >= Duration::from_millis(400));
    assert_eq!(records.last().unwrap().step, outcome.steps);
}

#[test]
fn a_training_by_time_that_was_stopped_at_once_lays_out_its_epochs_when_it_resumes() {
    let folder = tempfile::tempdir().unwrap();
    let mut trainer = trainer(OptimizerKind::Sgd);
    // Long enough that the steps of an epoch follow from the speed, not from their lower limit.
    let by_time = RunOptions { budget: Budget::Time(Duration::from_secs(1_000_000)), steps_per_epoch: u64::MAX, ..options(0) };
    train(&mut trainer, folder.path(), &by_time, &mut StopAfter(Cell::new(3))).unwrap();
    assert_eq!((trainer.progress.step, trainer.progress.steps_per_epoch), (3, 0));
    train(&mut trainer, folder.path(), &by_time, &mut StopAfter(Cell::new(4))).unwrap();
    // 1e6 s / 60 epochs, and a step of this network takes more than a microsecond.
    let steps = trainer.progress.steps_per_epoch;
    assert!(steps > 0 && (steps as f64) < 1e6 / 60.0 / 2e-6, "{steps} steps in an epoch");
}

#[test]
fn what_a_kill_leaves_half_written_is_written_again() {
    let (unbroken, broken) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    train(&mut trainer(OptimizerKind::Adamw), unbroken.path(), &options(4), &mut Silent).unwrap();
    train(&mut trainer(OptimizerKind::Adamw), broken.path(), &options(4), &mut StopAfter(Cell::new(9))).unwrap();
    // Killed after the model and the progress were replaced and before the checkpoint was, with a new file under way.
    for file in ["model.safetensors", "progress.jsonl", "model.safetensors.1.tmp"] {
        std::fs::write(broken.path().join(file), "of a later epoch").unwrap();
    }
    let mut resumed = trainer(OptimizerKind::Adamw);
    read_checkpoint(&broken.path().join("checkpoint"), &mut resumed, &json!({ "seed": 3 })).unwrap();
    train(&mut resumed, broken.path(), &options(4), &mut Silent).unwrap();
    for file in ["model.safetensors", "best.safetensors"] {
        let read = |folder: &Path| std::fs::read(folder.join(file)).unwrap();
        assert!(read(unbroken.path()) == read(broken.path()), "{file} differs");
    }
    assert_eq!(read_progress(&broken.path().join("progress.jsonl")).unwrap().len(), 4);
}

#[test]
fn patience_ends_a_training_that_does_not_improve() {
    let folder = tempfile::tempdir().unwrap();
    // Without a learning rate every epoch is as good as the first.
    let learned = trainer(OptimizerKind::Sgd);
    let mut trainer =
        Trainer::new(learned.network.clone(), TrainerOptions { learning_rate: 0.0, ..learned.options().clone() }, Device::cpu());
    let patient = RunOptions { patience: Some(2), ..options(20) };
    let outcome = train(&mut trainer, folder.path(), &patient, &mut Silent).unwrap();
    assert_eq!(outcome.reason, StopReason::Patience);
    assert_eq!(trainer.progress.epochs.len(), 3);
}

#[test]
fn a_loss_that_is_no_number_stops_with_a_cure() {
    let folder = tempfile::tempdir().unwrap();
    let mut trainer = trainer(OptimizerKind::Sgd);
    let mut bad = batch(0);
    bad.images[7] = f32::NAN;
    let mut batches = std::iter::repeat_with(|| Ok(bad.clone()));
    let error = run(&mut trainer, &mut batches, &[], &FoldFolder(folder.path().to_owned()), &options(1), &mut Silent).unwrap_err();
    assert!(error.to_string().contains("at step 0; lower training.learning_rate"), "{error}");
}

#[test]
fn a_written_model_predicts_what_the_trained_one_does() {
    let folder = tempfile::tempdir().unwrap();
    let mut trainer = trainer(OptimizerKind::Sgd);
    train(&mut trainer, folder.path(), &options(1), &mut Silent).unwrap();
    let read = ModelFile::read(&folder.path().join("model.safetensors"), &Device::cpu()).unwrap().network;
    for (written, read) in trainer.network.parameters().iter().zip(read.parameters().iter()) {
        assert_eq!(written.name, read.name);
        assert_eq!(written.value.clone().into_data(), read.value.clone().into_data(), "{}", written.name);
    }
}

fn averaging(decay: f64) -> Trainer {
    let plain = trainer(OptimizerKind::Adamw);
    Trainer::new(plain.network.clone(), TrainerOptions { ema_decay: Some(decay), ..plain.options().clone() }, Device::cpu())
}

fn numbers(network: &sagittal_nets::Network) -> Vec<f32> {
    network.parameters().iter().flat_map(|p| p.value.clone().into_data().as_slice::<f32>().unwrap().to_vec()).collect()
}

#[test]
fn the_running_mean_follows_the_weights_by_its_rule_and_is_what_is_written() {
    let mut trainer = averaging(0.3);
    assert_eq!(numbers(&trainer.result()), numbers(&trainer.network));
    let mut expected: Vec<f32> = Vec::new();
    for step in 0..8 {
        trainer.step(&batch(step), 0.01).unwrap();
        let decay = 0.3f32.min((step + 1) as f32 / (step + 11) as f32);
        let own = numbers(&trainer.network);
        expected = if step == 0 { own } else { expected.iter().zip(&own).map(|(mean, w)| mean * decay + w * (1.0 - decay)).collect() };
    }
    let found = numbers(&trainer.result());
    assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-5) && found != numbers(&trainer.network));
    let folder = tempfile::tempdir().unwrap();
    let mut trainer = averaging(0.9);
    train(&mut trainer, folder.path(), &options(2), &mut Silent).unwrap();
    let written = ModelFile::read(&folder.path().join("model.safetensors"), &Device::cpu()).unwrap().network;
    assert!(numbers(&written) == numbers(&trainer.result()) && numbers(&written) != numbers(&trainer.network));
}

#[test]
fn a_training_with_a_running_mean_resumes_as_if_it_had_not_stopped() {
    let (unbroken, broken) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    train(&mut averaging(0.9), unbroken.path(), &options(4), &mut Silent).unwrap();
    for steps in [4, 5, 100] {
        let mut resumed = averaging(0.9);
        if has_checkpoint(&broken.path().join("checkpoint")) {
            read_checkpoint(&broken.path().join("checkpoint"), &mut resumed, &json!({ "seed": 3 })).unwrap();
        }
        train(&mut resumed, broken.path(), &options(4), &mut StopAfter(Cell::new(steps))).unwrap();
    }
    for file in ["model.safetensors", "best.safetensors"] {
        let read = |folder: &Path| std::fs::read(folder.join(file)).unwrap();
        assert!(read(unbroken.path()) == read(broken.path()), "{file} differs");
    }
}
