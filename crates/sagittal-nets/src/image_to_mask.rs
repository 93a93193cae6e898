//! The network of Seo's post (2018): a whole picture in, its whole mask out.
//!
//! Convolutions with zeros around the picture and without pooling, then dense layers: so many hidden units with tanh, then one
//! number for every pixel of every mask. The post takes the tanh of those, too, and a soft-max over all pixels of a mask;
//! without either, or with a convolution of one tap instead of the dense layers, it is repaired.
//!
//! What the post does not say is ours: the first weights are normal numbers, of convolutions with variance 2 / fan-in (He et
//! al. 2015), of dense layers, which a tanh follows, with 1 / fan-in (LeCun et al. 1998); biases begin at 0. Arrays carry
//! PyTorch's order: dense layers see a picture as `[C, Y, X]`, masks come as `[M, Y, X]`.

use crate::{
    Parameters, activation_of,
    conv_block::Dense,
    init::{first_weights, lecun_normal},
};
use rand_chacha::ChaCha8Rng;
use sagittal_data::plan::{ActivationKind, ImageToMaskPlan, MaskHead, MaskLogits, MaskOutput, UnetPlan};
use sagittal_tensor::{Activation, ConvSpec, Device, Padding, Tensor, activate, conv};

/// Probabilities of a mask, 0 to 1 over a picture, become logits no further from 0 than those of this and its complement.
const LEAST_PROBABILITY: f32 = 1e-6;

/// Convolutions and what makes masks of them.
#[derive(Clone, Debug)]
pub struct ImageToMask {
    convs: Vec<Conv>,
    head: Head,
    activation: Activation,
    logits: MaskLogits,
    output: MaskOutput,
    n_maps: usize,
}

/// A convolution with bias.
#[derive(Clone, Copy, Debug)]
struct Conv {
    spec: ConvSpec,
    weight: usize,
    bias: usize,
}

#[derive(Clone, Copy, Debug)]
enum Head {
    Dense { hidden: Dense, output: Dense },
    Convolution(Conv),
}

/// Adds parameters one after the other.
struct Builder<'a> {
    parameters: Parameters,
    rng: Option<&'a mut ChaCha8Rng>,
    device: &'a Device,
}

impl Builder<'_> {
    fn conv(&mut self, name: &str, [c_in, c_out]: [usize; 2], kernel: usize, activation: ActivationKind) -> Conv {
        let spec = ConvSpec { c_in, c_out, kernel: [1, kernel, kernel], stride: [1; 3], padding: Padding::Same };
        let n = spec.n_weights();
        let weights = self.rng.as_deref_mut().map_or_else(|| vec![0.0; n], |rng| first_weights(n, n / c_out, activation, rng));
        let weight = self.parameters.add(format!("{name}.weight"), vec![c_out, c_in, kernel, kernel], weights, self.device);
        let bias = self.parameters.add(format!("{name}.bias"), vec![c_out], vec![0.0; c_out], self.device);
        Conv { spec, weight, bias }
    }

    fn dense(&mut self, name: &str, n_in: usize, n_out: usize) -> Dense {
        let n = n_in * n_out;
        let weights = self.rng.as_deref_mut().map_or_else(|| vec![0.0; n], |rng| lecun_normal(n, n_in, rng));
        Dense::new(name, [n_in, n_out], weights, &mut self.parameters, self.device)
    }
}

impl Conv {
    fn forward(&self, parameters: &Parameters, x: Tensor<5>) -> Tensor<5> {
        conv(x, parameters.value(self.weight), parameters.value(self.bias), self.spec)
    }
}

impl ImageToMask {
    /// Lays a valid description out.
    pub(crate) fn new(plan: &ImageToMaskPlan, rng: Option<&mut ChaCha8Rng>, device: &Device) -> (Self, Parameters) {
        let mut build = Builder { parameters: Parameters::default(), rng, device };
        let mut c_in = plan.input_channels;
        let mut convs = Vec::with_capacity(plan.filters.len());
        for (index, &c_out) in plan.filters.iter().enumerate() {
            convs.push(build.conv(&format!("convs.{index}"), [c_in, c_out], plan.kernel, plan.activation));
            c_in = c_out;
        }
        let (n_pixels, n_maps) = (plan.size.iter().product::<usize>(), plan.n_maps());
        let head = match plan.head {
            MaskHead::Dense { units } => Head::Dense {
                hidden: build.dense("hidden", c_in * n_pixels, units),
                output: build.dense("output", units, n_maps * n_pixels),
            },
            MaskHead::Convolution => Head::Convolution(build.conv("output", [c_in, n_maps], 1, plan.activation)),
        };
        let activation = activation_of(plan.activation, UnetPlan::LEAKY_SLOPE);
        let layers = Self { convs, head, activation, logits: plan.logits, output: plan.output, n_maps };
        (layers, build.parameters)
    }

    /// What is compared with the masks: one map a label where pixels compete, else one a class.
    ///
    /// # Shapes
    /// - `x`: `[N, 1, Y, X, C]` of the network's size
    /// - result: `[N, 1, Y, X, M]`
    ///
    /// # Panics
    /// If the shape does not fit the network.
    pub fn forward(&self, parameters: &Parameters, mut x: Tensor<5>) -> Tensor<5> {
        for conv in &self.convs {
            x = activate(conv.forward(parameters, x), self.activation);
        }
        let [n, z, y, width, _] = x.dims();
        let maps = match &self.head {
            Head::Convolution(conv) => conv.forward(parameters, x),
            Head::Dense { hidden, output } => {
                // N Z Y X C => N C Z Y X
                let flat = x.permute([0, 4, 1, 2, 3]).flatten::<2>(1, 4);
                let maps = output.forward(parameters, hidden.forward(parameters, flat).tanh());
                maps.reshape([n, self.n_maps, z, y, width]).permute([0, 2, 3, 4, 1])
            }
        };
        match self.logits {
            MaskLogits::Tanh => maps.tanh(),
            MaskLogits::Linear => maps,
        }
    }

    /// Maps as logits of every pixel's classes.
    ///
    /// Where pixels compete, a map's soft-max says only which pixels are likelier than others. It is read as the post shows
    /// it, as a picture: scaled so that the least likely pixel is black, 0, and the likeliest white, 1. The logit of a label is that
    /// of this number, so that with one label a pixel is foreground where it exceeds one half; the background's is 0. A map that is the same everywhere is
    /// black.
    ///
    /// # Shapes
    /// - `maps`: `[N, 1, Y, X, M]` as [`ImageToMask::forward`] makes them; result: `[N, 1, Y, X, K]`
    pub fn as_classes(&self, maps: Tensor<5>) -> Tensor<5> {
        if self.output == MaskOutput::ClassesOfPixels {
            return maps;
        }
        let shape = maps.dims();
        let [n, z, y, x, m] = shape;
        let flat = maps.reshape([n, z * y * x, m]);
        // Of the soft-max only the range is left, and its divisor is the same for all pixels: it drops out.
        let likely = (flat.clone() - flat.max_dim(1)).exp();
        let (low, high) = (likely.clone().min_dim(1), likely.clone().max_dim(1));
        let scaled = (likely - low.clone()) / (high - low).clamp_min(f32::MIN_POSITIVE);
        let scaled = scaled.clamp(LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY);
        let logits = (scaled.clone() / (scaled.neg() + 1.0)).log();
        let background = Tensor::zeros([n, z * y * x, 1], &logits.device());
        Tensor::cat(vec![background, logits], 2).reshape([n, z, y, x, m + 1])
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::{Network, Outputs};
    use rand::SeedableRng;
    use sagittal_data::plan::NetworkPlan;
    use sagittal_tensor::TensorData;

    fn tiny(classes: usize, output: MaskOutput) -> ImageToMaskPlan {
        let head = MaskHead::Dense { units: 3 };
        ImageToMaskPlan { size: [2, 3], kernel: 3, filters: vec![2], head, output, ..ImageToMaskPlan::post(1, classes) }
    }

    fn layers(classes: usize, output: MaskOutput) -> ImageToMask {
        ImageToMask::new(&tiny(classes, output), None, &Device::cpu()).0
    }

    fn numbers(tensor: Tensor<5>) -> Vec<f32> {
        tensor.into_data().iter::<f32>().collect()
    }

    #[test]
    fn pixels_that_compete_are_foreground_beyond_half_of_the_range() {
        let layers = layers(2, MaskOutput::SoftmaxOverPixels);
        // Probabilities proportional to 1, 2, 3, 4, 5, 3: scaled 0, 1/4, 1/2, 3/4, 1, 1/2.
        let likely = [1.0f32, 2.0, 3.0, 4.0, 5.0, 3.0];
        let maps = Tensor::<5>::from_data(TensorData::new(likely.map(f32::ln).to_vec(), [1, 1, 2, 3, 1]), Device::cpu().plain());
        let found = numbers(layers.as_classes(maps));
        let shown: Vec<f32> = found.chunks(2).map(|pixel| 1.0 / (1.0 + (pixel[0] - pixel[1]).exp())).collect();
        for (found, expected) in shown.iter().zip([0.0, 0.25, 0.5, 0.75, 1.0, 0.5]) {
            assert!((found - expected).abs() < 1e-5, "{shown:?}");
        }
    }

    #[test]
    fn a_map_without_contrast_is_background_and_each_picture_and_label_has_its_own_range() {
        let layers = layers(3, MaskOutput::SoftmaxOverPixels);
        let mut maps = vec![7.0f32; 2 * 6 * 2];
        // Of the second picture one pixel stands out in the second map, however little.
        maps[12 + 2 * 4 + 1] = 7.001;
        let maps = Tensor::<5>::from_data(TensorData::new(maps, [2, 1, 2, 3, 2]), Device::cpu().plain());
        let found = numbers(layers.as_classes(maps));
        let best = |pixel: &[f32]| (0..3).fold(0, |best, class| if pixel[class] > pixel[best] { class } else { best });
        let labels: Vec<usize> = found.chunks(3).map(best).collect();
        assert_eq!(labels, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0]);
    }

    #[test]
    fn the_head_decides_what_a_pixel_depends_on() {
        let picture = |changed: f32| {
            let mut pixels = vec![0.3f32; 6];
            pixels[0] = changed;
            Tensor::<5>::from_data(TensorData::new(pixels, [1, 1, 2, 3, 1]), Device::cpu().plain())
        };
        for (head, reaches) in [(MaskHead::Dense { units: 3 }, true), (MaskHead::Convolution, false)] {
            let plan = ImageToMaskPlan { head, kernel: 3, logits: MaskLogits::Linear, ..tiny(2, MaskOutput::ClassesOfPixels) };
            let network = Network::new(&NetworkPlan::ImageToMask(plan), &mut ChaCha8Rng::seed_from_u64(5), &Device::cpu()).unwrap();
            let [a, b] = [0.0, 1.0].map(|v| numbers(network.forward(picture(v), Outputs::Finest).swap_remove(0)));
            // The last pixel lies beyond the kernel around the first.
            assert_eq!((a[10], a[11]) != (b[10], b[11]), reaches, "{head:?}: {a:?} {b:?}");
        }
    }
}
