//! Cutting away what holds nothing, and putting it back.
//!
//! Source: nnU-Net, `preprocessing/cropping/cropping.py`; holes are filled as `scipy.ndimage.binary_fill_holes` fills
//! them: across faces, from outside the volume, also above and below a single slice.

use std::ops::Range;

use crate::Volume;

/// A box of voxels, `[Z, Y, X]`, from `lower` up to and without `upper`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BoundingBox {
    /// The first voxel along each axis.
    pub lower: [usize; 3],
    /// The first voxel that is no longer inside.
    pub upper: [usize; 3],
}

impl BoundingBox {
    /// The whole of a volume.
    pub fn whole(shape: [usize; 3]) -> Self {
        Self { lower: [0; 3], upper: shape }
    }

    /// Voxels along each axis.
    pub fn shape(&self) -> [usize; 3] {
        std::array::from_fn(|axis| self.upper[axis] - self.lower[axis])
    }

    /// The smallest box around the voxels that `is_inside`, if there is one.
    pub fn around<T>(volume: &Volume<T>, is_inside: impl Fn(&T) -> bool) -> Option<Self> {
        let [nz, ny, nx] = volume.shape();
        let mut found: Option<Self> = None;
        for (row_idx, row) in volume.voxels().chunks(nx.max(1)).enumerate().take(nz * ny) {
            let Some(first) = row.iter().position(&is_inside) else { continue };
            let last = row.iter().rposition(&is_inside).unwrap_or(first);
            let (lower, upper) = ([row_idx / ny, row_idx % ny, first], [row_idx / ny + 1, row_idx % ny + 1, last + 1]);
            found = Some(match found {
                None => Self { lower, upper },
                Some(b) => Self {
                    lower: std::array::from_fn(|a| b.lower[a].min(lower[a])),
                    upper: std::array::from_fn(|a| b.upper[a].max(upper[a])),
                },
            });
        }
        found
    }

    fn check(&self, shape: [usize; 3]) {
        let fits = (0..3).all(|axis| self.lower[axis] <= self.upper[axis] && self.upper[axis] <= shape[axis]);
        assert!(fits, "box {self:?} does not lie in a volume of {shape:?}");
    }

    /// Where in memory the rows of the box lie in a volume of `shape`.
    fn rows(self, shape: [usize; 3]) -> impl Iterator<Item = Range<usize>> {
        (self.lower[0]..self.upper[0]).flat_map(move |z| {
            (self.lower[1]..self.upper[1]).map(move |y| {
                let row = (z * shape[1] + y) * shape[2];
                row + self.lower[2]..row + self.upper[2]
            })
        })
    }
}

/// The box of the voxels that are not 0 in some channel, and those voxels with the holes between them filled.
///
/// The whole volume where every voxel is 0: there is nothing to choose by.
///
/// # Panics
/// If there is no channel, or channels differ in shape.
pub fn nonzero_box(channels: &[Volume<f32>]) -> (BoundingBox, Volume<bool>) {
    let shape = channels.first().expect("an image has at least one channel").shape();
    let mut mask = Volume::filled(shape, false);
    for channel in channels {
        assert_eq!(channel.shape(), shape, "channels differ in shape");
        mask.voxels_mut().iter_mut().zip(channel.voxels()).for_each(|(inside, value)| *inside |= *value != 0.0);
    }
    fill_holes(&mut mask);
    let whole = BoundingBox::whole(shape);
    (BoundingBox::around(&mask, |inside| *inside).unwrap_or(whole), mask)
}

/// Sets every voxel that cannot be reached from outside the volume across faces of unset voxels.
pub fn fill_holes(mask: &mut Volume<bool>) {
    let shape = mask.shape();
    let [nz, ny, nx] = shape;
    if mask.voxels().is_empty() {
        return;
    }
    let voxels = mask.voxels();
    let mut outside = vec![false; voxels.len()];
    // Rows are reached in runs: the stack holds one voxel of each run that is still to be followed.
    let mut stack = Vec::new();
    for z in 0..nz {
        for y in 0..ny {
            let row = (z * ny + y) * nx;
            if z == 0 || z == nz - 1 || y == 0 || y == ny - 1 {
                stack.extend(run_starts(voxels, &outside, row, 0..nx));
            } else {
                stack.extend([row, row + nx - 1]);
            }
            while let Some(index) = stack.pop() {
                if voxels[index] || outside[index] {
                    continue;
                }
                let row = index / nx * nx;
                let start = (row..index).rev().find(|i| voxels[*i]).map_or(row, |i| i + 1);
                let end = (index..row + nx).find(|i| voxels[*i]).unwrap_or(row + nx);
                outside[start..end].fill(true);
                let (z, y) = (row / nx / ny, row / nx % ny);
                let neighbours =
                    [(z > 0, -((ny * nx) as isize)), (z + 1 < nz, (ny * nx) as isize), (y > 0, -(nx as isize)), (y + 1 < ny, nx as isize)];
                for (_, offset) in neighbours.into_iter().filter(|(exists, _)| *exists) {
                    let neighbour = row.wrapping_add_signed(offset);
                    stack.extend(run_starts(voxels, &outside, neighbour, start - row..end - row));
                }
            }
        }
    }
    mask.voxels_mut().iter_mut().zip(outside).for_each(|(inside, outside)| *inside = !outside);
}

/// One voxel of every run of unset, unreached voxels within `range` of the row that begins at `row`.
fn run_starts<'a>(voxels: &'a [bool], outside: &'a [bool], row: usize, range: Range<usize>) -> impl Iterator<Item = usize> + 'a {
    let free = move |i: usize| !voxels[i] && !outside[i];
    let first = row + range.start;
    (first..row + range.end).filter(move |&i| free(i) && (i == first || !free(i - 1)))
}

/// The voxels of the box.
///
/// # Panics
/// If the box does not lie in the volume.
pub fn crop<T: Copy>(volume: &Volume<T>, bounds: BoundingBox) -> Volume<T> {
    bounds.check(volume.shape());
    let mut voxels = Vec::with_capacity(bounds.shape().iter().product());
    bounds.rows(volume.shape()).for_each(|row| voxels.extend_from_slice(&volume.voxels()[row]));
    Volume::new(bounds.shape(), voxels)
}

/// A volume of `shape` that holds `volume` in the box and `fill` around it: undoes [`crop`].
///
/// # Panics
/// If the box does not lie in a volume of `shape`, or `volume` is not of the box's shape.
pub fn uncrop<T: Copy>(volume: &Volume<T>, bounds: BoundingBox, shape: [usize; 3], fill: T) -> Volume<T> {
    bounds.check(shape);
    assert_eq!(volume.shape(), bounds.shape(), "volume does not fill its box");
    let mut whole = Volume::filled(shape, fill);
    let width = bounds.shape()[2];
    if width > 0 {
        for (row, from) in bounds.rows(shape).zip(volume.voxels().chunks(width)) {
            whole.voxels_mut()[row].copy_from_slice(from);
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(rows: &[&str]) -> Volume<bool> {
        let voxels = rows.iter().flat_map(|row| row.bytes().map(|b| b == b'#')).collect();
        Volume::new([1, rows.len(), rows[0].len()], voxels)
    }

    /// The drawing as the middle one of three slices, closed above and below.
    fn between_lids(rows: &[&str]) -> Volume<bool> {
        let slice = mask(rows);
        let lid = vec![true; slice.voxels().len()];
        let [_, y, x] = slice.shape();
        Volume::new([3, y, x], [lid.clone(), slice.into_voxels(), lid].concat())
    }

    #[test]
    fn holes_are_filled_and_bays_are_not() {
        let cases: [(&[&str], &[&str]); 3] = [
            // A hole.
            (&["#####", "#...#", "#####"], &["#####", "#####", "#####"]),
            // A bay with a mouth.
            (&["#####", "#....", "#####"], &["#####", "#....", "#####"]),
            // Corners do not connect: the hole touches the outside diagonally only.
            (&["####.", "#..#.", "####."], &["####.", "####.", "####."]),
        ];
        for (drawn, expected) in cases {
            let mut found = between_lids(drawn);
            fill_holes(&mut found);
            assert_eq!(found, between_lids(expected), "{drawn:?}");
        }
    }

    #[test]
    fn a_single_slice_is_open_above_and_below() {
        let ring = mask(&["###", "#.#", "###"]);
        let mut found = ring.clone();
        fill_holes(&mut found);
        assert_eq!(found, ring);
    }

    #[test]
    fn crop_and_uncrop_undo_each_other() {
        let volume = Volume::new([3, 4, 5], (0..60).collect::<Vec<i32>>());
        let bounds = BoundingBox { lower: [1, 0, 2], upper: [3, 3, 4] };
        let cropped = crop(&volume, bounds);
        assert_eq!(cropped.voxels()[..4], [22, 23, 27, 28]);
        assert_eq!(crop(&uncrop(&cropped, bounds, [3, 4, 5], -1), bounds), cropped);
    }

    #[test]
    fn nothing_but_zeros_keeps_the_whole_volume() {
        let (bounds, mask) = nonzero_box(&[Volume::filled([2, 3, 4], 0.0)]);
        assert_eq!(bounds, BoundingBox::whole([2, 3, 4]));
        assert!(mask.voxels().iter().all(|inside| !inside));
    }

    #[test]
    fn what_is_not_a_number_is_not_zero() {
        let mut channel = Volume::filled([3, 3, 3], 0.0);
        channel.voxels_mut()[13] = f32::NAN;
        assert_eq!(nonzero_box(&[channel]).0, BoundingBox { lower: [1; 3], upper: [2; 3] });
    }
}
