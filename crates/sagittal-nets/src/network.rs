//! A network with its parameters, whatever its family.

use crate::{Dropout, ImageToMask, NetError, Parameters, PatchNet, ResidualUNet, UNet, conv_block::Builder};
use rand_chacha::ChaCha8Rng;
use sagittal_data::plan::NetworkPlan;
use sagittal_tensor::{Device, Tensor, TensorData};

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
    plan: NetworkPlan,
    layers: Layers,
    parameters: Parameters,
}

#[derive(Clone, Debug)]
pub(crate) enum Layers {
    Unet(UNet),
    ResidualUnet(ResidualUNet),
    Patch(PatchNet),
    ImageToMask(ImageToMask),
}

impl Network {
    /// Lays the network out and draws its first parameters.
    ///
    /// # Errors
    /// [`NetError::Plan`] if the description does not make sense.
    pub fn new(plan: &NetworkPlan, rng: &mut ChaCha8Rng, device: &Device) -> Result<Self, NetError> {
        Self::build(plan, Some(rng), device)
    }

    /// Lays the network out with zeros for the parameters that a file is about to give it.
    ///
    /// # Errors
    /// [`NetError::Plan`] if the description does not make sense.
    pub fn zeros(plan: &NetworkPlan, device: &Device) -> Result<Self, NetError> {
        Self::build(plan, None, device)
    }

    fn build(plan: &NetworkPlan, rng: Option<&mut ChaCha8Rng>, device: &Device) -> Result<Self, NetError> {
        plan.validate()?;
        let (layers, parameters) = match plan {
            NetworkPlan::Unet(unet) => {
                let mut build = Builder::new(unet, rng, device);
                (Layers::Unet(UNet::new(unet, &mut build)), build.finish())
            }
            NetworkPlan::ResidualUnet(unet) => {
                let mut build = Builder::new(unet, rng, device);
                (Layers::ResidualUnet(ResidualUNet::new(unet, &mut build)), build.finish())
            }
            NetworkPlan::Patch(patch) => {
                let mut build = Builder::without_norm(patch.activation, rng, device);
                (Layers::Patch(PatchNet::new(patch, &mut build)), build.finish())
            }
            NetworkPlan::ImageToMask(mask) => {
                let (layers, parameters) = ImageToMask::new(mask, rng, device);
                (Layers::ImageToMask(layers), parameters)
            }
        };
        Ok(Self { plan: plan.clone(), layers, parameters })
    }

    /// What it looks like.
    pub fn plan(&self) -> &NetworkPlan {
        &self.plan
    }

    pub(crate) fn layers(&self) -> &Layers {
        &self.layers
    }

    /// What it has learned.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// What it has learned, to be changed.
    pub fn parameters_mut(&mut self) -> &mut Parameters {
        &mut self.parameters
    }

    /// Adds a number to the logits of every class (or region) of a voxel classifier, for good.
    ///
    /// # Shapes
    /// - `shift`: a number for each of them
    ///
    /// # Panics
    /// If the network is no voxel classifier, or has another number of classes.
    pub fn shift_logits(&mut self, shift: &[f32]) {
        let Layers::Patch(patch) = &self.layers else { panic!("only voxel classifiers are shifted") };
        let index = patch.logit_bias();
        let bias = self.parameters.iter_mut().nth(index).expect("one of the network's own");
        assert_eq!(bias.shape, [shift.len()], "a number for every class");
        let device = bias.value.device();
        bias.value = bias.value.clone() + Tensor::from_data(TensorData::new(shift.to_vec(), [shift.len()]), &device);
    }

    /// The network for prediction: rearranges its weights for the processor at the first use and keeps them so, until
    /// [`Network::parameters_mut`] is called. Takes up to four times the memory of the weights.
    pub fn for_prediction(mut self) -> Self {
        self.parameters.keep_prepared();
        self
    }

    /// Logits of every voxel's classes, or regions, for `x` with the network's own parameters, no graph kept,
    /// nothing left out.
    ///
    /// # Shapes
    /// As [`UNet::forward`], or of a voxel classifier as [`PatchNet::forward`].
    ///
    /// # Panics
    /// If the shape does not fit the network.
    pub fn forward(&self, x: Tensor<5>, outputs: Outputs) -> Vec<Tensor<5>> {
        let made = self.forward_with(&self.parameters, x, outputs, Dropout::Off);
        made.into_iter().map(|made| self.as_classes(made)).collect()
    }

    /// What [`Network::forward_with`] made, as logits of every voxel's classes. They are that already, unless the pixels of a
    /// picture compete: see [`ImageToMask::as_classes`].
    pub fn as_classes(&self, made: Tensor<5>) -> Tensor<5> {
        match &self.layers {
            Layers::Unet(_) | Layers::ResidualUnet(_) | Layers::Patch(_) => made,
            Layers::ImageToMask(layers) => layers.as_classes(made),
        }
    }

    /// What the network makes of `x` with other parameters of the same layout, such as [`Parameters::tracked`]: logits, or
    /// whatever its loss is about. `dropout` says whether parts of layers are left out; a network whose plan has no dropout
    /// gives the same either way.
    ///
    /// # Panics
    /// If the shape does not fit the network.
    pub fn forward_with(&self, parameters: &Parameters, x: Tensor<5>, outputs: Outputs, dropout: Dropout) -> Vec<Tensor<5>> {
        match &self.layers {
            Layers::Unet(unet) => unet.forward(parameters, x, outputs, dropout),
            Layers::ResidualUnet(unet) => unet.forward(parameters, x, outputs, dropout),
            Layers::Patch(patch) => vec![patch.forward(parameters, x, dropout)],
            Layers::ImageToMask(layers) => vec![layers.forward(parameters, x)],
        }
    }
}
