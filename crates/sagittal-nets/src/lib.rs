//! Segmentation networks and their weight files.
//!
//! A [`Network`] is made from a [`NetworkPlan`](sagittal_data::plan::NetworkPlan), the `network` part of a plan, and holds its [`Parameters`]. Tensors
//! inside are channels-last, `[N, Z, Y, X, C]`; `K` is the number of classes. Files keep PyTorch's order of weights.
#![forbid(unsafe_code)]

mod activation;
mod conv_block;
mod decoder;
mod dropout;
mod error;
mod greedy;
mod image_to_mask;
mod init;
mod network;
mod parameters;
mod patch_net;
mod residual_unet;
mod transfer;
mod unet;
mod weights;

pub use activation::{Criteria, activation_of};
pub use dropout::{Dropout, DropoutLayer};
pub use error::NetError;
pub use greedy::{GreedyLayer, GreedyShape};
pub use image_to_mask::ImageToMask;
pub use network::{Network, Outputs};
pub use parameters::{Parameter, Parameters};
pub use patch_net::PatchNet;
pub use residual_unet::ResidualUNet;
pub use transfer::{KeptArray, Transfer};
pub use unet::UNet;
pub use weights::{ModelFile, read_tensors, write_tensors, write_whole};
