//! Where the voxels of a grid lie in the world.

/// How many spatial axes an image has. A 2-D image is not a volume of one slice: it has no spacing between slices and
/// is never rotated out of its plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rank {
    /// Height and width.
    Two,
    /// Depth, height and width.
    Three,
}

/// The grid of an image: its shape and the place of every voxel in the world.
#[derive(Clone, Debug, PartialEq)]
pub struct Geometry {
    /// 2-D or 3-D.
    pub rank: Rank,
    /// `[Z, Y, X]`; `Z` is 1 for [`Rank::Two`].
    pub shape: [usize; 3],
    /// Distance between voxels along memory axes `[Z, Y, X]`; `None` where the file has no physical size (photographs).
    pub spacing_mm: Option<[f64; 3]>,
    /// World position (right, anterior, superior) of voxel `[0, 0, 0]`.
    pub origin_mm: [f64; 3],
    /// `direction[axis]` is the unit vector (right, anterior, superior) along memory axis `axis` of `[Z, Y, X]`.
    pub direction: [[f64; 3]; 3],
}

impl Geometry {
    /// A grid without a place in the world, such as a photograph's: `[height, width]`.
    pub fn picture([y, x]: [usize; 2]) -> Self {
        Self { rank: Rank::Two, shape: [1, y, x], spacing_mm: None, origin_mm: [0.0; 3], direction: Self::AXES }
    }

    /// An axis-aligned 3-D grid: memory axes `Z Y X` run superior, anterior, right.
    pub fn volume(shape: [usize; 3], spacing_mm: [f64; 3]) -> Self {
        Self { rank: Rank::Three, shape, spacing_mm: Some(spacing_mm), origin_mm: [0.0; 3], direction: Self::AXES }
    }

    /// Memory axes that run along superior, anterior and right.
    pub const AXES: [[f64; 3]; 3] = [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]];

    /// Number of voxels.
    pub fn n_voxels(&self) -> usize {
        self.shape.iter().product()
    }

    /// The spacing, or 1 along every axis where it is unknown.
    pub fn spacing_or_one(&self) -> [f64; 3] {
        self.spacing_mm.unwrap_or([1.0; 3])
    }

    /// The matrix from voxel x, y, z, 1 to world right, anterior, superior, 1, in mm.
    pub fn affine(&self) -> [[f64; 4]; 4] {
        let spacing_mm = self.spacing_or_one();
        let [z, y, x] = self.direction;
        let [z_mm, y_mm, x_mm] = spacing_mm;
        let row = |world: usize| [x[world] * x_mm, y[world] * y_mm, z[world] * z_mm, self.origin_mm[world]];
        [row(0), row(1), row(2), [0.0, 0.0, 0.0, 1.0]]
    }

    /// Checks that two images have the same voxels at the same places.
    ///
    /// `tolerance` is in mm for spacing and origin, and absolute for the components of the direction's unit vectors.
    /// Where one of the two has no physical size, only the shapes can be compared.
    ///
    /// # Errors
    /// The first difference, with both values.
    pub fn same_grid(&self, other: &Self, tolerance: f64) -> Result<(), GeometryMismatch> {
        if self.rank != other.rank {
            return Err(GeometryMismatch::Rank { expected: self.rank, found: other.rank });
        }
        for (axis, (&expected, &found)) in AXIS_NAMES.into_iter().zip(self.shape.iter().zip(&other.shape)) {
            if expected != found {
                return Err(GeometryMismatch::Shape { axis, expected, found });
            }
        }
        let (Some(spacing_mm), Some(other_spacing_mm)) = (self.spacing_mm, other.spacing_mm) else {
            return Ok(());
        };
        // A 2-D image has no axis Z: its entries there only fill the arrays.
        let axes = if self.rank == Rank::Two { 1..3 } else { 0..3 };
        // Values that are not a number differ from everything.
        let differ = |a: f64, b: f64| (a - b).is_nan() || (a - b).abs() > tolerance;
        for axis in axes.clone() {
            let (expected, found) = (spacing_mm[axis], other_spacing_mm[axis]);
            if differ(expected, found) {
                return Err(GeometryMismatch::Spacing { axis: AXIS_NAMES[axis], expected, found });
            }
        }
        for (axis, (&expected, &found)) in WORLD_NAMES.into_iter().zip(self.origin_mm.iter().zip(&other.origin_mm)) {
            if differ(expected, found) {
                // Plus zero: a negative one would be written `-0`.
                return Err(GeometryMismatch::Origin { axis, expected: expected + 0.0, found: found + 0.0 });
            }
        }
        for axis in axes {
            let (expected, found) = (self.direction[axis], other.direction[axis]);
            if expected.iter().zip(found).any(|(a, b)| differ(*a, b)) {
                return Err(GeometryMismatch::Direction { axis: AXIS_NAMES[axis], expected, found });
            }
        }
        Ok(())
    }
}

/// The memory axes as people call them.
const AXIS_NAMES: [&str; 3] = ["z", "y", "x"];
/// The letters of the world axes and of their opposites.
pub(crate) const WORLD: [(char, char); 3] = [('R', 'L'), ('A', 'P'), ('S', 'I')];
/// The world axes.
const WORLD_NAMES: [&str; 3] = ["right", "anterior", "superior"];

/// In what two grids differ.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GeometryMismatch {
    /// One is 2-D and the other 3-D.
    #[error("expected a {} image, found a {} one", rank_name(*expected), rank_name(*found))]
    Rank {
        /// Of the first.
        expected: Rank,
        /// Of the second.
        found: Rank,
    },
    /// The number of voxels along an axis.
    #[error("expected {expected} voxels along {axis}, found {found}")]
    Shape {
        /// `x`, `y` or `z` of the file.
        axis: &'static str,
        /// Of the first.
        expected: usize,
        /// Of the second.
        found: usize,
    },
    /// The distance between voxels.
    #[error("expected a spacing of {expected} mm along {axis}, found {found} mm")]
    Spacing {
        /// `x`, `y` or `z` of the file.
        axis: &'static str,
        /// Of the first, mm.
        expected: f64,
        /// Of the second, mm.
        found: f64,
    },
    /// The place of the first voxel.
    #[error("expected the first voxel at {expected} mm {axis}, found it at {found} mm")]
    Origin {
        /// `right`, `anterior` or `superior`.
        axis: &'static str,
        /// Of the first, mm.
        expected: f64,
        /// Of the second, mm.
        found: f64,
    },
    /// The way along which an axis runs.
    #[error("expected axis {axis} to run along {expected:?} (right, anterior, superior), found {found:?}")]
    Direction {
        /// `x`, `y` or `z` of the file.
        axis: &'static str,
        /// Of the first, a unit vector.
        expected: [f64; 3],
        /// Of the second, a unit vector.
        found: [f64; 3],
    },
}

fn rank_name(rank: Rank) -> &'static str {
    match rank {
        Rank::Two => "2-D",
        Rank::Three => "3-D",
    }
}
