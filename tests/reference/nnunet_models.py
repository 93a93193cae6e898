"""Makes small trained-model folders of nnU-Net, each of which has one thing that the goldens lack, with inputs for them.

    pip install torch==2.15.0 nnunetv2==2.8.1
    python tests/reference/nnunet_models.py SHARED OUT

SHARED holds `goldens` and `data` (see tests/README of the goldens); OUT/NAME/{model,inputs} is written. Weights are drawn at random (seed
by name), norms included, by nnU-Net's own network classes: what such a network says is noise, which is stricter than a good segmentation,
because every voxel is near a border. `nnunet_agreement.py` then predicts with nnU-Net and with Sagittal.

| name | has |
|---|---|
| resenc_3d | residual encoder |
| resenc_2d | residual encoder, 2-D, of volumes |
| full | a network of full size (patch of 128 x 128 x 128, 31 million parameters), an image of 150 x 180 x 150 |
| anisotropic | slices far apart: kernels and strides of 1, separate resampling of the slices; masked normalisation |
| ct_transposed | CT normalisation with clipping, axes permuted, no mirroring |
| reoriented | NibabelIOWithReorient, two channels with different normalisation |
| pictures | RGB PNG |
| regions | overlapping regions, ignore label |
| ignored | ignore label |
| folds | two folds |
| old_plans | plans.json as nnU-Net before 2.3 wrote it |
| lowres, cascade | the two stages of a cascade |
| oriented, nrrd | the trained golden; axes of the file permuted and flipped; another format |
| flat, grey | the trained golden of slices, on 2-D NIfTI and on PNG |
| postprocessed | the trained golden, with the two kinds of steps that nnU-Net's post-processing has |
| ensemble | the trained goldens in 3-D and 2-D |
"""

import copy
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch
from batchgenerators.utilities.file_and_folder_operations import save_pickle
from nnunetv2.postprocessing.remove_connected_components import remove_all_but_largest_component_from_segmentation
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

SHARED, OUT = Path(sys.argv[1]), Path(sys.argv[2])
GOLDEN = SHARED / "goldens/hippocampus-3d"
PLANS = json.loads((GOLDEN / "model/plans.json").read_text())
DATASET = json.loads((GOLDEN / "model/dataset.json").read_text())
INPUTS = sorted((GOLDEN / "inputs").glob("*.nii.gz"))


def weights(plans, configuration, channels, classes, seed):
    torch.manual_seed(seed)
    c = PlansManager(copy.deepcopy(plans)).get_configuration(configuration)
    net = get_network_from_plans(c.network_arch_class_name, c.network_arch_init_kwargs, c.network_arch_init_kwargs_req_import, channels,
                                 classes, allow_init=True, deep_supervision=True)
    with torch.no_grad():
        for p in net.parameters():
            p += 0.3 * torch.randn_like(p) * (p.dim() == 1)
    return net.state_dict()


def save(name, plans, dataset, configuration, classes, inputs, axes, folds=1, channels=None):
    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "inputs").mkdir(parents=True)
    channels = channels or len(dataset["channel_names"])
    for fold in range(folds):
        (folder / f"model/fold_{fold}").mkdir(parents=True)
        seed = sum(map(ord, name)) + fold
        torch.save({"network_weights": weights(plans, configuration, channels, classes, seed), "trainer_name": "nnUNetTrainer",
                    "init_args": {"configuration": configuration, "fold": fold}, "inference_allowed_mirroring_axes": axes},
                   folder / f"model/fold_{fold}/checkpoint_final.pth")
    for file, content in [("plans.json", plans), ("dataset.json", dataset)]:
        (folder / "model" / file).write_text(json.dumps(content, indent=1))
    for source, target in inputs:
        shutil.copy(source, folder / "inputs" / target)
    print(name)


def volumes(*names):
    return [(p, p.name) for p in INPUTS if not names or any(p.name.startswith(n) for n in names)]


def architecture(plans, configuration, **changes):
    """Changes arguments of the network; None takes one away."""
    arguments = plans["configurations"][configuration]["architecture"]["arch_kwargs"]
    for key, value in changes.items():
        arguments.pop(key) if value is None else arguments.update({key: value})


def residual(plans, configuration, blocks):
    architecture(plans, configuration, n_conv_per_stage=None, n_blocks_per_stage=blocks, n_conv_per_stage_decoder=[1] * (len(blocks) - 1))
    plans["configurations"][configuration]["architecture"]["network_class_name"] = \
        "dynamic_network_architectures.architectures.unet.ResidualEncoderUNet"


p = copy.deepcopy(PLANS)
residual(p, "3d_fullres", [1, 3, 4, 2])
save("resenc_3d", p, DATASET, "3d_fullres", 3, volumes("hippocampus_003", "two_tiles", "spacing_084"), (0, 1, 2))

p = copy.deepcopy(PLANS)
residual(p, "2d", [1, 2, 2, 2])
save("resenc_2d", p, DATASET, "2d", 3, volumes("hippocampus_003", "slices_4mm"), (0, 1))

p = copy.deepcopy(PLANS)
p["configurations"]["3d_fullres"] |= {"patch_size": [128] * 3, "batch_size": 2}
architecture(p, "3d_fullres", n_stages=6, features_per_stage=[32, 64, 128, 256, 320, 320], kernel_sizes=[[3] * 3] * 6,
             strides=[[1] * 3] + [[2] * 3] * 5, n_conv_per_stage=[2] * 6, n_conv_per_stage_decoder=[2] * 5)
save("full", p, DATASET, "3d_fullres", 3, [], (0, 1, 2))
small, shape = sitk.GetArrayFromImage(sitk.ReadImage(str(INPUTS[0]))).astype(np.float32), (150, 180, 150)
tiled = np.tile(small, [-(-n // m) for n, m in zip(shape, small.shape)])[tuple(map(slice, shape))]
tiled += np.random.default_rng(6).normal(0, tiled.std() / 20, shape).astype(np.float32)
sitk.WriteImage(sitk.GetImageFromArray(tiled), str(OUT / "full/inputs/tiled_0000.nii.gz"))

p = copy.deepcopy(PLANS)
c = p["configurations"]["3d_fullres"]
c |= {"spacing": [4.0, 0.9, 0.9], "patch_size": [12, 56, 40], "use_mask_for_norm": [True]}
architecture(p, "3d_fullres", strides=[[1, 1, 1], [1, 2, 2], [2, 2, 2], [1, 2, 2]], kernel_sizes=[[1, 3, 3], [1, 3, 3], [3, 3, 3], [3, 3, 3]])
save("anisotropic", p, DATASET, "3d_fullres", 3, volumes("slices_4mm", "hippocampus_001", "two_tiles", "permuted"), (0, 1, 2))

p, d = copy.deepcopy(PLANS), copy.deepcopy(DATASET)
d["channel_names"] = {"0": "CT"}
p |= {"transpose_forward": [1, 0, 2], "transpose_backward": [1, 0, 2]}
p["foreground_intensity_properties_per_channel"] = {"0": {"mean": 220.5, "median": 210.0, "std": 71.25, "min": 0.0, "max": 900.0,
                                                          "percentile_00_5": 60.0, "percentile_99_5": 400.0}}
c = p["configurations"]["3d_fullres"]
c |= {"normalization_schemes": ["CTNormalization"], "spacing": [1.1, 0.9, 1.0]}
save("ct_transposed", p, d, "3d_fullres", 3, volumes("hippocampus_001", "permuted", "two_tiles"), None)

p, d = copy.deepcopy(PLANS), copy.deepcopy(DATASET)
d["channel_names"] = {"0": "T1", "1": "T2"}
p["image_reader_writer"] = "NibabelIOWithReorient"
c = p["configurations"]["3d_fullres"]
c |= {"normalization_schemes": ["RescaleTo01Normalization", "NoNormalization"], "use_mask_for_norm": [False, False]}
p["foreground_intensity_properties_per_channel"]["1"] = p["foreground_intensity_properties_per_channel"]["0"]
save("reoriented", p, d, "3d_fullres", 3, [], (0, 1, 2))
for path in INPUTS:
    if path.name.startswith(("permuted", "oblique")):
        image = sitk.ReadImage(str(path))
        stem = path.name.removesuffix("_0000.nii.gz")
        sitk.WriteImage(image, str(OUT / f"reoriented/inputs/{stem}_0000.nii.gz"))
        sitk.WriteImage(sitk.Sqrt(sitk.Cast(image, sitk.sitkFloat32)) / 10, str(OUT / f"reoriented/inputs/{stem}_0001.nii.gz"))

p, d = copy.deepcopy(PLANS), copy.deepcopy(DATASET)
d |= {"channel_names": {"0": "R", "1": "G", "2": "B"}, "file_ending": ".png"}
p |= {"image_reader_writer": "NaturalImage2DIO", "original_median_spacing_after_transp": [999.0, 1.0, 1.0],
      "original_median_shape_after_transp": [1, 256, 256]}
c = p["configurations"]["2d"]
c |= {"normalization_schemes": ["RGBTo01Normalization"] * 3, "use_mask_for_norm": [False] * 3, "patch_size": [128, 96]}
p["foreground_intensity_properties_per_channel"] = {str(i): p["foreground_intensity_properties_per_channel"]["0"] for i in range(3)}
save("pictures", p, d, "2d", 3, [], (0, 1))
rng = np.random.default_rng(5)
for i, shape in enumerate([(130, 200), (64, 300), (257, 96)]):
    grid = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), -1)[..., None, :] / 17.0
    picture = 120 + 60 * np.sin(grid @ rng.normal(size=(2, 3))).squeeze(-2) + 25 * rng.normal(size=(*shape, 3))
    picture[: 5 * i] = 0
    sitk.WriteImage(sitk.GetImageFromArray(picture.clip(0, 255).astype(np.uint8), isVector=True), str(OUT / f"pictures/inputs/p{i}_0000.png"))

p, d = copy.deepcopy(PLANS), copy.deepcopy(DATASET)
d |= {"labels": {"background": 0, "whole": [1, 2, 3], "posterior": [2, 3], "tip": 3, "ignore": 4}, "regions_class_order": [1, 2, 3]}
save("regions", p, d, "3d_fullres", 3, volumes("hippocampus_003", "spacing_084"), (0, 1, 2))

d = copy.deepcopy(DATASET)
d["labels"]["ignore"] = 3
save("ignored", PLANS, d, "3d_fullres", 3, volumes("hippocampus_003"), (0, 1, 2))
save("folds", PLANS, DATASET, "3d_fullres", 3, volumes("hippocampus_003", "slices_4mm", "two_tiles"), (0, 1, 2), folds=2)

p = copy.deepcopy(PLANS)
c = p["configurations"]["3d_fullres"]
arguments = c["architecture"]["arch_kwargs"]
new = copy.deepcopy(p)
save("old_plans", new, DATASET, "3d_fullres", 3, volumes("hippocampus_003", "slices_4mm"), (0, 1, 2))
del c["architecture"]
c |= {"UNet_class_name": "PlainConvUNet", "UNet_base_num_features": arguments["features_per_stage"][0], "unet_max_num_features": 320,
      "n_conv_per_stage_encoder": arguments["n_conv_per_stage"], "n_conv_per_stage_decoder": arguments["n_conv_per_stage_decoder"],
      "num_pool_per_axis": [3, 3, 3], "pool_op_kernel_sizes": arguments["strides"], "conv_kernel_sizes": arguments["kernel_sizes"]}
p["foreground_intensity_properties_by_modality"] = p.pop("foreground_intensity_properties_per_channel")
d = copy.deepcopy(DATASET)
d["modality"] = d.pop("channel_names")
(OUT / "old_plans/model/plans.json").write_text(json.dumps(p, indent=1))
d["channel_names"] = d.pop("modality")
(OUT / "old_plans/model/dataset.json").write_text(json.dumps(d, indent=1))

p = copy.deepcopy(PLANS)
low = copy.deepcopy(p["configurations"]["3d_fullres"])
low |= {"spacing": [1.6, 1.6, 1.6], "patch_size": [24, 32, 24]}
p["configurations"]["3d_lowres"] = low
p["configurations"]["3d_cascade_fullres"] = {"inherits_from": "3d_fullres", "previous_stage": "3d_lowres"}
save("lowres", p, DATASET, "3d_lowres", 3, volumes("hippocampus_003", "two_tiles", "slices_4mm"), (0, 1, 2))
save("cascade", p, DATASET, "3d_cascade_fullres", 3, volumes("hippocampus_003", "two_tiles", "slices_4mm"), (0, 1, 2), channels=3)


def golden(name, source, plans=None, dataset=None, place="model"):
    """A golden's trained model with other plans.json and dataset.json."""
    folder = OUT / name
    shutil.rmtree(folder / place, ignore_errors=True)
    (folder / "inputs").mkdir(parents=True, exist_ok=True)
    shutil.copytree(SHARED / "goldens" / source / "model", folder / place)
    for file, content in [("plans.json", plans), ("dataset.json", dataset)]:
        if content:
            (folder / place / file).write_text(json.dumps(content, indent=1))
    print(name)
    return folder


folder = golden("oriented", "hippocampus-3d")
nrrd = golden("nrrd", "hippocampus-3d", dataset=DATASET | {"file_ending": ".nrrd"})
for path in volumes("hippocampus_003", "spacing_084", "slices_4mm", "oblique"):
    image = sitk.ReadImage(str(path[0]))
    case = path[1].removesuffix("_0000.nii.gz")
    if case.startswith("hippocampus"):
        # The same arrays that are said to lie in other directions; nnU-Net does not look at those.
        for i, matrix in enumerate([(-1, 0, 0, 0, -1, 0, 0, 0, 1), (0, 0, 1, 1, 0, 0, 0, 1, 0), (0, 1, 0, -1, 0, 0, 0, 0, 1)]):
            turned = sitk.Image(image)
            turned.SetDirection(matrix)
            sitk.WriteImage(turned, str(folder / f"inputs/{case}_direction{i}_0000.nii.gz"))
    # Arrays that are stored in another order, their directions with them.
    sitk.WriteImage(sitk.PermuteAxes(image, [2, 0, 1]), str(folder / f"inputs/{case}_zxy_0000.nii.gz"))
    sitk.WriteImage(sitk.Flip(sitk.PermuteAxes(image, [1, 0, 2]), [True, False, True]), str(folder / f"inputs/{case}_flipped_0000.nii.gz"))
    sitk.WriteImage(sitk.Flip(image, [False, True, True]), str(nrrd / f"inputs/{case}_0000.nrrd"))

flat, grey = copy.deepcopy(PLANS), copy.deepcopy(PLANS)
flat |= json.loads((SHARED / "goldens/hippocampus-2d/model/plans.json").read_text())
flat |= {"original_median_spacing_after_transp": [999.0, 1.0, 1.0], "original_median_shape_after_transp": [1, 50, 35]}
grey = copy.deepcopy(flat) | {"image_reader_writer": "NaturalImage2DIO"}
flat_folder = golden("flat", "hippocampus-2d", flat)
grey_folder = golden("grey", "hippocampus-2d", grey, DATASET | {"file_ending": ".png"})
for path, file in volumes("hippocampus_003", "slices_4mm", "spacing_084"):
    image = sitk.Cast(sitk.ReadImage(str(path)), sitk.sitkFloat32)
    case = file.removesuffix("_0000.nii.gz")
    for z in range(image.GetSize()[2] // 3, 2 * image.GetSize()[2] // 3, 2):
        sitk.WriteImage(image[:, :, z], str(flat_folder / f"inputs/{case}_{z:02}_0000.nii.gz"))
        sitk.WriteImage(sitk.Cast(sitk.RescaleIntensity(image[:, :, z], 0, 255), sitk.sitkUInt8), str(grey_folder / f"inputs/{case}_{z:02}_0000.png"))

folder = golden("postprocessed", "hippocampus-3d")
steps = [remove_all_but_largest_component_from_segmentation] * 2
arguments = [{"labels_or_regions": [1, 2]}, {"labels_or_regions": 2}]
save_pickle((steps, arguments), str(folder / "model/postprocessing.pkl"))
(folder / "model/postprocessing.json").write_text(json.dumps({"postprocessing_fns": [s.__name__ for s in steps], "postprocessing_kwargs": arguments}))
for path, file in volumes():
    shutil.copy(path, folder / "inputs" / file)

golden("ensemble", "hippocampus-3d", place="model/a")
golden("ensemble", "hippocampus-2d", place="model/b")
for path, file in volumes("hippocampus_001", "slices_4mm", "spacing_084", "permuted"):
    shutil.copy(path, OUT / "ensemble/inputs" / file)
