use super::*;

impl Places {
    /// The places of a grid that are not 0.
    pub(crate) fn of(grid: &Volume<u8>) -> Self {
        let [_, ny, nx] = grid.shape();
        let slice_of = |codes: &[u8]| {
            let mut slice = Slice::default();
            for row in codes.chunks(nx.max(1)) {
                row.iter().enumerate().filter(|(_, code)| **code != 0).for_each(|(x, &code)| slice.push(x, code));
                slice.end_row();
            }
            slice
        };
        Self { shape: grid.shape(), slices: grid.voxels().chunks((ny * nx).max(1)).map(slice_of).collect() }
    }

    /// The code of every place, 0 where there is no element.
    fn grid(&self) -> Volume<u8> {
        let mut grid = Volume::filled(self.shape, 0);
        for (z, slice) in self.slices.iter().enumerate() {
            for (y, (x, codes)) in slice.rows().enumerate() {
                for (&x, &code) in x.iter().zip(codes) {
                    let index = grid.index([z, y, x]);
                    grid.voxels_mut()[index] = code;
                }
            }
        }
        grid
    }
}

/// A mask that is inside at about one voxel of `one_in`, or outside at as few (a linear congruential generator).
fn scattered(shape: [usize; 3], one_in: u64, few: bool, mut state: u64) -> Volume<bool> {
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33).is_multiple_of(one_in) == few
    };
    Volume::new(shape, (0..shape.iter().product()).map(|_| next()).collect())
}

fn inside(mask: &Volume<bool>, at: [Option<usize>; 3]) -> bool {
    let [Some(z), Some(y), Some(x)] = at else { return false };
    let [nz, ny, nx] = mask.shape();
    z < nz && y < ny && x < nx && *mask.at([z, y, x])
}

/// The code of a corner, voxel by voxel.
fn corner(mask: &Volume<bool>, rank: Rank, [z, y, x]: [usize; 3]) -> u8 {
    let depths: &[(Option<usize>, u32)] = if rank == Rank::Two { &[(Some(z), 0)] } else { &[(z.checked_sub(1), 4), (Some(z), 0)] };
    let mut code = 0;
    for &(z, bit_z) in depths {
        for (y, bit_y) in [(y.checked_sub(1), 2), (Some(y), 0)] {
            for (x, bit_x) in [(x.checked_sub(1), 1), (Some(x), 0)] {
                code |= u8::from(inside(mask, [z, y, x])) << (bit_z + bit_y + bit_x);
            }
        }
    }
    code
}

/// 1 for a voxel with a face on the outside.
fn border(mask: &Volume<bool>, rank: Rank, [z, y, x]: [usize; 3]) -> u8 {
    let at = [z, y, x].map(Some);
    let axes = if rank == Rank::Two { 1..3 } else { 0..3 };
    let is_surrounded = axes.flat_map(|axis| [(axis, false), (axis, true)]).all(|(axis, up)| {
        let mut beside = at;
        beside[axis] = at[axis].and_then(|place| if up { Some(place + 1) } else { place.checked_sub(1) });
        inside(mask, beside)
    });
    u8::from(inside(mask, at) && !is_surrounded)
}

#[test]
fn elements_are_those_found_voxel_by_voxel() {
    let shapes = [[1, 1, 1], [1, 5, 63], [1, 3, 64], [1, 4, 65], [3, 4, 130], [4, 1, 7], [0, 3, 3], [2, 0, 3], [2, 3, 0]];
    for (shape, rank) in
        shapes.into_iter().flat_map(|shape| [(shape, Rank::Three), (shape, Rank::Two)]).filter(|(s, r)| *r == Rank::Three || s[0] == 1)
    {
        for (one_in, few) in [(1, true), (1, false), (2, true), (9, true), (40, false), (70, true)] {
            let mask = scattered(shape, one_in, few, 11 * one_in + shape[2] as u64);
            for elements in [SurfaceElements::Triangles, SurfaceElements::BorderVoxels] {
                let surface = Surface::of(&mask, [1.0; 3], rank, elements);
                let found = surface.places.grid();
                let everything: u8 = if rank == Rank::Two { 0b1111 } else { 0b1111_1111 };
                let (mut n_inside, mut expected) = (0, Volume::filled(found.shape(), 0));
                let [_, ny, nx] = found.shape();
                for (index, expected) in expected.voxels_mut().iter_mut().enumerate() {
                    let at = [index / (ny * nx), index / nx % ny, index % nx];
                    (*expected, n_inside) = match elements {
                        SurfaceElements::Triangles if corner(&mask, rank, at) == everything => (0, n_inside + 1),
                        SurfaceElements::Triangles => (corner(&mask, rank, at), n_inside),
                        SurfaceElements::BorderVoxels => {
                            let code = border(&mask, rank, at);
                            (code, n_inside + u64::from(code == 0 && *mask.at(at)))
                        }
                    };
                }
                assert_eq!(found, expected, "{shape:?} {rank:?} {elements:?}, one in {one_in}");
                assert_eq!(surface.n_inside, n_inside, "{shape:?} {rank:?} {elements:?}, one in {one_in}");
            }
        }
    }
}

#[test]
fn a_box_has_its_surface_and_volume() {
    let mut mask = Volume::filled([4, 5, 70], false);
    for index in 0..mask.voxels().len() {
        let (z, y, x) = (index / 350, index / 70 % 5, index % 70);
        mask.voxels_mut()[index] = (1..3).contains(&z) && (1..4).contains(&y) && (2..68).contains(&x);
    }
    let surface = Surface::of(&mask, [1.0; 3], Rank::Three, SurfaceElements::Triangles);
    // Edges and corners are cut off: the triangles hold a little less than the 396 voxels.
    assert!((396.0 - surface.volume_inside()).abs() < 40.0, "{}", surface.volume_inside());
    assert!((surface.size() - 2.0 * (6.0 + 132.0 + 198.0)).abs() < 120.0, "{}", surface.size());
    let border = Surface::of(&mask, [1.0; 3], Rank::Three, SurfaceElements::BorderVoxels);
    assert_eq!(border.size(), 396.0);
}
