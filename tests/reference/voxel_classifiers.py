"""Writes the goldens of the four voxel classifiers: logits of single voxels and the gradients of all parameters, from PyTorch.

    pip install torch==2.15.0 numpy
    python tests/reference/voxel_classifiers.py

Each case is `crates/sagittal-nets/tests/data/patch_VIEW.npz`: weights under our names (`weight/NAME`, values that float16 holds exactly), what
is seen of a few voxels (`image`, `[N, C, Z, Y, X]`, also exact), their `logits`, what these are weighted with (`d_logits`, exact) and the
gradients of the weighted sum (`gradient/NAME`). Everything is computed in float64. Seed 20260710.

The networks are written here as the thesis describes them, with 2-D convolutions of 2-D patches: neighbouring slices are channels, and
each of three perpendicular planes has convolutions of its own.
"""

from pathlib import Path

import numpy as np
import torch
from torch import nn

OUT = Path(__file__).resolve().parents[2] / "crates/sagittal-nets/tests/data"
SIDE, KERNEL, FILTERS, CHANNELS, CLASSES, VOXELS = 9, 3, [4, 5], 2, 3, 3


def tower(conv, channels):
    layers, before = [], channels
    for filters in FILTERS:
        layers.append(conv(before, filters, KERNEL))
        before = filters
    return nn.ModuleList(layers)


def case(view, dense, activation):
    torch.manual_seed(20260710)
    middle, left = SIDE // 2, SIDE - len(FILTERS) * (KERNEL - 1)
    if view == "2d":
        image = torch.randn(VOXELS, CHANNELS, 1, SIDE, SIDE)
        towers, seen = [tower(nn.Conv2d, CHANNELS)], lambda x: [x[:, :, 0]]
    elif view == "stacked2d":
        image = torch.randn(VOXELS, CHANNELS, 3, SIDE, SIDE)
        # The slices of a channel lie side by side: [C, 3] => 3 C channels.
        towers, seen = [tower(nn.Conv2d, 3 * CHANNELS)], lambda x: [x.flatten(1, 2)]
    elif view == "triplanar":
        image = torch.randn(VOXELS, CHANNELS, SIDE, SIDE, SIDE)
        towers = [tower(nn.Conv2d, CHANNELS) for _ in range(3)]
        seen = lambda x: [x.select(2 + axis, middle) for axis in range(3)]
    else:
        image = torch.randn(VOXELS, CHANNELS, SIDE, SIDE, SIDE)
        towers, seen = [tower(nn.Conv3d, CHANNELS)], lambda x: [x]
    features = len(towers) * FILTERS[-1] * left ** (3 if view == "3d" else 2)
    widths = [features, *dense, CLASSES]
    layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(widths, widths[1:]))
    names = {f"towers.{t}.{i}.{kind}": getattr(conv, kind) for t, convs in enumerate(towers) for i, conv in enumerate(convs) for kind in ("weight", "bias")}
    names |= {f"dense.{i}.{kind}": getattr(layer, kind) for i, layer in enumerate(layers) for kind in ("weight", "bias")}
    for module in [*towers, layers]:
        module.double()
    with torch.no_grad():
        for p in names.values():
            p.copy_(p.half().double())
    image = image.half().double()
    joined = []
    for convs, x in zip(towers, seen(image)):
        for conv in convs:
            x = activation(conv(x))
        joined.append(x.flatten(1))
    x = torch.cat(joined, 1)
    for i, layer in enumerate(layers):
        x = layer(x)
        if i + 1 < len(layers):
            x = activation(x)
    d_logits = torch.randn_like(x).half().double()
    (x * d_logits).sum().backward()
    written = {f"weight/{name}": p.detach().numpy().astype(np.float16) for name, p in names.items()}
    written |= {f"gradient/{name}": p.grad.numpy().astype(np.float32) for name, p in names.items()}
    half = lambda values: values.detach().numpy().astype(np.float16)
    path = OUT / f"patch_{view}.npz"
    np.savez_compressed(path, image=half(image), logits=x.detach().numpy().astype(np.float32), d_logits=half(d_logits), **written)
    print(view, sum(p.numel() for p in names.values()), "numbers", path.stat().st_size // 1024, "KB")


case("2d", [7], torch.relu)
case("stacked2d", [7, 6], torch.tanh)
case("triplanar", [8], torch.relu)
case("3d", [5], torch.nn.functional.silu)
