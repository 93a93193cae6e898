"""Predicts with nnU-Net and with Sagittal in turn, and prints how far they agree, their times and their memory.

    python tests/reference/nnunet_agreement.py SAGITTAL FOLDER... [--plain] [--exact] [--labels-only] [--keep OUT]

Each FOLDER has `model/` and `inputs/` (shared/goldens/*, or what nnunet_models.py makes); a folder `cascade` takes the labels that nnU-Net's
`lowres`, named before it, gave. nnU-Net is `nnUNetv2_predict_from_modelfolder` beside this Python, on the CPU, with mirroring unless --plain.
A folder with a `postprocessing.json` beside its plans is post-processed by `nnUNetv2_apply_postprocessing` as well (not timed); a folder
`ensemble` holds two models, `model/a` and `model/b`, whose probabilities `nnUNetv2_ensemble` averages (timed).

Both programs write labels and probabilities, or labels alone with --labels-only. Times are those of the whole commands, start-up included; import is not
counted, it is done once. CPU is what all processes of a command took of the processor, which other work on the machine hardly changes. Memory is the largest resident size of any one process of a command (`wait4`), which favours nnU-Net: it works in
several at a time.

nnU-Net adds logits up, divides and resamples them in float16, and so does Sagittal with models imported from it. With --exact nnU-Net is run once more
with float32 instead (`torch.half` replaced; the weights of the tiles stay those of float16): the `exact` columns compare with that run, and are
meant for --logits float32.

Columns: voxels; those whose label differs; the part that agrees; of those that differ the largest margin between nnU-Net's own two
largest probabilities (of regions: the distance from one half); the largest difference of a label's volume; largest and mean difference of probabilities.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import nibabel
import numpy as np
import SimpleITK as sitk

BIN = Path(sys.executable).parent
ENDINGS = (".nii.gz", ".png", ".nrrd", ".mha")
FLOAT32 = """
import sys, torch
from nnunetv2.inference import predict_from_raw_data as module
torch.half = torch.float32
half_weights = module.compute_gaussian
module.compute_gaussian = lambda *a, **k: half_weights(*a, **k).float()
module.compute_gaussian.cache_clear = half_weights.cache_clear
module.predict_entry_point_modelfolder()
"""


def run(*commands, log):
    """Wall time in seconds, processor time in seconds and the largest resident size in MB of commands that follow each other."""
    env = os.environ | {name: "/tmp" for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")}
    start, before, largest = time.monotonic(), os.times(), 0
    for command in commands:
        with open(log, "w") as file:
            process = subprocess.Popen(["/usr/bin/env", *map(str, command)], stdout=file, stderr=file, env=env)
            _, status, usage = os.wait4(process.pid, 0)
        if status:
            sys.exit(f"{' '.join(map(str, command))} failed:\n{Path(log).read_text()[-3000:]}")
        largest = max(largest, usage.ru_maxrss / 1024)
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return time.monotonic() - start, cpu, largest


def predicts(model, inputs, output, options, *more, program=(BIN / "nnUNetv2_predict_from_modelfolder",)):
    """nnU-Net's command."""
    folds = sorted(p.name.removeprefix("fold_") for p in model.glob("fold_*"))
    return [*program, "-i", inputs, "-o", output, "-m", model, "-device", "cpu", "-f", *folds, *([] if options.labels_only else ["--save_probabilities"]),
            *(["--disable_tta"] if options.plain else []), *more]


def stem(file):
    return next(file.name.removesuffix(e) for e in ENDINGS if file.name.endswith(e))


def in_order_of(file, probabilities):
    """What nnU-Net's readers that reorient leave in right, anterior, superior order, in the order of the file's voxels."""
    to_file = nibabel.orientations.ornt_transform(nibabel.orientations.axcodes2ornt("RAS"), nibabel.io_orientation(nibabel.load(file).affine))
    turned = [nibabel.apply_orientation(p.transpose(2, 1, 0), to_file).transpose(2, 1, 0) for p in probabilities]
    return np.stack(turned)


class Difference:
    def __init__(self):
        self.cases = self.voxels = self.differ = 0
        self.worst = self.margin = self.largest = self.total = 0.0

    def add(self, ours, theirs, regions, reoriented, with_probabilities):
        for file in sorted(p for p in theirs.iterdir() if p.name.endswith(ENDINGS)):
            a, b = (sitk.GetArrayFromImage(sitk.ReadImage(str(p))) for p in (ours / file.name, file))
            assert a.shape == b.shape, (file, a.shape, b.shape)
            wrong = a != b
            self.cases, self.voxels, self.differ = self.cases + 1, self.voxels + a.size, self.differ + int(wrong.sum())
            for label in np.unique(b)[1:]:
                volume = int((b == label).sum())
                self.worst = max(self.worst, abs(int((a == label).sum()) - volume) / volume)
            if not with_probabilities:
                continue
            p, q = (np.load(f / (stem(file) + ".npz"))["probabilities"] for f in (ours, theirs))
            if reoriented:
                q = in_order_of(file, q)
            assert p.shape == q.shape, (file, p.shape, q.shape)
            distance = np.abs(p - q)
            self.largest, self.total = max(self.largest, float(distance.max())), self.total + float(distance.mean(0).sum())
            wrong = wrong.reshape(q.shape[1:])
            if wrong.any():
                margin = np.abs(q - 0.5).min(0) if regions else np.diff(np.sort(q, 0)[-2:], axis=0)[0]
                self.margin = max(self.margin, float(margin[wrong].max()))

    def row(self, with_probabilities):
        head = f"{self.voxels} | {self.differ} | {100 * (1 - self.differ / self.voxels):.4f} | "
        tail = f"{self.margin:.4f} | {100 * self.worst:.3f} | {self.largest:.0e} | {self.total / self.voxels:.0e}"
        return head + (tail if with_probabilities else f"- | {100 * self.worst:.3f} | - | -")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("sagittal")
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--plain", action="store_true", help="without mirroring")
    parser.add_argument("--exact", action="store_true", help="compare with nnU-Net in float32 as well")
    parser.add_argument("--labels-only", action="store_true", help="no probabilities: what most people run, for times")
    parser.add_argument("--logits", choices=["float16", "float32"], default="float16", help="as the models are imported")
    parser.add_argument("--reuse", action="store_true", help="nnU-Net's predictions of an earlier run in --keep, where there are any; not timed")
    parser.add_argument("--keep", type=Path, default=Path("/tmp/nnunet_agreement"))
    options = parser.parse_args()
    heads = "voxels | differ | agree % | margin | volume % | p max | p mean"
    exact = " | exact: " + heads.replace(" | ", " | exact: ") if options.exact else ""
    columns = f"model | cases | {heads} | nnU-Net s | Sagittal s | ratio | nnU-Net CPU s | Sagittal CPU s | ratio | nnU-Net MB | Sagittal MB | ratio{exact}"
    print(f"| {columns} |\n|{'---|' * (columns.count('|') + 1)}", flush=True)
    for folder in options.folders:
        out = options.keep / (folder.name + ("-plain" if options.plain else ""))
        for old in out.glob("*"):
            if not (options.reuse and old.name.startswith(("theirs", "exact"))):
                shutil.rmtree(old) if old.is_dir() else old.unlink()
        out.mkdir(parents=True, exist_ok=True)
        try:
            print(f"| {folder.name} | {compare(folder, out, options)} |", flush=True)
        except (SystemExit, AssertionError) as error:
            print(f"| {folder.name} | failed: {' '.join(str(error).splitlines()[-3:])[:400]} |", flush=True)


def compare(folder, out, options):
    model, inputs = folder / "model", folder / "inputs"
    parts = sorted(p.parent for p in model.glob("*/plans.json")) or [model]
    flags = [*(["--no-mirror"] if options.plain else []), *([] if options.labels_only else ["--probabilities"])]
    imported = []
    for part in parts:
        imported.append(out / f"imported_{part.name}")
        subprocess.run([options.sagittal, "import", "nnunet", part, "-o", imported[-1], "--logits", options.logits], check=True, capture_output=True)
    ours = [options.sagittal, "predict", *imported, inputs, "-o", out / "ours", *flags]
    more = []
    if folder.name == "cascade":
        lower = options.keep / ("lowres" + ("-plain" if options.plain else ""))
        more = ["-prev_stage_predictions", lower / "theirs"]
        ours.insert(2, lower / "imported_model")

    def theirs(name, **program):
        if len(parts) == 1:
            return [predicts(model, inputs, out / name, options, *more, **program)]
        each = [predicts(part, inputs, out / f"{name}_{part.name}", argparse.Namespace(plain=options.plain, labels_only=False), **program) for part in parts]
        saves = [] if options.labels_only else ["--save_npz"]
        return [*each, [BIN / "nnUNetv2_ensemble", "-i", *[out / f"{name}_{part.name}" for part in parts], "-o", out / name, *saves]]

    is_there = options.reuse and any((out / "theirs").glob("*"))
    nnunet = (float("nan"),) * 3 if is_there else run(*theirs("theirs"), log=out / "theirs.log")
    sagittal = run(ours, log=out / "ours.log")
    if options.exact and not (options.reuse and any((out / "exact").glob("*"))):
        run(*theirs("exact", program=(sys.executable, "-c", FLOAT32)), log=out / "exact.log")
    regions = any("regions_class_order" in (part / "dataset.json").read_text() for part in parts)
    reoriented = any("WithReorient" in (part / "plans.json").read_text() for part in parts)
    results = []
    for name in ["theirs", *(["exact"] if options.exact else [])]:
        labels = out / name
        if (model / "postprocessing.json").exists():
            labels = out / f"{name}_postprocessed"
            run([BIN / "nnUNetv2_apply_postprocessing", "-i", out / name, "-o", labels, "-pp_pkl_file", model / "postprocessing.pkl",
                 "-plans_json", model / "plans.json", "-dataset_json", model / "dataset.json", "-np", 1], log=out / "postprocessing.log")
            for file in (out / name).glob("*.npz"):
                shutil.copy(file, labels)
        difference = Difference()
        difference.add(out / "ours", labels, regions, reoriented, not options.labels_only)
        results.append(difference)
    ratios = [f"{x:.1f} | {y:.1f} | {x / y:.1f}" for x, y in zip(nnunet, sagittal)]
    exact = [result.row(not options.labels_only) for result in results[1:]]
    return " | ".join([str(results[0].cases), results[0].row(not options.labels_only), *ratios, *exact])


main()
