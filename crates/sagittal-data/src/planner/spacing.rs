//! The grid a network works on: spacing, order of axes, median shape, first patch (nnU-Net's rules).

use crate::{DataError, Fingerprint, statistics};
use sagittal_image::Rank;

/// The grid on which a network works.
pub(super) struct WorkingGrid {
    pub(super) image_rank: Rank,
    /// The coarsest axis first, the others in their order.
    pub(super) axis_order: [usize; 3],
    /// In the new order; `None` where no image has a physical size.
    pub(super) spacing_mm: Option<[f64; 3]>,
    /// In the new order; a median of two counts may end in a half.
    pub(super) median_shape: [f64; 3],
}

/// Slices count as far apart beyond this ratio of spacings.
pub(crate) const ANISOTROPY: f64 = 3.0;

/// Decides the working grid.
pub(super) fn working_grid(fingerprint: &Fingerprint) -> Result<WorkingGrid, DataError> {
    let cases = &fingerprint.cases;
    let first = cases.first().ok_or_else(|| DataError::Dataset {
        path: fingerprint.dataset.clone().into(),
        finding: "its fingerprint has no case".into(),
        cure: "the data set needs training cases with labels".into(),
    })?;
    if let Some(odd) = cases.iter().find(|case| case.spacing_mm.is_some() != first.spacing_mm.is_some()) {
        let (with, without) = if odd.spacing_mm.is_some() { (odd, first) } else { (first, odd) };
        return Err(DataError::Case {
            case: without.id.clone(),
            finding: format!("it has no spacing, {} has {:?} mm (z, y, x)", with.id, with.spacing_mm.unwrap_or_default()),
            cure: "write the spacing into its file".into(),
        });
    }
    let rank = fingerprint.image_rank;
    let median_of = |values: &dyn Fn(usize) -> f64| statistics::median(&mut (0..cases.len()).map(values).collect::<Vec<_>>());
    let Some(_) = first.spacing_mm else {
        let median_shape = std::array::from_fn(|axis| median_of(&|case| cases[case].shape_after_crop[axis] as f64));
        return Ok(WorkingGrid { image_rank: rank, axis_order: [0, 1, 2], spacing_mm: None, median_shape });
    };
    let spacings: Vec<[f64; 3]> = cases.iter().map(|case| in_plane_only(case.spacing_mm.unwrap_or([1.0; 3]), rank)).collect();
    let sizes: [f64; 3] = std::array::from_fn(|axis| median_of(&|case| cases[case].shape_after_crop[axis] as f64));
    let target = target_spacing(&spacings, sizes);
    let new_shapes: Vec<[usize; 3]> =
        cases.iter().zip(&spacings).map(|(case, &spacing)| resampled_shape(case.shape_after_crop, spacing, target)).collect();
    let median_shape: [f64; 3] = std::array::from_fn(|axis| median_of(&|case| new_shapes[case][axis] as f64));
    let coarsest = (0..3).rev().max_by(|&a, &b| target[a].total_cmp(&target[b])).unwrap_or(0);
    let axis_order = match (rank, coarsest) {
        (Rank::Two, _) | (_, 0) => [0, 1, 2],
        (_, 1) => [1, 0, 2],
        _ => [2, 0, 1],
    };
    Ok(WorkingGrid {
        image_rank: rank,
        axis_order,
        spacing_mm: Some(axis_order.map(|axis| target[axis])),
        median_shape: axis_order.map(|axis| median_shape[axis]),
    })
}

/// A 2-D image has no spacing between slices: 1 keeps its one slice out of every rule.
fn in_plane_only(spacing: [f64; 3], rank: Rank) -> [f64; 3] {
    let [z, y, x] = spacing;
    if rank == Rank::Two { [1.0, y, x] } else { [z, y, x] }
}

/// The median spacing; but where slices are far apart *and* few, a finer one along that axis, so that the many
/// well-resolved images are not thrown away.
fn target_spacing(spacings: &[[f64; 3]], median_size: [f64; 3]) -> [f64; 3] {
    let along = |axis: usize| spacings.iter().map(|spacing| spacing[axis]).collect::<Vec<_>>();
    let mut target: [f64; 3] = std::array::from_fn(|axis| statistics::percentile(&mut along(axis), 50.0));
    let worst = (0..3).rev().max_by(|&a, &b| target[a].total_cmp(&target[b])).unwrap_or(0);
    let others: Vec<usize> = (0..3).filter(|&axis| axis != worst).collect();
    let coarsest_other = others.iter().map(|&axis| target[axis]).fold(0.0, f64::max);
    let smallest_other = others.iter().map(|&axis| median_size[axis]).fold(f64::INFINITY, f64::min);
    if target[worst] > ANISOTROPY * coarsest_other && ANISOTROPY * median_size[worst] < smallest_other {
        let fine = statistics::percentile(&mut along(worst), 10.0);
        target[worst] = if fine < coarsest_other { coarsest_other.max(fine) + 1e-5 } else { fine };
    }
    target
}

/// Shape of an image on another spacing; halves are rounded to even, as Python rounds.
pub(crate) fn resampled_shape(shape: [usize; 3], spacing: [f64; 3], target: [f64; 3]) -> [usize; 3] {
    std::array::from_fn(|axis| ((spacing[axis] / target[axis] * shape[axis] as f64).round_ties_even() as usize).max(1))
}

/// A median shape in whole voxels.
pub(super) fn whole_shape(median_shape: [f64; 3]) -> [usize; 3] {
    median_shape.map(|size| (size.round_ties_even() as usize).max(1))
}

/// A cube of 256 (square of 2048) voxels' volume in millimetres, no larger than the median image.
pub(super) fn first_patch(spacing: [f64; 3], median_shape: [f64; 3], rank: Rank) -> [f64; 3] {
    let (axes, voxels): (std::ops::Range<usize>, f64) = if rank == Rank::Two { (1..3, 2048f64.powi(2)) } else { (0..3, 256f64.powi(3)) };
    let density: f64 = axes.clone().map(|axis| 1.0 / spacing[axis]).product();
    let scale = (voxels / density).powf(1.0 / axes.len() as f64);
    std::array::from_fn(|axis| {
        if !axes.contains(&axis) {
            return 1.0;
        }
        // In nnU-Net's order of operations: the last bit decides which way a half is rounded.
        (1.0 / spacing[axis] * scale).round_ties_even().min(median_shape[axis]).max(1.0)
    })
}
