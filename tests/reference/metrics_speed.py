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


def read(path):
    return np.asarray(nibabel.load(path).dataobj)


def medpy_times(r, p):
    from medpy.metric import binary

    print("  MedPy, label 1", binary.hd95(p == 1, r == 1, SPACING), binary.assd(p == 1, r == 1, SPACING), flush=True)


def measured(work, files, including_files, queue):
    import surface_distance  # noqa: F401, not to be timed

    start = time.time()
    maps = [read(file) for file in files]
    if not including_files:
        start = time.time()
    work(*maps)
    queue.put((time.time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20))


def write(folder):
    for name, shift in (("r", 0.0), ("p", 4.0)):
        image = nibabel.Nifti1Image(labels(shift), np.diag([*SPACING, 1]))
        for extension in ("nii", "nii.gz"):
            nibabel.save(image, f"{folder}/{name}.{extension}")


def apart(work, *arguments):
    # A process of its own, and this one never holds a volume: what a process held before counts as the peak of those it starts.
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=work, args=arguments)
    process.start()
    process.join()


def theirs(work, files, including_files):
    queue = multiprocessing.get_context("spawn").Queue()
    apart(measured, work, files, including_files, queue)
    return queue.get()


def ours(arguments):
    start = time.time()
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, env=dict(os.environ, RAYON_NUM_THREADS="2"))
    said = process.stdout.read().decode()
    _, _, usage = os.wait4(process.pid, 0)
    return time.time() - start, usage.ru_maxrss / 2**20, said


def main():
    programs = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        apart(write, folder)
        for extension in ("nii", "nii.gz"):
            files = [f"{folder}/{name}.{extension}" for name in ("r", "p")]
            evaluate = [f"{programs}/sagittal", "evaluate", files[1], files[0], "--threads", "2"]
            our_s, our_gib, _ = min(ours(evaluate) for _ in range(3))
            their_s, their_gib = theirs(surface_distance_times, files, True)
            print(f"from .{extension}: sagittal {our_s:.2f} s, {our_gib:.2f} GiB; surface-distance {their_s:.2f} s, {their_gib:.2f} GiB; "
                  f"{their_s / our_s:.1f} times sagittal's", flush=True)
        files = [f"{folder}/{name}.nii" for name in ("r", "p")]
        said = ours([f"{programs}/examples/surface_speed", files[1], files[0], "1", "2", "3"])[2]
        print("  sagittal finds", said.splitlines()[0].split(", ", 1)[1])
        our_s = min(float(line.split()[0]) for line in said.splitlines())
        others = [("surface-distance", surface_distance_times, 1)] + ([("MedPy", medpy_times, 3)] if "--medpy" in sys.argv else [])
        for name, work, times in others:
            seconds, _ = theirs(work, files, False)
            seconds *= times
            print(f"functions alone: sagittal {our_s:.2f} s; {name} {seconds:.1f} s; {seconds / our_s:.1f} times sagittal's", flush=True)


if __name__ == "__main__":
    main()
