//! What a prediction takes of memory, and how it is made to fit.
//!
//! Besides the image and the label map a prediction holds the sums of the slices that tiles still add to and three slices
//! of the input's size, all with a number per class. Probabilities lie on the disk. Where that is too much, the image is worked on in blocks of rows, and
//! the tiles that reach into two blocks are predicted twice.

use crate::{PredictOptions, assembly::rows_needed, sliding_window::SlidingWindow};
use sagittal_data::plan::{ImageToMaskPlan, LogitPrecision, NetworkPlan, PatchPlan, UnetPlan};
use sagittal_image::Tap;
use sagittal_tensor::wide_dense_bytes;
use std::ops::Range;

const F32: f64 = 4.0;
const F16: f64 = 2.0;
/// The program with its threads' own buffers.
const PROGRAM_BYTES: f64 = 1e8;
/// Voxels of an image beyond which its tiles are not counted: there are enough for any batch.
const MOST_COUNTED: f64 = 1e9;

/// A prediction as its memory sees it.
pub(crate) struct Work<'a> {
    pub(crate) window: SlidingWindow<'a>,
    pub(crate) network: &'a NetworkPlan,
    /// Number of networks.
    pub(crate) n_networks: usize,
    /// Each network once, or once for every sample of its dropout.
    pub(crate) n_voters: usize,
    /// Channels and voxels of the input as it was read.
    pub(crate) n_channels: usize,
    pub(crate) n_voxels: usize,
    /// Shape on the network's grid, `[Z, Y, X]`.
    pub(crate) working: [usize; 3],
    /// From there to the input's spacing.
    pub(crate) taps: &'a [Vec<Tap>; 3],
    pub(crate) wants: Wants,
}

/// What is wanted beside the labels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wants {
    probabilities: bool,
    uncertainty: bool,
}

impl From<PredictOptions> for Wants {
    fn from(options: PredictOptions) -> Self {
        Self { probabilities: options.probabilities, uncertainty: options.uncertainty }
    }
}

impl Work<'_> {
    /// Bytes at the peak, in blocks of `n_rows` rows of the input. In floating point: a wrong spacing makes numbers that no
    /// integer holds.
    pub(crate) fn bytes(&self, n_rows: usize) -> u64 {
        let (input, working) = (self.n_voxels as f64, self.n_working());
        let channels = self.n_channels as f64;
        // The image as read, turned and preprocessed; the mask of what is not zero takes less than one more number.
        let preprocessing = F32 * (input * (2.0 * channels + 1.0) + working * channels);
        let n_values = (self.network.classes() + usize::from(self.window.disagreement)) as f64;
        let rows_in = self.blocks(n_rows).map(|rows| rows_needed(&self.taps[1], &rows).len()).max().unwrap_or(0);
        let front = self.window.tile[0].min(self.working[0]) as f64 * rows_in as f64 * self.working[2] as f64;
        let slice = n_rows as f64 * self.taps[2].len() as f64;
        // Entropy and disagreement; while one of them is turned back it is there in three forms, labels of two bytes are, too.
        let soft = if self.wants.uncertainty { 4.0 } else { 0.0 };
        let held = F32 * (working * self.network.input_channels() as f64 + input * soft) + 6.0 * input;
        let sums = match self.window.precision {
            // Beside its values each voxel of the front has the sum of its weights.
            LogitPrecision::Single => F32 * (n_values * (front + 3.0 * slice) + front),
            LogitPrecision::Half => self.half_bytes(front, slice, rows_in as f64 * self.working[2] as f64),
        };
        let predicting = held + sums + self.network_bytes();
        // A class at a time comes from the disk, is turned back and written.
        let writing = if self.wants.probabilities { F32 * input * (4.0 + soft / 2.0) + 2.0 * input } else { 0.0 };
        (PROGRAM_BYTES + preprocessing.max(predicting).max(writing)) as u64
    }

    /// Sums in float16 over `front` voxels, of every voter by itself; a slice of the input's size; two slices of `slice_in`
    /// voxels as they came, the mean of voters and that with the disagreement; and of the tiles whose mirrored copies are not all
    /// there, the copies' sums.
    fn half_bytes(&self, front: f64, slice: f64, slice_in: f64) -> f64 {
        let (n_classes, n_voters) = (self.network.classes() as f64, self.n_voters as f64);
        let n_values = n_classes + f64::from(u8::from(self.window.disagreement));
        let fronts = F16 * front * (n_voters * n_classes + 1.0) + if self.window.disagreement { 2.0 * F32 * front } else { 0.0 };
        let n_mirrors = 1usize << self.window.mirror_axes.len();
        let open = if n_mirrors == 1 { 0 } else { self.batch().div_ceil(n_mirrors) + 1 };
        let copies = open as f64 * n_voters * n_classes * self.window.tile.iter().map(|n| *n as f64).product::<f64>();
        fronts + F32 * (n_values * (slice + 4.0 * slice_in) + copies)
    }

    fn n_working(&self) -> f64 {
        self.working.iter().map(|n| *n as f64).product()
    }

    /// The input's rows in blocks of `n_rows`.
    pub(crate) fn blocks(&self, n_rows: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let n = self.taps[1].len();
        (0..n).step_by(n_rows.max(1)).map(move |first| first..(first + n_rows).min(n))
    }

    /// The largest number of rows in a block, all of about the same size, that stays within `limit` bytes; `None` if not
    /// even single rows do.
    pub(crate) fn rows_within(&self, limit: Option<u64>) -> Option<usize> {
        let n = self.taps[1].len().max(1);
        let Some(limit) = limit else { return Some(n) };
        (1..=n).map(|n_blocks| n.div_ceil(n_blocks)).find(|n_rows| self.bytes(*n_rows) <= limit)
    }

    /// One batch of tiles in the network, its weights (in the file's order and in that of the processor), and the room
    /// in which weights are read.
    fn network_bytes(&self) -> f64 {
        let activations = match self.network {
            NetworkPlan::Unet(unet) | NetworkPlan::ResidualUnet(unet) => unet_activations(unet, self.window.tile),
            NetworkPlan::Patch(patch) => patch_activations(patch, self.window.tile),
            NetworkPlan::ImageToMask(mask) => image_to_mask_activations(mask),
        };
        // A voxel classifier's weights are used in the file's order.
        let copies = if self.window.is_dense() { 2.0 } else { 3.0 };
        F32 * (self.batch() as f64 * activations as f64 + copies * self.network.n_parameters() as f64 * self.n_networks as f64)
    }

    /// Tiles that go through the network together; small images have fewer than would fit.
    fn batch(&self) -> usize {
        let most = self.window.tiles_per_batch(self.window.tile);
        if self.n_working() > MOST_COUNTED {
            return most;
        }
        most.min(self.window.n_tiles(self.working, &(0..self.working[1])) << self.window.mirror_axes.len())
    }
}

/// Numbers that live together while a voxel classifier labels a tile: what it sees, the features of all towers, the two largest
/// outputs of convolutions, the spectra, the logits.
fn patch_activations(patch: &PatchPlan, tile: [usize; 3]) -> u64 {
    let numbers = |size: [usize; 3], channels: usize| (size.iter().product::<usize>() * channels) as u64;
    let context = patch.context();
    let seen = std::array::from_fn(|axis| context[axis][0] + tile[axis] + context[axis][1]);
    let (mut kept, mut most) = (2 * numbers(seen, patch.input_channels) + 2 * numbers(tile, patch.classes), 0);
    for tower in patch.towers() {
        let mut size: [usize; 3] = std::array::from_fn(|axis| tower.side[axis] + tile[axis] - 1);
        let mut before = numbers(size, patch.input_channels);
        for (kernel, &filters) in tower.kernels.iter().zip(&patch.filters) {
            size = std::array::from_fn(|axis| size[axis] + 1 - kernel[axis]);
            let after = numbers(size, filters);
            // Before and after the activation.
            most = most.max(before + 2 * after);
            before = after;
        }
        let channels = patch.filters.last().copied().unwrap_or(patch.input_channels);
        kept += before + wide_dense_bytes(size, channels, tower.left) / F32 as u64;
    }
    kept + most
}

/// Numbers that live together while a network sees a whole picture: the inputs and outputs of its widest layer, and its maps
/// in the forms in which they become logits.
fn image_to_mask_activations(mask: &ImageToMaskPlan) -> u64 {
    let widest = mask.filters.iter().max().copied().unwrap_or(0).max(mask.input_channels);
    (mask.size.iter().product::<usize>() * (3 * widest + 6 * mask.classes)) as u64
}

/// Numbers that live together while a U-Net predicts a tile.
fn unet_activations(unet: &UnetPlan, tile: [usize; 3]) -> u64 {
    let mut size = tile;
    let (mut skips, mut deepest) = (0, 0);
    for (stride, &features) in unet.strides.iter().zip(&unet.features) {
        size = std::array::from_fn(|a| size[a].div_ceil(stride[a]));
        let numbers = (features * size.iter().product::<usize>()) as u64;
        // Two convolutions' inputs and outputs beside the skip connections so far.
        deepest = deepest.max(skips + 2 * numbers);
        skips += numbers;
    }
    let voxels = tile.iter().product::<usize>() as u64;
    let finest = voxels * unet.features[0] as u64;
    let heads = voxels * (unet.features[0] + 2 * unet.classes) as u64;
    deepest.max(skips + finest).max(3 * finest).max(heads) + 2 * voxels * unet.input_channels as u64
}
