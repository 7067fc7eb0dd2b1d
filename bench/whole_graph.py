#!/usr/bin/env python3
"""The whole graph without a GPU: recorded messages, decode, engine none, find_peaks,
CXI files, of ePix10k2M events (uint16, 16x352x384). Events per second, and what each node had to do.

    .venv/bin/python bench/whole_graph.py [--quick] [--directory DIRECTORY]

Messages come from the page cache; the files go to DIRECTORY, the system's for temporary files
without asking. PNFLOW_BINARY: another pnflow to measure, such as an older one.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile

import zmq

from harness import PNFLOW

SHAPE = "16x352x384"
EVENTS_PER_MESSAGE = 4
# Of the pixels in the messages, and in the files.
COMPRESSIONS = [("none", "none"), ("bitshuffle_lz4", "none"), ("bitshuffle_lz4", "gzip:1")]


def simulated_messages(directory: pathlib.Path, compression: str, count: int) -> pathlib.Path:
    """The pattern of their files."""
    directory.mkdir()
    with zmq.Context() as context, context.socket(zmq.PULL) as socket:
        socket.rcvtimeo = 60_000
        socket.bind("tcp://127.0.0.1:*")
        sender = subprocess.Popen(
            [PNFLOW, "push", "--connect", socket.getsockopt_string(zmq.LAST_ENDPOINT), "--sim",
             "--count", str(EVENTS_PER_MESSAGE * count), "--shape", SHAPE, "--events-per-message",
             str(EVENTS_PER_MESSAGE), "--compression", compression], stderr=subprocess.DEVNULL)
        for number in range(count):
            (directory / f"{number:04}.bin").write_bytes(socket.recv())
        assert socket.recv() == b"" and sender.wait(60) == 0
    return directory / "*.bin"


def run(files: pathlib.Path, loops: int, compression: str, directory: pathlib.Path) -> dict:
    """The report of one run; nothing is left of its files."""
    with tempfile.TemporaryDirectory(dir=directory) as out:
        report = pathlib.Path(out, "report.json")
        graph = pathlib.Path(out, "graph.yaml")
        graph.write_text(json.dumps({
            "pnflow": 1, "name": "whole-graph", "window": 16,
            "nodes": {
                "source": {"type": "file_source", "files": [str(files)], "loop": loops},
                "decode": {"type": "decode", "workers": 2},
                "q1": {"type": "limiter", "capacity": 8},
                "infer": {"type": "infer", "engine": "none"},
                "q2": {"type": "limiter", "capacity": 8},
                "peaks": {"type": "find_peaks", "min_num_peak": 0, "workers": 2},
                "cxi": {"type": "cxi_writer", "directory": f"{out}/cxi", "events_per_file": 100,
                        "workers": 2, "compression": compression}},
            "edges": ["source -> decode -> q1 -> infer -> q2 -> peaks -> cxi"]}))
        subprocess.run([PNFLOW, "run", graph, "--quiet", "--report", report], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return json.loads(report.read_text())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="short: shows that all of it runs")
    parser.add_argument("--directory", type=pathlib.Path, help="where the CXI files go")
    options = parser.parse_args()
    count, loops, repetitions = (2, 1, 1) if options.quick else (24, 6, 3)
    print("| messages | files | events/s | GB/s of pixels | CPU-ms an event, of each node |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(dir=options.directory) as work:
        for number, (arriving, leaving) in enumerate(COMPRESSIONS):
            files = simulated_messages(pathlib.Path(work, str(number)), arriving, count)
            reports = [run(files, loops, leaving, options.directory) for _ in range(repetitions)]
            for report in reports:
                assert report["events"]["delivered"] == loops * count * EVENTS_PER_MESSAGE, report
            seconds = [report["wall_s"] / report["events"]["delivered"] for report in reports]
            typical = reports[seconds.index(statistics.median_low(seconds))]
            nodes = {node["name"]: node for node in typical["nodes"]}
            nodes["cxi write"] = nodes["cxi"]["write"]
            events = typical["events"]["delivered"]
            busy = ", ".join(f"{name} {1e3 * node['busy_s'] / events:.2f}"
                             for name, node in nodes.items() if node["busy_s"] > 0)
            rate = 1 / statistics.median(seconds)
            print(f"| {arriving} | {leaving} | {rate:.0f} | {rate * 16 * 352 * 384 * 2e-9:.2f} "
                  f"| {busy} |", flush=True)


if __name__ == "__main__":
    main()
