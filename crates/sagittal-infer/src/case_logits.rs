//! What a network says of a whole preprocessed case, on its own grid: for a student that learns from it.

use crate::{
    decision::Decision,
    importance::Weighting,
    region::dense_tile,
    sliding_window::{SlidingWindow, View, Voter},
};
use sagittal_data::{Plan, plan::LogitPrecision};
use sagittal_nets::{Dropout, Network};
use sagittal_tensor::Device;
use std::ops::ControlFlow;

/// Tiles overlap by half, as in a prediction.
const STEP_FRACTION: f64 = 0.5;

/// Voxels that a voxel classifier labels at once: a training has most of the memory.
const DENSE_VOXELS: usize = 1 << 14;

/// The logits of every voxel of a case, by overlapping tiles and without mirroring; `None` if `go_on`, asked after every few
/// tiles, breaks off. `plan` is that of the network, which is best made [`Network::for_prediction`] before.
///
/// # Shapes
/// - `data`: `[C, Z, Y, X]`, of `shape`; result: `[K, Z, Y, X]`
///
/// # Panics
/// If the data do not fit the shape or the network.
pub fn case_logits(
    network: &Network,
    plan: &Plan,
    data: &[f32],
    shape: [usize; 4],
    device: &Device,
    go_on: &mut dyn FnMut() -> ControlFlow<()>,
) -> Option<Vec<f32>> {
    let [_, n_z, n_y, n_x] = shape;
    let n_outputs = network.plan().classes();
    let context = plan.network.context();
    // A voxel classifier has tiles of its own, side by side.
    let (tile, weighting) = match context {
        [[0, 0], [0, 0], [0, 0]] => (plan.patch, Weighting::Gaussian),
        _ => (dense_tile([n_z, n_y, n_x], DENSE_VOXELS), Weighting::Equal),
    };
    let (step_fraction, mirror_axes) = (STEP_FRACTION, Vec::new());
    let window = SlidingWindow {
        tile,
        context,
        region: None,
        weighting,
        step_fraction,
        mirror_axes,
        disagreement: false,
        precision: LogitPrecision::Single,
    };
    let voters = [Voter { network, dropout: Dropout::Off }];
    let view = View { data, shape, voters: &voters, head: Decision::of(plan).head, device };
    let (in_slice, n_voxels) = (n_y * n_x, n_z * n_y * n_x);
    let mut logits = vec![0.0; n_outputs * n_voxels];
    let mut z = 0;
    let mut sink = |slice: &[f32]| {
        for (voxel, values) in slice.chunks_exact(n_outputs).enumerate() {
            values.iter().enumerate().for_each(|(k, value)| logits[k * n_voxels + z * in_slice + voxel] = *value);
        }
        z += 1;
    };
    // In float32 nothing else than a request ends it.
    window.run(&view, 0..n_y, &mut sink, &mut |_| go_on()).ok().map(|()| logits)
}
