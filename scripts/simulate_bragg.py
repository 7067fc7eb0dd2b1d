#!/usr/bin/env python3
"""Simulates events of a crystal in an X-ray laser, with the truth about their peaks, in the layout
of a file that `pnflow evaluate` and scripts/train_peaknet.py take.

    scripts/simulate_bragg.py events.h5 --events 8 --seed 3
    scripts/simulate_bragg.py other.h5 --cell 60 70 110 --distance 0.2 --background 1.0

Kinematic and monochromatic. Reflections of a randomly turned crystal lie where rays of the Ewald
sphere meet the detector, panels of a square about the beam; their intensities are drawn (Wilson's
distribution), and fall with the distance from the Ewald sphere and with resolution. A spot is an
elliptical Gaussian. Then Poisson noise, read noise, zingers, dead pixels. docs/model.md has the
rule by which a reflection is visible and a pixel belongs to it.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import pathlib
import sys

import h5py
import numpy as np
from scipy.spatial.transform import Rotation

PIXEL = 1e-4  # m
GAP = 12  # pixels between panels
BEAM_HOLE = 40  # pixels about the beam in which nothing is asked for
VISIBLE_SNR = 3.5
LEAST_PHOTONS = 3.0  # of a reflection that the truth lists
BOX = 13  # pixels a side in which a spot is drawn
PARTS = 5  # a pixel's samples a side
READ_NOISE = 0.25  # ADU
FIRST_STAMP = 1_800_000_000  # s
COLUMNS = {"frame": np.int32, "panel": np.int32, "fs": np.float64, "ss": np.float64,
           "kind": np.uint8, "visible": np.uint8, "photons": np.float64, "background": np.float64,
           "snr": np.float64}


@dataclasses.dataclass
class Detector:
    corners: np.ndarray  # of the panels, see panel_corners()
    bad: np.ndarray  # bool (C, H, W)
    variance: float  # of the read noise, photons^2


@dataclasses.dataclass
class Spot:
    panel: int
    x: float
    y: float
    photons: float


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("output", type=pathlib.Path)
    add("--events", type=int, default=8, help="(default 8)")
    add("--blanks", type=float, default=0.4, help="share without a crystal (default 0.4)")
    add("--shape", type=int, nargs=3, default=[16, 352, 384], metavar=("C", "H", "W"),
        help="panels, rows, columns (default 16 352 384)")
    add("--cell", type=float, nargs=3, default=[79.1, 79.1, 37.9], metavar=("A", "B", "C"),
        help="orthorhombic, angstrom (default 79.1 79.1 37.9)")
    add("--distance", type=float, default=0.12, help="m, of the detector (default 0.12)")
    add("--wavelength", type=float, default=1.305, help="angstrom (default 1.305)")
    add("--background", type=float, default=0.2, help="photons a pixel, typical (default 0.2)")
    add("--photons", type=float, default=500, help="of a strong reflection, typical (default 500)")
    add("--adu-per-photon", type=float, default=9.5, help="(default 9.5)")
    add("--seed", type=int, default=1, help="(default 1)")
    options = parser.parse_args(arguments)
    if options.events < 1 or min(options.shape) < 1:
        parser.error("there must be an event, a panel and a pixel at least")
    return options


# ---------------------------------------------------------------- the detector

def panel_corners(shape: list[int]) -> np.ndarray:
    """(C, 2): x and y of each panel's first pixel, in pixels from the beam."""
    panels, height, width = shape
    columns = math.ceil(math.sqrt(panels * height / width))
    rows = math.ceil(panels / columns)
    index = np.arange(panels)
    x = (index % columns - columns / 2) * (width + GAP) + GAP / 2
    y = (index // columns - rows / 2) * (height + GAP) + GAP / 2
    return np.stack([x, y], 1)


def detector_of(options: argparse.Namespace) -> Detector:
    bad = np.random.default_rng([options.seed]).random(options.shape) < 2e-4
    return Detector(panel_corners(options.shape), bad, (READ_NOISE / options.adu_per_photon) ** 2)


# ---------------------------------------------------------------- the crystal

def reflections(options: argparse.Namespace, corners: np.ndarray,
                random: np.random.Generator) -> list[Spot]:
    """Where they hit the panels, and their expected photons."""
    _, height, width = options.shape
    reach = np.abs(corners).max() + max(height, width)
    highest = 2 * math.sin(math.atan(reach * PIXEL / options.distance) / 2) / options.wavelength
    limits = [int(highest * edge) for edge in options.cell]
    grid = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in limits), indexing="ij"), -1)
    hkl = grid.reshape(-1, 3)
    hkl = hkl[np.any(hkl != 0, 1)]
    q = Rotation.random(random_state=random).apply(hkl / np.array(options.cell))  # 1/angstrom
    length = np.linalg.norm(q, axis=1)
    ray = q + [0, 0, 1 / options.wavelength]
    off_sphere = np.linalg.norm(ray, axis=1) - 1 / options.wavelength
    width_of_spot = 1 / random.uniform(900, 3800)  # 1/angstrom: crystals of 90 to 380 nm
    share = np.exp(-(off_sphere / width_of_spot) ** 2)
    near = (share > 1e-3) & (length < highest) & (ray[:, 2] > 0)
    falloff = np.exp(-0.5 * random.uniform(10, 30) * length ** 2)
    strength = options.photons * random.lognormal(0, 0.7)
    photons = strength * random.exponential(1, len(q)) * falloff * share
    x = ray[:, 0] / ray[:, 2] * options.distance / PIXEL
    y = ray[:, 1] / ray[:, 2] * options.distance / PIXEL
    wanted = near & (photons > 0.5) & (np.hypot(x, y) > BEAM_HOLE)
    spots = []
    for panel, (left, top) in enumerate(corners):
        here = wanted & (x >= left) & (x < left + width) & (y >= top) & (y < top + height)
        spots += [Spot(panel, x[i] - left, y[i] - top, photons[i]) for i in np.flatnonzero(here)]
    return spots


def drawn(spot: Spot, sigma: tuple[float, float], angle: float) -> tuple[np.ndarray, int, int]:
    """Its photons in a box, and the row and column of the box's first pixel."""
    row, column = round(spot.y) - BOX // 2, round(spot.x) - BOX // 2
    part = (np.arange(BOX * PARTS) + 0.5) / PARTS - 0.5
    dy, dx = (row + part - spot.y)[:, None], (column + part - spot.x)[None, :]
    along = math.cos(angle) * dx + math.sin(angle) * dy
    across = math.cos(angle) * dy - math.sin(angle) * dx
    light = np.exp(-((along / sigma[0]) ** 2 + (across / sigma[1]) ** 2) / 2)
    light = light.reshape(BOX, PARTS, BOX, PARTS).sum((1, 3))
    return spot.photons * light / light.sum(), row, column


# ---------------------------------------------------------------- an event

def background_of(options: argparse.Namespace, corners: np.ndarray,
                  random: np.random.Generator) -> np.ndarray:
    """Expected photons (C, H, W): small angles and a ring, as of a jet of water."""
    _, height, width = options.shape
    y = corners[:, 1, None, None] + np.arange(height)[:, None]
    x = corners[:, 0, None, None] + np.arange(width)
    radius = np.hypot(x, y) * PIXEL / options.distance
    ring = np.exp(-((radius - random.uniform(0.3, 0.5)) / 0.1) ** 2)
    shape = 0.4 + 0.5 * np.exp(-radius / 0.15) + ring
    return options.background * random.lognormal(0, 0.6) * shape


def event(options: argparse.Namespace, detector: Detector,
          number: int) -> tuple[np.ndarray, np.ndarray, bool, dict]:
    """Image (C, H, W) int16, label, whether there is a crystal, and rows of the truth."""
    random = np.random.default_rng([options.seed, number])
    background = background_of(options, detector.corners, random)
    has_crystal = bool(random.random() >= options.blanks)
    spots = reflections(options, detector.corners, random) if has_crystal else []
    long = random.uniform(0.42, 0.8)
    sigma, angle = (long, long * random.uniform(0.7, 1)), random.uniform(0, math.pi)
    light = np.zeros(options.shape)
    label = np.zeros(options.shape, np.uint8)
    rows: dict[str, list] = {name: [] for name in COLUMNS}
    for spot in sorted(spots, key=lambda one: one.photons):
        add_spot(spot, drawn(spot, sigma, angle), light, label, background, detector.variance, rows)
    rows["frame"] = [number] * len(rows["panel"])
    photons = random.poisson(background + light)
    adu = photons * options.adu_per_photon * random.normal(1, 0.008, photons.shape)
    adu += random.normal(0, READ_NOISE, photons.shape)
    zingers = random.random(photons.shape) < 2 / photons.size
    adu[zingers] += random.uniform(20, 300, int(zingers.sum()))
    adu[detector.bad] = 0
    label[detector.bad] = 255
    return np.rint(np.clip(adu, -32768, 32767)).astype(np.int16), label, has_crystal, rows


def add_spot(spot: Spot, drawing: tuple[np.ndarray, int, int], light: np.ndarray,
             label: np.ndarray, background: np.ndarray, variance: float,
             rows: dict[str, list]) -> None:
    """Its light, its label and its row. Weak spots come first, so that strong ones keep theirs."""
    box, top, left = drawing
    height, width = label.shape[1:]
    inside = (slice(max(-top, 0), min(height - top, BOX)),
              slice(max(-left, 0), min(width - left, BOX)))
    on_panel = (spot.panel, slice(max(top, 0), min(top + BOX, height)),
                slice(max(left, 0), min(left + BOX, width)))
    part, under = box[inside], background[on_panel]
    if not part.size:
        return
    light[on_panel] += part
    y, x = np.unravel_index(part.argmax(), part.shape)

    def about(reach: int) -> tuple[slice, slice]:
        return slice(max(y - reach, 0), y + reach + 1), slice(max(x - reach, 0), x + reach + 1)

    signal, expected = part[about(1)].sum(), under[about(1)].sum()
    snr = signal / math.sqrt(signal + expected + variance * part[about(1)].size)
    seven = about(3)
    photons = part[seven].sum()
    if photons < LEAST_PHOTONS or part.max() < 0.5:
        return
    least = np.maximum(np.sqrt(under[seven] + variance), max(0.02 * part.max(), 0.5))
    lit = part[seven] >= least
    visible = snr >= VISIBLE_SNR
    label[on_panel][seven][lit] = 1 if visible else 2
    weights = part[seven] / photons
    rows["panel"].append(spot.panel)
    first_row, first_column = on_panel[1].start + seven[0].start, on_panel[2].start + seven[1].start
    rows["fs"].append(first_column + (weights.sum(0) * np.arange(weights.shape[1])).sum())
    rows["ss"].append(first_row + (weights.sum(1) * np.arange(weights.shape[0])).sum())
    rows["kind"].append(0)
    rows["visible"].append(int(visible))
    rows["photons"].append(photons)
    rows["background"].append(under[y, x])
    rows["snr"].append(snr)


# ---------------------------------------------------------------- the file

def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    shape = (options.events, *options.shape)
    chunk = {"chunks": (1, *options.shape), "compression": "gzip", "compression_opts": 1,
             "shuffle": True}
    truth: dict[str, list] = {name: [] for name in COLUMNS}
    crystals = []
    detector = detector_of(options)
    with h5py.File(options.output, "w") as file:
        images = file.create_dataset("data/data", shape, np.int16, **chunk)
        labels = file.create_dataset("truth/label", shape, np.uint8, **chunk)
        for number in range(options.events):
            images[number], labels[number], has_crystal, rows = event(options, detector, number)
            crystals.append(has_crystal)
            for name, values in rows.items():
                truth[name] += values
        stamps = (FIRST_STAMP << 32) + np.arange(options.events) * (10 ** 9 // 120)
        file["data/timestamp"] = stamps.astype(np.uint64)
        file["data/wavelength"] = np.full(options.events, options.wavelength)
        file["truth/is_hit"] = np.array(crystals, np.uint8)
        for name, dtype in COLUMNS.items():
            file[f"truth/reflections/{name}"] = np.array(truth[name], dtype)
        file["mask"] = detector.bad.astype(np.uint8)
    print(f"{options.output}: {options.events} events, {sum(crystals)} with a crystal, "
          f"{sum(truth['visible'])} visible reflections")
    return 0


if __name__ == "__main__":
    sys.exit(main())
