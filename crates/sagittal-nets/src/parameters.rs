//! The numbers that a network learns, by name.

use sagittal_tensor::{Device, Prepared, Tensor, TensorData};

/// One learned array.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Name as nnU-Net calls it, `encoder.stages.0.0.convs.0.conv.weight`.
    pub name: String,
    /// Shape in PyTorch's order, such as `[C_out, C_in, KZ, KY, KX]`.
    pub shape: Vec<usize>,
    /// The numbers, flat.
    pub value: Tensor<1>,
    /// What a convolution keeps of the numbers between two uses.
    prepared: Prepared,
}

/// All learned arrays of a network, in a fixed order.
#[derive(Clone, Debug, Default)]
pub struct Parameters(Vec<Parameter>);

impl Parameters {
    /// Adds an array and says where it is.
    ///
    /// # Panics
    /// If the numbers do not fill the shape.
    pub fn add(&mut self, name: String, shape: Vec<usize>, numbers: Vec<f32>, device: &Device) -> usize {
        assert_eq!(numbers.len(), shape.iter().product::<usize>(), "numbers of {name}");
        let n = numbers.len();
        let value = Tensor::from_data(TensorData::new(numbers, [n]), device.plain());
        self.0.push(Parameter { name, shape, value, prepared: Prepared::nothing() });
        self.0.len() - 1
    }

    /// The array at `index`.
    pub fn value(&self, index: usize) -> Tensor<1> {
        self.0[index].value.clone()
    }

    /// What a convolution keeps of the array at `index`.
    pub fn prepared(&self, index: usize) -> Prepared {
        self.0[index].prepared.clone()
    }

    /// Lets convolutions keep their weights in the order in which the processor wants them, for as long as the arrays do
    /// not change: for prediction.
    pub(crate) fn keep_prepared(&mut self) {
        self.0.iter_mut().for_each(|p| p.prepared = Prepared::at_first_use());
    }

    /// All arrays in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Parameter> {
        self.0.iter()
    }

    /// All arrays in order, to be changed: nothing that was kept of them stays.
    pub fn iter_mut(&mut self) -> std::slice::IterMut<'_, Parameter> {
        self.0.iter_mut().for_each(|p| p.prepared = Prepared::nothing());
        self.0.iter_mut()
    }

    /// Number of learned numbers.
    pub fn count(&self) -> usize {
        self.0.iter().map(|p| p.shape.iter().product::<usize>()).sum()
    }

    /// The same arrays as leaves of a graph of differentiation, sharing their memory until either changes.
    pub fn tracked(&self) -> Self {
        Self(
            self.0
                .iter()
                .map(|p| Parameter { value: p.value.clone().autodiff().require_grad(), prepared: Prepared::nothing(), ..p.clone() })
                .collect(),
        )
    }
}
