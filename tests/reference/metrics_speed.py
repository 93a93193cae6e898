"""Times HD95, average distance and surface Dice of a 512 x 512 x 300 pair with 3 labels: sagittal, surface-distance and MedPy in turn.

    pip install numpy scipy nibabel medpy surface-distance
    python tests/reference/metrics_speed.py target/release/sagittal

sagittal's time is that of the whole program with two threads, reading both files included; the others' is that of their functions alone,
on arrays in memory. MedPy does not crop, so it is asked for label 1 only, and its time is counted three times. Peak memory is that of a
process of its own for each.
"""

import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import time

import nibabel
import numpy as np

np.Inf, np.NaN = np.inf, np.nan
from scipy import ndimage

ndimage.filters, ndimage.morphology = ndimage, ndimage

SHAPE, SPACING = (512, 512, 300), (0.8, 0.8, 1.5)  # x y z


def labels(shift):
    x, y, z = np.ogrid[:512, :512, :300]
    out = np.zeros(SHAPE, np.uint8)
    bump = 6 * np.sin(x / 17 + shift) * np.cos(y / 23) + 3 * np.sin(z / 9.0)
    for label, (c, r) in enumerate([((170, 250, 150), (110, 130, 100)), ((380, 200, 120), (70, 60, 80)), ((380, 380, 200), (40, 50, 45))], 1):
        d = np.sqrt(((x - c[0] - shift) / r[0]) ** 2 + ((y - c[1]) / r[1]) ** 2 + ((z - c[2]) / r[2]) ** 2)
        out[d * min(r) <= min(r) + bump * min(r) / 60] = label
    return out


def surface_distance_times(r, p):
    import surface_distance as sd

    for label in (1, 2, 3):
        d = sd.compute_surface_distances(r == label, p == label, SPACING)
        found = sd.compute_robust_hausdorff(d, 95), sd.compute_average_surface_distance(d), sd.compute_surface_dice_at_tolerance(d, 1.0)
        print("  surface-distance, label", label, found, flush=True)


def medpy_times(r, p):
    from medpy.metric import binary

    print("  MedPy, label 1", binary.hd95(p == 1, r == 1, SPACING), binary.assd(p == 1, r == 1, SPACING), flush=True)


def measured(work, r, p, queue):
    start = time.time()
    work(r, p)
    queue.put((time.time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20))


def apart(work, r, p):
    queue = multiprocessing.Queue()
    process = multiprocessing.Process(target=measured, args=(work, r, p, queue))
    process.start()
    found = queue.get()
    process.join()
    return found


def main():
    r, p = labels(0.0), labels(4.0)
    with tempfile.TemporaryDirectory() as folder:
        affine = np.diag([*SPACING, 1])
        for name, map_ in (("r", r), ("p", p)):
            nibabel.save(nibabel.Nifti1Image(map_, affine), f"{folder}/{name}.nii")
        ours = []
        for kind in ("triangles", "none"):
            start = time.time()
            command = [sys.argv[1], "evaluate", f"{folder}/p.nii", f"{folder}/r.nii", "--threads", "2", "--surface", kind]
            process = subprocess.Popen(command, stdout=subprocess.PIPE)
            process.stdout.read()
            _, _, usage = os.wait4(process.pid, 0)
            ours.append(time.time() - start)
            print(f"sagittal --surface {kind}: {ours[-1]:.2f} s, peak {usage.ru_maxrss / 2**20:.2f} GiB")
    for name, work, times in (("surface-distance", surface_distance_times, 1), ("MedPy", medpy_times, 3)):
        seconds, peak = apart(work, r, p)
        seconds *= times
        print(f"{name}: {seconds:.1f} s for 3 labels, peak {peak:.2f} GiB: {seconds / ours[0]:.1f} times sagittal's", flush=True)


if __name__ == "__main__":
    main()
