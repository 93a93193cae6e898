//! Interpolation along one axis, for several lines at once.
//!
//! Cubic B-splines need coefficients instead of values: a recursive filter forwards and backwards (Unser 1999; pole
//! `sqrt(3) - 2`, gain 6), over the line with its ends repeated twelve times, so that what lies beyond the ends no longer
//! matters. All as in `scipy.ndimage` (`ni_splines.c`, `_prepad_for_spline_filter`).

use super::Interpolation;

/// Lines that are worked on together, for the sake of vector instructions.
pub(super) const LANES: usize = 16;
/// How often the ends are repeated for the cubic filter.
const PAD: usize = 12;

/// How `n_in` voxels become `n_out`.
pub(super) struct Line {
    n_in: usize,
    interpolation: Interpolation,
    /// For every output voxel, the first input voxel (of the padded line) that it depends on.
    firsts: Vec<usize>,
    /// And the weights of that and the following ones.
    weights: Vec<[f64; 4]>,
}

impl Line {
    pub(super) fn new(n_in: usize, n_out: usize, interpolation: Interpolation) -> Self {
        let zoom = n_in as f64 / n_out as f64;
        let last = (n_in - 1) as f64;
        let (mut firsts, mut weights) = (Vec::with_capacity(n_out), Vec::with_capacity(n_out));
        for o in 0..n_out {
            let center = (o as f64 + 0.5) * zoom - 0.5;
            let inside = center.clamp(0.0, last);
            let (first, weight) = match interpolation {
                Interpolation::Nearest => ((inside + 0.5).floor() as usize, [1.0, 0.0, 0.0, 0.0]),
                // Beyond the ends both go on over the repeated voxels. For straight lines it is the same as staying at the
                // end, but for the last bit, on which the ties of labels hang.
                Interpolation::Linear => {
                    let part = center - center.floor();
                    ((center.floor() + 1.0) as usize, [1.0 - part, part, 0.0, 0.0])
                }
                Interpolation::Cubic => ((center.floor() + (PAD - 1) as f64) as usize, cubic_weights(center - center.floor())),
            };
            firsts.push(first);
            weights.push(weight);
        }
        Self { n_in, interpolation, firsts, weights }
    }

    /// The first input voxel that output voxel `o` depends on; the only one for [`Interpolation::Nearest`].
    pub(super) fn first(&self, o: usize) -> usize {
        self.firsts[o]
    }

    /// The two input voxels that output voxel `o` depends on and their weights, for [`Interpolation::Linear`].
    pub(super) fn pair(&self, o: usize) -> ([usize; 2], [f64; 2]) {
        let (padded, [before, after, _, _]) = (self.firsts[o], self.weights[o]);
        ([padded.saturating_sub(1), padded.min(self.n_in - 1)], [before, after])
    }

    fn pad(&self) -> usize {
        match self.interpolation {
            Interpolation::Nearest => 0,
            Interpolation::Linear => 1,
            Interpolation::Cubic => PAD,
        }
    }

    /// Room for working along this axis.
    pub(super) fn column(&self) -> Column {
        Column {
            lines: vec![[0.0; LANES]; self.pad() + self.n_in + self.pad()],
            out: vec![[0.0; LANES]; self.firsts.len()],
            pad: self.pad(),
            n_in: self.n_in,
        }
    }
}

/// The cubic B-spline at the voxels around a point that lies `part` behind the second of them.
fn cubic_weights(part: f64) -> [f64; 4] {
    let rest = 1.0 - part;
    let before = rest * rest * rest / 6.0;
    let here = (part * part * (part - 2.0) * 3.0 + 4.0) / 6.0;
    let next = (rest * rest * (rest - 2.0) * 3.0 + 4.0) / 6.0;
    [before, here, next, 1.0 - before - here - next]
}

/// [`LANES`] lines beside each other.
pub(super) struct Column {
    lines: Vec<[f64; LANES]>,
    out: Vec<[f64; LANES]>,
    pad: usize,
    n_in: usize,
}

impl Column {
    /// Sets voxel `i` of all lines by `set(i, lanes)`.
    pub(super) fn fill(&mut self, mut set: impl FnMut(usize, &mut [f64; LANES])) {
        for i in 0..self.n_in {
            set(i, &mut self.lines[self.pad + i]);
        }
        let (first, last) = (self.lines[self.pad], self.lines[self.pad + self.n_in - 1]);
        self.lines[..self.pad].fill(first);
        self.lines[self.pad + self.n_in..].fill(last);
    }

    /// The output voxels of all lines.
    pub(super) fn interpolate(&mut self, line: &Line) -> &[[f64; LANES]] {
        let lines = &mut self.lines;
        for (o, out) in self.out.iter_mut().enumerate() {
            if o == 0 && line.interpolation == Interpolation::Cubic {
                spline_coefficients(lines);
            }
            let (first, weights) = (line.firsts[o], &line.weights[o]);
            match line.interpolation {
                Interpolation::Nearest => *out = lines[first],
                Interpolation::Linear => *out = std::array::from_fn(|l| lines[first][l] * weights[0] + lines[first + 1][l] * weights[1]),
                Interpolation::Cubic => {
                    let [a, b, c, d] = [&lines[first], &lines[first + 1], &lines[first + 2], &lines[first + 3]];
                    *out = std::array::from_fn(|l| a[l] * weights[0] + b[l] * weights[1] + c[l] * weights[2] + d[l] * weights[3]);
                }
            }
        }
        &self.out
    }
}

/// Turns values into B-spline coefficients, in place; beyond its ends the line is taken to be mirrored, ends repeated.
fn spline_coefficients(lines: &mut [[f64; LANES]]) {
    let pole = 3.0_f64.sqrt() - 2.0;
    let n = lines.len();
    lines.as_flattened_mut().iter_mut().for_each(|value| *value *= 6.0);
    // Forwards; the first coefficient sums up the mirrored line.
    let pole_n = pole.powi(n as i32);
    let mut first: [f64; LANES] = std::array::from_fn(|l| lines[0][l] + pole_n * lines[n - 1][l]);
    let mut power = pole;
    for i in 1..n {
        for (l, first) in first.iter_mut().enumerate() {
            *first += power * (lines[i][l] + pole_n * lines[n - 1 - i][l]);
        }
        power *= pole;
        if power.abs() < 1e-20 {
            break;
        }
    }
    let scale = pole / (1.0 - pole_n * pole_n);
    lines[0] = std::array::from_fn(|l| lines[0][l] + first[l] * scale);
    let mut previous = lines[0];
    for line in &mut lines[1..] {
        line.iter_mut().zip(previous).for_each(|(value, previous)| *value += pole * previous);
        previous = *line;
    }
    // Backwards.
    let end = pole / (pole - 1.0);
    lines[n - 1].iter_mut().for_each(|value| *value *= end);
    let mut next = lines[n - 1];
    for line in lines[..n - 1].iter_mut().rev() {
        line.iter_mut().zip(next).for_each(|(value, next)| *value = pole * (next - *value));
        next = *line;
    }
}
