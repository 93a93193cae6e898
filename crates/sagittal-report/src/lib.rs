//! Pictures, GIFs, charts and one self-contained HTML page.
//!
//! Legend: volumes are `[Z, Y, X]`, slowest first; pictures are rows of pixels from the top left. This crate knows images, label maps, scores
//! and records of training; it knows no networks and no data sets. It needs no fonts, no display and no network.
//!
//! * Seeing one case: [`Panels`] holds it ready; [`planes`], [`one_slice`], [`montage`], [`sweep`], [`surface`], [`error_map`] draw it.
//! * Seeing a training: [`TrainingGif`], [`progress_png`].
//! * Seeing a run: [`ReportInput`] into [`html`].
//! * Seeing activation functions: [`activations_page`].
//! * Seeing a study, several trainings beside each other: [`StudyInput`] into [`study_html`], its pictures by [`side_by_side`].
#![forbid(unsafe_code)]

mod activations;
mod agreement;
mod canvas;
mod chart;
mod curves;
mod distribution;
mod error;
mod error_map;
mod gif;
mod gif_frames;
mod gradients;
mod html;
mod input;
mod marks;
mod overlay;
mod palette;
mod panels;
mod plane;
mod planes;
mod probability;
mod progress;
mod scores;
mod shade;
mod sheet;
mod slices;
mod study;
mod surface;
mod text;
mod window;

pub use activations::{ActivationCurve, activations_page, activations_section, activations_svg};
pub use canvas::Picture;
pub use curves::progress_png;
pub use error::ReportError;
pub use error_map::error_map;
pub use gif_frames::TrainingGif;
pub use html::html;
pub use input::{CasePicture, CaseRole, LayerCurve, ReportInput, representative_cases};
pub use palette::Palette;
pub use panels::{Compared, Overlay, Panels, Zoom};
pub use plane::{Plane, Slice};
pub use planes::{Look, one_slice, planes, three_planes};
pub use probability::Curves;
pub use progress::{LayerGradient, Progress, ProgressRecord};
pub use slices::{montage, sweep};
pub use study::{
    Points, StudyArm, StudyCase, StudyCell, StudyClaim, StudyColumn, StudyCurves, StudyInput, StudyPanel, StudyTable, side_by_side,
    study_html,
};
pub use surface::{surface, turning_surface};
pub use window::Window;
