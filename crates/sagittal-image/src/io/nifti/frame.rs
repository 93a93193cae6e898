//! How a NIfTI header places voxels in the world, and back.

use crate::{
    Geometry, Rank,
    io::{
        fault::{COPY_AGAIN, Fault},
        placement::{self, Placement},
    },
};

/// NIfTI-1 (348 bytes, float32) or NIfTI-2 (540 bytes, float64).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    One,
    Two,
}

/// The fields that place voxels, as the header has them: written back unchanged, they give every reader the same affine.
///
/// NIfTI-1's float32 fields are exact in `f64`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Frame {
    pub(crate) version: Version,
    pub(crate) pixdim: [f64; 8],
    pub(crate) qform_code: i32,
    pub(crate) sform_code: i32,
    pub(crate) quatern: [f64; 3],
    pub(crate) qoffset: [f64; 3],
    pub(crate) srow: [[f64; 4]; 3],
    pub(crate) xyzt_units: i32,
}

/// `NIFTI_XFORM_SCANNER_ANAT`: what frames that are made here say of themselves.
const SCANNER: i32 = 1;
/// `NIFTI_UNITS_MM`.
const MILLIMETRES: i32 = 2;

impl Frame {
    /// The geometry of a grid of `shape` (`[Z, Y, X]`): sform if it has a code, else qform, else spacings alone
    /// (NIfTI-1, "methods" 3, 2 and 1).
    ///
    /// # Errors
    /// If a spacing is not a positive number or the affine is singular.
    pub(super) fn geometry(&self, rank: Rank, shape: [usize; 3]) -> Result<Geometry, Fault> {
        let to_mm = match self.xyzt_units & 0x07 {
            1 => 1e3,
            3 => 1e-3,
            _ => 1.0,
        };
        let spacing = self.spacing_xyz(rank, shape);
        let (steps, origin) = if self.sform_code > 0 {
            let column = |c: usize| std::array::from_fn(|r| self.srow[r][c]);
            ([column(0), column(1), column(2)], column(3))
        } else if self.qform_code > 0 {
            let [right, up, out] = self.rotation()?;
            ([right.map(|v| v * spacing[0]), up.map(|v| v * spacing[1]), out.map(|v| v * spacing[2])], self.qoffset)
        } else {
            ([[spacing[0], 0.0, 0.0], [0.0, spacing[1], 0.0], [0.0, 0.0, spacing[2]]], [0.0; 3])
        };
        let placement = Placement {
            steps: steps.map(|step: [f64; 3]| step.map(|v| v * to_mm)),
            origin_mm: origin.map(|v: f64| v * to_mm),
            spacing_mm: Some(spacing.map(|v| v * to_mm)),
        };
        placement::geometry(rank, shape, placement)
    }

    /// The header's spacing along x, y, z; one slice may leave its thickness out.
    fn spacing_xyz(&self, rank: Rank, shape: [usize; 3]) -> [f64; 3] {
        let mut spacing = [self.pixdim[1].abs(), self.pixdim[2].abs(), self.pixdim[3].abs()];
        if rank == Rank::Two || (shape[0] == 1 && !(spacing[2].is_finite() && spacing[2] > 0.0)) {
            spacing[2] = 1.0;
        }
        spacing
    }

    /// The columns of the quaternion's rotation, the third one turned by `qfac` (NIfTI-1, method 2).
    fn rotation(&self) -> Result<[[f64; 3]; 3], Fault> {
        let [b, c, d] = self.quatern;
        let squares = b * b + c * c + d * d;
        if !squares.is_finite() {
            return Err(Fault::malformed(format!("expected a rotation in the qform, found quaternion {:?}", self.quatern), COPY_AGAIN));
        }
        // A rotation by 180 degrees leaves a at 0, give or take float32 rounding.
        let (a, b, c, d) = if squares >= 1.0 {
            let length = squares.sqrt();
            (0.0, b / length, c / length, d / length)
        } else {
            ((1.0 - squares).sqrt(), b, c, d)
        };
        let qfac = if self.pixdim[0] < 0.0 { -1.0 } else { 1.0 };
        Ok([
            [a * a + b * b - c * c - d * d, 2.0 * (b * c + a * d), 2.0 * (b * d - a * c)],
            [2.0 * (b * c - a * d), a * a + c * c - b * b - d * d, 2.0 * (c * d + a * b)],
            [qfac * 2.0 * (b * d + a * c), qfac * 2.0 * (c * d - a * b), qfac * (a * a + d * d - c * c - b * b)],
        ])
    }

    /// The frame that says `geometry`, for images that came from another format.
    pub(super) fn of_geometry(geometry: &Geometry, version: Version) -> Self {
        let [z_mm, y_mm, x_mm] = geometry.spacing_or_one();
        let affine = geometry.affine();
        let [z, y, x] = geometry.direction;
        let (qfac, quatern) = quaternion([x, y, z]);
        // A photograph has no place in the world: codes of 0 say so.
        let code = if geometry.spacing_mm.is_some() { SCANNER } else { 0 };
        Self {
            version,
            pixdim: [qfac, x_mm, y_mm, z_mm, 0.0, 0.0, 0.0, 0.0],
            qform_code: code,
            sform_code: code,
            quatern,
            qoffset: geometry.origin_mm,
            srow: [affine[0], affine[1], affine[2]],
            xyzt_units: if geometry.spacing_mm.is_some() { MILLIMETRES } else { 0 },
        }
    }
}

/// `qfac` and the quaternion's b, c, d of orthogonal columns x, y, z (NIfTI-1, `mat44_to_quatern`).
fn quaternion([x, y, mut z]: [[f64; 3]; 3]) -> (f64, [f64; 3]) {
    let determinant = x[0] * (y[1] * z[2] - y[2] * z[1]) - y[0] * (x[1] * z[2] - x[2] * z[1]) + z[0] * (x[1] * y[2] - x[2] * y[1]);
    let qfac = if determinant < 0.0 { -1.0 } else { 1.0 };
    z = z.map(|v| v * qfac);
    // The largest of the four is found first, because the others are divided by it.
    let trace = x[0] + y[1] + z[2];
    let squares = [1.0 + trace, 1.0 + 2.0 * x[0] - trace, 1.0 + 2.0 * y[1] - trace, 1.0 + 2.0 * z[2] - trace];
    let largest = (0..4).fold(0, |best, i| if squares[i] > squares[best] { i } else { best });
    let s = 2.0 * squares[largest].max(1e-12).sqrt();
    let (a, b, c, d) = match largest {
        0 => (s / 4.0, (y[2] - z[1]) / s, (z[0] - x[2]) / s, (x[1] - y[0]) / s),
        1 => ((y[2] - z[1]) / s, s / 4.0, (x[1] + y[0]) / s, (z[0] + x[2]) / s),
        2 => ((z[0] - x[2]) / s, (x[1] + y[0]) / s, s / 4.0, (y[2] + z[1]) / s),
        _ => ((x[1] - y[0]) / s, (z[0] + x[2]) / s, (y[2] + z[1]) / s, s / 4.0),
    };
    let sign = if a < 0.0 { -1.0 } else { 1.0 };
    (qfac, [b * sign, c * sign, d * sign])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quaternion_gives_the_rotation_back() {
        let (s, c) = (0.6_f64, 0.8_f64);
        let columns = [
            [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
            [[-1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 1.0]],
            [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]],
            [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]],
            [[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, -1.0]],
        ];
        for expected in columns {
            let (qfac, quatern) = quaternion(expected);
            let mut frame = Frame::of_geometry(&Geometry::picture([1, 1]), Version::One);
            (frame.pixdim[0], frame.quatern) = (qfac, quatern);
            let found = frame.rotation().expect("a rotation");
            for (a, b) in found.iter().flatten().zip(expected.iter().flatten()) {
                assert!((a - b).abs() < 1e-12, "{found:?} is not {expected:?}");
            }
        }
    }
}
