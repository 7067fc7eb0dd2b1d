#!/usr/bin/env python3
"""The Google Benchmark programs: what no graph shows of itself, the cost of a hop from one node to
the next, and the peak finder of engine `threshold` by its window.

    .venv/bin/python bench/programs.py [--quick]

Writes section "programs" of the results.
"""

from __future__ import annotations

import json
import subprocess
import tempfile

import harness
from harness import BINARIES


def repetitions(program: str, options) -> dict[str, list[dict]]:
    """Name of a benchmark -> its repetitions."""
    with tempfile.NamedTemporaryFile(suffix=".json") as found:
        subprocess.run([BINARIES / program, f"--benchmark_min_time={options.min_time}",
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


def main():
    options = harness.arguments(__doc__)
    rows = []
    for program in [hop, threshold]:
        for row in program(options):
            print(f"{row['name']}: {harness.short(row['pnflow'])}", flush=True)
            rows.append(row)
    harness.store("programs", rows, options)


if __name__ == "__main__":
    main()
