#!/usr/bin/env python3
"""The Google Benchmark programs: what no graph shows of itself, the cost of a hop from one node to
the next, the peak finder of engine `threshold` by its window, and find_peaks from memory.

    .venv/bin/python bench/programs.py [--quick]

Writes section "programs" of the results.
"""

from __future__ import annotations

import json
import subprocess
import tempfile

import cv2
import numpy as np
import scipy.ndimage

import alternatives as python
import harness
from harness import BINARIES, python_times
from peak_reference import peak_properties


def repetitions(program: str, options, select: str = ".*") -> dict[str, list[dict]]:
    """Name of a benchmark that the expression fits -> its repetitions."""
    with tempfile.NamedTemporaryFile(suffix=".json") as found:
        subprocess.run([BINARIES / program, f"--benchmark_filter={select}",
                        f"--benchmark_min_time={options.min_time}",
                        f"--benchmark_repetitions={options.repetitions}",
                        f"--benchmark_out={found.name}", "--benchmark_out_format=json"],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        runs: dict[str, list[dict]] = {}
        for run in json.load(found)["benchmarks"]:
            if run["run_type"] == "iteration":
                runs.setdefault(run["name"].removesuffix("/real_time"), []).append(run)
    return runs


def seconds(run: dict) -> float:
    return run["real_time"] * {"ms": 1e-3, "us": 1e-6, "ns": 1e-9}[run["time_unit"]]


def hop(options):
    runs = repetitions("pnflow_hop_bench", options)

    def of_one(chain: str) -> list[float]:
        """The difference of two lengths, over the hops that one has more; items are hops."""
        def hops(run):
            return run["items_per_second"] * seconds(run)
        return [(seconds(long) - seconds(short)) / (hops(long) - hops(short))
                for short, long in zip(runs[f"{chain}/65"], runs[f"{chain}/257"])]

    yield {"name": "a hop", "pnflow": of_one("pnflow_chain"),
           "alternatives": {"bare oneTBB `function_node`s": of_one("tbb_chain")}}
    # One transform: two hops, and the hand-overs to and from threads of their own.
    yield {"name": "from source to sink through one transform",
           "pnflow": [2 / run["items_per_second"] for run in runs["pnflow_chain/1"]],
           "alternatives": {"bare oneTBB `function_node`s":
                            [2 / run["items_per_second"] for run in runs["tbb_chain/1"]]}}


def threshold(options):
    for name, runs in repetitions("pnflow_infer_threshold_bench", options).items():
        size = dict(part.split(":") for part in name.split("/")[1:])
        yield {"name": f"threshold, {size['height']}x{size['width']}, radius {size['radius']}",
               "pnflow": [seconds(run) for run in runs]}


def peak_maps(random, count: int, shape: tuple[int, int, int], peaks: int) -> np.ndarray:
    """As those of peaks_bench.cpp: five to nine pixels a peak, anywhere."""
    maps = np.zeros((count, *shape), np.uint8)
    panels, height, width = shape
    event = np.repeat(np.arange(count), peaks)
    panel = random.integers(panels, size=len(event))
    y, x = (random.integers(1, length - 1, len(event)) for length in (height, width))
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            there = (random.random(len(event)) < 0.5) | (dy == 0) | (dx == 0)
            maps[event[there], panel[there], y[there] + dy, x[there] + dx] = 1
    return maps


def numpy_properties(event) -> int:
    peak_properties(*event)
    return 1


def peaks(options):
    """Rotated through 1 GiB here; the alternatives take fewer maps in turn, but more than are in a
    cache. NumPy measures peaks whose labels it is given."""
    cv2.setNumThreads(1)
    random = np.random.default_rng(1)
    times: dict[str, dict[str, list[float]]] = {}
    for name, runs in repetitions("pnflow_peaks_bench", options).items():
        what, size = name.split("/", 1)
        times.setdefault(size, {})[what] = [seconds(run) for run in runs]
    for name, ours in times.items():
        size = {key: int(value) for key, value in (part.split(":") for part in name.split("/"))}
        shape = (size["panels"], size["height"], size["width"])
        maps = peak_maps(random, 2 if options.quick else 64, shape, size["peaks"])
        text = f"{'x'.join(map(str, shape))}, {size['peaks']} peaks"
        yield {"name": f"labels of uint8 {text}", "pnflow": ours["labels_bytes"], "alternatives": {
            "sum of the same maps": ours["sum"],
            "OpenCV connectedComponentsWithStats":
                python_times(python.opencv_peaks, list(maps), options),
            "scipy label, center_of_mass":
                python_times(python.scipy_peaks, list(maps[:4]), options)}}
        yield {"name": f"labels of bits {text}", "pnflow": ours["labels_bits"],
               "alternatives": {"the same of uint8": ours["labels_bytes"]}}
        whole = {"name": f"find_peaks, properties included, {text}", "pnflow": ours["node_bytes"],
                 "alternatives": {"labels alone": ours["labels_bytes"]}}
        if size["peaks"] > 0:
            images = random.integers(980, 1020, maps[:16].shape, np.uint16) + 100 * maps[:16]
            events = list(zip(images.astype(np.uint16), map(labels_of, maps)))
            whole["alternatives"]["NumPy, properties alone"] = python_times(
                numpy_properties, events, options)
        yield whole


def labels_of(event: np.ndarray) -> np.ndarray:
    labels, before = np.zeros(event.shape, np.int32), 0
    for panel, lit in zip(labels, event):
        panel[:], count = scipy.ndimage.label(lit, np.ones((3, 3)))
        panel[lit != 0] += before
        before += count
    return labels


def main():
    options = harness.arguments(__doc__)
    rows = []
    for program in [hop, threshold, peaks]:
        for row in program(options):
            print(f"{row['name']}: {harness.short(row['pnflow'])}", flush=True)
            rows.append(row)
    harness.store("programs", rows, options)


if __name__ == "__main__":
    main()
