//! The activation functions of nnU-Net's networks: PyTorch's classes, by name, and their arguments.

use super::field::Field;
use crate::ExchangeError;
use sagittal_data::plan::{ActivationKind, UnetPlan};
use serde_json::{Value, json};

const SUPPORTED: &str = "LeakyReLU, ReLU, Tanh, Sigmoid, Softplus, ELU, GELU, SiLU of torch.nn";

/// PyTorch's class, the arguments that are looked at, and the values that are built here.
fn class(kind: ActivationKind) -> Option<(&'static str, Value)> {
    match kind {
        ActivationKind::LeakyRelu => Some(("LeakyReLU", json!({ "inplace": true }))),
        ActivationKind::Relu => Some(("ReLU", json!({ "inplace": true }))),
        ActivationKind::Tanh => Some(("Tanh", json!({}))),
        ActivationKind::Sigmoid => Some(("Sigmoid", json!({}))),
        ActivationKind::Softplus => Some(("Softplus", json!({ "beta": 1.0, "threshold": 20.0 }))),
        ActivationKind::Elu => Some(("ELU", json!({ "alpha": 1.0, "inplace": true }))),
        ActivationKind::Gelu => Some(("GELU", json!({ "approximate": "none" }))),
        ActivationKind::Silu => Some(("SiLU", json!({ "inplace": true }))),
        // PyTorch has no module of it.
        ActivationKind::Sine => None,
    }
}

/// The activation of a network's arguments, and the slope of a leaky ReLU below 0.
pub(super) fn read(arguments: &Field<'_>) -> Result<(ActivationKind, f64), ExchangeError> {
    let field = arguments.need("nonlin")?;
    let name = field.text()?.rsplit('.').next().unwrap_or_default();
    let known =
        ActivationKind::ALL.into_iter().find_map(|kind| class(kind).filter(|(class, _)| *class == name).map(|(_, like)| (kind, like)));
    let Some((kind, expected)) = known else { return Err(field.unsupported(SUPPORTED)) };
    let given = arguments.get("nonlin_kwargs");
    let mut slope = UnetPlan::LEAKY_SLOPE;
    for (key, value) in given.map(|given| given.entries()).transpose()?.unwrap_or_default() {
        match (key, expected.get(key)) {
            // Where the result is kept makes no difference to it.
            ("inplace", _) => {}
            ("negative_slope", _) if kind == ActivationKind::LeakyRelu => slope = value.number()?,
            (_, Some(like)) if value.value == like || value.value.as_f64().is_some_and(|number| like.as_f64() == Some(number)) => {}
            _ => return Err(value.unsupported("the value that PyTorch takes by itself")),
        }
    }
    Ok((kind, slope))
}

/// `nonlin` and `nonlin_kwargs` of a network.
///
/// # Errors
/// [`ExchangeError::Unsupported`] if PyTorch has no such class.
pub(super) fn written(unet: &UnetPlan, place: &str) -> Result<(String, Value), ExchangeError> {
    let Some((class, mut arguments)) = class(unet.activation) else {
        return Err(ExchangeError::Unsupported {
            place: place.to_owned(),
            field: "its activation".into(),
            found: unet.activation.name().into(),
            supported: SUPPORTED,
        });
    };
    if unet.activation == ActivationKind::LeakyRelu {
        arguments["negative_slope"] = json!(unet.leaky_slope);
    }
    Ok((format!("torch.nn.{class}"), arguments))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn read_from(arguments: &Value) -> Result<(ActivationKind, f64), ExchangeError> {
        read(&Field::root(arguments, "plans.json"))
    }

    #[test]
    fn activations_are_read_by_the_names_of_their_classes() {
        for (nonlin, arguments, expected) in [
            ("torch.nn.LeakyReLU", json!({ "inplace": true }), Some((ActivationKind::LeakyRelu, 0.01))),
            ("torch.nn.LeakyReLU", json!({ "negative_slope": 0.2 }), Some((ActivationKind::LeakyRelu, 0.2))),
            ("torch.nn.modules.activation.ReLU", Value::Null, Some((ActivationKind::Relu, 0.01))),
            ("torch.nn.ELU", json!({ "alpha": 1, "inplace": false }), Some((ActivationKind::Elu, 0.01))),
            ("torch.nn.ELU", json!({ "alpha": 2.0 }), None),
            ("torch.nn.GELU", json!({}), Some((ActivationKind::Gelu, 0.01))),
            ("torch.nn.GELU", json!({ "approximate": "tanh" }), None),
            ("torch.nn.Softplus", json!({ "beta": 2 }), None),
            ("torch.nn.Hardswish", Value::Null, None),
        ] {
            let found = read_from(&json!({ "nonlin": nonlin, "nonlin_kwargs": arguments }));
            assert_eq!(found.as_ref().ok(), expected.as_ref(), "{nonlin} {arguments}: {found:?}");
        }
    }

    #[test]
    fn what_is_written_is_read_again_and_the_sine_refused_by_name() {
        let mut unet = UnetPlan {
            input_channels: 1,
            classes: 2,
            features: vec![4, 8],
            kernels: vec![[3; 3]; 2],
            strides: vec![[1; 3], [2; 3]],
            encoder_convs: vec![1, 1],
            decoder_convs: vec![1],
            deep_supervision: false,
            conv_bias: true,
            norm_epsilon: UnetPlan::NORM_EPSILON,
            leaky_slope: 0.2,
            activation: ActivationKind::LeakyRelu,
            dropout: 0.0,
        };
        for kind in ActivationKind::ALL {
            unet.activation = kind;
            match written(&unet, "a data set") {
                Ok((nonlin, arguments)) => {
                    let (found, slope) = read_from(&json!({ "nonlin": nonlin, "nonlin_kwargs": arguments })).unwrap();
                    assert_eq!((found, slope), (kind, if kind == ActivationKind::LeakyRelu { 0.2 } else { 0.01 }));
                }
                Err(error) => assert!(kind == ActivationKind::Sine && error.to_string().contains("sine"), "{error}"),
            }
        }
    }
}
