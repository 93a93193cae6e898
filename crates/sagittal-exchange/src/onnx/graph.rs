//! The layers of a network as ONNX nodes, in the order in which they compute.

use super::message::Message;
use sagittal_data::plan::{ActivationKind, NetworkPlan, UnetPlan};
use sagittal_nets::Network;

/// Numbers of ONNX's enumerations.
const FLOAT: u64 = 1;
const ATTRIBUTE_FLOAT: u64 = 1;
const ATTRIBUTE_INT: u64 = 2;
const ATTRIBUTE_INTS: u64 = 7;
/// How the names of the heads begin, coarsest first.
const HEADS: &str = "decoder.seg_layers.";

/// `GraphProto` of a network, which is `unet`.
pub(super) fn graph(network: &Network, unet: &UnetPlan) -> Message {
    let is_residual = matches!(network.plan(), NetworkPlan::ResidualUnet(_));
    let mut graph = Graph { message: Message::default(), unet, is_residual, n_nodes: 0 };
    graph.network();
    let mut message = graph.message;
    message.text(2, "sagittal");
    // The heads of deep supervision take no part in prediction.
    let last_head = format!("{HEADS}{}.", unet.features.len() - 2);
    let used = |name: &str| !name.starts_with(HEADS) || name.starts_with(&last_head);
    for parameter in network.parameters().iter().filter(|parameter| used(&parameter.name)) {
        let mut tensor = Message::default();
        parameter.shape.iter().for_each(|size| tensor.integer(1, *size as u64));
        tensor.integer(2, FLOAT);
        tensor.text(8, &parameter.name);
        let bytes: Vec<u8> = parameter.value.clone().into_data().iter::<f32>().flat_map(f32::to_le_bytes).collect();
        tensor.bytes(9, &bytes);
        message.message(5, tensor);
    }
    message.message(11, value("image", unet.input_channels));
    message.message(12, value("logits", unet.classes));
    message
}

/// `ValueInfoProto` of a float tensor whose batch and space are free.
fn value(name: &str, channels: usize) -> Message {
    let mut shape = Message::default();
    for axis in ["N", "channels", "Z", "Y", "X"] {
        let mut dimension = Message::default();
        if axis == "channels" {
            dimension.integer(1, channels as u64)
        } else {
            dimension.text(2, axis)
        };
        shape.message(1, dimension);
    }
    let (mut tensor, mut kind, mut value) = (Message::default(), Message::default(), Message::default());
    tensor.integer(1, FLOAT);
    tensor.message(2, shape);
    kind.message(1, tensor);
    value.text(1, name);
    value.message(2, kind);
    value
}

enum Attribute<'a> {
    Float(f32),
    Int(i64),
    Ints(&'a [usize]),
}

struct Graph<'a> {
    message: Message,
    unet: &'a UnetPlan,
    is_residual: bool,
    n_nodes: usize,
}

impl Graph<'_> {
    /// Adds a node and gives the name of its output.
    fn node(&mut self, operator: &str, inputs: &[&str], attributes: &[(&str, Attribute<'_>)], output: Option<&str>) -> String {
        let output = output.map_or_else(|| format!("v{}", self.n_nodes), str::to_owned);
        let mut node = Message::default();
        inputs.iter().for_each(|input| node.text(1, input));
        node.text(2, &output);
        node.text(3, &format!("{operator}_{}", self.n_nodes));
        node.text(4, operator);
        for (name, attribute) in attributes {
            let mut message = Message::default();
            message.text(1, name);
            match attribute {
                Attribute::Float(value) => {
                    message.float(2, *value);
                    message.integer(20, ATTRIBUTE_FLOAT);
                }
                Attribute::Int(value) => {
                    message.integer(3, value.cast_unsigned());
                    message.integer(20, ATTRIBUTE_INT);
                }
                Attribute::Ints(values) => {
                    values.iter().for_each(|value| message.integer(8, *value as u64));
                    message.integer(20, ATTRIBUTE_INTS);
                }
            }
            node.message(5, message);
        }
        self.message.message(1, node);
        self.n_nodes += 1;
        output
    }

    fn network(&mut self) {
        let (unet, is_residual) = (self.unet, self.is_residual);
        let n_stages = unet.features.len();
        let mut x = "image".to_owned();
        let mut channels = unet.input_channels;
        if is_residual {
            x = self.block("encoder.stem.convs.0", &x, unet.kernels[0], [1; 3], unet.conv_bias);
            channels = unet.features[0];
        }
        let mut skips = Vec::with_capacity(n_stages);
        for stage in 0..n_stages {
            for i in 0..unet.encoder_convs[stage] {
                let stride = if i == 0 { unet.strides[stage] } else { [1; 3] };
                x = if is_residual {
                    self.residual(&format!("encoder.stages.{stage}.blocks.{i}"), &x, stage, channels, stride)
                } else {
                    self.block(&format!("encoder.stages.{stage}.0.convs.{i}"), &x, unet.kernels[stage], stride, unet.conv_bias)
                };
                channels = unet.features[stage];
            }
            skips.push(x.clone());
        }
        for (step, fine) in (0..n_stages - 1).rev().enumerate() {
            let stride = unet.strides[fine + 1];
            let up = format!("decoder.transpconvs.{step}");
            let attributes = [("kernel_shape", Attribute::Ints(&stride)), ("strides", Attribute::Ints(&stride))];
            let (weight, bias) = (format!("{up}.weight"), format!("{up}.bias"));
            let inputs = if unet.conv_bias { vec![&*x, &*weight, &*bias] } else { vec![&*x, &*weight] };
            let up = self.node("ConvTranspose", &inputs, &attributes, None);
            x = self.node("Concat", &[&up, &skips[fine]], &[("axis", Attribute::Int(1))], None);
            for i in 0..unet.decoder_convs[step] {
                x = self.block(&format!("decoder.stages.{step}.convs.{i}"), &x, unet.kernels[fine], [1; 3], unet.conv_bias);
            }
        }
        self.conv(&format!("{HEADS}{}", n_stages - 2), &x, [1; 3], [1; 3], true, Some("logits"));
    }

    fn residual(&mut self, name: &str, x: &str, stage: usize, c_in: usize, stride: [usize; 3]) -> String {
        let unet = self.unet;
        let y = self.block(&format!("{name}.conv1"), x, unet.kernels[stage], stride, unet.conv_bias);
        let y = self.normalised(&format!("{name}.conv2"), &y, unet.kernels[stage], [1; 3], unet.conv_bias);
        let mut shortcut = x.to_owned();
        let pools = stride != [1; 3];
        if pools {
            let attributes = [("kernel_shape", Attribute::Ints(&stride)), ("strides", Attribute::Ints(&stride))];
            shortcut = self.node("AveragePool", &[&shortcut], &attributes, None);
        }
        if c_in != unet.features[stage] {
            shortcut = self.normalised(&format!("{name}.skip.{}", usize::from(pools)), &shortcut, [1; 3], [1; 3], false);
        }
        let sum = self.node("Add", &[&y, &shortcut], &[], None);
        self.activated(&sum)
    }

    fn block(&mut self, name: &str, x: &str, kernel: [usize; 3], stride: [usize; 3], has_bias: bool) -> String {
        let y = self.normalised(name, x, kernel, stride, has_bias);
        self.activated(&y)
    }

    fn normalised(&mut self, name: &str, x: &str, kernel: [usize; 3], stride: [usize; 3], has_bias: bool) -> String {
        let y = self.conv(&format!("{name}.conv"), x, kernel, stride, has_bias, None);
        let inputs = [&*y, &format!("{name}.norm.weight"), &format!("{name}.norm.bias")];
        self.node("InstanceNormalization", &inputs, &[("epsilon", Attribute::Float(self.unet.norm_epsilon as f32))], None)
    }

    /// The network's activation; what ONNX has no operator for is composed of those it has.
    fn activated(&mut self, x: &str) -> String {
        match self.unet.activation {
            ActivationKind::LeakyRelu => self.node("LeakyRelu", &[x], &[("alpha", Attribute::Float(self.unet.leaky_slope as f32))], None),
            ActivationKind::Relu => self.node("Relu", &[x], &[], None),
            ActivationKind::Tanh => self.node("Tanh", &[x], &[], None),
            ActivationKind::Sigmoid => self.node("Sigmoid", &[x], &[], None),
            ActivationKind::Softplus => self.node("Softplus", &[x], &[], None),
            ActivationKind::Elu => self.node("Elu", &[x], &[("alpha", Attribute::Float(1.0))], None),
            ActivationKind::Silu => {
                let gate = self.node("Sigmoid", &[x], &[], None);
                self.node("Mul", &[x, &gate], &[], None)
            }
            // x (1 + erf(x / sqrt 2)) / 2; ONNX has it as one operator only from version 20 on.
            ActivationKind::Gelu => {
                let [root, one, half] = [std::f32::consts::FRAC_1_SQRT_2, 1.0, 0.5].map(|number| self.constant(number));
                let scaled = self.node("Mul", &[x, &root], &[], None);
                let erf = self.node("Erf", &[&scaled], &[], None);
                let sum = self.node("Add", &[&erf, &one], &[], None);
                let product = self.node("Mul", &[x, &sum], &[], None);
                self.node("Mul", &[&product, &half], &[], None)
            }
            ActivationKind::Sine => self.node("Sin", &[x], &[], None),
        }
    }

    fn constant(&mut self, number: f32) -> String {
        self.node("Constant", &[], &[("value_float", Attribute::Float(number))], None)
    }

    fn conv(&mut self, name: &str, x: &str, kernel: [usize; 3], stride: [usize; 3], has_bias: bool, output: Option<&str>) -> String {
        let [z, y, w] = kernel.map(|k| (k - 1) / 2);
        let pads = [z, y, w, z, y, w];
        let attributes =
            [("kernel_shape", Attribute::Ints(&kernel)), ("strides", Attribute::Ints(&stride)), ("pads", Attribute::Ints(&pads))];
        let (weight, bias) = (format!("{name}.weight"), format!("{name}.bias"));
        let inputs = if has_bias { vec![x, &*weight, &*bias] } else { vec![x, &*weight] };
        self.node("Conv", &inputs, &attributes, output)
    }
}
