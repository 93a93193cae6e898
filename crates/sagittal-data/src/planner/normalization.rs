//! Which normalisation a channel gets: by its name, as nnU-Net decides.

use crate::{
    Fingerprint,
    plan::{Channel, Normalization},
};

/// Where the nonzero part is smaller than this part of the image, only it is normalised.
const LARGEST_MASKED_PART: f64 = 0.75;

/// All channels of a data set. Names that say nothing, R, G and B among them, get the z-score of each image.
pub(super) fn channels(fingerprint: &Fingerprint) -> Vec<Channel> {
    let masked = fingerprint.median_relative_size_after_cropping < LARGEST_MASKED_PART;
    let channel = |(index, name): (usize, &String)| {
        let normalization = match &*name.to_lowercase() {
            "ct" => {
                let foreground = &fingerprint.intensities[index];
                Normalization::Ct {
                    mean: foreground.mean,
                    std: foreground.std,
                    low: foreground.percentile_00_5,
                    high: foreground.percentile_99_5,
                }
            }
            "nonorm" => Normalization::None,
            "rescale_to_0_1" => Normalization::MinMax,
            "rgb_to_0_1" => Normalization::Rgb,
            _ => Normalization::Zscore { masked },
        };
        Channel { name: name.clone(), normalization }
    };
    fingerprint.channels.iter().enumerate().map(channel).collect()
}
