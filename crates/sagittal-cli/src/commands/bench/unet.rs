//! Times of a U-Net: prediction of a batch, and a whole training step.

use sagittal_data::{
    Batch, Seed,
    plan::{ActivationKind, NetworkPlan, OptimizerKind, UnetPlan},
};
use sagittal_nets::{Network, Outputs};
use sagittal_tensor::{Device, Tensor, TensorData};
use sagittal_train::{Objective, Trainer, TrainerOptions};

use super::{
    Passes, timing,
    work::{Unet, kernel, stride},
};

/// nnU-Net's training: SGD with Nesterov momentum, cross entropy and Dice per sample on every scale, clipped gradients.
const OPTIONS: TrainerOptions = TrainerOptions {
    optimizer: OptimizerKind::Sgd,
    learning_rate: 1e-2,
    momentum: 0.99,
    nesterov: true,
    weight_decay: 3e-5,
    gradient_clip: 12.0,
    objective: Objective::classes(false),
    ema_decay: None,
    seed: Seed(0),
    record_gradients: false,
};

/// Forward of the finest scale without a graph; and the step of a training.
pub(super) fn time(work: &Unet, device: &Device) -> anyhow::Result<Passes> {
    let network = Network::new(&network_plan(work), &mut Seed(0).stream(&[]), device)?;
    let batch = batch(work);
    let [n, c, z, y, x] = batch.shape;
    let input = Tensor::<5>::from_data(TensorData::new(batch.images.clone(), [n, z, y, x, c]), device.plain());
    let ready = network.clone().for_prediction();
    let forward_ms = timing::median_ms(|| {
        ready.forward(input.clone(), Outputs::Finest);
        device.wait();
        Ok(())
    })?;
    let mut trainer = Trainer::new(network, OPTIONS, device.clone());
    let train_ms = timing::median_ms(|| {
        trainer.step(&batch, OPTIONS.learning_rate)?;
        device.wait();
        Ok(())
    })?;
    Ok(Passes { forward_ms, train_ms })
}

fn network_plan(work: &Unet) -> NetworkPlan {
    let n_stages = work.features.len();
    let mut strides = vec![stride(work.patch); n_stages];
    strides[0] = [1; 3];
    NetworkPlan::Unet(UnetPlan {
        input_channels: 1,
        classes: work.classes,
        features: work.features.to_vec(),
        kernels: vec![kernel(work.patch); n_stages],
        strides,
        encoder_convs: vec![2; n_stages],
        decoder_convs: vec![2; n_stages - 1],
        deep_supervision: true,
        conv_bias: true,
        norm_epsilon: UnetPlan::NORM_EPSILON,
        leaky_slope: UnetPlan::LEAKY_SLOPE,
        activation: ActivationKind::LeakyRelu,
        dropout: 0.0,
    })
}

/// Noise with labels without any pattern.
fn batch(work: &Unet) -> Batch {
    let [z, y, x] = work.patch;
    let images = timing::noise(work.batch * z * y * x);
    let labels = images.iter().map(|value| (((value + 1.0) * 1e3) as usize % work.classes) as u8).collect();
    Batch { step: 0, images, labels, shape: [work.batch, 1, z, y, x] }
}
