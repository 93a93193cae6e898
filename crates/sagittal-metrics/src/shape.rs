//! The shape of a mask: surface, how round it is, how long.
//!
//! All on the surface that marching cubes lays half-way between the voxels inside and outside (as PyRadiomics): its area, the volume
//! inside it, sphericity `(36 π V²)^(1/3) / A` (1 for a ball; Wadell 1935), and the longest straight line between two of its points.
//! Triangles that follow voxels are rougher than what they show: a large ball has 9 to 15 % too much area, and a sphericity of 0.87 to 0.92, by its spacing.
//! In 2-D: perimeter, `2 sqrt(π A) / P`, and the longest line of the contour.

use sagittal_image::{Rank, Volume};
use serde::{Deserialize, Serialize};

use crate::{surface::Surface, surface_distance::SurfaceElements};

/// The shape of a mask.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shape {
    /// mm²; the perimeter, mm, in 2-D.
    pub surface: f64,
    /// 1 for a ball (a disc), less for everything else.
    pub sphericity: f64,
    /// mm.
    pub longest_diameter: f64,
}

impl Shape {
    /// Measures a mask; `None` where it is empty.
    pub fn of(mask: &Volume<bool>, spacing: [f64; 3], rank: Rank) -> Option<Self> {
        if !mask.voxels().contains(&true) {
            return None;
        }
        let triangles = Surface::of(mask, spacing, rank, SurfaceElements::Triangles);
        let (surface, cells) = (triangles.size(), triangles.volume_inside());
        let [z, y, x] = spacing;
        let pi = std::f64::consts::PI;
        let sphericity = match rank {
            Rank::Three => (36.0 * pi * (cells * z * y * x).powi(2)).cbrt() / surface,
            Rank::Two => 2.0 * (pi * cells * y * x).sqrt() / surface,
        };
        Some(Self { surface, sphericity, longest_diameter: longest_diameter(mask, spacing, rank) })
    }
}

/// The farthest two points of the surface.
///
/// They are corners of the convex hull of each slice, of which few are left to compare. Those far from the middle go first: two points
/// are never farther apart than both are from the middle together, which ends the search early.
fn longest_diameter(mask: &Volume<bool>, [mm_z, mm_y, mm_x]: [f64; 3], rank: Rank) -> f64 {
    let [nz, ny, nx] = mask.shape();
    let mut points: Vec<[f64; 3]> = Vec::new();
    for z in 0..nz {
        // The surface passes half a voxel beyond the outermost ones, along each axis.
        let (mut flat, mut middles) = (Vec::new(), Vec::new());
        for y in 0..ny {
            let row = &mask.voxels()[(z * ny + y) * nx..][..nx];
            let (Some(first), Some(last)) = (row.iter().position(|i| *i), row.iter().rposition(|i| *i)) else { continue };
            for (x, beyond) in [(first, -0.5), (last, 0.5)] {
                let at = [y as f64 * mm_y, x as f64 * mm_x];
                flat.extend([[at[0] - 0.5 * mm_y, at[1]], [at[0] + 0.5 * mm_y, at[1]], [at[0], at[1] + beyond * mm_x]]);
                middles.push(at);
            }
        }
        let mm = z as f64 * mm_z;
        points.extend(hull(flat).into_iter().map(|[y, x]| [mm, y, x]));
        if rank == Rank::Three {
            let around = hull(middles);
            points.extend(around.iter().flat_map(|&[y, x]| [[mm - 0.5 * mm_z, y, x], [mm + 0.5 * mm_z, y, x]]));
        }
    }
    let n = points.len() as f64;
    let middle: [f64; 3] = std::array::from_fn(|axis| points.iter().map(|point| point[axis]).sum::<f64>() / n);
    let squared = |a: &[f64; 3], b: &[f64; 3]| (0..3).map(|axis| (a[axis] - b[axis]).powi(2)).sum::<f64>();
    let mut by_radius: Vec<(f64, [f64; 3])> = points.into_iter().map(|point| (squared(&point, &middle).sqrt(), point)).collect();
    by_radius.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut best = 0.0_f64;
    for (i, (radius, point)) in by_radius.iter().enumerate() {
        if (2.0 * radius).powi(2) <= best {
            break;
        }
        for (other_radius, other) in &by_radius[i + 1..] {
            if (radius + other_radius).powi(2) <= best {
                break;
            }
            best = best.max(squared(point, other));
        }
    }
    best.sqrt()
}

/// The corners of the convex hull (Andrew 1979).
fn hull(mut points: Vec<[f64; 2]>) -> Vec<[f64; 2]> {
    points.sort_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
    points.dedup();
    if points.len() < 3 {
        return points;
    }
    let turns_right = |a: [f64; 2], b: [f64; 2], c: [f64; 2]| (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]) <= 0.0;
    let half = |points: &mut dyn Iterator<Item = [f64; 2]>| {
        let mut chain: Vec<[f64; 2]> = Vec::new();
        for point in points {
            while chain.len() > 1 && turns_right(chain[chain.len() - 2], chain[chain.len() - 1], point) {
                chain.pop();
            }
            chain.push(point);
        }
        chain.pop();
        chain
    };
    let mut lower = half(&mut points.iter().copied());
    lower.extend(half(&mut points.iter().rev().copied()));
    lower
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn one_voxel_is_an_octahedron_and_one_pixel_a_diamond() {
        let shape = Shape::of(&Volume::filled([1; 3], true), [3.0, 1.0, 1.0], Rank::Three).unwrap();
        assert_eq!(shape.longest_diameter, 3.0);
        let cube = Shape::of(&Volume::filled([1; 3], true), [1.0; 3], Rank::Three).unwrap();
        assert!((cube.surface - 3.0_f64.sqrt()).abs() < 1e-12);
        // V = 1/6
        assert!((cube.sphericity - (std::f64::consts::PI).cbrt() / 3.0_f64.sqrt()).abs() < 1e-12, "{cube:?}");
        let pixel = Shape::of(&Volume::filled([1; 3], true), [1.0; 3], Rank::Two).unwrap();
        assert!((pixel.surface - 2.0 * 2.0_f64.sqrt()).abs() < 1e-12 && pixel.longest_diameter == 1.0, "{pixel:?}");
        assert_eq!(Shape::of(&Volume::filled([2; 3], false), [1.0; 3], Rank::Three), None);
    }

    #[test]
    fn balls_have_the_stated_roughness_on_any_grid() {
        for spacing in [[1.0; 3], [2.0, 0.8, 0.8]] {
            let (radius, n) = (20.0, [0, 1, 2].map(|a| (44.0 / spacing[a]) as usize));
            let mut ball = Volume::filled(n, false);
            for index in 0..ball.voxels().len() {
                let at = [index / (n[1] * n[2]), index / n[2] % n[1], index % n[2]];
                let squared = (0..3).map(|a| ((at[a] as f64 - (n[a] - 1) as f64 / 2.0) * spacing[a]).powi(2)).sum::<f64>();
                ball.voxels_mut()[index] = squared <= radius * radius;
            }
            let shape = Shape::of(&ball, spacing, Rank::Three).unwrap();
            let area = 4.0 * std::f64::consts::PI * radius * radius;
            assert!((1.05..1.16).contains(&(shape.surface / area)), "{spacing:?}: {}", shape.surface / area);
            assert!((0.84..0.95).contains(&shape.sphericity), "{spacing:?}: {shape:?}");
            assert!((shape.longest_diameter - 40.0).abs() <= spacing[0], "{spacing:?}: {shape:?}");
        }
    }

    #[test]
    fn the_longest_line_is_that_of_all_pairs() {
        let mut state = 3_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state >> 61 == 0
        };
        let (shape, spacing) = ([5, 6, 7], [2.0, 0.7, 1.1]);
        for _ in 0..20 {
            let mask = Volume::new(shape, (0..210).map(|_| next()).collect());
            let mut points = Vec::new();
            for index in (0..210).filter(|&i| mask.voxels()[i]) {
                let at = [index / 42, index / 7 % 6, index % 7];
                for axis in 0..3 {
                    for beyond in [-0.5, 0.5] {
                        let mut point = [0, 1, 2].map(|a| at[a] as f64 * spacing[a]);
                        point[axis] += beyond * spacing[axis];
                        points.push(point);
                    }
                }
            }
            let distance = |a: &[f64; 3], b: &[f64; 3]| (0..3).map(|i| (a[i] - b[i]).powi(2)).sum::<f64>().sqrt();
            let expected = points.iter().flat_map(|a| points.iter().map(move |b| distance(a, b))).fold(0.0, f64::max);
            let found = longest_diameter(&mask, spacing, Rank::Three);
            assert!((found - expected).abs() < 1e-12, "{found} instead of {expected}");
        }
    }
}
