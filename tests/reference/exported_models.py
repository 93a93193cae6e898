"""Checks what `sagittal export` writes with the programs for which it is written.

    pip install torch==2.15.0 nnunetv2==2.8.1 onnxruntime onnx safetensors SimpleITK
    python tests/reference/exported_models.py SAGITTAL MODEL[=INPUTS]...

Each MODEL is one of nnU-Net's folders, which is imported first (fold 0), or a model of Sagittal (.safetensors). It is exported three times:
ONNX: the onnx package's checker; onnxruntime's logits of random patches, of the planned and of another size, against those of nnU-Net's
network with the original weights (float32; largest difference as a part of the largest logit, at most 1e-4); the facts in its metadata.
safetensors: PyTorch's own reader; `load_state_dict(strict=False)` finds every parameter.
nnU-Net: `nnUNetPredictor` loads the folder; its network's tensors equal the original's, if that was nnU-Net's; with INPUTS (a folder of
nnU-Net's kind), `nnUNetv2_predict_from_modelfolder` on the exported folder gives the labels that Sagittal gives.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import SimpleITK as sitk
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from safetensors.torch import load_file

FACTS = {"sagittal.plan", "sagittal.provenance", "labels", "input", "output", "preprocessing", "prediction", "postprocessing"}
PREDICT = "from nnunetv2.inference.predict_from_raw_data import predict_entry_point_modelfolder as run; run()"


def predictor(folder):
    p = nnUNetPredictor(device=torch.device("cpu"), perform_everything_on_device=False)
    p.initialize_from_trained_model_folder(str(folder), None)
    return p


sagittal = sys.argv[1]
for argument in sys.argv[2:]:
    source, _, inputs = argument.partition("=")
    with tempfile.TemporaryDirectory() as place:
        place = Path(place)

        def call(*words):
            done = subprocess.run([sagittal, *map(str, words)], capture_output=True, text=True)
            assert done.returncode == 0, (words, done.stderr)

        is_own = source.endswith(".safetensors")
        model = Path(source) if is_own else place / "m.safetensors"
        if not is_own:
            call("import", "nnunet", source, "--fold", 0, "-o", model)
        call("export", "onnx", model, "-o", place / "m.onnx")
        call("export", "safetensors", model, "-o", place / "plain.safetensors")
        call("export", "nnunet", model, "-o", place / "nnunet")
        exported = predictor(place / "nnunet")
        original = exported if is_own else predictor(source)
        original.network.load_state_dict(original.list_of_parameters[0])
        exported.network.load_state_dict(exported.list_of_parameters[0])
        net = original.network.eval()
        onnx.checker.check_model(place / "m.onnx", full_check=True)
        graph = onnx.load(place / "m.onnx")
        facts = {p.key: p.value for p in graph.metadata_props}
        assert FACTS <= set(facts), FACTS - set(facts)
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

        fresh = predictor(place / "nnunet").network
        with torch.no_grad():
            for p in fresh.parameters():
                p.zero_()
        missing = fresh.load_state_dict(load_file(place / "plain.safetensors"), strict=False)
        assert not missing.unexpected_keys, missing
        for name, tensor in net.state_dict().items():
            assert torch.equal(tensor, exported.network.state_dict()[name]), name
            assert torch.equal(tensor, fresh.state_dict()[name]), name
        assert exported.allowed_mirroring_axes == original.allowed_mirroring_axes
        assert exported.label_manager.all_regions == original.label_manager.all_regions
        words = ""
        if inputs:
            call("predict", model, inputs, "-o", place / "ours")
            env = os.environ | {name: "/tmp" for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")}
            fold = next(p.name.removeprefix("fold_") for p in (place / "nnunet").glob("fold_*"))
            subprocess.run([sys.executable, "-c", PREDICT, "-i", inputs, "-o", place / "theirs", "-m", place / "nnunet", "-f", fold, "-device", "cpu"],
                           check=True, capture_output=True, env=env)
            n = differ = 0
            for file in sorted(p for p in (place / "ours").iterdir() if p.name.endswith((".nii.gz", ".png"))):
                a, b = (sitk.GetArrayFromImage(sitk.ReadImage(str(f))) for f in (file, place / "theirs" / file.name))
                n, differ = n + a.size, differ + int((a != b).sum())
            assert n > 0 and differ <= 1e-4 * n, (differ, n)
            words = f"; nnU-Net predicts with the exported folder: {differ} of {n} voxels differ"
        name = Path(source).name if is_own else Path(source).parent.name
        print(f"{name}: onnx opset {graph.opset_import[0].version}, {(place / 'm.onnx').stat().st_size >> 10} KB, "
              f"largest relative difference {worst:.1e}; safetensors and nnU-Net folder equal{words}", flush=True)
