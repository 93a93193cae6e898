//! Where the surface of a mask lies: its elements, row by row.
//!
//! A surface fills a hundredth of its grid. So masks are looked at as bits, 64 voxels a word: what lies wholly inside or outside is
//! passed over a word at a time, and only the elements are kept.

use rayon::prelude::*;
use sagittal_image::{Rank, Volume};

use crate::{
    neighbour_codes::{contour_lengths, share_inside, surface_areas},
    surface_distance::SurfaceElements,
};

/// The elements of one slice, by row and in each row by x.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slice {
    /// Where the elements of each row begin, and last their number.
    begins: Vec<usize>,
    x: Vec<usize>,
    codes: Vec<u8>,
}

impl Slice {
    /// Appends an element to the row that is being filled.
    fn push(&mut self, x: usize, code: u8) {
        self.x.push(x);
        self.codes.push(code);
    }

    /// Ends the row that is being filled.
    fn end_row(&mut self) {
        if self.begins.is_empty() {
            self.begins.push(0);
        }
        self.begins.push(self.x.len());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.x.is_empty()
    }

    /// How many elements there are.
    pub(crate) fn len(&self) -> usize {
        self.x.len()
    }

    /// The positions and the codes of every row's elements.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (&[usize], &[u8])> {
        self.begins.windows(2).map(|ends| (&self.x[ends[0]..ends[1]], &self.codes[ends[0]..ends[1]]))
    }
}

/// The places of a grid that hold an element.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    pub(crate) shape: [usize; 3],
    pub(crate) slices: Vec<Slice>,
}

/// The surface of a mask: where its elements are, and how large.
#[derive(Clone, Debug)]
pub(crate) struct Surface {
    pub(crate) places: Places,
    /// The size of the element that each code stands for.
    pub(crate) sizes: [f64; 256],
    /// Places with nothing but inside around them.
    n_inside: u64,
    rank: Rank,
}

impl Surface {
    /// The surface of a mask; triangles lie at corners, one more of them than voxels along every axis (along y and x in 2-D).
    pub(crate) fn of(mask: &Volume<bool>, spacing: [f64; 3], rank: Rank, elements: SurfaceElements) -> Self {
        let [nz, ny, nx] = mask.shape();
        let [_, y, x] = spacing;
        let bits = Bits::of(mask);
        let find = |shape: [usize; 3], in_row: &(dyn Fn(usize, usize, &mut Slice) -> u64 + Sync)| {
            let slices = (0..shape[0]).into_par_iter().map(|z| {
                let (mut slice, mut n_inside) = (Slice::default(), 0);
                for y in 0..shape[1] {
                    n_inside += in_row(z, y, &mut slice);
                    slice.end_row();
                }
                (slice, n_inside)
            });
            let (slices, n_inside): (Vec<Slice>, Vec<u64>) = slices.unzip();
            (Places { shape, slices }, n_inside.iter().sum::<u64>())
        };
        let ((places, n_inside), sizes) = match (elements, rank) {
            (SurfaceElements::Triangles, Rank::Three) => {
                let in_row = |z: usize, y: usize, slice: &mut Slice| {
                    let (before_z, before_y) = (z.checked_sub(1), y.checked_sub(1));
                    let row = |z, y| bits.row(z, y);
                    corners_of(
                        &[
                            (row(before_z, before_y), 6),
                            (row(before_z, Some(y)), 4),
                            (row(Some(z), before_y), 2),
                            (row(Some(z), Some(y)), 0),
                        ],
                        slice,
                    )
                };
                (find([nz + 1, ny + 1, nx + 1], &in_row), surface_areas(spacing))
            }
            (SurfaceElements::Triangles, Rank::Two) => {
                let in_row = |z: usize, y: usize, slice: &mut Slice| {
                    corners_of(&[(bits.row(Some(z), y.checked_sub(1)), 2), (bits.row(Some(z), Some(y)), 0)], slice)
                };
                (find([nz, ny + 1, nx + 1], &in_row), contour_lengths([y, x]))
            }
            (SurfaceElements::BorderVoxels, rank) => {
                let in_row = |z: usize, y: usize, slice: &mut Slice| {
                    let across_y = [bits.row(Some(z), y.checked_sub(1)), bits.row(Some(z), Some(y + 1))];
                    let across_z = [bits.row(z.checked_sub(1), Some(y)), bits.row(Some(z + 1), Some(y))];
                    let across_z = across_z.into_iter().filter(|_| rank == Rank::Three);
                    let around: Vec<&[u64]> = across_y.into_iter().chain(across_z).collect();
                    border_of(bits.row(Some(z), Some(y)), &around, slice)
                };
                let mut sizes = [0.0; 256];
                sizes[1] = 1.0;
                (find([nz, ny, nx], &in_row), sizes)
            }
        };
        Self { places, sizes, n_inside, rank }
    }

    /// The size of all elements together.
    pub(crate) fn size(&self) -> f64 {
        self.codes().map(|code| self.sizes[usize::from(code)]).sum()
    }

    /// How much lies inside the triangles, in voxels.
    pub(crate) fn volume_inside(&self) -> f64 {
        self.n_inside as f64 + self.codes().map(|code| share_inside(code, self.rank)).sum::<f64>()
    }

    fn codes(&self) -> impl Iterator<Item = u8> {
        self.places.slices.iter().flat_map(|slice| slice.codes.iter().copied())
    }
}

/// A mask with 64 voxels in a word, each row filled up with at least one voxel that is outside.
struct Bits {
    shape: [usize; 3],
    words_per_row: usize,
    words: Vec<u64>,
    nothing: Vec<u64>,
}

impl Bits {
    fn of(mask: &Volume<bool>) -> Self {
        let shape = mask.shape();
        let [_, ny, nx] = shape;
        let words_per_row = nx / 64 + 1;
        let mut words = vec![0_u64; shape[0] * ny * words_per_row];
        let rows = words.par_chunks_mut((ny * words_per_row).max(1)).zip(mask.voxels().par_chunks((ny * nx).max(1)));
        rows.for_each(|(words, voxels)| {
            for (words, row) in words.chunks_mut(words_per_row).zip(voxels.chunks(nx.max(1))) {
                words.iter_mut().zip(row.chunks(64)).for_each(|(word, voxels)| *word = packed(voxels));
            }
        });
        Self { shape, words_per_row, words, nothing: vec![0; words_per_row] }
    }

    /// A row; one without voxels where there is none.
    fn row(&self, z: Option<usize>, y: Option<usize>) -> &[u64] {
        match (z.filter(|z| *z < self.shape[0]), y.filter(|y| *y < self.shape[1])) {
            (Some(z), Some(y)) => &self.words[(z * self.shape[1] + y) * self.words_per_row..][..self.words_per_row],
            _ => &self.nothing,
        }
    }
}

/// Up to 64 voxels as bits, the first one the lowest.
fn packed(voxels: &[bool]) -> u64 {
    /// Moves the lowest bit of byte `i` to bit `56 + i` of the product.
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let (eights, rest) = voxels.as_chunks::<8>();
    let mut word = 0;
    for (i, eight) in eights.iter().enumerate() {
        word |= (u64::from_le_bytes(eight.map(u8::from)).wrapping_mul(GATHER) >> 56) << (8 * i);
    }
    rest.iter().enumerate().fold(word, |word, (i, &inside)| word | u64::from(inside) << (8 * eights.len() + i))
}

/// Appends the corners of a row that have voxels of both kinds around them; returns how many have voxels inside only.
///
/// A corner stands between two voxels of each of the rows around it: the one at its own place gives the row's bit in the code, the one
/// before that the bit above.
fn corners_of(rows: &[(&[u64], u32)], slice: &mut Slice) -> u64 {
    let n_words = rows.first().map_or(0, |(row, _)| row.len());
    let mut n_inside = 0;
    for i in 0..n_words {
        let (mut any, mut all) = (0, u64::MAX);
        let around = |row: &[u64]| (row[i], row[i] << 1 | i.checked_sub(1).map_or(0, |before| row[before] >> 63));
        for (row, _) in rows {
            let (after, before) = around(row);
            any |= after | before;
            all &= after & before;
        }
        n_inside += u64::from(all.count_ones());
        let mut left = any & !all;
        while left != 0 {
            let at = left.trailing_zeros();
            let code = rows.iter().fold(0, |code, &(row, bit)| {
                let (after, before) = around(row);
                code | ((after >> at & 1) << bit) as u8 | ((before >> at & 1) << (bit + 1)) as u8
            });
            slice.push(64 * i + at as usize, code);
            left &= left - 1;
        }
    }
    n_inside
}

/// Appends the voxels of a row that have a face on the outside; returns how many have none.
fn border_of(row: &[u64], around: &[&[u64]], slice: &mut Slice) -> u64 {
    let mut n_inside = 0;
    for (i, &here) in row.iter().enumerate() {
        let before = here << 1 | i.checked_sub(1).map_or(0, |before| row[before] >> 63);
        let after = here >> 1 | row.get(i + 1).map_or(0, |after| after << 63);
        let surrounded = around.iter().fold(here & before & after, |all, row| all & row[i]);
        n_inside += u64::from(surrounded.count_ones());
        let mut left = here & !surrounded;
        while left != 0 {
            slice.push(64 * i + left.trailing_zeros() as usize, 1);
            left &= left - 1;
        }
    }
    n_inside
}

#[cfg(test)]
pub(crate) mod tests;
