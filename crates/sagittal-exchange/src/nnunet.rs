//! Trained models of nnU-Net v2 (Isensee et al. 2021), read and written.
//!
//! ```text
//! TRAINER__PLANS__CONFIGURATION/
//!   plans.json, dataset.json
//!   fold_0/checkpoint_final.pth ...
//!   crossval_results_folds_0_1_2_3_4/postprocessing.json
//! ```

mod architecture;
mod dataset;
mod export;
mod field;
mod model;
mod nonlinearity;
mod plans;
mod postprocessing;
mod tree;
mod weights;

pub use export::export;
pub use model::{Chosen, Model, PROGRAM, Which};
