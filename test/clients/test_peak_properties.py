"""What find_peaks measures of each peak, and how it splits merged spots, against NumPy and against
docs/peaks.md word by word."""

import numpy as np
import pytest
import scipy.ndimage

import support
from segmaps import STRUCTURE, discs, find_peaks, noise, scipy_peaks


@pytest.fixture
def peak_properties(monkeypatch):
    monkeypatch.syspath_prepend(str(support.ROOT / "bench"))
    from peak_reference import peak_properties
    return peak_properties


# ---------------------------------------------------------------- intensities

def test_intensities_follow_their_definition():
    """The formulas of docs/peaks.md one peak at a time, on the labels of scipy."""
    random = np.random.default_rng(6)
    radius = 5  # the node's default
    segmap = discs(random, 120, 150, 40)
    image = random.normal(100, 3, segmap.shape).astype(np.float32)
    image[segmap] += random.uniform(50, 500, segmap.sum()).astype(np.float32)
    image[random.random(segmap.shape) < 0.01] = np.nan
    labels, _, boxes = scipy_peaks(segmap, 8)
    peaks = find_peaks(segmap, image)
    assert len(peaks) == len(boxes) > 10
    for label, (peak, (y0, x0, y1, x1)) in enumerate(zip(peaks, boxes), 1):
        ring = np.zeros(segmap.shape, bool)
        ring[max(y0 - radius, 0):y1 + radius + 1, max(x0 - radius, 0):x1 + radius + 1] = True
        ring[y0:y1 + 1, x0:x1 + 1] = False
        around = image[ring & ~segmap & np.isfinite(image)].astype(float)
        mine = image[(labels == label) & np.isfinite(image)].astype(float)
        total = (mine - around.mean()).sum()
        assert peak["background"] == pytest.approx(around.mean(), rel=1e-6)
        assert peak["sigma"] == pytest.approx(around.std(), rel=1e-5)
        assert peak["maximum"] == mine.max()
        assert peak["total"] == pytest.approx(total, rel=1e-6)
        assert peak["snr"] == pytest.approx(total / (around.std() * np.sqrt(mine.size)), rel=1e-5)


def panel_labels(segmap, connectivity=8):
    """scipy's labels of each panel, counted on from one panel to the next."""
    labels, before = np.zeros(segmap.shape, int), 0
    for panel, lit in zip(labels, segmap):
        panel[:], count = scipy.ndimage.label(lit, STRUCTURE[connectivity])
        panel[lit] += before
        before += count
    return labels


def assert_same(peaks, wanted):
    assert len(peaks) == len(wanted["npix"])
    for name in ["panel", "npix", "maximum"]:
        np.testing.assert_array_equal(peaks[name], wanted[name], err_msg=name)
    np.testing.assert_array_equal(np.stack([peaks[n] for n in ["y0", "x0", "y1", "x1"]], 1),
                                  wanted["box"])
    for name in ["y", "x"]:
        np.testing.assert_allclose(peaks[name], wanted[name], rtol=0, atol=1e-9, err_msg=name)
    for name in ["background", "sigma", "total", "snr"]:
        np.testing.assert_allclose(peaks[name], wanted[name], rtol=2e-5, atol=2e-4, err_msg=name)


SCENES = [  # panels, height, width, share of bad pixels, radius, spots a panel
    (1, 120, 150, 0.0, 5, 40), (3, 90, 131, 0.05, 5, 60), (16, 33, 65, 0.3, 2, 8),
    (2, 64, 64, 0.02, 9, 100), (1, 20, 300, 0.0, 1, 30), (2, 17, 9, 0.1, 100, 2)]


@pytest.mark.parametrize("scene", SCENES, ids=str)
def test_properties_are_those_of_numpy(scene, peak_properties):
    """In the interior, at edges and corners, in several panels, under a mask."""
    panels, height, width, bad_share, radius, spots = scene
    random = np.random.default_rng(sum(scene[:3]))
    segmap = np.stack([discs(random, height, width, spots) for _ in range(panels)])
    segmap |= noise(random, *segmap.shape[1:], 0.01)
    segmap[0, 0, :3] = segmap[-1, -1, -1] = True
    image = random.normal(1000, 7, segmap.shape).astype(np.float32)
    image[segmap] += random.uniform(-20, 500, segmap.sum()).astype(np.float32)
    for value in (np.nan, np.inf, -np.inf):
        image[random.random(segmap.shape) < bad_share / 10] = value
    mask = random.random(segmap.shape) < bad_share
    mask[-1, -1, :] = bad_share > 0
    labels = panel_labels(segmap)
    for form, position in [("bytes", "center_of_mass"), ("bits", "intensity")]:
        wanted = peak_properties(image, labels, mask, radius)
        if position == "intensity":
            for axis in "yx":
                weighted = wanted[f"weighted_{axis}"]
                wanted[axis] = np.where(np.isfinite(weighted), weighted, wanted[axis])
        peaks = find_peaks(segmap, image, form=form, mask=mask, radius=radius, position=position)
        assert_same(peaks, wanted)


# ---------------------------------------------------------------- merged spots

def split_component(pixels, values, usable, connectivity, background, sigma, depth):
    """docs/peaks.md word by word: the parts, as lists of pixels, of a component given in raster
    order."""
    order = sorted(range(len(pixels)), key=lambda i: (not usable[i], -values[i] * usable[i], i))
    parts, part_of, taken = [], {}, {}
    for i in order:
        y, x = pixels[i]
        near = [(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)
                if (dy or dx) and (connectivity == 8 or not (dy and dx))]
        near = sorted((n for n in near if n in taken), key=taken.get)
        taken[y, x] = len(taken)
        if not near:
            parts.append([(y, x)])
            part_of[y, x] = len(parts) - 1
            continue
        home, touched = part_of[near[0]], sorted({part_of[n] for n in near})
        for other in touched[1:]:
            maximum = values[pixels.index(parts[other][0])]
            fall = maximum - values[i]
            if usable[i] and fall > 0 and fall >= depth * (maximum - background) \
                    and fall >= 3 * sigma:
                continue
            parts[touched[0]] += parts[other]
            for pixel in parts[other]:
                part_of[pixel] = touched[0]
            parts[other] = []
            home = touched[0]
        parts[home].append((y, x))
        part_of[y, x] = home
    return sorted(sorted(part) for part in parts if part)


@pytest.mark.parametrize("connectivity", [4, 8])
@pytest.mark.parametrize("depth", [0, 0.3, 0.5, 1])
def test_merged_spots_are_split_as_documented(connectivity, depth, peak_properties):
    random = np.random.default_rng(17)
    image = random.normal(10, 1, (2, 97, 130))
    for panel, y, x in zip(random.integers(2, size=150), random.uniform(0, 97, 150),
                           random.uniform(0, 130, 150)):
        rows, columns = np.indices(image.shape[1:])
        image[panel] += random.uniform(30, 300) * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 3)
    image = np.rint(image).astype(np.float32)  # so that some are equal
    segmap = image > 16
    image[0, 30:40, 20] = np.nan
    mask = random.random(image.shape) < 0.01
    usable = np.isfinite(image) & ~mask

    labels = panel_labels(segmap, connectivity)
    whole = peak_properties(image, labels, mask)
    split, count = np.zeros_like(labels), 0
    for label, background, sigma in zip(range(1, labels.max() + 1), whole["background"],
                                        whole["sigma"]):
        panel, *_ = np.argwhere(labels == label)[0]
        pixels = [tuple(pixel) for pixel in np.argwhere(labels[panel] == label).tolist()]
        at = tuple(np.array(pixels).T)
        for part in split_component(pixels, np.where(usable, image, 0)[panel][at].astype(float),
                                    usable[panel][at], connectivity, background, sigma, depth):
            count += 1
            split[panel][tuple(np.array(part).T)] = count
    peaks = find_peaks(segmap, image, connectivity, mask=mask, split=depth)
    assert count > labels.max() + 5 or depth == 1
    assert_same(peaks, peak_properties(image, split, mask))
