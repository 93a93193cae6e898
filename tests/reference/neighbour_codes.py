"""Finds the triangles and volumes of `crates/sagittal-metrics/src/neighbour_codes.rs`.

    pip install numpy scipy surface-distance==0.1
    python tests/reference/neighbour_codes.py

For each of the 256 codes all surfaces through the middles of the cut edges are made (both ways to resolve each ambiguous face, all ways
to triangulate each polygon); printed is one whose areas are those of surface-distance for every spacing, and the volume it encloses.
"""

import itertools

import numpy as np
from surface_distance import lookup_tables

LETTERS = {(1, 1, 1): "c", (2, 2, 2): "h", (3, 3, 3): "d", (4, 0, 0): "Z", (0, 4, 0): "Y", (0, 0, 4): "X", (0, 2, 2): "z", (2, 0, 2): "y", (2, 2, 0): "x"}
CORNERS = list(itertools.product((0, 1), repeat=3))
EDGES = [(a, b) for a in CORNERS for b in CORNERS if a < b and np.abs(np.subtract(a, b)).sum() == 1]
MIDDLE = {edge: np.mean(edge, axis=0) for edge in EDGES}


def face(axis, side):
    return [tuple(np.insert(c, axis, side)) for c in ((0, 0), (0, 1), (1, 1), (1, 0))]


FACES = [[tuple(int(v) for v in c) for c in face(axis, side)] for axis in range(3) for side in (0, 1)]


def edge(a, b):
    return (min(a, b), max(a, b))


def segments(inside, choices):
    choices = iter(choices)
    for f in FACES:
        cut = [edge(f[i], f[i - 3]) for i in range(4) if inside[f[i]] != inside[f[i - 3]]]
        if len(cut) == 2:
            yield tuple(cut)
        elif len(cut) == 4:
            apart = next(choices)
            yield from ((cut[i - 1], cut[i]) for i in range(4) if inside[f[i]] == apart)


def polygons(segments):
    next_to = {}
    for a, b in segments:
        next_to.setdefault(a, []).append(b)
        next_to.setdefault(b, []).append(a)
    while next_to:
        polygon = [min(next_to)]
        while True:
            onward = [e for e in next_to.pop(polygon[-1]) if e in next_to]
            if not onward:
                break
            polygon.append(onward[0])
        yield polygon


def triangulations(polygon):
    if len(polygon) < 3:
        yield []
        return
    for k in range(1, len(polygon) - 1):
        for left in triangulations(polygon[: k + 1]):
            for right in triangulations(polygon[k:]):
                yield left + [(polygon[0], polygon[k], polygon[-1])] + right


def normal(triangle):
    a, b, c = (MIDDLE[e] for e in triangle)
    return tuple(int(v) for v in np.abs(np.cross(b - a, c - a) / 2) * 8)


def volume(inside, choices, polygons_, triangles):
    """By the divergence theorem about the cube's middle."""
    choices, total = iter(choices), 0.0
    for f in FACES:
        n = sum(inside[c] for c in f)
        area = (0.25 if next(choices) else 0.75) if n == 2 and inside[f[0]] == inside[f[2]] else (0, 1 / 8, 1 / 2, 7 / 8, 1)[n]
        total += area / 6
    for polygon, part in zip(polygons_, triangles):
        signed = sum(np.linalg.det([MIDDLE[e] - 0.5 for e in t]) / 6 for t in part)
        a, b = polygon[:2]
        f = next(f for f in FACES if all(set(e) <= set(f) for e in (a, b)))
        corner = next(c for c in f if inside[c] and (c in a or c in b))
        outward = np.mean(f, axis=0) - 0.5
        turn = np.dot(np.cross(MIDDLE[b] - MIDDLE[a], corner - MIDDLE[a]), outward)
        total += -signed if turn > 0 else signed
    return total


def find(code):
    inside = {c: bool(code & 128 >> (4 * c[0] + 2 * c[1] + c[2])) for c in CORNERS}
    wanted = sorted(tuple(int(abs(v) * 8) for v in n) for n in lookup_tables._NEIGHBOUR_CODE_TO_NORMALS[code] if any(n))
    n_ambiguous = sum(all(inside[f[i]] != inside[f[i - 1]] for i in range(4)) for f in FACES)
    volumes = []
    for choices in itertools.product((False, True), repeat=n_ambiguous):
        loops = list(polygons(segments(inside, choices)))
        for triangles in itertools.product(*map(list, map(triangulations, loops))):
            if sorted(normal(t) for part in triangles for t in part) == wanted:
                volumes.append(round(48 * volume(inside, choices, loops, triangles)))
    return "".join(sorted(LETTERS[n] for n in wanted)), min(volumes)


found = [find(code) for code in range(128)]
for i in range(0, 128, 16):
    print(" ".join(f'"{letters}",' for letters, _ in found[i : i + 16]))
for i in range(0, 128, 32):
    print(" ".join(f"{n}," for _, n in found[i : i + 32]))
