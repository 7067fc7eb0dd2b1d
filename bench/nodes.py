#!/usr/bin/env python3
"""Every node alone, beside what one would take in Python for the same work, on the same input.

    .venv/bin/python bench/nodes.py [--quick] [--only NAME]

A function for each node; it yields a row for each input. The alternatives are one thread of Python
with the usual libraries, their input in memory as pnflow's is. The types `throttle` and `limiter` have
no row: they do no work of their own, one waits and the other counts. Writes section "nodes" of the
results, unless --only is given.
"""

from __future__ import annotations

import argparse
import dataclasses
import pathlib
import subprocess
import tempfile

import h5py
import numpy as np
import zmq

import alternatives as python
import harness
from harness import DATA, NotMeasured, pnflow_times, python_times
from inputs import FILES, RECORD, SIMULATED, SOCKET, Simulated, captured, hdf5_message

EPIX = Simulated((16, 352, 384), peaks=60)
PANELS = Simulated((4, 176, 192), peaks=60)
RECORDED = ["hdf5_three_ranks", "hdf5_epix10k2m_bslz4_u16"]


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


def file_source(options):
    """A record's messages, handed on from the mapped file: nobody has touched their bytes yet."""
    for name in RECORDED:
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory, "record.tar")
            count = python.write_record(captured(name), path)
            times = pnflow_times(FILES, "source", options,
                                 settings=[f"source.files=[{path}]", "source.loop=0"])
            yield Row("file_source", f"a record of {count} messages of `{name}`", "message",
                      times["message"],
                      alternatives={"tarfile": python_times(python.read_record, [path], options)})


def record(options):
    """Both sides end with a synced file; long enough for many messages to one of them."""
    options = argparse.Namespace(**{**vars(options), "min_time": 6 * options.min_time})
    for name in RECORDED:
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory, "python.tar")
            times = pnflow_times(RECORD, "record", options, push=DATA / name / "msg_*.bin",
                                 settings=[f"record.directory={directory}/records"])
            theirs = python_times(lambda messages: python.write_record(messages, path),
                                  [captured(name)], options)
        yield Row("record", f"messages of `{name}`", "message", times["message"],
                  alternatives={"tarfile": theirs})


def sim_source(options):
    """Both sides take each pixel from a table of 65536 draws, made once, and draw the peaks."""
    for events in [EPIX, PANELS]:
        times = pnflow_times(SIMULATED, "source", options,
                             settings=[*events.settings, "source.count=0"])
        random = np.random.default_rng(1)
        noise = python.noise_table(random)
        theirs = python_times(lambda e: python.simulate(e, noise, random), [events], options)
        yield Row("sim_source", events.text, "event", times["message"],
                  alternatives={"numpy": theirs})


def decode(options):
    for name, alternative, work in [
            ("hdf5_none_u16_panels", "h5py", python.read_hdf5),
            ("hdf5_epix10k2m_bslz4_u16", "h5py, hdf5plugin", python.read_hdf5),
            ("hdf5_bslz4_u16_panels", "h5py, hdf5plugin", python.read_hdf5),
            ("hdf5_bszstd_u16_panels", "h5py, hdf5plugin", python.read_hdf5),
            ("hdf5_gzip_shuffle_u16_panels", "h5py", python.read_hdf5),
            ("hdf5_zfp_f32_panels", "h5py, hdf5plugin", python.read_hdf5),
            ("npz_timestamp_f64_seconds", "numpy.load", python.read_npz),
            ("npz_deflate_batch_f32", "numpy.load", python.read_npz)]:
        times = pnflow_times(SOCKET, "decode", options, push=DATA / name / "msg_*.bin")
        yield Row("decode", f"`{name}`", "event", times["event"],
                  alternatives={alternative: python_times(work, captured(name), options)})

    with tempfile.TemporaryDirectory() as directory:
        path = data_file(pathlib.Path(directory, "run.h5"))
        times = pnflow_times(FILES, "decode", options, settings=[f"source.files=[{path}]"])
        yield Row("decode", "a data file of 64 uint16 4x176x192, gzip, 8 events a message", "event",
                  times["event"], alternatives={
                      "h5py": python_times(python.read_data_file, [path], options)})


def data_file(path: pathlib.Path, events: int = 64) -> pathlib.Path:
    random = np.random.default_rng(1)
    images = random.poisson(10.0, (events, *PANELS.shape)).astype(np.uint16)
    with h5py.File(path, "w") as file:
        file.create_dataset("/data/data", data=images, chunks=(1, *PANELS.shape),
                            compression="gzip", compression_opts=3, shuffle=True)
        file["/data/timestamp"] = np.arange(1, events + 1, dtype=np.uint64) << 32
    return path


def infer(options):
    for events in [EPIX, PANELS]:
        with tempfile.TemporaryDirectory() as directory:
            images = events.events(directory)["image"]
        times = pnflow_times(SIMULATED, "infer", options, settings=events.settings)
        theirs = python_times(python.scipy_map, list(images), options)
        yield Row("infer", f"engine threshold, {events.text}", "event", times["event"],
                  alternatives={"scipy uniform_filter": theirs})


def find_peaks(options):
    for events in [EPIX, PANELS, Simulated((1, 1920, 1920), peaks=300),
                   Simulated((1, 1920, 1920), peaks=5000, count=4)]:
        with tempfile.TemporaryDirectory() as directory:
            maps = list(events.events(directory)["segmap"])
        times = pnflow_times(SIMULATED, "peaks", options, settings=events.settings)
        yield Row("find_peaks", events.text, "event", times["event"], alternatives={
            "scipy label, center_of_mass": python_times(python.scipy_peaks, maps, options),
            "OpenCV connectedComponentsWithStats": python_times(python.opencv_peaks, maps, options)})


def cxi_writer(options):
    """Files of 20 events on both sides, compressed and synced; long enough for whole files. One
    worker of pnflow is two threads, one that compresses and one that writes."""
    options = argparse.Namespace(**{**vars(options), "min_time": 6 * options.min_time})
    for events, workers in [(EPIX, 1), (EPIX, 2), (PANELS, 1)]:
        with tempfile.TemporaryDirectory() as directory:
            found = events.events(directory)
            turn = np.arange(20) % events.count
            images = found["image"][turn].reshape(len(turn), -1, events.shape[-1])
            peaks = found["peaks"][turn]
            settings = [*events.settings, f"cxi.directory={directory}/out",
                        "cxi.events_per_file=20", "cxi.compression=gzip:1"]
            times = pnflow_times(SIMULATED, "cxi", options, settings=settings, workers=workers)
            theirs = python_times(lambda path: python.write_cxi(images, peaks, path),
                                  [f"{directory}/python.h5"], options)
        yield Row("cxi_writer", events.text, "event", times["event"], workers, {"h5py": theirs})


def null_sink(options):
    """From one thread to another: what a message costs that is only counted."""
    times = pnflow_times(SIMULATED.with_name("measure.yaml"), "end", options)
    yield Row("null_sink", "messages of any size", "message", times["message"])


NODES = [zmq_source, file_source, sim_source, decode, infer, find_peaks, record, cxi_writer,
         null_sink]


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
