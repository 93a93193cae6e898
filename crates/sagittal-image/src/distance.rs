//! How far it is to the nearest set voxel: exact, Euclidean, with spacing.
//!
//! Source: Felzenszwalb and Huttenlocher 2012, "Distance transforms of sampled functions", section 2: one axis after the other, by the
//! lower envelope of parabolas, in linear time. The first axis is swept instead (as Meijster et al. 2000, section 3), and the last one,
//! across slices, is searched outwards where a distance is asked for: surfaces ask for few voxels, and the nearest slices nearly
//! always have the answer. Kept is which voxel is nearest, not how far it is, so that distances are rounded once only.

use rayon::prelude::*;

use crate::Volume;

/// No voxel of the slice is set.
const NONE: u32 = u32::MAX;

/// The way to the nearest set voxel of a grid, for every voxel.
///
/// Takes four bytes a voxel.
#[derive(Clone, Debug)]
pub struct NearestSet {
    shape: [usize; 3],
    spacing_mm: [f64; 3],
    /// For every voxel the nearest set one of its own slice, as `y * nx + x`, or [`NONE`].
    nearest: Vec<u32>,
}

impl NearestSet {
    /// Finds the nearest voxel that `is_set`, for every voxel of `volume`.
    ///
    /// # Units
    /// `spacing_mm`: `[Z, Y, X]`, above 0; 1 along every axis gives distances in voxels.
    ///
    /// # Panics
    /// If a slice has 2^32 voxels or more.
    pub fn of<T: Sync>(volume: &Volume<T>, spacing_mm: [f64; 3], is_set: impl Fn(&T) -> bool + Sync) -> Self {
        let shape = volume.shape();
        let [_, ny, nx] = shape;
        assert!(u32::try_from(ny * nx).is_ok_and(|n| n != NONE), "a slice of {ny} x {nx} voxels is too large");
        let mut nearest = vec![NONE; volume.voxels().len()];
        if !nearest.is_empty() {
            let slices = nearest.par_chunks_mut(ny * nx).zip(volume.voxels().par_chunks(ny * nx));
            slices.for_each_init(Row::default, |row, (nearest, voxels)| slice(nearest, voxels, nx, spacing_mm, &is_set, row));
        }
        Self { shape, spacing_mm, nearest }
    }

    /// The distance from the middle of voxel `[z, y, x]` to that of the nearest set voxel, in the spacing's unit; `None` where no
    /// voxel is set.
    ///
    /// # Panics
    /// If the position is not on the grid.
    pub fn distance(&self, [z, y, x]: [usize; 3]) -> Option<f64> {
        let [nz, ny, nx] = self.shape;
        assert!(z < nz && y < ny && x < nx, "no voxel {z}, {y}, {x} on a grid of {:?}", self.shape);
        let [mm_z, mm_y, mm_x] = self.spacing_mm;
        let squared = |z_other: usize, squared_z: f64| {
            let found = self.nearest[(z_other * ny + y) * nx + x];
            if found == NONE {
                return f64::INFINITY;
            }
            let (y_other, x_other) = (found as usize / nx, found as usize % nx);
            let (dy, dx) = (y_other.abs_diff(y) as f64 * mm_y, x_other.abs_diff(x) as f64 * mm_x);
            squared_z + dy * dy + dx * dx
        };
        let mut best = squared(z, 0.0);
        for steps in 1..nz {
            let dz = steps as f64 * mm_z;
            let (below, above) = (z.checked_sub(steps), Some(z + steps).filter(|above| *above < nz));
            // Nothing that is left can be nearer, or nothing is left.
            if dz * dz >= best || (below.is_none() && above.is_none()) {
                break;
            }
            for other in [below, above].into_iter().flatten() {
                best = best.min(squared(other, dz * dz));
            }
        }
        best.is_finite().then(|| best.sqrt())
    }
}

/// What one row needs, kept from row to row.
#[derive(Default)]
struct Row {
    nearest_y: Vec<u32>,
    /// Squared distance along y.
    squared: Vec<f64>,
    /// The parabolas of the lower envelope: their positions, and where each begins to be the lowest.
    envelope: Vec<(u32, f64)>,
}

/// Fills the nearest set voxel of one slice.
fn slice<T>(nearest: &mut [u32], voxels: &[T], nx: usize, [_, mm_y, mm_x]: [f64; 3], is_set: impl Fn(&T) -> bool, row: &mut Row) {
    // First along y: the row in which the nearest set voxel of the same column is.
    let mut any = false;
    for (y, (found, voxels)) in nearest.chunks_mut(nx).zip(voxels.chunks(nx)).enumerate() {
        for (found, voxel) in found.iter_mut().zip(voxels) {
            if is_set(voxel) {
                *found = y as u32;
                any = true;
            }
        }
    }
    if !any {
        return;
    }
    let ny = nearest.len() / nx;
    for y in 1..ny {
        let (before, here) = nearest.split_at_mut(y * nx);
        for (found, before) in here[..nx].iter_mut().zip(&before[(y - 1) * nx..]) {
            if *found == NONE {
                *found = *before;
            }
        }
    }
    for y in (0..ny - 1).rev() {
        let (here, after) = nearest.split_at_mut((y + 1) * nx);
        for (found, after) in here[y * nx..].iter_mut().zip(&after[..nx]) {
            // Of the one above (found by the first sweep) and the one below, the nearer; the above one if it is a tie.
            if *after != NONE && (*found == NONE || (*after as usize).abs_diff(y) < (*found as usize).abs_diff(y)) {
                *found = *after;
            }
        }
    }
    // Then along x: of the columns' answers, the nearest.
    for (y, found) in nearest.chunks_mut(nx).enumerate() {
        row.nearest_y.clear();
        row.nearest_y.extend_from_slice(found);
        row.squared.clear();
        row.squared.extend(row.nearest_y.iter().map(|&other| ((other as usize).abs_diff(y) as f64 * mm_y).powi(2)));
        lower_envelope(row, mm_x);
        for (part, &(at, begin)) in row.envelope.iter().enumerate() {
            // A voxel belongs to the parabola that begins at it or before it.
            let voxel = |begin: f64| begin.ceil().clamp(0.0, nx as f64) as usize;
            let end = row.envelope.get(part + 1).map_or(nx, |(_, next)| voxel(*next));
            let index = row.nearest_y[at as usize] * nx as u32 + at;
            found[voxel(begin)..end].fill(index);
        }
    }
}

/// The lower envelope of the parabolas over the voxels of a row whose column holds a set voxel.
fn lower_envelope(Row { nearest_y, squared, envelope }: &mut Row, mm_x: f64) {
    envelope.clear();
    let squared_mm = mm_x * mm_x;
    for (x, &cost) in squared.iter().enumerate() {
        if nearest_y[x] == NONE {
            continue;
        }
        let mut begin = f64::NEG_INFINITY;
        while let Some(&(before, its_begin)) = envelope.last() {
            let (u, v) = (f64::from(before), x as f64);
            // Where this parabola meets the one before, and lies below it from then on.
            begin = (cost - squared[before as usize]) / (2.0 * squared_mm * (v - u)) + (u + v) / 2.0;
            if begin > its_begin {
                break;
            }
            envelope.pop();
            begin = f64::NEG_INFINITY;
        }
        envelope.push((x as u32, begin));
    }
}

#[cfg(test)]
mod tests;
