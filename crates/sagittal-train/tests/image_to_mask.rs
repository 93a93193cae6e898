//! Maps, losses and gradients of the post's network, against PyTorch in float64 with the same weights and pictures
//! (`tests/reference/image_to_mask.py` wrote them).
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use sagittal_data::{
    Batch, Seed,
    plan::{ImageToMaskPlan, MaskHead, MaskLogits, MaskOutput, NetworkPlan, OptimizerKind},
};
use sagittal_nets::{Dropout, Network, Outputs};
use sagittal_tensor::{Device, Tensor, TensorData};
use sagittal_testing::{Array, largest_difference, read_npz, relative_difference};
use sagittal_train::{DeepSupervision, MaskTarget, Objective, Trainer, TrainerOptions};
use std::{path::PathBuf, sync::Arc};

const SIZE: [usize; 2] = [5, 6];
/// Largest difference of maps and losses, as a part of the largest of them: float32 adds up a hundred terms.
const VALUE_TOLERANCE: f64 = 2e-6;
/// The same of gradients, which pass through all layers twice.
const GRADIENT_TOLERANCE: f64 = 1e-5;
/// The least that counts as the largest: what is added to a whole map drops out of its soft-max, so that the bias of a convolution before it
/// has a gradient of 0 but for rounding.
const LEAST_GRADIENT: f64 = 0.1;

struct Case {
    name: &'static str,
    input_channels: usize,
    classes: usize,
    head: MaskHead,
    logits: MaskLogits,
    /// What pixels that compete are compared with.
    over_pixels: Option<MaskTarget>,
}

const DENSE: MaskHead = MaskHead::Dense { units: 7 };

fn cases() -> [Case; 5] {
    use MaskHead::Convolution;
    use MaskLogits::{Linear, Tanh};
    use MaskTarget::{AsItIs, Normalized};
    let case = |name, input_channels, classes, head, logits, over_pixels| Case { name, input_channels, classes, head, logits, over_pixels };
    [
        case("post", 1, 2, DENSE, Tanh, Some(AsItIs)),
        case("normalized", 3, 3, DENSE, Linear, Some(Normalized)),
        case("classes", 1, 3, DENSE, Linear, None),
        case("convolution", 3, 2, Convolution, Tanh, None),
        case("convolution_pixels", 1, 2, Convolution, Linear, Some(AsItIs)),
    ]
}

impl Case {
    fn read(&self, key: &str) -> Array {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/image_to_mask_{}.npz", self.name));
        read_npz(&path, key).unwrap()
    }

    fn network(&self) -> Network {
        let output = if self.over_pixels.is_some() { MaskOutput::SoftmaxOverPixels } else { MaskOutput::ClassesOfPixels };
        let plan = NetworkPlan::ImageToMask(ImageToMaskPlan {
            size: SIZE,
            kernel: 3,
            filters: vec![3, 4],
            head: self.head,
            logits: self.logits,
            output,
            ..ImageToMaskPlan::post(self.input_channels, self.classes)
        });
        let mut network = Network::new(&plan, &mut ChaCha8Rng::seed_from_u64(1), &Device::cpu()).unwrap();
        assert_eq!(network.parameters().count() as u64, plan.n_parameters(), "{}", self.name);
        for parameter in network.parameters_mut().iter_mut() {
            let weight = self.read(&format!("weight/{}", parameter.name));
            assert_eq!(weight.shape, parameter.shape, "{}: {}", self.name, parameter.name);
            let n = weight.values.len();
            parameter.value = Tensor::from_data(TensorData::new(weight.values, [n]), Device::cpu().plain());
        }
        network
    }

    fn objective(&self) -> Objective {
        // The sum over the pixels of a picture.
        let entropy_weight = (SIZE[0] * SIZE[1]) as f32;
        Objective { over_pixels: self.over_pixels, entropy_weight, dice_weight: 0.0, ..Objective::classes(true) }
    }

    /// `N C Y X` => `N Z Y X C`.
    fn image(&self) -> Tensor<5> {
        let Array { shape, values } = self.read("image");
        let [n, c, y, x] = shape[..] else { panic!("{}: image of shape {shape:?}", self.name) };
        let image = Tensor::<5>::from_data(TensorData::new(values, [n, c, 1, y, x]), Device::cpu().plain());
        image.permute([0, 2, 3, 4, 1])
    }

    fn labels(&self) -> Vec<u8> {
        self.read("labels").values.iter().map(|label| *label as u8).collect()
    }
}

#[test]
fn maps_losses_and_gradients_are_those_of_pytorch() {
    for case in cases() {
        let network = case.network();
        let tracked = network.parameters().tracked();
        let maps = network.forward_with(&tracked, case.image().autodiff(), Outputs::EveryScale, Dropout::Off);
        let found = maps[0].clone().permute([0, 4, 1, 2, 3]).into_data();
        let worst = relative_difference(found.as_slice::<f32>().unwrap(), &case.read("maps").values);
        assert!(worst < VALUE_TOLERANCE, "{}: maps differ by {worst:e}", case.name);
        let loss = DeepSupervision::new(1).loss(maps, Arc::new(case.labels()), &case.objective());
        let (value, expected) = (f64::from(loss.clone().into_scalar::<f32>()), f64::from(case.read("loss").values[0]));
        assert!((value / expected - 1.0).abs() < VALUE_TOLERANCE, "{}: loss {value}, PyTorch's {expected}", case.name);
        let gradients = loss.backward();
        for parameter in tracked.iter() {
            let found = parameter.value.grad(&gradients).unwrap().into_data();
            let expected = case.read(&format!("gradient/{}", parameter.name)).values;
            let largest = expected.iter().fold(LEAST_GRADIENT, |most, value| most.max(f64::from(value.abs())));
            let worst = largest_difference(found.as_slice::<f32>().unwrap(), &expected) / largest;
            assert!(worst < GRADIENT_TOLERANCE, "{}: the gradient of {} differs by {worst:e}", case.name, parameter.name);
        }
    }
}

#[test]
fn steps_without_momentum_take_the_gradient_alone_and_make_the_loss_smaller() {
    for case in cases() {
        let options = TrainerOptions {
            optimizer: OptimizerKind::Sgd,
            learning_rate: 0.01,
            momentum: 0.0,
            nesterov: true,
            weight_decay: 0.0,
            gradient_clip: 1e9,
            objective: case.objective(),
            ema_decay: None,
            seed: Seed(0),
            record_gradients: false,
        };
        let Array { shape, values } = case.read("image");
        let [n, c, y, x] = shape[..] else { panic!("{}: image of shape {shape:?}", case.name) };
        let batch = Batch { step: 0, images: values, labels: case.labels(), shape: [n, c, 1, y, x] };
        let mut trainer = Trainer::new(case.network(), options, Device::cpu());
        let losses: Vec<f32> = (0..6).map(|_| trainer.step(&batch, 0.002).unwrap()).collect();
        assert!(losses.windows(2).all(|pair| pair[1] < pair[0]), "{}: {losses:?}", case.name);
        let validation = trainer.validate(&[batch]);
        assert!(validation.loss < f64::from(losses[5]), "{}: {} after {losses:?}", case.name, validation.loss);
        assert_eq!(validation.dice.len(), case.classes - 1, "{}", case.name);
    }
}
