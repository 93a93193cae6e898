//! Models of other programs: nnU-Net folders and checkpoints, PyTorch files, ONNX.
//!
//! [`nnunet::Model`] reads a trained model of nnU-Net v2 and turns it into a plan and networks of this program. Nothing in a
//! file is ever run: checkpoints are Python pickles, of which only a list of harmless names is understood. The way back is
//! [`nnunet::export`]; [`onnx::export`] and [`plain::export`] write a network for other runtimes and for PyTorch.
#![forbid(unsafe_code)]

mod checkpoint;
mod error;
#[cfg(test)]
mod mutation;
pub mod nnunet;
pub mod onnx;
mod pickle;
pub mod plain;

pub use error::ExchangeError;
