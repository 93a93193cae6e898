"""Values and gradients of PyTorch's activation functions, for crates/sagittal-kernels/src/activation/tests.rs.

    pip install torch==2.15.0
    python tests/reference/activations.py crates/sagittal-kernels/tests/data/activations.npz

Computed in float64 from float32 inputs: dense between -8 and 8, 0 and its neighbours, and numbers far out.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

x = torch.cat([torch.linspace(-8, 8, 201), torch.tensor([0.0, 1e-6, -1e-6, 30.0, -30.0, 90.0, -90.0, 500.0, -500.0])]).float()
FUNCTIONS = {
    "relu": functional.relu,
    "leaky_relu": lambda x: functional.leaky_relu(x, 0.01),
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "softplus": functional.softplus,
    "elu": functional.elu,
    "gelu": functional.gelu,
    "silu": functional.silu,
    "sine": torch.sin,
}
arrays = {"x": x}
for name, function in FUNCTIONS.items():
    leaf = x.double().requires_grad_()
    y = function(leaf)
    y.sum().backward()
    arrays |= {f"{name}_value": y.detach(), f"{name}_gradient": leaf.grad}
Path(sys.argv[1]).parent.mkdir(parents=True, exist_ok=True)
np.savez_compressed(sys.argv[1], **{name: np.asarray(a, dtype=np.float32) for name, a in arrays.items()})
