"""What the scripts of bench/ share: running pnflow, timing Python, and the file of results.

Results are in build/bench/results.json, a section for each script. A measurement is a list of
seconds, one for each repetition; its median counts, and the list says how far it can be trusted.
"""

from __future__ import annotations

import argparse
import datetime
import itertools
import json
import os
import pathlib
import platform
import shlex
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
# The pnflow to measure, and its build's benchmark programs beside it.
PNFLOW = pathlib.Path(os.environ.get("PNFLOW_BINARY",
                                     ROOT / "build" / "default" / "bin" / "pnflow")).resolve()
BINARIES = PNFLOW.parent
DATA = ROOT / "test" / "data" / "lclstreamer"
RESULTS = ROOT / "build" / "bench" / "results.json"


class NotMeasured(Exception):
    """pnflow could not measure it; the text says why."""


def arguments(description: str, selects: bool = False,
              directory: bool = False) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="short: shows that all of it runs")
    parser.set_defaults(only="")
    if selects:
        parser.add_argument("--only", metavar="NAME", help="what has this in its name; is printed, "
                            "and leaves the results alone")
    if directory:
        parser.add_argument("--directory", metavar="DIR", type=pathlib.Path, default=None,
                            help="on the disk to write to (default: the temporary one)")
    found = parser.parse_args()
    found.min_time, found.repetitions = (0.02, 2) if found.quick else (0.5, 5)
    return found


# ---------------------------------------------------------------- measuring

def pnflow_times(graph, node: str, options: argparse.Namespace, *, settings=(), push=None,
                 workers: int = 1, cold: bool = False) -> dict:
    """One node alone: {"message": [seconds], "event": [seconds]}; "event" is empty for a source of
    messages that are not decoded."""
    with tempfile.NamedTemporaryFile(suffix=".json") as found:
        command = [PNFLOW, "bench", graph, "--node", node, "--workers", workers, "--min-time",
                   options.min_time, "--repetitions", options.repetitions, "--json", found.name,
                   *itertools.chain.from_iterable(("--set", value) for value in settings)]
        if push:
            command += ["--push", push]
        if cold:
            command.append("--cold")
        done = subprocess.run(list(map(str, command)), cwd=ROOT, text=True, capture_output=True)
        if done.returncode != 0:
            raise NotMeasured(f"{shlex.join(map(str, command))}: {done.stderr.strip()[-300:]}")
        runs = json.load(found)["benchmarks"]
    runs = [run for run in runs if run["run_type"] == "iteration"]
    return {"message": [run["real_time"] * 1e-6 for run in runs],
            "event": [1 / run["items_per_second"] for run in runs if run.get("items_per_second")]}


def python_times(work, items: list, options: argparse.Namespace) -> list[float]:
    """Seconds for each of the things, events or messages, that work(item) does and returns the
    number of; each repetition takes the items in turn, whole rounds of them."""
    work(items[0])
    times = []
    for _ in range(options.repetitions):
        done, elapsed, start = 0, 0.0, time.perf_counter()
        while elapsed < options.min_time:
            done += sum(work(item) for item in items)
            elapsed = time.perf_counter() - start
        times.append(elapsed / done)
    return times


# ---------------------------------------------------------------- results

def machine() -> dict:
    name = platform.machine()
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            name = line.split(":", 1)[1].strip()
            break
    system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    return {"machine": f"{name}, {os.cpu_count()} cores, {system}",
            "date": datetime.date.today().isoformat(), "commit": commit()}


def commit() -> str:
    def git(*words):
        return subprocess.run(["git", "-C", ROOT, *words], text=True, capture_output=True).stdout
    changed = "+" if git("status", "--porcelain", "--untracked-files=no") else ""
    return git("rev-parse", "--short", "HEAD").strip() + changed


def store(section: str, measurements: list[dict], options: argparse.Namespace):
    """Puts a section into the file of results, in place of an older one; never a part of one."""
    if options.only:
        return
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results[section] = {**machine(), "quick": options.quick, "command": shlex.join(sys.argv),
                        "measurements": measurements}
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")


def short(seconds: list[float]) -> str:
    """"1.24 ms", of the median."""
    value = statistics.median(seconds)
    for unit, size in [("s", 1), ("ms", 1e-3), ("us", 1e-6)]:
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value / 1e-9:.3g} ns"
