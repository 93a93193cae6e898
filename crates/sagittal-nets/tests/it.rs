//! Networks as they are laid out, written and read.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use sagittal_data::plan::{ActivationKind, NetworkPlan, UnetPlan};
use sagittal_nets::{Dropout, GreedyShape, ModelFile, NetError, Network, Outputs};
use sagittal_tensor::{Device, Padding, Tensor};
use serde_json::json;
use std::path::Path;

/// What nnU-Net plans for the hippocampus of the Medical Segmentation Decathlon.
fn hippocampus() -> UnetPlan {
    UnetPlan {
        input_channels: 1,
        classes: 3,
        features: vec![32, 64, 128, 256],
        kernels: vec![[3; 3]; 4],
        strides: vec![[1; 3], [2; 3], [2; 3], [2; 3]],
        encoder_convs: vec![2; 4],
        decoder_convs: vec![2; 3],
        deep_supervision: true,
        conv_bias: true,
        norm_epsilon: UnetPlan::NORM_EPSILON,
        leaky_slope: UnetPlan::LEAKY_SLOPE,
        activation: ActivationKind::LeakyRelu,
        dropout: 0.0,
    }
}

fn small() -> UnetPlan {
    UnetPlan {
        features: vec![3, 5, 7],
        kernels: vec![[1, 3, 3], [3; 3], [3; 3]],
        strides: vec![[1; 3], [1, 2, 2], [2; 3]],
        encoder_convs: vec![1, 2, 1],
        decoder_convs: vec![2, 1],
        ..hippocampus()
    }
}

fn network(unet: &UnetPlan) -> Network {
    Network::new(&NetworkPlan::Unet(unet.clone()), &mut ChaCha8Rng::seed_from_u64(0), &Device::cpu()).unwrap()
}

#[test]
fn hippocampus_network_has_the_parameters_of_nnunet() {
    let network = network(&hippocampus());
    // PlainConvUNet of nnU-Net 2.8.1 with its own plan: 5,603,177 numbers in 68 arrays.
    assert_eq!(network.parameters().count(), 5_603_177);
    assert_eq!(NetworkPlan::Unet(hippocampus()).n_parameters(), 5_603_177);
    assert_eq!(NetworkPlan::Unet(small()).n_parameters(), counted(&small()));
    assert_eq!(network.parameters().iter().count(), 68);
    let shape = |name: &str| network.parameters().iter().find(|p| p.name == name).map(|p| p.shape.clone());
    assert_eq!(shape("encoder.stages.3.0.convs.0.conv.weight"), Some(vec![256, 128, 3, 3, 3]));
    assert_eq!(shape("decoder.transpconvs.0.weight"), Some(vec![256, 128, 2, 2, 2]));
    assert_eq!(shape("decoder.stages.0.convs.0.conv.weight"), Some(vec![128, 256, 3, 3, 3]));
    assert_eq!(shape("decoder.seg_layers.2.weight"), Some(vec![3, 32, 1, 1, 1]));
    assert_eq!(shape("encoder.stages.0.0.convs.1.norm.bias"), Some(vec![32]));
}

fn counted(unet: &UnetPlan) -> u64 {
    network(unet).parameters().count() as u64
}

#[test]
fn logits_have_the_shape_of_every_scale() {
    let network = network(&small());
    let x = Tensor::<5>::zeros([2, 4, 8, 12, 1], Device::cpu().plain());
    let shapes = |outputs| network.forward(x.clone(), outputs).iter().map(|logits| logits.dims()).collect::<Vec<_>>();
    assert_eq!(shapes(Outputs::EveryScale), [[2, 4, 8, 12, 3], [2, 4, 4, 6, 3]]);
    assert_eq!(shapes(Outputs::Finest), [[2, 4, 8, 12, 3]]);
}

#[test]
fn a_description_that_makes_no_sense_is_refused_by_field() {
    type Change = fn(&mut UnetPlan);
    let cases: [(&str, Change); 8] = [
        ("features", |c| c.features = vec![32]),
        ("kernels", |c| c.kernels.truncate(1)),
        ("kernels", |c| c.kernels[1] = [3, 4, 3]),
        ("strides", |c| c.strides[1] = [3; 3]),
        ("strides", |c| c.strides[0] = [2; 3]),
        ("classes", |c| c.classes = 0),
        ("input_channels", |c| c.input_channels = 0),
        ("decoder_convs", |c| c.decoder_convs = vec![2; 3]),
    ];
    for (field, change) in cases {
        let mut unet = small();
        change(&mut unet);
        let error = NetworkPlan::Unet(unet).validate().unwrap_err().to_string();
        assert!(error.contains(field), "{field}: {error}");
    }
}

#[test]
fn a_model_is_read_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let (path, network) = (folder.path().join("model.safetensors"), network(&small()));
    ModelFile::write(&path, &network, &json!({ "plan": { "patch": [4, 8, 12] } })).unwrap();
    let read = ModelFile::read(&path, &Device::cpu()).unwrap();
    assert_eq!(read.network.plan(), network.plan());
    assert_eq!(read.header["plan"]["patch"], json!([4, 8, 12]));
    for (written, read) in network.parameters().iter().zip(read.network.parameters().iter()) {
        assert_eq!(written.value.clone().into_data(), read.value.clone().into_data(), "{}", written.name);
    }
    // The same model gives the same bytes, so that files can be compared.
    let first = std::fs::read(&path).unwrap();
    ModelFile::write(&path, &network, &json!({ "plan": { "patch": [4, 8, 12] } })).unwrap();
    assert!(first == std::fs::read(&path).unwrap());
}

#[test]
fn damaged_models_are_refused_with_the_file_and_never_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    ModelFile::write(&path, &network(&small()), &json!({})).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let refuse = |bytes: &[u8], path: &Path| {
        std::fs::write(path, bytes).unwrap();
        match ModelFile::read(path, &Device::cpu()) {
            Err(NetError::Malformed { finding, .. }) => assert!(!finding.is_empty()),
            other => panic!("expected a malformed file, got {other:?}"),
        }
    };
    for length in [0, 7, 8, 100, whole.len() / 2, whole.len() - 1] {
        refuse(&whole[..length], &path);
    }
    refuse(b"not a model at all, but long enough to hold a length", &path);
    // A header that promises a network the arrays of which are not there.
    let text = String::from_utf8_lossy(&whole).into_owned();
    let at = text.find("\\\"features\\\":[3,5,7]").unwrap();
    let mut changed = whole.clone();
    changed[at + 14] = b'9';
    refuse(&changed, &path);
}

#[test]
fn dropout_follows_from_its_seed_and_is_off_where_nobody_asks() {
    for make in [NetworkPlan::Unet as fn(UnetPlan) -> NetworkPlan, NetworkPlan::ResidualUnet] {
        let plan = make(UnetPlan { dropout: 0.3, ..small() });
        let network = Network::new(&plan, &mut ChaCha8Rng::seed_from_u64(0), &Device::cpu()).unwrap();
        let without = Network::new(&make(small()), &mut ChaCha8Rng::seed_from_u64(0), &Device::cpu()).unwrap();
        let image = (0..2 * 4 * 8 * 12).map(|i| ((i * 37) % 101) as f32 / 50.0 - 1.0).collect::<Vec<_>>();
        let x = Tensor::<5>::from_data(sagittal_tensor::TensorData::new(image, [2, 4, 8, 12, 1]), Device::cpu().plain());
        let of = |network: &Network, dropout| {
            let logits = network.forward_with(network.parameters(), x.clone(), Outputs::Finest, dropout).swap_remove(0);
            logits.into_data().try_to_vec::<f32>().unwrap()
        };
        let plain = of(&without, Dropout::Off);
        // Without dropout in the plan a seed changes nothing, and with it nothing where dropout is off.
        assert_eq!(of(&without, Dropout::Seeded(1)), plain);
        assert_eq!(of(&network, Dropout::Off), plain);
        let masked = of(&network, Dropout::Seeded(1));
        assert_eq!(of(&network, Dropout::Seeded(1)), masked);
        assert!(masked != plain && masked != of(&network, Dropout::Seeded(2)));
    }
}

#[test]
fn every_activation_gives_another_network() {
    let x = Tensor::<5>::ones([1, 4, 8, 12, 1], Device::cpu().plain());
    let mut seen: Vec<Vec<f32>> = Vec::new();
    for activation in ActivationKind::ALL {
        let network = network(&UnetPlan { activation, ..small() });
        let logits = network.forward(x.clone(), Outputs::Finest).swap_remove(0).into_data().try_to_vec::<f32>().unwrap();
        assert!(logits.iter().all(|v| v.is_finite()), "{activation:?}");
        assert!(!seen.contains(&logits), "{activation:?} is like another");
        seen.push(logits);
    }
}

#[test]
fn the_layers_of_an_encoder_follow_each_other_from_the_image_down() {
    for plan in [NetworkPlan::Unet(small()), NetworkPlan::ResidualUnet(small())] {
        let network = Network::new(&plan, &mut ChaCha8Rng::seed_from_u64(0), &Device::cpu()).unwrap();
        let layers = network.greedy_layers();
        // Encoder convolutions 1, 2, 1; a residual encoder has a stem before its blocks.
        assert_eq!(layers.len(), if plan.kind() == "unet" { 4 } else { 5 });
        let x = Tensor::<5>::ones([1, 4, 8, 12, 1], Device::cpu().plain());
        let mut size = [4, 8, 12];
        for (i, layer) in layers.iter().enumerate() {
            let input = network.greedy_input(i, x.clone());
            assert_eq!(input.dims(), [1, size[0], size[1], size[2], layer.c_in], "{layer:?}");
            let GreedyShape::Convolution { stride, padding: Padding::Same, .. } = layer.shape else { panic!("{layer:?}") };
            size = std::array::from_fn(|axis| size[axis] / stride[axis]);
            let output = network.greedy_output(i, network.parameters(), input);
            assert_eq!(output.dims(), [1, size[0], size[1], size[2], layer.c_out], "{layer:?}");
            assert!(network.parameters().iter().any(|p| p.name.starts_with(&format!("{}.", layer.name))), "{layer:?}");
        }
        assert_eq!((size, layers.last().map(|layer| layer.c_out)), ([2, 2, 3], Some(7)));
    }
}
