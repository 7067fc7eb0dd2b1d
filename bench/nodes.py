#!/usr/bin/env python3
"""Every node alone, beside what one would take in Python for the same work, on the same input.

    .venv/bin/python bench/nodes.py [--quick] [--only NAME]

A function for each node; it yields a row for each input. The alternatives are one thread of Python
with the usual libraries, their input in memory as pnflow's is. Writes section "nodes" of the
results, unless --only is given.
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import os
import pathlib
import subprocess
import tempfile

import cv2
import h5py
import numpy as np
import scipy.ndimage
import zmq

import harness
from chain import lit_pixels
from harness import DATA, NotMeasured, pnflow_times, python_times
from inputs import SIMULATED, SOCKET, Simulated, captured, hdf5_message

EPIX = Simulated((16, 352, 384), peaks=60)
PANELS = Simulated((4, 176, 192), peaks=60)


@dataclasses.dataclass
class Row:
    node: str
    input: str
    per: str  # what the seconds are of: event or message
    pnflow: list[float]
    workers: int = 1
    alternatives: dict[str, list[float]] = dataclasses.field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.node}, {self.input}" + (f", {self.workers} workers" * (self.workers > 1))


def zmq_source(options):
    """PULL sockets over TCP on this machine, fed by a producer that sends as fast as it can."""
    with tempfile.TemporaryDirectory() as directory:
        large = pathlib.Path(directory, "large.bin")
        large.write_bytes(hdf5_message(np.zeros((1, *EPIX.shape), np.uint16)))
        for path in [DATA / "hdf5_three_ranks" / "msg_0000.bin",
                     DATA / "hdf5_epix10k2m_bslz4_u16" / "msg_0000.bin", large]:
            size = path.stat().st_size
            text = f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.0f} kB"
            times = pnflow_times(SOCKET, "socket", options, push=path)
            yield Row("zmq_source", f"messages of {text}", "message", times["message"],
                      alternatives={"pyzmq": pyzmq_times(path, options)})


def pyzmq_times(path: pathlib.Path, options) -> list[float]:
    with zmq.Context() as context, context.socket(zmq.PULL) as socket:
        socket.set_hwm(1)
        socket.bind("tcp://127.0.0.1:*")
        producer = subprocess.Popen(
            [harness.PNFLOW, "push", "--connect", socket.getsockopt_string(zmq.LAST_ENDPOINT),
             "--files", path, "--loop", "0"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            return python_times(lambda _: len([socket.recv(copy=False)]), [None] * 20, options)
        finally:
            producer.kill()
            producer.wait()


def sim_source(options):
    for events in [EPIX, PANELS]:
        times = pnflow_times(SIMULATED, "source", options,
                             settings=[*events.settings, "source.count=0"])
        random = np.random.default_rng(1)
        yield Row("sim_source", events.text, "event", times["message"],
                  alternatives={"numpy": python_times(lambda e: simulate(e, random), [events],
                                                      options)})


def simulate(events: Simulated, random: np.random.Generator) -> int:
    """Poisson background, Gaussian noise and peaks."""
    image = random.poisson(10.0, events.shape) + random.normal(0, 2, events.shape)
    panels, height, width = events.shape
    offset = np.arange(-5, 6)
    for _ in range(events.peaks):
        panel = random.integers(panels)
        y, x = random.uniform(6, height - 7), random.uniform(6, width - 7)
        rows, columns = int(y) + offset, int(x) + offset
        shape = np.exp(-((rows - y)[:, None] ** 2 + (columns - x) ** 2) / (2 * 1.2 ** 2))
        image[panel, rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1] += (
            random.uniform(200, 2000) * shape)
    np.clip(np.rint(image), 0, 65535).astype(np.uint16)
    return 1


def decode(options):
    for name, alternative, work in [
            ("hdf5_none_u16_panels", "h5py", read_hdf5),
            ("hdf5_epix10k2m_bslz4_u16", "h5py, hdf5plugin", read_hdf5),
            ("hdf5_bslz4_u16_panels", "h5py, hdf5plugin", read_hdf5),
            ("hdf5_bszstd_u16_panels", "h5py, hdf5plugin", read_hdf5),
            ("hdf5_gzip_shuffle_u16_panels", "h5py", read_hdf5),
            ("hdf5_zfp_f32_panels", "h5py, hdf5plugin", read_hdf5),
            ("npz_timestamp_f64_seconds", "numpy.load", read_npz),
            ("npz_deflate_batch_f32", "numpy.load", read_npz)]:
        times = pnflow_times(SOCKET, "decode", options, push=DATA / name / "msg_*.bin")
        yield Row("decode", f"`{name}`", "event", times["event"],
                  alternatives={alternative: python_times(work, captured(name), options)})


def read_hdf5(message: bytes) -> int:
    with h5py.File(io.BytesIO(message)) as file:
        for name in ["timestamp", "wavelength"]:
            if (field := file.get(f"/data/{name}")) is not None:
                field[:]
        return len(file["/data/data"][:])


def read_npz(message: bytes) -> int:
    with np.load(io.BytesIO(message), allow_pickle=False) as archive:
        fields = {name: archive[name] for name in archive.files}
    return len(fields["timestamp"])


def infer(options):
    for events in [EPIX, PANELS]:
        with tempfile.TemporaryDirectory() as directory:
            images = events.events(directory)["image"]
        times = pnflow_times(SIMULATED, "infer", options, settings=events.settings)
        theirs = python_times(scipy_map, list(images), options)
        yield Row("infer", f"engine threshold, {events.text}", "event", times["event"],
                  alternatives={"scipy uniform_filter": theirs})


def scipy_map(event: np.ndarray) -> int:
    for panel in event:
        lit_pixels(panel)
    return 1


def find_peaks(options):
    for events in [EPIX, PANELS, Simulated((1, 1920, 1920), peaks=300),
                   Simulated((1, 1920, 1920), peaks=5000, count=4)]:
        with tempfile.TemporaryDirectory() as directory:
            maps = list(events.events(directory)["segmap"])
        times = pnflow_times(SIMULATED, "peaks", options, settings=events.settings)
        yield Row("find_peaks", events.text, "event", times["event"], alternatives={
            "scipy label, center_of_mass": python_times(scipy_peaks, maps, options),
            "OpenCV connectedComponentsWithStats": python_times(opencv_peaks, maps, options)})


def scipy_peaks(event: np.ndarray) -> int:
    for panel in event:
        labels, count = scipy.ndimage.label(panel, np.ones((3, 3)))
        scipy.ndimage.center_of_mass(panel, labels, range(1, count + 1))
    return 1


def opencv_peaks(event: np.ndarray) -> int:
    for panel in event:
        cv2.connectedComponentsWithStats(panel, connectivity=8)
    return 1


def cxi_writer(options):
    """Files of 20 events on both sides, compressed and synced; long enough for whole files."""
    options = argparse.Namespace(**{**vars(options), "min_time": 6 * options.min_time})
    for events, workers in [(EPIX, 1), (EPIX, 2), (PANELS, 1)]:
        with tempfile.TemporaryDirectory() as directory:
            found = events.events(directory)
            settings = [*events.settings, f"cxi.directory={directory}/out",
                        "cxi.events_per_file=20"]
            times = pnflow_times(SIMULATED, "cxi", options, settings=settings, workers=workers)
            theirs = python_times(lambda found: write_cxi(found, f"{directory}/python.h5"), [found],
                                  options)
        yield Row("cxi_writer", events.text, "event", times["event"], workers, {"h5py": theirs})


def write_cxi(found: dict, path: str, count: int = 20) -> int:
    """A file of `count` events with the images, peaks and a few numbers, safe on the disk."""
    turn = np.arange(count) % len(found["image"])
    images, peaks = found["image"][turn], found["peaks"][turn]
    images = images.reshape(count, -1, images.shape[-1])
    with h5py.File(path, "w") as file:
        file.create_dataset("/entry_1/data_1/data", data=images, chunks=(1, *images.shape[1:]),
                            compression="gzip", compression_opts=1, shuffle=True)
        for i, name in enumerate(["peakYPosRaw", "peakXPosRaw", "peakTotalIntensity"]):
            file[f"/entry_1/result_1/{name}"] = peaks[..., i]
        file["/entry_1/result_1/nPeaks"] = np.count_nonzero(peaks[..., 2], axis=1)
        file["/LCLS/photon_energy_eV"] = np.full(count, 9500.0)
        file["/LCLS/detector_1/timestamp"] = np.arange(count)
    with open(path, "rb") as written:
        os.fsync(written.fileno())
    return count


def null_sink(options):
    """From one thread to another: what a message costs that is only counted."""
    times = pnflow_times(SIMULATED.with_name("measure.yaml"), "end", options)
    yield Row("null_sink", "messages of any size", "message", times["message"])


NODES = [zmq_source, sim_source, decode, infer, find_peaks, cxi_writer, null_sink]


def measured(options):
    for node in NODES:
        if options.only and options.only not in node.__name__:
            continue
        try:
            for row in node(options):
                others = ", ".join(f"{name} {harness.short(times)}"
                                   for name, times in row.alternatives.items())
                print(f"{row.name}: {harness.short(row.pnflow)}{'; ' * bool(others)}{others}",
                      flush=True)
                yield {"name": row.name, **dataclasses.asdict(row)}
        except NotMeasured as error:
            print(f"{node.__name__}: NOT MEASURED: {error}", flush=True)
            options.failed = True


def main():
    options = harness.arguments(__doc__, selects=True)
    options.failed = False
    harness.store("nodes", list(measured(options)), options)
    raise SystemExit(options.failed)


if __name__ == "__main__":
    main()
