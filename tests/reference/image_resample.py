"""Writes the golden files of resampling: what scipy and scikit-image make of small arrays.

    pip install numpy==2.4.6 scipy==1.17.1 scikit-image==0.26.0
    python tests/reference/image_resample.py

Each case is `crates/sagittal-image/tests/data/resample/NAME.txt`: lines `key: values`. Seed 20260101.
The separate-axis rule is nnU-Net's `resample_data_or_seg` (2.8), written out here with the same library calls.
"""

from pathlib import Path

import numpy as np
from scipy import ndimage
from skimage.transform import resize

OUT = Path(__file__).resolve().parents[2] / "crates/sagittal-image/tests/data/resample"
rng = np.random.default_rng(20260101)


def sk(x, shape, order):
    return resize(x.astype(np.float64), shape, order, mode="edge", anti_aliasing=False, clip=True)


def sc(x, shape, order):
    zoom = [n / o for n, o in zip(shape, x.shape)]
    y = ndimage.zoom(x.astype(np.float64), zoom, order=order, mode="nearest", grid_mode=True)
    return np.clip(y, x.min(), x.max())


def resize_segmentation(x, shape):
    out = np.zeros(shape, x.dtype)
    for label in np.sort(np.unique(x)):
        out[resize((x == label).astype(float), shape, 1, mode="edge", clip=True, anti_aliasing=False) >= 0.5] = label
    return out


def separate(x, axis, shape, f):
    x = np.moveaxis(x, axis, 0)
    shape = list(shape)
    n = shape.pop(axis)
    slices = np.stack([f(s, shape) for s in x])
    scale = x.shape[0] / n
    grid = np.mgrid[:n, : shape[0], : shape[1]].astype(float)
    grid[0] = scale * (grid[0] + 0.5) - 0.5
    return np.moveaxis(ndimage.map_coordinates(slices, grid, order=0, mode="nearest"), 0, axis)


def write(name, kind, x, y, old=(1, 1, 1), new=(1, 1, 1)):
    digits = "%d" if x.dtype.kind == "i" else "%.9g"
    rows = {
        "kind": kind,
        "old_spacing": " ".join(map(str, old)),
        "new_spacing": " ".join(map(str, new)),
        "shape": " ".join(map(str, x.shape)),
        "new_shape": " ".join(map(str, y.shape)),
        "input": " ".join(digits % v for v in x.ravel()),
        "output": " ".join(digits % v for v in y.ravel()),
    }
    (OUT / f"{name}.txt").write_text("".join(f"{k}: {v}\n" for k, v in rows.items()))


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    shapes = [((5, 6, 7), (8, 9, 4)), ((1, 9, 8), (1, 5, 13)), ((4, 3, 2), (9, 2, 5)), ((6, 5, 20), (6, 5, 33)), ((7, 1, 5), (3, 4, 5))]
    for i, (a, b) in enumerate(shapes):
        x = np.float32(rng.normal(size=a) * 100)
        for order, kind in ((0, "nearest"), (1, "linear"), (3, "cubic")):
            y = sk(x, b, order)
            difference = np.abs(y - sc(x, b, order)).max()
            assert difference < 1e-9, (a, b, order, difference)
            write(f"resize_{kind}_{i}", kind, x, np.float32(y))
    labels = rng.integers(-1, 4, size=(6, 7, 8)).astype(np.int16)
    blocks = np.kron(rng.integers(0, 4, size=(3, 3, 4)), np.ones((2, 3, 2))).astype(np.int16)
    for i, (x, shape) in enumerate([(labels, (3, 7, 5)), (labels, (11, 13, 9)), (blocks, (5, 6, 11)), (blocks, (12, 18, 16)), (blocks, (3, 4, 4))]):
        write(f"labels_{i}", "labels", x, resize_segmentation(x, shape))
    for i, (axis, old, new, shape) in enumerate([
        (0, (5, 1, 1), (2.5, 0.8, 0.8), (10, 9, 11)),
        (2, (1, 1, 4), (0.8, 0.8, 1), (7, 10, 21)),
        (1, (1, 1, 1.2), (1, 4, 1.2), (5, 2, 6)),
    ]):
        base = [round(n * s / o) for n, s, o in zip(shape, new, old)]
        x = np.float32(rng.normal(size=base) * 10)
        for order, kind in ((3, "image"), (1, "probabilities")):
            y = separate(x.astype(np.float64), axis, shape, lambda s, t: sk(s, t, order))
            write(f"separate_{kind}_{i}", kind, x, np.float32(y), old, new)
        x = rng.integers(0, 3, size=base).astype(np.int16)
        write(f"separate_labels_{i}", "separate_labels", x, separate(x, axis, shape, resize_segmentation), old, new)


main()
