"""Random changes of patches by batchgeneratorsv2 itself, with parameters that are given instead of drawn.

Writes ../data/augmentation.json. The inputs are formulas that the Rust test repeats, so that only results are stored.
Run with batchgeneratorsv2 as nnU-Net 2.8.1 installs it, PyTorch 2.15:  python augmentation.py
"""
import json
import math
from pathlib import Path

import numpy as np
import torch
from batchgeneratorsv2.transforms.intensity.contrast import ContrastTransform
from batchgeneratorsv2.transforms.intensity.gamma import GammaTransform
from batchgeneratorsv2.transforms.noise.gaussian_blur import blur_dimension
from batchgeneratorsv2.transforms.spatial.low_resolution import SimulateLowResolutionTransform
from batchgeneratorsv2.transforms.spatial.spatial import (
    SpatialTransform, _convert_my_grid_to_grid_sample_grid, create_affine_matrix_2d, create_affine_matrix_3d,
)
from nnunetv2.training.data_augmentation.compute_initial_patch_size import get_patch_size


def image(shape):
    index = np.arange(math.prod(shape), dtype=np.float64)
    return torch.from_numpy((4 * np.mod(index * 0.618033988749895, 1.0) - 1).astype(np.float32).reshape(1, *shape))


def labels(shape):
    z, y, x = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    return torch.from_numpy((((z // 3 + y // 2 + x // 4) % 4) - 1).astype(np.int16)[None])


def numbers(tensor):
    return [float(f"{value:.6g}") for value in tensor.flatten().tolist()]


PATCH = (4, 7, 9)
goldens = {"patch": PATCH, "intensity": [], "spatial": [], "source_size": []}

for side in ("upright", "inverted"):
    for exponent in (0.7, 0.93, 1.5):
        gamma = GammaTransform(gamma=(1, 1), p_invert_image=0, synchronize_channels=False, p_per_channel=1, p_retain_stats=1)
        out = gamma._apply_to_image(
            image(PATCH), apply_to_channel=torch.tensor([0]), retain_stats=torch.tensor([True]),
            invert_image=torch.tensor([side == "inverted"]), gamma=torch.tensor([exponent]),
        )
        goldens["intensity"].append({"kind": f"gamma {side}", "values": [exponent], "out": numbers(out)})
for factor in (0.75, 1.2):
    contrast = ContrastTransform(contrast_range=(1, 1), preserve_range=True, synchronize_channels=False)
    out = contrast._apply_to_image(image(PATCH), apply_to_channel=torch.tensor([0]), multipliers=torch.tensor([factor]))
    goldens["intensity"].append({"kind": "contrast", "values": [factor], "out": numbers(out)})
for sigmas in ((0.5, 0.5, 0.5), (0.62, 0.85, 1.0), (0.99, 0.74, 0.55)):
    out = image(PATCH)
    for axis, sigma in enumerate(sigmas):
        out = blur_dimension(out, sigma, axis)
    goldens["intensity"].append({"kind": "blur", "values": sigmas, "out": numbers(out)})
for scale, ignored in ((0.5, None), (0.77, None), (0.93, None), (0.6, (0,))):
    low = SimulateLowResolutionTransform((1, 1), False, True, ignored, None, 1)
    scales = torch.tensor([[scale] * 3])
    if ignored is not None:
        scales[:, ignored] = 1
    out = low._apply_to_image(image(PATCH), apply_to_channel=torch.tensor([0]), scales=scales)
    goldens["intensity"].append({"kind": "low resolution" + (" within slices" if ignored else ""), "values": [scale], "out": numbers(out)})

# Rotation and scaling, read from a box that is larger than the patch; some patches reach beyond it. No voxel falls half-way
# between two: which of them is nearest is a matter of the last bit.
for size, patch, angles, scale in (
    ((9, 13, 15), (5, 7, 9), (20, 0, 0), 1.0),
    ((9, 13, 15), (5, 7, 9), (0, 0, 0), 0.73),
    ((9, 13, 15), (5, 7, 9), (11, -27, 19), 1.1),
    ((8, 11, 13), (6, 9, 10), (-30, 25, 14), 1.4),
    ((1, 12, 14), (1, 9, 8), (40,), 0.9),
    ((1, 10, 11), (1, 9, 8), (-127,), 1.3),
):
    dim = 2 if size[0] == 1 else 3
    shape, out_shape = size[-dim:], patch[-dim:]
    spatial = SpatialTransform(
        out_shape, patch_center_dist_from_border=0, random_crop=False, p_elastic_deform=0, p_rotation=0.2, p_scaling=0.2,
        scaling=(0.7, 1.4), p_synchronize_scaling_across_axes=1, bg_style_seg_sampling=False, border_mode_seg="constant",
        padding_value_seg=-1,
    )
    radians = [math.radians(angle) for angle in angles]
    affine = create_affine_matrix_3d(radians, [scale] * 3) if dim == 3 else create_affine_matrix_2d(radians[0], [scale] * 2)
    grid = torch.matmul(spatial._get_base_grid_clone(), torch.from_numpy(affine.T).float())
    grid = _convert_my_grid_to_grid_sample_grid(grid, shape)
    params = {"grid": grid, "center_location_in_pixels": [n / 2 for n in shape]}
    pixels = spatial._apply_to_image(image(size).reshape(1, *shape), **params)
    classes = spatial._apply_to_segmentation(labels(size).reshape(1, *shape), **params)
    goldens["spatial"].append({
        "size": size, "patch": patch, "degrees": angles, "scale": scale, "image": numbers(pixels),
        "labels": " ".join(str(value) for value in classes.flatten().tolist()),
    })

for patch, degrees in (((40, 56, 40), 30), ((128, 128, 128), 30), ((20, 320, 256), 180), ((16, 20, 60), 180), ((512, 512), 180), ((640, 320), 15)):
    radians = (-degrees / 360 * 2 * np.pi, degrees / 360 * 2 * np.pi)
    size = get_patch_size(np.array(patch), radians, radians, radians, (0.85, 1.25))
    if len(patch) == 3 and max(patch) / patch[0] > 3:
        size[0] = patch[0]
    goldens["source_size"].append({"patch": patch, "size": size.tolist()})

out = Path(__file__).parent.parent / "data" / "augmentation.json"
out.write_text(json.dumps(goldens, separators=(",", ":")) + "\n")
print(out.stat().st_size, "bytes")
