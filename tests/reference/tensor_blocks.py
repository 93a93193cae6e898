"""Writes the goldens of training: what PyTorch makes of two tiny U-Nets in ten steps, and the gradients of the first.

    pip install torch==2.15.0 numpy
    python tests/reference/tensor_blocks.py

Each case is `crates/sagittal-train/tests/data/NAME.npz`: the first weights under nnU-Net's names (`weight/NAME`, values that float16
holds exactly), their gradients in the first step (`gradient/NAME`), the batches (`images` `[step, N, C, ...]`, also exact in float16;
`labels` `[step, N, ...]`, 255 = not scored), the learning rates (`rates`) and the loss before each step (`losses`). Everything is computed
in float64. Seed 20260102.

Between them the cases pass through every block: convolutions of stride 1 and 2, 3-D, anisotropic and 2-D, norm, leaky ReLU, skip
connections, transposed convolutions, heads at two scales, both forms of the Dice, voxels that are not scored, clipped gradients, SGD
and AdamW. Channels fill no vector.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

OUT = Path(__file__).resolve().parents[2] / "crates/sagittal-train/tests/data"
STEPS = 10
RATE = 0.01
IGNORED = 255


class Conv(nn.Module):
    def __init__(self, rank, c_in, c_out, kernel, stride):
        super().__init__()
        conv, norm = (nn.Conv3d, nn.InstanceNorm3d) if rank == 3 else (nn.Conv2d, nn.InstanceNorm2d)
        self.conv = conv(c_in, c_out, kernel, stride, [k // 2 for k in kernel])
        self.norm = norm(c_out, eps=1e-5, affine=True)

    def forward(self, x):
        return F.leaky_relu(self.norm(self.conv(x)), 0.01)


class Stage(nn.Module):
    def __init__(self, rank, c_in, c_out, kernel, stride, n):
        super().__init__()
        ones = [1] * rank
        self.convs = nn.Sequential(*(Conv(rank, c_in if i == 0 else c_out, c_out, kernel, stride if i == 0 else ones) for i in range(n)))

    def forward(self, x):
        return self.convs(x)


class Encoder(nn.Module):
    def __init__(self, rank, channels, features, kernels, strides):
        super().__init__()
        sizes = zip([channels, *features], features, kernels, strides)
        self.stages = nn.ModuleList(nn.Sequential(Stage(rank, i, o, k, s, 2)) for i, o, k, s in sizes)


class Decoder(nn.Module):
    def __init__(self, rank, features, kernels, strides, classes):
        super().__init__()
        conv, up = (nn.Conv3d, nn.ConvTranspose3d) if rank == 3 else (nn.Conv2d, nn.ConvTranspose2d)
        fine = range(len(features) - 2, -1, -1)
        self.transpconvs = nn.ModuleList(up(features[i + 1], features[i], strides[i + 1], strides[i + 1]) for i in fine)
        self.stages = nn.ModuleList(Stage(rank, 2 * features[i], features[i], kernels[i], [1] * rank, 1) for i in fine)
        self.seg_layers = nn.ModuleList(conv(features[i], classes, 1) for i in fine)


class UNet(nn.Module):
    def __init__(self, rank, channels, features, kernels, strides, classes):
        super().__init__()
        self.encoder = Encoder(rank, channels, features, kernels, strides)
        self.decoder = Decoder(rank, features, kernels, strides, classes)

    def forward(self, x):
        skips, logits = [], []
        for stage in self.encoder.stages:
            x = stage(x)
            skips.append(x)
        skips.pop()
        for up, stage, head in zip(self.decoder.transpconvs, self.decoder.stages, self.decoder.seg_layers):
            x = stage(torch.cat((up(x), skips.pop()), 1))
            logits.append(head(x))
        return logits[::-1]


def dice_cross_entropy(logits, target, classes, batch_dice):
    p, scored = logits.softmax(1), (target != IGNORED).unsqueeze(1)
    hot = F.one_hot(target.where(target != IGNORED, 0), classes).movedim(-1, 1) * scored
    axes = [0] * batch_dice + list(range(2, p.dim()))
    intersection, total = (p * hot).sum(axes), (p * scored).sum(axes) + hot.sum(axes)
    dice = ((2 * intersection + 1e-5) / (total + 1e-5).clip(1e-8))[..., 1:].mean()
    return F.cross_entropy(logits, target, ignore_index=IGNORED) - dice


def loss(logits, target, classes, batch_dice):
    """Weights 1, 1/2, ... with the coarsest left out; labels of a coarser grid by `nearest-exact`."""
    weights = [0.5**i for i in range(len(logits) - 1)]
    result = 0.0
    for output, weight in zip(logits, weights):
        coarse = F.interpolate(target.unsqueeze(1).double(), output.shape[2:], mode="nearest-exact").squeeze(1).long()
        result = result + weight / sum(weights) * dice_cross_entropy(output, coarse, classes, batch_dice)
    return result


def case(name, rank, size, channels, features, kernels, strides, classes, batch_dice, clip, optimizer):
    torch.manual_seed(20260102)
    net = UNet(rank, channels, features, kernels, strides, classes).double()
    with torch.no_grad():
        for key, p in net.named_parameters():
            # Norms and biases away from 1 and 0, where a mistake would not show.
            p += 0.1 * torch.randn_like(p) * (p.dim() == 1)
            p.copy_(p.half().double())
    written = {f"weight/{key}": p.detach().numpy().astype(np.float16) for key, p in net.named_parameters()}
    labels = torch.randint(0, classes, (STEPS, 2, *[s // 4 for s in size]))
    for axis in range(rank):
        labels = labels.repeat_interleave(4, 2 + axis)
    images = (labels.unsqueeze(2) + torch.randn(STEPS, 2, channels, *size)).half().double()
    labels[torch.rand(labels.shape) < 0.05] = IGNORED
    rates = [RATE * (1 - step / STEPS) ** 0.9 for step in range(STEPS)]
    sgd = {"momentum": 0.99, "nesterov": True, "weight_decay": 3e-2}
    adamw = {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 3e-2}
    rule = torch.optim.SGD(net.parameters(), RATE, **sgd) if optimizer == "sgd" else torch.optim.AdamW(net.parameters(), RATE, **adamw)
    losses, norms = [], []
    for step, rate in enumerate(rates):
        for group in rule.param_groups:
            group["lr"] = rate
        rule.zero_grad()
        value = loss(net(images[step]), labels[step], classes, batch_dice)
        value.backward()
        if step == 0:
            # The coarsest head takes no part in the loss.
            gradients = {key: p.grad for key, p in net.named_parameters() if p.grad is not None}
            written |= {f"gradient/{key}": gradient.numpy().astype(np.float32) for key, gradient in gradients.items()}
        norms.append(float(nn.utils.clip_grad_norm_(net.parameters(), clip)))
        rule.step()
        losses.append(value.item())
    OUT.mkdir(exist_ok=True)
    written |= {"images": images.numpy().astype(np.float16), "labels": labels.numpy().astype(np.uint8)}
    np.savez_compressed(OUT / f"{name}.npz", rates=np.array(rates), losses=np.array(losses), **written)
    print(name, "losses", np.round(losses, 4), "norms", np.round(norms, 3), (OUT / f"{name}.npz").stat().st_size // 1024, "KB")


case("unet3d_sgd", 3, (8, 12, 8), 1, (4, 6, 9), [[1, 3, 3], [3] * 3, [3] * 3], [[1] * 3, [1, 2, 2], [2] * 3], 3, False, 0.65, "sgd")
case("unet2d_adamw", 2, (24, 16), 3, (5, 8, 12), [[3] * 2] * 3, [[1] * 2, [2] * 2, [2] * 2], 2, True, 12.0, "adamw")
