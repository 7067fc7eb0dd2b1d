"""find_peaks against scipy.ndimage: the same components, in the same order, at the same places.

The program pnflow_segmap_peaks runs the node on one map and prints its peaks in full precision; it
is found through PNFLOW_SEGMAP_PEAKS, else beside pnflow.
"""

import os
import pathlib
import subprocess

import numpy as np
import pytest
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


# ---------------------------------------------------------------- padding and intensities

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


@pytest.fixture
def peak_properties(monkeypatch):
    monkeypatch.syspath_prepend(str(support.ROOT / "bench"))
    from peak_reference import peak_properties
    return peak_properties


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
