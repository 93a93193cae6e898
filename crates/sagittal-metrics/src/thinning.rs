//! The centre lines of a mask: what is left of it when it is thinned until it is one voxel wide.
//!
//! Algorithm: Lee, Kashyap and Chu 1994, "Building skeleton models via 3-D medial surface/axis thinning algorithms". Border voxels are
//! taken away direction by direction, if that changes neither the number of components, holes and cavities (the Euler number) nor what
//! is connected around the voxel, and if the voxel is not the end of a line. Candidates are checked again one by one, as taking one away
//! changes the next one's surroundings. Directions come in the order of scikit-image's `skeletonize(method="lee")`, so that skeletons are
//! equal voxel by voxel. In 2-D the same algorithm works on one slice, with four directions.
//!
//! The Euler number's change is counted on the voxel's cube: removing it removes those of its faces, edges and corners that no other
//! voxel of the mask has.

use sagittal_image::Volume;

/// Which of the 27 voxels around one are set; bit `9 z + 3 y + x`, each 0 to 2; the middle is bit 13.
type Around = u32;

const MIDDLE: u32 = 13;

/// What is needed to judge a voxel by its surroundings.
struct Tables {
    /// The 26 neighbours' neighbours within the surroundings, the middle left out.
    neighbours: [Around; 27],
    /// For each face, edge and corner of the middle voxel: the other voxels that have it too, and its sign in the Euler number.
    parts: Vec<(Around, i32)>,
}

impl Tables {
    fn new() -> Self {
        let place = |bit: u32| [bit / 9, bit / 3 % 3, bit % 3].map(|p| p as i32 - 1);
        let bits = |keep: &dyn Fn([i32; 3]) -> bool| (0..27).filter(|&b| b != MIDDLE && keep(place(b))).map(|b| 1 << b).sum::<u32>();
        let neighbours = std::array::from_fn(|bit| {
            let at = place(bit as u32);
            bits(&|other| other != at && (0..3).all(|axis| (other[axis] - at[axis]).abs() <= 1))
        });
        // A part of the cube lies towards one, two or three axes; the voxels that share it lie towards some of those.
        let towards = (0..27).filter(|&bit| bit != MIDDLE).map(place);
        let parts = towards.map(|part| {
            let n_axes = part.iter().filter(|p| **p != 0).count();
            let sign = if n_axes == 2 { -1 } else { 1 };
            (bits(&|other| (0..3).all(|axis| other[axis] == 0 || other[axis] == part[axis])), sign)
        });
        Self { neighbours, parts: parts.collect() }
    }

    /// Whether the Euler number is the same without the middle voxel.
    fn keeps_euler_number(&self, around: Around) -> bool {
        let alone = self.parts.iter().filter(|(sharing, _)| around & sharing == 0);
        // A closed cube has corners - edges + faces - 1 (its inside) more than what it shares.
        alone.map(|(_, sign)| sign).sum::<i32>() == 1
    }

    /// Whether the neighbours stay connected among each other without the middle voxel.
    fn keeps_connection(&self, around: Around) -> bool {
        let all = around & !(1 << MIDDLE);
        let mut reached = all & all.wrapping_neg();
        let mut new = reached;
        while new != 0 {
            let next = self.neighbours[new.trailing_zeros() as usize] & all & !reached;
            new = (new & (new - 1)) | next;
            reached |= next;
        }
        reached == all
    }
}

/// Thins `mask`; what is left is as connected as the mask was.
///
/// A volume of one slice is thinned in 2-D.
///
/// # Shapes
/// - `mask`, result: `[Z, Y, X]`
pub fn centre_lines(mask: &Volume<bool>) -> Volume<bool> {
    let [nz, ny, nx] = mask.shape();
    let tables = Tables::new();
    // One voxel of nothing on all sides, so that every voxel has all neighbours.
    let (wide_y, wide_x) = (ny + 2, nx + 2);
    let place = |index: usize| ((index / (ny * nx) + 1) * wide_y + index / nx % ny + 1) * wide_x + index % nx + 1;
    let mut inside = vec![false; (nz + 2) * wide_y * wide_x];
    let mut left: Vec<usize> = (0..mask.voxels().len()).filter(|&index| mask.voxels()[index]).map(place).collect();
    left.iter().for_each(|&at| inside[at] = true);
    let (row, slice) = (wide_x as isize, (wide_x * wide_y) as isize);
    let around = |inside: &[bool], at: usize| -> Around {
        let mut bits = 0;
        for dz in 0..3 {
            for dy in 0..3 {
                let first = at.wrapping_add_signed((dz - 1) * slice + (dy - 1) * row - 1);
                for (dx, &set) in inside[first..first + 3].iter().enumerate() {
                    bits |= u32::from(set) << (9 * dz as usize + 3 * dy as usize + dx);
                }
            }
        }
        bits
    };
    let directions = [-row, row, 1, -1, slice, -slice];
    let directions = if nz == 1 { &directions[..4] } else { &directions[..] };
    loop {
        let mut changed = false;
        for &direction in directions {
            let removable = |&at: &usize| {
                if inside[at.wrapping_add_signed(direction)] {
                    return false;
                }
                let around = around(&inside, at);
                let is_end = around.count_ones() == 2;
                !is_end && tables.keeps_euler_number(around) && tables.keeps_connection(around)
            };
            let candidates: Vec<usize> = left.iter().copied().filter(|at| removable(at)).collect();
            for at in candidates {
                if tables.keeps_connection(around(&inside, at)) {
                    inside[at] = false;
                    changed = true;
                }
            }
            left.retain(|&at| inside[at]);
        }
        if !changed {
            break;
        }
    }
    let mut thin = Volume::filled(mask.shape(), false);
    thin.voxels_mut().iter_mut().enumerate().for_each(|(index, thin)| *thin = inside[place(index)]);
    thin
}

#[cfg(test)]
mod tests {
    use sagittal_image::Components;

    use super::*;

    fn drawn(rows: &[&str]) -> Volume<bool> {
        Volume::new([1, rows.len(), rows[0].len()], rows.iter().flat_map(|row| row.bytes().map(|b| b == b'#')).collect())
    }

    #[test]
    fn a_bar_becomes_its_middle_line_and_a_ring_stays_a_ring() {
        let bar = centre_lines(&drawn(&[".........", ".#######.", ".#######.", ".#######.", "........."]));
        let expected = drawn(&[".........", ".........", ".#######.", ".........", "........."]);
        // As scikit-image's skeletonize(method="lee").
        assert_eq!(bar, expected);
        let ring = centre_lines(&drawn(&["######", "######", "##..##", "##..##", "######", "######"]));
        assert_eq!(Components::of(&ring).sizes.len(), 1);
        // A ring keeps its hole: the middle is enclosed by the line.
        assert!(ring.voxels().iter().filter(|thin| **thin).count() >= 8, "{ring:?}");
    }

    #[test]
    fn what_is_thin_stays_and_nothing_becomes_nothing() {
        for rows in [&["....", "...."][..], &["#"], &["#...", ".#..", "..##"], &["#.#.#"]] {
            assert_eq!(centre_lines(&drawn(rows)), drawn(rows), "{rows:?}");
        }
    }

    #[test]
    fn components_stay_as_many_in_3d() {
        let mut state = 5_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state >> 62 != 0
        };
        let mask = Volume::new([6, 7, 8], (0..6 * 7 * 8).map(|_| next()).collect());
        let thin = centre_lines(&mask);
        assert_eq!(Components::of(&thin).sizes.len(), Components::of(&mask).sizes.len());
        assert!(thin.voxels().iter().zip(mask.voxels()).all(|(thin, mask)| !thin || *mask));
    }
}
