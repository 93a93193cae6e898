"""Writes the goldens of the loss of regions: nnU-Net's own classes, their value and their gradients.

    pip install torch==2.15.0 nnunetv2==2.8.1 numpy
    python tests/reference/region_loss.py

Each case is `crates/sagittal-train/tests/data/NAME.npz`: logits at three scales (`logits/I` `[N, K, Z, Y, X]`, finest first, values that
float16 holds exactly), the labels (`labels` `[N, Z, Y, X]`), the loss (`loss`) and its gradients (`gradient/I`; none of the scale that
does not count). The labels go through nnU-Net's `ConvertSegmentationToRegionsTransform` and `DownsampleSegForDSTransform`, and the loss
is its `DeepSupervisionWrapper` of `DC_and_BCE_loss`, with the options and weights of its trainer, in float64. Seed 20261123.

The regions are 1 + 2, 2, and 3, which one case does not have. One case is 3-D, its Dice by sample; the other is 2-D, its Dice by batch,
with voxels that nobody labelled (4), as nnU-Net's trainer has them: as a further region, which is the mask.
"""

from pathlib import Path

import numpy as np
import torch
from batchgeneratorsv2.transforms.utils.deep_supervision_downsampling import DownsampleSegForDSTransform
from batchgeneratorsv2.transforms.utils.seg_to_regions import ConvertSegmentationToRegionsTransform
from nnunetv2.training.loss.compound_losses import DC_and_BCE_loss
from nnunetv2.training.loss.deep_supervision import DeepSupervisionWrapper
from nnunetv2.training.loss.dice import MemoryEfficientSoftDiceLoss

OUT = Path(__file__).resolve().parents[2] / "crates/sagittal-train/tests/data"
REGIONS = [(1, 2), 2, 3]
IGNORE = 4


def case(name, size, highest, batch_dice, has_ignore):
    torch.manual_seed(20261123)
    scales = [[0.5**i if s > 1 else 1.0 for s in size] for i in range(3)]
    labels = torch.randint(0, highest + 1, (2, 1, *[max(s // 2, 1) for s in size]))
    for axis, s in enumerate(size):
        labels = labels.repeat_interleave(2 if s > 1 else 1, 2 + axis)
    if has_ignore:
        labels[torch.rand(labels.shape) < 0.2] = IGNORE
    rank = [axis for axis, s in enumerate(size) if s > 1]
    flat = labels if len(rank) == 3 else labels[:, :, 0]
    to_regions = ConvertSegmentationToRegionsTransform(regions=REGIONS + ([IGNORE] if has_ignore else []), channel_in_seg=0)
    down = DownsampleSegForDSTransform(ds_scales=[[scale[axis] for axis in rank] for scale in scales])
    per_sample = [down(**to_regions(segmentation=sample))["segmentation"] for sample in flat]
    targets = [torch.stack(of_scale) for of_scale in zip(*per_sample)]
    logits = [torch.randn(2, len(REGIONS), *t.shape[2:]).mul(2).half().double().requires_grad_() for t in targets]
    dice = {"batch_dice": batch_dice, "do_bg": True, "smooth": 1e-5, "ddp": False}
    loss = DC_and_BCE_loss({}, dice, use_ignore_label=has_ignore, dice_class=MemoryEfficientSoftDiceLoss)
    weights = np.array([1.0, 0.5, 0.0])
    # The wrapper casts nothing: in float64 but for the sums of the Dice, which nnU-Net takes in float32.
    value = DeepSupervisionWrapper(loss, weights / weights.sum())(logits, targets)
    value.backward()
    deep = lambda t: t if t.dim() == 5 else t.unsqueeze(2)
    written = {f"logits/{i}": deep(z.detach()).numpy().astype(np.float16) for i, z in enumerate(logits)}
    written |= {f"gradient/{i}": deep(z.grad).numpy().astype(np.float32) for i, z in enumerate(logits) if z.grad is not None}
    np.savez_compressed(OUT / f"{name}.npz", labels=labels[:, 0].numpy().astype(np.uint8), loss=np.array([value.item()]), **written)
    print(name, "loss", value.item(), (OUT / f"{name}.npz").stat().st_size // 1024, "KB")


case("regions3d", (4, 8, 6), 2, False, False)
case("regions2d_ignore", (1, 12, 8), 3, True, True)
