//! Interpolation of one output row. The row's places are computed once and used for every channel and the labels.
//!
//! Most voxels of a row lie inside with all their neighbours; they form one run, whose inner loop has no conditions.

use crate::{preprocess::OUTSIDE, training_set::Window};
use std::ops::Range;

/// Interpolates rows of a window.
pub(super) trait Row {
    /// Computes the places of the row's voxels: `start + x * step`, in voxels from the buffer's first.
    fn place(&mut self, start: [f64; 3], step: [f64; 3]);
    /// One channel.
    fn image(&self, source: &[f32], row: &mut [f32]);
    /// The labels.
    fn labels(&self, source: &[i16], row: &mut [i16]);
}

/// Added before truncation, so that it rounds down just below 0 too; further out nothing is read anyway.
const POSITIVE: i32 = 2;

/// The box inside the buffer, and the places of one row in it.
struct Places {
    lower: [i32; 3],
    upper: [i32; 3],
    shape: [usize; 3],
    /// Voxel at or before, per axis.
    below: [Vec<i32>; 3],
    /// Weight of the next voxel, per axis.
    weight: [Vec<f32>; 3],
    /// Voxels of the row that have all their neighbours in the box.
    inside: Range<usize>,
}

impl Places {
    fn new(window: &Window<'_>, length: usize) -> Self {
        Self {
            lower: std::array::from_fn(|axis| (window.lower[axis] - window.origin[axis]) as i32),
            upper: std::array::from_fn(|axis| window.upper[axis] as i32 - window.origin[axis] as i32),
            shape: window.shape,
            below: std::array::from_fn(|_| vec![0; length]),
            weight: std::array::from_fn(|_| vec![0.0; length]),
            inside: 0..0,
        }
    }

    fn place(&mut self, start: [f64; 3], step: [f64; 3], axes: Range<usize>) {
        for axis in axes.clone() {
            let (start, step) = (start[axis] as f32, step[axis] as f32);
            for (x, (below, weight)) in self.below[axis].iter_mut().zip(&mut self.weight[axis]).enumerate() {
                let position = start + x as f32 * step;
                let floor = (position + POSITIVE as f32) as i32 - POSITIVE;
                // Where the sum rounded up to the next voxel the weight is slightly negative; that is harmless.
                *below = floor;
                *weight = position - floor as f32;
            }
        }
        let fits =
            |x: &usize| axes.clone().all(|axis| self.below[axis][*x] >= self.lower[axis] && self.below[axis][*x] + 1 < self.upper[axis]);
        // Places of a row lie on a line and the box is convex: those inside are one run.
        let n = self.below[2].len();
        let first = (0..n).find(fits).unwrap_or(n);
        let last = (first..n).rev().find(fits).map_or(first, |last| last + 1);
        self.inside = first..last;
    }

    /// Index of a position of the buffer, if it lies in the box.
    fn index(&self, position: [i32; 3]) -> Option<usize> {
        let within = (0..3).all(|axis| position[axis] >= self.lower[axis] && position[axis] < self.upper[axis]);
        within.then(|| (position[0] as usize * self.shape[1] + position[1] as usize) * self.shape[2] + position[2] as usize)
    }
}

/// Eight neighbours.
pub(super) struct Trilinear {
    places: Places,
    /// Index of the first neighbour, for the run inside.
    first: Vec<u32>,
}

impl Trilinear {
    pub(super) fn new(window: &Window<'_>, length: usize) -> Self {
        Self { places: Places::new(window, length), first: vec![0; length] }
    }

    /// Index, where there is one, and weight of the eight neighbours.
    fn neighbours(&self, x: usize) -> [(Option<usize>, f32); 8] {
        let places = &self.places;
        std::array::from_fn(|corner| {
            let offset = [corner >> 2 & 1, corner >> 1 & 1, corner & 1];
            let index = places.index(std::array::from_fn(|axis| places.below[axis][x] + offset[axis] as i32));
            let weight = (0..3).map(|axis| if offset[axis] == 1 { places.weight[axis][x] } else { 1.0 - places.weight[axis][x] }).product();
            (index, weight)
        })
    }
}

impl Row for Trilinear {
    fn place(&mut self, start: [f64; 3], step: [f64; 3]) {
        self.places.place(start, step, 0..3);
        let [_, n_y, n_x] = self.places.shape.map(|size| size as i32);
        let [z, y, x] = &self.places.below;
        for at in self.places.inside.clone() {
            self.first[at] = ((z[at] * n_y + y[at]) * n_x + x[at]) as u32;
        }
    }

    fn image(&self, source: &[f32], row: &mut [f32]) {
        let [_, n_y, n_x] = self.places.shape;
        let [wz, wy, wx] = &self.places.weight;
        let inside = self.places.inside.clone();
        let plane = n_y * n_x;
        for x in inside.clone() {
            let first = self.first[x] as usize;
            // One check for both slices instead of one per neighbour.
            let (near, far) = (&source[first..][..n_x + 2], &source[first + plane..][..n_x + 2]);
            let (wz, wy, wx) = (wz[x], wy[x], wx[x]);
            let along_x = |a: f32, b: f32| a + wx * (b - a);
            let (near0, near1) = (along_x(near[0], near[1]), along_x(near[n_x], near[n_x + 1]));
            let (far0, far1) = (along_x(far[0], far[1]), along_x(far[n_x], far[n_x + 1]));
            let (near, far) = (near0 + wy * (near1 - near0), far0 + wy * (far1 - far0));
            row[x] = near + wz * (far - near);
        }
        for x in (0..inside.start).chain(inside.end..row.len()) {
            row[x] = self.neighbours(x).iter().filter_map(|&(index, weight)| Some(source[index?] * weight)).sum();
        }
    }

    fn labels(&self, source: &[i16], row: &mut [i16]) {
        let [_, n_y, n_x] = self.places.shape;
        let inside = self.places.inside.clone();
        let plane = n_y * n_x;
        for (x, out) in row.iter_mut().enumerate() {
            if inside.contains(&x) {
                let first = self.first[x] as usize;
                let (near, far) = (&source[first..][..n_x + 2], &source[first + plane..][..n_x + 2]);
                let label = near[0];
                if [near[1], near[n_x], near[n_x + 1], far[0], far[1], far[n_x], far[n_x + 1]].iter().all(|&other| other == label) {
                    *out = label;
                    continue;
                }
            }
            *out = heaviest(&self.neighbours(x), source);
        }
    }
}

/// Four neighbours within a slice.
pub(super) struct Bilinear {
    places: Places,
    /// The row's slice.
    z: i32,
}

impl Bilinear {
    pub(super) fn new(window: &Window<'_>, length: usize) -> Self {
        Self { places: Places::new(window, length), z: 0 }
    }

    fn neighbours(&self, x: usize) -> [(Option<usize>, f32); 4] {
        let places = &self.places;
        std::array::from_fn(|corner| {
            let offset = [0, corner >> 1 & 1, corner & 1];
            let index = places.index([self.z, places.below[1][x] + offset[1] as i32, places.below[2][x] + offset[2] as i32]);
            let weight = (1..3).map(|axis| if offset[axis] == 1 { places.weight[axis][x] } else { 1.0 - places.weight[axis][x] }).product();
            (index, weight)
        })
    }
}

impl Row for Bilinear {
    fn place(&mut self, start: [f64; 3], step: [f64; 3]) {
        self.places.place(start, step, 1..3);
        self.z = start[0].round() as i32;
        if !(self.places.lower[0]..self.places.upper[0]).contains(&self.z) {
            self.places.inside = 0..0;
        }
    }

    fn image(&self, source: &[f32], row: &mut [f32]) {
        let [_, n_y, n_x] = self.places.shape;
        let [_, wy, wx] = &self.places.weight;
        let inside = self.places.inside.clone();
        for x in inside.clone() {
            let first = ((self.z as usize * n_y) + self.places.below[1][x] as usize) * n_x + self.places.below[2][x] as usize;
            let near = &source[first..][..n_x + 2];
            let along_x = |a: f32, b: f32| a + wx[x] * (b - a);
            let (above, below) = (along_x(near[0], near[1]), along_x(near[n_x], near[n_x + 1]));
            row[x] = above + wy[x] * (below - above);
        }
        for x in (0..inside.start).chain(inside.end..row.len()) {
            row[x] = self.neighbours(x).iter().filter_map(|&(index, weight)| Some(source[index?] * weight)).sum();
        }
    }

    fn labels(&self, source: &[i16], row: &mut [i16]) {
        let [_, n_y, n_x] = self.places.shape;
        let inside = self.places.inside.clone();
        for (x, out) in row.iter_mut().enumerate() {
            if inside.contains(&x) {
                let first = ((self.z as usize * n_y) + self.places.below[1][x] as usize) * n_x + self.places.below[2][x] as usize;
                let near = &source[first..][..n_x + 2];
                if near[1] == near[0] && near[n_x] == near[0] && near[n_x + 1] == near[0] {
                    *out = near[0];
                    continue;
                }
            }
            *out = heaviest(&self.neighbours(x), source);
        }
    }
}

/// The label with the largest sum of weights; of equals that of the nearest neighbour, else the lowest. What lies beyond
/// the box is [`OUTSIDE`].
fn heaviest(neighbours: &[(Option<usize>, f32)], source: &[i16]) -> i16 {
    let label_of = |index: Option<usize>| index.map_or(OUTSIDE, |index| source[index]);
    let score = |label: i16| {
        let sum: f32 = neighbours.iter().filter(|(index, _)| label_of(*index) == label).map(|(_, weight)| weight).sum();
        half_precision(SCORE_SCALE * sum)
    };
    let (mut winner, mut largest) = (OUTSIDE, f32::NEG_INFINITY);
    let (mut nearest, mut shortest) = (OUTSIDE, f32::NEG_INFINITY);
    for &(index, weight) in neighbours {
        let label = label_of(index);
        let own = score(label);
        if own > largest || (own == largest && label < winner) {
            (winner, largest) = (label, own);
        }
        if weight > shortest {
            (nearest, shortest) = (label, weight);
        }
    }
    if score(nearest) == largest { nearest } else { winner }
}

/// Scores are scaled so before they are compared in half precision, in batchgeneratorsv2.
const SCORE_SCALE: f32 = 1000.0;

/// Rounded to the 11 bits of a half-precision number (Dekker 1971), for values far from its limits.
fn half_precision(value: f32) -> f32 {
    let shifted = value * 8193.0; // 2^13 + 1
    shifted - (shifted - value)
}
