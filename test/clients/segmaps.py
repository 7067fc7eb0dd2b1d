"""find_peaks on one map, what scipy.ndimage says of it, and maps to try them on.

The program pnflow_segmap_peaks runs the node on one map and prints its peaks in full precision; it
is found through PNFLOW_SEGMAP_PEAKS, else beside pnflow.
"""

import os
import pathlib
import subprocess

import numpy as np
import scipy.ndimage

import support

STRUCTURE = {4: scipy.ndimage.generate_binary_structure(2, 1), 8: np.ones((3, 3), int)}


def tool() -> pathlib.Path:
    beside = support.binary().resolve().parent / "pnflow_segmap_peaks"
    return pathlib.Path(os.environ.get("PNFLOW_SEGMAP_PEAKS", beside))


def find_peaks(segmap, image=None, connectivity=8, form="bytes", top=0, left=0, mask=None,
               **options):
    """Of a map (H, W), or of one for each panel (panels, H, W)."""
    maps = segmap.reshape(-1, *segmap.shape[-2:])
    images = np.zeros(maps.shape) if image is None else image.reshape(len(maps), *image.shape[-2:])
    arguments = [form, connectivity, *maps.shape[1:], top, left, *images.shape[1:],
                 f"panels={len(maps)}", *[f"{name}={value}" for name, value in options.items()]]
    given = maps.astype(np.uint8).tobytes() + images.astype(np.float32).tobytes()
    if mask is not None:
        arguments.append("mask")
        given += mask.astype(np.uint8).tobytes()
    done = subprocess.run([tool(), *map(str, arguments)], stdout=subprocess.PIPE, check=True,
                          input=given, timeout=support.TIMEOUT)
    names = ["panel", "y", "x", "npix", "total", "maximum", "background", "sigma", "snr",
             "y0", "x0", "y1", "x1"]
    return np.frombuffer(done.stdout, [(name, "f8") for name in names])


def scipy_peaks(segmap, connectivity):
    """Labels, centres (y, x) and boxes, in the order of scipy's labels."""
    labels, count = scipy.ndimage.label(segmap, STRUCTURE[connectivity])
    index = np.arange(1, count + 1)
    centres = scipy.ndimage.center_of_mass(segmap != 0, labels, index) if count else []
    boxes = [(y.start, x.start, y.stop - 1, x.stop - 1)
             for y, x in scipy.ndimage.find_objects(labels)]
    return labels, np.array(centres).reshape(count, 2), np.array(boxes).reshape(count, 4)


# ---------------------------------------------------------------- maps

def discs(random, height, width, count):
    """What a network gives: compact spots, some of which touch."""
    segmap = np.zeros((height, width), bool)
    y, x = np.mgrid[-4:5, -4:5]
    for _ in range(count):
        cy, cx = random.integers(4, height - 4), random.integers(4, width - 4)
        segmap[cy - 4:cy + 5, cx - 4:cx + 5] |= y * y + x * x <= random.uniform(0, 4) ** 2
    return segmap


def noise(random, height, width, density):
    return random.random((height, width)) < density
