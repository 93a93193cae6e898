//! Voxel classifiers: against PyTorch in float64 (`tests/reference/voxel_classifiers.py` wrote the goldens), and regions against
//! the same voxels one by one.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use sagittal_data::{
    ActivationKind,
    plan::{NetworkPlan, PatchPlan, PatchView},
};
use sagittal_nets::{Dropout, GreedyShape, Network, Outputs};
use sagittal_tensor::{Device, Tensor, TensorData};
use sagittal_testing::{Array, read_npz, relative_difference};
use std::path::PathBuf;

/// Largest difference as a part of the largest value: float32 through a few layers.
const TOLERANCE: f64 = 1e-5;
/// Between a voxel by itself and as part of a region.
const DENSE_TOLERANCE: f64 = 1e-5;

const VIEWS: [PatchView; 4] = [PatchView::Slice, PatchView::Stacked, PatchView::Triplanar, PatchView::Volume];

fn name(view: PatchView) -> &'static str {
    match view {
        PatchView::Slice => "2d",
        PatchView::Stacked => "stacked2d",
        PatchView::Triplanar => "triplanar",
        PatchView::Volume => "3d",
    }
}

fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), Device::cpu().plain())
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec::<f32>().unwrap()
}

/// As the script made it.
fn golden_plan(view: PatchView) -> PatchPlan {
    let (dense, activation) = match view {
        PatchView::Slice => (vec![7], ActivationKind::Relu),
        PatchView::Stacked => (vec![7, 6], ActivationKind::Tanh),
        PatchView::Triplanar => (vec![8], ActivationKind::Relu),
        PatchView::Volume => (vec![5], ActivationKind::Silu),
    };
    PatchPlan { side: 9, kernel: 3, filters: vec![4, 5], dense, activation, ..PatchPlan::thesis(view, 2, 3) }
}

#[test]
fn logits_and_gradients_are_those_of_pytorch() {
    for view in VIEWS {
        let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/patch_{}.npz", name(view)));
        let read = |key: &str| -> Array { read_npz(&file, key).unwrap() };
        let mut network = Network::zeros(&NetworkPlan::Patch(golden_plan(view)), &Device::cpu()).unwrap();
        for parameter in network.parameters_mut().iter_mut() {
            let values = read(&format!("weight/{}", parameter.name)).values;
            assert_eq!(values.len(), parameter.shape.iter().product::<usize>(), "{view:?}: {}", parameter.name);
            let n = values.len();
            parameter.value = tensor(values, [n]);
        }
        let image = read("image");
        let [n, c, z, y, x] = image.shape[..] else { panic!("image {:?}", image.shape) };
        let image = tensor(image.values, [n, c, z, y, x]).permute([0, 2, 3, 4, 1]);
        let found = network.forward(image.clone(), Outputs::Finest).swap_remove(0);
        assert_eq!(found.dims(), [n, 1, 1, 1, 3]);
        let worst = relative_difference(&numbers(found), &read("logits").values);
        assert!(worst < TOLERANCE, "{view:?}: logits differ by {worst:e}");

        let tracked = network.parameters().tracked();
        let logits = network.forward_with(&tracked, image.autodiff(), Outputs::Finest, Dropout::Off).swap_remove(0);
        let d_logits = tensor(read("d_logits").values, [n, 1, 1, 1, 3]).autodiff();
        let mut gradients = (logits * d_logits).sum().backward();
        for parameter in tracked.iter() {
            let found = parameter.value.grad_remove(&mut gradients).unwrap_or_else(|| panic!("{}: no gradient", parameter.name));
            let worst = relative_difference(&numbers(found), &read(&format!("gradient/{}", parameter.name)).values);
            assert!(worst < TOLERANCE, "{view:?}: the gradient of {} differs by {worst:e}", parameter.name);
        }
    }
}

#[test]
fn layers_one_after_the_other_give_the_logits_but_for_the_last_of_them() {
    for view in VIEWS {
        let plan = golden_plan(view);
        let (network, x) = region(&plan, [1; 3]);
        let layers = network.greedy_layers();
        let n_convs = plan.towers().len() * plan.filters.len();
        assert_eq!(layers.len(), n_convs + plan.dense.len(), "{view:?}");
        let mut last = None;
        for (i, layer) in layers.iter().enumerate() {
            let input = network.greedy_input(i, x.clone());
            assert_eq!(input.dims()[4], layer.c_in, "{layer:?}");
            assert_eq!(layer.shape == GreedyShape::Dense, i >= n_convs, "{layer:?}");
            let output = network.greedy_output(i, network.parameters(), input);
            assert_eq!(output.dims()[4], layer.c_out, "{layer:?}");
            assert!(network.parameters().iter().any(|p| p.name == format!("{}.weight", layer.name)), "{layer:?}");
            last = Some(output);
        }
        // What is left is the last dense layer: its weights times what was found, and its bias.
        let hidden = numbers(last.unwrap());
        let of_last = |end: &str| {
            let name = format!("dense.{}.{end}", plan.dense.len());
            numbers(network.parameters().iter().find(|p| p.name == name).unwrap().value.clone())
        };
        let (weight, bias) = (of_last("weight"), of_last("bias"));
        let rows = weight.chunks_exact(hidden.len()).zip(bias);
        let found: Vec<f32> = rows.map(|(row, bias)| row.iter().zip(&hidden).map(|(a, b)| a * b).sum::<f32>() + bias).collect();
        let expected = numbers(network.forward(x, Outputs::Finest).swap_remove(0));
        let worst = relative_difference(&found, &expected);
        assert!(worst < TOLERANCE, "{view:?}: {found:?} is not {expected:?}");
    }
}

/// A classifier with what it sees of a region of noise.
fn region(plan: &PatchPlan, labelled: [usize; 3]) -> (Network, Tensor<5>) {
    let network = Network::new(&NetworkPlan::Patch(plan.clone()), &mut ChaCha8Rng::seed_from_u64(5), &Device::cpu()).unwrap();
    let context = plan.context();
    let [z, y, x]: [usize; 3] = std::array::from_fn(|axis| context[axis][0] + labelled[axis] + context[axis][1]);
    let n = z * y * x * plan.input_channels;
    let noise = (0..n).map(|i| ((i as f64 * 0.618_033_988_749_895).fract() as f32 - 0.5) * 3.0).collect();
    (network, tensor(noise, [1, z, y, x, plan.input_channels]))
}

/// Every voxel of a region by itself.
fn voxel_by_voxel(network: &Network, plan: &PatchPlan, x: &Tensor<5>, labelled: [usize; 3], dropout: Dropout) -> Vec<f32> {
    let context = plan.context();
    let n = labelled.iter().product::<usize>();
    let one = |voxel: usize| {
        let at = [voxel / (labelled[1] * labelled[2]), voxel / labelled[2] % labelled[1], voxel % labelled[2]];
        (0..3).fold(x.clone(), |x, axis| x.narrow(axis + 1, at[axis], context[axis][0] + 1 + context[axis][1]))
    };
    let all = Tensor::cat((0..n).map(one).collect(), 0);
    numbers(network.forward_with(network.parameters(), all, Outputs::Finest, dropout).swap_remove(0))
}

#[test]
fn a_region_gets_the_numbers_of_its_voxels_one_by_one() {
    struct Case {
        side: usize,
        kernel: usize,
        filters: Vec<usize>,
        dense: Vec<usize>,
        /// In slices and in volumes.
        labelled: [[usize; 3]; 2],
        dropout: f64,
    }
    let cases = [
        // Large enough for spectra.
        Case { side: 12, kernel: 3, filters: vec![3, 6], dense: vec![40], labelled: [[2, 19, 23], [6, 9, 10]], dropout: 0.0 },
        // An even kernel, two dense layers, parts left out.
        Case { side: 10, kernel: 2, filters: vec![5], dense: vec![20, 9], labelled: [[3, 14, 17], [7, 8, 6]], dropout: 0.4 },
        // So few voxels that each is worked out by itself.
        Case { side: 8, kernel: 3, filters: vec![4, 4], dense: vec![6], labelled: [[1, 2, 1], [1, 1, 2]], dropout: 0.0 },
        // Convolutions that leave a single number of a patch.
        Case { side: 5, kernel: 3, filters: vec![4, 8], dense: vec![6], labelled: [[2, 5, 4], [3, 4, 5]], dropout: 0.0 },
    ];
    for Case { side, kernel, filters, dense, labelled, dropout } in cases {
        for view in VIEWS {
            let plan = PatchPlan {
                side,
                kernel,
                filters: filters.clone(),
                dense: dense.clone(),
                dropout,
                activation: if dropout > 0.0 { ActivationKind::Elu } else { ActivationKind::Relu },
                ..PatchPlan::thesis(view, 2, 3)
            };
            let labelled = labelled[usize::from(matches!(view, PatchView::Triplanar | PatchView::Volume))];
            let (network, x) = region(&plan, labelled);
            let ways = if dropout > 0.0 { &[Dropout::Off, Dropout::Alike(3)][..] } else { &[Dropout::Off][..] };
            for &way in ways {
                let found = network.forward_with(network.parameters(), x.clone(), Outputs::Finest, way).swap_remove(0);
                assert_eq!(found.dims(), [1, labelled[0], labelled[1], labelled[2], 3]);
                let worst = relative_difference(&numbers(found), &voxel_by_voxel(&network, &plan, &x, labelled, way));
                assert!(worst < DENSE_TOLERANCE, "{view:?}, side {side}, {labelled:?}, {way:?}: differ by {worst:e}");
            }
        }
    }
}

#[test]
fn several_regions_go_together() {
    let plan = PatchPlan { side: 8, kernel: 3, filters: vec![4], dense: vec![16], ..PatchPlan::thesis(PatchView::Slice, 1, 2) };
    let (network, x) = region(&plan, [1, 12, 13]);
    let both = Tensor::cat(vec![x.clone(), x.clone() * 0.5], 0);
    let found = numbers(network.forward(both, Outputs::Finest).swap_remove(0));
    let each = [x.clone(), x * 0.5].map(|x| numbers(network.forward(x, Outputs::Finest).swap_remove(0))).concat();
    assert_eq!(found, each);
}
