//! What changes how a network learns: dropout, and the record of gradients.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sagittal_data::{
    Batch, DataError, Seed,
    plan::{ActivationKind, NetworkPlan, OptimizerKind, RateSchedule, UnetPlan},
};
use sagittal_nets::Network;
use sagittal_tensor::Device;
use sagittal_train::{
    Budget, EpochRecord, Events, FoldFolder, Objective, RunOptions, Silent, Trainer, TrainerOptions, has_checkpoint, read_checkpoint,
    read_progress, run,
};
use serde_json::json;
use std::{cell::Cell, path::Path};

fn trainer(dropout: f64, seed: u64) -> Trainer {
    let plan = NetworkPlan::Unet(UnetPlan {
        input_channels: 1,
        classes: 2,
        features: vec![4, 6],
        kernels: vec![[1, 3, 3]; 2],
        strides: vec![[1; 3], [1, 2, 2]],
        encoder_convs: vec![1; 2],
        decoder_convs: vec![1],
        deep_supervision: true,
        conv_bias: true,
        norm_epsilon: UnetPlan::NORM_EPSILON,
        leaky_slope: UnetPlan::LEAKY_SLOPE,
        activation: ActivationKind::Tanh,
        dropout,
    });
    let network = Network::new(&plan, &mut ChaCha8Rng::seed_from_u64(3), &Device::cpu()).unwrap();
    let options = TrainerOptions {
        optimizer: OptimizerKind::Adamw,
        learning_rate: 0.003,
        momentum: 0.9,
        nesterov: false,
        weight_decay: 1e-5,
        gradient_clip: 1e-3,
        objective: Objective::classes(false),
        ema_decay: None,
        seed: Seed(seed),
        record_gradients: true,
    };
    Trainer::new(network, options, Device::cpu())
}

/// Noise, bright on one half; the content depends on the step alone.
fn batch(step: u64) -> Batch {
    let mut rng = ChaCha8Rng::seed_from_u64(step);
    let labels: Vec<u8> = (0..2 * 64).map(|v| u8::from(v % 8 < 4)).collect();
    let images = labels.iter().map(|label| f32::from(*label) + rng.random_range(-0.5f32..0.5)).collect();
    Batch { step, images, labels, shape: [2, 1, 1, 8, 8] }
}

fn train(trainer: &mut Trainer, folder: &Path, events: &mut dyn Events) {
    let options = RunOptions {
        budget: Budget::Epochs(3),
        steps_per_epoch: 6,
        patience: None,
        schedule: RateSchedule::Polynomial,
        identity: json!({}),
        facts: json!({ "plan": null }),
    };
    let mut batches = (trainer.progress.step..).map(|step| Ok::<_, DataError>(batch(step)));
    run(trainer, &mut batches, &[batch(1_000_001)], &FoldFolder(folder.to_owned()), &options, events).unwrap();
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

fn records(folder: &Path) -> Vec<EpochRecord> {
    read_progress(&folder.join("progress.jsonl")).unwrap()
}

#[test]
fn with_dropout_and_recorded_gradients_a_training_resumes_as_if_it_had_not_stopped() {
    let (unbroken, broken) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    train(&mut trainer(0.3, 1), unbroken.path(), &mut Silent);
    // 6 steps an epoch: stops lie in the middle of an epoch and at its end.
    for steps in [4, 2, 5, 100] {
        let mut resumed = trainer(0.3, 1);
        let checkpoint = broken.path().join("checkpoint");
        if has_checkpoint(&checkpoint) {
            read_checkpoint(&checkpoint, &mut resumed, &json!({})).unwrap();
        }
        train(&mut resumed, broken.path(), &mut StopAfter(Cell::new(steps)));
    }
    for file in ["model.safetensors", "best.safetensors"] {
        let read = |folder: &Path| std::fs::read(folder.join(file)).unwrap();
        assert!(read(unbroken.path()) == read(broken.path()), "{file} differs");
    }
    let gradients = |folder: &Path| records(folder).into_iter().map(|record| record.gradients).collect::<Vec<_>>();
    assert_eq!(gradients(unbroken.path()), gradients(broken.path()));
}

#[test]
fn what_is_left_out_follows_from_the_seed_whatever_the_threads() {
    let losses = |dropout: f64, seed: u64, threads: usize| {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| {
            let mut trainer = trainer(dropout, seed);
            (0..3).map(|step| trainer.step(&batch(step), 0.01).unwrap()).collect::<Vec<f32>>()
        })
    };
    let expected = losses(0.3, 1, 1);
    assert_eq!(losses(0.3, 1, 2), expected);
    assert_ne!(losses(0.3, 2, 1), expected);
    // Without dropout the seed has no part in it.
    assert_eq!(losses(0.0, 1, 1), losses(0.0, 2, 1));
}

#[test]
fn validation_leaves_nothing_out() {
    let (with, without) = (trainer(0.5, 1), trainer(0.0, 1));
    assert_eq!(with.validate(&[batch(7)]), without.validate(&[batch(7)]));
}

#[test]
fn gradients_are_recorded_layer_by_layer_before_clipping_and_only_on_demand() {
    let folder = tempfile::tempdir().unwrap();
    train(&mut trainer(0.0, 1), folder.path(), &mut Silent);
    let all = records(folder.path());
    let layers: Vec<&str> = all[0].gradients.iter().map(|layer| layer.layer.as_str()).collect();
    let expected = [
        "encoder.stages.0.0.convs.0.conv",
        "encoder.stages.1.0.convs.0.conv",
        "decoder.transpconvs.0",
        "decoder.stages.0.convs.0.conv",
        "decoder.seg_layers.0",
    ];
    assert_eq!(layers, expected);
    // Clipping would have left 0.001 of all of them together.
    assert!(all.iter().all(|epoch| epoch.gradients.iter().any(|layer| layer.norm > 1e-3)), "{all:?}");
    let recording = trainer(0.0, 1);
    let plain = TrainerOptions { record_gradients: false, ..recording.options().clone() };
    let folder = tempfile::tempdir().unwrap();
    let mut trainer = Trainer::new(recording.network.clone(), plain, Device::cpu());
    train(&mut trainer, folder.path(), &mut Silent);
    let text = std::fs::read_to_string(folder.path().join("progress.jsonl")).unwrap();
    assert!(!text.contains("gradients"), "{text}");
}
