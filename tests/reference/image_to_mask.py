"""Writes the goldens of the post's network: maps, losses and gradients of tiny ones in PyTorch.

    pip install torch==2.15.0 numpy
    python tests/reference/image_to_mask.py

Each case is `crates/sagittal-train/tests/data/image_to_mask_NAME.npz`: weights under our names (`weight/NAME`, values that float16 holds
exactly), `image` `[N, C, Y, X]`, `labels` `[N, Y, X]`, the maps `[N, M, Y, X]` that the last layer makes, `loss` (the sum over the pixels of a
picture, mean over pictures) and the gradients of the loss (`gradient/NAME`). Everything is computed in float64. Seed 20260418.

Between them the cases have: both heads, both ends (tanh or not), both outputs, masks as they are and divided by their area, one label and two,
one channel and three.
"""

from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

OUT = Path(__file__).resolve().parents[2] / "crates/sagittal-train/tests/data"
SIZE, FILTERS, UNITS, KERNEL = (5, 6), (3, 4), 7, 3


class ImageToMask(nn.Module):
    def __init__(self, channels, maps, dense, tanh):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(a, b, KERNEL, padding=KERNEL // 2) for a, b in zip((channels, *FILTERS), FILTERS))
        pixels = SIZE[0] * SIZE[1]
        self.dense, self.tanh, self.maps = dense, tanh, maps
        if dense:
            self.hidden, self.output = nn.Linear(FILTERS[-1] * pixels, UNITS), nn.Linear(UNITS, maps * pixels)
        else:
            self.output = nn.Conv2d(FILTERS[-1], maps, 1)

    def forward(self, x):
        for conv in self.convs:
            x = torch.relu(conv(x))
        if self.dense:
            x = self.output(torch.tanh(self.hidden(x.flatten(1)))).view(len(x), self.maps, *SIZE)
        else:
            x = self.output(x)
        return torch.tanh(x) if self.tanh else x


def loss_of(maps, labels, classes, pixels_compete, normalized):
    if not pixels_compete:
        return F.cross_entropy(maps, labels, reduction="sum") / len(maps)
    masks = torch.stack([labels == k for k in range(1, classes)], 1).double().flatten(2)
    if normalized:
        masks = masks / masks.sum(2, keepdim=True).clamp(min=1)
    return -(masks * F.log_softmax(maps.flatten(2), 2)).sum() / len(maps)


def case(name, channels, classes, dense, tanh, pixels_compete, normalized):
    torch.manual_seed(20260418)
    net = ImageToMask(channels, classes - 1 if pixels_compete else classes, dense, tanh).double()
    parameters = dict(net.named_parameters())
    with torch.no_grad():
        for p in parameters.values():
            p.copy_((p + 0.1 * torch.randn_like(p)).half().double())
    image = torch.rand(2, channels, *SIZE).half().double()
    labels = torch.randint(0, classes, (2, *SIZE))
    maps = net(image)
    loss = loss_of(maps, labels, classes, pixels_compete, normalized)
    loss.backward()
    written = {f"weight/{key}": p.detach().numpy().astype(np.float16) for key, p in parameters.items()}
    written |= {f"gradient/{key}": p.grad.numpy().astype(np.float32) for key, p in parameters.items()}
    path = OUT / f"image_to_mask_{name}.npz"
    np.savez_compressed(path, image=image.numpy().astype(np.float16), labels=labels.numpy().astype(np.uint8),
                        maps=maps.detach().numpy().astype(np.float32), loss=np.array([loss.item()]), **written)
    print(name, loss.item(), path.stat().st_size // 1024, "KB")


OUT.mkdir(exist_ok=True)
case("post", 1, 2, True, True, True, False)
case("normalized", 3, 3, True, False, True, True)
case("classes", 1, 3, True, False, False, False)
case("convolution", 3, 2, False, True, False, False)
case("convolution_pixels", 1, 2, False, False, True, False)
