//! From the vectors that headers hold to a [`Geometry`].

use super::fault::Fault;
use crate::{Geometry, Rank};

/// Unit vectors whose products stay below this are taken for orthogonal and kept as the file has them.
const ORTHOGONAL: f64 = 1e-4;
/// A header that gives the spacing twice is believed to this relative precision (float32 columns, decimal text).
const SAME_SPACING: f64 = 1e-4;

/// Where the voxels lie, as a header says it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placement {
    /// The way from one voxel to the next along file axis x, y, z, in mm along right, anterior, superior.
    pub(crate) steps: [[f64; 3]; 3],
    /// The place of the first voxel, right, anterior, superior.
    pub(crate) origin_mm: [f64; 3],
    /// The spacing along x, y, z, where the header says it apart from the steps.
    pub(crate) spacing_mm: Option<[f64; 3]>,
}

/// The geometry of a grid of `shape` (`[Z, Y, X]`) that is placed so.
///
/// Sheared axes become the nearest orthogonal ones (polar decomposition): a grid of this crate has right angles.
///
/// # Errors
/// If an axis has no length, or two axes run along each other.
pub(crate) fn geometry(rank: Rank, shape: [usize; 3], placement: Placement) -> Result<Geometry, Fault> {
    const CURE: &str = "repair the header's spacing and orientation, for example by saving the image again from the viewer it came from";
    let Placement { mut steps, origin_mm, spacing_mm: stated } = placement;
    if rank == Rank::Two || shape[0] == 1 {
        // One slice has no way to a next one; many programs write nothing there, or zero.
        let length = norm(steps[2]);
        if rank == Rank::Two || !length.is_finite() || length == 0.0 {
            let normal = cross(steps[0], steps[1]);
            let length = norm(normal);
            steps[2] = normal.map(|component| component / length);
        }
    }
    let mut spacing_xyz = steps.map(norm);
    for (axis, length) in spacing_xyz.iter().enumerate() {
        let name = ["x", "y", "z"][axis];
        if !(length.is_finite() && *length > 1e-12 && *length < 1e12) {
            return Err(Fault::malformed(format!("expected a distance between voxels along {name} above 0 mm, found {length}"), CURE));
        }
    }
    if !origin_mm.iter().all(|mm| mm.is_finite()) {
        return Err(Fault::malformed(format!("expected an origin in mm, found {origin_mm:?}"), CURE));
    }
    let mut units = steps;
    for (unit, length) in units.iter_mut().zip(spacing_xyz) {
        *unit = unit.map(|component| component / length);
    }
    let skew = dot(units[0], units[1]).abs().max(dot(units[0], units[2]).abs()).max(dot(units[1], units[2]).abs());
    if skew > ORTHOGONAL {
        units = nearest_orthogonal(units).ok_or_else(|| {
            Fault::malformed(format!("expected three different axes, found a singular affine with columns {steps:?}"), CURE)
        })?;
    }
    if let Some(stated) = stated {
        for (length, stated) in spacing_xyz.iter_mut().zip(stated) {
            if (stated - *length).abs() <= SAME_SPACING * *length {
                *length = stated;
            }
        }
    }
    // x y z => Z Y X
    let spacing_mm = Some([spacing_xyz[2], spacing_xyz[1], spacing_xyz[0]]);
    Ok(Geometry { rank, shape, spacing_mm, origin_mm, direction: [units[2], units[1], units[0]] })
}

/// The orthogonal matrix nearest to `a`, by Newton's iteration for the polar decomposition (Higham 1986).
fn nearest_orthogonal(mut a: [[f64; 3]; 3]) -> Option<[[f64; 3]; 3]> {
    for _ in 0..100 {
        let cofactors = [cross(a[1], a[2]), cross(a[2], a[0]), cross(a[0], a[1])];
        let determinant = dot(a[0], cofactors[0]);
        if determinant.abs() < 1e-6 || !determinant.is_finite() {
            return None;
        }
        let mut change = 0.0_f64;
        for (row, cofactor) in a.iter_mut().zip(cofactors) {
            for (value, cofactor) in row.iter_mut().zip(cofactor) {
                let next = 0.5 * (*value + cofactor / determinant);
                change = change.max((next - *value).abs());
                *value = next;
            }
        }
        if change < 1e-14 {
            break;
        }
    }
    Some(a)
}

pub(crate) fn norm(a: [f64; 3]) -> f64 {
    dot(a, a).sqrt()
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(steps: [[f64; 3]; 3]) -> Result<Geometry, Fault> {
        geometry(Rank::Three, [4, 4, 4], Placement { steps, origin_mm: [0.0; 3], spacing_mm: None })
    }

    #[test]
    fn shear_becomes_the_nearest_right_angles() {
        let sheared = placed([[1.0, 0.0, 0.0], [0.1, 1.0, 0.0], [0.0, 0.0, 2.0]]).expect("sheared axes are repaired");
        for (a, b) in [(0, 1), (0, 2), (1, 2)] {
            assert!(dot(sheared.direction[a], sheared.direction[b]).abs() < 1e-12);
        }
        assert_eq!(sheared.spacing_mm.map(|s| s[0]), Some(2.0));
    }

    #[test]
    fn parallel_zero_and_not_a_number_axes_are_refused() {
        for steps in [
            [[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]],
            [[0.0; 3], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
            [[f64::NAN, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        ] {
            assert!(matches!(placed(steps), Err(Fault::Malformed { .. })), "{steps:?}");
        }
    }
}
