//! The surface of a label as a net of four-sided meshes: a surface net.
//!
//! Each cell between eight voxels through which the surface runs gets one point, each edge between an inner and an outer voxel one mesh
//! that joins the points of its four cells (Gibson 1998, "Constrained elastic surface nets"). The points begin where the distance field
//! is zero and are then relaxed on a short leash, so that the net is smooth and never further than a voxel from the mask.

use super::field::Field;

/// Rounds of relaxation. The step of one voxel, which is what they have to smooth, is gone after about ten; the corners where it meets
/// slices far apart after twenty.
const ROUNDS: usize = 20;
/// Share of the way to the middle of its neighbours that a point goes each round.
const PULL: f32 = 0.6;
/// How far a point may go from where the field is zero, in voxels along each axis.
const LEASH: f32 = 0.5;

/// Points and the meshes between them.
#[derive(Clone, Debug, Default)]
pub(super) struct Net {
    /// Right, anterior, superior in mm from the first voxel of the grid.
    pub(super) points_mm: Vec<[f32; 3]>,
    /// Unit vectors out of the surface, one a point.
    pub(super) normals: Vec<[f32; 3]>,
    /// Corners of meshes, counter-clockwise seen from outside.
    pub(super) quads: Vec<[u32; 4]>,
}

/// A label cut out of its volume, canonical axes `[Z, Y, X]`; no voxel of its border is labelled.
pub(super) struct Mask {
    pub(super) inside: Vec<bool>,
    pub(super) shape: [usize; 3],
    pub(super) spacing_mm: [f64; 3],
    /// The place of its first voxel `[z, y, x]` in mm.
    pub(super) first_mm: [f64; 3],
}

impl Net {
    /// The surface of a mask.
    pub(super) fn around(mask: &Mask) -> Self {
        let (mut net, cells) = zero_of_field(mask);
        net.relax(mask.spacing_mm, &cells);
        net.smooth_normals();
        for point in &mut net.points_mm {
            // Z Y X of the grid => right, anterior, superior
            *point = [0, 1, 2].map(|i| point[i] + mask.first_mm[2 - i] as f32);
        }
        net
    }

    /// Draws every point towards its neighbours; `cells` holds where each began.
    fn relax(&mut self, spacing_mm: [f64; 3], cells: &[[f32; 3]]) {
        let leash = [2, 1, 0].map(|axis| LEASH * spacing_mm[axis] as f32);
        for _ in 0..ROUNDS {
            let means = self.neighbour_means(&self.points_mm);
            for ((point, mean), start) in self.points_mm.iter_mut().zip(means).zip(cells) {
                for i in 0..3 {
                    point[i] = (point[i] + PULL * (mean[i] - point[i])).clamp(start[i] - leash[i], start[i] + leash[i]);
                }
            }
        }
    }

    /// Normals from the meshes around each point, weighted by their areas and evened out with those of the neighbours.
    fn smooth_normals(&mut self) {
        let mut sums = vec![[0.0f32; 3]; self.points_mm.len()];
        for quad in &self.quads {
            let [a, b, c, d] = quad.map(|i| self.points_mm[i as usize]);
            let normal = cross(minus(c, a), minus(d, b));
            quad.iter().for_each(|&i| add(&mut sums[i as usize], normal));
        }
        self.normals = sums.into_iter().map(unit).collect();
        for _ in 0..3 {
            let means = self.neighbour_means(&self.normals);
            for (normal, mean) in self.normals.iter_mut().zip(means) {
                *normal = unit([0, 1, 2].map(|i| normal[i] + mean[i]));
            }
        }
    }

    /// The mean of what the neighbours of each point have, joined to it by the side of a mesh.
    fn neighbour_means(&self, values: &[[f32; 3]]) -> Vec<[f32; 3]> {
        let mut sums = vec![([0.0f32; 3], 0.0f32); values.len()];
        for quad in &self.quads {
            for side in 0..4 {
                // Every side belongs to two meshes, so that each direction is counted once by either.
                let (from, to) = (quad[side] as usize, quad[(side + 1) % 4] as usize);
                add(&mut sums[from].0, values[to]);
                sums[from].1 += 1.0;
            }
        }
        sums.into_iter().zip(values).map(|((sum, n), &own)| if n > 0.0 { sum.map(|v| v / n) } else { own }).collect()
    }
}

/// The net through the zero of the distance field, and its points once more.
fn zero_of_field(mask: &Mask) -> (Net, Vec<[f32; 3]>) {
    let Field { values: field, shape, spacing_mm } = Field::around(mask);
    let [depth, height, width] = shape;
    let index = |z: usize, y: usize, x: usize| (z * height + y) * width + x;
    let step = [2, 1, 0].map(|axis| spacing_mm[axis] as f32);
    let mut net = Net::default();
    let mut point_of_cell = vec![u32::MAX; field.len()];
    for z in 0..depth - 1 {
        for y in 0..height - 1 {
            for x in 0..width - 1 {
                let corner = |i: usize| field[index(z + (i >> 2), y + (i >> 1 & 1), x + (i & 1))];
                if let Some([u, v, w]) = crossing_in_cell(corner) {
                    point_of_cell[index(z, y, x)] = net.points_mm.len() as u32;
                    net.points_mm.push([(x as f32 + u) * step[0], (y as f32 + v) * step[1], (z as f32 + w) * step[2]]);
                }
            }
        }
    }
    // Nothing on the border is labelled, so that every edge with a change of sign has four cells around it.
    for z in 0..depth - 1 {
        for y in 0..height - 1 {
            for x in 0..width - 1 {
                let here = field[index(z, y, x)] > 0.0;
                let cell = |dz: usize, dy: usize, dx: usize| point_of_cell[index(z - dz, y - dy, x - dx)];
                let mut mesh = |next: usize, around: &dyn Fn() -> [u32; 4]| {
                    if here != (field[next] > 0.0) {
                        let [a, b, c, d] = around();
                        net.quads.push(if here { [a, b, c, d] } else { [d, c, b, a] });
                    }
                };
                // The cells around the edge that leads along each axis, counter-clockwise seen from its far end.
                if z > 0 && y > 0 {
                    mesh(index(z, y, x + 1), &|| [cell(1, 1, 0), cell(1, 0, 0), cell(0, 0, 0), cell(0, 1, 0)]);
                }
                if z > 0 && x > 0 {
                    mesh(index(z, y + 1, x), &|| [cell(1, 0, 1), cell(0, 0, 1), cell(0, 0, 0), cell(1, 0, 0)]);
                }
                if y > 0 && x > 0 {
                    mesh(index(z + 1, y, x), &|| [cell(0, 1, 1), cell(0, 1, 0), cell(0, 0, 0), cell(0, 0, 1)]);
                }
            }
        }
    }
    let cells = net.points_mm.clone();
    (net, cells)
}

/// The mean of the places where the edges of a cell cross zero, each 0 to 1 along X, Y, Z; `None` where none does.
fn crossing_in_cell(corner: impl Fn(usize) -> f32) -> Option<[f32; 3]> {
    let values: [f32; 8] = std::array::from_fn(corner);
    let n_inside = values.iter().filter(|value| **value > 0.0).count();
    if n_inside == 0 || n_inside == 8 {
        return None;
    }
    let (mut sum, mut n) = ([0.0f32; 3], 0.0);
    for i in 0..8usize {
        for bit in (0..3).filter(|bit| i >> bit & 1 == 0) {
            let (a, b) = (values[i], values[i | 1 << bit]);
            if (a > 0.0) != (b > 0.0) {
                let mut place = [i & 1, i >> 1 & 1, i >> 2].map(|v| v as f32);
                place[bit] = a / (a - b);
                add(&mut sum, place);
                n += 1.0;
            }
        }
    }
    Some(sum.map(|v| v / n))
}

fn add(sum: &mut [f32; 3], other: [f32; 3]) {
    (0..3).for_each(|i| sum[i] += other[i]);
}

fn minus(a: [f32; 3], b: [f32; 3]) -> [f32; 3] {
    [0, 1, 2].map(|i| a[i] - b[i])
}

fn cross(a: [f32; 3], b: [f32; 3]) -> [f32; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

fn unit(v: [f32; 3]) -> [f32; 3] {
    let length = v.iter().map(|x| x * x).sum::<f32>().sqrt();
    if length > 1e-12 { v.map(|x| x / length) } else { [0.0, 0.0, 1.0] }
}

#[cfg(test)]
mod tests;
