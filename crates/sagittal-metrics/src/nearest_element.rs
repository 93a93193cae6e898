//! How far it is to the nearest element of a surface: exact, Euclidean, with spacing, for few places of a large grid.
//!
//! Surfaces fill a hundredth of their grid, and both of a pair mostly run close by. So only the first axis is transformed for the whole
//! grid, by two sweeps (Meijster et al. 2000, section 2); the other two are searched outwards where a distance is asked for.
//! Two things keep that search short however far apart the surfaces are: the distance from a place is at most that from its
//! neighbour more than its neighbour's, which bounds the search from the start; and the lowest number of a block of places lets
//! nearly all blocks be passed over. [`sagittal_image::NearestSet`], which transforms two axes and serves where every voxel is asked for,
//! is the twin that it is tested against.

use rayon::prelude::*;
use sagittal_image::Volume;

/// Places of a row that are looked at together.
const LANES: usize = 8;

/// 0 to 7, as they are added to the position of a block.
const LANE: [f64; LANES] = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];

/// Bounds that follow from another distance may be too low by rounding.
const ROUNDING: f64 = 1.0 + 1e-9;

/// Where the elements of a surface lie. Takes four bytes a place.
#[derive(Debug)]
pub(crate) struct NearestElement {
    shape: [usize; 3],
    spacing: [f64; 3],
    blocks_per_row: usize,
    /// Steps along y to the nearest element in the same slice and column; infinite where there is none, and behind a row's end.
    steps_y: Vec<[f32; LANES]>,
    /// The fewest steps of each block.
    fewest: Vec<f32>,
    /// Whether a slice holds an element.
    occupied: Vec<bool>,
}

/// A place whose distance is known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    pub(crate) at: [usize; 3],
    pub(crate) distance: f64,
}

impl NearestElement {
    /// Takes the places of `codes` that are an element.
    ///
    /// # Units
    /// `spacing` is `[Z, Y, X]`, above 0.
    pub(crate) fn of(codes: &Volume<u8>, spacing: [f64; 3], is_element: impl Fn(u8) -> bool + Sync) -> Self {
        let shape = codes.shape();
        let [nz, ny, nx] = shape;
        let blocks_per_row = nx.div_ceil(LANES);
        let n_blocks = nz * ny * blocks_per_row;
        let (mut steps_y, mut fewest, mut occupied) =
            (vec![[f32::INFINITY; LANES]; n_blocks], vec![f32::INFINITY; n_blocks], vec![false; nz]);
        let in_slice = (ny * blocks_per_row).max(1);
        let slices = steps_y.par_chunks_mut(in_slice).zip(fewest.par_chunks_mut(in_slice)).zip(&mut occupied);
        slices.zip(codes.voxels().par_chunks((ny * nx).max(1))).for_each(|(((steps, fewest), occupied), codes)| {
            *occupied = codes.iter().fold(false, |any, &code| any | is_element(code));
            if *occupied {
                sweep(steps.as_flattened_mut(), codes, nx, &is_element);
                for (fewest, block) in fewest.iter_mut().zip(&*steps) {
                    *fewest = block.iter().fold(f32::INFINITY, |a, &b| if b < a { b } else { a });
                }
            }
        });
        Self { shape, spacing, blocks_per_row, steps_y, fewest, occupied }
    }

    /// The distance from a place to the nearest element; infinite where there is none. A place `near` it, if there is one, shortens the
    /// search.
    ///
    /// # Panics
    /// If the place is not on the grid.
    pub(crate) fn distance(&self, at: [usize; 3], near: Option<Known>) -> f64 {
        let [nz, ny, nx] = self.shape;
        let [z, y, x] = at;
        assert!(z < nz && y < ny && x < nx, "no place {z}, {y}, {x} on a grid of {:?}", self.shape);
        let [mm_z, mm_y, _] = self.spacing;
        let own_column = f64::from(self.steps_y[(z * ny + y) * self.blocks_per_row + x / LANES][x % LANES]) * mm_y;
        let mut best = own_column * own_column;
        if let Some(near) = near {
            let between = (0..3).map(|a| (at[a].abs_diff(near.at[a]) as f64 * self.spacing[a]).powi(2)).sum::<f64>().sqrt();
            let bound = (near.distance + between) * ROUNDING;
            best = best.min(bound * bound);
        }
        self.search(at, z, &mut best);
        for steps in 1..nz {
            let dz = steps as f64 * mm_z;
            let (below, above) = (z.checked_sub(steps), Some(z + steps).filter(|above| *above < nz));
            // Nothing that is left can be nearer, or nothing is left.
            if dz * dz >= best || (below.is_none() && above.is_none()) {
                break;
            }
            [below, above].into_iter().flatten().for_each(|slice| self.search(at, slice, &mut best));
        }
        best.sqrt()
    }

    /// Lowers `best`, a squared distance, to that of the nearest element in one slice.
    fn search(&self, [z, y, x]: [usize; 3], slice: usize, best: &mut f64) {
        if !self.occupied[slice] {
            return;
        }
        let [mm_z, mm_y, mm_x] = self.spacing;
        let dz = slice.abs_diff(z) as f64 * mm_z;
        let row = (slice * self.shape[1] + y) * self.blocks_per_row;
        let mut look = |block: usize| {
            let begin = block * LANES;
            let outside = if x < begin { begin - x } else { x.saturating_sub(begin + LANES - 1) };
            let dx = outside as f64 * mm_x;
            // No place of this block is nearer, and none beyond it.
            if dz * dz + dx * dx >= *best {
                return false;
            }
            let dy = f64::from(self.fewest[row + block]) * mm_y;
            // Rounding does not make this larger than the sums below, which are the same.
            if dz * dz + dy * dy + dx * dx < *best {
                *best = best.min(lowest_squared(&self.steps_y[row + block], mm_y, dz * dz, begin as f64 - x as f64, mm_x));
            }
            true
        };
        let own = x / LANES;
        (own..self.blocks_per_row).all(&mut look);
        (0..own).rev().all(look);
    }
}

/// The lowest squared distance to a place of a block that begins `first` steps along x away.
fn lowest_squared(steps_y: &[f32; LANES], mm_y: f64, squared_z: f64, first: f64, mm_x: f64) -> f64 {
    let mut squared = [0.0; LANES];
    for ((squared, &steps), &lane) in squared.iter_mut().zip(steps_y).zip(&LANE) {
        let (dy, dx) = (f64::from(steps) * mm_y, (first + lane) * mm_x);
        *squared = squared_z + dy * dy + dx * dx;
    }
    // By halves, because a chain of comparisons waits for each of them.
    let mut width = LANES / 2;
    while width > 0 {
        let (low, high) = squared.split_at_mut(width);
        low.iter_mut().zip(high).for_each(|(low, high)| *low = if *high < *low { *high } else { *low });
        width /= 2;
    }
    squared[0]
}

/// Fills the steps along y of one slice, whose rows begin as infinite.
fn sweep(steps: &mut [f32], codes: &[u8], nx: usize, is_element: impl Fn(u8) -> bool) {
    let width = nx.next_multiple_of(LANES);
    for (y, codes) in codes.chunks(nx).enumerate() {
        let (before, here) = steps.split_at_mut(y * width);
        let here = &mut here[..nx];
        match y.checked_sub(1) {
            Some(above) => {
                for ((here, above), &code) in here.iter_mut().zip(&before[above * width..]).zip(codes) {
                    *here = if is_element(code) { 0.0 } else { above + 1.0 };
                }
            }
            None => here.iter_mut().zip(codes).filter(|(_, code)| is_element(**code)).for_each(|(here, _)| *here = 0.0),
        }
    }
    for y in (1..codes.len() / nx).rev() {
        let (here, below) = steps.split_at_mut(y * width);
        for (here, below) in here[(y - 1) * width..].iter_mut().zip(&below[..width]) {
            *here = if below + 1.0 < *here { below + 1.0 } else { *here };
        }
    }
}

#[cfg(test)]
mod tests {
    use sagittal_image::NearestSet;

    use super::*;

    /// A grid in which about one place of `one_in` is an element, always the same (a linear congruential generator).
    fn scattered(shape: [usize; 3], one_in: u64, mut state: u64) -> Volume<u8> {
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            u8::from((state >> 33).is_multiple_of(one_in))
        };
        Volume::new(shape, (0..shape.iter().product()).map(|_| next()).collect())
    }

    #[test]
    fn distances_are_those_of_the_whole_transform() {
        let shapes = [[1, 1, 1], [1, 1, 40], [1, 9, 1], [9, 1, 1], [1, 12, 17], [7, 8, 16], [20, 3, 33], [2, 15, 31], [30, 30, 50]];
        for (i, shape) in shapes.into_iter().enumerate() {
            for one_in in [1, 9, 60, 5000, u64::MAX] {
                let codes = scattered(shape, one_in, (i as u64 + 7) * one_in.wrapping_add(1));
                for spacing in [[1.0; 3], [3.0, 0.7, 0.7], [0.5, 2.0, 0.31], [1e-3, 1.0, 40.0]] {
                    let (found, expected) =
                        (NearestElement::of(&codes, spacing, |code| code == 1), NearestSet::of(&codes, spacing, |&code| code == 1));
                    let mut near = None;
                    for index in 0..codes.voxels().len() {
                        let at = [index / (shape[1] * shape[2]), index / shape[2] % shape[1], index % shape[2]];
                        let expected = expected.distance(at).unwrap_or(f64::INFINITY);
                        for near in [None, near] {
                            let found = found.distance(at, near);
                            // The same sum of squares, or that of a voxel as near but for rounding.
                            let close = found == expected || (found - expected).abs() <= 1e-14 * expected;
                            assert!(close, "{shape:?} {spacing:?} one in {one_in} at {at:?}: {found} instead of {expected}");
                        }
                        near = Some(Known { at, distance: expected });
                    }
                }
            }
        }
    }

    #[test]
    fn a_grid_without_places_has_no_elements() {
        let nearest = NearestElement::of(&Volume::new([0, 4, 4], Vec::new()), [1.0; 3], |code| code == 1);
        assert!(nearest.steps_y.is_empty());
    }
}
