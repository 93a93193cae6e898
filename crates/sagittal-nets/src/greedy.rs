//! The layers that can learn one after the other, each to restore its own input, before the network as a whole learns from
//! labels: those of a U-Net's encoder, and of a voxel classifier all but the last, in the order in which an image passes them. What comes
//! after them needs labels.
//!
//! Source: Bengio et al. 2007 (greedy layer-wise training); Vincent et al. 2010 (denoising auto-encoders).

use crate::{Network, Parameters, network::Layers};
use sagittal_tensor::{ConvSpec, Padding, Tensor};

/// A layer with its norm, if it has one, and activation; of a residual encoder a whole block with its shortcut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GreedyLayer {
    /// What the names of its parameters begin with.
    pub name: String,
    /// Channels of its input.
    pub c_in: usize,
    /// Channels of its output.
    pub c_out: usize,
    /// What it does to them.
    pub shape: GreedyShape,
}

/// How a layer looks at its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GreedyShape {
    /// As a convolution.
    Convolution {
        /// Taps of its kernel along `Z Y X`.
        kernel: [usize; 3],
        /// By how much its output is coarser, `Z Y X`.
        stride: [usize; 3],
        /// What lies around its input.
        padding: Padding,
    },
    /// Every output at every input, of a single voxel: `[N, 1, 1, 1, c_in]` => `[N, 1, 1, 1, c_out]`.
    Dense,
}

impl GreedyLayer {
    /// A layer that a convolution stands for.
    pub(crate) fn of_convolution(name: String, spec: ConvSpec) -> Self {
        let ConvSpec { c_in, c_out, kernel, stride, padding } = spec;
        Self { name, c_in, c_out, shape: GreedyShape::Convolution { kernel, stride, padding } }
    }
}

impl Network {
    /// The layers that can learn without labels, in order.
    pub fn greedy_layers(&self) -> Vec<GreedyLayer> {
        match self.layers() {
            Layers::Unet(unet) => unet.greedy_layers(),
            Layers::ResidualUnet(unet) => unet.greedy_layers(),
            Layers::Patch(patch) => patch.greedy_layers(),
            Layers::ImageToMask(_) => Vec::new(),
        }
    }

    /// What a layer sees of an image: the output of those before it, with the network's own parameters and no graph kept.
    ///
    /// # Shapes
    /// - `x`: `[N, Z, Y, X, C]`, as for [`Network::forward`], for a voxel classifier what single voxels see; result:
    ///   `[N, Z', Y', X', c_in]`
    ///
    /// # Panics
    /// If there is no such layer, or the shape does not fit the network.
    pub fn greedy_input(&self, layer: usize, x: Tensor<5>) -> Tensor<5> {
        match self.layers() {
            // Towers stand side by side.
            Layers::Patch(patch) => patch.greedy_input(layer, self.parameters(), x),
            _ => (0..layer).fold(x, |x, before| self.greedy_output(before, self.parameters(), x)),
        }
    }

    /// A layer's output, with parameters of the network's layout, such as [`Parameters::tracked`].
    ///
    /// # Shapes
    /// - `input`: `[N, Z, Y, X, c_in]`; result: `[N, Z', Y', X', c_out]` as the layer's stride and padding make it
    ///
    /// # Panics
    /// If there is no such layer, or the shape does not fit it.
    pub fn greedy_output(&self, layer: usize, parameters: &Parameters, input: Tensor<5>) -> Tensor<5> {
        match self.layers() {
            Layers::Unet(unet) => unet.greedy_output(layer, parameters, input),
            Layers::ResidualUnet(unet) => unet.greedy_output(layer, parameters, input),
            Layers::Patch(patch) => patch.greedy_output(layer, parameters, input),
            Layers::ImageToMask(_) => panic!("there is no layer {layer} that learns without labels"),
        }
    }
}
