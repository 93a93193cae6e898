//! `plans.json`: a configuration, taken over as a plan.

use super::{architecture, dataset, field::Field};
use crate::ExchangeError;
use sagittal_data::{
    Plan,
    plan::{
        AugmentationPlan, Channel, Estimate, KeepParts, LogitPrecision, LossKind, Normalization, OptimizerKind, OrientationRule,
        RateSchedule, TrainingPlan,
    },
};
use sagittal_image::Rank;
use serde_json::{Map, Value};

/// Configurations that inherit from each other, at most so many deep.
const DEEPEST: usize = 8;

/// What a plan is made of besides `plans.json` and `dataset.json`.
#[derive(Clone, Debug)]
pub(super) struct Extras {
    pub(super) configuration: String,
    /// nnU-Net's spatial axes of the network, 0 first.
    pub(super) mirror_axes: Vec<usize>,
    pub(super) postprocessing: Vec<KeepParts>,
    pub(super) logits: LogitPrecision,
}

/// The plan by which a model was trained.
pub(super) fn plan(plans: &Field<'_>, dataset: &Field<'_>, extras: Extras) -> Result<Plan, ExchangeError> {
    let merged = Value::Object(resolved(plans, &extras.configuration)?);
    let configuration = Field { value: &merged, path: format!("configurations.{}", extras.configuration), place: plans.place };
    refuse_unknown(plans, &configuration)?;
    let reader = reader(plans)?;

    let patch = configuration.need("patch_size")?;
    let network_rank = patch.elements()?.len();
    let patch = patch.axes(network_rank)?;
    let image_spacing = three(&plans.need("original_median_spacing_after_transp")?)?;
    let image_shape = plans.need("original_median_shape_after_transp")?;
    let [slices, ..] = three(&image_shape)?;
    // ITK's 2-D images get 999 times their own spacing between slices (nnU-Net's SimpleITKIO).
    let is_flat = slices == 1.0 && image_spacing[0] > 900.0 * image_spacing[1].max(image_spacing[2]);
    let image_rank = if reader == Reader::Pictures || is_flat { Rank::Two } else { Rank::Three };
    let spacing = configuration.need("spacing")?;
    let spacing_mm = match (reader, &spacing.numbers()?[..], image_rank) {
        (Reader::Pictures, _, _) => None,
        (_, [y, x], Rank::Two) => Some([1.0, *y, *x]),
        (_, [y, x], Rank::Three) => Some([image_spacing[0], *y, *x]),
        (_, [z, y, x], _) => Some([*z, *y, *x]),
        _ => return Err(spacing.wrong("two or three lengths")),
    };
    let median = configuration.need("median_image_size_in_voxels")?;
    let median_shape = match median.counts()?[..] {
        [y, x] => [if image_rank == Rank::Two { 1 } else { slices.round_ties_even() as usize }, y, x],
        [z, y, x] => [z, y, x],
        _ => return Err(median.wrong("two or three sizes")),
    };
    let order = plans.need("transpose_forward")?;
    let axis_order = order.counts()?.try_into().map_err(|_| order.wrong("an order of three axes"))?;

    let names = dataset::channels(dataset)?;
    let channels = channels(plans, &configuration, &names)?;
    let labels = dataset::labels(dataset)?;
    let previous_stage = configuration.get("previous_stage").map(|field| field.text()).transpose()?.map(str::to_owned);
    let shown_labels = if previous_stage.is_some() { labels.labels.len() - 1 } else { 0 };
    let classes = if labels.regions.is_empty() { labels.labels.len() } else { labels.regions.len() };
    let network = architecture::network(&configuration, network_rank, channels.len() + shown_labels, classes)?;

    let plan = Plan {
        format_version: Plan::FORMAT_VERSION,
        dataset: plans.need("dataset_name")?.text()?.to_owned(),
        image_rank,
        orientation: if reader == Reader::Reoriented { OrientationRule::Canonical } else { OrientationRule::File },
        axis_order,
        channels,
        labels: labels.labels,
        regions: labels.regions,
        ignore_label: labels.ignore_label,
        previous_stage,
        spacing_mm,
        median_shape: median_shape.map(|size| size.max(1)),
        patch,
        batch_size: configuration.need("batch_size")?.count()?.max(1),
        training: training(patch, extras.mirror_axes.iter().map(|axis| axis + 3 - network_rank).collect()),
        network,
        region_of_interest: None,
        logits: extras.logits,
        postprocessing: extras.postprocessing,
        estimate: Estimate::default(),
    };
    plan.validate().map_err(|source| ExchangeError::Plan { place: plans.place.to_owned(), source: Box::new(source) })?;
    Ok(plan)
}

/// How nnU-Net read the images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    /// In the file's own orientation.
    AsStored,
    /// Turned to right, anterior, superior.
    Reoriented,
    /// Pictures without physical size.
    Pictures,
}

fn reader(plans: &Field<'_>) -> Result<Reader, ExchangeError> {
    let field = plans.need("image_reader_writer")?;
    match field.text()? {
        "SimpleITKIO" | "NibabelIO" => Ok(Reader::AsStored),
        "SimpleITKIOWithReorient" | "NibabelIOWithReorient" => Ok(Reader::Reoriented),
        "NaturalImage2DIO" => Ok(Reader::Pictures),
        _ => Err(field.unsupported("SimpleITKIO, NibabelIO, SimpleITKIOWithReorient, NibabelIOWithReorient, NaturalImage2DIO")),
    }
}

/// A configuration with what it inherits.
fn resolved(plans: &Field<'_>, name: &str) -> Result<Map<String, Value>, ExchangeError> {
    let all = plans.need("configurations")?;
    let mut chain = Vec::new();
    let mut next = Some(name.to_owned());
    while let Some(name) = next {
        let names = || all.value.as_object().map(|map| map.keys().cloned().collect::<Vec<_>>().join(", ")).unwrap_or_default();
        let configuration = all.get(&name).ok_or_else(|| {
            let finding = format!("there is no configuration {name} among {}", names());
            ExchangeError::malformed(plans.place, finding, "copy plans.json again from the trained model")
        })?;
        let entries = configuration.value.as_object().ok_or_else(|| configuration.wrong("an object"))?;
        if chain.len() == DEEPEST {
            return Err(configuration.wrong("configurations that do not inherit from themselves"));
        }
        chain.push(entries);
        next = configuration.get("inherits_from").map(|field| field.text()).transpose()?.map(str::to_owned);
    }
    let mut merged = Map::new();
    for entries in chain.into_iter().rev() {
        merged.extend(entries.iter().map(|(key, value)| (key.clone(), value.clone())));
    }
    Ok(merged)
}

/// Refuses what would give other labels than nnU-Net's.
fn refuse_unknown(plans: &Field<'_>, configuration: &Field<'_>) -> Result<(), ExchangeError> {
    if let Some(manager) = plans.get("label_manager")
        && manager.text()? != "LabelManager"
    {
        return Err(manager.unsupported("LabelManager"));
    }
    let preprocessor = configuration.need("preprocessor_name")?;
    if preprocessor.text()? != "DefaultPreprocessor" {
        return Err(preprocessor.unsupported("DefaultPreprocessor"));
    }
    // Labels are resampled in prediction only where a cascade's second stage sees those of the first.
    let of_labels = configuration.get("previous_stage").map(|_| ("seg", 1.0, true));
    for (of, order, is_seg) in [("data", 3.0, false), ("probabilities", 1.0, false)].into_iter().chain(of_labels) {
        let function = configuration.need(&format!("resampling_fn_{of}"))?;
        if function.text()? != "resample_data_or_seg_to_shape" {
            return Err(function.unsupported("resample_data_or_seg_to_shape"));
        }
        for (key, value) in configuration.need(&format!("resampling_fn_{of}_kwargs"))?.entries()? {
            let (fine, supported) = match key {
                "is_seg" => (value.flag()? == is_seg, if is_seg { "true" } else { "false" }),
                "order" => (value.number()? == order, if order == 3.0 { "3" } else { "1" }),
                "order_z" => (value.number()? == 0.0, "0"),
                "separate_z_anisotropy_threshold" => (value.number()? == 3.0, "3"),
                "force_separate_z" => (value.value.is_null(), "null"),
                _ => (false, "no such argument"),
            };
            if !fine {
                return Err(value.unsupported(supported));
            }
        }
    }
    Ok(())
}

fn channels(plans: &Field<'_>, configuration: &Field<'_>, names: &[String]) -> Result<Vec<Channel>, ExchangeError> {
    let schemes = configuration.need("normalization_schemes")?;
    let masks = configuration.need("use_mask_for_norm")?;
    let (scheme_of, mask_of) = (schemes.elements()?, masks.elements()?);
    if scheme_of.len() != names.len() || mask_of.len() != names.len() {
        return Err(schemes.wrong(&format!("{} entries, one per channel", names.len())));
    }
    let mut channels = Vec::with_capacity(names.len());
    for (index, name) in names.iter().enumerate() {
        let scheme = &scheme_of[index];
        let normalization = match scheme.text()? {
            "ZScoreNormalization" => Normalization::Zscore { masked: mask_of[index].flag()? },
            "CTNormalization" => ct(plans, index)?,
            "NoNormalization" => Normalization::None,
            "RescaleTo01Normalization" => Normalization::MinMax,
            "RGBTo01Normalization" => Normalization::Rgb,
            _ => {
                return Err(scheme
                    .unsupported("ZScoreNormalization, CTNormalization, NoNormalization, RescaleTo01Normalization, RGBTo01Normalization"));
            }
        };
        channels.push(Channel { name: name.clone(), normalization });
    }
    Ok(channels)
}

fn ct(plans: &Field<'_>, channel: usize) -> Result<Normalization, ExchangeError> {
    let new = plans.get("foreground_intensity_properties_per_channel");
    let all = new.map_or_else(|| plans.need("foreground_intensity_properties_by_modality"), Ok)?;
    let of_channel = all.need(&channel.to_string())?;
    let number = |key: &str| of_channel.need(key)?.number();
    Ok(Normalization::Ct { mean: number("mean")?, std: number("std")?, low: number("percentile_00_5")?, high: number("percentile_99_5")? })
}

fn three(field: &Field<'_>) -> Result<[f64; 3], ExchangeError> {
    field.numbers()?.try_into().map_err(|_| field.wrong("three numbers"))
}

/// nnU-Net's trainer (Isensee et al. 2021), for whoever trains the model further.
fn training(patch: [usize; 3], mirror_axes: Vec<usize>) -> TrainingPlan {
    TrainingPlan {
        optimizer: OptimizerKind::Sgd,
        learning_rate: 0.01,
        schedule: RateSchedule::Polynomial,
        momentum: 0.99,
        nesterov: true,
        weight_decay: 3e-5,
        gradient_clip: 12.0,
        iterations_per_epoch: 250,
        validation_iterations: 50,
        epochs: 1000,
        time_s: None,
        foreground_fraction: 0.33,
        mirror_axes,
        batch_dice: None,
        loss: LossKind::DiceCrossEntropy,
        ema_decay: None,
        correct_frequencies: true,
        full_batch: None,
        distillation: None,
        pretraining: None,
        augmentation: AugmentationPlan::nnunet(patch),
    }
}
