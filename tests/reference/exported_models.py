"""Checks what `sagittal export` writes with the programs for which it is written.

    pip install torch==2.15.0 nnunetv2==2.8.1 onnxruntime onnx safetensors
    python tests/reference/exported_models.py SAGITTAL MODEL_FOLDER...

Each MODEL_FOLDER is one of nnU-Net's. It is imported (fold 0) and exported again three times:
ONNX: onnxruntime's logits of random patches, of the planned and of another size, against those of nnU-Net's network with the original
weights (float32; largest difference as a part of the largest logit, at most 1e-4); the onnx package's checker.
safetensors: PyTorch's own reader; `load_state_dict(strict=False)` finds every parameter.
nnU-Net: `nnUNetPredictor` loads the folder, and every tensor of its network equals the original.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from safetensors.torch import load_file


def predictor(folder):
    p = nnUNetPredictor(device=torch.device("cpu"), perform_everything_on_device=False)
    p.initialize_from_trained_model_folder(str(folder), (0,))
    return p


sagittal, folders = sys.argv[1], sys.argv[2:]
for folder in folders:
    with tempfile.TemporaryDirectory() as place:
        place = Path(place)

        def call(*words):
            subprocess.run([sagittal, *map(str, words)], check=True, capture_output=True)

        call("import", "nnunet", folder, "--fold", 0, "-o", place / "m.safetensors")
        call("export", "onnx", place / "m.safetensors", "-o", place / "m.onnx")
        call("export", "safetensors", place / "m.safetensors", "-o", place / "plain.safetensors")
        call("export", "nnunet", place / "m.safetensors", "-o", place / "nnunet")
        original = predictor(folder)
        net = original.network.eval()
        onnx.checker.check_model(place / "m.onnx", full_check=True)
        model = onnx.load(place / "m.onnx")
        facts = {p.key: p.value for p in model.metadata_props}
        session = onnxruntime.InferenceSession(place / "m.onnx", providers=["CPUExecutionProvider"])
        patch = list(original.configuration_manager.patch_size)
        channels = session.get_inputs()[0].shape[1]
        worst = 0.0
        for size in (patch, [s + 16 for s in patch]):
            x = torch.randn(2, channels, *size)
            with torch.inference_mode():
                expected = net(x).numpy()
            flat = len(size) == 2
            found = session.run(None, {"image": (x[:, :, None] if flat else x).numpy()})[0]
            found = found[:, :, 0] if flat else found
            worst = max(worst, np.abs(found - expected).max() / np.abs(expected).max())
        assert worst <= 1e-4, worst
        assert json.loads(facts["sagittal.plan"])["patch"][-len(patch):] == patch

        fresh = predictor(folder).network
        with torch.no_grad():
            for p in fresh.parameters():
                p.zero_()
        missing = fresh.load_state_dict(load_file(place / "plain.safetensors"), strict=False)
        assert not missing.unexpected_keys, missing
        exported = predictor(place / "nnunet")
        for name, tensor in net.state_dict().items():
            assert torch.equal(tensor, exported.network.state_dict()[name]), name
            assert torch.equal(tensor, fresh.state_dict()[name]), name
        assert exported.allowed_mirroring_axes == original.allowed_mirroring_axes
        assert exported.label_manager.all_regions == original.label_manager.all_regions
        print(f"{Path(folder).parent.name}: onnx opset {model.opset_import[0].version}, {(place / 'm.onnx').stat().st_size >> 10} KB, "
              f"largest relative difference {worst:.1e}; safetensors and nnU-Net folder equal", flush=True)
