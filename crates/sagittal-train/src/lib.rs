//! Losses, optimisers, schedules, the training loop, checkpoints, events.
//!
//! [`Trainer`] is a network with its optimiser and its place in the training; [`run`] drives it through a [`Budget`]
//! and leaves a run folder that is valid at every moment. It knows no terminal: it reports through [`Events`].
#![forbid(unsafe_code)]

mod average;
mod checkpoint;
mod distillation;
mod error;
mod events;
mod gradient_norms;
mod loss;
mod optimizer;
mod pretraining;
mod run;
mod run_record;
mod schedule;
mod trainer;
mod validation;

pub use checkpoint::{has_checkpoint, read_checkpoint};
pub use distillation::{Distillation, Teacher};
pub use error::TrainError;
pub use events::{Events, Silent};
pub use gradient_norms::GradientSums;
pub use loss::{DeepSupervision, MaskTarget, Objective, downsample_labels, softmax_over_pixels};
pub use optimizer::Optimizer;
pub use pretraining::{LayerRecord, PretrainingOutcome, PretrainingRecord, PretrainingStep, pretrain, read_pretraining};
pub use run::{FoldFolder, Outcome, RunOptions, StopReason, run};
pub use run_record::{EpochRecord, LayerGradient, read_progress};
pub use schedule::Budget;
pub use trainer::{Progress, Trainer, TrainerOptions};
pub use validation::Validation;
