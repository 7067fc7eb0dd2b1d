#!/usr/bin/env python3
"""Writing CXI files: 500 events of an ePix10k2M (uint16, 300 peaks), each way beside its limit.

    .venv/bin/python bench/cxi_writer.py [--quick] [--only NAME] [--directory DIR]

Uncompressed beside `dd conv=fsync` of the same bytes, the two in turn; compressed beside three
limits: the time of the compressor's library alone, divided by the workers; that and what `dd` takes
to copy the compressed bytes into the page cache, which the same cores do, divided by the workers;
and `dd conv=fsync` of the compressed bytes, which no worker makes faster. And beside h5py, an
assignment for each peak and dataset. Making the events is not in the time; handing them over,
peaks, metadata and closing files are, and all of them end when the last byte is on the disk. Writes
section "cxi_writer" of the results, unless --only is given.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import tempfile
import time

import h5py
import numpy as np

import harness
from harness import BINARIES
from programs import repetitions, seconds

SHAPE = (16 * 352, 384)
EVENT_BYTES = 2 * SHAPE[0] * SHAPE[1]
PEAKS = 300
PER_FILE = 100
COMPRESSED = ["gzip:1", "bitshuffle_lz4", "bitshuffle_zstd"]


def written(directory: pathlib.Path, events: int, workers: int,
            compression: str) -> tuple[float, int]:
    """Seconds of pnflow for all events, and the bytes of its files for each."""
    out = directory / "out"
    done = subprocess.run([BINARIES / "pnflow_cxi_writer_bench", out, str(events), str(workers),
                           compression], check=True, capture_output=True, text=True)
    size = sum(path.stat().st_size for path in out.glob("*.cxi"))
    shutil.rmtree(out)
    return float(done.stdout), size // events


def copied(directory: pathlib.Path, events: int, size: int = EVENT_BYTES, sync=True) -> float:
    """Seconds of dd for `size` bytes of each of the events, to the disk or to the page cache."""
    path = directory / "dd"
    start = time.perf_counter()
    subprocess.run(["dd", "if=/dev/zero", f"of={path}", f"bs={size}", f"count={events}",
                    *(["conv=fsync"] if sync else [])], check=True, capture_output=True)
    elapsed = time.perf_counter() - start
    path.unlink()
    return elapsed


def in_python(directory: pathlib.Path, events: int) -> float:
    """Seconds of h5py for all events, as a pipeline in Python writes them: float32, not compressed,
    each peak by itself."""
    random = np.random.default_rng(1)
    image = random.poisson(10.0, SHAPE).astype(np.uint16)
    peaks = random.uniform(0, 350, (PEAKS, 3))
    start = time.perf_counter()
    for first in range(0, events, PER_FILE):
        path = directory / f"{first}.h5"
        count = min(PER_FILE, events - first)
        with h5py.File(path, "w") as file:
            file.create_dataset("/entry_1/data_1/data", (count, *SHAPE), "f4")
            for name in ("peakSegPosRaw", "peakYPosRaw", "peakXPosRaw"):
                file.create_dataset(f"/entry_1/result_1/{name}", (count, 2048), "f4", fillvalue=-1)
            file.create_dataset("/entry_1/result_1/nPeaks", (count,), "i8")
            for i in range(count):
                file["/entry_1/data_1/data"][i] = image
                file["/entry_1/result_1/nPeaks"][i] = PEAKS
                for j, (panel, y, x) in enumerate(peaks):
                    file["/entry_1/result_1/peakSegPosRaw"][i, j] = panel
                    file["/entry_1/result_1/peakYPosRaw"][i, j] = y
                    file["/entry_1/result_1/peakXPosRaw"][i, j] = x
        with open(path, "rb") as closed:
            os.fsync(closed.fileno())
    elapsed = time.perf_counter() - start
    for path in directory.glob("*.h5"):
        path.unlink()
    return elapsed


def of_library(compression: str, options) -> list[float]:
    """Seconds of the compressor alone for an event."""
    level = ":1" if compression == "bitshuffle_zstd" else ""
    name = f"library/{compression}{level}/real_time/threads:1"
    return [seconds(run) for run in
            repetitions("pnflow_cxi_compression_bench", options, f"^{name}$")[name]]


def measured(options, directory: pathlib.Path):
    events = 20 if options.quick else 500

    def row(name, pnflow, **alternatives):
        return {"name": name, "pnflow": [t / events for t in pnflow],
                "alternatives": {key.replace("_", " "): times
                                 for key, times in alternatives.items()}}

    for workers in (1, 2):
        name = f"none, {workers} worker(s)"
        if options.only in name:
            pairs = [(copied(directory, events), written(directory, events, workers, "none")[0])
                     for _ in range(options.repetitions)]
            yield row(name, [pair[1] for pair in pairs], dd=[pair[0] / events for pair in pairs])
    for compression in COMPRESSED:
        library = []
        for workers in (1, 2):
            name = f"{compression}, {workers} worker(s)"
            if options.only not in name:
                continue
            library = library or of_library(compression, options)
            times, cached, synced = [], [], []
            for _ in range(options.repetitions):
                elapsed, size = written(directory, events, workers, compression)
                times.append(elapsed)
                cached.append(copied(directory, events, size, sync=False) / events)
                synced.append(copied(directory, events, size) / events)
            yield row(name, times, library=[t / workers for t in library],
                      library_and_page_cache=[(t + c) / workers for t, c in zip(library, cached)],
                      dd_of_the_compressed=synced)
    if options.only in "h5py":
        few = min(events, PER_FILE)
        yield row("beside h5py, 2 workers", [written(directory, events, 2, "none")[0]],
                  h5py=[in_python(directory, few) / few])


def main():
    options = harness.arguments(__doc__, selects=True, directory=True)
    rows = []
    with tempfile.TemporaryDirectory(dir=options.directory) as directory:
        for found in measured(options, pathlib.Path(directory)):
            others = ", ".join(f"{name} {harness.short(times)}"
                               for name, times in found["alternatives"].items())
            print(f"{found['name']}: {harness.short(found['pnflow'])}; {others}", flush=True)
            rows.append(found)
    harness.store("cxi_writer", rows, options)


if __name__ == "__main__":
    main()
