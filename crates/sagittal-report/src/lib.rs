//! Pictures, GIFs, charts and one self-contained HTML page.
//!
//! Legend: volumes are `[Z, Y, X]`, slowest first; pictures are rows of pixels from the top left. This crate knows images, label maps, scores
//! and records of training; it knows no networks and no data sets. It needs no fonts, no display and no network.
//!
//! * Seeing one case: [`Panels`] cuts slices, [`three_planes`] shows them with truth and prediction drawn in.
//! * Seeing a training: [`TrainingGif`], [`progress_png`].
//! * Seeing a run: [`ReportInput`] into [`html`].
#![forbid(unsafe_code)]

mod canvas;
mod chart;
mod curves;
mod error;
mod gif;
mod gif_frames;
mod html;
mod input;
mod montage;
mod overlay;
mod palette;
mod plane;
mod progress;
mod shade;
mod strip;
mod text;
mod window;

pub use canvas::Picture;
pub use curves::progress_png;
pub use error::ReportError;
pub use gif_frames::TrainingGif;
pub use html::html;
pub use input::{CasePicture, CaseRole, ReportInput, representative_cases};
pub use montage::{Compared, Panels, three_planes};
pub use palette::Palette;
pub use plane::{Plane, Slice};
pub use progress::{Progress, ProgressRecord};
pub use window::Window;
