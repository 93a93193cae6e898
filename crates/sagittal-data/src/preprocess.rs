//! From an image as it was read to the array a network works on, and the way back.
//!
//! In this order: working orientation, order of axes, crop to the nonzero part, normalisation, resampling. Normalising
//! comes before resampling, because the statistics are those of the measured voxels, not of interpolated ones.
//!
//! Networks that see whole pictures get them whole, nothing cut off, at their one size whatever the spacing.

mod axes;
mod class_locations;
mod normalize;
mod previous_stage;
mod region;
mod restore;

pub use restore::Restore;

use crate::{
    DataError,
    plan::{Normalization, OrientationRule, Plan, Region, RegionOfInterest},
    planner::resampled_shape,
};
use axes::permute;
use sagittal_image::{
    BoundingBox, Image, Interpolation, LabelMap, Rank, Reorientation, Volume, crop, nonzero_box, resample_image, resample_labels, resize,
    resize_labels,
};

/// One image, preprocessed as a plan asks.
#[derive(Clone, Debug)]
pub struct Preprocessed {
    /// Normalised intensities on the plan's grid, `[C, Z, Y, X]`.
    pub data: Vec<f32>,
    /// `[C, Z, Y, X]`.
    pub shape: [usize; 4],
    /// How to bring a result back to the grid of the input.
    pub restore: Restore,
}

/// One image with its labels, preprocessed for training.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingCase {
    /// The case's name.
    pub id: String,
    /// Normalised intensities on the plan's grid, `[C, Z, Y, X]`.
    pub data: Vec<f32>,
    /// Class indices, `[Z, Y, X]`; [`OUTSIDE`] in the background outside the image's nonzero part, the number of classes
    /// where nobody labelled.
    pub labels: Vec<i16>,
    /// In a cascade the class that the previous stage found, `[Z, Y, X]`; else empty.
    pub previous: Vec<i16>,
    /// `[C, Z, Y, X]`.
    pub shape: [usize; 4],
    /// How many voxels of every class there are, where the plan has a region of interest inside it.
    pub class_sizes: Vec<u64>,
    /// For every class, or every region where the plan has regions, voxels where it occurs, `[z, y, x]`, capped in
    /// number. None are kept for the background, unless the plan shows it as often as every class: then it stands in its
    /// own place among the classes, and after the regions.
    pub class_locations: Vec<Vec<[u32; 3]>>,
    /// Where the plan has an ignore label, voxels that somebody labelled, background among them; else none.
    pub labelled_locations: Vec<[u32; 3]>,
}

/// Label maps that some plans ask for besides the labels, on the image's grid.
#[derive(Clone, Copy, Debug, Default)]
pub struct Besides<'a> {
    /// In a cascade what the previous stage found.
    pub previous: Option<&'a LabelMap>,
    /// The mask of the region of interest.
    pub region: Option<&'a LabelMap>,
}

/// The label of background outside the image's nonzero part.
pub const OUTSIDE: i16 = -1;

/// Voxels of a channel on the plan's grid beyond which a wrong spacing is likelier than such an image; positions of voxels
/// are kept in 32 bits, too.
const MOST_VOXELS: usize = 1 << 31;

/// Does to images what a plan asks.
#[derive(Clone, Debug)]
pub struct Preprocessor {
    orientation: OrientationRule,
    axis_order: [usize; 3],
    image_rank: Rank,
    normalizations: Vec<Normalization>,
    label_values: Vec<u16>,
    /// The classes of every target that patches are centred on: the classes themselves, or the regions.
    targets: Vec<Vec<usize>>,
    ignore_label: Option<u16>,
    spacing_mm: Option<[f64; 3]>,
    /// A network of slices keeps every image's own spacing between slices.
    keep_slices: bool,
    region_of_interest: Option<RegionOfInterest>,
    /// The size `[Y, X]` of a network that sees whole pictures.
    whole_image: Option<[usize; 2]>,
}

/// An image and its labels on the way.
struct Cropped {
    channels: Vec<Volume<f32>>,
    mask: Volume<bool>,
    restore: Restore,
}

impl Preprocessor {
    /// Takes from the plan what preprocessing needs.
    pub fn new(plan: &Plan) -> Self {
        Self {
            orientation: plan.orientation,
            axis_order: plan.axis_order,
            image_rank: plan.image_rank,
            normalizations: plan.channels.iter().map(|channel| channel.normalization).collect(),
            label_values: plan.labels.iter().map(|label| label.value).collect(),
            targets: targets(plan),
            ignore_label: plan.ignore_label,
            spacing_mm: plan.spacing_mm,
            keep_slices: plan.network_rank() == Rank::Two,
            region_of_interest: plan.region_of_interest.clone(),
            whole_image: plan.network.whole_image(),
        }
    }

    /// Preprocesses an image for prediction; `case` names it in errors.
    ///
    /// # Errors
    /// If the image has another rank or number of channels than the plan, lacks a spacing the plan needs, has one so far
    /// from the plan's that it would not fit any memory, or holds voxels that are not finite.
    pub fn run(&self, case: &str, image: &Image) -> Result<Preprocessed, DataError> {
        let Cropped { channels, mask, restore } = self.crop(case, image)?;
        let shape = self.target_shape(case, &restore)?;
        let channels = self.normalize_and_resample(channels, &mask, &restore, shape);
        let [z, y, x] = shape;
        Ok(Preprocessed { shape: [self.normalizations.len(), z, y, x], data: channels, restore })
    }

    /// Preprocesses an image with its labels for training.
    ///
    /// # Errors
    /// As [`Preprocessor::run`], and if the labels lie on another grid or hold a value that is no label of the plan.
    pub fn run_training(&self, case: &str, image: &Image, labels: &LabelMap) -> Result<TrainingCase, DataError> {
        self.run_with(case, image, labels, Besides::default())
    }

    /// The same with what a case has besides.
    ///
    /// # Errors
    /// As [`Preprocessor::run_training`], for all label maps, and if the plan asks for a mask of the region and there is none.
    pub fn run_with(&self, case: &str, image: &Image, labels: &LabelMap, besides: Besides<'_>) -> Result<TrainingCase, DataError> {
        self.require_grid(case, image, labels, "its labels")?;
        let Cropped { channels, mut mask, restore } = self.crop(case, image)?;
        let turned = permute(&restore.reorientation.to_canonical(&labels.labels), self.axis_order);
        let mut classes = self.classes(case, &crop(&turned, restore.crop))?;
        for (class, inside) in classes.voxels_mut().iter_mut().zip(mask.voxels_mut()) {
            match (*class, *inside) {
                (0, false) => *class = OUTSIDE,
                // What somebody labelled counts as part of the image, even where the image is 0.
                _ => *inside = true,
            }
        }
        let shape = self.target_shape(case, &restore)?;
        let data = self.normalize_and_resample(channels, &mask, &restore, shape);
        let classes = match (restore.spacing_mm, restore.working_spacing_mm) {
            (Some(from), Some(to)) => resample_labels(&classes, from, to, shape),
            _ if self.whole_image.is_some() => resize_labels(&classes, shape),
            _ => classes,
        };
        let n_classes = self.label_values.len();
        let region = self.region(case, &restore, shape, besides.region)?;
        let class_sizes = class_locations::sizes(&classes, n_classes, region.as_ref());
        let class_locations = class_locations::sample(&classes, n_classes, &self.targets, region.as_ref());
        let labelled_locations = match self.ignore_label {
            Some(_) => class_locations::sample_labelled(&classes, n_classes),
            None => Vec::new(),
        };
        let previous = match besides.previous {
            Some(map) => {
                self.require_grid(case, image, map, "the labels of the previous stage")?;
                self.classes(case, &self.on_working_grid(&map.labels, &restore, shape))?.into_voxels()
            }
            None => Vec::new(),
        };
        let [z, y, x] = shape;
        let shape = [self.normalizations.len(), z, y, x];
        let labels = classes.into_voxels();
        Ok(TrainingCase { id: case.into(), data, labels, previous, shape, class_sizes, class_locations, labelled_locations })
    }

    /// Refuses a label map on another grid than its image.
    fn require_grid(&self, case: &str, image: &Image, labels: &LabelMap, what: &str) -> Result<(), DataError> {
        if image.geometry.shape == labels.geometry.shape && Reorientation::of(&image.geometry) == Reorientation::of(&labels.geometry) {
            return Ok(());
        }
        let grid = image.geometry.same_grid(&labels.geometry, crate::dataset::GRID_TOLERANCE);
        let why = grid.map_or_else(|mismatch| mismatch.to_string(), |()| "rank".into());
        Err(DataError::Case {
            case: case.into(),
            finding: format!("{what} lie on another grid than the image: {why}"),
            cure: "run `sagittal check` on the data set".into(),
        })
    }

    /// Orients and crops.
    fn crop(&self, case: &str, image: &Image) -> Result<Cropped, DataError> {
        self.validate(case, image)?;
        let reorientation = match self.orientation {
            OrientationRule::Canonical => Reorientation::of(&image.geometry),
            OrientationRule::File => Reorientation::IDENTITY,
        };
        let channels: Vec<Volume<f32>> =
            image.channels.iter().map(|channel| permute(&reorientation.to_canonical(channel), self.axis_order)).collect();
        let spacing = reorientation.geometry(&image.geometry).spacing_mm.map(|spacing| self.axis_order.map(|axis| spacing[axis]));
        let (mut bounds, mask) = nonzero_box(&channels);
        if self.whole_image.is_some() {
            bounds = BoundingBox::whole(channels[0].shape());
        }
        let (spacing_mm, working_spacing_mm) = match (spacing, self.spacing_mm) {
            // Whatever it is, the way there and back goes by the number of pixels.
            _ if self.whole_image.is_some() => (None, None),
            (Some(own), Some(mut target)) => {
                if self.keep_slices {
                    target[0] = own[0];
                }
                (Some(own), Some(target))
            }
            // Pictures are taken as they are.
            (own, _) => (own, own),
        };
        let restore = Restore {
            reorientation,
            axis_order: self.axis_order,
            shape_before_crop: channels[0].shape(),
            crop: bounds,
            spacing_mm,
            working_spacing_mm,
        };
        let channels = channels.iter().map(|channel| crop(channel, bounds)).collect();
        Ok(Cropped { channels, mask: crop(&mask, bounds), restore })
    }

    fn validate(&self, case: &str, image: &Image) -> Result<(), DataError> {
        let error = |finding: String, cure: &str| Err(DataError::Case { case: case.into(), finding, cure: cure.into() });
        let geometry = &image.geometry;
        if geometry.rank != self.image_rank {
            let words = |rank| if rank == Rank::Two { "2-D" } else { "3-D" };
            return error(
                format!("the image is {}, the plan is for {} images", words(geometry.rank), words(self.image_rank)),
                "convert the image, or use another model",
            );
        }
        if image.channels.len() != self.normalizations.len() {
            let finding = format!("the image has {} channel(s), the plan {}", image.channels.len(), self.normalizations.len());
            return error(finding, "give all channels the plan names, in its order");
        }
        if geometry.n_voxels() == 0 {
            return error(format!("the image has no voxels (shape {:?})", geometry.shape), "export it again");
        }
        match (self.spacing_mm, geometry.spacing_mm) {
            (Some(_), None) => {
                return error("the image has no spacing, the plan works on millimetres".into(), "store it in a format with a spacing");
            }
            (Some(_), Some(spacing)) if spacing.iter().any(|mm| !(mm.is_finite() && *mm > 0.0)) => {
                return error(format!("its spacing is {spacing:?} mm (z, y, x)"), "write the true spacing into the file");
            }
            _ => {}
        }
        for (channel, volume) in image.channels.iter().enumerate() {
            if volume.voxels().iter().any(|voxel| !voxel.is_finite()) {
                return error(format!("channel {channel} has voxels that are NaN or infinite"), "replace them, for instance by 0");
            }
        }
        Ok(())
    }

    /// The shape on the plan's grid; an error where a wrong spacing would blow the image up.
    fn target_shape(&self, case: &str, restore: &Restore) -> Result<[usize; 3], DataError> {
        if let Some([y, x]) = self.whole_image {
            return Ok([1, y, x]);
        }
        let (Some(from), Some(to)) = (restore.spacing_mm, restore.working_spacing_mm) else { return Ok(restore.crop.shape()) };
        let shape = resampled_shape(restore.crop.shape(), from, to);
        let n_voxels = shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
        if n_voxels.is_some_and(|n| n <= MOST_VOXELS) {
            return Ok(shape);
        }
        Err(DataError::Case {
            case: case.into(),
            finding: format!("its spacing is {from:?} mm (axes of the plan), which makes {shape:?} voxels on the plan's {to:?} mm"),
            cure: "write the true spacing into the file".into(),
        })
    }

    /// All channels in one buffer, `[C, Z, Y, X]`.
    fn normalize_and_resample(&self, channels: Vec<Volume<f32>>, mask: &Volume<bool>, restore: &Restore, shape: [usize; 3]) -> Vec<f32> {
        let mut data = Vec::with_capacity(channels.len() * shape.iter().product::<usize>());
        for (mut volume, normalization) in channels.into_iter().zip(&self.normalizations) {
            normalize::normalize(volume.voxels_mut(), mask.voxels(), normalization);
            let resampled = match (restore.spacing_mm, restore.working_spacing_mm) {
                (Some(from), Some(to)) if volume.shape() != shape => resample_image(&volume, from, to, shape),
                _ if self.whole_image.is_some() => resize(&volume, shape, Interpolation::Linear),
                _ => volume,
            };
            data.extend_from_slice(resampled.voxels());
        }
        data
    }

    /// Label values => positions in the plan's list.
    fn classes(&self, case: &str, labels: &Volume<u16>) -> Result<Volume<i16>, DataError> {
        let highest = self.ignore_label.or(self.label_values.last().copied()).unwrap_or_default();
        let mut class_of = vec![OUTSIDE; usize::from(highest) + 1];
        for (class, &value) in (0i16..).zip(&self.label_values) {
            class_of[usize::from(value)] = class;
        }
        if let Some(ignored) = self.ignore_label {
            class_of[usize::from(ignored)] = self.label_values.len() as i16;
        }
        let unknown = labels.voxels().iter().find(|&&value| class_of.get(usize::from(value)).is_none_or(|&class| class == OUTSIDE));
        if let Some(value) = unknown {
            return Err(DataError::Case {
                case: case.into(),
                finding: format!("its labels hold value {value}, which is no label of the plan {:?}", self.label_values),
                cure: "run `sagittal check` on the data set".into(),
            });
        }
        Ok(labels.map(|&value| class_of[usize::from(value)]))
    }
}

/// What patches are centred on: every class but the background by itself, or the classes of every region.
pub(crate) fn targets(plan: &Plan) -> Vec<Vec<usize>> {
    let classes_of = |region: &Region| (0..plan.labels.len()).filter(|&class| region.values.contains(&plan.labels[class].value)).collect();
    let of_class = |class: usize| if class == 0 && !plan.is_balanced() { Vec::new() } else { vec![class] };
    match plan.regions[..] {
        [] => (0..plan.labels.len()).map(of_class).collect(),
        _ => plan.regions.iter().map(classes_of).chain(plan.is_balanced().then(|| vec![0])).collect(),
    }
}

#[cfg(test)]
mod tests;
