"""Writes small checkpoints with PyTorch itself, one of them hostile.

    pip install torch==2.15.0 numpy
    python tests/reference/checkpoints.py

Into `crates/sagittal-exchange/tests/data`: `zip.pth` and `legacy.pth` (the layout before PyTorch 1.6) with views, shared storages and numbers
of numpy; `types.pth` with every number type; `hostile.pth`, which would run `os.system("echo pwned")` when it is loaded.
Array number i holds 0, 1, 2, ... unless it is a view; expected numbers stand in the tests.
"""

import os
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch

OUT = Path(__file__).resolve().parents[2] / "crates/sagittal-exchange/tests/data"
OUT.mkdir(parents=True, exist_ok=True)

base = torch.arange(24, dtype=torch.float32)
weights = OrderedDict(
    whole=base.reshape(2, 3, 4),
    transposed=base.reshape(2, 3, 4).transpose(0, 2),
    part=base[5:11],
    every_third=base[1::3],
    scalar=torch.tensor(7.5),
    empty=torch.zeros(0, 3),
    parameter=torch.nn.Parameter(torch.arange(3, dtype=torch.float32)),
)
rest = {
    "init_args": {"configuration": "3d_fullres", "fold": 0, "device": torch.device("cpu")},
    "_best_ema": np.float32(0.5),
    "logging": {"dice": [np.float64(0.25), np.int64(-3)], "array": np.arange(3)},
    "inference_allowed_mirroring_axes": (0, 2),
}
torch.save({"network_weights": weights, **rest}, OUT / "zip.pth")
torch.save({"network_weights": weights, **rest}, OUT / "legacy.pth", _use_new_zipfile_serialization=False)
kinds = ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool"]
torch.save({"network_weights": {kind: torch.arange(5).to(getattr(torch, kind)) for kind in kinds}}, OUT / "types.pth")


class Hostile:
    def __reduce__(self):
        return os.system, ("echo pwned",)


torch.save({"network_weights": Hostile()}, OUT / "hostile.pth")
for path in sorted(OUT.glob("*.pth")):
    print(path.name, path.stat().st_size, "bytes")
