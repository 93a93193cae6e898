//! Connected components: voxels that touch by a face, an edge or a corner (26 neighbours; 8 in a slice).

use crate::{BoundingBox, Volume};

/// The components of a mask.
#[derive(Clone, Debug)]
pub struct Components {
    /// The number of each voxel's component, from 1; 0 outside the mask. Numbered in memory order of their first voxels.
    pub numbers: Volume<u32>,
    /// How many voxels component `i + 1` has.
    pub sizes: Vec<usize>,
}

impl Components {
    /// Finds the components of a mask, in two passes with union by the smaller number (Rosenfeld and Pfaltz 1966).
    pub fn of(mask: &Volume<bool>) -> Self {
        let [nz, ny, nx] = mask.shape();
        let mut numbers = vec![0_u32; mask.voxels().len()];
        // parents[i] is a number of the same component, at most i.
        let mut parents = vec![0_u32];
        for z in 0..nz {
            for y in 0..ny {
                let row = (z * ny + y) * nx;
                // The rows of neighbours that were visited before: three in the slice before, one in this slice.
                let before = [(1, -1), (1, 0), (1, 1), (0, -1)].map(|(dz, dy): (usize, isize)| {
                    let y = y.checked_add_signed(dy).filter(|y| *y < ny)?;
                    Some((z.checked_sub(dz)? * ny + y) * nx)
                });
                for x in 0..nx {
                    if !mask.voxels()[row + x] {
                        continue;
                    }
                    let mut number = if x > 0 { numbers[row + x - 1] } else { 0 };
                    for neighbour in before.into_iter().flatten() {
                        for &other in &numbers[neighbour + x.saturating_sub(1)..=neighbour + (x + 1).min(nx - 1)] {
                            if other != 0 && other != number {
                                number = if number == 0 { other } else { unite(&mut parents, number, other) };
                            }
                        }
                    }
                    if number == 0 {
                        number = parents.len() as u32;
                        parents.push(number);
                    }
                    numbers[row + x] = number;
                }
            }
        }
        Self::renumber(mask.shape(), numbers, &mut parents)
    }

    fn renumber(shape: [usize; 3], mut numbers: Vec<u32>, parents: &mut [u32]) -> Self {
        let mut finals = vec![0_u32; parents.len()];
        let mut sizes = Vec::new();
        for number in numbers.iter_mut().filter(|number| **number != 0) {
            let root = find(parents, *number) as usize;
            if finals[root] == 0 {
                sizes.push(0);
                finals[root] = sizes.len() as u32;
            }
            *number = finals[root];
            sizes[*number as usize - 1] += 1;
        }
        Self { numbers: Volume::new(shape, numbers), sizes }
    }

    /// The mask of the largest component; of all that share the largest size, where several do (as nnU-Net keeps them).
    pub fn largest(&self) -> Volume<bool> {
        let most = self.sizes.iter().copied().max().unwrap_or(0);
        self.numbers.map(|number| number.checked_sub(1).is_some_and(|i| self.sizes[i as usize] == most))
    }
}

fn find(parents: &mut [u32], mut number: u32) -> u32 {
    while parents[number as usize] != number {
        // Halving the path keeps later searches short.
        parents[number as usize] = parents[parents[number as usize] as usize];
        number = parents[number as usize];
    }
    number
}

fn unite(parents: &mut [u32], a: u32, b: u32) -> u32 {
    let (a, b) = (find(parents, a), find(parents, b));
    let (low, high) = (a.min(b), a.max(b));
    parents[high as usize] = low;
    low
}

/// How much of a label there is, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LabelExtent {
    /// The label's value.
    pub label: u16,
    /// How many voxels have it.
    pub n_voxels: usize,
    /// The smallest box around them.
    pub bounds: BoundingBox,
}

/// Every label that occurs, background included, by rising value.
pub fn label_extents(labels: &Volume<u16>) -> Vec<LabelExtent> {
    let mut extents: std::collections::BTreeMap<u16, LabelExtent> = std::collections::BTreeMap::new();
    let [_, ny, nx] = labels.shape();
    for (row_idx, row) in labels.voxels().chunks(nx.max(1)).enumerate() {
        let (z, y) = (row_idx / ny, row_idx % ny);
        let mut x = 0;
        for run in row.chunk_by(|a, b| a == b) {
            let (lower, upper) = ([z, y, x], [z + 1, y + 1, x + run.len()]);
            let new = LabelExtent { label: run[0], n_voxels: 0, bounds: BoundingBox { lower, upper } };
            let extent = extents.entry(run[0]).or_insert(new);
            extent.n_voxels += run.len();
            for axis in 0..3 {
                extent.bounds.lower[axis] = extent.bounds.lower[axis].min(lower[axis]);
                extent.bounds.upper[axis] = extent.bounds.upper[axis].max(upper[axis]);
            }
            x += run.len();
        }
    }
    extents.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(shape: [usize; 3], drawing: &str) -> Volume<bool> {
        Volume::new(shape, drawing.bytes().filter(|b| !b.is_ascii_whitespace()).map(|b| b == b'#').collect())
    }

    #[test]
    fn corners_connect_and_gaps_part() {
        struct Case {
            shape: [usize; 3],
            drawing: &'static str,
            sizes: &'static [usize],
        }
        let cases = [
            // Nothing.
            Case { shape: [1, 1, 3], drawing: "...", sizes: &[] },
            // A diagonal in a slice.
            Case { shape: [1, 2, 2], drawing: "#. .#", sizes: &[2] },
            // A diagonal through space.
            Case { shape: [2, 2, 2], drawing: "#. .. .. .#", sizes: &[2] },
            // Two parts that a later row joins.
            Case { shape: [1, 2, 3], drawing: "#.# ###", sizes: &[5] },
            // Two that stay apart.
            Case { shape: [1, 2, 4], drawing: "##.# ...#", sizes: &[2, 2] },
            // A neighbour to the upper right only.
            Case { shape: [1, 2, 3], drawing: "..# ##.", sizes: &[3] },
            // Row ends do not touch the beginnings of the next rows.
            Case { shape: [1, 2, 3], drawing: "..# #..", sizes: &[1, 1] },
        ];
        for Case { shape, drawing, sizes } in cases {
            assert_eq!(Components::of(&mask(shape, drawing)).sizes, sizes, "{drawing}");
        }
    }

    #[test]
    fn components_of_the_same_size_all_stay() {
        let components = Components::of(&mask([1, 1, 6], "##.##."));
        assert_eq!(components.largest(), mask([1, 1, 6], "##.##."));
        let components = Components::of(&mask([1, 1, 6], "##.#.."));
        assert_eq!(components.largest(), mask([1, 1, 6], "##...."));
    }

    #[test]
    fn extents_say_how_much_and_where() {
        let labels = Volume::new([1, 2, 3], vec![0, 2, 2, 0, 0, 2]);
        let extents = label_extents(&labels);
        assert_eq!(extents.iter().map(|e| (e.label, e.n_voxels)).collect::<Vec<_>>(), [(0, 3), (2, 3)]);
        assert_eq!(extents[1].bounds, BoundingBox { lower: [0, 0, 1], upper: [1, 2, 3] });
    }
}
