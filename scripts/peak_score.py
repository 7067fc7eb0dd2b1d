"""Recall and precision of peaks against simulated reflections, for the training of a PeakNet.

In each event, pairs of a peak and an asked-for reflection of its panel, at most RADIUS pixels apart,
are taken nearest first, one to one. A peak that is left over is wrong, unless something too faint
to ask for, or a stray spot, is as near, and no reflection is. `pnflow evaluate` has the same rule.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import scipy.ndimage
from scipy.spatial import cKDTree

from bragg_panels import BraggEvents

RADIUS = 2.0
EIGHT_CONNECTED = np.ones((3, 3))
MOST_LIT = 0.03  # share of a map; an untrained network's has nothing to score


@dataclasses.dataclass
class Score:
    asked: int = 0
    matched: int = 0
    wrong: int = 0

    @property
    def recall(self) -> float:
        return self.matched / max(self.asked, 1)

    @property
    def precision(self) -> float:
        return self.matched / max(self.matched + self.wrong, 1)

    @property
    def f1(self) -> float:
        return 2 * self.matched / max(self.asked + self.matched + self.wrong, 1)


def peaks_of(lit: np.ndarray, min_pixels: int) -> np.ndarray:
    """(N, 2): x and y of the centres of the components of a map (H, W)."""
    labels, count = scipy.ndimage.label(lit, EIGHT_CONNECTED)
    y, x = np.nonzero(labels)
    component = labels[y, x] - 1
    pixels = np.bincount(component, minlength=count)
    centres = np.stack([np.bincount(component, axis, count) / np.maximum(pixels, 1)
                        for axis in (x, y)], 1)
    return centres[pixels >= min_pixels]


def pairs(peaks: np.ndarray, places: np.ndarray) -> list[tuple[int, int]]:
    """(peak, place) that are near, the nearest first."""
    if not len(peaks) or not len(places):
        return []
    near = cKDTree(peaks).sparse_distance_matrix(cKDTree(places), RADIUS, output_type="ndarray")
    return [(int(one["i"]), int(one["j"])) for one in np.sort(near, order=("v", "i", "j"))]


def score(maps: np.ndarray, numbers: np.ndarray, events: BraggEvents, min_pixels: int) -> Score:
    """Of maps (N, C, H, W), of which map k is of event numbers[k]."""
    total = Score()
    reflections = events.reflections
    for lit, number in zip(maps, numbers, strict=True):
        for panel in range(len(lit)):
            rows = reflections.on(number, panel)
            asked = rows[reflections.asked[rows]]
            other = np.setdiff1d(rows, asked)
            total.asked += len(asked)
            if lit[panel].mean() > MOST_LIT:
                continue
            peaks = peaks_of(lit[panel], min_pixels)
            free = np.ones(len(peaks), bool)
            found: set[int] = set()
            near = pairs(peaks, reflections.places(asked))
            for peak, place in near:
                if free[peak] and place not in found:
                    free[peak] = False
                    found.add(place)
            excused = {peak for peak, _ in pairs(peaks, reflections.places(other))}
            excused -= {peak for peak, _ in near}
            total.matched += len(found)
            total.wrong += sum(peak not in excused for peak in np.flatnonzero(free))
    return total
