//! A model folder that nnU-Net v2 itself loads and predicts with.

use super::nonlinearity;
use crate::{
    ExchangeError,
    checkpoint::{StorageToWrite, write},
    pickle::Item,
};
use sagittal_data::{
    Plan,
    plan::{NetworkPlan, Normalization, OrientationRule, UnetPlan},
};
use sagittal_image::Rank;
use sagittal_nets::{Network, write_whole};
use serde_json::{Map, Value, json};
use std::{collections::HashSet, path::Path};

/// Writes `plans.json`, `dataset.json` and `fold_FOLD/checkpoint_final.pth` into `folder`.
///
/// Pickles that are written hold arrays and plain data only. Post-processing is not written: nnU-Net reads it from a pickle of
/// functions.
///
/// # Errors
/// [`ExchangeError::Unsupported`] if nnU-Net has no such model; [`ExchangeError::File`] if a file cannot be written.
///
/// # Panics
/// If a network is not the one of the plan.
pub fn export(plan: &Plan, folds: &[(String, Network)], folder: &Path) -> Result<(), ExchangeError> {
    let place = folder.display().to_string();
    let Some(unet) = plan.network.unet() else {
        return Err(ExchangeError::Unsupported {
            place,
            field: "its network".into(),
            found: plan.network.kind().into(),
            supported: "U-Nets; nnU-Net has no others",
        });
    };
    let dataset = dataset(plan, &place)?;
    let configuration = configuration_name(plan);
    let plans = plans(plan, unet, &configuration, nonlinearity::written(unet, &place)?);
    let failed = |path: &Path| {
        let place = path.display().to_string();
        move |source| ExchangeError::File { act: "write", place, source }
    };
    for (fold, network) in folds {
        let fold_folder = folder.join(format!("fold_{fold}"));
        std::fs::create_dir_all(&fold_folder).map_err(failed(&fold_folder))?;
        let path = fold_folder.join("checkpoint_final.pth");
        let (data, storages) = checkpoint(plan, unet, network, fold, &configuration, &plans, &dataset);
        let bytes = write("checkpoint_final", &data, &storages).map_err(failed(&path))?;
        write_whole(&path, &bytes).map_err(failed(&path))?;
    }
    for (name, json) in [("plans.json", &plans), ("dataset.json", &dataset)] {
        let path = folder.join(name);
        let text = serde_json::to_string_pretty(json).expect("JSON is plain data") + "\n";
        write_whole(&path, text.as_bytes()).map_err(failed(&path))?;
    }
    Ok(())
}

/// nnU-Net's name for such a network.
fn configuration_name(plan: &Plan) -> String {
    match (plan.network_rank(), &plan.previous_stage) {
        (_, Some(_)) => "3d_cascade_fullres".to_owned(),
        (Rank::Two, None) => "2d".to_owned(),
        (Rank::Three, None) => "3d_fullres".to_owned(),
    }
}

fn dataset(plan: &Plan, place: &str) -> Result<Value, ExchangeError> {
    let unsupported = |field: &str, found: String, supported| ExchangeError::Unsupported {
        place: place.to_owned(),
        field: field.to_owned(),
        found,
        supported,
    };
    let values: Vec<u16> = plan.labels.iter().map(|label| label.value).collect();
    let mut labels = Map::from_iter([("background".to_owned(), json!(0))]);
    let mut order = None;
    if plan.regions.is_empty() {
        if values.iter().enumerate().any(|(class, value)| usize::from(*value) != class) {
            let supported = "0, 1, 2 and so on without gaps: nnU-Net writes the number of the network's output";
            return Err(unsupported("its list of labels", format!("{values:?}"), supported));
        }
        labels.extend(plan.labels[1..].iter().map(|label| (label.name.clone(), json!(label.value))));
    } else {
        if plan.regions.iter().all(|region| region.values.len() == 1) {
            let supported =
                "regions of which one at least has several labels: otherwise nnU-Net takes them for labels that exclude each other";
            return Err(unsupported("its list of regions", format!("{} regions of one label", plan.regions.len()), supported));
        }
        let value = |values: &[u16]| if let [value] = values { json!(value) } else { json!(values) };
        labels.extend(plan.regions.iter().map(|region| (region.name.clone(), value(&region.values))));
        order = Some(plan.regions.iter().map(|region| region.painted).collect::<Vec<_>>());
    }
    let expected = 1 + if plan.regions.is_empty() { plan.labels.len() - 1 } else { plan.regions.len() };
    if labels.len() != expected || labels.contains_key("ignore") {
        let names: HashSet<&String> = labels.keys().collect();
        return Err(unsupported("its names of labels", format!("{names:?}"), "different names, none of them \"ignore\" or \"background\""));
    }
    if let Some(ignored) = plan.ignore_label {
        labels.insert("ignore".to_owned(), json!(ignored));
    }
    let channels: Map<String, Value> = plan.channels.iter().enumerate().map(|(i, channel)| (i.to_string(), json!(channel.name))).collect();
    let mut dataset = json!({
        "channel_names": channels,
        "labels": labels,
        "numTraining": 0,
        "file_ending": if is_picture(plan) { ".png" } else { ".nii.gz" },
    });
    if let Some(order) = order {
        dataset["regions_class_order"] = json!(order);
    }
    Ok(dataset)
}

/// Whether the images are pictures without physical size.
fn is_picture(plan: &Plan) -> bool {
    plan.spacing_mm.is_none()
}

fn plans(plan: &Plan, unet: &UnetPlan, configuration: &str, nonlin: (String, Value)) -> Value {
    let axes = if plan.network_rank() == Rank::Two { 1 } else { 0 };
    let per_stage = |sizes: &[[usize; 3]]| sizes.iter().map(|size| json!(size[axes..])).collect::<Vec<_>>();
    // nnU-Net gives pictures a distance of slices, so that no rule takes their one slice for a volume.
    let spacing = plan.spacing_mm.unwrap_or([999.0, 1.0, 1.0]);
    let spacing = if plan.image_rank == Rank::Two { [999.0 * spacing[1].max(spacing[2]), spacing[1], spacing[2]] } else { spacing };
    let reader = match (is_picture(plan), plan.orientation, plan.image_rank) {
        (true, ..) => "NaturalImage2DIO",
        (_, OrientationRule::Canonical, Rank::Three) => "NibabelIOWithReorient",
        _ => "SimpleITKIO",
    };
    let mut backward = [0; 3];
    for (place, axis) in plan.axis_order.into_iter().enumerate() {
        backward[axis] = place;
    }
    let intensities: Map<String, Value> =
        plan.channels.iter().enumerate().map(|(i, channel)| (i.to_string(), intensities(&channel.normalization))).collect();
    let resampling = |is_seg: bool, order: u8| json!({ "is_seg": is_seg, "order": order, "order_z": 0, "force_separate_z": null });
    const RESAMPLE: &str = "resample_data_or_seg_to_shape";
    let mut described = json!({
        "data_identifier": format!("sagittal_{configuration}"),
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": plan.batch_size,
        "patch_size": plan.patch[axes..],
        "median_image_size_in_voxels": plan.median_shape[axes..],
        "spacing": spacing[axes..],
        "normalization_schemes": plan.channels.iter().map(|channel| scheme(&channel.normalization)).collect::<Vec<_>>(),
        "use_mask_for_norm": plan.channels.iter().map(|channel| channel.normalization == Normalization::Zscore { masked: true }).collect::<Vec<_>>(),
        "resampling_fn_data": RESAMPLE,
        "resampling_fn_data_kwargs": resampling(false, 3),
        "resampling_fn_seg": RESAMPLE,
        "resampling_fn_seg_kwargs": resampling(true, 1),
        "resampling_fn_probabilities": RESAMPLE,
        "resampling_fn_probabilities_kwargs": resampling(false, 1),
        "architecture": architecture(plan, unet, [per_stage(&unet.kernels), per_stage(&unet.strides)], nonlin),
        "batch_dice": false,
    });
    if let Some(stage) = &plan.previous_stage {
        described["previous_stage"] = json!(stage);
    }
    json!({
        "dataset_name": plan.dataset,
        "plans_name": "nnUNetPlans",
        "original_median_spacing_after_transp": spacing,
        "original_median_shape_after_transp": plan.median_shape,
        "image_reader_writer": reader,
        "transpose_forward": plan.axis_order,
        "transpose_backward": backward,
        "configurations": { configuration: described },
        "experiment_planner_used": "sagittal",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": intensities,
    })
}

fn architecture(plan: &Plan, unet: &UnetPlan, [kernels, strides]: [Vec<Value>; 2], (nonlin, nonlin_kwargs): (String, Value)) -> Value {
    let rank = if plan.network_rank() == Rank::Two { 2 } else { 3 };
    let (class, blocks) = match plan.network {
        NetworkPlan::ResidualUnet(_) => ("ResidualEncoderUNet", "n_blocks_per_stage"),
        _ => ("PlainConvUNet", "n_conv_per_stage"),
    };
    json!({
        "network_class_name": format!("dynamic_network_architectures.architectures.unet.{class}"),
        "arch_kwargs": {
            "n_stages": unet.n_stages(),
            "features_per_stage": unet.features,
            "conv_op": format!("torch.nn.modules.conv.Conv{rank}d"),
            "kernel_sizes": kernels,
            "strides": strides,
            blocks: unet.encoder_convs,
            "n_conv_per_stage_decoder": unet.decoder_convs,
            "conv_bias": unet.conv_bias,
            "norm_op": format!("torch.nn.modules.instancenorm.InstanceNorm{rank}d"),
            "norm_op_kwargs": { "eps": unet.norm_epsilon, "affine": true },
            // Without effect in prediction; nnU-Net's own place for it is another, before the norm.
            "dropout_op": null,
            "dropout_op_kwargs": null,
            "nonlin": nonlin,
            "nonlin_kwargs": nonlin_kwargs,
        },
        "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
    })
}

fn scheme(normalization: &Normalization) -> &'static str {
    match normalization {
        Normalization::Zscore { .. } => "ZScoreNormalization",
        Normalization::Ct { .. } => "CTNormalization",
        Normalization::Rgb => "RGBTo01Normalization",
        Normalization::MinMax => "RescaleTo01Normalization",
        Normalization::None => "NoNormalization",
    }
}

/// nnU-Net looks these up for every channel and uses them for computed tomography.
fn intensities(normalization: &Normalization) -> Value {
    let (mean, std, low, high) = match *normalization {
        Normalization::Ct { mean, std, low, high } => (mean, std, low, high),
        _ => (0.0, 1.0, 0.0, 0.0),
    };
    json!({ "mean": mean, "median": mean, "std": std, "min": low, "max": high, "percentile_00_5": low, "percentile_99_5": high })
}

fn checkpoint(
    plan: &Plan,
    unet: &UnetPlan,
    network: &Network,
    fold: &str,
    configuration: &str,
    plans: &Value,
    dataset: &Value,
) -> (Item, Vec<StorageToWrite>) {
    let flat = plan.network_rank() == Rank::Two;
    let (mut weights, mut storages) = (Vec::new(), Vec::new());
    let mut add = |name: &str, shape: &[usize], numbers: Vec<f32>| {
        let key = storages.len().to_string();
        let mut shape = shape.to_vec();
        if flat && shape.len() == 5 {
            shape.remove(2);
        }
        for name in names_of(name) {
            weights.push((name, Item::Tensor { key: key.clone(), shape: shape.clone() }));
        }
        storages.push(StorageToWrite { key, numbers });
    };
    let mut heads = HashSet::new();
    for parameter in network.parameters().iter() {
        heads.insert(parameter.name.clone());
        add(&parameter.name, &parameter.shape, parameter.value.clone().into_data().iter::<f32>().collect());
    }
    // nnU-Net always has the heads of deep supervision, whether it uses them or not.
    for (step, features) in unet.features[..unet.features.len() - 1].iter().rev().enumerate() {
        let name = format!("decoder.seg_layers.{step}");
        if !heads.contains(&format!("{name}.weight")) {
            add(&format!("{name}.weight"), &[unet.classes, *features, 1, 1, 1], vec![0.0; unet.classes * features]);
            add(&format!("{name}.bias"), &[unet.classes], vec![0.0; unet.classes]);
        }
    }
    let axes: Vec<Item> = plan.training.mirrored_axes().iter().map(|axis| Item::Int((*axis - usize::from(flat)) as i64)).collect();
    let fold = fold.parse().map_or_else(|_| Item::Text(fold.to_owned()), Item::Int);
    let text = |text: &str| Item::Text(text.to_owned());
    let arguments = vec![
        ("plans".to_owned(), Item::from(plans)),
        ("configuration".to_owned(), text(configuration)),
        ("fold".to_owned(), fold),
        ("dataset_json".to_owned(), Item::from(dataset)),
    ];
    let data = Item::Dict(vec![
        ("network_weights".to_owned(), Item::Dict(weights)),
        ("current_epoch".to_owned(), Item::Int(0)),
        ("init_args".to_owned(), Item::Dict(arguments)),
        ("trainer_name".to_owned(), text("nnUNetTrainer")),
        ("inference_allowed_mirroring_axes".to_owned(), if axes.is_empty() { Item::None } else { Item::Tuple(axes) }),
    ]);
    (data, storages)
}

/// All names under which nnU-Net's modules list a parameter.
fn names_of(name: &str) -> Vec<String> {
    let mut names = vec![name.to_owned()];
    for (part, place) in [(".conv.", ".all_modules.0."), (".norm.", ".all_modules.1.")] {
        if let Some((before, after)) = name.rsplit_once(part) {
            names.push(format!("{before}{place}{after}"));
        }
    }
    if name.starts_with("encoder.") {
        let again: Vec<String> = names.iter().map(|name| format!("decoder.{name}")).collect();
        names.extend(again);
    }
    names
}
