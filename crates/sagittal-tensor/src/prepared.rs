//! Weights that are rearranged for the processor once instead of at every use.

use sagittal_kernels::{ConvShape, PackedConv};
use std::sync::{Arc, OnceLock};

/// What a convolution keeps of its weights from one use to the next; clones share it.
///
/// A kernel of the processor wants weights in another order, or transformed (Winograd). During training they change at
/// every step and nothing is kept ([`Prepared::nothing`]); a network that only predicts keeps them
/// ([`Prepared::at_first_use`]), which deep layers of few voxels and many weights gain most from.
#[derive(Clone, Debug)]
pub struct Prepared(Option<Arc<OnceLock<PackedConv>>>);

impl Prepared {
    /// Nothing is kept: the weights may change.
    pub fn nothing() -> Self {
        Self(None)
    }

    /// The weights that come with the first use are kept for all later ones, which must come with the same.
    pub fn at_first_use() -> Self {
        Self(Some(Arc::default()))
    }

    /// The kept weights, rearranged now if they are the first.
    pub(crate) fn of(&self, shape: &ConvShape, weight: &[f32]) -> Option<&PackedConv> {
        self.0.as_ref().map(|kept| kept.get_or_init(|| PackedConv::new(shape, weight)))
    }
}
