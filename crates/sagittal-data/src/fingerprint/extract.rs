//! Reading a data set for its fingerprint.

use super::{
    CaseFingerprint, Fingerprint,
    intensities::{self, Sample},
};
use crate::{Case, DataError, Dataset, plan::OrientationRule};
use rayon::prelude::*;
use sagittal_image::{LabelExtent, Rank, Reorientation, Volume, label_extents, nonzero_box};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Labelled voxels kept for the intensity statistics, of all cases and channels together.
const MOST_SAMPLES: usize = 20_000_000;

impl Fingerprint {
    /// Reads the given labelled cases, in parallel, one case a thread in memory. `progress` is told from several
    /// threads how many are done of how many.
    ///
    /// # Errors
    /// The first case, in the given order, that cannot be read or whose labels do not fit its image; or none given.
    pub fn extract(
        dataset: &Dataset,
        cases: &[&Case],
        orientation: OrientationRule,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<Self, DataError> {
        let most_per_case = MOST_SAMPLES / cases.len().max(1) / dataset.channels.len().max(1);
        let done = AtomicUsize::new(0);
        let read: Vec<Result<Read, DataError>> = cases
            .par_iter()
            .with_max_len(1)
            .map(|case| {
                let read = Read::of(dataset, case, orientation, most_per_case.max(1000));
                progress(done.fetch_add(1, Ordering::Relaxed) + 1, cases.len());
                read
            })
            .collect();
        let read: Vec<Read> = read.into_iter().collect::<Result<_, _>>()?;
        let Some(first) = read.first() else {
            return Err(DataError::Dataset {
                path: dataset.root.clone(),
                finding: "there is no training case with labels".into(),
                cure: "add label maps, or correct their names".into(),
            });
        };
        let image_rank = first.rank;
        if let Some(odd) = read.iter().find(|read| read.rank != image_rank) {
            let words = |rank| if rank == Rank::Two { "2-D" } else { "3-D" };
            return Err(DataError::Case {
                case: odd.case.id.clone(),
                finding: format!("the image is {}, {} is {}", words(odd.rank), first.case.id, words(image_rank)),
                cure: "convert it, or make two data sets".into(),
            });
        }
        let mut relative: Vec<f64> = read.iter().map(|read| read.relative_size).collect();
        let intensities = (0..dataset.channels.len())
            .map(|channel| intensities::pooled(&read.iter().map(|read| &read.samples[channel]).collect::<Vec<&Sample>>()))
            .collect();
        Ok(Self {
            format_version: Self::FORMAT_VERSION,
            dataset: dataset.name.clone(),
            image_rank,
            channels: dataset.channels.clone(),
            labels: dataset.labels.clone(),
            regions: dataset.regions.clone(),
            ignore_label: dataset.ignore_label,
            median_relative_size_after_cropping: crate::statistics::median(&mut relative),
            intensities,
            labelled_box: read.iter().filter_map(|read| read.labelled_box).reduce(united),
            cases: read.into_iter().map(|read| read.case).collect(),
        })
    }
}

/// What is remembered of one case.
struct Read {
    case: CaseFingerprint,
    rank: Rank,
    relative_size: f64,
    labelled_box: Option<[[f64; 2]; 3]>,
    /// Foreground intensities per channel.
    samples: Vec<Sample>,
}

impl Read {
    fn of(dataset: &Dataset, case: &Case, orientation: OrientationRule, most_samples: usize) -> Result<Self, DataError> {
        let image = dataset.read_image(case)?;
        let labels = dataset.read_labels(case)?;
        if image.geometry.shape != labels.geometry.shape {
            return Err(DataError::Case {
                case: case.id.clone(),
                finding: format!("the labels have shape {:?}, the image {:?} (z, y, x)", labels.geometry.shape, image.geometry.shape),
                cure: "run `sagittal check` on the data set".into(),
            });
        }
        let reorientation = match orientation {
            OrientationRule::Canonical => Reorientation::of(&image.geometry),
            OrientationRule::File => Reorientation::IDENTITY,
        };
        let geometry = reorientation.geometry(&image.geometry);
        // The box is found in the file's axes and only its size is turned.
        let (bounds, _) = nonzero_box(&image.channels);
        let mut cropped = image.geometry.clone();
        cropped.shape = bounds.shape();
        let shape_after_crop = reorientation.geometry(&cropped).shape;
        let foreground = |voxels: &[f32]| -> Vec<f32> {
            voxels.iter().zip(labels.labels.voxels()).filter(|(_, label)| **label > 0).map(|(voxel, _)| *voxel).collect()
        };
        let samples = image.channels.iter().map(|channel| Sample::of(foreground(channel.voxels()), most_samples)).collect();
        Ok(Self {
            case: CaseFingerprint { id: case.id.clone(), spacing_mm: geometry.spacing_mm, shape: geometry.shape, shape_after_crop },
            rank: geometry.rank,
            labelled_box: labelled_box(&reorientation.to_canonical(&labels.labels)),
            relative_size: bounds.shape().iter().product::<usize>() as f64 / image.geometry.n_voxels().max(1) as f64,
            samples,
        })
    }
}

/// The box around all that is labelled, as parts of the axes.
fn labelled_box(labels: &Volume<u16>) -> Option<[[f64; 2]; 3]> {
    let extents = label_extents(labels);
    let boxes = extents.iter().filter(|extent| extent.label != 0).map(|LabelExtent { bounds, .. }| {
        let part = |voxel: usize, axis: usize| voxel as f64 / labels.shape()[axis] as f64;
        std::array::from_fn(|axis| [part(bounds.lower[axis], axis), part(bounds.upper[axis], axis)])
    });
    boxes.reduce(united)
}

/// The smallest box around two.
fn united(a: [[f64; 2]; 3], b: [[f64; 2]; 3]) -> [[f64; 2]; 3] {
    std::array::from_fn(|axis| [a[axis][0].min(b[axis][0]), a[axis][1].max(b[axis][1])])
}
