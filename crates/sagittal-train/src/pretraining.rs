//! Greedy layer-wise training without labels, before the training itself: each layer of the encoder becomes a denoising
//! auto-encoder of what the layers before it give, while those stand still.
//!
//! The layer's input is corrupted, the layer (with its norm and activation) encodes it, and a linear decoder of its own, a
//! convolution or where the layer steps a transposed one, restores the input. The loss is the mean squared error over the
//! input's variance: 1 is what the mean alone would reach. Decoders are dropped; what the layers learned stays.
//!
//! Sources: Bengio et al. 2007; Vincent et al. 2010.

mod decoder;

use crate::{Budget, Events, FoldFolder, Objective, Optimizer, RunOptions, TrainError, Trainer, TrainerOptions, run::save};
use decoder::Decoder;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use sagittal_data::{
    Batch, DataError, Seed,
    plan::{Corruption, OptimizerKind, PretrainingLength, PretrainingPlan},
};
use sagittal_nets::write_whole;
use sagittal_tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};
use std::{
    path::Path,
    time::{Duration, Instant},
};

/// Streams of randomness of this training: decoders, and the corruption of every step.
const DECODER: u64 = 11;
const CORRUPTION: u64 = 12;
/// Steps of a layer are counted from here on, times its number: more than any has.
const STEPS_OF_A_LAYER: u64 = 1 << 40;
/// A layer's curve has at most this many points.
const MOST_POINTS: usize = 100;
/// Weight decay and first-moment decay of AdamW, which trains every layer.
const WEIGHT_DECAY: f64 = 1e-5;
const MOMENTUM: f64 = 0.9;
const GRADIENT_CLIP: f64 = 12.0;

/// How a layer learned: an entry of `pretraining.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerRecord {
    /// Its name.
    pub layer: String,
    /// Steps that it was trained for.
    pub steps: u64,
    /// Seconds that this took.
    pub elapsed_s: f64,
    /// Step and loss (squared error over the input's variance), each the mean of a stretch of steps.
    pub losses: Vec<(u64, f64)>,
}

/// What `pretraining.json` holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PretrainingRecord {
    /// 1.
    pub format_version: u32,
    /// Every layer that is trained, in order.
    pub layers: Vec<LayerRecord>,
}

/// Where a pre-training is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PretrainingStep<'a> {
    /// The layer that learns, counted from 0.
    pub layer: usize,
    /// Its name.
    pub name: &'a str,
    /// Number of layers.
    pub n_layers: usize,
    /// Squared error over the input's variance.
    pub loss: f64,
    /// The part of the layer's share that is used, 0 to 1.
    pub fraction: f64,
}

/// How a pre-training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PretrainingOutcome {
    /// Every layer is trained.
    Done,
    /// Somebody asked to stop; `--resume` goes on with the layer that was not finished.
    Requested,
}

/// What ends the training of one layer.
#[derive(Clone, Copy, Debug)]
enum Share {
    Steps(u64),
    Time(Duration),
}

impl Share {
    /// The same part for each of `n_layers`.
    fn of(plan: &PretrainingPlan, options: &RunOptions, n_layers: usize) -> Self {
        let steps = |epochs: f64| Self::Steps(((epochs * options.steps_per_epoch as f64 / n_layers as f64).round() as u64).max(1));
        let time = |time: f64| Self::Time(Duration::from_secs_f64(time / n_layers as f64));
        match (plan.length, options.budget) {
            (PretrainingLength::Epochs(epochs), _) => steps(epochs as f64),
            (PretrainingLength::TimeS(seconds), _) => time(seconds),
            (PretrainingLength::Part(part), Budget::Epochs(epochs)) => steps(part * epochs as f64),
            (PretrainingLength::Part(part), Budget::Time(whole)) => time(part * whole.as_secs_f64()),
        }
    }

    fn fraction(self, step: u64, elapsed: Duration) -> f64 {
        match self {
            Self::Steps(steps) => step as f64 / steps as f64,
            Self::Time(time) => elapsed.as_secs_f64() / time.as_secs_f64().max(f64::MIN_POSITIVE),
        }
    }
}

/// Trains every layer of the encoder that is not trained yet, as `trainer.progress` says.
///
/// `batches_from` gives batches from a step on; no label of them is looked at. After every layer the folder holds a model, a
/// checkpoint and `pretraining.json`.
///
/// # Errors
/// [`TrainError`]; what was saved before stays.
pub fn pretrain(
    trainer: &mut Trainer,
    plan: &PretrainingPlan,
    seed: Seed,
    batches_from: &mut dyn FnMut(u64) -> Box<dyn Iterator<Item = Result<Batch, DataError>>>,
    folder: &FoldFolder,
    options: &RunOptions,
    events: &mut dyn Events,
) -> Result<PretrainingOutcome, TrainError> {
    let layers = trainer.network.greedy_layers();
    let share = Share::of(plan, options, layers.len());
    let mut record = if trainer.progress.pretrained_layers > 0 { read_pretraining(&folder.pretraining())? } else { Default::default() };
    // What a kill left of a layer whose checkpoint was not written.
    record.layers.truncate(trainer.progress.pretrained_layers);
    while trainer.progress.pretrained_layers < layers.len() {
        let (layer, start) = (trainer.progress.pretrained_layers, Instant::now());
        let mut batches = batches_from(layer as u64 * STEPS_OF_A_LAYER);
        let Some(losses) = train_layer(trainer, layer, plan, seed, share, &mut *batches, events)? else {
            save(trainer, folder, options)?;
            return Ok(PretrainingOutcome::Requested);
        };
        let elapsed_s = start.elapsed().as_secs_f64();
        let name = layers[layer].name.clone();
        record.layers.push(LayerRecord { layer: name, steps: losses.len() as u64, elapsed_s, losses: condensed(&losses) });
        write_pretraining(&folder.pretraining(), &record)?;
        events.layer_pretrained(&record.layers[layer], layer, layers.len());
        trainer.progress.pretrained_layers += 1;
        trainer.progress.pretraining_s += elapsed_s;
        trainer.progress.elapsed_s += elapsed_s;
        save(trainer, folder, options)?;
    }
    Ok(PretrainingOutcome::Done)
}

/// Trains one layer; the loss of every step, or `None`, with the layer as it was, if somebody asked to stop.
fn train_layer(
    trainer: &mut Trainer,
    layer: usize,
    plan: &PretrainingPlan,
    seed: Seed,
    share: Share,
    batches: &mut dyn Iterator<Item = Result<Batch, DataError>>,
    events: &mut dyn Events,
) -> Result<Option<Vec<f64>>, TrainError> {
    let layers = trainer.network.greedy_layers();
    let before = trainer.network.clone();
    let mut decoder = Decoder::new(&layers[layer], &mut seed.stream(&[DECODER, layer as u64]), trainer.device());
    let rule = TrainerOptions {
        optimizer: OptimizerKind::Adamw,
        learning_rate: plan.learning_rate,
        momentum: MOMENTUM,
        nesterov: false,
        weight_decay: WEIGHT_DECAY,
        gradient_clip: GRADIENT_CLIP,
        objective: Objective::classes(false),
        ema_decay: None,
        seed,
        record_gradients: false,
    };
    let mut of_layer = Optimizer::new(&rule, trainer.network.parameters(), trainer.device());
    let mut of_decoder = Optimizer::new(&rule, decoder.parameters(), trainer.device());
    let (start, mut losses) = (Instant::now(), Vec::new());
    loop {
        let step = losses.len() as u64;
        let fraction = share.fraction(step, start.elapsed());
        if fraction >= 1.0 && step > 0 {
            return Ok(Some(losses));
        }
        if events.stop_requested() {
            trainer.network = before;
            return Ok(None);
        }
        let Some(batch) = batches.next() else { return Err(TrainError::NoBatches) };
        let input = trainer.network.greedy_input(layer, trainer.input(&batch?));
        let mut rng = seed.stream(&[CORRUPTION, layer as u64, step]);
        let (mean, variance) = mean_and_variance(&input);
        let corrupted = corrupted(input.clone(), plan.noise, variance.sqrt(), &mut rng);
        let (tracked, tracked_decoder) = (trainer.network.parameters().tracked(), decoder.parameters().tracked());
        let code = trainer.network.greedy_output(layer, &tracked, corrupted.autodiff());
        let restored = decoder.forward(&tracked_decoder, code);
        // Errors count in standard deviations of the input, so that layers can be compared.
        let scale = 1.0 / (variance.max(f32::EPSILON * mean.abs()).max(f32::MIN_POSITIVE));
        let error = restored - input.autodiff();
        let loss = (error.clone() * error).mean() * scale;
        let value = loss.clone().into_scalar::<f32>();
        if !value.is_finite() {
            return Err(TrainError::PretrainingDiverged { layer: layers[layer].name.clone(), step, learning_rate: plan.learning_rate });
        }
        let mut all = loss.backward();
        drop(loss);
        let gradients = tracked.iter().map(|p| p.value.grad_remove(&mut all)).collect();
        let decoder_gradients = tracked_decoder.iter().map(|p| p.value.grad_remove(&mut all)).collect();
        // The leaves share the parameters' memory: they go before the parameters are changed in place.
        drop((tracked, tracked_decoder));
        of_layer.step(trainer.network.parameters_mut(), gradients, plan.learning_rate);
        of_decoder.step(decoder.parameters_mut(), decoder_gradients, plan.learning_rate);
        losses.push(f64::from(value));
        let fraction = share.fraction(step + 1, start.elapsed()).min(1.0);
        let name = &layers[layer].name;
        events.pretraining(&PretrainingStep { layer, name, n_layers: layers.len(), loss: f64::from(value), fraction });
    }
}

/// Over all numbers of a tensor.
fn mean_and_variance(x: &Tensor<5>) -> (f32, f32) {
    let mean = x.clone().mean();
    let centred = x.clone() - mean.clone().reshape([1, 1, 1, 1, 1]);
    (mean.into_scalar::<f32>(), (centred.clone() * centred).mean().into_scalar::<f32>())
}

/// The input with noise, or with a part of its numbers set to 0.
fn corrupted(x: Tensor<5>, noise: Corruption, deviation: f32, rng: &mut ChaCha8Rng) -> Tensor<5> {
    let shape = x.dims();
    let n: usize = shape.iter().product();
    let device = x.device();
    let tensor = |numbers: Vec<f32>| Tensor::<5>::from_data(TensorData::new(numbers, shape), &device);
    match noise {
        Corruption::Gaussian(deviations) => {
            let scale = deviations as f32 * deviation;
            let drawn = StandardNormal.sample_iter(rng).take(n).map(|value: f32| scale * value).collect();
            x + tensor(drawn)
        }
        Corruption::Masking(part) => {
            let kept = (0..n).map(|_| f32::from(u8::from(!rng.random_bool(part)))).collect();
            x * tensor(kept)
        }
    }
}

/// At most [`MOST_POINTS`] means of stretches of equal length, each with the step at its end.
fn condensed(losses: &[f64]) -> Vec<(u64, f64)> {
    let stretch = losses.len().div_ceil(MOST_POINTS).max(1);
    let mean = |(i, part): (usize, &[f64])| ((i * stretch + part.len()) as u64, part.iter().sum::<f64>() / part.len() as f64);
    losses.chunks(stretch).enumerate().map(mean).collect()
}

fn write_pretraining(path: &Path, record: &PretrainingRecord) -> Result<(), TrainError> {
    let record = PretrainingRecord { format_version: 1, ..record.clone() };
    let text = serde_json::to_string_pretty(&record).expect("a record is plain data") + "\n";
    write_whole(path, text.as_bytes()).map_err(|source| TrainError::File { act: "write", path: path.to_owned(), source })
}

/// How the layers of a run learned without labels.
///
/// # Errors
/// [`TrainError::File`] if the file cannot be read or is no such record.
pub fn read_pretraining(path: &Path) -> Result<PretrainingRecord, TrainError> {
    let failed = |source| TrainError::File { act: "read", path: path.to_owned(), source };
    let text = std::fs::read_to_string(path).map_err(failed)?;
    serde_json::from_str(&text).map_err(|error| failed(std::io::Error::other(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_are_condensed_to_means_of_equal_stretches() {
        assert_eq!(condensed(&[]), []);
        assert_eq!(condensed(&[3.0, 1.0]), [(1, 3.0), (2, 1.0)]);
        let long: Vec<f64> = (0..250).map(f64::from).collect();
        let points = condensed(&long);
        assert_eq!((points.len(), points[0], points[83]), (84, (3, 1.0), (250, 249.0)));
    }

    #[test]
    fn every_layer_gets_the_same_share_of_the_length() {
        let options = |budget| RunOptions {
            budget,
            schedule: sagittal_data::plan::RateSchedule::Polynomial,
            steps_per_epoch: 50,
            patience: None,
            identity: serde_json::Value::Null,
            facts: serde_json::Value::Null,
        };
        let plan = |length| PretrainingPlan { length, ..PretrainingPlan::default() };
        let steps = |length, budget| match Share::of(&plan(length), &options(budget), 4) {
            Share::Steps(steps) => steps as f64,
            Share::Time(time) => time.as_secs_f64(),
        };
        let (epochs, time) = (Budget::Epochs(40), Budget::Time(Duration::from_secs(400)));
        for (length, budget, expected) in [
            (PretrainingLength::Epochs(4), epochs, 50.0),
            (PretrainingLength::Epochs(4), time, 50.0),
            (PretrainingLength::Part(0.1), epochs, 50.0),
            (PretrainingLength::Part(0.1), time, 10.0),
            (PretrainingLength::TimeS(20.0), epochs, 5.0),
            (PretrainingLength::Part(1e-6), epochs, 1.0),
        ] {
            assert_eq!(steps(length, budget), expected, "{length:?} {budget:?}");
        }
    }

    #[test]
    fn corruption_is_as_strong_as_asked_for_and_repeats() {
        let x = Tensor::<5>::from_data(TensorData::new(vec![2.0f32; 20_000], [1, 10, 20, 20, 5]), sagittal_tensor::Device::cpu().plain());
        let numbers = |noise| {
            let tensor = corrupted(x.clone(), noise, 3.0, &mut Seed(1).stream(&[7]));
            tensor.into_data().as_slice::<f32>().map(<[f32]>::to_vec).unwrap_or_default()
        };
        let masked = numbers(Corruption::Masking(0.25));
        let n_zero = masked.iter().filter(|value| **value == 0.0).count();
        assert!((4700..5300).contains(&n_zero) && masked.iter().all(|value| [0.0, 2.0].contains(value)), "{n_zero}");
        let noisy = numbers(Corruption::Gaussian(0.5));
        let deviation = (noisy.iter().map(|value| f64::from(value - 2.0).powi(2)).sum::<f64>() / 20_000.0).sqrt();
        assert!((deviation - 1.5).abs() < 0.05, "{deviation}");
        assert_eq!(noisy, numbers(Corruption::Gaussian(0.5)));
        assert_eq!(numbers(Corruption::Gaussian(0.0)), vec![2.0; 20_000]);
    }
}
