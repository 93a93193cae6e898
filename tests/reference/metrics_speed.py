"""Times HD95, average distance and surface Dice of a 512 x 512 x 300 pair with 3 labels: sagittal, surface-distance and MedPy in turn.

    pip install numpy==2.4.6 scipy==1.17.1 nibabel==5.4.2 medpy==0.5.2 surface-distance==0.1
    cargo build --release -p sagittal-cli; cargo build --release -p sagittal-metrics --example surface_speed
    python tests/reference/metrics_speed.py target/release [--rounds 5] [--medpy]

Twice: from files, with everything from the start of the program to its end (for surface-distance without the start of Python and its
imports, and with the reading by nibabel), plain and compressed; and the functions alone, on maps in memory. sagittal has two threads.
The programs take turns, and medians are compared: of the time that passes, and of the processor's time (user and system, all threads),
which other work on the machine disturbs less. MedPy does not crop and takes minutes, so it is asked for only on demand, once, for label 1
only, and its time is counted three times. Peak memory is that of a process of its own for each.
"""

import argparse
import importlib.metadata
import multiprocessing
import os
import platform
import resource
import statistics
import subprocess
import tempfile
import time

import nibabel
import numpy as np

np.Inf, np.NaN = np.inf, np.nan
from scipy import ndimage

ndimage.filters, ndimage.morphology = ndimage, ndimage

SHAPE, SPACING = (512, 512, 300), (0.8, 0.8, 1.5)  # x y z
PACKAGES = ["numpy", "scipy", "nibabel", "medpy", "surface-distance"]


def labels(shift):
    x, y, z = np.ogrid[:512, :512, :300]
    out = np.zeros(SHAPE, np.uint8)
    bump = 6 * np.sin(x / 17 + shift) * np.cos(y / 23) + 3 * np.sin(z / 9.0)
    for label, (c, r) in enumerate([((170, 250, 150), (110, 130, 100)), ((380, 200, 120), (70, 60, 80)), ((380, 380, 200), (40, 50, 45))], 1):
        d = np.sqrt(((x - c[0] - shift) / r[0]) ** 2 + ((y - c[1]) / r[1]) ** 2 + ((z - c[2]) / r[2]) ** 2)
        out[d * min(r) <= min(r) + bump * min(r) / 60] = label
    return out


def surface_distance_scores(r, p):
    import surface_distance as sd

    found = []
    for label in (1, 2, 3):
        d = sd.compute_surface_distances(r == label, p == label, SPACING)
        found.append((sd.compute_robust_hausdorff(d, 95), sd.compute_average_surface_distance(d), sd.compute_surface_dice_at_tolerance(d, 1.0)))
    return [round(float(hd95), 6) for hd95, _, _ in found]


def read(path):
    return np.asarray(nibabel.load(path).dataobj)


def medpy_scores(r, p):
    from medpy.metric import binary

    return [binary.hd95(p == 1, r == 1, SPACING), binary.assd(p == 1, r == 1, SPACING)]


def processor_s():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measured(work, files, including_files, queue):
    import surface_distance  # noqa: F401, not to be timed

    start = time.time(), processor_s()
    maps = [read(file) for file in files]
    if not including_files:
        start = time.time(), processor_s()
    found = work(*maps)
    queue.put((time.time() - start[0], processor_s() - start[1], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, found))


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
    return time.time() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 2**20, said


def compared(title, rounds, of_ours, of_theirs):
    rows = [(of_ours(), of_theirs()) for _ in range(rounds)]
    (our_s, our_cpu_s, our_gib), (their_s, their_cpu_s, their_gib) = (
        [statistics.median(row[side][i] for row in rows) for i in range(3)] for side in (0, 1)
    )
    ratios = [[row[1][i] / row[0][i] for row in rows] for i in (0, 1)]
    print(
        f"{title}: sagittal {our_s:.2f} s, {our_cpu_s:.2f} s of processor, {our_gib:.2f} GiB; "
        f"surface-distance {their_s:.2f} s, {their_cpu_s:.2f} s, {their_gib:.2f} GiB; "
        f"{statistics.median(ratios[0]):.1f} times sagittal's ({min(ratios[0]):.1f} to {max(ratios[0]):.1f}), "
        f"of processor {statistics.median(ratios[1]):.1f} ({min(ratios[1]):.1f} to {max(ratios[1]):.1f})",
        flush=True,
    )
    return rows[-1][0][3], rows[-1][1][3]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("programs")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--medpy", action="store_true")
    arguments = parser.parse_args()
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    print(f"Python {platform.python_version()}, {versions}; {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        apart(write, folder)
        for extension in ("nii", "nii.gz"):
            files = [f"{folder}/{name}.{extension}" for name in ("r", "p")]
            evaluate = [f"{arguments.programs}/sagittal", "evaluate", files[1], files[0], "--threads", "2"]
            compared(f"from .{extension}", arguments.rounds, lambda: ours(evaluate), lambda: theirs(surface_distance_scores, files, True))
        files = [f"{folder}/{name}.nii" for name in ("r", "p")]
        functions = [f"{arguments.programs}/examples/surface_speed", files[1], files[0], "1", "2", "3"]

        def alone():
            *_, gib, said = ours(functions)
            # Of three times the one that the machine disturbed least.
            seconds, processor = min(tuple(map(float, line.split(" s, ")[:2])) for line in said.splitlines())
            return seconds, processor, gib, said.splitlines()[0].split("HD95 ")[1]

        found = compared("functions alone", arguments.rounds, alone, lambda: theirs(surface_distance_scores, files, False))
        print("  HD95: sagittal", found[0], "surface-distance", found[1], flush=True)
        if arguments.medpy:
            seconds, processor, gib, scores = theirs(medpy_scores, files, False)
            print(f"MedPy, label 1: {seconds:.1f} s, {processor:.1f} s of processor, {gib:.2f} GiB, HD95 and average {scores}; "
                  f"three labels {3 * seconds / alone()[0]:.0f} times sagittal's functions", flush=True)


if __name__ == "__main__":
    main()
