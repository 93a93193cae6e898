"""Writes the goldens of networks: the logits of nnU-Net's own network classes and the gradients of all their parameters.

    pip install torch==2.15.0 numpy dynamic_network_architectures==0.4.4
    python tests/reference/networks.py

Each case is `crates/sagittal-nets/tests/data/NAME.npz`: weights under nnU-Net's names, each once (`weight/NAME`, values that float16 holds
exactly), an input (`image`, also exact), the logits of every scale (`logits/0` is the finest), what they are weighted with (`d_logits/i`,
exact) and the gradients of the weighted sum (`gradient/NAME`). Everything is computed in float64. Seed 20260103.

Between them the cases have: stems, blocks that pool and project, that only pool, that only project, and that do neither; anisotropic
kernels and strides; 2-D; convolutions with and without bias; another epsilon and slope; other activations. Norm weights that start at 0 are moved away.
"""

from pathlib import Path

import numpy as np
import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet, ResidualEncoderUNet
from torch import nn

OUT = Path(__file__).resolve().parents[2] / "crates/sagittal-nets/tests/data"


def case(name, kind, rank, size, channels, classes, features, kernels, strides, encoder, decoder, bias, epsilon, slope,
         nonlin=nn.LeakyReLU):
    torch.manual_seed(20260103)
    blocks = {"n_blocks_per_stage" if kind is ResidualEncoderUNet else "n_conv_per_stage": encoder}
    conv, norm = (nn.Conv3d, nn.InstanceNorm3d) if rank == 3 else (nn.Conv2d, nn.InstanceNorm2d)
    net = kind(
        channels,
        len(features),
        features,
        conv,
        kernels,
        strides,
        num_classes=classes,
        n_conv_per_stage_decoder=decoder,
        conv_bias=bias,
        norm_op=norm,
        norm_op_kwargs={"eps": epsilon, "affine": True},
        nonlin=nonlin,
        nonlin_kwargs={"negative_slope": slope} if nonlin is nn.LeakyReLU else {},
        deep_supervision=True,
        **blocks,
    ).double()
    # Shared modules have several names; named_parameters gives each parameter once, under its first.
    names = {key: p for key, p in net.named_parameters()}
    with torch.no_grad():
        for p in names.values():
            # Norms and biases away from 1 and 0, where a mistake would not show.
            p += 0.2 * torch.randn_like(p) * (p.dim() == 1)
            p.copy_(p.half().double())
    image = torch.randn(2, channels, *size).half().double()
    logits = net(image)
    d_logits = [torch.randn_like(l).half().double() for l in logits]
    sum((l * d).sum() for l, d in zip(logits, d_logits)).backward()
    written = {f"weight/{key}": p.detach().numpy().astype(np.float16) for key, p in names.items()}
    written |= {f"gradient/{key}": p.grad.numpy().astype(np.float32) for key, p in names.items()}
    written |= {f"logits/{i}": l.detach().numpy().astype(np.float32) for i, l in enumerate(logits)}
    written |= {f"d_logits/{i}": d.numpy().astype(np.float16) for i, d in enumerate(d_logits)}
    OUT.mkdir(exist_ok=True)
    np.savez_compressed(OUT / f"{name}.npz", image=image.numpy().astype(np.float16), **written)
    print(name, len(names), "arrays", (OUT / f"{name}.npz").stat().st_size // 1024, "KB")


case("residual_3d", ResidualEncoderUNet, 3, (4, 8, 8), 2, 3, [4, 4, 6, 6], [[1, 3, 3], [3] * 3, [3] * 3, [3] * 3],
     [[1] * 3, [1, 2, 2], [2] * 3, [1, 2, 2]], [1, 2, 2, 1], [1, 1, 1], True, 1e-5, 0.01)
case("residual_2d", ResidualEncoderUNet, 2, (16, 12), 3, 2, [5, 8, 8], [[3] * 2] * 3, [[1] * 2, [2] * 2, [2] * 2], [1, 1, 2], [1, 1],
     False, 1e-5, 0.01)
case("plain_other", PlainConvUNet, 3, (4, 8, 8), 1, 2, [4, 6], [[3] * 3] * 2, [[1] * 3, [2] * 3], [2, 1], [2], False, 1e-3, 0.2)
case("plain_tanh", PlainConvUNet, 3, (4, 4, 8), 1, 2, [3, 4], [[3] * 3] * 2, [[1] * 3, [2] * 3], [2, 1], [1], True, 1e-5, 0.01, nn.Tanh)
case("residual_gelu", ResidualEncoderUNet, 2, (8, 8), 1, 2, [3, 4], [[3] * 2] * 2, [[1] * 2, [2] * 2], [1, 1], [1], True, 1e-5, 0.01,
     nn.GELU)
