#!/usr/bin/env python3
"""Does a node alone show what it takes in a run? find_peaks of configs/measure.yaml in both ways,
in turn, so that other work on the machine meets both. Medians of all pairs, as a table in Markdown.

    bench/solo.py [--pairs N]           40 pairs: 4 minutes
"""

import argparse
import json
import statistics
import subprocess
import tempfile

from harness import PNFLOW, ROOT, pnflow_times, short

GRAPH = ROOT / "configs" / "measure.yaml"
NODE = "peaks"
MEASUREMENT = argparse.Namespace(min_time=0.05, repetitions=1)


def in_a_run() -> float:
    """Busy seconds of one message."""
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        subprocess.run([PNFLOW, "run", GRAPH, "--quiet", "--report", report.name, "--set",
                        f"{NODE}.workers=1", "--set", "source.count=400"], cwd=ROOT, check=True,
                       capture_output=True)
        nodes = json.load(report)["nodes"]
    [node] = [node for node in nodes if node["name"] == NODE]
    return node["busy_s"] / node["messages"]


def alone(cold: bool) -> float:
    [seconds] = pnflow_times(GRAPH, NODE, MEASUREMENT, cold=cold)["message"]
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=40, metavar="N", help="default %(default)s")
    triples = [(in_a_run(), alone(cold=True), alone(cold=False))
               for _ in range(parser.parse_args().pairs)]
    print("| | in a run | alone | alone / in a run, median of the pairs |\n|---|---|---|---|")
    for name, i in [("`--cold`: caches emptied before each message", 1), ("fed back to back", 2)]:
        print(f"| {name} | {short([t[0] for t in triples])} | {short([t[i] for t in triples])} "
              f"| {statistics.median(t[i] / t[0] for t in triples):.3f} |")


if __name__ == "__main__":
    main()
