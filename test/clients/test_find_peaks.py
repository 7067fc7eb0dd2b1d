"""find_peaks against scipy.ndimage: the same components, in the same order, at the same places."""

import numpy as np
import pytest
import scipy.ndimage

from segmaps import STRUCTURE, discs, find_peaks, noise, scipy_peaks


# ---------------------------------------------------------------- 200 maps

def checkerboard(height, width):
    return np.indices((height, width)).sum(0) % 2 == 0


def snake(height, width):
    segmap = np.zeros((height, width), bool)
    segmap[::2] = True
    segmap[1::4, -1] = True
    segmap[3::4, 0] = True
    return segmap


def comb(height, width, step=2, spine=-1):
    segmap = np.zeros((height, width), bool)
    segmap[:, ::step] = True
    segmap[spine] = True
    return segmap


def rings(height, width):
    y, x = np.indices((height, width))
    return np.minimum.reduce([y, x, height - 1 - y, width - 1 - x]) % 2 == 0


def spiral(size):
    """One pixel wide, one pixel of space between its turns, from the outside to the centre."""
    segmap = rings(size, size)
    for depth in range(0, size // 2 - 2, 2):
        segmap[depth + 1, depth] = False      # opens each ring at its first column ...
        segmap[depth + 2, depth + 1] = True   # ... and leads to the next one
    return segmap


def all_maps():
    random = np.random.default_rng(20240)
    maps = []
    for size in [(1, 1), (1, 2), (2, 1), (1, 63), (1, 64), (1, 65), (77, 1), (3, 128), (64, 64),
                 (31, 129), (352, 384), (512, 1024)]:
        maps += [np.zeros(size, bool), np.ones(size, bool), checkerboard(*size), rings(*size),
                 noise(random, *size, 0.5)]
    maps += [snake(33, 65), snake(512, 1024), comb(64, 64), comb(65, 130, 3, 0),
             comb(90, 91, 2, 45), spiral(9), spiral(65), spiral(400), snake(100, 7).T,
             comb(200, 33).T]
    maps += [np.zeros((1920, 1920), bool), np.ones((1920, 1920), bool), snake(1920, 1920),
             comb(1920, 1920), spiral(1920), rings(1920, 1920), noise(random, 1920, 1920, 0.002),
             noise(random, 1920, 1920, 0.41), discs(random, 1920, 1920, 50),
             discs(random, 1920, 1920, 300), discs(random, 1920, 1920, 5000)]
    while len(maps) < 200:
        height, width = random.integers(1, 150, 2)
        if len(maps) % 3 == 0:
            maps.append(discs(random, height + 9, width + 9, random.integers(1, 60)))
        else:
            maps.append(noise(random, height, width, random.uniform(0, 1)))
    return maps


MAPS = all_maps()


@pytest.mark.parametrize("first", range(0, 200, 20))
def test_peaks_are_those_of_scipy_in_the_same_order(first):
    assert len(MAPS) == 200
    for number, segmap in enumerate(MAPS[first:first + 20], first):
        # Big maps take one combination of the four, the others all.
        big = segmap.size > 100_000
        for connectivity in [(4, 8)[number % 2]] if big else [4, 8]:
            labels, centres, boxes = scipy_peaks(segmap, connectivity)
            for form in [("bytes", "bits")[number // 2 % 2]] if big else ["bytes", "bits"]:
                what = f"map {number}, {segmap.shape}, {connectivity} neighbours, {form}"
                peaks = find_peaks(segmap, connectivity=connectivity, form=form)
                assert len(peaks) == len(centres), what
                np.testing.assert_allclose(peaks["y"], centres[:, 0], rtol=0, atol=1e-9,
                                           err_msg=what)
                np.testing.assert_allclose(peaks["x"], centres[:, 1], rtol=0, atol=1e-9,
                                           err_msg=what)
                np.testing.assert_array_equal(peaks["npix"], np.bincount(labels.ravel())[1:],
                                              err_msg=what)
                for column, edge in enumerate(["y0", "x0", "y1", "x1"]):
                    np.testing.assert_array_equal(peaks[edge], boxes[:, column], err_msg=what)


def test_the_spiral_is_one_long_component():
    for connectivity in (4, 8):
        assert scipy.ndimage.label(spiral(400), STRUCTURE[connectivity])[1] == 1


# ---------------------------------------------------------------- padding

@pytest.mark.parametrize("connectivity", [4, 8])
@pytest.mark.parametrize("form", ["bytes", "bits"])
def test_padding_is_undone_as_by_shifting_scipys_positions(connectivity, form):
    random = np.random.default_rng(5)
    for top, left, below, right in [(0, 0, 10, 7), (12, 9, 12, 10), (1, 64, 0, 3), (30, 0, 0, 0)]:
        segmap = noise(random, 60 + top + below, 100 + left + right, 0.25)
        _, centres, _ = scipy_peaks(segmap, connectivity)
        centres = centres - [top, left]
        inside = ((centres >= -0.5) & (centres < [59.5, 99.5])).all(axis=1)
        assert 0 < inside.sum() < len(centres)
        peaks = find_peaks(segmap, np.zeros((60, 100)), connectivity, form, top, left)
        np.testing.assert_allclose(np.stack([peaks["y"], peaks["x"]], 1), centres[inside],
                                   rtol=0, atol=1e-9)
