//! Which way the axes of a grid run, and turning images into the canonical way and back.
//!
//! Canonical: `Z` runs to superior, `Y` to anterior, `X` to right, each by its nearest world axis. Only permutations
//! and flips, never interpolation, so that going back is exact. 2-D images are left as they are.

use std::fmt;

use crate::{Geometry, Image, LabelMap, Rank, Volume, geometry::WORLD};

/// The nearest world axis of every memory axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Orientation {
    /// For memory axes `[Z, Y, X]`: the world axis (0 right, 1 anterior, 2 superior), each one once.
    world_axis: [usize; 3],
    /// For memory axes `[Z, Y, X]`: whether they run against their world axis (to left, posterior, inferior).
    reversed: [bool; 3],
}

impl Orientation {
    /// Memory axes along superior, anterior, right.
    pub const CANONICAL: Self = Self { world_axis: [2, 1, 0], reversed: [false; 3] };

    /// The orientation of a grid; oblique axes count as their nearest ones, the most certain first.
    pub fn of(geometry: &Geometry) -> Self {
        let (mut world_axis, mut reversed) = ([0; 3], [false; 3]);
        let (mut axis_left, mut world_left) = ([true; 3], [true; 3]);
        for _ in 0..3 {
            let (mut best, mut most) = ((0, 0), -1.0);
            for axis in (0..3).filter(|axis| axis_left[*axis]) {
                for world in (0..3).filter(|world| world_left[*world]) {
                    let component = geometry.direction[axis][world].abs();
                    if component > most {
                        (best, most) = ((axis, world), component);
                    }
                }
            }
            let (axis, world) = best;
            (axis_left[axis], world_left[world]) = (false, false);
            (world_axis[axis], reversed[axis]) = (world, geometry.direction[axis][world] < 0.0);
        }
        Self { world_axis, reversed }
    }
}

/// The three letters that other programs use: where the file's axes x, y, z run to, such as `RAS` or `LPI`.
impl fmt::Display for Orientation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for axis in [2, 1, 0] {
            let letters = WORLD[self.world_axis[axis]];
            write!(f, "{}", if self.reversed[axis] { letters.1 } else { letters.0 })?;
        }
        Ok(())
    }
}

/// How an image was turned to the canonical orientation, and how its results turn back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reorientation {
    /// Canonical axis `a` is the original's memory axis `source[a]`.
    source: [usize; 3],
    /// Whether canonical axis `a` runs against it.
    flipped: [bool; 3],
}

impl Reorientation {
    /// Nothing to turn.
    pub const IDENTITY: Self = Self { source: [0, 1, 2], flipped: [false; 3] };

    /// What turns a grid to the canonical orientation.
    pub fn of(geometry: &Geometry) -> Self {
        if geometry.rank == Rank::Two {
            return Self::IDENTITY;
        }
        let orientation = Orientation::of(geometry);
        let mut reorientation = Self::IDENTITY;
        for axis in 0..3 {
            // World axes right, anterior, superior => canonical axes X, Y, Z.
            let canonical = 2 - orientation.world_axis[axis];
            reorientation.source[canonical] = axis;
            reorientation.flipped[canonical] = orientation.reversed[axis];
        }
        reorientation
    }

    /// Whether there is nothing to turn.
    pub fn is_identity(&self) -> bool {
        *self == Self::IDENTITY
    }

    /// The volume in the canonical orientation.
    pub fn to_canonical<T: Copy>(&self, volume: &Volume<T>) -> Volume<T> {
        turn(volume, self.source, self.flipped)
    }

    /// A canonical volume in the original orientation: undoes [`Reorientation::to_canonical`].
    pub fn to_original<T: Copy>(&self, volume: &Volume<T>) -> Volume<T> {
        let (mut source, mut flipped) = ([0; 3], [false; 3]);
        for canonical in 0..3 {
            source[self.source[canonical]] = canonical;
            flipped[self.source[canonical]] = self.flipped[canonical];
        }
        turn(volume, source, flipped)
    }

    /// The canonical grid over the same voxels of the world.
    pub fn geometry(&self, original: &Geometry) -> Geometry {
        let mut canonical = original.clone();
        let spacing_mm = original.spacing_or_one();
        for a in 0..3 {
            let axis = self.source[a];
            canonical.shape[a] = original.shape[axis];
            canonical.direction[a] = original.direction[axis];
            if let Some(canonical_mm) = &mut canonical.spacing_mm {
                canonical_mm[a] = spacing_mm[axis];
            }
            if self.flipped[a] {
                let length_mm = spacing_mm[axis] * (original.shape[axis] as f64 - 1.0);
                for world in 0..3 {
                    canonical.direction[a][world] = -original.direction[axis][world];
                    canonical.origin_mm[world] += original.direction[axis][world] * length_mm;
                }
            }
        }
        canonical
    }
}

/// The image in the canonical orientation, and the way back.
pub fn to_canonical(image: &Image) -> (Image, Reorientation) {
    let reorientation = Reorientation::of(&image.geometry);
    let channels = image.channels.iter().map(|channel| reorientation.to_canonical(channel)).collect();
    let geometry = reorientation.geometry(&image.geometry);
    (Image { channels, geometry, header: image.header.clone() }, reorientation)
}

/// The label map in the canonical orientation, and the way back.
pub fn to_canonical_labels(map: &LabelMap) -> (LabelMap, Reorientation) {
    let reorientation = Reorientation::of(&map.geometry);
    let labels = reorientation.to_canonical(&map.labels);
    let geometry = reorientation.geometry(&map.geometry);
    (LabelMap { labels, geometry, header: map.header.clone() }, reorientation)
}

/// The volume whose axis `a` is axis `source[a]` of `volume`, backwards if `flipped[a]`.
pub(crate) fn turn<T: Copy>(volume: &Volume<T>, source: [usize; 3], flipped: [bool; 3]) -> Volume<T> {
    if source == [0, 1, 2] && flipped == [false; 3] {
        return volume.clone();
    }
    let shape = volume.shape();
    let strides = [(shape[1] * shape[2]) as isize, shape[2] as isize, 1];
    let new_shape = source.map(|axis| shape[axis]);
    let mut start = 0;
    let mut steps = [0; 3];
    for a in 0..3 {
        let stride = strides[source[a]];
        steps[a] = if flipped[a] { -stride } else { stride };
        if flipped[a] {
            start += stride * (new_shape[a] as isize - 1).max(0);
        }
    }
    let voxels = volume.voxels();
    let mut turned = Vec::with_capacity(voxels.len());
    for z in 0..new_shape[0] {
        for y in 0..new_shape[1] {
            let row = start + z as isize * steps[0] + y as isize * steps[1];
            turned.extend((0..new_shape[2]).map(|x| voxels[(row + x as isize * steps[2]) as usize]));
        }
    }
    Volume::new(new_shape, turned)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every way in which three axes can run along the world's: 6 permutations, 8 flips.
    fn orientations() -> Vec<[[f64; 3]; 3]> {
        let mut all = Vec::new();
        for permutation in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            for flips in 0..8 {
                let mut direction = [[0.0; 3]; 3];
                for axis in 0..3 {
                    direction[axis][permutation[axis]] = if flips >> axis & 1 == 1 { -1.0 } else { 1.0 };
                }
                all.push(direction);
            }
        }
        all
    }

    #[test]
    fn all_48_orientations_go_and_come_back() {
        let volume = Volume::new([2, 3, 4], (0..24).collect::<Vec<i32>>());
        let mut names = std::collections::BTreeSet::new();
        for direction in orientations() {
            let original = Geometry { direction, origin_mm: [3.0, -5.0, 7.0], ..Geometry::volume([2, 3, 4], [0.5, 1.5, 2.5]) };
            names.insert(Orientation::of(&original).to_string());
            let reorientation = Reorientation::of(&original);
            let canonical = reorientation.geometry(&original);
            assert_eq!(Orientation::of(&canonical), Orientation::CANONICAL);
            let turned = reorientation.to_canonical(&volume);
            assert_eq!(turned.shape(), canonical.shape);
            assert_eq!(reorientation.to_original(&turned), volume);
            // Every voxel keeps its place in the world.
            for (z, y, x) in (0..24).map(|i| (i / 12, i / 4 % 3, i % 4)) {
                let here = world(&original, [z, y, x]);
                let value = *volume.at([z, y, x]);
                let index = turned.voxels().iter().position(|v| *v == value).expect("no voxel is lost");
                let [_, n_y, n_x] = turned.shape();
                let there = world(&canonical, [index / (n_y * n_x), index / n_x % n_y, index % n_x]);
                assert!(here.iter().zip(there).all(|(a, b)| (a - b).abs() < 1e-12), "{direction:?}");
            }
        }
        assert_eq!(names.len(), 48);
    }

    fn world(geometry: &Geometry, [z, y, x]: [usize; 3]) -> [f64; 3] {
        let affine = geometry.affine();
        [0, 1, 2].map(|r| affine[r][0] * x as f64 + affine[r][1] * y as f64 + affine[r][2] * z as f64 + affine[r][3])
    }

    #[test]
    fn names_are_those_of_other_programs() {
        assert_eq!(Orientation::of(&Geometry::volume([1; 3], [1.0; 3])).to_string(), "RAS");
        let lps = Geometry { direction: [[0.0, 0.0, 1.0], [0.0, -1.0, 0.0], [-1.0, 0.0, 0.0]], ..Geometry::volume([1; 3], [1.0; 3]) };
        assert_eq!(Orientation::of(&lps).to_string(), "LPS");
    }

    #[test]
    fn a_picture_is_left_as_it_is() {
        let flipped = Geometry { direction: [[0.0, 0.0, 1.0], [0.0, -1.0, 0.0], [-1.0, 0.0, 0.0]], ..Geometry::picture([2, 3]) };
        assert!(Reorientation::of(&flipped).is_identity());
    }
}
