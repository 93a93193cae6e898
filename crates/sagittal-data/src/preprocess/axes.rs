//! Axes in another order.

use sagittal_image::Volume;

/// The volume whose axis `a` is `volume`'s axis `order[a]`.
pub(super) fn permute<T: Copy>(volume: &Volume<T>, order: [usize; 3]) -> Volume<T> {
    if order == [0, 1, 2] {
        return volume.clone();
    }
    let [_, y, x] = volume.shape();
    let stride = [y * x, x, 1];
    let shape = order.map(|axis| volume.shape()[axis]);
    let [step_z, step_y, step_x] = order.map(|axis| stride[axis]);
    let mut voxels = Vec::with_capacity(shape.iter().product());
    for z in 0..shape[0] {
        for y in 0..shape[1] {
            let row = z * step_z + y * step_y;
            voxels.extend((0..shape[2]).map(|x| volume.voxels()[row + x * step_x]));
        }
    }
    Volume::new(shape, voxels)
}

/// The order that undoes `order`.
pub(super) fn inverse(order: [usize; 3]) -> [usize; 3] {
    let mut inverse = [0; 3];
    for (axis, from) in order.into_iter().enumerate() {
        inverse[from] = axis;
    }
    inverse
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permuting_moves_axes_and_back() {
        let volume = Volume::new([2, 3, 4], (0..24).collect());
        for order in [[0, 1, 2], [1, 0, 2], [2, 0, 1], [1, 2, 0], [0, 2, 1], [2, 1, 0]] {
            let there = permute(&volume, order);
            assert_eq!(there.shape(), order.map(|axis| volume.shape()[axis]));
            assert_eq!(permute(&there, inverse(order)), volume);
        }
        // [2, 0, 1]: the new first axis is X.
        assert_eq!(*permute(&volume, [2, 0, 1]).at([3, 1, 2]), *volume.at([1, 2, 3]));
    }
}
