#!/usr/bin/env python3
"""`decode` beside the machine's own limits and Python: messages of float32 images, of each size and
each way to store them, beside one memcpy of the pixels or the library that owns the compression,
and beside h5py or numpy, on the same bytes. Messages are taken in turn from more memory than caches
hold. "Into other memory": the nodes behind want the pixels in memory of their own, as with a GPU;
without, pixels that are not compressed stay where they are.

    .venv/bin/python bench/decode.py [--quick] [--only NAME]

NAME as in "16x352x384.gzip", or a part of it. Writes section "decode" of the results, unless --only is
given.
"""

from __future__ import annotations

import functools
import io
import itertools
import json
import pathlib
import subprocess
import tempfile

import cbor2
import h5py
import hdf5plugin
import numpy as np

import harness
from harness import BINARIES, NotMeasured, python_times

SIZES = [(16, 352, 384), (8, 512, 1024), (1, 1920, 1920)]
SMALL = (4, 176, 192)  # in messages that take HDF5 longer to open than their pixels to copy
SIMPLON_BLOCK = 4096
UNCACHED = 288 << 20


@functools.cache
def image(shape: tuple[int, ...]) -> np.ndarray:
    """Photons and read noise in ADU, as a calibrated image has them."""
    random = np.random.default_rng(1)
    return (random.poisson(10.0, shape) + random.normal(0, 2, shape)).astype(np.float32)[None]


def hdf5(shape, **compression) -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver="earliest") as file:
        file.create_dataset("/data/data", data=image(shape), chunks=(1, *shape), **compression)
        file["/data/timestamp"] = np.array([1 << 60], np.uint64)
        file["/data/wavelength"] = np.array([1.3])
    return buffer.getvalue()


def npz(shape, save) -> bytes:
    buffer = io.BytesIO()
    save(buffer, detector_data=image(shape), timestamp=np.array([1 << 60], np.uint64),
         photon_wavelength=np.array([1.3]))
    return buffer.getvalue()


def simplon(shape) -> bytes:
    with h5py.File("memory", "w", driver="core", backing_store=False) as file:
        data = file.create_dataset("x", data=image(shape), chunks=(1, *shape),
                                   **hdf5plugin.Bitshuffle(SIMPLON_BLOCK, "lz4"))
        _, chunk = data.id.read_direct_chunk((0,) * (1 + len(shape)))
    return b"m" + cbor2.dumps({"type": "image", "dtype": "float32", "timestamp": 1.7e9,
                               "compressed_data": chunk[12:]})


STORAGES = {
    "none": hdf5,
    "gzip": functools.partial(hdf5, compression="gzip", compression_opts=3),
    "shuffle+gzip": functools.partial(hdf5, compression="gzip", compression_opts=3, shuffle=True),
    "bitshuffle-lz4": functools.partial(hdf5, **hdf5plugin.Bitshuffle(cname="lz4")),
    "bitshuffle-zstd": functools.partial(hdf5, **hdf5plugin.Bitshuffle(cname="zstd")),
    "zfp": functools.partial(hdf5, **hdf5plugin.Zfp(accuracy=0.1)),
    "npz": functools.partial(npz, save=np.savez),
    "npz-deflate": functools.partial(npz, save=np.savez_compressed),
    "simplon": simplon,
}
LIBRARIES = {"none": "memcpy", "npz": "memcpy", "npz-deflate": "libdeflate", "gzip": "libdeflate",
             "shuffle+gzip": "libdeflate", "zfp": "zfp"}  # bitshuffle owns the others


def limits_of(storage: str) -> dict[str, str]:
    """Benchmark -> the library that it calls. What un-shuffles is ours to keep cheap: libdeflate
    alone is the limit, and HDF5's filter behind it what there is."""
    limits = {"library": LIBRARIES.get(storage, "bitshuffle")}
    if storage == "shuffle+gzip":
        limits["unshuffled"] = "libdeflate, HDF5's shuffle"
    return limits


def read_hdf5(message: bytes) -> int:
    with h5py.File(io.BytesIO(message)) as file:
        return len([field[:] for field in file["/data"].values()][0])


def read_npz(message: bytes) -> int:
    with np.load(io.BytesIO(message), allow_pickle=False) as archive:
        return len([archive[name] for name in archive.files][0])


def python_of(storage: str):
    """Its name and what it does; none for Simplon, whose blocks nothing in Python takes."""
    if storage.startswith("npz"):
        return "numpy.load", read_npz
    return ("h5py", read_hdf5) if storage != "simplon" else None


def benchmark_runs(path: pathlib.Path, options) -> list[dict]:
    with tempfile.NamedTemporaryFile(suffix=".json") as found:
        done = subprocess.run(
            [BINARIES / "pnflow_decode_bench", f"--benchmark_min_time={options.min_time}",
             f"--benchmark_repetitions={options.repetitions}",
             "--benchmark_enable_random_interleaving=true",
             f"--benchmark_out={found.name}", "--benchmark_out_format=json", path],
            text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        runs = json.load(found) if done.returncode == 0 else {}
    failed = [run["error_message"] for run in runs.get("benchmarks", []) if "error_message" in run]
    if done.returncode != 0 or failed:
        raise NotMeasured(f"{path.name}: {[done.stderr.strip()[-300:], *failed]}")
    return runs["benchmarks"]


def rows(options):
    cases = [(shape, storage) for shape in SIZES for storage in STORAGES] + [(SMALL, "none")]
    for shape, storage in cases:
        name = f"{'x'.join(map(str, shape))}.{storage}"
        if options.only not in name:
            continue
        message = STORAGES[storage](shape)
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory, name)
            path.write_bytes(message)
            runs = benchmark_runs(path, options)
        theirs = {}
        if python := python_of(storage):
            copies = [bytes(bytearray(message)) for _ in range(UNCACHED // len(message) + 1)]
            theirs = {python[0]: python_times(python[1], copies, options)}
        for workers, (limit, library) in itertools.product((1, 2), limits_of(storage).items()):
            suffix = f"real_time/threads:{workers}"
            beside = "" if limit == "library" else f", beside {library}"
            for body, text in [("decode", ""), ("pinned", ", into other memory")]:
                yield {"name": f"{name}, {workers} workers{text}{beside}", "input": name + text,
                       "workers": workers, "bytes": image(shape).nbytes, "stored": len(message),
                       "pnflow": seconds(runs, f"{name}/{body}/{suffix}"), "library": library,
                       "limit": seconds(runs, f"{name}/{limit}/{suffix}"),
                       "alternatives": theirs}


def seconds(runs: list[dict], name: str) -> list[float]:
    """Of one message, for each repetition."""
    return [1 / run["items_per_second"] for run in runs
            if run["run_type"] == "iteration" and run["run_name"] == name]


def main():
    options = harness.arguments(__doc__, selects=True)
    found = []
    for row in rows(options):
        others = "".join(f"; {name} {harness.short(times)}"
                         for name, times in row["alternatives"].items())
        print(f"{row['name']}: {harness.short(row['pnflow'])}; {row['library']} "
              f"{harness.short(row['limit'])}{others}", flush=True)
        found.append(row)
    harness.store("decode", found, options)


if __name__ == "__main__":
    main()
