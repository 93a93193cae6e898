"""Writes the goldens of the losses against a teacher: PyTorch's values and gradients.

    pip install torch==2.15.0 numpy
    python tests/reference/distillation.py

`crates/sagittal-tensor/tests/data/distillation.npz` holds the logits of a teacher (`teacher` `[N, Z, Y, X, K]`) and of a student with
heads on its grid and on one of half the size (`student_fine`, `student_coarse`), values that float16 holds exactly; and for every kind
of loss (`logits`, `soft_1`, `soft_4`), of outputs (`classes`, `regions`) and scale `NAME_loss` and `NAME_gradient`, computed in float64.
Seed 20261128.

`logits` is half the squared distance of the logits, summed over the outputs, in the mean over voxels (Ba and Caruana 2014, equation 1);
those of classes less their mean over the classes. `soft_T` is `KLDivLoss` at temperature T, in the mean over voxels, times T squared
(Hinton et al. 2015, section 2); of regions the Kullback-Leibler divergence of Bernoulli distributions, in the mean over regions.
A coarse head is compared with the mean of the teacher's targets (centred logits, or probabilities) over the voxels that it stands for.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

OUT = Path(__file__).resolve().parents[2] / "crates/sagittal-tensor/tests/data/distillation.npz"
SHAPE = (2, 2, 4, 6, 3)


def pooled(x):
    """The mean over blocks of 2 x 2 x 2 voxels."""
    return F.avg_pool3d(x.permute(0, 4, 1, 2, 3), 2).permute(0, 2, 3, 4, 1)


def centred(x):
    return x - x.mean(dim=-1, keepdim=True)


def loss(name, outputs, student, teacher, scale):
    at = pooled if scale == "coarse" else (lambda x: x)
    if name == "logits":
        shape = centred if outputs == "classes" else (lambda x: x)
        return 0.5 * ((shape(student) - at(shape(teacher))) ** 2).sum(-1).mean()
    t = float(name.removeprefix("soft_"))
    k = student.shape[-1]
    if outputs == "classes":
        target = at(F.softmax(teacher / t, -1))
        log_q = F.log_softmax(student / t, -1)
        return t * t * F.kl_div(log_q.reshape(-1, k), target.reshape(-1, k), reduction="batchmean")
    p = at(torch.sigmoid(teacher / t))
    divergence = p * (p.log() - F.logsigmoid(student / t)) + (1 - p) * ((1 - p).log() - F.logsigmoid(-student / t))
    return t * t * divergence.mean()


torch.manual_seed(20261128)
logits = lambda shape: torch.randn(shape).mul(3).half().double()
teacher = logits(SHAPE)
n, z, y, x, k = SHAPE
students = {"fine": logits(SHAPE), "coarse": logits((n, z // 2, y // 2, x // 2, k))}
written = {"teacher": teacher.numpy().astype(np.float16)}
written |= {f"student_{scale}": s.numpy().astype(np.float16) for scale, s in students.items()}
for name in ("logits", "soft_1", "soft_4"):
    for outputs in ("classes", "regions"):
        for scale, student in students.items():
            student = student.clone().requires_grad_()
            value = loss(name, outputs, student, teacher, scale)
            value.backward()
            key = f"{name}_{outputs}_{scale}"
            written |= {f"{key}_loss": np.array([value.item()]), f"{key}_gradient": student.grad.numpy().astype(np.float32)}
            print(key, value.item())
np.savez_compressed(OUT, **written)
print(OUT.stat().st_size // 1024, "KB")
