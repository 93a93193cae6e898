"""Steps of PyTorch's optimisers on a quadratic and on a small network, for crates/sagittal-train/tests/optimizers.rs.

    pip install torch==2.15.0
    python tests/reference/optimizers.py crates/sagittal-train/tests/data/optimizers.npz

The quadratic is sum(a (w - c)^2) / 2 with curvatures from 0.01 to 100. The network is 2 -> 8 tanh -> 1, trained on 24 points at once towards
sin(3 x0) x1. Everything is float32.
"""

import sys

import numpy as np
import torch

torch.manual_seed(0)
torch.set_num_threads(1)
RULES = {
    "sgd_plain": lambda p: torch.optim.SGD(p, 0.005),
    "sgd_momentum": lambda p: torch.optim.SGD(p, 0.001, momentum=0.9),
    "rmsprop": lambda p: torch.optim.RMSprop(p, 0.01, momentum=0.9, weight_decay=0.01),
    "rprop": lambda p: torch.optim.Rprop(p, 0.1),
}
QUADRATIC_STEPS, NETWORK_STEPS = 60, 30
arrays = {}

curvature = torch.logspace(-2, 2, 12)
centre = torch.randn(12)
start = torch.randn(12)
arrays |= {"curvature": curvature, "centre": centre, "start": start}
points = torch.rand(24, 2) * 2 - 1
targets = (torch.sin(3 * points[:, :1]) * points[:, 1:])
weights = [torch.randn(2, 8) * 0.7, torch.randn(8) * 0.1, torch.randn(8, 1) * 0.35, torch.zeros(1)]
arrays |= {"points": points, "targets": targets} | {f"weights_{i}": w for i, w in enumerate(weights)}

for name, rule in RULES.items():
    w = start.clone().requires_grad_()
    optimizer, path = rule([w]), []
    for _ in range(QUADRATIC_STEPS):
        optimizer.zero_grad()
        (0.5 * curvature * (w - centre) ** 2).sum().backward()
        optimizer.step()
        path.append(w.detach().clone())
    arrays[f"quadratic_{name}"] = torch.stack(path)

    p = [w.clone().requires_grad_() for w in weights]
    optimizer, losses = rule(p), []
    for _ in range(NETWORK_STEPS):
        optimizer.zero_grad()
        loss = ((torch.tanh(points @ p[0] + p[1]) @ p[2] + p[3] - targets) ** 2).mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    arrays[f"network_{name}"] = torch.stack(losses)
    arrays[f"network_{name}_weights"] = torch.cat([w.detach().flatten() for w in p])

np.savez_compressed(sys.argv[1], **{name: np.asarray(a, dtype=np.float32) for name, a in arrays.items()})
