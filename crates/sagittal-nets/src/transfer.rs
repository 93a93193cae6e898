//! Weights of another network, for a training that goes on from them: what fits by name and shape is taken.

use crate::Network;

/// What was taken of another network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Arrays that were taken.
    pub taken: usize,
    /// Numbers in them.
    pub numbers_taken: usize,
    /// Arrays that stay as they were, because the other network has none of that name and shape.
    pub kept: Vec<KeptArray>,
    /// Arrays of the other network for which there is no place, by name.
    pub unused: Vec<String>,
}

/// An array that another network could not give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptArray {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub expected: Vec<usize>,
    /// The shape that the other network's array of that name has; `None` if there is no such array.
    pub found: Option<Vec<usize>>,
}

impl Network {
    /// Takes every array of `other` that has the name and shape of one of its own; the rest stays as it is.
    pub fn take_weights(&mut self, other: &Self) -> Transfer {
        let of_name = |name: &str| other.parameters().iter().find(|theirs| theirs.name == name);
        let mut transfer = Transfer { taken: 0, numbers_taken: 0, kept: Vec::new(), unused: Vec::new() };
        for own in self.parameters_mut().iter_mut() {
            match of_name(&own.name) {
                Some(theirs) if theirs.shape == own.shape => {
                    own.value = theirs.value.clone();
                    transfer.taken += 1;
                    transfer.numbers_taken += own.shape.iter().product::<usize>();
                }
                theirs => transfer.kept.push(KeptArray {
                    name: own.name.clone(),
                    expected: own.shape.clone(),
                    found: theirs.map(|theirs| theirs.shape.clone()),
                }),
            }
        }
        let has = |name: &str| self.parameters().iter().any(|own| own.name == name);
        transfer.unused = other.parameters().iter().map(|theirs| theirs.name.clone()).filter(|name| !has(name)).collect();
        transfer
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use sagittal_data::plan::{ActivationKind, NetworkPlan, UnetPlan};
    use sagittal_tensor::Device;

    fn network(input_channels: usize, classes: usize, features: &[usize], seed: u64) -> Network {
        let n = features.len();
        let mut strides = vec![[2; 3]; n];
        strides[0] = [1; 3];
        let config = NetworkPlan::Unet(UnetPlan {
            input_channels,
            classes,
            features: features.to_vec(),
            kernels: vec![[3; 3]; n],
            strides,
            encoder_convs: vec![1; n],
            decoder_convs: vec![1; n - 1],
            deep_supervision: true,
            conv_bias: true,
            norm_epsilon: UnetPlan::NORM_EPSILON,
            leaky_slope: UnetPlan::LEAKY_SLOPE,
            activation: ActivationKind::LeakyRelu,
            dropout: 0.0,
        });
        Network::new(&config, &mut ChaCha8Rng::seed_from_u64(seed), &Device::cpu()).unwrap()
    }

    fn values(network: &Network, name: &str) -> Vec<f32> {
        let parameter = network.parameters().iter().find(|p| p.name == name).unwrap();
        parameter.value.clone().into_data().as_slice::<f32>().unwrap().to_vec()
    }

    #[test]
    fn an_equal_network_gives_everything() {
        let (mut own, other) = (network(1, 3, &[4, 8], 1), network(1, 3, &[4, 8], 2));
        let transfer = own.take_weights(&other);
        assert_eq!((transfer.taken, transfer.numbers_taken), (own.parameters().iter().len(), own.parameters().count()));
        assert!(transfer.kept.is_empty() && transfer.unused.is_empty());
        for parameter in other.parameters().iter() {
            assert_eq!(values(&own, &parameter.name), values(&other, &parameter.name));
        }
    }

    #[test]
    fn other_channels_and_classes_keep_the_first_convolution_and_the_heads() {
        let (mut own, other) = (network(2, 4, &[4, 8], 1), network(1, 3, &[4, 8], 2));
        let before = own.clone();
        let transfer = own.take_weights(&other);
        let names: Vec<&str> = transfer.kept.iter().map(|kept| kept.name.as_str()).collect();
        let first = "encoder.stages.0.0.convs.0.conv.weight";
        assert_eq!(names, [first, "decoder.seg_layers.0.weight", "decoder.seg_layers.0.bias"]);
        assert_eq!((&transfer.kept[0].expected[..2], &transfer.kept[0].found.as_ref().unwrap()[..2]), (&[4, 2][..], &[4, 1][..]));
        assert_eq!(values(&own, first), values(&before, first));
        let deep = "encoder.stages.1.0.convs.0.conv.weight";
        assert_eq!(values(&own, deep), values(&other, deep));
    }

    #[test]
    fn a_deeper_network_has_arrays_that_the_other_lacks_and_the_other_way_round() {
        let (mut deep, mut flat) = (network(1, 2, &[4, 8, 16], 1), network(1, 2, &[4, 8], 2));
        let transfer = deep.clone().take_weights(&flat);
        assert!(transfer.unused.is_empty() && transfer.kept.iter().any(|kept| kept.found.is_none()));
        let transfer = flat.take_weights(&deep);
        assert!(transfer.unused.iter().any(|name| name.starts_with("encoder.stages.2.")), "{transfer:?}");
        let transfer = deep.take_weights(&network(3, 5, &[6, 12], 3));
        assert_eq!((transfer.taken, transfer.numbers_taken), (0, 0), "{transfer:?}");
    }
}
