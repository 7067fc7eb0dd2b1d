#!/usr/bin/env python3
"""Does a run on a GPU come to rest? Its memory, and the calls of CUDA's runtime that a steady state
must not make, counted in the whole process by libpnflow_cuda_calls.so. Needs a GPU.

    bench/gpu_steady.py                 engine none, 20,000 micro-batches
    bench/gpu_steady.py DIRECTORY       and PeakNet base for two minutes, with each engine; DIRECTORY
                                        is where scripts/export_peaknet.py has put its files

Memory is looked at once a second, the device's as nvidia-smi has it of GPU 0. What counts as steady
begins 8 seconds into the run of `none`, and --after seconds into the others, when the warm-up is
over. Exits with 1 when something was called or allocated, or memory grew, after that.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

from gpu import GRAPH, figures, network_settings, run_command, table
from harness import BINARIES, ROOT

# The host's allocator takes and gives back a little all the time.
NOISE_MIB = 8


@dataclasses.dataclass
class Sample:
    seconds: float
    host_mib: float
    device_mib: float


def memory_of(process: int) -> float:
    """Without pages of files: when a run ends, its libraries' code for that is read in, 100 MiB."""
    status = pathlib.Path(f"/proc/{process}/status").read_text()
    return sum(int(kib) for kib in re.findall(r"^Rss(?:Anon|Shmem):\s+(\d+) kB$", status, re.M)) / 1024


def memory_of_device() -> float:
    told = subprocess.run(["nvidia-smi", "--id=0", "--query-gpu=memory.used",
                           "--format=csv,noheader,nounits"], text=True, capture_output=True,
                          check=True)
    return float(told.stdout)


def sampled(process: subprocess.Popen) -> list[Sample]:
    """Until it ends."""
    samples, begin = [], time.monotonic()
    while process.poll() is None:
        sample = Sample(time.monotonic() - begin, memory_of(process.pid), memory_of_device())
        if process.poll() is None:
            samples.append(sample)
        time.sleep(1)
    return samples


def watched(name: str, after: float, settings: list[str]) -> tuple[list, bool, list[Sample]]:
    """A row of the table, whether the run was steady, and all that was seen."""
    with tempfile.TemporaryDirectory() as directory:
        report = pathlib.Path(directory) / "report.json"
        calls = pathlib.Path(directory) / "calls"
        with open(calls, "w") as to:
            process = subprocess.Popen(
                run_command(GRAPH, report, settings), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=to,
                env={**os.environ, "LD_PRELOAD": str(BINARIES / "libpnflow_cuda_calls.so"),
                     "PNFLOW_CUDA_CALLS_AFTER": str(after)})
            samples = sampled(process)
        said = calls.read_text()
        if process.returncode != 0:
            raise SystemExit(f"{name}: exit code {process.returncode}\n{said}")
        of = figures(json.loads(report.read_text()))
    late = {call: int(n) for call, n in re.findall(r"^(.+): \d+, after .+ s: (\d+)$", said, re.M)}
    if not late:
        raise SystemExit(f"{name}: the calls were not counted\n{said}")
    steady = [sample for sample in samples if sample.seconds > after]
    if len(steady) < 5:
        raise SystemExit(f"{name}: the run ended after {samples[-1].seconds:.0f} s, too early")
    host = [sample.host_mib for sample in steady]
    device = [sample.device_mib for sample in steady]
    made = sum(late.values())
    row = [name, int(of["micro-batches"]), int(of["last allocation at micro-batch"]),
           f"{steady[-1].seconds - steady[0].seconds:.0f} s", made,
           f"{host[0]:.0f} to {max(host):.0f}", f"{device[0]:.0f} to {max(device):.0f}"]
    calm = made == 0 and max(host) - host[0] < NOISE_MIB and max(device) == device[0]
    return row, calm, samples


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", nargs="?", type=lambda name: pathlib.Path(name).resolve())
    parser.add_argument("--seconds", type=float, default=120, help="of PeakNet (default 120)")
    parser.add_argument("--after", type=float, default=30,
                        help="seconds that PeakNet takes to warm up (default 30)")
    parser.add_argument("--json", type=pathlib.Path, help="file for memory over time")
    options = parser.parse_args()
    runs = [("none", 8, ["source.dtype=uint16", "source.count=160000"])]
    for engine, file, rate in (("torchscript", "peaknet_base.pt", 39),
                               ("aoti", "peaknet_base_cuda_bfloat16.pt2", 66),
                               ("peaknet", "peaknet_base_state.pt", 230)):
        if options.directory and (options.directory / file).exists():
            count = int(rate * (options.seconds + options.after))
            runs.append((f"{engine}, batch 8", options.after,
                         [*network_settings(engine, options.directory / file, 8),
                          f"source.count={count}", "q1.capacity=32", "window=40"]))
    rows, all_steady, seen = [], True, {}
    for run in runs:
        row, steady, samples = watched(*run)
        rows.append([*row, "yes" if steady else "no"])
        all_steady = all_steady and steady
        seen[run[0]] = [dataclasses.asdict(sample) for sample in samples]
    table(["run", "micro-batches", "last allocation at", "watched", "calls meanwhile",
           "host memory, MiB", "device memory, MiB", "steady"], rows)
    if options.json:
        options.json.write_text(json.dumps(seen, indent=1) + "\n")
    return 0 if all_steady else 1


if __name__ == "__main__":
    sys.exit(main())
