//! Dense layers: every output looks at every input.

use crate::{Parameters, init::lecun_normal};
use rand_chacha::ChaCha8Rng;
use sagittal_tensor::{Device, Tensor};

/// Where the parameters of a dense layer are, and its size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dense {
    weight: usize,
    bias: usize,
    n_in: usize,
    n_out: usize,
}

impl Dense {
    /// Adds `NAME.weight`, `[n_out, n_in]`, normal numbers of variance `1 / n_in`, and `NAME.bias`, zeros; all zeros without
    /// `rng`.
    pub(crate) fn new(
        name: &str,
        [n_in, n_out]: [usize; 2],
        parameters: &mut Parameters,
        rng: Option<&mut ChaCha8Rng>,
        device: &Device,
    ) -> Self {
        let n = n_in * n_out;
        let weights = rng.map_or_else(|| vec![0.0; n], |rng| lecun_normal(n, n_in, rng));
        let weight = parameters.add(format!("{name}.weight"), vec![n_out, n_in], weights, device);
        let bias = parameters.add(format!("{name}.bias"), vec![n_out], vec![0.0; n_out], device);
        Self { weight, bias, n_in, n_out }
    }

    /// `x W' + b`.
    ///
    /// # Shapes
    /// - `x`: `[N, n_in]`; result: `[N, n_out]`
    pub(crate) fn forward(&self, parameters: &Parameters, x: Tensor<2>) -> Tensor<2> {
        let weight = parameters.value(self.weight).reshape([self.n_out, self.n_in]);
        let bias = parameters.value(self.bias).reshape([1, self.n_out]);
        // The weights come first, so that their gradient is made in the order in which they lie: they may be a hundred million.
        weight.matmul(x.transpose()).transpose() + bias
    }
}
