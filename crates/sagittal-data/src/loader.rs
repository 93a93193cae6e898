//! Batches prepared by threads of their own while the network computes.
//!
//! What a batch contains depends on the seed and its step alone, never on threads or on the batches before it: a
//! training that resumes at step 1000 gets the batches it would have got.

mod queue;

use crate::{
    Batch, DataError, Plan, Seed,
    augment::{Augmenter, Scratch},
    patch_sampler::{PatchSampler, Place},
    training_set::{StoredCase, TrainingSet},
};
use queue::Queue;
use rand_chacha::ChaCha8Rng;
use std::{
    panic::{self, AssertUnwindSafe},
    sync::Arc,
    thread::{self, JoinHandle},
};

/// What batches are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Learning: augmented.
    Training,
    /// Measuring: patches as they are, from a random stream of their own.
    Validation,
    /// Learning without labels: patches as they are, wherever they lie, from a random stream of their own.
    Pretraining,
}

/// How batches are loaded.
#[derive(Clone, Copy, Debug)]
pub struct LoaderOptions {
    /// The run's seed.
    pub seed: Seed,
    /// The first step to deliver: 0, or where a training resumes.
    pub first_step: u64,
    /// Threads that prepare batches; with 0 each is made when it is asked for.
    pub threads: usize,
    /// Batches that are prepared ahead at most.
    pub ahead: usize,
    /// What for.
    pub purpose: Purpose,
}

/// Delivers batches in the order of their steps, without end.
#[derive(Debug)]
pub struct Loader {
    maker: Arc<BatchMaker>,
    queue: Arc<Queue>,
    workers: Vec<JoinHandle<()>>,
    next_step: u64,
}

/// Makes the batch of a step.
#[derive(Debug)]
struct BatchMaker {
    set: Arc<TrainingSet>,
    sampler: PatchSampler,
    augmenter: Augmenter,
    seed: Seed,
    purpose: Purpose,
    /// Of the network: in a cascade those of the previous stage too.
    n_channels: usize,
    /// What the network sees.
    input: [usize; 3],
    /// What it labels, and where that lies in what it sees.
    patch: [usize; 3],
    first: [usize; 3],
    batch_size: usize,
    /// The class of voxels nobody labelled: the one beyond the last.
    ignored: i16,
}

impl Loader {
    /// Starts the threads.
    ///
    /// # Panics
    /// If the set is empty, its cases have another number of channels than the plan, or lack what the plan's previous stage found.
    pub fn start(set: Arc<TrainingSet>, plan: &Plan, options: LoaderOptions) -> Self {
        assert!(!set.cases().is_empty(), "there is no case to load batches from");
        assert!(set.cases().iter().all(|case| case.shape()[0] == plan.channels.len()), "cases and plan differ in channels");
        let shown = set.cases().iter().all(StoredCase::has_previous);
        assert!(plan.previous_stage.is_none() || shown, "cases of a cascade lack what the previous stage found");
        let n_channels = plan.n_inputs();
        let (sampler, augmenter) = match options.purpose {
            Purpose::Training => (PatchSampler::training(plan), Augmenter::new(plan)),
            Purpose::Validation => (PatchSampler::validation(plan), Augmenter::none(plan)),
            Purpose::Pretraining => (PatchSampler::unlabelled(plan), Augmenter::none(plan)),
        };
        let LoaderOptions { seed, first_step, purpose, .. } = options;
        let maker = BatchMaker {
            set,
            sampler,
            augmenter,
            seed,
            purpose,
            n_channels,
            input: plan.input_size(),
            patch: plan.patch,
            first: plan.network.context().map(|[before, _]| before),
            batch_size: plan.batch_size,
            ignored: plan.labels.len() as i16,
        };
        let maker = Arc::new(maker);
        let queue = Arc::new(Queue::new(first_step, options.ahead.max(1)));
        let worker = |_| {
            let (maker, queue) = (Arc::clone(&maker), Arc::clone(&queue));
            thread::spawn(move || {
                let mut scratch = Scratch::default();
                while let Some(step) = queue.take_step() {
                    // A panic must reach the one who waits for the batch, or it would wait for ever.
                    queue.put(step, panic::catch_unwind(AssertUnwindSafe(|| maker.make(step, &mut scratch))));
                }
            })
        };
        let workers = (0..options.threads).map(worker).collect();
        Self { maker, queue, workers, next_step: first_step }
    }

    /// Tells where the patches of every step come from.
    pub fn places(&self) -> Places {
        Places(Arc::clone(&self.maker))
    }

    /// The batch of the next step.
    ///
    /// # Errors
    /// If a cached case can no longer be read; the batch of the step after can still be asked for.
    pub fn next_batch(&mut self) -> Result<Batch, DataError> {
        let step = self.next_step;
        self.next_step += 1;
        if self.workers.is_empty() {
            return self.maker.make(step, &mut Scratch::default());
        }
        self.queue.get(step).unwrap_or_else(|panic| panic::resume_unwind(panic))
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        self.queue.stop();
        for worker in self.workers.drain(..) {
            // Its panic, if any, went to whoever asked for the batch.
            let _ = worker.join();
        }
    }
}

/// Tells where the patches of a loader's batches come from, whatever the step and without the batch.
#[derive(Clone, Debug)]
pub struct Places(Arc<BatchMaker>);

impl Places {
    /// Size of what the network labels of every patch, `[Z, Y, X]`.
    pub fn patch(&self) -> [usize; 3] {
        self.0.patch
    }

    /// The case of every patch of a step's batch, and the first voxel of the patch in it, `[z, y, x]`: where it lies if the
    /// augmentation moves no voxel.
    pub fn of(&self, step: u64) -> Vec<Place> {
        let maker = &self.0;
        let size = maker.sampler.size;
        let places = (0..maker.batch_size).map(|index| maker.draw(step, index).1);
        let patch_of = |Place { case, lower }| {
            // What the network sees lies in the middle of the box, and what it labels within that.
            let labelled = |axis: usize| lower[axis] + (size[axis] / 2 + maker.first[axis]) as i64 - (maker.input[axis] / 2) as i64;
            Place { case, lower: std::array::from_fn(labelled) }
        };
        places.map(patch_of).collect()
    }
}

impl BatchMaker {
    /// Where the box of a sample lies, and the random stream from which the rest of it is drawn.
    fn draw(&self, step: u64, index: usize) -> (ChaCha8Rng, Place) {
        let mut rng = self.seed.stream(&[self.purpose as u64, step, index as u64]);
        let shuffle = (self.purpose == Purpose::Training).then_some(self.seed);
        let in_turn = self.sampler.in_turn(&self.set, step, index, shuffle);
        let place = in_turn.unwrap_or_else(|| self.sampler.sample(&self.set, index, &mut rng));
        (rng, place)
    }

    fn make(&self, step: u64, scratch: &mut Scratch) -> Result<Batch, DataError> {
        let n_voxels: usize = self.input.iter().product();
        let mut images = vec![0.0; self.batch_size * self.n_channels * n_voxels];
        let mut labels = Vec::with_capacity(self.batch_size * self.patch.iter().product::<usize>());
        let mut classes = vec![0; n_voxels];
        for (index, image) in images.chunks_exact_mut(self.n_channels * n_voxels).enumerate() {
            let (mut rng, place) = self.draw(step, index);
            let params = self.augmenter.sample(&mut rng);
            let case = &self.set.cases()[place.case];
            let upper = std::array::from_fn(|axis| place.lower[axis] + self.sampler.size[axis] as i64);
            let window = case.window(place.lower, upper).map_err(|error| DataError::Case {
                case: case.id().into(),
                finding: format!("its preprocessed form cannot be read: {error}"),
                cure: "leave the cache alone during training; start again with --resume".into(),
            })?;
            self.augmenter.apply(&params, &window, place, image, &mut classes, scratch);
            self.label(&classes, &mut labels);
        }
        let [z, y, x] = self.input;
        Ok(Batch { step, images, labels, shape: [self.batch_size, self.n_channels, z, y, x] })
    }

    /// Appends the labels of what the network labels.
    fn label(&self, classes: &[i16], labels: &mut Vec<u8>) {
        let [_, n_y, n_x] = self.input;
        let [z, y, x] = std::array::from_fn(|axis| self.first[axis]..self.first[axis] + self.patch[axis]);
        for row in z.flat_map(|z| y.clone().map(move |y| (z * n_y + y) * n_x)) {
            let row = &classes[row..][x.clone()];
            labels.extend(row.iter().map(|&class| if class == self.ignored { Batch::IGNORE } else { class as u8 }));
        }
    }
}

#[cfg(test)]
mod tests;
