"""Times HD95, average distance and surface Dice of a 512 x 512 x 300 pair with 3 labels: sagittal, surface-distance and MedPy in turn.

    pip install numpy scipy nibabel medpy surface-distance
    cargo build --release -p sagittal-cli; cargo build --release -p sagittal-metrics --example surface_speed
    python tests/reference/metrics_speed.py target/release [--medpy]

Twice: from files, with everything from the start of the program to its end (for surface-distance without the start of Python and its
imports), plain and compressed; and the functions alone, on maps in memory. sagittal has two threads. MedPy does not crop and takes
minutes, so it is asked for only on demand, for label 1 only, and its time is counted three times. Peak memory is that of a process of its own for each.
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

    found = []
    for label in (1, 2, 3):
        d = sd.compute_surface_distances(r == label, p == label, SPACING)
        found.append((sd.compute_robust_hausdorff(d, 95), sd.compute_average_surface_distance(d), sd.compute_surface_dice_at_tolerance(d, 1.0)))
    print("  surface-distance finds HD95", [round(hd95, 6) for hd95, _, _ in found], flush=True)


def surface_distance_from_files(r, p):
    surface_distance_times(*(np.asarray(nibabel.load(path).dataobj) for path in (r, p)))


def medpy_times(r, p):
    from medpy.metric import binary

    print("  MedPy, label 1", binary.hd95(p == 1, r == 1, SPACING), binary.assd(p == 1, r == 1, SPACING), flush=True)


def measured(work, r, p, queue):
    import surface_distance  # noqa: F401, not to be timed

    start = time.time()
    work(r, p)
    queue.put((time.time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20))


def apart(work, r, p):
    # A fresh process: a forked one begins with this one's memory.
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=measured, args=(work, r, p, queue))
    process.start()
    found = queue.get()
    process.join()
    return found


def ours(arguments):
    start = time.time()
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, env=dict(os.environ, RAYON_NUM_THREADS="2"))
    said = process.stdout.read().decode()
    _, _, usage = os.wait4(process.pid, 0)
    return time.time() - start, usage.ru_maxrss / 2**20, said


def main():
    programs = sys.argv[1]
    r, p = labels(0.0), labels(4.0)
    with tempfile.TemporaryDirectory() as folder:
        affine = np.diag([*SPACING, 1])
        for extension in ("nii", "nii.gz"):
            for name, map_ in (("r", r), ("p", p)):
                nibabel.save(nibabel.Nifti1Image(map_, affine), f"{folder}/{name}.{extension}")
        for extension in ("nii", "nii.gz"):
            files = [f"{folder}/{name}.{extension}" for name in ("p", "r")]
            evaluate = [f"{programs}/sagittal", "evaluate", *files, "--threads", "2"]
            our_s, our_gib, _ = min(ours(evaluate) for _ in range(3))
            their_s, their_gib = apart(surface_distance_from_files, files[1], files[0])
            print(f"from .{extension}: sagittal {our_s:.2f} s, {our_gib:.2f} GiB; surface-distance {their_s:.2f} s, {their_gib:.2f} GiB; "
                  f"{their_s / our_s:.1f} times sagittal's", flush=True)
        said = ours([f"{programs}/examples/surface_speed", f"{folder}/p.nii", f"{folder}/r.nii", "1", "2", "3"])[2]
        print("  sagittal finds", said.splitlines()[0].split(", ", 1)[1])
        our_s = min(float(line.split()[0]) for line in said.splitlines())
    others = [("surface-distance", surface_distance_times, 1)] + ([("MedPy", medpy_times, 3)] if "--medpy" in sys.argv else [])
    for name, work, times in others:
        seconds, _ = apart(work, r, p)
        seconds *= times
        print(f"functions alone: sagittal {our_s:.2f} s; {name} {seconds:.1f} s; {seconds / our_s:.1f} times sagittal's", flush=True)


if __name__ == "__main__":
    main()
