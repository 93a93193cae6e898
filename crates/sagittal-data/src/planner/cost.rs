//! What a network costs: parameters, arithmetic, memory. Estimates, made before anything is built.

use crate::plan::{ImageToMaskPlan, MaskHead, NetworkPlan, PatchPlan, UnetPlan};

/// Bytes of one `f32`.
const F32: u64 = 4;
/// Numbers kept for the backward pass per output element of a convolution: the convolution's output, from which the
/// block's normalisation and activation are differentiated, and the block's output, which the next convolution needs.
const KEPT_PER_CONV_OUTPUT: u64 = 2;
/// And what an activation keeps that the normalisation does not do in the same pass: its input. Dropout keeps nothing of the size
/// of an image.
const KEPT_PER_ACTIVATION: u64 = 1;
/// Copies of the parameters: weights, gradients, momentum, best weights so far, one to write a checkpoint from.
const COPIES_OF_PARAMETERS: u64 = 5;
/// Batches that wait prepared, with the one in work.
const PREPARED_BATCHES: u64 = 5;
/// What labelling a whole image takes of a voxel classifier between epochs: the features and spectra of its largest tile.
const LABELLING_BYTES: u64 = 400 << 20;
/// The program itself, with its thread stacks and the buffers of the loader.
const PROGRAM_BYTES: u64 = 200 << 20;

/// One convolution of the network, as the cost sees it.
struct Conv {
    input: u64,
    output: u64,
    kernel_size: u64,
    /// Output voxels, of a patch.
    voxels: u64,
    has_bias: bool,
    kind: ConvKind,
}

#[derive(Clone, Copy, PartialEq)]
enum ConvKind {
    /// With normalisation and activation.
    Block,
    /// 1x1 with normalisation and without bias, beside a residual block that changes the number of channels.
    Projection,
    /// Transposed, kernel = stride: every output voxel has one product per input channel.
    Up,
    /// Without normalisation: the layers of voxel classifiers and of networks that see whole pictures, dense ones among them,
    /// which are convolutions of a single voxel.
    Plain,
    /// 1x1 to the classes.
    Head,
}

/// Number of trainable parameters.
pub fn parameters(network: &NetworkPlan) -> u64 {
    let weights = |conv: &Conv| {
        let norm = if matches!(conv.kind, ConvKind::Block | ConvKind::Projection) { 2 * conv.output } else { 0 };
        conv.input * conv.output * conv.kernel_size + if conv.has_bias { conv.output } else { 0 } + norm
    };
    // Parameters do not depend on the patch, of which a voxel classifier's may be a single voxel.
    convs(network, network.total_stride()).iter().map(weights).sum()
}

/// Multiplications with addition of one forward pass over one patch `[Z, Y, X]`.
pub fn multiply_adds(network: &NetworkPlan, patch: [usize; 3]) -> u64 {
    let products = |conv: &Conv| {
        let per_voxel = if conv.kind == ConvKind::Up { conv.input } else { conv.input * conv.kernel_size };
        conv.voxels * conv.output * per_voxel
    };
    convs(network, patch).iter().map(products).sum()
}

/// Bytes that training takes: what the forward pass keeps for the backward pass, the gradients in flight, the copies
/// of the parameters, the batches in waiting, the program.
pub fn training_memory(network: &NetworkPlan, patch: [usize; 3], batch_size: usize) -> u64 {
    let batch = batch_size as u64;
    let convs = convs(network, patch);
    let is_fused = network.unet().is_none_or(|unet| unet.activation.is_fused());
    let kept_per_output = |conv: &Conv| match conv.kind {
        ConvKind::Block => KEPT_PER_CONV_OUTPUT + if is_fused { 0 } else { KEPT_PER_ACTIVATION },
        ConvKind::Projection | ConvKind::Plain => KEPT_PER_CONV_OUTPUT,
        ConvKind::Up | ConvKind::Head => 1,
    };
    let kept: u64 = convs.iter().map(|conv| conv.output * conv.voxels * kept_per_output(conv)).sum();
    // In the backward pass the gradients of one block's input and output live at the same time.
    let in_flight = convs.iter().map(|conv| (conv.input + conv.output) * conv.voxels).max().unwrap_or(0);
    let context = network.context();
    let voxels: u64 = (0..3).map(|axis| (context[axis][0] + patch[axis] + context[axis][1]) as u64).product();
    let labelling = if matches!(network, NetworkPlan::Patch(_)) { LABELLING_BYTES } else { 0 };
    let prepared = PREPARED_BATCHES * voxels * (network.input_channels() as u64 * F32 + 1);
    batch * (F32 * (kept + in_flight) + prepared) + F32 * COPIES_OF_PARAMETERS * parameters(network) + labelling + PROGRAM_BYTES
}

/// What learning without labels takes on top, layer by layer: for the largest layer its gradient and what it was before, and a
/// decoder of the same size with gradient and two buffers.
pub fn pretraining_memory(network: &NetworkPlan) -> u64 {
    const COPIES_OF_A_LAYER: u64 = 6;
    let weights = |conv: &Conv| conv.input * conv.output * conv.kernel_size;
    F32 * COPIES_OF_A_LAYER * convs(network, network.total_stride()).iter().map(weights).max().unwrap_or(0)
}

/// All convolutions of the network over a patch.
fn convs(network: &NetworkPlan, patch: [usize; 3]) -> Vec<Conv> {
    match network {
        NetworkPlan::Unet(unet) => unet_convs(unet, add_blocks, patch),
        NetworkPlan::ResidualUnet(unet) => unet_convs(unet, add_residual_blocks, patch),
        NetworkPlan::Patch(net) => patch_convs(net, patch),
        NetworkPlan::ImageToMask(mask) => image_to_mask_layers(mask),
    }
}

/// A voxel classifier: the convolutions of each tower, then dense layers. The first dense layer counts as one convolution over
/// all numbers that the towers leave of a voxel.
fn patch_convs(net: &PatchPlan, patch: [usize; 3]) -> Vec<Conv> {
    let mut convs = Vec::new();
    let mut features = 0;
    for tower in net.towers() {
        let mut size: [usize; 3] = std::array::from_fn(|axis| tower.side[axis] + patch[axis] - 1);
        let mut input = net.input_channels as u64;
        for (kernel, &filters) in tower.kernels.iter().zip(&net.filters) {
            size = std::array::from_fn(|axis| size[axis] + 1 - kernel[axis]);
            let (kernel_size, voxels) = (kernel.iter().product::<usize>() as u64, size.iter().product::<usize>() as u64);
            convs.push(Conv { input, output: filters as u64, kernel_size, voxels, has_bias: true, kind: ConvKind::Plain });
            input = filters as u64;
        }
        features += input * tower.left.iter().product::<usize>() as u64;
    }
    let voxels = patch.iter().product::<usize>() as u64;
    let mut input = features;
    let units = net.dense.iter().map(|&units| (units, ConvKind::Plain)).chain([(net.classes, ConvKind::Head)]);
    for (output, kind) in units {
        convs.push(Conv { input, output: output as u64, kernel_size: 1, voxels, has_bias: true, kind });
        input = output as u64;
    }
    convs
}

/// The layers of a network that sees whole pictures; of the size that it has, not of the patch.
fn image_to_mask_layers(mask: &ImageToMaskPlan) -> Vec<Conv> {
    let pixels = mask.size.iter().product::<usize>() as u64;
    let layer = |input, output, kernel_size, voxels| Conv { input, output, kernel_size, voxels, has_bias: true, kind: ConvKind::Plain };
    let mut layers = Vec::new();
    let mut input = mask.input_channels as u64;
    for &filters in &mask.filters {
        layers.push(layer(input, filters as u64, (mask.kernel * mask.kernel) as u64, pixels));
        input = filters as u64;
    }
    let maps = mask.n_maps() as u64;
    match mask.head {
        MaskHead::Dense { units } => {
            layers.push(layer(input * pixels, units as u64, 1, 1));
            layers.push(layer(units as u64, maps * pixels, 1, 1));
        }
        MaskHead::Convolution => layers.push(layer(input, maps, 1, pixels)),
    }
    layers
}

/// Adds the convolutions of an encoder stage.
type AddStage = fn(&mut Vec<Conv>, &UnetPlan, usize, usize, usize, u64);

fn unet_convs(unet: &UnetPlan, add_stage: AddStage, patch: [usize; 3]) -> Vec<Conv> {
    let mut convs = Vec::new();
    let mut sizes = Vec::new();
    let mut size = patch;
    let mut input = unet.input_channels;
    for stage in 0..unet.n_stages() {
        size = std::array::from_fn(|axis| size[axis].div_ceil(unet.strides[stage][axis]));
        sizes.push(size.iter().product::<usize>() as u64);
        add_stage(&mut convs, unet, stage, input, unet.encoder_convs[stage], sizes[stage]);
        input = unet.features[stage];
    }
    for (step, stage) in (0..unet.n_stages() - 1).rev().enumerate() {
        let (below, here, voxels) = (unet.features[stage + 1] as u64, unet.features[stage], sizes[stage]);
        let kernel_size = unet.strides[stage + 1].iter().product::<usize>() as u64;
        convs.push(Conv { input: below, output: here as u64, kernel_size, voxels, has_bias: unet.conv_bias, kind: ConvKind::Up });
        add_blocks(&mut convs, unet, stage, 2 * here, unet.decoder_convs[step], voxels);
        if stage == 0 || unet.deep_supervision {
            let output = unet.classes as u64;
            convs.push(Conv { input: here as u64, output, kernel_size: 1, voxels, has_bias: true, kind: ConvKind::Head });
        }
    }
    convs
}

/// The residual blocks of a stage; the stem comes before those of the first.
fn add_residual_blocks(convs: &mut Vec<Conv>, unet: &UnetPlan, stage: usize, first_input: usize, n_blocks: usize, voxels: u64) {
    let features = unet.features[stage];
    let mut input = first_input;
    if stage == 0 {
        add_blocks(convs, unet, stage, input, 1, voxels);
        input = features;
    }
    for _ in 0..n_blocks {
        add_blocks(convs, unet, stage, input, 2, voxels);
        if input != features {
            let (input, output) = (input as u64, features as u64);
            convs.push(Conv { input, output, kernel_size: 1, voxels, has_bias: false, kind: ConvKind::Projection });
        }
        input = features;
    }
}

fn add_blocks(convs: &mut Vec<Conv>, unet: &UnetPlan, stage: usize, first_input: usize, n_convs: usize, voxels: u64) {
    let output = unet.features[stage] as u64;
    let kernel_size = unet.kernels[stage].iter().product::<usize>() as u64;
    for conv in 0..n_convs {
        let input = if conv == 0 { first_input as u64 } else { output };
        convs.push(Conv { input, output, kernel_size, voxels, has_bias: unet.conv_bias, kind: ConvKind::Block });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::PatchView;

    #[test]
    fn the_classifiers_of_the_thesis_cost_what_their_layers_say() {
        // Parameters and multiply-adds of a voxel in millions, of images of one channel and three classes.
        let cases = [
            (PatchView::Slice, 12.83, 19.4),
            (PatchView::Stacked, 12.83, 19.8),
            (PatchView::Triplanar, 38.48, 58.2),
            (PatchView::Volume, 204.9, 736.8),
        ];
        let rounded = |number: u64, digits: f64| (number as f64 / 1e6 * digits).round() / digits;
        for (view, weights, products) in cases {
            let network = NetworkPlan::Patch(PatchPlan::thesis(view, 1, 3));
            let digits = if view == PatchView::Volume { 10.0 } else { 100.0 };
            assert_eq!(rounded(parameters(&network), digits), weights, "{view:?}");
            assert_eq!(rounded(multiply_adds(&network, [1; 3]), 10.0), products, "{view:?}");
            network.validate().expect("the thesis makes sense");
        }
    }
}
