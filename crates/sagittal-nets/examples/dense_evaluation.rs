//! How long a voxel classifier of the thesis takes for a region: all voxels at once, and one by one in batches.
//! `cargo run --release -p sagittal-nets --example dense_evaluation -- 2d|stacked2d|triplanar|3d Z Y X`

use sagittal_data::{
    Seed,
    plan::{NetworkPlan, PatchPlan, PatchView},
};
use sagittal_nets::{Network, Outputs};
use sagittal_tensor::{Device, Tensor, TensorData};
use std::time::Instant;

/// Voxels of a batch where they are worked out one by one.
const BATCH: usize = 128;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let usage = "usage: dense_evaluation 2d|stacked2d|triplanar|3d Z Y X";
    let [view, size @ ..] = &arguments[..] else { return Err(usage.into()) };
    let [z, y, x] = size.iter().map(|text| text.parse()).collect::<Result<Vec<usize>, _>>()?[..] else { return Err(usage.into()) };
    let view = match &view[..] {
        "2d" => PatchView::Slice,
        "stacked2d" => PatchView::Stacked,
        "triplanar" => PatchView::Triplanar,
        "3d" => PatchView::Volume,
        _ => return Err(usage.into()),
    };
    let (plan, device) = (PatchPlan::thesis(view, 1, 3), Device::cpu());
    let network = Network::new(&NetworkPlan::Patch(plan.clone()), &mut Seed(0).stream(&[]), &device)?;
    let context = plan.context();
    let noise = |n: usize, labelled: [usize; 3]| {
        let [z, y, x]: [usize; 3] = std::array::from_fn(|axis| context[axis][0] + labelled[axis] + context[axis][1]);
        let values = (0..n * z * y * x).map(|i| (i as f64 * 0.618_033_988_749_895).fract() as f32 - 0.5).collect();
        Tensor::<5>::from_data(TensorData::new(values, [n, z, y, x, 1]), device.plain())
    };
    // The quicker of two: what else the machine does only makes it slower.
    let time = |x: &Tensor<5>| {
        let once = || {
            let start = Instant::now();
            drop(network.forward(x.clone(), Outputs::Finest).swap_remove(0).into_data());
            start.elapsed().as_secs_f64()
        };
        once().min(once())
    };
    let n_voxels = z * y * x;
    let region_s = time(&noise(1, [z, y, x]));
    let single_s = time(&noise(BATCH, [1; 3])) * n_voxels as f64 / BATCH as f64;
    println!("{view:?}, {n_voxels} voxels: {region_s:.2} s together, {single_s:.1} s one by one: {:.0} times as fast", single_s / region_s);
    Ok(())
}
