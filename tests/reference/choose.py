"""Which configuration and which post-processing nnU-Net chooses from cross-validations, made with numpy.

    pip install torch==2.15.0 nnunetv2==2.8.1
    python tests/reference/choose.py > crates/sagittal-cli/src/commands/choose/choose.json

For each scenario two "trained models" are laid out as nnU-Net leaves them, with label maps and probabilities of the cases that each fold
held out, and `find_best_configuration` is run, which averages them, scores all three, takes the best and calls `determine_postprocessing`. The
golden holds all label maps (a digit per voxel), those of the average as nnU-Net wrote it, its scores and what it chose. Its pools of
processes are replaced by this process, because each would take longer to start than to work.
"""

import contextlib
import io
import json
import os
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import SimpleITK as sitk

PLACE = Path(tempfile.mkdtemp())
for variable in ("raw", "preprocessed", "results"):
    os.environ[f"nnUNet_{variable}"] = str(PLACE / variable)

from batchgenerators.utilities.file_and_folder_operations import save_pickle  # noqa: E402
from nnunetv2.ensembling import ensemble  # noqa: E402
from nnunetv2.evaluation import evaluate_predictions, find_best_configuration as best  # noqa: E402
from nnunetv2.postprocessing import remove_connected_components  # noqa: E402

SHAPE, CASES, FOLDS = (4, 9, 8), 6, (0, 1, 2)
CONFIGURATIONS = ("2d", "3d_fullres")


class Pool(contextlib.AbstractContextManager):
    def starmap(self, function, arguments):
        return [function(*each) for each in arguments]

    def __exit__(self, *_):
        return None


here = SimpleNamespace(get_context=lambda _: SimpleNamespace(Pool=lambda _: Pool()))
for module in (ensemble, evaluate_predictions, remove_connected_components):
    module.multiprocessing = here


def box(labels, value, z, y, x):
    labels[slice(*z), slice(*y), slice(*x)] = value


def truth(rng, parts):
    """Label 1 within label 2, and where `parts` hold a label, a second body of it."""
    labels = np.zeros(SHAPE, np.uint8)
    shift = int(rng.integers(0, 2))
    box(labels, 2, (0, 3), (1 + shift, 6 + shift), (1, 5))
    box(labels, 1, (1, 3), (2 + shift, 4 + shift), (2, 4))
    if 2 in parts:
        box(labels, 2, (3, 4), (7, 9), (6, 8))
    if 1 in parts:
        box(labels, 1, (0, 2), (0, 1), (6, 8))
    if 3 in parts:
        box(labels, 3, (2, 4), (5, 7), (6, 8))
    return labels


def predicted(rng, labels, noise, crumbs):
    """The truth, some voxels at its border wrong, and crumbs of labels far from it."""
    found = labels.copy()
    for _ in range(noise):
        at = tuple(rng.integers(0, n) for n in SHAPE)
        near = labels[max(at[0] - 1, 0):at[0] + 2, max(at[1] - 1, 0):at[1] + 2, max(at[2] - 1, 0):at[2] + 2]
        found[at] = rng.choice(near.ravel())
    for value in crumbs:
        found[int(rng.integers(0, 2)), 8, int(rng.integers(0, 2))] = value
    return found


SCENARIOS = [
    # Crumbs of both labels; the truth is one body.
    {"name": "crumbs", "parts": [], "models": [(40, [1, 2]), (70, [1])]},
    # Two bodies of label 2 in truth: of label 1 alone the largest part is kept.
    {"name": "two bodies", "parts": [2], "models": [(30, [1]), (80, [])]},
    # Every label has a second body: nothing may be dropped.
    {"name": "nothing helps", "parts": [1, 2], "models": [(50, []), (60, [])]},
    {"name": "equal models", "parts": [], "models": [(0, [2]), (0, [2])], "same": True},
    # Where the models are wrong they are not sure.
    {"name": "average", "parts": [], "models": [(60, [1]), (60, [])], "unsure": True},
    {"name": "regions", "parts": [2], "models": [(40, [1]), (20, [1, 2])], "regions": True},
    {"name": "ignored", "parts": [], "models": [(40, [1, 2]), (40, [2])], "ignored": True},
    # Label 3 is in some cases alone.
    {"name": "rare label", "parts": [], "models": [(40, [3]), (40, [1])], "rare": True},
    # Here it is a body by itself, so only single labels can be cleaned.
    {"name": "one by one", "parts": [3], "models": [(20, [1, 2]), (60, [1])], "rare": True},
    # Label 3 is declared, and nowhere: nnU-Net's mean is not a number, and it gives up.
    {"name": "absent label", "parts": [], "models": [(40, [1, 2]), (60, [1])], "absent": True},
]


def write(path, labels):
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(sitk.GetImageFromArray(labels.astype(np.uint8)), str(path))


def probabilities(rng, found, n_classes, regions, unsure):
    """Probabilities that say `found`, more or less surely."""
    sure = rng.uniform(0.05, 0.4, SHAPE) * np.where(unsure, 0.1, 1)
    if regions:
        inside = np.stack([np.isin(found, region) for region in regions])
        return np.where(inside, 0.5 + sure, 0.5 - sure).astype(np.float32)
    one = (np.arange(n_classes)[:, None, None, None] == found).astype(float)
    return (one * (0.5 + sure) + (1 - one) * (0.5 - sure) / (n_classes - 1)).astype(np.float32)


def run(index, scenario):
    rng = np.random.default_rng(index)
    name = f"Dataset{index:03d}_Made"
    labels = {"background": 0, "one": 1, "two": 2}
    regions = [(1, 2), (1,)] if scenario.get("regions") else None
    dataset = {"channel_names": {"0": "MR"}, "file_ending": ".nii.gz", "numTraining": CASES}
    if regions:
        labels = {"background": 0, "whole": [1, 2], "inner": [1]}
        dataset["regions_class_order"] = [2, 1]
    if scenario.get("rare") or scenario.get("absent"):
        labels["three"] = 3
    if scenario.get("ignored"):
        labels["ignore"] = 3
    dataset["labels"] = labels
    n_classes = 4 if "three" in labels else 3
    architecture = {"network_class_name": "none", "arch_kwargs": {}, "_kw_requires_import": []}
    plans = {"dataset_name": name, "plans_name": "nnUNetPlans", "image_reader_writer": "SimpleITKIO", "label_manager": "LabelManager",
             "configurations": {c: {"architecture": architecture} for c in CONFIGURATIONS}}
    files = [(PLACE / "preprocessed" / name / "nnUNetPlans.json", plans)]
    models = [PLACE / "results" / name / f"nnUNetTrainer__nnUNetPlans__{c}" for c in CONFIGURATIONS]
    for folder in models:
        files += [(folder / "plans.json", plans), (folder / "dataset.json", dataset)]
    for path, content in files:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    cases = []
    for case in range(CASES):
        parts = [*scenario["parts"], *([3] if scenario.get("rare") and case < 2 else [])]
        reference = truth(rng, parts)
        if scenario.get("ignored"):
            reference[:, 8, :3] = 3
        write(PLACE / "preprocessed" / name / f"gt_segmentations/case_{case}.nii.gz", reference)
        whole = np.where(reference == 3, 0, reference) if scenario.get("ignored") else reference
        maps = []
        for i, (folder, (noise, crumbs)) in enumerate(zip(models, scenario["models"])):
            found = maps[0] if i and scenario.get("same") else predicted(rng, whole, noise, crumbs)
            maps.append(found)
            stem = folder / f"fold_{case % len(FOLDS)}/validation/case_{case}"
            write(Path(f"{stem}.nii.gz"), found)
            unsure = scenario.get("unsure", False) & (found != whole)
            np.savez_compressed(f"{stem}.npz", probabilities=probabilities(rng, found, n_classes, regions, unsure))
            stuff = {"spacing": (1.0, 1.0, 1.0), "origin": (0.0, 0.0, 0.0), "direction": tuple(np.eye(3).ravel())}
            save_pickle({"sitk_stuff": stuff}, f"{stem}.pkl")
        cases.append([reference, *maps])
    with contextlib.redirect_stdout(io.StringIO()):
        told = best.find_best_configuration(name, [{"plans": "nnUNetPlans", "configuration": c, "trainer": "nnUNetTrainer"} for c in CONFIGURATIONS],
                                            folds=FOLDS, num_processes=1)
    together = next((PLACE / "results" / name / "ensembles").iterdir())
    for case, maps in enumerate(cases):
        maps.append(sitk.GetArrayFromImage(sitk.ReadImage(str(together / f"case_{case}.nii.gz"))))
    best_model = told["best_model_or_ensemble"]
    chosen = json.loads(Path(best_model["postprocessing_file"]).with_suffix(".json").read_text())
    names = [*[f.name for f in models], together.name]
    finite = lambda x: x if np.isfinite(x) else None  # noqa: E731
    steps = [k["labels_or_regions"] for k in chosen["postprocessing_kwargs"]]
    return {
        "name": scenario["name"],
        "labels": labels,
        "regions_class_order": dataset.get("regions_class_order"),
        "cases": [["".join(map(str, m.ravel())) for m in maps] for maps in cases],
        "scores": [finite(told["all_results"][n]) for n in names],
        "best": [n for n in range(3) if Path(best_model["postprocessing_file"]).parent.parent.name == names[n]
                 or Path(best_model["postprocessing_file"]).parent.name == names[n]][0],
        "postprocessing": [[s] if np.isscalar(s) else sorted(s) for s in steps],
        "result": finite(best_model["result_on_crossval_post_pp"]),
    }


results = []
for index, scenario in enumerate(SCENARIOS, 1):
    try:
        results.append(run(index, scenario))
    except Exception as error:  # noqa: BLE001
        if not scenario.get("absent"):
            raise
        print(f"{scenario['name']}: nnU-Net gives up: {error!r}", file=sys.stderr)
    else:
        print({k: v for k, v in results[-1].items() if k not in ("cases", "labels")}, file=sys.stderr)
lines = ",\n".join(json.dumps(r) for r in results)
print(f'{{"shape": {list(SHAPE)}, "folds": {len(FOLDS)}, "scenarios": [\n{lines}\n]}}')
