"""Pictures of `pnflow inspect --png` as OpenCV reads them: pixels, and the circles among them."""

from __future__ import annotations

import cv2
import numpy as np

from inspection import inspect

CIRCLE, MASKED, NOT_FINITE = (255, 70, 50), (165, 90, 30), (255, 0, 255)
GAP = 2


def picture(path, *arguments, event=0, status=0):
    """The RGB pixels, and what pnflow says of them."""
    png = path.with_suffix(".png")
    document = inspect(path, "--event", event, "--png", png, *arguments, status=status)
    pixels = cv2.imread(str(png), cv2.IMREAD_UNCHANGED)
    assert pixels.dtype == np.uint8 and pixels.shape[2] == 3
    pixels = pixels[:, :, ::-1]
    assert pixels.shape[:2] == (document["picture"]["height"], document["picture"]["width"])
    return pixels, document


def brightness(pixels):
    return pixels @ np.array([0.299, 0.587, 0.114])


def pixels_of(pixels, colour):
    return (pixels == colour).all(axis=-1)


def shrunk(pixels, scale):
    """One pixel for each of the data's, which must be of one colour."""
    height, width = pixels.shape[0] // scale, pixels.shape[1] // scale
    blocks = pixels.reshape(height, scale, width, scale, 3)
    assert (blocks == blocks[:, :1, :, :1]).all()
    return blocks[:, 0, :, 0]


# ---------------------------------------------------------------- peaks

def circles(pixels):
    """Centres (x, y) of the circles that touch no other, and the mask of all."""
    found = pixels_of(pixels, CIRCLE).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(found, connectivity=8)
    centres = []
    for label in range(1, count):
        left, top, width, height = stats[label, :4]
        x, y = left + (width - 1) / 2, top + (height - 1) / 2
        rows, columns = np.nonzero(labels == label)
        away = np.hypot(columns - x, rows - y)
        # Of two that touch, no pixel would keep its distance.
        if away.max() - away.min() < 3 and away.min() > 4:
            centres.append((x, y))
    return np.array(centres).reshape(-1, 2), found.astype(bool)


def distances(points, others):
    """Of each point from the nearest of the others."""
    return np.linalg.norm(points[:, None] - others[None], axis=2).min(axis=1)


def check_circles(pixels, truth, scale, least):
    """Free circles are centred on true spots (x, y in pixels of the picture), within two pixels of
    the data, and there is one around every spot."""
    centres, drawn = circles(pixels)
    assert len(centres) >= least
    assert distances(centres, truth).max() < 2 * scale
    for x, y in truth:
        # Somewhere between the spot and its neighbourhood, a ring is nearly closed.
        angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
        best = 0
        for radius in np.arange(4, 14) * scale:
            hit = 0
            for dx, dy in zip(radius * np.cos(angle), radius * np.sin(angle)):
                row, column = round(y + dy), round(x + dx)
                if not (0 <= row < drawn.shape[0] and 0 <= column < drawn.shape[1]):
                    hit += 1
                    continue
                around = drawn[max(0, row - 2 * scale):row + 2 * scale + 1,
                               max(0, column - 2 * scale):column + 2 * scale + 1]
                hit += around.any()
            best = max(best, hit / len(angle))
        assert best > 0.9, (x, y)
        # The circle leaves its own spot free.
        row, column = round(y), round(x)
        own = pixels[max(0, row - scale):row + scale + 1, max(0, column - scale):column + scale + 1]
        assert not pixels_of(own, CIRCLE).all(axis=1).any()


def near(truth, found, scale):
    """The true spots that were found, which are most of them."""
    seen = distances(truth, found) < 2 * scale
    assert seen.mean() > 0.8
    return truth[seen]
