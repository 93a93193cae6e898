"""Plans by nnU-Net's own planner classes, for data sets that exist as fingerprints only.

Writes ../data/nnunet_plans.json: named data sets with every preset and two memories, and random ones (seed below) with
one preset and memory each, to meet halves, ties, axes of one voxel, and batches capped by the size of the data set.

Run with nnU-Net 2.8.1, PyTorch 2.15, numpy 2.4:  python nnunet_plans.py
"""
import contextlib
import io
import json
import os
import random
import tempfile
from pathlib import Path

folder = tempfile.mkdtemp()
for name in ("raw", "preprocessed", "results"):
    os.environ[f"nnUNet_{name}"] = f"{folder}/{name}"

import torch  # noqa: E402
from nnunetv2.experiment_planning.experiment_planners.default_experiment_planner import ExperimentPlanner  # noqa: E402
from nnunetv2.experiment_planning.experiment_planners.residual_unets import residual_encoder_unet_planners as residual  # noqa: E402

SEED = 20261123
N_RANDOM = 72
PLANNERS = {
    "plain": (ExperimentPlanner, 8),
    "resenc-m": (residual.nnUNetPlannerResEncM, 8),
    "resenc-l": (residual.nnUNetPlannerResEncL, 24),
    "resenc-xl": (residual.nnUNetPlannerResEncXL, 40),
}
# Of the 3-D data sets one case stands for `n` equal ones: n, spacing z y x, shape z y x.
NAMED = {
    "anisotropic CT": dict(
        channels=["CT"], labels=3, relative_size=0.6,
        cases=[[8, [5.0, 0.78, 0.78], [90, 512, 512]], [5, [2.5, 0.7, 0.7], [180, 512, 512]], [7, [5.0, 0.9, 0.86], [101, 512, 480]]],
    ),
    "huge volume": dict(
        channels=["CT"], labels=14, relative_size=1.0,
        cases=[[10, [0.8, 0.75, 0.75], [600, 512, 512]], [11, [1.0, 0.8, 0.8], [550, 512, 512]], [9, [0.7, 0.7, 0.7], [710, 520, 512]]],
    ),
    "RGB pictures": dict(
        channels=["R", "G", "B"], labels=2, relative_size=0.7,
        cases=[[20, [999, 1, 1], [1, 584, 565]], [5, [999, 1, 1], [1, 700, 605]]],
    ),
    "prostate": dict(
        channels=["T2", "ADC"], labels=3, relative_size=1.0,
        cases=[[20, [3.6, 0.625, 0.625], [20, 320, 320]], [12, [4.0, 0.6, 0.6], [19, 384, 320]]],
    ),
}


def random_set(rng):
    """A data set of a shape that may never have existed."""
    flat = rng.random() < 0.2
    base = [999, 1, 1] if flat else rng.choice([[1, 1, 1], [3, 0.7, 0.7], [0.5, 0.5, 2], [1.2, 8, 1.2], [0.9, 0.8, 1.5]])
    largest = rng.choice([40, 150, 500, 900])
    size = [1 if flat else rng.randint(8, largest) for _ in range(3)]
    if flat:
        size = [1, rng.randint(16, 3 * largest), rng.randint(16, 3 * largest)]
    elif rng.random() < 0.15:
        size[rng.randrange(3)] = rng.randint(1, 5)
    if rng.random() < 0.2:
        size = [size[0], size[1], size[1]]
    cases = []
    for _ in range(rng.randint(1, 6)):
        spacing = base if flat or rng.random() < 0.3 else [round(mm * rng.uniform(0.7, 1.5), 3) for mm in base]
        shape = size if rng.random() < 0.2 else [max(1, round(n * rng.uniform(0.8, 1.25))) for n in size]
        cases.append([rng.choice([1, 1, 2, 7, 40]), list(spacing), [1] + shape[1:] if flat else shape])
    return dict(
        channels=[rng.choice(["CT", "T1", "nonorm", "rescale_to_0_1", "rgb_to_0_1", "zscore"]) for _ in range(rng.randint(1, 4))],
        labels=rng.randint(2, 20), relative_size=rng.choice([1.0, 0.75, 0.7]), cases=cases,
    )


def plan(data, planner, memory_gb):
    """The configurations by nnU-Net, as far as they are to be equalled."""
    name = "Dataset001_Golden"
    raw, preprocessed = Path(folder, "raw", name), Path(folder, "preprocessed", name)
    for path in (raw, preprocessed):
        path.mkdir(parents=True, exist_ok=True)
    for old in preprocessed.glob("*.json"):
        old.unlink()
    n_cases = sum(count for count, *_ in data["cases"])
    dataset = {
        "channel_names": {str(index): channel for index, channel in enumerate(data["channels"])},
        "labels": {"background": 0} | {f"l{value}": value for value in range(1, data["labels"])},
        "numTraining": n_cases, "file_ending": ".nii.gz", "overwrite_image_reader_writer": "SimpleITKIO",
        "dataset": {"a": {"images": ["a.nii.gz"], "label": "a.nii.gz"}},
    }
    intensities = {"mean": 1.0, "median": 1.0, "std": 1.0, "min": 0.0, "max": 2.0, "percentile_99_5": 2.0, "percentile_00_5": 0.0}
    fingerprint = {
        "spacings": [spacing for count, spacing, _ in data["cases"] for _ in range(count)],
        "shapes_after_crop": [shape for count, _, shape in data["cases"] for _ in range(count)],
        "foreground_intensity_properties_per_channel": {str(index): intensities for index in range(len(data["channels"]))},
        "median_relative_size_after_cropping": data["relative_size"],
    }
    (raw / "dataset.json").write_text(json.dumps(dataset))
    (preprocessed / "dataset_fingerprint.json").write_text(json.dumps(fingerprint))
    # Only the shapes of the networks matter.
    with torch.device("meta"), contextlib.redirect_stdout(io.StringIO()):
        plans = PLANNERS[planner][0](1, memory_gb).plan_experiment()
    digits = lambda rows: " ".join("".join(str(n) for n in row) for row in rows)  # noqa: E731
    configurations = {}
    for key, configuration in plans["configurations"].items():
        if "inherits_from" in configuration:
            configurations[key] = configuration
            continue
        network = configuration["architecture"]["arch_kwargs"]
        configurations[key] = {
            "batch_size": configuration["batch_size"],
            "patch_size": configuration["patch_size"],
            "median": configuration["median_image_size_in_voxels"],
            "spacing": configuration["spacing"],
            "batch_dice": configuration["batch_dice"],
            "features": network["features_per_stage"],
            "kernels": digits(network["kernel_sizes"]),
            "strides": digits(network["strides"]),
            "encoder": network.get("n_conv_per_stage", network.get("n_blocks_per_stage")),
            "decoder": network["n_conv_per_stage_decoder"],
        }
    flat = plans["configurations"]["2d"]
    schemes = zip(flat["normalization_schemes"], flat["use_mask_for_norm"])
    normalization = " ".join(scheme.removesuffix("Normalization") + ("*" if masked else "") for scheme, masked in schemes)
    return {"transpose": plans["transpose_forward"], "normalization": normalization, "configurations": configurations}


def main():
    goldens, failed = [], {}
    def add(name, data, planner, memory_gb):
        try:
            with contextlib.redirect_stderr(io.StringIO()):
                plans = plan(data, planner, memory_gb)
        except Exception as error:  # nnU-Net's own failures are no goldens, but are told.
            failed[f"{name} {planner} {memory_gb}"] = f"{type(error).__name__}: {error}"
            return
        if any(len(c.get("features", [0, 0])) < 2 for c in plans["configurations"].values()):
            failed[f"{name} {planner} {memory_gb}"] = "a network of one stage, which has no output"
            return
        goldens.append({"name": name, "planner": planner, "memory_gb": memory_gb, "data": data, **plans})

    for name, data in NAMED.items():
        for planner, (_, usual_gb) in PLANNERS.items():
            for memory_gb in (usual_gb, 11 if usual_gb == 8 else 12):
                add(name, data, planner, memory_gb)
    rng = random.Random(SEED)
    for index in range(N_RANDOM):
        planner = rng.choice(list(PLANNERS))
        add(f"random {index}", random_set(rng), planner, rng.choice([PLANNERS[planner][1], 4, 8, 10.5, 24]))
    lines = ",\n".join(json.dumps(golden, separators=(",", ":")) for golden in goldens)
    out = Path(__file__).parent.parent / "data" / "nnunet_plans.json"
    out.write_text(f"[\n{lines}\n]\n")
    print(f"{len(goldens)} goldens, {out.stat().st_size} bytes")
    for name, why in failed.items():
        print(f"no golden for {name}: {why}")


if __name__ == "__main__":
    main()
