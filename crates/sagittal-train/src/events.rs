//! What a training tells the program around it, and asks of it.

use crate::{EpochRecord, LayerRecord, PretrainingStep, Trainer};
use sagittal_nets::Network;
use std::time::Duration;

/// The other end of a training: a terminal, a file, a test.
pub trait Events {
    /// A step is done. `fraction` is the part of the budget that is used.
    fn step(&mut self, trainer: &Trainer, loss: f32, learning_rate: f64, fraction: f64, elapsed: Duration) {
        let _ = (trainer, loss, learning_rate, fraction, elapsed);
    }

    /// An epoch is over, with `network` as its result. It is saved next: after a kill in between, the same epoch comes again.
    fn epoch(&mut self, record: &EpochRecord, network: &Network) {
        let _ = (record, network);
    }

    /// A step of the training of single layers without labels is done.
    fn pretraining(&mut self, step: &PretrainingStep<'_>) {
        let _ = step;
    }

    /// A layer, number `layer` of `n_layers` and counted from 0, has learned without labels. It is saved next: after a kill in
    /// between, the same layer comes again.
    fn layer_pretrained(&mut self, record: &LayerRecord, layer: usize, n_layers: usize) {
        let _ = (record, layer, n_layers);
    }

    /// Whether the training shall stop at the next step, leaving a valid model.
    fn stop_requested(&self) -> bool {
        false
    }
}

/// Nobody listens.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Events for Silent {}
