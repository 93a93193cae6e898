//! How far it is to the nearest element of a surface: exact, Euclidean, with spacing, for few places of a large grid.
//!
//! Surfaces fill a hundredth of their grid, and both of a pair mostly run close by. So only the first axis is transformed for the whole
//! grid, by two sweeps (Meijster et al. 2000, section 2); the other two are searched where a distance is asked for.
//! Two things keep that search short: the element that is nearest to a neighbour is hardly farther than the nearest one, so that what
//! can be nearer lies in a few parts of rows; and of each of these the lowest distance is found in single precision, eight places
//! together, which leaves few to be looked at exactly. [`sagittal_image::NearestSet`], which transforms two axes and serves where every
//! voxel is asked for, is the twin that it is tested against.

use std::ops::Range;

use rayon::prelude::*;

use crate::surface::{Places, Slice};

/// Places of a row that are looked at together.
const LANES: usize = 8;

/// Single precision is off by less than this part, over the three roundings of a sum of two squares.
const SINGLE: f64 = 1.0 + 1e-6;

/// Where the elements of a surface lie. Takes four bytes a place.
#[derive(Debug)]
pub(crate) struct NearestElement {
    shape: [usize; 3],
    spacing: [f64; 3],
    blocks_per_row: usize,
    /// Steps along y to the nearest element in the same slice and column; infinite where there is none, and behind a row's end.
    steps_y: Vec<[f32; LANES]>,
    /// What squares are divided by for single precision: that of the largest spacing, so that none overflows.
    unit: f64,
    /// The squared distance along x, in that unit, of a place that is as many steps on as the entry is from the middle.
    squared_x: Vec<f32>,
}

/// An element, and how far away it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nearest {
    pub(crate) at: [usize; 3],
    pub(crate) distance: f64,
}

/// The best that a search found so far.
#[derive(Clone, Copy)]
struct Best {
    squared: f64,
    /// The column of the element and the steps to it along y, where it was found by this search.
    found: Option<([usize; 2], usize)>,
}

impl NearestElement {
    /// Takes every place as an element.
    ///
    /// # Units
    /// `spacing` is `[Z, Y, X]`, above 0.
    pub(crate) fn of(places: &Places, spacing: [f64; 3]) -> Self {
        let shape = places.shape;
        let [nz, ny, nx] = shape;
        let blocks_per_row = nx.div_ceil(LANES);
        let mut steps_y = vec![[f32::INFINITY; LANES]; nz * ny * blocks_per_row];
        let slices = steps_y.par_chunks_mut((ny * blocks_per_row).max(1)).zip(&places.slices);
        slices.filter(|(_, slice)| !slice.is_empty()).for_each(|(steps, slice)| sweep(steps.as_flattened_mut(), slice, nx));
        let largest = spacing.into_iter().fold(0.0, f64::max);
        let width = blocks_per_row * LANES;
        let squared_x = (0..2 * width).map(|i| ((i.abs_diff(width) as f64 * spacing[2]) / largest).powi(2) as f32).collect();
        Self { shape, spacing, blocks_per_row, steps_y, unit: largest * largest, squared_x }
    }

    /// The element that is nearest to a place; `None` where there is none. Elements `near` it, if some are known, shorten the search.
    ///
    /// # Panics
    /// If the place is not on the grid.
    pub(crate) fn to(&self, at: [usize; 3], near: [Option<[usize; 3]>; 2]) -> Option<Nearest> {
        let [nz, ny, nx] = self.shape;
        let [z, y, x] = at;
        assert!(z < nz && y < ny && x < nx, "no place {z}, {y}, {x} on a grid of {:?}", self.shape);
        let mut near = near.into_iter().flatten().map(|element| (self.squared(at, element), element));
        let near = near.next().map(|first| near.fold(first, |a, b| if b.0 < a.0 { b } else { a }));
        let mut best = Best { squared: near.map_or(f64::INFINITY, |(squared, _)| squared), found: None };
        // What is farther along x alone is not nearer. A step more, for what rounding takes away.
        let within = |best: &Best| {
            let reach = ((best.squared.sqrt() / self.spacing[2]) as usize).saturating_add(1);
            x.saturating_sub(reach) / LANES..(x.saturating_add(reach) / LANES + 1).min(self.blocks_per_row)
        };
        self.search(at, z, within(&best), &mut best);
        let blocks = within(&best);
        for steps in 1..nz {
            let dz = steps as f64 * self.spacing[0];
            let (below, above) = (z.checked_sub(steps), Some(z + steps).filter(|above| *above < nz));
            // Nothing that is left can be nearer, or nothing is left.
            if dz * dz >= best.squared || (below.is_none() && above.is_none()) {
                break;
            }
            [below, above].into_iter().flatten().for_each(|slice| self.search(at, slice, blocks.clone(), &mut best));
        }
        let element = match best.found {
            None => near?.1,
            // It is on the one side or on the other.
            Some(([z, x], steps)) => {
                let at = y + steps;
                let is_element = at < ny && self.steps_y[(z * ny + at) * self.blocks_per_row + x / LANES][x % LANES] == 0.0;
                [z, if is_element { at } else { y - steps }, x]
            }
        };
        Some(Nearest { at: element, distance: best.squared.sqrt() })
    }

    /// The squared distance of two places, summed up in the order of [`Self::search`].
    fn squared(&self, from: [usize; 3], to: [usize; 3]) -> f64 {
        let [z, y, x] = [0, 1, 2].map(|axis| from[axis].abs_diff(to[axis]) as f64 * self.spacing[axis]);
        z * z + y * y + x * x
    }

    /// Lowers `best` to the nearest element in some blocks of one slice's row.
    fn search(&self, [z, y, x]: [usize; 3], slice: usize, blocks: Range<usize>, best: &mut Best) {
        let [mm_z, mm_y, mm_x] = self.spacing;
        let dz = slice.abs_diff(z) as f64 * mm_z;
        let squared_z = dz * dz;
        let begin = blocks.start * LANES;
        let row = &self.steps_y[(slice * self.shape[1] + y) * self.blocks_per_row..][blocks];
        let squared_x = &self.squared_x[begin + self.blocks_per_row * LANES - x..][..row.len() * LANES];
        let lowest = lowest(row, (mm_y / self.unit.sqrt()) as f32, squared_x);
        if f64::from(lowest) >= (best.squared - squared_z) / self.unit * SINGLE {
            return;
        }
        for (place, &steps) in (begin..).zip(row.as_flattened()) {
            let (dy, dx) = (f64::from(steps) * mm_y, place.abs_diff(x) as f64 * mm_x);
            let squared = squared_z + dy * dy + dx * dx;
            if squared < best.squared {
                *best = Best { squared, found: Some(([slice, place], steps as usize)) };
            }
        }
    }
}

/// The lowest sum of the squares along y and x.
fn lowest(row: &[[f32; LANES]], step_y: f32, squared_x: &[f32]) -> f32 {
    let mut lowest = [f32::INFINITY; LANES];
    for (steps, squared_x) in row.iter().zip(squared_x.as_chunks::<LANES>().0) {
        for lane in 0..LANES {
            let dy = steps[lane] * step_y;
            let squared = dy * dy + squared_x[lane];
            lowest[lane] = if squared < lowest[lane] { squared } else { lowest[lane] };
        }
    }
    lowest.into_iter().fold(f32::INFINITY, |a, b| if b < a { b } else { a })
}

/// Fills the steps along y of one slice, whose rows begin as infinite.
fn sweep(steps: &mut [f32], slice: &Slice, nx: usize) {
    let width = nx.next_multiple_of(LANES);
    let mut n_rows = 0;
    for (y, (x, _)) in slice.rows().enumerate() {
        let (before, here) = steps.split_at_mut(y * width);
        let here = &mut here[..nx];
        if let Some(above) = y.checked_sub(1) {
            here.iter_mut().zip(&before[above * width..]).for_each(|(here, above)| *here = above + 1.0);
        }
        x.iter().for_each(|&x| here[x] = 0.0);
        n_rows = y + 1;
    }
    for y in (1..n_rows).rev() {
        let (here, below) = steps.split_at_mut(y * width);
        for (here, below) in here[(y - 1) * width..].iter_mut().zip(&below[..width]) {
            *here = if below + 1.0 < *here { below + 1.0 } else { *here };
        }
    }
}

#[cfg(test)]
mod tests {
    use sagittal_image::{NearestSet, Volume};

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
                        (NearestElement::of(&Places::of(&codes), spacing), NearestSet::of(&codes, spacing, |&code| code == 1));
                    let mut near = [None; 2];
                    for index in 0..codes.voxels().len() {
                        let at = [index / (shape[1] * shape[2]), index / shape[2] % shape[1], index % shape[2]];
                        let expected = expected.distance(at);
                        for near in [[None; 2], near] {
                            let found = found.to(at, near);
                            // The same sum of squares, or that of a voxel as near but for rounding.
                            let close = match (&found, expected) {
                                (Some(found), Some(expected)) => (found.distance - expected).abs() <= 1e-14 * expected,
                                (found, expected) => found.is_none() && expected.is_none(),
                            };
                            assert!(close, "{shape:?} {spacing:?} one in {one_in} at {at:?}: {found:?} instead of {expected:?}");
                            assert!(found.is_none_or(|found| *codes.at(found.at) == 1), "{found:?} is no element");
                        }
                        near = [found.to(at, near).map(|found| found.at), near[0]];
                    }
                }
            }
        }
    }

    #[test]
    fn a_grid_without_places_has_no_elements() {
        let nearest = NearestElement::of(&Places::of(&Volume::new([0, 4, 4], Vec::new())), [1.0; 3]);
        assert!(nearest.steps_y.is_empty());
    }
}
