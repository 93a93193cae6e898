//! What the network gets to see in one step.

/// A number of patches with their labels, ready for the network.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// The step this batch belongs to, counted from 0.
    pub step: u64,
    /// Intensities, `[N, C, Z, Y, X]`.
    pub images: Vec<f32>,
    /// Class indices of what the network labels, `[N, Z, Y, X]`: the whole patch, or of a voxel classifier the voxel in its
    /// middle; [`Batch::IGNORE`] where the loss must not look.
    pub labels: Vec<u8>,
    /// `[N, C, Z, Y, X]` of the images; `Z` is 1 for 2-D networks.
    pub shape: [usize; 5],
}

impl Batch {
    /// The label of voxels that have no truth.
    pub const IGNORE: u8 = 255;

    /// `[Z, Y, X]` of one image.
    pub fn patch(&self) -> [usize; 3] {
        let [_, _, z, y, x] = self.shape;
        [z, y, x]
    }
}
