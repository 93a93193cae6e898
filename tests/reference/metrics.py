"""Writes the golden files of the metrics: what other people's programs say about 240 random pairs of masks.

    pip install numpy==2.4.6 scipy==1.17.1 scikit-image==0.26.0 SimpleITK==2.5.7 medpy==0.5.2 monai==1.6.1 surface-distance==0.1 scikit-learn==1.9.1
    python tests/reference/metrics.py

`crates/sagittal-metrics/tests/data/{pairs,probabilities,wilcoxon}.txt`. The masks are not stored: both sides draw them by the same
recipe (a linear congruential generator, whole numbers only). Where a program has no answer (an empty mask) it is `nan`.
"""

import warnings
from pathlib import Path

import numpy as np

np.Inf, np.NaN = np.inf, np.nan  # surface-distance 0.1 was written for NumPy 1 and an older SciPy.
from scipy import ndimage, stats

ndimage.filters, ndimage.morphology = ndimage, ndimage

import SimpleITK as sitk
import surface_distance as sd
import torch
from medpy.metric import binary as medpy
from monai import metrics as monai
from skimage.morphology import skeletonize
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

OUT = Path(__file__).resolve().parents[2] / "crates/sagittal-metrics/tests/data"
SPACINGS = [(1.0, 1.0, 1.0), (3.0, 0.7, 0.7), (0.5, 2.0, 0.31), (2.5, 1.0, 1.0), (0.8, 0.8, 5.0)]
TOLERANCES = [1.0, 0.7, 2.5]


class Lcg:
    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return self.state >> 33


def draw(rng, shape, kind):
    n = int(np.prod(shape))
    mask = np.zeros(shape, bool)
    if kind in (0, 1):
        one_in = 2 if kind == 0 else 9
        mask = np.array([rng.next() % one_in == 0 for _ in range(n)]).reshape(shape)
    elif kind == 2:
        for _ in range(1 + rng.next() % 3):
            mask[tuple(slice(min(a, b), max(a, b) + 1) for a, b in [(rng.next() % s, rng.next() % s) for s in shape])] = True
    elif kind == 3:
        mask.ravel()[rng.next() % n] = True
    elif kind == 4:
        mask[:] = True
        mask.ravel()[rng.next() % n] = False
    else:
        centre = [rng.next() % s for s in shape]
        squared = 1 + rng.next() % (max(shape) ** 2 // 3 + 1)
        mask = sum((g - c) ** 2 for g, c in zip(np.indices(shape), centre)) <= squared
    return mask


def pair(i):
    rng = Lcg(1000 + i)
    shape = (1, 2 + rng.next() % 14, 2 + rng.next() % 14) if i % 3 == 0 else (1 + rng.next() % 9, 2 + rng.next() % 10, 2 + rng.next() % 10)
    spacing, tolerance = SPACINGS[rng.next() % 5], TOLERANCES[rng.next() % 3]
    reference = draw(rng, shape, i % 6)
    prediction = draw(rng, shape, rng.next() % 6)
    return reference, prediction, spacing, tolerance, 2 if i % 3 == 0 else 3


def itk(mask, spacing):
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    image.SetSpacing(spacing[::-1])
    return image


def surfaces(r, p, spacing, tolerance):
    """surface-distance, then MedPy, MONAI and SimpleITK."""
    d = sd.compute_surface_distances(r, p, spacing)
    forth, back = sd.compute_average_surface_distance(d)
    row = [sd.compute_robust_hausdorff(d, 100), sd.compute_robust_hausdorff(d, 95), forth, back, sd.compute_surface_dice_at_tolerance(d, tolerance)]
    row += [d["surfel_areas_gt"].sum()]
    row += [medpy.hd(p, r, spacing), medpy.hd95(p, r, spacing), medpy.asd(p, r, spacing), medpy.assd(p, r, spacing)]
    one = lambda m: torch.tensor(np.stack([~m, m])[None].astype(np.float32))
    given = dict(y_pred=one(p), y=one(r), include_background=False, spacing=list(spacing))
    row += [monai.compute_hausdorff_distance(percentile=95, **given).item(), monai.compute_average_surface_distance(symmetric=True, **given).item()]
    row += [monai.compute_surface_dice(class_thresholds=[tolerance], **given).item()]
    hausdorff = sitk.HausdorffDistanceImageFilter()
    hausdorff.Execute(itk(p, spacing), itk(r, spacing))
    overlap = sitk.LabelOverlapMeasuresImageFilter()
    overlap.Execute(itk(p, spacing), itk(r, spacing))
    row += [hausdorff.GetHausdorffDistance(), overlap.GetDiceCoefficient(), overlap.GetJaccardCoefficient()]
    centres = [np.array(ndimage.center_of_mass(m)) * spacing for m in (r, p)]
    return row + [np.linalg.norm(centres[0] - centres[1])]


def lesions(r, p):
    label = lambda m: ndimage.label(m, np.ones((3,) * m.ndim))
    (nr, n_r), (np_, n_p) = label(r), label(p)
    found = len(set(nr[p & r]))
    dice = [2 * (p & (nr == k)).sum() / ((nr == k).sum() + np.isin(np_, list(set(np_[(nr == k) & p]))).sum()) if p[nr == k].any() else 0.0 for k in range(1, n_r + 1)]
    return [n_r, n_p, found, n_p - len(set(np_[p & r])), np.mean(dice) if dice else np.nan]


def lines(r, p):
    sr, sp = skeletonize(r, method="lee") > 0, skeletonize(p, method="lee") > 0
    share = lambda a, b: a[b].mean() if b.any() else np.nan
    return [sr.sum(), sp.sum(), share(r, sp), share(p, sr)]


def text(values):
    return " ".join("%.15g" % v for v in values)


def write_pairs():
    rows = []
    for i in range(240):
        r, p, spacing, tolerance, rank = pair(i)
        if rank == 2:
            r, p, spacing = r[0], p[0], spacing[1:]
        both = r.any() and p.any()
        rows.append(text([r.sum(), p.sum()] + (surfaces(r, p, spacing, tolerance) if both else [np.nan] * 17) + lesions(r, p) + lines(r, p)))
    (OUT / "pairs.txt").write_text("\n".join(rows) + "\n")


def write_probabilities():
    rows = []
    for i in range(60):
        rng = Lcg(5000 + i)
        n, steps = 2 + rng.next() % 300, [4, 1000, 2**24][i % 3]
        p = np.array([rng.next() % (steps + 1) / steps for _ in range(n)], np.float32)
        y = np.array([rng.next() % 100 < 20 + 60 * float(v) for v in p])
        if y.all() or not y.any():
            y[0] = not y[0]
        d = p.astype(np.float64)
        bins = np.minimum((d * 15).astype(int), 14)
        ece = sum(abs(d[bins == b].sum() - y[bins == b].sum()) for b in range(15)) / n
        rows.append(text([roc_auc_score(y, p), average_precision_score(y, p), brier_score_loss(y, d), ece]))
    (OUT / "probabilities.txt").write_text("\n".join(rows) + "\n")


def write_wilcoxon():
    rows = []
    for i in range(80):
        rng = Lcg(9000 + i)
        n, steps = 1 + rng.next() % 80, [5, 10**6][i % 2]
        d = np.array([(rng.next() % (2 * steps + 1) - steps + rng.next() % 3) / 1024 for _ in range(n)])
        found = stats.wilcoxon(d) if d.any() else None
        kind = stats.wilcoxon(d, alternative="greater").statistic if d.any() else 0
        rows.append(text([n, found.pvalue if found else np.nan, kind]))
    (OUT / "wilcoxon.txt").write_text("\n".join(rows) + "\n")


warnings.filterwarnings("ignore")
write_pairs()
write_probabilities()
write_wilcoxon()
