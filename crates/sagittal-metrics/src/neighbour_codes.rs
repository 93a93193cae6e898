//! How much surface runs between the eight voxels around a corner of the grid (four in 2-D).
//!
//! Every corner has a code: one bit for each of its voxels, set where the voxel is inside. Marching cubes (Lorensen and Cline 1987)
//! lays triangles through the middles of the edges between inside and outside; their area belongs to the corner. In 2-D it is the
//! length of the lines. Where a code allows several triangulations, the one is taken that DeepMind's `surface-distance` takes
//! (Nikolov et al. 2018, appendix), so that areas are equal; `tests/reference/neighbour_codes.py` finds it and writes this table.

use sagittal_image::Rank;

/// The triangles of codes 0 to 127; code 255 - c has those of code c. A letter says how a triangle lies: `c` cuts off a corner of
/// the cube of voxel middles, `h` and `d` are parallel to that and two and three times as large, `Z Y X` are half of a square across that
/// axis, `z y x` half of a rectangle along that axis.
const TRIANGLES: [&str; 128] = [
    "", "c", "c", "xx", "c", "yy", "cc", "Zch", "c", "cc", "yy", "Zch", "xx", "Zch", "Zch", "ZZ", "c", "zz", "cc", "Ych", "cc", "Xch",
    "ccc", "cchh", "cc", "czz", "cyy", "cdyz", "cxx", "cdxz", "Zcch", "Zch", "c", "cc", "zz", "Ych", "cc", "cyy", "czz", "cdyz", "cc",
    "ccc", "Xch", "cchh", "cxx", "Zcch", "cdxz", "Zch", "xx", "Ych", "Ych", "YY", "cxx", "cdxy", "Ycch", "Ych", "cxx", "Ycch", "cdxy",
    "Ych", "xxxx", "cxx", "cxx", "xx", "c", "cc", "cc", "cxx", "zz", "Xch", "czz", "cdxz", "cc", "ccc", "cyy", "Zcch", "Ych", "cchh",
    "cdyz", "Zch", "yy", "Xch", "cyy", "cdxy", "Xch", "XX", "Xcch", "Xch", "cyy", "Xcch", "yyyy", "cyy", "cdxy", "Xch", "cyy", "yy", "cc",
    "ccc", "czz", "Ycch", "czz", "Xcch", "zzzz", "czz", "ccc", "cccc", "Xcch", "ccc", "Ycch", "ccc", "czz", "cc", "Zch", "cchh", "cdyz",
    "Ych", "cdxz", "Xch", "czz", "zz", "Zcch", "ccc", "cyy", "cc", "cxx", "cc", "cc", "c",
];

/// How much of the cube between the eight voxel middles lies inside those triangles, in 48ths, for codes 0 to 127; code 255 - c has the
/// rest of it.
const INSIDE_48THS: [u8; 128] = [
    0, 1, 1, 6, 1, 6, 2, 17, 1, 2, 6, 17, 6, 17, 17, 24, 1, 6, 2, 17, 2, 17, 3, 24, 2, 7, 7, 24, 7, 24, 18, 31, 1, 2, 6, 17, 2, 7, 7, 24,
    2, 3, 17, 24, 7, 18, 24, 31, 6, 17, 17, 24, 7, 24, 18, 31, 7, 18, 24, 31, 12, 41, 41, 42, 1, 2, 2, 7, 6, 17, 7, 24, 2, 3, 7, 18, 17,
    24, 24, 31, 6, 17, 7, 24, 17, 24, 18, 31, 7, 18, 12, 41, 24, 31, 41, 42, 2, 3, 7, 18, 7, 18, 12, 41, 3, 4, 18, 45, 18, 45, 41, 46, 17,
    24, 24, 31, 24, 31, 41, 42, 18, 45, 41, 46, 41, 46, 46, 47,
];

/// The share of a corner's cell that lies inside the surface, for each of the 256 codes (in 2-D the first 16 of them count).
pub(crate) fn share_inside(code: u8, rank: Rank) -> f64 {
    match rank {
        Rank::Three if code < 128 => f64::from(INSIDE_48THS[usize::from(code)]) / 48.0,
        Rank::Three => 1.0 - f64::from(INSIDE_48THS[usize::from(255 - code)]) / 48.0,
        Rank::Two => match (code & 15, code.count_ones()) {
            (0b0110 | 0b1001, _) => 0.25,
            (_, n) => [0.0, 0.125, 0.5, 0.875, 1.0][n.min(4) as usize],
        },
    }
}

/// The part of the surface at a corner, for each of the 256 codes.
///
/// Bit `7 - (4 z + 2 y + x)` stands for the voxel at `z, y, x` (each 0 or 1) from the corner's lowest one.
///
/// # Units
/// `spacing_mm` is `[Z, Y, X]`; areas are in its unit squared.
pub(crate) fn surface_areas([z, y, x]: [f64; 3]) -> [f64; 256] {
    // What a normal's components are in a grid of unit spacing is stretched by the other two axes.
    let (across_z, across_y, across_x) = (y * x, z * x, z * y);
    let norm = |nz: f64, ny: f64, nx: f64| ((nz * across_z).powi(2) + (ny * across_y).powi(2) + (nx * across_x).powi(2)).sqrt();
    let area = |letter: u8| match letter {
        b'c' => norm(0.125, 0.125, 0.125),
        b'h' => norm(0.25, 0.25, 0.25),
        b'd' => norm(0.375, 0.375, 0.375),
        b'Z' => norm(0.5, 0.0, 0.0),
        b'Y' => norm(0.0, 0.5, 0.0),
        b'X' => norm(0.0, 0.0, 0.5),
        b'z' => norm(0.0, 0.25, 0.25),
        b'y' => norm(0.25, 0.0, 0.25),
        _ => norm(0.25, 0.25, 0.0),
    };
    std::array::from_fn(|code| TRIANGLES[code.min(255 - code)].bytes().map(area).sum())
}

/// The length of the contour at a corner, for the 16 codes of a 2-D grid, which are those of [`surface_areas`] without its upper bits.
///
/// # Units
/// `spacing_mm` is `[Y, X]`.
pub(crate) fn contour_lengths([y, x]: [f64; 2]) -> [f64; 256] {
    let diagonal = 0.5 * y.hypot(x);
    let mut lengths = [0.0; 256];
    for (code, length) in lengths.iter_mut().enumerate().take(16) {
        *length = match code {
            0b0000 | 0b1111 => 0.0,
            // One row inside, and one column.
            0b0011 | 0b1100 => x,
            0b0101 | 0b1010 => y,
            // Two corners that touch are cut off one by one.
            0b0110 | 0b1001 => 2.0 * diagonal,
            _ => diagonal,
        };
    }
    lengths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_surface_has_its_area() {
        let areas = surface_areas([5.0, 3.0, 2.0]);
        // The upper half inside: one square across z, and so on; and one voxel alone is an octahedron of eight corners.
        for (code, expected) in [(0b1111_0000, 6.0), (0b1100_1100, 10.0), (0b1010_1010, 15.0), (0, 0.0), (255, 0.0)] {
            assert!((areas[code] - expected).abs() < 1e-12, "{code:#010b}: {}", areas[code]);
        }
        let octahedron: f64 = (0..8).map(|bit| surface_areas([1.0; 3])[1 << bit]).sum();
        assert!((octahedron - 3.0_f64.sqrt()).abs() < 1e-12, "{octahedron}");
        let diamond: f64 = (0..4).map(|bit| contour_lengths([3.0, 4.0])[1 << bit]).sum();
        assert!((diamond - 10.0).abs() < 1e-12, "{diamond}");
    }

    #[test]
    fn inside_and_outside_have_the_same_surface() {
        let areas = surface_areas([1.0, 0.7, 0.3]);
        assert!((0..256).all(|code| areas[code] == areas[255 - code]));
        assert!((1..255).all(|code| areas[code] > 0.0));
    }
}
