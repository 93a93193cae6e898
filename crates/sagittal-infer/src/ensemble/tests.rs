#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use rand::SeedableRng;
use sagittal_data::{
    Fingerprint, Label, PlanOptions,
    fingerprint::{CaseFingerprint, Intensities},
    plan::LogitPrecision,
};
use sagittal_image::{Geometry, Rank, Reorientation};
use sagittal_tensor::{Tensor, TensorData};

/// A plan for small volumes with the labels 2 and 5.
pub(crate) fn plan() -> Plan {
    let shape = [16, 20, 24];
    let case = |id: &str| CaseFingerprint { id: id.into(), spacing_mm: Some([1.0; 3]), shape, shape_after_crop: shape };
    let fingerprint = Fingerprint {
        format_version: Fingerprint::FORMAT_VERSION,
        dataset: "test".into(),
        image_rank: Rank::Three,
        channels: vec!["MRI".into()],
        labels: [(0, "background"), (2, "two"), (5, "five")].map(|(value, name)| Label { value, name: name.into() }).into(),
        regions: Vec::new(),
        ignore_label: None,
        cases: vec![case("a"), case("b")],
        intensities: vec![Intensities::default()],
        labelled_box: None,
        median_relative_size_after_cropping: 1.0,
    };
    Plan::make(&fingerprint, &PlanOptions { base_features: Some(4), ..PlanOptions::default() }).unwrap()
}

/// A network that never says background.
fn network() -> Network {
    let (plan, device) = (plan(), Device::cpu());
    let mut network = Network::new(&plan.network, &mut rand_chacha::ChaCha8Rng::seed_from_u64(2), &device).unwrap();
    let mut n_heads = 0;
    for parameter in network.parameters_mut().iter_mut() {
        if parameter.name.starts_with("decoder.seg_layers") && parameter.name.ends_with(".bias") {
            parameter.value = Tensor::from_data(TensorData::new(vec![-1e6f32, 0.0, 0.0], [3]), device.plain());
            n_heads += 1;
        }
    }
    assert!(n_heads > 0, "the heads have another name now");
    network
}

fn ensemble() -> Ensemble {
    Ensemble::new(vec![network()], plan(), &Device::cpu())
}

#[test]
fn models_are_mirrored_only_as_all_of_them_were_trained() {
    let folder = tempfile::tempdir().unwrap();
    let ensemble = ensemble();
    let mut paths = Vec::new();
    for (name, axes) in [("a", vec![0, 1, 2]), ("b", vec![1, 2]), ("c", vec![0, 1])] {
        let mut plan = ensemble.plan().clone();
        plan.training.mirror_axes = axes;
        paths.push(folder.path().join(format!("{name}.safetensors")));
        ModelFile::write(paths.last().unwrap(), &network(), &serde_json::json!({ "plan": plan })).unwrap();
    }
    let together = Ensemble::load(&paths, &Device::cpu()).unwrap();
    assert_eq!((together.n_models(), &together.plan().training.mirror_axes[..]), (3, &[1][..]));
}

#[test]
fn a_network_that_never_saw_mirrored_patches_is_not_shown_mirrored_images() {
    let image = || {
        let geometry = Geometry::volume([8, 16, 16], [1.0; 3]);
        let voxels = (0..2048).map(|v| ((v * 31) % 97) as f32 + 1.0).collect();
        Image { channels: vec![Volume::new(geometry.shape, voxels)], geometry, header: Default::default() }
    };
    let probability = |change: fn(&mut Plan), mirror: bool| {
        let mut plan = plan();
        assert_eq!(plan.training.mirrored_axes(), [0, 1, 2]);
        change(&mut plan);
        let ensemble = Ensemble::new(vec![network()], plan, &Device::cpu());
        let options = PredictOptions { mirror, probabilities: true, ..PredictOptions::default() };
        let prediction = ensemble.predict("x", image(), options, &mut |_, _| ControlFlow::Continue(())).unwrap();
        prediction.probabilities.unwrap().class(1).unwrap()
    };
    let once = probability(|_| (), false);
    assert_ne!(probability(|_| (), true), once);
    assert_eq!(probability(|plan| plan.training.augmentation.enabled = false, true), once);
    assert_eq!(probability(|plan| plan.training.augmentation.mirror_probability = 0.0, true), once);
}

fn predict(channel: &Volume<f32>, geometry: &Geometry) -> Volume<u16> {
    let image = Image { channels: vec![channel.clone()], geometry: geometry.clone(), header: Default::default() };
    ensemble().predict("x", image, PredictOptions::default(), &mut |_, _| ControlFlow::Continue(())).unwrap().labels
}

#[test]
fn blocks_that_fit_the_memory_give_the_same_as_all_at_once() {
    let geometry = Geometry::volume([12, 30, 20], [2.0, 1.0, 1.3]);
    let channel = Volume::new(geometry.shape, (0..7200).map(|v| ((v * 31) % 97) as f32 + 1.0).collect());
    let image = Image { channels: vec![channel], geometry: geometry.clone(), header: Default::default() };
    let (ensemble, all) = (ensemble(), PredictOptions { probabilities: true, uncertainty: true, ..PredictOptions::default() });
    let whole = ensemble.cost(&geometry, all).unwrap();
    assert_eq!(whole.n_blocks, 1);
    let expected = ensemble.predict("x", image.clone(), all, &mut |_, _| ControlFlow::Continue(())).unwrap();
    let blocks = PredictOptions { memory_bytes: Some(whole.bytes - 1), ..all };
    let cost = ensemble.cost(&geometry, blocks).unwrap();
    assert!(cost.n_blocks > 1 && cost.bytes < whole.bytes, "{cost:?}, all at once {whole:?}");
    let (mut last, mut n_calls) = ((0, 1), 0);
    let found = ensemble.predict("x", image.clone(), blocks, &mut |done, total| {
        (last, n_calls) = ((done, total), n_calls + 1);
        ControlFlow::Continue(())
    });
    let found = found.unwrap();
    assert!(last.0 == last.1 && n_calls > 1, "{last:?}");
    assert_eq!(found.labels, expected.labels);
    for class in 0..3 {
        let [a, b] = [&found, &expected].map(|of| of.probabilities.as_ref().unwrap().class(class).unwrap());
        assert!(a.voxels().iter().zip(b.voxels()).all(|(a, b)| (a - b).abs() < 1e-5));
    }
    let nothing = PredictOptions { memory_bytes: Some(1), ..all };
    assert!(matches!(ensemble.predict("x", image, nothing, &mut |_, _| ControlFlow::Continue(())), Err(InferError::Memory { .. })));
}

#[test]
fn every_sample_of_dropout_has_sums_of_its_own_in_float16() {
    let bytes = |logits, n: usize| {
        let ensemble = Ensemble::new(vec![network()], Plan { logits, ..plan() }, &Device::cpu());
        let dropout = NonZeroUsize::new(n).map(|n| DropoutSamples { n, seed: Seed(0) });
        ensemble.cost(&Geometry::volume([16, 20, 24], [1.0; 3]), PredictOptions { dropout, ..PredictOptions::default() }).unwrap().bytes
    };
    let half = [1, 2, 3].map(|n| bytes(LogitPrecision::Half, n));
    assert_eq!(bytes(LogitPrecision::Half, 0), half[0]);
    // Two bytes for each of three classes at each voxel are the least that a sample can take.
    assert!(half[1] - half[0] >= 2 * 3 * 16 * 20 * 24 && half[2] - half[1] == half[1] - half[0], "{half:?}");
    assert_eq!(bytes(LogitPrecision::Single, 3), bytes(LogitPrecision::Single, 1));
}

#[test]
fn labels_lie_where_the_image_does_whatever_its_orientation() {
    // Slices of 2 mm, resampled to 1 mm; a frame of zeros, different on every side, is cut off and comes back as background.
    let upright = Geometry::volume([10, 16, 20], [2.0, 1.0, 1.0]);
    let inside = |[z, y, x]: [usize; 3]| (1..8).contains(&z) && (2..15).contains(&y) && (3..16).contains(&x);
    let positions: Vec<[usize; 3]> = (0..10 * 16 * 20).map(|v| [v / 320, v / 20 % 16, v % 20]).collect();
    let voxels = positions.iter().map(|&at| if inside(at) { 1.0 + (at[0] * 31 + at[1] * 17 + at[2] * 7) as f32 % 13.0 } else { 0.0 });
    let channel = Volume::new(upright.shape, voxels.collect());
    let labels = predict(&channel, &upright);
    assert_eq!(labels.shape(), upright.shape);
    for (&at, &label) in positions.iter().zip(labels.voxels()) {
        assert!(if inside(at) { label == 2 || label == 5 } else { label == 0 }, "{label} at {at:?}");
    }
    for direction in [
        [[0.0, 0.0, -1.0], [0.0, -1.0, 0.0], [-1.0, 0.0, 0.0]],
        [[-1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]],
        [[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]],
    ] {
        // The same voxels of the world, stored along other axes.
        let world_axis = direction.map(|along: [f64; 3]| along.iter().position(|component| *component != 0.0).unwrap());
        let of_upright = |axis: usize| 2 - world_axis[axis];
        let geometry = Geometry {
            shape: std::array::from_fn(|axis| upright.shape[of_upright(axis)]),
            spacing_mm: upright.spacing_mm.map(|mm| std::array::from_fn(|axis| mm[of_upright(axis)])),
            direction,
            ..upright.clone()
        };
        let turn = Reorientation::of(&geometry);
        let turned = turn.to_original(&channel);
        assert_eq!(turned.shape(), geometry.shape);
        assert_eq!(predict(&turned, &geometry), turn.to_original(&labels), "{direction:?}");
    }
}
