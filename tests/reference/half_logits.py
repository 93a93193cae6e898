"""What nnU-Net makes of logits on the CPU: tiles, mirrored copies and folds added up and divided in float16, resampled, decided.

    pip install torch==2.15.0 nnunetv2==2.8.1
    python tests/reference/half_logits.py > crates/sagittal-infer/tests/data/half_logits.json

The predictor is nnU-Net's own; its network says numbers by a formula (`logits`), which the test in `crates/sagittal-infer/src/sums/tests.rs`
repeats. The classes of a voxel lie so close to each other that float16 ties many of them; the labels that float32 gives are beside.
"""

import contextlib
import json
import sys
from types import SimpleNamespace

import numpy as np
import torch
from nnunetv2.inference import predict_from_raw_data
from nnunetv2.preprocessing.resampling.default_resampling import resample_data_or_seg_to_shape

TILE, SIZE, CLASSES, FOLDS, MIRRORED = [4, 4, 4], [5, 7, 6], 3, 2, (0, 2)
RESAMPLINGS = [
    {"shape": SIZE, "spacings": [[1, 1, 1], [1, 1, 1]]},
    {"shape": [7, 5, 9], "spacings": [[1, 1, 1], [0.7, 1.4, 0.67]]},
    {"shape": [8, 14, 9], "spacings": [[4, 1, 1], [2.5, 0.5, 0.67]]},
]


def hashed(i):
    return ((np.asarray(i, np.uint64) * 2654435761 & 0xFFFFFFFF) >> 16).astype(np.float32)


def logits(call):
    """`[K, Z, Y, X]`, exact in float32."""
    voxel = call * 64 + np.arange(64)
    common = hashed(voxel) / 2**10 - 32
    return np.stack([common + np.floor(hashed(voxel * CLASSES + k + 1) / 16) / 2**18 for k in range(CLASSES)]).reshape(CLASSES, *TILE)


class Network(torch.nn.Module):
    calls = 0

    def forward(self, _):
        self.calls += 1
        return torch.from_numpy(logits(self.calls - 1))[None]


def predict():
    predictor = predict_from_raw_data.nnUNetPredictor(device=torch.device("cpu"), perform_everything_on_device=False, allow_tqdm=False)
    predictor.network, predictor.list_of_parameters, predictor.allowed_mirroring_axes = Network(), [{}] * FOLDS, MIRRORED
    predictor.configuration_manager = SimpleNamespace(patch_size=TILE)
    predictor.label_manager = SimpleNamespace(num_segmentation_heads=CLASSES)
    return predictor.predict_logits_from_preprocessed_data(torch.zeros(1, *SIZE))


with contextlib.redirect_stdout(sys.stderr):  # It talks.
    half = predict()
assert half.dtype == torch.half
weights = predict_from_raw_data.compute_gaussian
torch.half = torch.float32
predict_from_raw_data.compute_gaussian = lambda *a, **k: weights(*a, **k).float()
with contextlib.redirect_stdout(sys.stderr):
    single = predict()

results = []
for each in RESAMPLINGS:
    kwargs = {"is_seg": False, "order": 1, "order_z": 0, "force_separate_z": None}
    of = [resample_data_or_seg_to_shape(x, each["shape"], *each["spacings"], **kwargs) for x in (half, single)]
    labels, in_float32 = (np.asarray(x).argmax(0).ravel() for x in of)
    assert (labels != in_float32).mean() > 0.05, "float16 should matter"
    results.append(each | {"labels": "".join(map(str, labels)), "labels_in_float32": "".join(map(str, in_float32))})
print(json.dumps({
    "tile": TILE, "size": SIZE, "classes": CLASSES, "folds": FOLDS, "mirrored": MIRRORED,
    "logits": [float(x) for x in half.permute(1, 2, 3, 0).ravel()], "resampled": results,
}))
