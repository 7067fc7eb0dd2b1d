"""The properties of docs/peaks.md in NumPy, all peaks at once: what find_peaks is timed beside and
checked against."""

from __future__ import annotations

import numpy as np


def peak_properties(image, labels, mask=None, radius=5) -> dict[str, np.ndarray]:
    """`image`, `labels` and `mask` are (panels, H, W); labels count from 1 through all panels, in
    raster order (0: no component). A column for each property, an entry for each label; a box is
    y0, x0, y1, x1."""
    panels, height, width = image.shape
    flat, flat_labels = image.reshape(-1), labels.reshape(-1)

    def usable(pixels):
        good = np.isfinite(flat[pixels])
        return good if mask is None else good & (mask.reshape(-1)[pixels] == 0)

    # The components' pixels, sorted by label; each label has one at least.
    at = np.flatnonzero(flat_labels)
    at = at[np.argsort(flat_labels[at], kind="stable")]
    label = flat_labels[at] - 1
    npix = np.bincount(label)
    count = len(npix)
    if count == 0:
        return {name: np.zeros((0, 4) if name == "box" else 0)
                for name in ["panel", "y", "x", "npix", "box", "total", "maximum", "background",
                             "sigma", "snr", "weighted_y", "weighted_x"]}
    first = np.concatenate([[0], np.cumsum(npix)[:-1]])
    row, x = np.divmod(at, width)
    panel, y = row[first] // height, row % height
    box = np.stack([np.minimum.reduceat(y, first), np.minimum.reduceat(x, first),
                    np.maximum.reduceat(y, first), np.maximum.reduceat(x, first)], 1)

    # The pixels of all boxes with `radius` around them, one box after the other.
    y0, x0 = np.maximum(box[:, 0] - radius, 0), np.maximum(box[:, 1] - radius, 0)
    rows = np.minimum(box[:, 2] + radius, height - 1) - y0 + 1
    columns = np.minimum(box[:, 3] + radius, width - 1) - x0 + 1
    area = rows * columns
    peak = np.repeat(np.arange(count), area)
    within = np.arange(len(peak)) - np.repeat(np.cumsum(area) - area, area)
    dy, dx = np.divmod(within, columns[peak])
    ay, ax = dy + y0[peak], dx + x0[peak]
    around = (panel[peak] * height + ay) * width + ax
    near = ((ay >= box[peak, 0]) & (ay <= box[peak, 2])
            & (ax >= box[peak, 1]) & (ax <= box[peak, 3]))
    keep = (flat_labels[around] == 0) & ~near & usable(around)
    peak, value = peak[keep], flat[around[keep]].astype(float)
    pixels = np.bincount(peak, minlength=count)
    with np.errstate(invalid="ignore"):
        background = np.bincount(peak, value, count) / pixels
        sigma = np.sqrt(np.bincount(peak, (value - background[peak]) ** 2, count) / pixels)
    for number in np.unique(panel[pixels == 0]):
        part = slice(number * height * width, (number + 1) * height * width)
        rest = flat[part][usable(part) & (flat_labels[part] == 0)].astype(float)
        lone = (pixels == 0) & (panel == number)
        background[lone], sigma[lone] = (rest.mean(), rest.std()) if rest.size else (0, 0)

    good = usable(at)
    value = np.where(good, flat[at], 0).astype(float)
    above = (value - background[label]) * good
    n = np.bincount(label, good)
    total = np.bincount(label, above)
    maximum = np.maximum.reduceat(np.where(good, value, -np.inf), first)
    noise = sigma * np.sqrt(n)
    weight = np.maximum(above, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return {"panel": panel, "y": np.bincount(label, y) / npix, "x": np.bincount(label, x) / npix,
                "npix": npix, "box": box, "total": total, "maximum": np.where(n > 0, maximum, 0),
                "background": background, "sigma": sigma,
                "snr": np.where(noise > 0, total / noise, 0),
                "weighted_y": np.bincount(label, weight * y) / np.bincount(label, weight),
                "weighted_x": np.bincount(label, weight * x) / np.bincount(label, weight)}
