//! Learning from a teacher, from all batches at once, and from images without labels, on patches that anybody could segment.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sagittal_data::{
    Batch, DataError, Fingerprint, Loader, LoaderOptions, Plan, PlanOptions, Purpose, Seed, TrainingCase, TrainingSet, TrainingSetOptions,
    fingerprint::Intensities,
    plan::{
        ActivationKind, Corruption, DistillationKind, DistillationPlan, NetworkPlan, OptimizerKind, PatchPlan, PatchView,
        PretrainingLength, PretrainingPlan, UnetPlan,
    },
};
use sagittal_nets::{Network, Outputs};
use sagittal_tensor::{Device, OutputKind, Tensor, TensorData};
use sagittal_train::{
    Budget, Distillation, Events, FoldFolder, Objective, PretrainingOutcome, RunOptions, Silent, Teacher, TrainError, Trainer,
    TrainerOptions, pretrain, read_checkpoint, read_pretraining, run,
};
use serde_json::json;
use std::{cell::Cell, collections::BTreeMap, path::Path, sync::Arc};

const SIZE: usize = 8;

fn unet(features: &[usize]) -> UnetPlan {
    let n = features.len();
    let mut strides = vec![[2; 3]; n];
    strides[0] = [1; 3];
    UnetPlan {
        input_channels: 1,
        classes: 2,
        features: features.to_vec(),
        kernels: vec![[3; 3]; n],
        strides,
        encoder_convs: vec![1; n],
        decoder_convs: vec![1; n - 1],
        deep_supervision: true,
        conv_bias: true,
        norm_epsilon: UnetPlan::NORM_EPSILON,
        leaky_slope: UnetPlan::LEAKY_SLOPE,
        activation: ActivationKind::LeakyRelu,
        dropout: 0.0,
    }
}

fn network(plan: &NetworkPlan, seed: u64) -> Network {
    Network::new(plan, &mut ChaCha8Rng::seed_from_u64(seed), &Device::cpu()).unwrap()
}

fn trainer_of(plan: &NetworkPlan, optimizer: OptimizerKind, learning_rate: f64) -> Trainer {
    let options = TrainerOptions {
        optimizer,
        learning_rate,
        momentum: 0.9,
        nesterov: true,
        weight_decay: 0.0,
        gradient_clip: 12.0,
        objective: Objective::classes(false),
        ema_decay: None,
        seed: Seed(0),
        record_gradients: false,
    };
    Trainer::new(network(plan, 3), options, Device::cpu())
}

fn trainer(features: &[usize], optimizer: OptimizerKind, learning_rate: f64) -> Trainer {
    trainer_of(&NetworkPlan::Unet(unet(features)), optimizer, learning_rate)
}

/// A bright box in noise, and where it is.
fn sample(rng: &mut ChaCha8Rng) -> (Vec<f32>, Vec<u8>) {
    let lower: [usize; 3] = std::array::from_fn(|_| rng.random_range(0..SIZE / 2));
    let voxel = |v: usize| {
        let at = [v / SIZE / SIZE, v / SIZE % SIZE, v % SIZE];
        u8::from((0..3).all(|a| (lower[a]..lower[a] + SIZE / 2).contains(&at[a])))
    };
    let labels: Vec<u8> = (0..SIZE * SIZE * SIZE).map(voxel).collect();
    (labels.iter().map(|inside| rng.random_range(-0.3f32..0.3) + f32::from(*inside)).collect(), labels)
}

/// The content depends on the step alone.
fn batch(step: u64) -> Batch {
    let mut rng = ChaCha8Rng::seed_from_u64(step);
    let (a, b) = (sample(&mut rng), sample(&mut rng));
    Batch { step, images: [a.0, b.0].concat(), labels: [a.1, b.1].concat(), shape: [2, 1, SIZE, SIZE, SIZE] }
}

fn options(epochs: u64) -> RunOptions {
    let (identity, facts) = (json!({ "seed": 3 }), json!({ "plan": null }));
    RunOptions {
        budget: Budget::Epochs(epochs),
        schedule: sagittal_data::plan::RateSchedule::Polynomial,
        steps_per_epoch: 6,
        patience: None,
        identity,
        facts,
    }
}

fn train(trainer: &mut Trainer, folder: &Path, epochs: u64, events: &mut dyn Events) {
    let first = trainer.progress.step;
    let mut batches = (first..).map(|step| Ok::<_, DataError>(batch(step)));
    run(trainer, &mut batches, &[batch(1_000_001)], &FoldFolder(folder.to_owned()), &options(epochs), events).unwrap();
}

fn numbers(network: &Network) -> Vec<Vec<f32>> {
    network.parameters().iter().map(|p| p.value.clone().into_data().as_slice::<f32>().unwrap().to_vec()).collect()
}

/// Asks to stop after a number of questions, as Ctrl-C does.
struct StopAfter(Cell<u64>);

impl Events for StopAfter {
    fn stop_requested(&self) -> bool {
        let left = self.0.get();
        self.0.set(left.saturating_sub(1));
        left == 0
    }
}

#[test]
fn the_gradient_of_a_full_batch_is_the_mean_of_its_batches() {
    // The first step of SGD is the gradient times a number, as long as nothing is clipped.
    let gradient_of = |batches: &[Batch]| {
        let mut trainer = trainer(&[4, 8], OptimizerKind::Sgd, 1.0);
        let before = numbers(&trainer.network);
        let loss = trainer.step_on(batches, 1e-3).unwrap();
        let change = before.concat().into_iter().zip(numbers(&trainer.network).concat()).map(|(old, new)| f64::from(old - new));
        (f64::from(loss), change.collect::<Vec<f64>>())
    };
    let batches: Vec<Batch> = (0..3).map(batch).collect();
    let (loss, full) = gradient_of(&batches);
    let each: Vec<(f64, Vec<f64>)> = batches.iter().map(|batch| gradient_of(std::slice::from_ref(batch))).collect();
    assert!((loss - each.iter().map(|(loss, _)| loss).sum::<f64>() / 3.0).abs() < 1e-6);
    let largest = full.iter().fold(0.0, |most: f64, change| most.max(change.abs()));
    for (i, change) in full.iter().enumerate() {
        let mean = each.iter().map(|(_, changes)| changes[i]).sum::<f64>() / 3.0;
        assert!((change - mean).abs() < 1e-4 * largest, "number {i}: {change} is not {mean}");
    }
    assert!(largest > 0.0);
}

#[test]
fn a_full_batch_stopped_and_resumed_gives_the_weights_of_no_stop() {
    let begun = || {
        let mut trainer = trainer(&[4, 8], OptimizerKind::RpropBacktracking, 0.001);
        trainer.set_full_batch((0..3).map(batch).collect());
        trainer
    };
    let (unbroken, broken) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut whole = begun();
    train(&mut whole, unbroken.path(), 3, &mut Silent);
    train(&mut begun(), broken.path(), 3, &mut StopAfter(Cell::new(8)));
    let mut resumed = begun();
    read_checkpoint(&FoldFolder(broken.path().to_owned()).checkpoint(), &mut resumed, &json!({ "seed": 3 })).unwrap();
    assert_eq!(resumed.progress.step, 8);
    train(&mut resumed, broken.path(), 3, &mut Silent);
    assert_eq!(numbers(&whole.network), numbers(&resumed.network));
    // Every step sees the same batches: Rprop goes down on them without a jump up.
    let losses: Vec<f64> = whole.progress.epochs.iter().map(|epoch| epoch.training_loss).collect();
    assert!(losses[2] < losses[1] && losses[1] < losses[0], "{losses:?}");
}

/// Logits of one class less those of the other, which is all that a soft-max of two sees.
fn differences(network: &Network, batch: &Batch) -> Vec<f32> {
    let input = Tensor::<5>::from_data(TensorData::new(batch.images.clone(), [2, SIZE, SIZE, SIZE, 1]), Device::cpu().plain());
    let logits = network.forward(input, Outputs::Finest).swap_remove(0).into_data();
    logits.as_slice::<f32>().unwrap().chunks_exact(2).map(|pair| pair[1] - pair[0]).collect()
}

fn teacher() -> Network {
    let folder = tempfile::tempdir().unwrap();
    let mut teacher = trainer(&[4, 8, 8], OptimizerKind::Adamw, 0.005);
    train(&mut teacher, folder.path(), 20, &mut Silent);
    teacher.network
}

#[test]
fn a_student_comes_close_to_a_teacher_without_any_label() {
    let teacher = teacher();
    let unseen = batch(1_000_007);
    let wanted = differences(&teacher, &unseen);
    for rule in [
        DistillationPlan { kind: DistillationKind::Logits, weight: 1.0, ..Default::default() },
        DistillationPlan { kind: DistillationKind::SoftTargets, temperature: 3.0, weight: 1.0, ..Default::default() },
    ] {
        let mut student = trainer(&[2, 4], OptimizerKind::Adamw, 0.01);
        let distance = |network: &Network| {
            let found = differences(network, &unseen);
            let squares: f32 = found.iter().zip(&wanted).map(|(a, b)| (a - b) * (a - b)).sum();
            let n_agreed = found.iter().zip(&wanted).filter(|(a, b)| (**a > 0.0) == (**b > 0.0)).count();
            (f64::from(squares / wanted.len() as f32).sqrt(), n_agreed as f64 / wanted.len() as f64)
        };
        let before = distance(&student.network);
        student.learn_from(Distillation::new(Teacher::OfBatches(teacher.clone()), rule, OutputKind::Classes));
        for step in 0..200 {
            // No label says anything.
            let unlabelled = Batch { labels: vec![Batch::IGNORE; 2 * SIZE * SIZE * SIZE], ..batch(step) };
            student.step(&unlabelled, 0.01).unwrap();
        }
        let after = distance(&student.network);
        assert!(after.0 < 0.5 * before.0 && after.1 > 0.95, "{rule:?}: distance and agreement {before:?}, then {after:?}");
    }
}

#[test]
fn a_weight_of_0_is_a_training_by_labels_and_weights_mix_both() {
    let teacher = teacher();
    let loss = |weight: Option<f64>| {
        let mut student = trainer(&[2, 4], OptimizerKind::Sgd, 0.01);
        if let Some(weight) = weight {
            let rule = DistillationPlan { weight, ..Default::default() };
            student.learn_from(Distillation::new(Teacher::OfBatches(teacher.clone()), rule, OutputKind::Classes));
        }
        f64::from(student.step(&batch(5), 0.01).unwrap())
    };
    let (labels, alone) = (loss(None), loss(Some(1.0)));
    assert!((loss(Some(0.0)) - labels).abs() < 1e-6);
    assert!((loss(Some(0.25)) - (0.25 * alone + 0.75 * labels)).abs() < 1e-5 * alone);
}

/// A plan for cases of one patch, that changes nothing about them.
fn plan() -> Plan {
    let shape = [SIZE; 3];
    let case = |id: &str| json!({ "id": id, "spacing_mm": [1.0, 1.0, 1.0], "shape": shape, "shape_after_crop": shape });
    let fingerprint: Fingerprint = serde_json::from_value(json!({
        "format_version": Fingerprint::FORMAT_VERSION,
        "dataset": "boxes",
        "image_rank": 3,
        "channels": ["MR"],
        "labels": [{ "value": 0, "name": "background" }, { "value": 1, "name": "box" }],
        "cases": [case("a"), case("b")],
        "intensities": [Intensities::default()],
        "median_relative_size_after_cropping": 1.0,
    }))
    .unwrap();
    let mut plan = Plan::make(&fingerprint, &PlanOptions::default()).unwrap();
    plan.network = NetworkPlan::Unet(unet(&[2, 4]));
    (plan.patch, plan.batch_size) = (shape, 2);
    plan.training.mirror_axes.clear();
    plan.training.augmentation = plan.training.augmentation.clone().without();
    plan.validate().unwrap();
    plan
}

#[test]
fn what_a_teacher_said_of_whole_cases_teaches_as_it_does_batch_by_batch() {
    let (teacher, plan) = (teacher().for_prediction(), plan());
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let case = |id: usize, rng: &mut ChaCha8Rng| {
        let (data, labels) = sample(rng);
        let labels = labels.into_iter().map(i16::from).collect();
        let (class_locations, labelled_locations, previous) = (vec![vec![], vec![[4; 3]]], vec![], vec![]);
        TrainingCase {
            id: id.to_string(),
            data,
            labels,
            previous,
            shape: [1, SIZE, SIZE, SIZE],
            class_sizes: vec![],
            class_locations,
            labelled_locations,
        }
    };
    let set = Arc::new(TrainingSet::in_memory((0..3).map(|id| case(id, &mut rng)).collect()));
    let keeping = TrainingSetOptions { cache: None, memory_bytes: 1 << 20, previous_stage: BTreeMap::new(), regions: Default::default() };
    let mut of_case = |_: &str, data: &[f32], shape: [usize; 4]| {
        let input = Tensor::<5>::from_data(TensorData::new(data.to_vec(), [1, shape[1], shape[2], shape[3], 1]), Device::cpu().plain());
        let logits = teacher.forward(input, Outputs::Finest).swap_remove(0).permute([0, 4, 1, 2, 3]).into_data();
        Some(logits.iter::<f32>().collect())
    };
    let logits = Arc::new(set.derive(2, "teacher", &keeping, &mut of_case).unwrap().unwrap());
    let loading = LoaderOptions { seed: Seed(2), first_step: 0, threads: 0, ahead: 1, purpose: Purpose::Training };
    let mut loader = Loader::start(Arc::clone(&set), &plan, loading);
    let batches: Vec<Batch> = (0..6).map(|_| loader.next_batch().unwrap()).collect();
    let rule = DistillationPlan { weight: 1.0, ..Default::default() };
    let weights_by = |teacher: Teacher| {
        let mut student = trainer(&[2, 4], OptimizerKind::Sgd, 0.01);
        student.learn_from(Distillation::new(teacher, rule, OutputKind::Classes));
        let losses: Vec<f32> = batches.iter().map(|batch| student.step(batch, 0.01).unwrap()).collect();
        (losses, numbers(&student.network).concat())
    };
    let by_batches = weights_by(Teacher::OfBatches(teacher.clone()));
    let by_cases = weights_by(Teacher::OfCases { logits, places: loader.places() });
    assert!(by_batches.0.iter().zip(&by_cases.0).all(|(a, b)| (a - b).abs() < 1e-4 * a.abs()), "{:?} {:?}", by_batches.0, by_cases.0);
    assert!(by_batches.1.iter().zip(&by_cases.1).all(|(a, b)| (a - b).abs() < 1e-3));
}

fn pretraining(noise: Corruption) -> PretrainingPlan {
    PretrainingPlan { length: PretrainingLength::Epochs(20), noise, learning_rate: 0.01, ..Default::default() }
}

fn pretrained(trainer: &mut Trainer, noise: Corruption, folder: &Path, events: &mut dyn Events) -> Result<PretrainingOutcome, TrainError> {
    let mut batches_from = |first: u64| {
        // No label is looked at.
        let unlabelled = |step| Batch { labels: Vec::new(), ..batch(step) };
        Box::new((first..).map(move |step| Ok(unlabelled(step)))) as Box<dyn Iterator<Item = Result<Batch, DataError>>>
    };
    pretrain(trainer, &pretraining(noise), Seed(4), &mut batches_from, &FoldFolder(folder.to_owned()), &options(10), events)
}

#[test]
fn every_layer_learns_to_restore_its_input_and_the_network_keeps_its_shape() {
    for plan in [NetworkPlan::Unet(unet(&[4, 8, 8])), NetworkPlan::ResidualUnet(unet(&[4, 8, 8]))] {
        for noise in [Corruption::Gaussian(0.3), Corruption::Masking(0.25)] {
            let folder = tempfile::tempdir().unwrap();
            let mut trainer = trainer_of(&plan, OptimizerKind::Adamw, 0.005);
            let before = trainer.network.clone();
            assert_eq!(pretrained(&mut trainer, noise, folder.path(), &mut Silent).unwrap(), PretrainingOutcome::Done);
            let layers = trainer.network.greedy_layers();
            let record = read_pretraining(&FoldFolder(folder.path().to_owned()).pretraining()).unwrap();
            assert_eq!((record.layers.len(), trainer.progress.pretrained_layers), (layers.len(), layers.len()));
            for (layer, record) in layers.iter().zip(&record.layers) {
                assert_eq!((&record.layer, record.steps), (&layer.name, (120.0 / layers.len() as f64).round() as u64));
                let (first, last) = (record.losses[0].1, record.losses.last().unwrap().1);
                assert!(last < 0.8 * first, "{noise:?} {record:?}");
            }
            for (old, new) in before.parameters().iter().zip(trainer.network.parameters().iter()) {
                let is_of_layer = layers.iter().any(|layer| new.name.starts_with(&layer.name));
                let changed = old.value.clone().into_data() != new.value.clone().into_data();
                assert_eq!((&old.name, &old.shape), (&new.name, &new.shape));
                // A bias before a norm changes nothing, and learns nothing.
                assert!(changed == is_of_layer || new.name.ends_with("conv.bias"), "{}: changed {changed}", new.name);
            }
            // It counts as no step, and the training itself goes on from there.
            assert_eq!(trainer.progress.step, 0);
            train(&mut trainer, folder.path(), 2, &mut Silent);
            assert_eq!(trainer.progress.step, 12);
        }
    }
}

#[test]
fn the_layers_of_voxel_classifiers_learn_without_labels_too() {
    for view in [PatchView::Slice, PatchView::Stacked, PatchView::Triplanar, PatchView::Volume] {
        let (side, filters, dense) = (SIZE, vec![3, 4], vec![24, 16]);
        let plan = PatchPlan { side, kernel: 3, filters, dense, activation: ActivationKind::Tanh, ..PatchPlan::thesis(view, 1, 2) };
        let (folder, seen) = (tempfile::tempdir().unwrap(), plan.context().map(|[before, after]| before + 1 + after));
        let plan = NetworkPlan::Patch(plan);
        let mut trainer = trainer_of(&plan, OptimizerKind::Adamw, 0.005);
        let before = trainer.network.clone();
        // Of each box what the classifier sees of its middle.
        let around_middle = |batch: Batch| {
            let first = seen.map(|n| (SIZE - n) / 2);
            let at = |i: usize| [i / (seen[1] * seen[2]), i / seen[2] % seen[1], i % seen[2]];
            let n = seen.iter().product::<usize>();
            let voxel = |i: usize| {
                let (image, [z, y, x]) = (i / n * SIZE * SIZE * SIZE, at(i % n));
                batch.images[image + ((first[0] + z) * SIZE + first[1] + y) * SIZE + first[2] + x]
            };
            let images = (0..2 * n).map(voxel).collect();
            Batch { images, labels: Vec::new(), shape: [2, 1, seen[0], seen[1], seen[2]], ..batch }
        };
        let mut batches_from = |first: u64| {
            let batches: Vec<_> = (first..first + 200).map(|step| Ok(around_middle(batch(step)))).collect();
            Box::new(batches.into_iter()) as Box<dyn Iterator<Item = Result<Batch, DataError>>>
        };
        let rule = PretrainingPlan { length: PretrainingLength::Epochs(120), ..pretraining(Corruption::Gaussian(0.3)) };
        let at = FoldFolder(folder.path().to_owned());
        let outcome = pretrain(&mut trainer, &rule, Seed(4), &mut batches_from, &at, &options(10), &mut Silent).unwrap();
        assert_eq!(outcome, PretrainingOutcome::Done);
        let layers = trainer.network.greedy_layers();
        let record = read_pretraining(&at.pretraining()).unwrap();
        assert_eq!(record.layers.len(), layers.len());
        for record in &record.layers {
            let (first, last) = (record.losses[0].1, record.losses.last().unwrap().1);
            assert!(last < 0.8 * first, "{view:?} {record:?}");
        }
        for (old, new) in before.parameters().iter().zip(trainer.network.parameters().iter()) {
            let is_of_layer = layers.iter().any(|layer| new.name.starts_with(&format!("{}.", layer.name)));
            let changed = old.value.clone().into_data() != new.value.clone().into_data();
            assert_eq!(changed, is_of_layer, "{view:?}: {}", new.name);
        }
    }
}

#[test]
fn a_pretraining_stopped_and_resumed_gives_the_weights_of_no_stop() {
    let begun = || trainer(&[4, 8, 8], OptimizerKind::Adamw, 0.005);
    let noise = Corruption::Gaussian(0.3);
    let (unbroken, broken) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut whole = begun();
    pretrained(&mut whole, noise, unbroken.path(), &mut Silent).unwrap();
    train(&mut whole, unbroken.path(), 2, &mut Silent);

    // In the second of three layers of 40 steps.
    let outcome = pretrained(&mut begun(), noise, broken.path(), &mut StopAfter(Cell::new(60))).unwrap();
    assert_eq!(outcome, PretrainingOutcome::Requested);
    let mut resumed = begun();
    read_checkpoint(&FoldFolder(broken.path().to_owned()).checkpoint(), &mut resumed, &json!({ "seed": 3 })).unwrap();
    assert_eq!((resumed.progress.pretrained_layers, resumed.progress.step), (1, 0));
    pretrained(&mut resumed, noise, broken.path(), &mut Silent).unwrap();
    train(&mut resumed, broken.path(), 2, &mut Silent);
    assert_eq!(numbers(&whole.network), numbers(&resumed.network));
    let curves = |folder: &Path| {
        let record = read_pretraining(&FoldFolder(folder.to_owned()).pretraining()).unwrap();
        record.layers.into_iter().map(|layer| (layer.layer, layer.losses)).collect::<Vec<_>>()
    };
    assert_eq!(curves(unbroken.path()), curves(broken.path()));
}
