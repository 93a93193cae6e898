//! A network with its parameters, whatever its family.

use crate::{NetError, NetworkConfig, NetworkKind, Parameters, UNet};
use rand_chacha::ChaCha8Rng;
use sagittal_tensor::{Device, Tensor};

/// Which logits are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outputs {
    /// Of the full resolution alone.
    Finest,
    /// Of every scale that has a head, finest first.
    EveryScale,
}

/// A network and what it has learned.
#[derive(Clone, Debug)]
pub struct Network {
    config: NetworkConfig,
    layers: Layers,
    parameters: Parameters,
}

#[derive(Clone, Debug)]
enum Layers {
    Unet(UNet),
}

impl Network {
    /// Lays the network out and draws its first parameters.
    ///
    /// # Errors
    /// [`NetError::Config`] if the description does not make sense.
    pub fn new(config: &NetworkConfig, rng: &mut ChaCha8Rng, device: &Device) -> Result<Self, NetError> {
        let (layers, parameters) = match config.kind {
            NetworkKind::Unet => {
                let (unet, parameters) = UNet::new(config, rng, device)?;
                (Layers::Unet(unet), parameters)
            }
        };
        Ok(Self { config: config.clone(), layers, parameters })
    }

    /// What it looks like.
    pub fn config(&self) -> &NetworkConfig {
        &self.config
    }

    /// What it has learned.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// What it has learned, to be changed.
    pub fn parameters_mut(&mut self) -> &mut Parameters {
        &mut self.parameters
    }

    /// The network for prediction: rearranges its weights for the processor at the first use and keeps them so, until
    /// [`Network::parameters_mut`] is called. Takes up to four times the memory of the weights.
    pub fn for_prediction(mut self) -> Self {
        self.parameters.keep_prepared();
        self
    }

    /// Logits of `x` with the network's own parameters, no graph kept.
    ///
    /// # Shapes
    /// As [`UNet::forward`].
    ///
    /// # Panics
    /// If the shape does not fit the network.
    pub fn forward(&self, x: Tensor<5>, outputs: Outputs) -> Vec<Tensor<5>> {
        self.forward_with(&self.parameters, x, outputs)
    }

    /// Logits of `x` with other parameters of the same layout, such as [`Parameters::tracked`].
    ///
    /// # Panics
    /// If the shape does not fit the network.
    pub fn forward_with(&self, parameters: &Parameters, x: Tensor<5>, outputs: Outputs) -> Vec<Tensor<5>> {
        match &self.layers {
            Layers::Unet(unet) => unet.forward(parameters, x, outputs),
        }
    }
}
