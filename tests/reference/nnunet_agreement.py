"""Predicts with nnU-Net and with Sagittal in turn, and prints how far they agree, their times and their memory.

    python tests/reference/nnunet_agreement.py SAGITTAL FOLDER... [--plain] [--keep OUT]

Each FOLDER has `model/` and `inputs/` (shared/goldens/*, or what nnunet_models.py makes); a folder `cascade` takes the labels that nnU-Net's
`lowres` beside it gave. nnU-Net is `nnUNetv2_predict_from_modelfolder` beside this Python, on the CPU; times are those of the whole
commands, start-up included, with mirroring unless --plain. Memory is the largest resident size of any process of a command (`wait4`),
which favours nnU-Net: it works in several processes at a time. Import is not counted: it is done once.

`ties` are voxels that differ where nnU-Net's own two largest probabilities lie within 0.004 of each other, where float16 decides.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import SimpleITK as sitk


def run(command, log):
    """Wall time in seconds and the largest resident size in MB of the command and what it starts."""
    env = os.environ | {name: "/tmp" for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")}
    start = time.monotonic()
    with open(log, "w") as file:
        process = subprocess.Popen(["/usr/bin/env", *map(str, command)], stdout=file, stderr=file, env=env)
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{Path(log).read_text()[-3000:]}")
    return time.monotonic() - start, usage.ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("sagittal")
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--plain", action="store_true", help="without mirroring")
    parser.add_argument("--keep", type=Path, default=Path("/tmp/nnunet_agreement"))
    options = parser.parse_args()
    print("| model | cases | voxels | differ | agree % | ties | worst volume % | nnU-Net s | Sagittal s | ratio | nnU-Net MB | Sagittal MB | ratio |")
    print("|---|---|---|---|---|---|---|---|---|---|---|---|---|")
    for folder in options.folders:
        out = options.keep / folder.name
        out.mkdir(parents=True, exist_ok=True)
        folds = sorted(p.name.removeprefix("fold_") for p in (folder / "model").glob("fold_*"))
        theirs = [Path(sys.executable).parent / "nnUNetv2_predict_from_modelfolder", "-i", folder / "inputs", "-o", out / "theirs", "-m",
                  folder / "model", "-device", "cpu", "-f", *folds, "--save_probabilities", *(["--disable_tta"] if options.plain else [])]
        ours = [options.sagittal, "predict", out / "imported", folder / "inputs", "-o", out / "ours", *(["--no-mirror"] if options.plain else [])]
        if folder.name == "cascade":
            theirs += ["-prev_stage_predictions", options.keep / "lowres/theirs"]
            ours = [options.sagittal, "predict", options.keep / "lowres/imported", out / "imported", *ours[3:]]
        subprocess.run([options.sagittal, "import", "nnunet", folder / "model", "-o", out / "imported"], check=True, capture_output=True)
        nnunet = run(theirs, out / "theirs.log")
        try:
            sagittal = run(ours, out / "ours.log")
        except SystemExit as error:
            print(f"| {folder.name} | {str(error).splitlines()[-1][:200]} |")
            continue
        n = differ = ties = cases = 0
        worst = 0.0
        for file in sorted(p for p in (out / "theirs").iterdir() if p.name.endswith((".nii.gz", ".png"))):
            a, b = (sitk.GetArrayFromImage(sitk.ReadImage(str(p))) for p in (out / "ours" / file.name, file))
            probabilities = np.load(out / "theirs" / (file.name.removesuffix(".nii.gz").removesuffix(".png") + ".npz"))["probabilities"]
            wrong = (a != b).reshape(probabilities.shape[1:])
            if "regions_class_order" in (folder / "model/dataset.json").read_text():
                margin = np.abs(probabilities - 0.5).min(0)
            else:
                margin = np.diff(np.sort(probabilities, 0)[-2:], axis=0)[0]
            cases, n, differ, ties = cases + 1, n + a.size, differ + int(wrong.sum()), ties + int((margin[wrong] < 0.004).sum())
            for label in np.unique(b)[1:]:
                volume = (b == label).sum()
                worst = max(worst, abs(int((a == label).sum()) - int(volume)) / volume)
        ratios = [f"{x:.1f} | {y:.1f} | {x / y:.1f}" for x, y in zip(nnunet, sagittal)]
        print(f"| {folder.name} | {cases} | {n} | {differ} | {100 * (1 - differ / n):.4f} | {ties} | {100 * worst:.3f} | {' | '.join(ratios)} |", flush=True)


main()
