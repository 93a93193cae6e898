//! A network as an ONNX file, for other runtimes.
//!
//! The graph goes from `image`, `[N, C, Z, Y, X]` as it comes out of preprocessing, to `logits`, `[N, K, Z, Y, X]`, and has the
//! names of the weights that nnU-Net gives them. 2-D networks have `Z = 1`. What a program must do before and after stands in
//! the file's `metadata_props`: see [`export`].

mod graph;
mod message;

use crate::ExchangeError;
use message::Message;
use sagittal_data::Plan;
use sagittal_nets::Network;
use serde_json::{Value, json};

/// The version of the operators (2022); every runtime of the last years has it.
pub const OPSET: u64 = 17;
/// The version of the file format that goes with it.
const IR_VERSION: u64 = 8;
/// Protocol buffers end here.
const MOST_BYTES: usize = i32::MAX as usize;

/// The bytes of an ONNX file.
///
/// Its `metadata_props` are texts: `sagittal.plan`, the plan as JSON; `sagittal.provenance`; and from the plan, so that nobody
/// needs to know it: `labels` or `regions`, `input`, `output`, `preprocessing`, `prediction`, `postprocessing`.
///
/// # Errors
/// [`ExchangeError::Unsupported`] if the network is no U-Net or too large for one file.
pub fn export(network: &Network, plan: &Plan, provenance: &Value) -> Result<Vec<u8>, ExchangeError> {
    if network.plan().n_parameters() * 4 > MOST_BYTES as u64 - (16 << 20) {
        return Err(ExchangeError::Unsupported {
            place: plan.dataset.clone(),
            field: "its number of parameters".into(),
            found: network.plan().n_parameters().to_string(),
            supported: "up to 530 million, because an ONNX file holds 2 GB; export safetensors instead",
        });
    }
    let Some(unet) = network.plan().unet() else {
        return Err(ExchangeError::Unsupported {
            place: plan.dataset.clone(),
            field: "its network".into(),
            found: network.plan().kind().into(),
            supported: "U-Nets; export safetensors instead",
        });
    };
    let mut model = Message::default();
    model.integer(1, IR_VERSION);
    model.text(2, "sagittal");
    model.text(3, env!("CARGO_PKG_VERSION"));
    model.message(7, graph::graph(network, unet));
    let mut opset = Message::default();
    opset.text(1, "");
    opset.integer(2, OPSET);
    model.message(8, opset);
    for (key, value) in facts(plan, provenance) {
        let mut property = Message::default();
        property.text(1, key);
        property.text(2, &value);
        model.message(14, property);
    }
    Ok(model.into_bytes())
}

fn facts(plan: &Plan, provenance: &Value) -> Vec<(&'static str, String)> {
    let text = |value: Value| value.to_string();
    let mut facts = vec![
        ("sagittal.plan", serde_json::to_string(plan).expect("a plan is plain data")),
        ("sagittal.provenance", text(provenance.clone())),
        ("labels", text(json!(plan.labels))),
        (
            "input",
            "image: float32 [N, C, Z, Y, X]; Z, Y and X multiples of the product of the network's strides; Z = 1 for 2-D networks".into(),
        ),
        ("output", "logits: float32 [N, K, Z, Y, X], before soft-max (labels) or sigmoid (regions)".into()),
        (
            "preprocessing",
            text(json!({
                "steps": ["orient", "order axes", "crop to what is not 0 in any channel, holes filled", "normalise", "resample with cubic splines"],
                "orientation": plan.orientation,
                "axis_order": plan.axis_order,
                "channels": plan.channels,
                "spacing_mm": plan.spacing_mm,
            })),
        ),
        (
            "prediction",
            text(json!({
                "patch": plan.patch,
                "step_fraction": 0.5,
                "mirror_axes": plan.training.mirrored_axes(),
                "tiles": "weighted by a Gaussian of a standard deviation of an eighth of the patch; logits averaged over tiles and mirrored copies",
            })),
        ),
        (
            "postprocessing",
            text(json!({
                "steps": ["resample logits linearly to the cropped image", "label of the largest logit, or regions painted where their logit is above 0", "undo crop, order, orientation"],
                "keep_largest": plan.postprocessing,
            })),
        ),
    ];
    if !plan.regions.is_empty() {
        facts.push(("regions", text(json!(plan.regions))));
    }
    facts
}
