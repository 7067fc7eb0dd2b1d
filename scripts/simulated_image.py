"""The images that pnflow's sim_source makes, from NumPy alone: io/simulation.cpp in Python.

Event n of `shape: [H, W]` and `seed`, with sim_source's defaults otherwise, pixel by pixel.
"""

from __future__ import annotations

import math

import numpy as np

PEAKS = 60
AMPLITUDE = (200.0, 2000.0)  # ADU
SIGMA = 1.2  # pixels
BACKGROUND = 10.0  # ADU, mean of the Poisson background
NOISE = 2.0  # ADU, sigma of the read noise

ENTRIES = 65536  # of the table of background and noise: one for each value of 16 random bits
STEP = 0x9e3779b97f4a7c15
BITS = (1 << 64) - 1


def scattered(values: np.ndarray) -> np.ndarray:
    """The finaliser of splitmix64, of uint64."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xbf58476d1ce4e5b9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94d049bb133111eb)
    return values ^ (values >> np.uint64(31))


class Random:
    """Splitmix64 as a stream of its own for each (seed, stream)."""

    def __init__(self, seed: int, stream: int):
        first = scattered(np.array([seed ^ 0x706e666c6f77], np.uint64))[0]
        start = (int(first) + STEP * (stream + 1)) & BITS
        self.state = int(scattered(np.array([start], np.uint64))[0])

    def bits(self, count: int) -> np.ndarray:
        """The next `count` values, uint64."""
        steps = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(STEP)
        values = scattered(np.uint64(self.state) + steps)
        self.state = (self.state + STEP * count) & BITS
        return values

    def uniform(self, low: float, high: float) -> float:
        return low + (high - low) * (float(self.bits(1)[0] >> np.uint64(11)) * 2.0 ** -53)


def poisson_quantiles(mean: float) -> np.ndarray:
    values = np.empty(ENTRIES)
    count = max(0.0, math.floor(mean - 12 * math.sqrt(mean)))
    probability = math.exp(count * math.log(mean) - mean - math.lgamma(count + 1))
    cumulative = probability
    last = mean + 12 * math.sqrt(mean) + 20
    for i in range(ENTRIES):
        while cumulative < (i + 0.5) / ENTRIES and count < last:
            count += 1
            probability *= mean / count
            cumulative += probability
        values[i] = count
    return values


def noise_table(seed: int) -> np.ndarray:
    """65536 pixels of background and read noise, shuffled, uint16."""
    random = Random(seed, BITS - 1)
    values = poisson_quantiles(BACKGROUND)
    draws = random.bits(ENTRIES - 1)
    for i, draw in zip(range(ENTRIES - 1, 0, -1), draws.tolist()):
        j = draw % (i + 1)
        values[i], values[j] = values[j], values[i]
    u, v = ((random.bits(2 * ENTRIES) >> np.uint64(11)) * 2.0 ** -53).reshape(ENTRIES, 2).T
    values += NOISE * (np.sqrt(-2 * np.log(1 - u)) * np.cos(2 * math.pi * v))
    return to_pixels(values)


def to_pixels(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 65535).astype(np.uint16)


def place_peaks(random: Random, height: int, width: int) -> list[tuple[float, float, float]]:
    """(y, x, amplitude), each at least 8 sigma from the others."""
    def position(extent: int) -> float:
        margin = min(3 * SIGMA, (extent - 1) / 2)
        return random.uniform(margin, extent - 1 - margin)

    random.bits(1)  # the number of peaks, of which there is one choice
    peaks: list[tuple[float, float, float]] = []
    for _ in range(PEAKS):
        for _ in range(50):
            random.bits(1)  # the panel: there is one
            y, x = position(height), position(width)
            amplitude = float(np.float32(random.uniform(*AMPLITUDE)))
            if all(math.hypot(y - v, x - u) >= 8 * SIGMA for v, u, _ in peaks):
                peaks.append((y, x, amplitude))
                break
    return peaks


def simulated_image(height: int, width: int, event: int = 0, seed: int = 1) -> np.ndarray:
    """uint16 (height, width), in ADU."""
    random = Random(seed, event)
    peaks = place_peaks(random, height, width)
    quads = random.bits(-(-height * width // 4))
    indices = np.stack([(quads >> np.uint64(16 * i)) & np.uint64(ENTRIES - 1) for i in range(4)], 1)
    image = noise_table(seed)[indices.reshape(-1)[:height * width]].reshape(height, width)
    reach = math.ceil(5 * SIGMA)
    for y, x, amplitude in peaks:
        row, column = math.floor(y + 0.5), math.floor(x + 0.5)
        rows = np.arange(max(0, row - reach), min(height - 1, row + reach) + 1)
        columns = np.arange(max(0, column - reach), min(width - 1, column + reach) + 1)
        spot = image[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1]
        distance = (rows - y)[:, None] ** 2 + (columns - x) ** 2
        spot[:] = to_pixels(spot + amplitude * np.exp(-0.5 / SIGMA ** 2 * distance))
    return image
