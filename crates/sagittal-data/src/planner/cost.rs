//! What a network costs: parameters, arithmetic, memory. Estimates, made before anything is built.

use crate::plan::{NetworkKind, NetworkPlan};

/// Bytes of one `f32`.
const F32: u64 = 4;
/// Numbers kept for the backward pass per output element of a convolution: the convolution's output, from which the
/// block's normalisation and activation are differentiated, and the block's output, which the next convolution needs.
const KEPT_PER_CONV_OUTPUT: u64 = 2;
/// Copies of the parameters: weights, gradients, momentum, best weights so far, one to write a checkpoint from.
const COPIES_OF_PARAMETERS: u64 = 5;
/// Batches that wait prepared, with the one in work.
const PREPARED_BATCHES: u64 = 5;
/// The program itself, with its thread stacks and the buffers of the loader.
const PROGRAM_BYTES: u64 = 200 << 20;

/// One convolution of the network, as the cost sees it.
struct Conv {
    input: u64,
    output: u64,
    kernel_size: u64,
    /// Output voxels, of a patch.
    voxels: u64,
    kind: ConvKind,
}

#[derive(PartialEq)]
enum ConvKind {
    /// With normalisation and activation.
    Block,
    /// 1x1 with normalisation and without bias, beside a residual block that changes the number of channels.
    Projection,
    /// Transposed, kernel = stride: every output voxel has one product per input channel.
    Up,
    /// 1x1 to the classes.
    Head,
}

/// Number of trainable parameters.
pub fn parameters(network: &NetworkPlan) -> u64 {
    let weights = |conv: &Conv| {
        let norm = if matches!(conv.kind, ConvKind::Block | ConvKind::Projection) { 2 * conv.output } else { 0 };
        let has_bias = match conv.kind {
            ConvKind::Block | ConvKind::Up => network.conv_bias,
            ConvKind::Projection => false,
            ConvKind::Head => true,
        };
        conv.input * conv.output * conv.kernel_size + if has_bias { conv.output } else { 0 } + norm
    };
    // Parameters do not depend on the patch; the heads of deep supervision have theirs whether used or not.
    convs(network, network.total_stride(), true).iter().map(weights).sum()
}

/// Multiplications with addition of one forward pass over one patch `[Z, Y, X]`.
pub fn multiply_adds(network: &NetworkPlan, patch: [usize; 3]) -> u64 {
    let products = |conv: &Conv| {
        let per_voxel = if conv.kind == ConvKind::Up { conv.input } else { conv.input * conv.kernel_size };
        conv.voxels * conv.output * per_voxel
    };
    convs(network, patch, network.deep_supervision).iter().map(products).sum()
}

/// Bytes that training takes: what the forward pass keeps for the backward pass, the gradients in flight, the copies
/// of the parameters, the batches in waiting, the program.
pub fn training_memory(network: &NetworkPlan, patch: [usize; 3], batch_size: usize) -> u64 {
    let batch = batch_size as u64;
    let convs = convs(network, patch, network.deep_supervision);
    let is_block = |conv: &Conv| matches!(conv.kind, ConvKind::Block | ConvKind::Projection);
    let kept: u64 = convs.iter().map(|conv| conv.output * conv.voxels * if is_block(conv) { KEPT_PER_CONV_OUTPUT } else { 1 }).sum();
    // In the backward pass the gradients of one block's input and output live at the same time.
    let in_flight = convs.iter().map(|conv| (conv.input + conv.output) * conv.voxels).max().unwrap_or(0);
    let voxels: u64 = patch.iter().product::<usize>() as u64;
    let prepared = PREPARED_BATCHES * voxels * (network.input_channels as u64 * F32 + 1);
    batch * (F32 * (kept + in_flight) + prepared) + F32 * COPIES_OF_PARAMETERS * parameters(network) + PROGRAM_BYTES
}

/// All convolutions of the network over a patch.
fn convs(network: &NetworkPlan, patch: [usize; 3], all_heads: bool) -> Vec<Conv> {
    let mut convs = Vec::new();
    let mut sizes = Vec::new();
    let mut size = patch;
    let mut input = network.input_channels;
    for stage in 0..network.n_stages() {
        size = std::array::from_fn(|axis| size[axis].div_ceil(network.strides[stage][axis]));
        sizes.push(size.iter().product::<usize>() as u64);
        let (n, voxels) = (network.encoder_convs[stage], sizes[stage]);
        match network.kind {
            NetworkKind::Unet => add_blocks(&mut convs, network, stage, input, n, voxels),
            NetworkKind::ResidualUnet => add_residual_blocks(&mut convs, network, stage, input, n, voxels),
        }
        input = network.features[stage];
    }
    for (step, stage) in (0..network.n_stages() - 1).rev().enumerate() {
        let (below, here) = (network.features[stage + 1], network.features[stage]);
        let kernel_size = network.strides[stage + 1].iter().product::<usize>() as u64;
        convs.push(Conv { input: below as u64, output: here as u64, kernel_size, voxels: sizes[stage], kind: ConvKind::Up });
        add_blocks(&mut convs, network, stage, 2 * here, network.decoder_convs[step], sizes[stage]);
        if stage == 0 || all_heads {
            convs.push(Conv {
                input: here as u64,
                output: network.classes as u64,
                kernel_size: 1,
                voxels: sizes[stage],
                kind: ConvKind::Head,
            });
        }
    }
    convs
}

/// The residual blocks of a stage; the stem comes before those of the first.
fn add_residual_blocks(convs: &mut Vec<Conv>, network: &NetworkPlan, stage: usize, first_input: usize, n_blocks: usize, voxels: u64) {
    let features = network.features[stage];
    let mut input = first_input;
    if stage == 0 {
        add_blocks(convs, network, stage, input, 1, voxels);
        input = features;
    }
    for _ in 0..n_blocks {
        add_blocks(convs, network, stage, input, 2, voxels);
        if input != features {
            convs.push(Conv { input: input as u64, output: features as u64, kernel_size: 1, voxels, kind: ConvKind::Projection });
        }
        input = features;
    }
}

fn add_blocks(convs: &mut Vec<Conv>, network: &NetworkPlan, stage: usize, first_input: usize, n_convs: usize, voxels: u64) {
    let output = network.features[stage] as u64;
    let kernel_size = network.kernels[stage].iter().product::<usize>() as u64;
    for conv in 0..n_convs {
        let input = if conv == 0 { first_input as u64 } else { output };
        convs.push(Conv { input, output, kernel_size, voxels, kind: ConvKind::Block });
    }
}
