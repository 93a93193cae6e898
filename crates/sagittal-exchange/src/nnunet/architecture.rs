//! The network of a configuration: new plans name a class and its arguments, old ones list a U-Net's numbers.

use super::{field::Field, nonlinearity};
use crate::ExchangeError;
use sagittal_data::plan::{ActivationKind, NetworkPlan, UnetPlan};

const CLASSES: &str = "PlainConvUNet, ResidualEncoderUNet of dynamic_network_architectures";
const MOST_STAGES: usize = 16;
const MODULE: &str = "dynamic_network_architectures.";

/// The network of `configuration`, whose images have `rank` spatial axes for the network.
pub(super) fn network(configuration: &Field<'_>, rank: usize, input_channels: usize, classes: usize) -> Result<NetworkPlan, ExchangeError> {
    match configuration.get("architecture") {
        Some(architecture) => new(&architecture, rank, input_channels, classes),
        None => old(configuration, rank, input_channels, classes),
    }
}

/// What a U-Net is made into.
type Family = fn(UnetPlan) -> NetworkPlan;

fn family(class: &Field<'_>, name: &str) -> Result<(Family, &'static str), ExchangeError> {
    match name {
        "PlainConvUNet" => Ok((NetworkPlan::Unet, "n_conv_per_stage")),
        "ResidualEncoderUNet" => Ok((NetworkPlan::ResidualUnet, "n_blocks_per_stage")),
        _ => Err(class.unsupported(CLASSES)),
    }
}

fn new(architecture: &Field<'_>, rank: usize, input_channels: usize, classes: usize) -> Result<NetworkPlan, ExchangeError> {
    let class = architecture.need("network_class_name")?;
    let name = class.text()?;
    let (true, Some((_, name))) = (name.starts_with(MODULE), name.rsplit_once('.')) else { return Err(class.unsupported(CLASSES)) };
    let (family, encoder_key) = family(&class, name)?;
    let arguments = architecture.need("arch_kwargs")?;
    refuse_unknown(&arguments, encoder_key)?;
    let stages = arguments.need("n_stages")?;
    let stages = stages.count().ok().filter(|n| (2..=MOST_STAGES).contains(n)).ok_or_else(|| stages.wrong("2 to 16 stages"))?;
    let per_stage = |key: &str| {
        let field = arguments.need(key)?;
        let elements = if field.value.is_number() { vec![field.clone(); stages] } else { field.elements()? };
        elements.iter().map(|element| element.axes(rank)).collect::<Result<Vec<_>, _>>()
    };
    let dimension = format!("{rank}d");
    let operation = |key: &str, expected: &str, supported| {
        let field = arguments.need(key)?;
        if field.text()?.ends_with(expected) { Ok(()) } else { Err(field.unsupported(supported)) }
    };
    operation("conv_op", &format!("Conv{dimension}"), "Conv2d for 2-D patches, Conv3d for 3-D ones")?;
    operation("norm_op", &format!("InstanceNorm{dimension}"), "InstanceNorm2d for 2-D patches, InstanceNorm3d for 3-D ones")?;
    let norm = arguments.get("norm_op_kwargs");
    let of_norm = |key: &str| norm.as_ref().and_then(|norm| norm.get(key));
    // PyTorch's own default is a norm without weights.
    let affine = of_norm("affine").map(|field| field.flag()).transpose()?.unwrap_or(false);
    if !affine {
        return Err(arguments.need("norm_op_kwargs")?.unsupported("affine: true"));
    }
    if let Some(running) = of_norm("track_running_stats")
        && running.flag()?
    {
        return Err(running.unsupported("false"));
    }
    let (activation, leaky_slope) = nonlinearity::read(&arguments)?;
    Ok(family(UnetPlan {
        input_channels,
        classes,
        features: arguments.need("features_per_stage")?.counts_of_stages(stages)?,
        kernels: per_stage("kernel_sizes")?,
        strides: per_stage("strides")?,
        encoder_convs: arguments.need(encoder_key)?.counts_of_stages(stages)?,
        decoder_convs: arguments.need("n_conv_per_stage_decoder")?.counts_of_stages(stages.saturating_sub(1))?,
        deep_supervision: true,
        conv_bias: arguments.get("conv_bias").map(|field| field.flag()).transpose()?.unwrap_or(false),
        norm_epsilon: of_norm("eps").map(|field| field.number()).transpose()?.unwrap_or(UnetPlan::NORM_EPSILON),
        leaky_slope,
        activation,
        dropout: 0.0,
    }))
}

/// Arguments that change the network in ways that are not built here.
fn refuse_unknown(arguments: &Field<'_>, encoder_key: &str) -> Result<(), ExchangeError> {
    const KNOWN: [&str; 14] = [
        "n_stages",
        "features_per_stage",
        "conv_op",
        "kernel_sizes",
        "strides",
        "n_conv_per_stage_decoder",
        "conv_bias",
        "norm_op",
        "norm_op_kwargs",
        // Without effect in prediction.
        "dropout_op",
        "dropout_op_kwargs",
        "nonlin",
        "nonlin_kwargs",
        "deep_supervision",
    ];
    for (key, field) in arguments.entries()? {
        // Null, and a false that switches something off, are what is built.
        let harmless = field.value.is_null() || field.value == &serde_json::Value::Bool(false);
        if !(KNOWN.contains(&key) || key == encoder_key || harmless) {
            return Err(field.unsupported("no such argument"));
        }
    }
    Ok(())
}

/// Plans from before nnU-Net 2.3 (`ConfigurationManager` converts them the same way).
fn old(configuration: &Field<'_>, rank: usize, input_channels: usize, classes: usize) -> Result<NetworkPlan, ExchangeError> {
    let class = configuration.need("UNet_class_name")?;
    let (family, _) = family(&class, class.text()?)?;
    let encoder_convs = configuration.need("n_conv_per_stage_encoder")?.counts()?;
    let stages = encoder_convs.len();
    let base = configuration.need("UNet_base_num_features")?.count()?;
    let most = configuration.need("unet_max_num_features")?.count()?;
    let per_stage = |key: &str| configuration.need(key)?.elements()?.iter().map(|element| element.axes(rank)).collect::<Result<_, _>>();
    Ok(family(UnetPlan {
        input_channels,
        classes,
        features: (0..stages).map(|stage| base.saturating_mul(1 << stage.min(30)).min(most)).collect(),
        kernels: per_stage("conv_kernel_sizes")?,
        strides: per_stage("pool_op_kernel_sizes")?,
        encoder_convs,
        decoder_convs: configuration.need("n_conv_per_stage_decoder")?.counts_of_stages(stages.saturating_sub(1))?,
        deep_supervision: true,
        conv_bias: true,
        norm_epsilon: UnetPlan::NORM_EPSILON,
        leaky_slope: UnetPlan::LEAKY_SLOPE,
        activation: ActivationKind::LeakyRelu,
        dropout: 0.0,
    }))
}
