//! How strong the gradient of each layer's weights is: where it fades from the output to the input, the first layers learn
//! nothing (Hochreiter 1991; Bengio et al. 1994).

use crate::LayerGradient;
use sagittal_nets::Parameters;
use sagittal_tensor::{Tensor, norm_of_gradients};
use serde::{Deserialize, Serialize};

/// Sums over the steps of an epoch so far. Part of every checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GradientSums {
    /// Steps that were counted.
    steps: u64,
    /// Of the norms of each layer's gradient, in the order of the layers.
    norms: Vec<f64>,
}

impl GradientSums {
    /// Whether nothing is counted.
    pub(crate) fn is_empty(&self) -> bool {
        self.steps == 0
    }

    /// Adds one step. Weights without a gradient count as pulled at with 0.
    pub(crate) fn add(&mut self, parameters: &Parameters, gradients: &[Option<Tensor<1>>]) {
        let of_layers = parameters.iter().zip(gradients).filter(|(parameter, _)| layer(&parameter.name, &parameter.shape).is_some());
        let norms: Vec<f64> = of_layers.map(|(_, gradient)| norm_of_gradients(gradient.iter())).collect();
        self.norms.resize(norms.len(), 0.0);
        self.norms.iter_mut().zip(norms).for_each(|(sum, norm)| *sum += norm);
        self.steps += 1;
    }

    /// The means, and an empty sum again.
    pub(crate) fn take(&mut self, parameters: &Parameters) -> Vec<LayerGradient> {
        let Self { steps, norms } = std::mem::take(self);
        let layers = parameters.iter().filter_map(|parameter| layer(&parameter.name, &parameter.shape));
        layers.zip(norms).map(|(layer, sum)| LayerGradient { layer: layer.to_owned(), norm: sum / steps as f64 }).collect()
    }
}

/// The name of the layer whose weights a parameter is; `None` of biases and of norms, whose weights are vectors.
fn layer<'a>(name: &'a str, shape: &[usize]) -> Option<&'a str> {
    name.strip_suffix(".weight").filter(|_| shape.len() > 1)
}
