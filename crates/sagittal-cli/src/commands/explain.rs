//! `sagittal explain`: pages that explain what networks are made of.

use std::path::Path;

use sagittal_data::plan::{ActivationKind, UnetPlan};
use sagittal_nets::{Criteria, activation_of};
use sagittal_report::{ActivationCurve, activations_page, activations_svg};
use serde_json::json;

use crate::{
    args::{ExplainArgs, Topic},
    messages::Messages,
    outcome::{Outcome, WrongUse},
    whole_file,
};

/// Plots reach from -5 to 5, in steps that hit 0.
const STEPS: i32 = 200;
const REACH: f64 = 5.0;

pub(crate) fn run(args: &ExplainArgs, messages: &Messages) -> anyhow::Result<Outcome> {
    let Topic::Activations = args.topic;
    let curves = activation_curves();
    let extension = args.output.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    let content = match extension.as_deref() {
        Some("html") => activations_page(&curves),
        Some("svg") => activations_svg(&curves),
        _ => return Err(WrongUse(format!("{} is neither .html nor .svg; name it so", args.output.display())).into()),
    };
    whole_file::write(&args.output, content)?;
    let table: Vec<_> = curves
        .iter()
        .map(|curve| {
            json!({ "activation": curve.plan_name, "differentiable": curve.is_differentiable, "nonlinear": curve.is_nonlinear,
                "monotonic": curve.is_monotonic })
        })
        .collect();
    messages.result(&json!({ "file": args.output, "activations": table }), || in_words(&curves, &args.output))?;
    Ok(Outcome::Done)
}

/// Every activation that a plan can name, with its criteria found out from its values.
pub(crate) fn activation_curves() -> Vec<ActivationCurve> {
    ActivationKind::ALL.into_iter().map(curve).collect()
}

fn curve(kind: ActivationKind) -> ActivationCurve {
    let activation = activation_of(kind, UnetPlan::LEAKY_SLOPE);
    let Criteria { is_differentiable, is_nonlinear, is_monotonic } = Criteria::of(activation);
    let at = |i: i32| {
        let x = REACH * f64::from(i) / f64::from(STEPS);
        [x, activation.value(x), activation.derivative(x)]
    };
    let plan_name = serde_json::to_value(kind).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default();
    ActivationCurve {
        name: kind.name().to_owned(),
        plan_name,
        formula: formula(kind).to_owned(),
        points: (-STEPS..=STEPS).map(at).collect(),
        is_differentiable,
        is_nonlinear,
        is_monotonic,
    }
}

fn formula(kind: ActivationKind) -> &'static str {
    match kind {
        ActivationKind::Relu => "max(x, 0)",
        ActivationKind::LeakyRelu => "x above 0, 0.01 x below",
        ActivationKind::Tanh => "tanh x",
        ActivationKind::Sigmoid => "1 / (1 + exp(-x))",
        ActivationKind::Softplus => "ln(1 + exp x)",
        ActivationKind::Elu => "x above 0, exp(x) - 1 below",
        ActivationKind::Gelu => "x Φ(x) with the normal distribution function Φ",
        ActivationKind::Silu => "x / (1 + exp(-x))",
        ActivationKind::Sine => "sin x",
    }
}

fn in_words(curves: &[ActivationCurve], file: &Path) -> String {
    let yes = |met: bool| if met { "yes" } else { "no" };
    let mut lines = vec![format!("{:<12} differentiable  non-linear  monotonic", "")];
    lines.extend(curves.iter().map(|curve| {
        let [differentiable, nonlinear, monotonic] = [curve.is_differentiable, curve.is_nonlinear, curve.is_monotonic].map(yes);
        format!("{:<12} {differentiable:<14}  {nonlinear:<10}  {monotonic}", curve.name)
    }));
    lines.push(format!("wrote {}", file.display()));
    lines.join("\n")
}
