//! What a person sees of a training: a bar or plain lines, the curves, and the GIF of one validation case.

use std::{
    io::IsTerminal,
    ops::ControlFlow,
    time::{Duration, Instant},
};

use anyhow::Context;
use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use sagittal_data::{Dataset, Fold, Plan};
use sagittal_image::{Image, LabelMap, Volume};
use sagittal_infer::{Ensemble, PredictOptions, Shown};
use sagittal_metrics::ScoreOptions;
use sagittal_nets::Network;
use sagittal_report::{Palette, Progress, TrainingGif};
use sagittal_tensor::Device;
use sagittal_train::{Budget, EpochRecord, Events, LayerRecord, PretrainingStep, Trainer};

use super::{previous_stage::PreviousStage, run_folder::RunFolder};
use crate::{
    commands::{evaluate::Structures, region_masks::RegionMasks},
    messages::Messages,
    stop::Stop,
    whole_file,
};

/// Ticks of the bar for the whole budget.
const TICKS: u64 = 1000;
/// The GIF is encoded anew this often, and at the end; its frames are kept after every epoch.
const ENCODE_EVERY: Duration = Duration::from_secs(60);

/// Of the time between two frames, drawing one may take this part; frames of larger images are left out meanwhile.
const LARGEST_PART_FOR_FRAMES: f64 = 0.5;

/// One pair of eyes on a training.
pub(super) struct Watch<'a> {
    messages: &'a Messages,
    folder: &'a RunFolder,
    plan: &'a Plan,
    device: &'a Device,
    stop: &'a Stop,
    budget: Budget,
    bar: ProgressBar,
    on_terminal: bool,
    /// When the first and the last step of this program ended, and the part of the budget that was used up then.
    steps: Option<[(Instant, f64); 2]>,
    records: Vec<EpochRecord>,
    picture: Option<Picture>,
}

/// The case whose prediction is drawn after every epoch.
struct Picture {
    case: String,
    image: Image,
    reference: LabelMap,
    /// The part of the picture that counts.
    region: Option<Volume<bool>>,
    /// In a cascade what the stage before found.
    found: Option<LabelMap>,
    /// Where something is to be found, if the plan asks for a mask.
    mask: Option<LabelMap>,
    gif: TrainingGif,
    encoded: Instant,
    /// When the last frame was done, and how long it took.
    drawn: (Instant, Duration),
}

impl<'a> Watch<'a> {
    #[allow(clippy::too_many_arguments, reason = "everything that a person may want to see of a training")]
    pub(super) fn start(
        messages: &'a Messages,
        folder: &'a RunFolder,
        dataset: &Dataset,
        fold: &Fold,
        plan: &'a Plan,
        previous: &PreviousStage,
        masks: &RegionMasks,
        device: &'a Device,
        stop: &'a Stop,
        budget: Budget,
        records: Vec<EpochRecord>,
    ) -> anyhow::Result<Self> {
        let on_terminal = std::io::stderr().is_terminal();
        let target = if on_terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let style = ProgressStyle::with_template("training {bar:20} {percent} %, {wide_msg}").expect("the template above is well formed");
        let bar = ProgressBar::with_draw_target(Some(TICKS), target).with_style(style);
        let picture = match fold.validation.first() {
            // A picture that cannot be made is no reason not to train.
            Some(id) => Picture::start(id, folder, dataset, plan, previous, masks)
                .inspect_err(|error| messages.say(format_args!("there will be no training GIF: case {id}: {error:#}")))
                .ok(),
            None => None,
        };
        Ok(Self { messages, folder, plan, device, stop, budget, bar, on_terminal, steps: None, records, picture })
    }

    /// Time left, by what the steps of this program used up of the budget.
    fn left(&self) -> Option<Duration> {
        let [(first, begin), (last, used)] = self.steps?;
        time_left(last - first, [begin, used], last.elapsed())
    }

    /// `Dice anterior 0.81, posterior 0.79`.
    fn dice_in_words(&self, record: &EpochRecord) -> String {
        let structures = self.plan.structures();
        let names = structures.iter().map(|structure| &structure.name);
        let each = names.zip(&record.validation_dice).map(|(name, dice)| match dice {
            Some(dice) => format!("{name} {dice:.3}"),
            None => format!("{name} absent"),
        });
        let each: Vec<String> = each.collect();
        if each.is_empty() { "no validation".to_owned() } else { format!("Dice {}", each.join(", ")) }
    }

    /// Draws the prediction of the picture's case into its GIF.
    fn draw(&mut self, epoch: u64, network: &Network) -> anyhow::Result<()> {
        let Some(picture) = &mut self.picture else { return Ok(()) };
        let (last, took) = picture.drawn;
        if took > last.elapsed().mul_f64(LARGEST_PART_FOR_FRAMES) {
            return Ok(());
        }
        let start = Instant::now();
        let ensemble = Ensemble::new(vec![network.clone()], self.plan.clone(), self.device);
        // Of whole pictures the mask is shown as the post shows it: how likely each pixel is, in grey.
        let grey = self.plan.network.whole_image().is_some() && self.plan.regions.is_empty();
        let options = PredictOptions { mirror: false, probabilities: grey, ..PredictOptions::default() };
        let shown = Shown { found: picture.found.as_ref().map(|map| &map.labels), region: picture.mask.as_ref() };
        let mut go_on = |_, _| ControlFlow::Continue(());
        let found = ensemble.predict_shown(&picture.case, picture.image.clone(), shown, options, &mut go_on)?;
        let (labels, background) = (found.labels, found.probabilities.map(|classes| classes.class(0)).transpose()?);
        let prediction = LabelMap { labels, geometry: picture.reference.geometry.clone(), header: picture.reference.header.clone() };
        let structures = Structures::of(&self.plan.labels, &self.plan.regions);
        let scores = structures.score(&prediction, &picture.reference, picture.region.as_ref(), ScoreOptions::default())?;
        let dice = sagittal_metrics::CaseScore::new(&picture.case, scores).mean_dice;
        if let Some(background) = background {
            picture.gif.add_probability(epoch as usize, &picture.image, &picture.reference, &background.map(|p| 1.0 - p))?;
        }
        picture.gif.add(epoch as usize, dice, &picture.image, &picture.reference, &prediction)?;
        picture.drawn = (Instant::now(), start.elapsed());
        if picture.encoded.elapsed() >= ENCODE_EVERY {
            picture.encode(self.folder)?;
        }
        Ok(())
    }
}

/// Time left `since` the last step, if the steps took the budget from the first to the second of `parts` in `took`.
fn time_left(took: Duration, [begin, used]: [f64; 2], since: Duration) -> Option<Duration> {
    let rest = (1.0 - used) / (used - begin);
    rest.is_finite().then(|| took.mul_f64(rest.clamp(0.0, 1e6)).saturating_sub(since))
}

impl Picture {
    fn start(
        id: &str,
        folder: &RunFolder,
        dataset: &Dataset,
        plan: &Plan,
        previous: &PreviousStage,
        masks: &RegionMasks,
    ) -> anyhow::Result<Self> {
        let case = dataset.training_case(id).with_context(|| format!("the data set has no case {id}"))?;
        let (image, reference) = (dataset.read_image(case)?, dataset.read_labels(case)?);
        let region = dataset.scored_voxels(case, &reference)?;
        let values: Vec<u16> = plan.labels.iter().skip(1).map(|label| label.value).collect();
        let gif = TrainingGif::start(&folder.gif_frames(), &image, &reference, &Palette::new(&values))?;
        let found = previous.of(id, &image.geometry, plan)?;
        let mask = masks.read(case, plan)?;
        let (encoded, drawn) = (Instant::now(), (Instant::now(), Duration::ZERO));
        Ok(Self { case: id.to_owned(), image, reference, region, found, mask, gif, encoded, drawn })
    }

    fn encode(&mut self, folder: &RunFolder) -> anyhow::Result<()> {
        self.encoded = Instant::now();
        whole_file::write(&folder.gif(), &self.gif.encode()?)
    }
}

impl Events for Watch<'_> {
    fn step(&mut self, trainer: &Trainer, loss: f32, learning_rate: f64, fraction: f64, _: Duration) {
        let now = (Instant::now(), fraction);
        self.steps = Some([self.steps.map_or(now, |[first, _]| first), now]);
        self.bar.set_position((fraction * TICKS as f64) as u64);
        let left = self.left().map_or_else(String::new, |left| format!("{} left, ", HumanDuration(left)));
        let dice = self.records.last().map_or_else(String::new, |record| format!(", {}", self.dice_in_words(record)));
        let (epoch, step) = (trainer.progress.epochs.len() + 1, trainer.progress.step);
        self.bar.set_message(format!("{left}loss {loss:.3}{dice}, epoch {epoch}, step {step}, rate {learning_rate:.1e}"));
    }

    fn epoch(&mut self, record: &EpochRecord, network: &Network) {
        self.records.push(record.clone());
        if !self.on_terminal || self.messages.has_log() {
            let EpochRecord { epoch, step, training_loss, samples_per_s, .. } = record;
            let validation = record.validation_loss.map_or_else(String::new, |loss| format!(", validation {loss:.3}"));
            let left = match self.budget {
                Budget::Epochs(n) => format!(" of {n}"),
                Budget::Time(_) => String::new(),
            };
            let time = self.left().map_or_else(String::new, |left| format!(", {} left", HumanDuration(left)));
            let dice = self.dice_in_words(record);
            self.messages.say(format_args!(
                "epoch {epoch}{left}: step {step}, loss {training_loss:.3}{validation}, {dice}, {samples_per_s:.1} patches/s{time}"
            ));
        }
        // A picture that cannot be made is no reason to lose a training.
        if let Err(error) = self.draw(record.epoch, network) {
            self.bar.suspend(|| self.messages.say(format_args!("the training GIF could not be continued: {error:#}")));
            self.picture = None;
        }
        if let Err(error) = self.curves() {
            self.bar.suspend(|| self.messages.say(format_args!("the learning curves could not be drawn: {error:#}")));
        }
    }

    fn pretraining(&mut self, step: &PretrainingStep<'_>) {
        let PretrainingStep { layer, name, n_layers, loss, fraction } = step;
        let done = (*layer as f64 + fraction) / *n_layers as f64;
        self.bar.set_position((done * TICKS as f64) as u64);
        self.bar.set_message(format!("without labels: layer {} of {n_layers}, {name}, error {loss:.3}", layer + 1));
    }

    fn layer_pretrained(&mut self, record: &LayerRecord, layer: usize, n_layers: usize) {
        let LayerRecord { layer: name, steps, elapsed_s, losses } = record;
        let error = |point: Option<&(u64, f64)>| point.map_or_else(|| "none".to_owned(), |(_, loss)| format!("{loss:.3}"));
        let (first, last) = (error(losses.first()), error(losses.last()));
        self.bar.suspend(|| {
            self.messages.say(format_args!(
                "without labels: layer {} of {n_layers}, {name}: error {first} at first, {last} after {steps} steps in {elapsed_s:.1} s",
                layer + 1
            ));
        });
    }

    fn stop_requested(&self) -> bool {
        self.stop.requested()
    }
}

impl Watch<'_> {
    fn curves(&self) -> anyhow::Result<()> {
        let names: Vec<String> = self.plan.structures().into_iter().map(|structure| structure.name).collect();
        let lines = self.records.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
        let png = sagittal_report::progress_png(&Progress::parse(&lines.join("\n")).records, &names)?;
        whole_file::write(&self.folder.fold.0.join("progress.png"), &png)
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        if let Some(picture) = &mut self.picture
            && let Err(error) = picture.encode(self.folder)
        {
            self.messages.say(format_args!("the training GIF could not be written: {error:#}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::time_left;
    use std::time::Duration;

    #[test]
    fn time_left_follows_the_steps_and_not_what_came_between() {
        let seconds = Duration::from_secs;
        // A tenth of an hour in six minutes, then four seconds of looking at validation cases.
        assert_eq!(time_left(seconds(360), [0.0, 0.1], seconds(4)), Some(seconds(3236)));
        assert_eq!(time_left(seconds(90), [0.5, 0.75], Duration::ZERO), Some(seconds(90)));
        assert_eq!(time_left(seconds(90), [0.5, 1.0], seconds(9)), Some(Duration::ZERO));
        for nothing_known in [[0.0, 0.0], [1.0, 1.0]] {
            assert_eq!(time_left(Duration::ZERO, nothing_known, Duration::ZERO), None);
        }
    }
}
