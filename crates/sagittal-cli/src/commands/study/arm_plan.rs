//! The plan of every arm: the planner's for its network, and over it what the study says.

use anyhow::{Context, ensure};
use sagittal_data::{
    Plan,
    plan::{AugmentationPlan, NetworkPlan, UnetPlan},
};
use serde_json::Value;

use super::description::{Augmentation, Settings, UnetShape};

/// The plan of an arm, made of its network's. `settings` are the arm's, over the study's defaults.
pub(super) fn arm_plan(arm: &str, settings: &Settings, base: &Plan) -> anyhow::Result<Plan> {
    let mut plan = base.clone();
    if settings.unet != UnetShape::default() {
        let kind = plan.network.kind();
        let unet = plan.network.unet_mut().with_context(|| format!("arm {arm}: `unet` shapes a U-Net, and the network is {kind}"))?;
        shape(unet, &settings.unet).with_context(|| format!("arm {arm}"))?;
    }
    plan.training.augmentation = match settings.augmentation {
        None => plan.training.augmentation,
        Some(Augmentation::Nnunet) => AugmentationPlan::nnunet(plan.patch),
        Some(Augmentation::None) => plan.training.augmentation.without(),
    };
    let mut value = serde_json::to_value(&plan).context("a plan has a JSON form")?;
    let over = serde_json::to_value(&settings.plan).context("a table has a JSON form")?;
    merge(&mut value, over);
    let wrong = || format!("arm {arm}: what it says of the plan does not make one");
    let mut plan: Plan = serde_json::from_value(value).with_context(wrong)?;
    plan.validate().with_context(wrong)?;
    plan.estimate = plan.estimated();
    Ok(plan)
}

/// Gives a planned U-Net another shape; its kernels and strides stay.
fn shape(unet: &mut UnetPlan, shape: &UnetShape) -> anyhow::Result<()> {
    let stages = match shape.stages {
        Some(stages) => {
            ensure!(stages >= 2, "unet.stages is {stages}, expected at least 2");
            stages.min(unet.n_stages())
        }
        None => unet.n_stages(),
    };
    unet.kernels.truncate(stages);
    unet.strides.truncate(stages);
    unet.features.truncate(stages);
    unet.encoder_convs.truncate(stages);
    // The deepest comes first.
    unet.decoder_convs.drain(..unet.decoder_convs.len() + 1 - stages);
    if shape.features.is_some() || shape.widening.is_some() {
        let first = shape.features.unwrap_or(unet.features[0]) as f64;
        let widening = shape.widening.unwrap_or(2.0);
        ensure!((1.0..=4.0).contains(&widening), "unet.widening is {widening}, expected 1 to 4");
        unet.features = (0..stages).map(|stage| (first * widening.powi(stage as i32)).round() as usize).collect();
    }
    if let Some(convs) = shape.convs {
        unet.encoder_convs = vec![convs; stages];
        unet.decoder_convs = vec![convs; stages - 1];
    }
    Ok(())
}

/// Puts `over` into `value`, object by object; anything else takes the other's place.
fn merge(value: &mut Value, over: Value) {
    match (value, over) {
        (Value::Object(object), Value::Object(over)) => {
            for (key, entry) in over {
                match object.get_mut(&key) {
                    Some(own) => merge(own, entry),
                    None => {
                        object.insert(key, entry);
                    }
                }
            }
        }
        (value, over) => *value = over,
    }
}

/// Feature maps and units of all layers: the thesis's nodes.
pub(super) fn nodes(network: &NetworkPlan) -> u64 {
    let nodes: usize = match network {
        NetworkPlan::Unet(unet) | NetworkPlan::ResidualUnet(unet) => {
            let is_residual = matches!(network, NetworkPlan::ResidualUnet(_));
            let per_block = if is_residual { 2 } else { 1 };
            let encoder: usize = unet.features.iter().zip(&unet.encoder_convs).map(|(features, convs)| features * convs * per_block).sum();
            let stem = if is_residual { unet.features[0] } else { 0 };
            // The deepest first; one more of each stage for the transposed convolution that leads to it.
            let decoder: usize =
                unet.decoder_convs.iter().zip(unet.features.iter().rev().skip(1)).map(|(convs, features)| features * (convs + 1)).sum();
            stem + encoder + decoder + unet.classes
        }
        NetworkPlan::Patch(patch) => {
            let towers = if patch.view == sagittal_data::plan::PatchView::Triplanar { 3 } else { 1 };
            towers * patch.filters.iter().sum::<usize>() + patch.dense.iter().sum::<usize>() + patch.classes
        }
        NetworkPlan::ImageToMask(mask) => {
            let convolutions: usize = mask.filters.iter().sum();
            let pixels = mask.size[0] * mask.size[1];
            convolutions
                + match mask.head {
                    sagittal_data::plan::MaskHead::Dense { units } => units + mask.n_maps() * pixels,
                    sagittal_data::plan::MaskHead::Convolution => mask.n_maps(),
                }
        }
    };
    nodes as u64
}

#[cfg(test)]
mod tests;
