//! Whole images by voxel classifiers: however they are cut, every voxel of the region gets what its own surroundings say.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use sagittal_data::{
    Fingerprint, Label, Plan, PlanOptions, Seed,
    fingerprint::{CaseFingerprint, Intensities},
    plan::{NetworkPlan, PatchPlan, PatchView, RegionOfInterest},
    planner::NetName,
};
use sagittal_image::{Geometry, Image, LabelMap, Rank, Volume, io::SourceHeader};
use sagittal_infer::{Ensemble, InferError, PredictOptions};
use sagittal_nets::{Network, Outputs};
use sagittal_tensor::{Device, Tensor, TensorData};
use std::ops::ControlFlow;

const SHAPE: [usize; 3] = [9, 14, 17];

fn plan(view: PatchView, region: Option<RegionOfInterest>) -> Plan {
    let fingerprint = Fingerprint {
        format_version: Fingerprint::FORMAT_VERSION,
        dataset: "test".into(),
        image_rank: Rank::Three,
        channels: vec!["noNorm".into()],
        labels: [(0, "background"), (2, "two"), (5, "five")].map(|(value, name)| Label { value, name: name.into() }).into(),
        regions: Vec::new(),
        ignore_label: None,
        cases: vec![CaseFingerprint { id: "a".into(), spacing_mm: Some([1.0; 3]), shape: SHAPE, shape_after_crop: SHAPE }],
        intensities: vec![Intensities::default()],
        labelled_box: None,
        median_relative_size_after_cropping: 1.0,
    };
    let mut plan = Plan::make(&fingerprint, &PlanOptions { net: NetName::Patch(view), ..PlanOptions::default() }).unwrap();
    plan.network =
        NetworkPlan::Patch(PatchPlan { side: 8, kernel: 3, filters: vec![3, 4], dense: vec![12], ..PatchPlan::thesis(view, 1, 3) });
    plan.region_of_interest = region;
    plan.validate().unwrap();
    plan
}

fn network(plan: &Plan) -> Network {
    Network::new(&plan.network, &mut Seed(3).stream(&[]), &Device::cpu()).unwrap()
}

/// Nowhere 0, so that nothing is cut off.
fn image() -> Image {
    image_of(SHAPE)
}

fn image_of(shape: [usize; 3]) -> Image {
    let n = shape.iter().product::<usize>();
    let voxels = (0..n).map(|i| 0.25 + ((i as f64 * 0.618_033_988_749_895).fract() as f32 - 0.5) * 4.0).collect();
    Image { channels: vec![Volume::new(shape, voxels)], geometry: Geometry::volume(shape, [1.0; 3]), header: SourceHeader::default() }
}

/// The label of one voxel, from its surroundings with zeros beyond the image.
fn label_of(network: &Network, plan: &Plan, image: &Image, at: [usize; 3]) -> u16 {
    let context = plan.network.context();
    let size = plan.input_size();
    let voxel = |i: usize| {
        let here = [i / (size[1] * size[2]), i / size[2] % size[1], i % size[2]];
        let along = |axis: usize| (at[axis] + here[axis]).checked_sub(context[axis][0]).filter(|place| *place < SHAPE[axis]);
        match [along(0), along(1), along(2)] {
            [Some(z), Some(y), Some(x)] => *image.channels[0].at([z, y, x]),
            _ => 0.0,
        }
    };
    let seen: Vec<f32> = (0..size.iter().product()).map(voxel).collect();
    let seen = Tensor::<5>::from_data(TensorData::new(seen, [1, size[0], size[1], size[2], 1]), Device::cpu().plain());
    let logits = network.forward(seen, Outputs::Finest).swap_remove(0).into_data().try_to_vec::<f32>().unwrap();
    let best = (0..3).fold(0, |best, class| if logits[class] > logits[best] { class } else { best });
    plan.labels[best].value
}

fn predict(plan: &Plan, region: Option<&LabelMap>, memory_bytes: Option<u64>) -> Result<Volume<u16>, InferError> {
    predict_image(plan, image(), region, memory_bytes)
}

fn predict_image(plan: &Plan, image: Image, region: Option<&LabelMap>, memory_bytes: Option<u64>) -> Result<Volume<u16>, InferError> {
    let ensemble = Ensemble::new(vec![network(plan)], plan.clone(), &Device::cpu());
    let options = PredictOptions { memory_bytes, ..PredictOptions::default() };
    ensemble.predict_in("x", image, region, options, &mut |_, _| ControlFlow::Continue(())).map(|prediction| prediction.labels)
}

/// Compares the voxels inside with their own surroundings; all others are background.
fn check(plan: &Plan, found: &Volume<u16>, is_inside: impl Fn([usize; 3]) -> bool, what: &str) {
    let (network, image) = (network(plan), image());
    let mut n_foreground = 0;
    for (i, &label) in found.voxels().iter().enumerate() {
        let at = [i / (SHAPE[1] * SHAPE[2]), i / SHAPE[2] % SHAPE[1], i % SHAPE[2]];
        let expected = if is_inside(at) { label_of(&network, plan, &image, at) } else { 0 };
        assert_eq!(label, expected, "{what}: voxel {at:?}");
        n_foreground += usize::from(label != 0);
    }
    assert!(n_foreground > 50, "{what}: {n_foreground} voxels with a label say little");
}

#[test]
fn every_view_labels_whole_images_up_to_their_borders() {
    for view in [PatchView::Slice, PatchView::Stacked, PatchView::Triplanar, PatchView::Volume] {
        let plan = plan(view, None);
        check(&plan, &predict(&plan, None, None).unwrap(), |_| true, &format!("{view:?}"));
    }
}

#[test]
fn only_the_region_is_labelled() {
    let bounds = [[0.2, 0.7], [0.3, 1.0], [0.0, 0.5]];
    let middle = |i: usize, axis: usize| (i as f64 + 0.5) / SHAPE[axis] as f64;
    let is_boxed = |at: [usize; 3]| (0..3).all(|axis| (bounds[axis][0]..bounds[axis][1]).contains(&middle(at[axis], axis)));
    let boxed = plan(PatchView::Slice, Some(RegionOfInterest::Box(bounds)));
    check(&boxed, &predict(&boxed, None, None).unwrap(), is_boxed, "a box");
    let is_masked = |[z, y, x]: [usize; 3]| (2..8).contains(&z) && (y + x) % 23 > 4;
    let voxels = (0..SHAPE.iter().product::<usize>()).map(|i| [i / (SHAPE[1] * SHAPE[2]), i / SHAPE[2] % SHAPE[1], i % SHAPE[2]]);
    let labels = Volume::new(SHAPE, voxels.map(|at| 255 * u16::from(is_masked(at))).collect());
    let mask = LabelMap { labels, geometry: Geometry::volume(SHAPE, [1.0; 3]), header: SourceHeader::default() };
    let masked = plan(PatchView::Stacked, Some(RegionOfInterest::Masks));
    check(&masked, &predict(&masked, Some(&mask), None).unwrap(), is_masked, "a mask");
    let message = predict(&masked, None, None).unwrap_err().to_string();
    assert!(message.contains("has none") && message.contains("--roi"), "{message}");
}

#[test]
fn little_memory_makes_smaller_tiles_and_blocks_of_rows_and_the_same_labels() {
    for view in [PatchView::Slice, PatchView::Volume] {
        // So large that its numbers count beside those of a tile.
        let (plan, shape) = (plan(view, None), [8, 900, 20]);
        let all = predict_image(&plan, image_of(shape), None, None).unwrap();
        let ensemble = Ensemble::new(vec![network(&plan)], plan.clone(), &Device::cpu());
        let grid = Geometry::volume(shape, [1.0; 3]);
        let cost = |memory_bytes| ensemble.cost(&grid, PredictOptions { memory_bytes, ..PredictOptions::default() });
        let most = cost(None).unwrap().bytes;
        // The least that still fits, in steps of a thousandth.
        let less = (1..1000).rev().map(|part| most / 1000 * part).take_while(|bytes| cost(Some(*bytes)).is_ok()).last().unwrap();
        let within = cost(Some(less)).unwrap();
        assert!(within.bytes <= less && less < most && within.n_blocks > 1, "{view:?}: {within:?} of {most}");
        assert!(
            predict_image(&plan, image_of(shape), None, Some(less)).unwrap() == all,
            "{view:?}: other labels in {} blocks",
            within.n_blocks
        );
        assert!(matches!(predict_image(&plan, image_of(shape), None, Some(1 << 20)), Err(InferError::Memory { .. })));
    }
}
