//! The voxel classifiers of Lai's thesis (2015): what one voxel is, from the patches around it. Valid convolutions without
//! pooling, then dense layers; the towers of a classifier are joined at the first of these.
//!
//! The network is described for one voxel and works on any region: convolutions of neighbouring voxels are shared, and the first
//! dense layer is a convolution whose kernel is all that the convolutions leave of a patch. For single voxels, as in training,
//! that is a matrix product; for regions on the CPU it goes through spectra ([`wide_dense`]); elsewhere it is a convolution.
//!
//! Parameters are named `towers.T.I` and `dense.I`; weights of the first dense layer are `[units, features]`, features of one
//! tower after the other, each `[C, Z, Y, X]`, as PyTorch flattens them.

use crate::{
    Dropout, DropoutLayer, GreedyLayer, GreedyShape, Parameters, activation_of,
    conv_block::{Builder, Dense, Head},
};
use sagittal_data::plan::{PatchPlan, Tower as TowerPlan, UnetPlan};
use sagittal_tensor::{Activation, ConvSpec, Padding, Tensor, WideParameters, activate, conv, wide_dense};

/// Towers of convolutions, dense layers.
#[derive(Clone, Debug)]
pub struct PatchNet {
    towers: Vec<Tower>,
    dense: Vec<Dense>,
    activation: Activation,
    /// Behind each dense layer but the last.
    dropout: Vec<Option<DropoutLayer>>,
    /// Voxels that are seen before and after those that are labelled.
    context: [[usize; 2]; 3],
}

#[derive(Clone, Debug)]
struct Tower {
    plan: TowerPlan,
    convs: Vec<Head>,
}

impl Tower {
    /// What it sees of an image for so many voxels.
    fn seen(&self, mut x: Tensor<5>, labelled: [usize; 3]) -> Tensor<5> {
        for (axis, labelled) in labelled.into_iter().enumerate() {
            let (first, length) = (self.plan.first[axis], self.plan.side[axis] + labelled - 1);
            if length < x.dims()[axis + 1] {
                x = x.narrow(axis + 1, first, length);
            }
        }
        x
    }

    /// Features of all voxels, `[N, Z, Y, X, C]`, larger than `labelled` by what the convolutions leave of a patch.
    fn forward(&self, parameters: &Parameters, x: Tensor<5>, labelled: [usize; 3], activation: Activation) -> Tensor<5> {
        through(&self.convs, parameters, self.seen(x, labelled), activation)
    }
}

/// Convolutions one after the other, each with the activation behind it.
fn through(convs: &[Head], parameters: &Parameters, x: Tensor<5>, activation: Activation) -> Tensor<5> {
    convs.iter().fold(x, |x, conv| activate(conv.forward(parameters, x), activation))
}

/// `[N, Z, Y, X, C]` of every tower => `[N, features]`, those of one tower after the other, each `[C, Z, Y, X]`.
fn joined(features: Vec<Tensor<5>>) -> Tensor<2> {
    let flat = features.into_iter().map(|x| {
        let [n, z, y, w, c] = x.dims();
        x.permute([0, 4, 1, 2, 3]).reshape([n, c * z * y * w])
    });
    let mut flat: Vec<Tensor<2>> = flat.collect();
    if flat.len() == 1 { flat.swap_remove(0) } else { Tensor::cat(flat, 1) }
}

/// Which layer a number stands for.
enum Place {
    /// Tower, convolution.
    Convolution(usize, usize),
    Dense(usize),
}

impl PatchNet {
    /// Lays a valid description out.
    pub(crate) fn new(plan: &PatchPlan, build: &mut Builder<'_>) -> Self {
        let mut features = 0;
        let towers = plan.towers().into_iter().enumerate().map(|(t, tower)| {
            let mut c_in = plan.input_channels;
            let convs = tower.kernels.iter().zip(&plan.filters).enumerate().map(|(i, (&kernel, &c_out))| {
                let spec = ConvSpec { c_in, c_out, kernel, stride: [1; 3], padding: Padding::Valid };
                c_in = c_out;
                build.convolution(&format!("towers.{t}.{i}"), spec)
            });
            let convs = convs.collect();
            features += c_in * tower.left.iter().product::<usize>();
            Tower { plan: tower, convs }
        });
        let towers: Vec<Tower> = towers.collect();
        let widths: Vec<usize> = [features].iter().chain(&plan.dense).chain(&[plan.classes]).copied().collect();
        let dense = widths.windows(2).enumerate().map(|(i, width)| build.dense(&format!("dense.{i}"), width[0], width[1]));
        Self {
            towers,
            dense: dense.collect(),
            activation: activation_of(plan.activation, UnetPlan::LEAKY_SLOPE),
            dropout: (0..plan.dense.len() as u64).map(|index| DropoutLayer::new(index, plan.dropout)).collect(),
            context: plan.context(),
        }
    }

    /// Logits of every voxel but those that are only seen.
    ///
    /// # Shapes
    /// - `x`: `[N, Z, Y, X, C]` with the context of [`PatchPlan::context`] on both sides
    /// - result: `[N, Z', Y', X', K]`, without it
    ///
    /// # Panics
    /// If there is nothing to label but context.
    pub fn forward(&self, parameters: &Parameters, x: Tensor<5>, dropout: Dropout) -> Tensor<5> {
        let [n, z, y, w, _] = x.dims();
        let labelled: [usize; 3] = std::array::from_fn(|axis| {
            let (size, [before, after]) = ([z, y, w][axis], self.context[axis]);
            assert!(size > before + after, "axis {axis}: {size} voxels, of which {before} and {after} are only seen");
            size - before - after
        });
        let features: Vec<Tensor<5>> =
            self.towers.iter().map(|tower| tower.forward(parameters, x.clone(), labelled, self.activation)).collect();
        drop(x);
        if labelled == [1; 3] {
            return self.of_single_voxels(parameters, features, dropout).reshape([n, 1, 1, 1, self.n_classes()]);
        }
        let regions = (0..n).map(|i| {
            let of_one = features.iter().map(|x| if n == 1 { x.clone() } else { x.clone().narrow(0, i, 1) });
            self.of_region(parameters, of_one.collect(), dropout)
        });
        let regions: Vec<Tensor<5>> = regions.collect();
        if n == 1 { regions.into_iter().next().expect("one region") } else { Tensor::cat(regions, 0) }
    }

    /// Where the numbers stand that are added to the logits last.
    pub(crate) fn logit_bias(&self) -> usize {
        self.dense[self.dense.len() - 1].bias_index()
    }

    /// Convolutions, one tower after the other, and the dense layers but the last.
    pub(crate) fn greedy_layers(&self) -> Vec<GreedyLayer> {
        let of_tower = |(t, tower): (usize, &Tower)| {
            let layer = |(i, conv): (usize, &Head)| GreedyLayer::of_convolution(format!("towers.{t}.{i}"), conv.spec());
            tower.convs.iter().enumerate().map(layer).collect::<Vec<_>>()
        };
        let hidden = self.dense.iter().enumerate().take(self.dense.len() - 1);
        let of_dense = |(i, dense): (usize, &Dense)| GreedyLayer {
            name: format!("dense.{i}"),
            c_in: dense.n_in,
            c_out: dense.n_out,
            shape: GreedyShape::Dense,
        };
        self.towers.iter().enumerate().flat_map(of_tower).chain(hidden.map(of_dense)).collect()
    }

    fn place(&self, layer: usize) -> Place {
        let mut left = layer;
        for (t, tower) in self.towers.iter().enumerate() {
            if left < tower.convs.len() {
                return Place::Convolution(t, left);
            }
            left -= tower.convs.len();
        }
        Place::Dense(left)
    }

    /// What one of them sees of what single voxels see.
    pub(crate) fn greedy_input(&self, layer: usize, parameters: &Parameters, x: Tensor<5>) -> Tensor<5> {
        match self.place(layer) {
            Place::Convolution(t, i) => {
                let tower = &self.towers[t];
                through(&tower.convs[..i], parameters, tower.seen(x, [1; 3]), self.activation)
            }
            Place::Dense(i) => {
                let features = self.towers.iter().map(|tower| tower.forward(parameters, x.clone(), [1; 3], self.activation));
                let joined = joined(features.collect());
                let [n, width] = joined.dims();
                let first = joined.reshape([n, 1, 1, 1, width]);
                let n_convs = layer - i;
                (n_convs..layer).fold(first, |x, before| self.greedy_output(before, parameters, x))
            }
        }
    }

    /// The output of one of them.
    pub(crate) fn greedy_output(&self, layer: usize, parameters: &Parameters, input: Tensor<5>) -> Tensor<5> {
        match self.place(layer) {
            Place::Convolution(t, i) => through(&self.towers[t].convs[i..=i], parameters, input, self.activation),
            Place::Dense(i) => {
                let (dense, n) = (&self.dense[i], input.dims()[0]);
                let values = dense.forward(parameters, input.reshape([n, dense.n_in]));
                activate(values, self.activation).reshape([n, 1, 1, 1, dense.n_out])
            }
        }
    }

    fn n_classes(&self) -> usize {
        self.dense.last().map_or(0, |layer| layer.n_out)
    }

    /// `[N, Z, Y, X, C]` of every tower, all of which a voxel sees => `[N, K]`.
    fn of_single_voxels(&self, parameters: &Parameters, features: Vec<Tensor<5>>, dropout: Dropout) -> Tensor<2> {
        self.layers_behind(parameters, self.dense[0].forward(parameters, joined(features)), 1, dropout)
    }

    /// `[1, Z, Y, X, C]` of every tower => `[1, Z', Y', X', K]`.
    fn of_region(&self, parameters: &Parameters, features: Vec<Tensor<5>>, dropout: Dropout) -> Tensor<5> {
        let (first, second) = (&self.dense[0], &self.dense[1]);
        let towers: Vec<(Tensor<5>, [usize; 3])> = features.into_iter().zip(&self.towers).map(|(x, tower)| (x, tower.plan.left)).collect();
        let wide = WideParameters {
            weight: first.weight(parameters),
            bias: first.bias(parameters),
            next_weight: self.thinned(second.weight(parameters), second, dropout),
            next_bias: second.bias(parameters),
        };
        let is_tracked = wide.weight.is_require_grad();
        match if is_tracked { None } else { wide_dense(&towers, &wide, self.activation) } {
            Some(values) => self.layers_behind(parameters, values, 2, dropout),
            None => self.layers_behind(parameters, self.first_by_convolution(&wide, &towers), 1, dropout),
        }
    }

    /// All layers behind the first `done` dense ones, whose values have not yet been through the activation.
    ///
    /// # Shapes
    /// - `values`: `[.., units]`; result: `[.., K]`
    fn layers_behind<const D: usize>(&self, parameters: &Parameters, mut values: Tensor<D>, done: usize, dropout: Dropout) -> Tensor<D> {
        for (i, layer) in self.dense.iter().enumerate().skip(done) {
            values = activate(values, self.activation);
            if let Some(left_out) = self.dropout[i - 1] {
                values = left_out.forward(values, dropout);
            }
            let mut dims = values.dims();
            let n_voxels = dims[..D - 1].iter().product::<usize>();
            dims[D - 1] = layer.n_out;
            values = layer.forward(parameters, values.reshape([n_voxels, layer.n_in])).reshape(dims);
        }
        values
    }

    /// The first dense layer as a convolution, without its activation.
    fn first_by_convolution(&self, wide: &WideParameters, towers: &[(Tensor<5>, [usize; 3])]) -> Tensor<5> {
        let (n_units, n_features) = (self.dense[0].n_out, self.dense[0].n_in);
        let rows: Tensor<2> = wide.weight.clone().reshape([n_units, n_features]);
        let mut offset = 0;
        let parts = towers.iter().enumerate().map(|(t, (x, kernel))| {
            let spec = ConvSpec { c_in: x.dims()[4], c_out: n_units, kernel: *kernel, stride: [1; 3], padding: Padding::Valid };
            let length = spec.n_weights() / n_units;
            let weight =
                if towers.len() == 1 { wide.weight.clone() } else { rows.clone().narrow(1, offset, length).reshape([spec.n_weights()]) };
            offset += length;
            // The bias counts once.
            let bias = if t == 0 { wide.bias.clone() } else { wide.bias.zeros_like() };
            conv(x.clone(), weight, bias, spec)
        });
        parts.reduce(|sum, part| sum + part).expect("a classifier has a tower")
    }

    /// The weights of the second layer, without those of units that dropout leaves out.
    fn thinned(&self, weight: Tensor<1>, second: &Dense, dropout: Dropout) -> Tensor<1> {
        let Some(layer) = self.dropout[0].filter(|_| dropout != Dropout::Off) else { return weight };
        let factors = layer.forward(Tensor::<2>::ones([1, second.n_in], &weight.device()), dropout);
        (weight.reshape([second.n_out, second.n_in]) * factors).reshape([second.n_out * second.n_in])
    }
}
