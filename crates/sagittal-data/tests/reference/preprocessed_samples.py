"""Writes tests/data/preprocessed.json: every 97th voxel of arrays that nnU-Net 2.8.1's preprocessor made.

The arrays are the golden files beside the workspace (shared/goldens/*/preprocessed/CASE.npz, key `data`); the test that
reads this file needs their inputs there as well and is skipped without them.
Usage: python preprocessed_samples.py GOLDENS > ../data/preprocessed.json
"""

import json
import pathlib
import sys

import numpy as np

STEP = 97
goldens = []
for path in sorted(pathlib.Path(sys.argv[1]).glob("*/preprocessed/*.npz")):
    data = np.load(path)["data"]
    values = [float(f"{v:.6g}") for v in data.reshape(-1)[::STEP]]
    goldens.append({"folder": path.parts[-3], "case": path.stem, "shape": list(data.shape), "step": STEP, "values": values})
print(json.dumps(goldens))
